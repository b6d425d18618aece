//! From queued to planned.

use lockstep_core::change::{RunState, Subject};
use lockstep_core::models::memory::Memory;

use super::entry::{enter, take_over};
use super::{Holds, Planned, Requests};
use crate::changes::ChangeRow;
use crate::columns::big;
use crate::events::NewEvent;
use crate::{Store, StoreError, change_rows, events, holds, memory, tally};

impl Store {
    /// Takes over a run under a newer fence without changing its state: to write a run that was approved, to cancel
    /// one, or to continue one whose holder is gone. The same fence again changes nothing.
    pub async fn adopt_run(&self, run_id: &str, fence: i64) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| Box::pin(async move { take_over(db, &run_id, fence).await.map(drop) }))
            .await
    }

    /// Queued to reading, under a fence not older than the run's. A run that is reading already is continued.
    pub async fn start_reading(
        &self,
        run_id: &str,
        fence: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = take_over(db, &run_id, fence).await?;
                run.be(&[RunState::Queued, RunState::Reading], "queued or reading")?;
                if run.state == RunState::Reading {
                    return Ok(());
                }
                sqlx::query("UPDATE run SET state = $2 WHERE id = $1")
                    .bind(&run_id)
                    .bind(RunState::Reading.code())
                    .execute(&mut *db)
                    .await?;
                let event = events::state(RunState::Reading, now, None);
                events::append(db, &run_id, vec![event]).await
            })
        })
        .await
    }

    /// Records how many channels the run is about, as soon as that is known.
    pub async fn set_total(&self, run_id: &str, fence: i64, total: u64) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                enter(db, &run_id, fence, Requests::default()).await?;
                sqlx::query("UPDATE run SET total = $2 WHERE id = $1")
                    .bind(&run_id)
                    .bind(big(total))
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Records channels as they were read and planned; a row of the same channel is replaced.
    pub async fn record_read(
        &self,
        run_id: &str,
        fence: i64,
        rows: Vec<ChangeRow>,
        memories: Vec<(i64, Memory)>,
        requests: Requests,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, requests).await?;
                run.be(&[RunState::Reading], "reading")?;
                change_rows::store(db, &run_id, (&run.site_id, run.subject.code()), &rows).await?;
                memory::store(db, &run.site_id, memories).await?;
                events::append(db, &run_id, rows.iter().map(item).collect()).await
            })
        })
        .await
    }

    /// Reading to planned. `changed_rows` are those whose verdicts the brakes of the whole run changed. What it
    /// found to wait, waits; a plan that renews holds also forgets those of channels that have none now, unless they
    /// could not be read, and over all channels those of channels that are gone.
    pub async fn mark_planned(
        &self,
        run_id: &str,
        fence: i64,
        changed_rows: Vec<ChangeRow>,
        planned: Planned,
        now: i64,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, Requests::default()).await?;
                run.be(&[RunState::Reading], "reading")?;
                let about = (run.site_id.as_str(), run.subject.code());
                change_rows::store(db, &run_id, about, &changed_rows).await?;
                if planned.holds != Holds::Leave && run.subject == Subject::Models {
                    if planned.holds == Holds::Renew {
                        holds::forget_passed(db, &run_id, &run.site_id, run.everywhere).await?;
                    }
                    holds::keep_found(db, &run_id, &run.site_id, now).await?;
                }
                sqlx::query(
                    "UPDATE run SET state = $2, plan_hash = $3, total = $4, planned_at = $5 WHERE id = $1",
                )
                .bind(&run_id)
                .bind(RunState::Planned.code())
                .bind(planned.hash.as_str())
                .bind(big(planned.total))
                .bind(now)
                .execute(&mut *db)
                .await?;
                tally::keep(db, &run_id).await?;
                let mut told: Vec<NewEvent> = changed_rows.iter().map(item).collect();
                told.push(events::state(RunState::Planned, now, Some(("total", planned.total.into()))));
                events::append(db, &run_id, told).await
            })
        })
        .await
    }

    /// Counts requests that belong to no change.
    pub async fn add_requests(
        &self,
        run_id: &str,
        fence: i64,
        requests: Requests,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move { enter(db, &run_id, fence, requests).await.map(drop) })
        })
        .await
    }

    /// Tells those who watch that the gateway asked to wait `until` then. It is counted by [`Requests::throttled`].
    pub async fn tell_throttled(
        &self,
        run_id: &str,
        fence: i64,
        until: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                enter(db, &run_id, fence, Requests::default()).await?;
                events::append(db, &run_id, vec![events::throttled(until, now)]).await
            })
        })
        .await
    }
}

/// The event of a row as it is recorded.
pub(super) fn item(row: &ChangeRow) -> NewEvent {
    events::item(
        (row.channel_id, &row.channel_name),
        row.state,
        row.hold.as_ref().or(row.skip.as_ref()),
        row.hold.is_some(),
        row.failure.as_ref(),
        row.finished_at.unwrap_or(row.read_at),
    )
}
