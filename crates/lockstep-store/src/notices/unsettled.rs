//! Which runs are still to be settled. A run's row says in which state it was settled last, so one that came to rest is
//! found again by whoever is there, should the process that worked on it be gone.

use lockstep_core::change::{RunState, Subject};

use crate::runs::{Run, from_row};
use crate::sql::Connection;
use crate::{Store, StoreError, sql};

/// A run as it was when its findings were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtRest<'a> {
    /// The site's id.
    pub site_id: &'a str,
    /// What it is about.
    pub subject: Subject,
    /// Its id.
    pub run_id: &'a str,
    /// Its state.
    pub state: RunState,
}

impl<'a> From<&'a Run> for AtRest<'a> {
    fn from(run: &'a Run) -> Self {
        Self {
            site_id: &run.site_id,
            subject: run.subject,
            run_id: &run.id,
            state: run.state,
        }
    }
}

impl Store {
    /// The runs that came to rest, and of which what they found is not settled yet; oldest first. A plan that is to be
    /// written without another question is not at rest.
    pub async fn unsettled_runs(&self) -> Result<Vec<Run>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM run WHERE settled_as <> state
             AND state NOT IN ('queued', 'reading', 'writing')
             AND NOT (state = 'planned' AND go_on = 1 AND approved_by IS NOT NULL AND approved_at IS NULL)
             ORDER BY id",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// From now on somebody is told of what becomes of a run, as it comes to rest. What it is now is not told.
    pub async fn tell_of_run(&self, run_id: &str) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sql::query(
                    "UPDATE run SET settled_as = state WHERE id = $1 AND settled_as IS NULL",
                )
                .bind(run_id)
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }
}

/// Notes that a run is settled in the state in which it was looked at. Returns whether that was still to be done: not
/// where somebody else did it, or where the run has moved on since and will be settled then. A run of which nobody is told,
/// or that is not there any more, can always be settled.
pub(super) async fn begin(db: &mut Connection, run: AtRest<'_>) -> Result<bool, StoreError> {
    let settled = sql::query(
        "UPDATE run SET settled_as = state WHERE id = $1 AND state = $2 AND settled_as <> state",
    )
    .bind(run.run_id)
    .bind(run.state.code())
    .execute(&mut *db)
    .await?;
    if settled.rows_affected() > 0 {
        return Ok(true);
    }
    let known: Option<String> =
        sql::query_scalar("SELECT id FROM run WHERE id = $1 AND settled_as IS NOT NULL")
            .bind(run.run_id)
            .fetch_optional(db)
            .await?;
    Ok(known.is_none())
}
