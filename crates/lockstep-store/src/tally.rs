//! Counting a run's changes by their states. What the states mean is said in one place, [`RunCounts::add_model`].

use std::collections::BTreeMap;

use lockstep_core::change::State;

use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::status::RunCounts;
use crate::{StoreError, sql, wire};

/// How many channels there are of a state, with a hold or without; or how many models, by the states of their fields.
type Group = (String, bool, u64);

/// What stands between the states of one model.
const AND: char = '+';

/// Counts the changes of a run.
pub(crate) async fn count(db: &mut Connection, run_id: &str) -> Result<RunCounts, StoreError> {
    sum(&groups(db, run_id).await?).ok_or_else(|| bad(run_id))
}

/// The counts that are kept in the run's row; `None` while it moves.
pub(crate) fn stored(row: &Row) -> Result<Option<RunCounts>, StoreError> {
    Columns::new(row, "run", "id").maybe_read("tally", |text| {
        wire::from_text::<Vec<Group>>(text).and_then(|groups| sum(&groups))
    })
}

/// Keeps the counts in the run's row, for it is at rest.
pub(crate) async fn keep(db: &mut Connection, run_id: &str) -> Result<(), StoreError> {
    let groups = groups(db, run_id).await?;
    sql::query("UPDATE run SET tally = $2 WHERE id = $1")
        .bind(run_id)
        .bind(wire::to_text(&groups))
        .execute(db)
        .await?;
    Ok(())
}

/// A run has rows of its own subject only.
async fn groups(db: &mut Connection, run_id: &str) -> Result<Vec<Group>, StoreError> {
    let mut groups = channels(db, run_id).await?;
    groups.extend(models(db, run_id).await?);
    Ok(groups)
}

async fn channels(db: &mut Connection, run_id: &str) -> Result<Vec<Group>, StoreError> {
    let groups: Vec<(String, i64, i64)> = sql::query_as(
        "SELECT state, CAST(CASE WHEN hold IS NULL THEN 0 ELSE 1 END AS BIGINT) AS held, COUNT(*) AS changes
         FROM change WHERE run_id = $1 GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(run_id)
    .fetch_all(db)
    .await?;
    let group = |(state, held, changes): (String, i64, i64)| {
        let changes = u64::try_from(changes).map_err(|_| bad(run_id))?;
        Ok((state, held != 0, changes))
    };
    groups.into_iter().map(group).collect()
}

async fn models(db: &mut Connection, run_id: &str) -> Result<Vec<Group>, StoreError> {
    let fields: Vec<(String, String, i64)> = sql::query_as(
        "SELECT model, state, CAST(MAX(CASE WHEN hold IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS held
         FROM price_change WHERE run_id = $1 GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(run_id)
    .fetch_all(db)
    .await?;
    let mut groups: BTreeMap<(String, bool), u64> = BTreeMap::new();
    for model in fields.chunk_by(|one, next| one.0 == next.0) {
        let mut states = String::new();
        for (_, state, _) in model {
            if !states.is_empty() {
                states.push(AND);
            }
            states.push_str(state);
        }
        let held = model.iter().any(|(_, _, held)| *held != 0);
        *groups.entry((states, held)).or_default() += 1;
    }
    let group = |((states, held), models)| (states, held, models);
    Ok(groups.into_iter().map(group).collect())
}

fn sum(groups: &[Group]) -> Option<RunCounts> {
    let mut counts = RunCounts::default();
    for (states, held, changes) in groups {
        let states: Vec<State> = states
            .split(AND)
            .map(State::from_code)
            .collect::<Option<_>>()?;
        counts.add_model(&states, *held, *changes);
    }
    Some(counts)
}

fn bad(run_id: &str) -> StoreError {
    StoreError::Inconsistent {
        table: "change",
        column: "state",
        row: run_id.to_owned(),
    }
}
