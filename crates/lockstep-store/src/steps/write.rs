//! From planned to the end.

use crate::sql::QueryBuilder;
use lockstep_core::change::{RunState, Subject};
use lockstep_core::failure::Failure;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::memory::Memory;

use super::entry::{Entry, enter, look};
use super::rows::{Chosen, Rows, table};
use super::{Outcome, Requests};
use crate::blobs::{Blobs, ROWS_PER_STATEMENT};
use crate::changes::ChangeRow;
use crate::columns::{Columns, big};
use crate::events::{NewEvent, Target};
use crate::sql::Connection;
use crate::{Store, StoreError, events, memory, schedule, sql, tally, wire};

impl Store {
    /// Planned to writing: the ready changes, or those of them that are named, become approved, the other ready ones
    /// are dropped. This is the intent of every write. `rebases`: whether a base that moved may be planned again and
    /// written, though nobody is shown the new plan. Returns how many were approved.
    pub async fn approve(
        &self,
        run_id: &str,
        only: Option<&[i64]>,
        by: &str,
        rebases: bool,
        now: i64,
    ) -> Result<u64, StoreError> {
        let only = only.map(|ids| Chosen::Channels(ids.to_vec()));
        self.begin_writing(run_id, Subject::Models, only, by, rebases, now)
            .await
    }

    /// Replaces approved changes that were planned again because their base moved, before they are written.
    pub async fn record_rebased(
        &self,
        run_id: &str,
        fence: i64,
        rows: Vec<ChangeRow>,
        requests: Requests,
    ) -> Result<(), StoreError> {
        self.record_again(run_id, fence, Rows::Channels(rows), requests)
            .await
    }

    /// Records what came of writes. An outcome that comes after the run was ended is recorded too, for it is the
    /// truth.
    pub async fn record_outcomes(
        &self,
        run_id: &str,
        fence: i64,
        outcomes: Vec<Outcome>,
        requests: Requests,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, requests).await?;
                run.be_about(Subject::Models)?;
                let mut told = Vec::with_capacity(outcomes.len());
                let mut blobs = Blobs::default();
                let mut memories: Vec<(i64, Memory)> = Vec::new();
                for outcome in outcomes {
                    told.push(settle(db, &run, &outcome, &mut blobs).await?);
                    memories.extend(outcome.memory.map(|memory| (outcome.channel_id, memory)));
                }
                blobs.store(db).await?;
                memory::store(db, &run.site_id, memories).await?;
                tell(db, &run, told).await
            })
        })
        .await
    }

    /// Ends a run in one of the states that end it. What is still ready or approved is dropped.
    pub async fn end_run(
        &self,
        run_id: &str,
        fence: i64,
        state: RunState,
        failure: Option<Failure>,
        requests: Requests,
        now: i64,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move { end(db, &run_id, fence, state, failure, requests, now).await })
        })
        .await
    }

    /// Cancels a run that changed nothing and cannot be gone on with; the schedule's tick that it came of, if it came of
    /// one, is due again. Returns whether it is.
    pub async fn end_run_again(
        &self,
        run_id: &str,
        fence: i64,
        failure: Option<Failure>,
        requests: Requests,
        now: i64,
    ) -> Result<bool, StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let state = RunState::Cancelled;
                end(db, &run_id, fence, state, failure, requests, now).await?;
                schedule::again_for_run(db, &run_id).await
            })
        })
        .await
    }

    /// Planned to writing.
    pub(super) async fn begin_writing(
        &self,
        run_id: &str,
        subject: Subject,
        only: Option<Chosen>,
        by: &str,
        rebases: bool,
        now: i64,
    ) -> Result<u64, StoreError> {
        let (run_id, by) = (run_id.to_owned(), by.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                // The state is part of the condition: of two who approve, one is refused.
                let moved = sql::query(
                    "UPDATE run SET state = 'writing', approved_at = $2, approved_by = $3, go_on = $4, tally = NULL
                     WHERE id = $1 AND state = 'planned'",
                )
                .bind(&run_id)
                .bind(now)
                .bind(by)
                .bind(i64::from(rebases))
                .execute(&mut *db)
                .await?;
                let run = look(db, &run_id).await?;
                run.be_about(subject)?;
                if moved.rows_affected() == 0 {
                    run.be(&[RunState::Planned], "planned")?;
                }
                let approved = set_approved(db, &run, only.as_ref()).await?;
                drop_waiting(db, &run, "state = 'ready'", now).await?;
                let more = Some(("approved", approved.into()));
                events::append(db, &run_id, vec![events::state(RunState::Writing, now, more)]).await?;
                Ok(approved)
            })
        })
        .await
    }

    /// Replaces approved rows before they are written.
    pub(super) async fn record_again(
        &self,
        run_id: &str,
        fence: i64,
        rows: Rows,
        requests: Requests,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, requests).await?;
                run.be(&[RunState::Writing], "writing")?;
                let told = rows.record(db, &run).await?;
                events::append(db, &run_id, told).await
            })
        })
        .await
    }
}

/// Ends a run in one of the states that end it.
async fn end(
    db: &mut Connection,
    run_id: &str,
    fence: i64,
    state: RunState,
    failure: Option<Failure>,
    requests: Requests,
    now: i64,
) -> Result<(), StoreError> {
    let run = enter(db, run_id, fence, requests).await?;
    if run.state.ended() || !state.ended() {
        return Err(StoreError::WrongState {
            run: run_id.to_owned(),
            state: run.state,
            wanted: "not over, and to be ended",
        });
    }
    drop_waiting(db, &run, "state IN ('ready', 'approved')", now).await?;
    sql::query("UPDATE run SET state = $2, failure = $3, ended_at = $4 WHERE id = $1")
        .bind(run_id)
        .bind(state.code())
        .bind(failure.as_ref().map(wire::failure_to_text))
        .bind(now)
        .execute(&mut *db)
        .await?;
    tally::keep(db, run_id).await?;
    let more = failure.map(|failure| ("error", failure.kind.code().into()));
    events::append(db, run_id, vec![events::state(state, now, more)]).await
}

/// Tells what came of writes, and counts again where the run was over already.
pub(super) async fn tell(
    db: &mut Connection,
    run: &Entry,
    told: Vec<NewEvent>,
) -> Result<(), StoreError> {
    if run.state.ended() {
        tally::keep(db, &run.id).await?;
    }
    events::append(db, &run.id, told).await
}

/// Approves the ready changes, or those of them that were chosen, and returns how many channels or models that is.
async fn set_approved(
    db: &mut Connection,
    run: &Entry,
    only: Option<&Chosen>,
) -> Result<u64, StoreError> {
    let approve = || {
        let mut update = QueryBuilder::new("UPDATE ");
        update
            .push(table(run.subject))
            .push(" SET state = 'approved' WHERE state = 'ready' AND run_id = ")
            .push_bind(run.id.clone());
        // A channel may be written in part. A price may not: what is held of it may be what makes the rest right.
        if run.subject == Subject::Prices {
            update
                .push(" AND model NOT IN (SELECT model FROM price_change WHERE hold IS NOT NULL AND run_id = ")
                .push_bind(run.id.clone())
                .push(")");
        }
        update
    };
    match only {
        None => {
            approve()
                .build()
                .persistent(false)
                .execute(&mut *db)
                .await?;
        }
        Some(chosen) => {
            for (from, to) in chosen.parts(ROWS_PER_STATEMENT) {
                let mut some = approve();
                chosen.push(&mut some, from, to);
                some.build().persistent(false).execute(&mut *db).await?;
            }
        }
    }
    let count = match run.subject {
        Subject::Models => "SELECT COUNT(*) FROM change WHERE run_id = $1 AND state = 'approved'",
        Subject::Prices => {
            "SELECT COUNT(DISTINCT model) FROM price_change WHERE run_id = $1 AND state = 'approved'"
        }
    };
    let approved: i64 = sql::query_scalar(count).bind(&run.id).fetch_one(db).await?;
    Ok(u64::try_from(approved).unwrap_or(0))
}

/// Drops changes that wait for a write which will not come.
async fn drop_waiting(
    db: &mut Connection,
    run: &Entry,
    which: &'static str,
    now: i64,
) -> Result<(), StoreError> {
    let reason = wire::reason_to_text(&Reason::plain(ReasonCode::NotWritten));
    let mut update = QueryBuilder::new("UPDATE ");
    update
        .push(table(run.subject))
        .push(" SET state = 'dropped', skip = ")
        .push_bind(reason)
        .push(", finished_at = ")
        .push_bind(now)
        .push(" WHERE run_id = ")
        .push_bind(run.id.clone())
        .push(" AND ")
        .push(which);
    update.build().execute(db).await?;
    Ok(())
}

/// Records one outcome and returns its event.
async fn settle(
    db: &mut Connection,
    run: &Entry,
    outcome: &Outcome,
    blobs: &mut Blobs,
) -> Result<NewEvent, StoreError> {
    let row = sql::query(
        "UPDATE change SET state = $3, after_hash = COALESCE($4, after_hash), failure = $5,
                           attempts = attempts + $6, http_status = COALESCE($7, http_status), finished_at = $8,
                           skip = CASE WHEN $3 IN ('dropped', 'skipped') THEN skip ELSE NULL END
         WHERE run_id = $1 AND channel_id = $2
         RETURNING channel_id, channel_name, hold",
    )
    .bind(&run.id)
    .bind(outcome.channel_id)
    .bind(outcome.state.code())
    .bind(outcome.after.as_ref().map(|text| blobs.put(text)))
    .bind(outcome.failure.as_ref().map(wire::failure_to_text))
    .bind(big(u64::from(outcome.attempts_added)))
    .bind(outcome.http_status.map(i64::from))
    .bind(outcome.finished_at)
    .fetch_optional(db)
    .await?
    .ok_or_else(|| {
        StoreError::NotFound(format!("channel {} in run {}", outcome.channel_id, run.id))
    })?;
    let columns = Columns::new(&row, "change", "channel_id");
    let hold = columns.maybe_read("hold", wire::reason_from_text)?;
    Ok(events::item(
        Target::Channel(outcome.channel_id, &columns.text("channel_name")?),
        outcome.state,
        hold.as_ref(),
        hold.is_some(),
        outcome.failure.as_ref(),
        outcome.finished_at,
    ))
}
