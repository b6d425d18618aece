//! What became of each source of a price run.

use serde::{Deserialize, Serialize};

use crate::columns::{Columns, big};
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sql, wire};

/// One source of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSource {
    /// Its unique name, as the rows of the run name it.
    pub name: String,
    /// The address that was asked, without secrets.
    pub url: String,
    /// The code of its state.
    pub state: String,
    /// A short technical detail: an error, how much of it could be read.
    pub detail: String,
    /// How many models it has a price for.
    pub models: u64,
    /// When what is used of it was fetched, in Unix milliseconds.
    pub fetched_at: Option<i64>,
    /// When it was last asked in vain, in Unix milliseconds; `None` where nothing is wrong with it.
    pub tried_at: Option<i64>,
    /// Where no list came: the code of the state that it would be in without its last good one.
    pub failed: Option<String>,
    /// Entries that were not used: the code of the reason, how many, the first names.
    pub skipped: Vec<(String, u64, Vec<String>)>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Text {
    name: String,
    url: String,
    state: String,
    detail: String,
    models: u64,
    fetched_at: Option<i64>,
    #[serde(default)]
    tried_at: Option<i64>,
    #[serde(default)]
    failed: Option<String>,
    skipped: Vec<(String, u64, Vec<String>)>,
}

impl Store {
    /// What became of the run's sources, in their order of preference.
    pub async fn run_sources(&self, run_id: &str) -> Result<Vec<RunSource>, StoreError> {
        let rows =
            sql::query("SELECT run_id, data FROM run_source WHERE run_id = $1 ORDER BY position")
                .bind(run_id)
                .fetch_all(self.readers())
                .await?;
        let read = |row: &Row| {
            let Text {
                name,
                url,
                state,
                detail,
                models,
                fetched_at,
                tried_at,
                failed,
                skipped,
            } = Columns::new(row, "run_source", "run_id").json("data")?;
            Ok(RunSource {
                name,
                url,
                state,
                detail,
                models,
                fetched_at,
                tried_at,
                failed,
                skipped,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Stores the sources of a run in the place of those it had.
pub(crate) async fn store(
    db: &mut Connection,
    run_id: &str,
    sources: &[RunSource],
) -> Result<(), StoreError> {
    sql::query("DELETE FROM run_source WHERE run_id = $1")
        .bind(run_id)
        .execute(&mut *db)
        .await?;
    for (position, source) in (0_u64..).zip(sources) {
        let RunSource {
            name,
            url,
            state,
            detail,
            models,
            fetched_at,
            tried_at,
            failed,
            skipped,
        } = source.clone();
        let text = Text {
            name,
            url,
            state,
            detail,
            models,
            fetched_at,
            tried_at,
            failed,
            skipped,
        };
        sql::query("INSERT INTO run_source (run_id, position, data) VALUES ($1, $2, $3)")
            .bind(run_id)
            .bind(big(position))
            .bind(wire::to_text(&text))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
