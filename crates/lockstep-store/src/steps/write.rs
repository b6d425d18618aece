//! From planned to the end.

use lockstep_core::change::RunState;
use lockstep_core::failure::Failure;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::memory::Memory;
use sqlx::QueryBuilder;

use super::entry::{Entry, enter, look};
use super::read::item;
use super::{Outcome, Requests};
use crate::blobs::{Blobs, ROWS_PER_STATEMENT};
use crate::changes::ChangeRow;
use crate::columns::{Columns, big};
use crate::events::NewEvent;
use crate::sqlite::{Connection, Db};
use crate::{Store, StoreError, change_rows, events, memory, tally, wire};

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
        let (run_id, by) = (run_id.to_owned(), by.to_owned());
        let only = only.map(<[i64]>::to_vec);
        self.write(move |db| {
            Box::pin(async move {
                // The state is part of the condition: of two who approve, one is refused.
                let moved = sqlx::query(
                    "UPDATE run SET state = 'writing', approved_at = $2, approved_by = $3, go_on = $4, tally = NULL
                     WHERE id = $1 AND state = 'planned'",
                )
                .bind(&run_id)
                .bind(now)
                .bind(by)
                .bind(i64::from(rebases))
                .execute(&mut *db)
                .await?;
                if moved.rows_affected() == 0 {
                    look(db, &run_id).await?.be(&[RunState::Planned], "planned")?;
                }
                let approved = set_approved(db, &run_id, only.as_deref()).await?;
                drop_waiting(db, &run_id, "state = 'ready'", now).await?;
                let more = Some(("approved", approved.into()));
                events::append(db, &run_id, vec![events::state(RunState::Writing, now, more)]).await?;
                Ok(approved)
            })
        })
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
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, requests).await?;
                run.be(&[RunState::Writing], "writing")?;
                change_rows::store(db, &run_id, (&run.site_id, run.subject.code()), &rows).await?;
                events::append(db, &run_id, rows.iter().map(item).collect()).await
            })
        })
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
                let mut told = Vec::with_capacity(outcomes.len());
                let mut blobs = Blobs::default();
                let mut memories: Vec<(i64, Memory)> = Vec::new();
                for outcome in outcomes {
                    told.push(settle(db, &run, &outcome, &mut blobs).await?);
                    memories.extend(outcome.memory.map(|memory| (outcome.channel_id, memory)));
                }
                blobs.store(db).await?;
                memory::store(db, &run.site_id, memories).await?;
                if run.state.ended() {
                    tally::keep(db, &run_id).await?;
                }
                events::append(db, &run_id, told).await
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
            Box::pin(async move {
                let run = enter(db, &run_id, fence, requests).await?;
                if run.state.ended() || !state.ended() {
                    return Err(StoreError::WrongState {
                        run: run_id,
                        state: run.state,
                        wanted: "not over, and to be ended",
                    });
                }
                drop_waiting(db, &run_id, "state IN ('ready', 'approved')", now).await?;
                sqlx::query("UPDATE run SET state = $2, failure = $3, ended_at = $4 WHERE id = $1")
                    .bind(&run_id)
                    .bind(state.code())
                    .bind(failure.as_ref().map(wire::failure_to_text))
                    .bind(now)
                    .execute(&mut *db)
                    .await?;
                tally::keep(db, &run_id).await?;
                let more = failure.map(|failure| ("error", failure.kind.code().into()));
                events::append(db, &run_id, vec![events::state(state, now, more)]).await
            })
        })
        .await
    }
}

/// Approves the ready changes, or those of them that are named.
async fn set_approved(
    db: &mut Connection,
    run_id: &str,
    only: Option<&[i64]>,
) -> Result<u64, StoreError> {
    const APPROVE: &str =
        "UPDATE change SET state = 'approved' WHERE state = 'ready' AND run_id = ";
    let Some(only) = only else {
        let mut all = QueryBuilder::<Db>::new(APPROVE);
        all.push_bind(run_id);
        return Ok(all.build().execute(db).await?.rows_affected());
    };
    let mut approved = 0;
    for some in only.chunks(ROWS_PER_STATEMENT) {
        let mut named = QueryBuilder::<Db>::new(APPROVE);
        named.push_bind(run_id).push(" AND channel_id IN (");
        let mut ids = named.separated(", ");
        for id in some {
            ids.push_bind(id);
        }
        named.push(")");
        approved += named
            .build()
            .persistent(false)
            .execute(&mut *db)
            .await?
            .rows_affected();
    }
    Ok(approved)
}

/// Drops changes that wait for a write which will not come.
async fn drop_waiting(
    db: &mut Connection,
    run_id: &str,
    which: &'static str,
    now: i64,
) -> Result<(), StoreError> {
    let reason = wire::reason_to_text(&Reason::plain(ReasonCode::NotWritten));
    let mut update = QueryBuilder::<Db>::new("UPDATE change SET state = 'dropped', skip = ");
    update
        .push_bind(reason)
        .push(", finished_at = ")
        .push_bind(now);
    update
        .push(" WHERE run_id = ")
        .push_bind(run_id)
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
    let row = sqlx::query(
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
        (outcome.channel_id, &columns.text("channel_name")?),
        outcome.state,
        hold.as_ref(),
        hold.is_some(),
        outcome.failure.as_ref(),
        outcome.finished_at,
    ))
}
