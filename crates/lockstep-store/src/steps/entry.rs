//! The first statement of every step: it counts, checks the fence and locks the run's row.

use lockstep_core::change::{RunState, Subject};

use super::Requests;
use crate::columns::{Columns, big};
use crate::sql::{Connection, Row};
use crate::{StoreError, runs, sql};

/// What a step needs to know of its run.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) site_id: String,
    pub(super) subject: Subject,
    pub(super) state: RunState,
    /// Whether it is about some channels only.
    selected: bool,
    parent: Option<String>,
}

/// Enters the run under the fence that is in force, or refuses.
pub(super) async fn enter(
    db: &mut Connection,
    run_id: &str,
    fence: i64,
    requests: Requests,
) -> Result<Entry, StoreError> {
    let row = sql::query(
        "UPDATE run SET reads = reads + $3, writes = writes + $4, throttled = throttled + $5
         WHERE id = $1 AND fence = $2
         RETURNING id, site_id, subject, state, selection, parent",
    )
    .bind(run_id)
    .bind(fence)
    .bind(big(requests.reads))
    .bind(big(requests.writes))
    .bind(big(requests.throttled))
    .fetch_optional(&mut *db)
    .await?;
    match row {
        Some(row) => entry(&row),
        None => Err(fenced(db, run_id, fence).await?),
    }
}

/// Enters the run under a fence that is in force from now on, unless a newer one is.
pub(super) async fn take_over(
    db: &mut Connection,
    run_id: &str,
    fence: i64,
) -> Result<Entry, StoreError> {
    let row = sql::query(
        "UPDATE run SET fence = $2 WHERE id = $1 AND fence <= $2
         RETURNING id, site_id, subject, state, selection, parent",
    )
    .bind(run_id)
    .bind(fence)
    .fetch_optional(&mut *db)
    .await?;
    match row {
        Some(row) => entry(&row),
        None => Err(fenced(db, run_id, fence).await?),
    }
}

impl Entry {
    /// Whether the run is about all channels, or models, as read from the gateway: it has neither a selection nor rows
    /// made from another run's. A run about the other subject, which went before it, is a parent that gave it none.
    pub(super) async fn everywhere(&self, db: &mut Connection) -> Result<bool, StoreError> {
        if self.selected {
            return Ok(false);
        }
        let Some(parent) = &self.parent else {
            return Ok(true);
        };
        let subject: Option<String> = sql::query_scalar("SELECT subject FROM run WHERE id = $1")
            .bind(parent)
            .fetch_optional(db)
            .await?;
        Ok(subject.is_some_and(|subject| subject != self.subject.code()))
    }

    /// Refuses a run that is about something else.
    pub(super) fn be_about(&self, wanted: Subject) -> Result<(), StoreError> {
        if self.subject == wanted {
            return Ok(());
        }
        Err(StoreError::WrongSubject {
            run: self.id.clone(),
            subject: self.subject,
            wanted,
        })
    }

    /// Refuses a run that is in none of the states.
    pub(super) fn be(&self, states: &[RunState], wanted: &'static str) -> Result<(), StoreError> {
        if states.contains(&self.state) {
            return Ok(());
        }
        Err(StoreError::WrongState {
            run: self.id.clone(),
            state: self.state,
            wanted,
        })
    }
}

/// What an approval needs: there is no fence, for a planned run has no holder.
pub(super) async fn look(db: &mut Connection, run_id: &str) -> Result<Entry, StoreError> {
    let row =
        sql::query("SELECT id, site_id, subject, state, selection, parent FROM run WHERE id = $1")
            .bind(run_id)
            .fetch_optional(db)
            .await?;
    entry(&row.ok_or_else(|| runs::not_found(run_id))?)
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    let columns = Columns::new(row, "run", "id");
    Ok(Entry {
        id: columns.text("id")?,
        site_id: columns.text("site_id")?,
        subject: columns.read("subject", Subject::from_code)?,
        state: columns.read("state", RunState::from_code)?,
        selected: columns.maybe_text("selection")?.is_some(),
        parent: columns.maybe_text("parent")?,
    })
}

async fn fenced(db: &mut Connection, run_id: &str, given: i64) -> Result<StoreError, StoreError> {
    let stored: Option<i64> = sql::query_scalar("SELECT fence FROM run WHERE id = $1")
        .bind(run_id)
        .fetch_optional(db)
        .await?;
    Ok(match stored {
        Some(stored) => StoreError::Fenced {
            run: run_id.to_owned(),
            stored,
            given,
        },
        None => runs::not_found(run_id),
    })
}
