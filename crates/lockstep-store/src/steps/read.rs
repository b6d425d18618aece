//! From queued to planned.

use lockstep_core::change::RunState;
use lockstep_core::models::memory::Memory;

use super::entry::{enter, take_over};
use super::rows::{Rows, keep_holds};
use super::{Holds, Planned, Requests};
use crate::changes::ChangeRow;
use crate::columns::big;
use crate::{Store, StoreError, events, memory, sql, tally};

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
                sql::query("UPDATE run SET state = $2 WHERE id = $1")
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

    /// Remembers who said yes to what the run will plan, so that whoever resumes it may write it. It is not approved by
    /// that: [`Run::approved_at`](crate::runs::Run::approved_at) stays empty until its plan is.
    pub async fn approve_ahead(
        &self,
        run_id: &str,
        fence: i64,
        by: &str,
    ) -> Result<(), StoreError> {
        let (run_id, by) = (run_id.to_owned(), by.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, Requests::default()).await?;
                run.be(&[RunState::Queued, RunState::Reading], "queued or reading")?;
                sql::query("UPDATE run SET approved_by = $2 WHERE id = $1")
                    .bind(&run_id)
                    .bind(by)
                    .execute(db)
                    .await?;
                Ok(())
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
                sql::query("UPDATE run SET total = $2 WHERE id = $1")
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
        self.record(run_id, fence, Rows::Channels(rows), memories, requests)
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
        self.plan_made(run_id, fence, Rows::Channels(changed_rows), planned, now)
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

    /// Tells those who watch that the gateway turned `request`, a method and a path, away and asked to wait `until` then.
    /// It is counted by [`Requests::throttled`].
    pub async fn tell_throttled(
        &self,
        run_id: &str,
        fence: i64,
        until: i64,
        request: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let (run_id, request) = (run_id.to_owned(), request.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                enter(db, &run_id, fence, Requests::default()).await?;
                events::append(db, &run_id, vec![events::throttled(until, &request, now)]).await
            })
        })
        .await
    }

    /// Records rows as they were read and planned.
    pub(super) async fn record(
        &self,
        run_id: &str,
        fence: i64,
        rows: Rows,
        memories: Vec<(i64, Memory)>,
        requests: Requests,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, requests).await?;
                run.be(&[RunState::Reading], "reading")?;
                let told = rows.record(db, &run).await?;
                memory::store(db, &run.site_id, memories).await?;
                events::append(db, &run_id, told).await
            })
        })
        .await
    }

    /// Reading to planned.
    pub(super) async fn plan_made(
        &self,
        run_id: &str,
        fence: i64,
        changed: Rows,
        planned: Planned,
        now: i64,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, Requests::default()).await?;
                run.be(&[RunState::Reading], "reading")?;
                let mut told = changed.record(db, &run).await?;
                if planned.holds != Holds::Leave {
                    keep_holds(db, &run, planned.holds == Holds::Renew, now).await?;
                }
                sql::query(
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
                told.push(events::state(RunState::Planned, now, Some(("total", planned.total.into()))));
                events::append(db, &run_id, told).await
            })
        })
        .await
    }
}
