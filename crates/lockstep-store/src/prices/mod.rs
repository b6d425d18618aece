//! Prices: what each value of each model had, would have or has in a run, and what is remembered between runs.
//!
//! A price run is a run like one about models: the same states, leases, fences and events. Its rows are one per model
//! and field; what is said of the run as a whole counts models.

pub mod access;
pub mod answers;
pub mod copies;
pub mod holds;
pub mod images;
pub(crate) mod rows;
pub mod run_sources;
pub mod seen;
pub mod sources;
pub mod standing;
pub mod troubles;
pub mod uploads;
pub mod verified;

use lockstep_core::change::State;
use lockstep_core::failure::Failure;
use lockstep_core::hash::Digest;
use lockstep_core::hold::Reason;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::{Kind, Values};
use sqlx::AssertSqlSafe;

use crate::status::{ItemStatus, RunCounts};
use crate::{Store, StoreError, sql};

/// One field of one model in one price run.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceRow {
    /// The run.
    pub run_id: String,
    /// The model's name, as the gateway has it.
    pub model: String,
    /// Which of its ten values.
    pub field: Field,
    /// The gateway's text before; `None` where there was no entry.
    pub old: Option<String>,
    /// The text to write, or written; `None` where the entry goes.
    pub new: Option<String>,
    /// The unique name of the source that it was chosen from.
    pub source: Option<String>,
    /// How far the change got.
    pub state: State,
    /// Why it waits. One held field holds its model.
    pub hold: Option<Reason>,
    /// Why it was left alone.
    pub skip: Option<Reason>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// What the model cost before.
    pub usd_old: Option<Usd>,
    /// What it would cost, or costs.
    pub usd_new: Option<Usd>,
    /// How the value came about.
    pub detail: PriceDetail,
    /// When it was read, in Unix milliseconds.
    pub read_at: i64,
    /// When its outcome was known.
    pub finished_at: Option<i64>,
}

/// How a value came about, for those who ask.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceDetail {
    /// The factors of the cost, each with its name, in the order in which they were multiplied.
    pub formula: Vec<(String, f64)>,
    /// What the sources that were not chosen say, by their unique names.
    pub others: Vec<(String, String)>,
    /// How the model was billed before; `None` when it had no price.
    pub kind_old: Option<Kind>,
    /// How it would be billed, or is.
    pub kind_new: Option<Kind>,
    /// The digest of what was held of the model when it was planned, by which the plan knows it again.
    pub held: Option<Digest>,
    /// What the model was planned from, to plan it again should its base move. The first of the model's rows
    /// that may be written has it.
    pub from: Option<PlannedFrom>,
    /// Who decides what output costs once the row is written; `None` where output has no price of its own.
    pub output: Option<OutputBy>,
}

/// What a model was planned from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlannedFrom {
    /// The gateway's entries as they were.
    pub base: Values,
    /// What the sources said, the preferred first.
    pub offers: Vec<StoredOffer>,
}

/// What a source said of a model, as an offer is made of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredOffer {
    /// The source's unique name.
    pub source: String,
    /// What it says.
    pub raw: Values,
    /// The same at our cost.
    pub values: Values,
    /// Why it could not be brought to our cost.
    pub refused: Option<Reason>,
    /// Since when it says so, in Unix milliseconds.
    pub first_seen: Option<i64>,
    /// Whether it is a copy of an earlier answer.
    pub stale: bool,
    /// The name under which the source has it, when that is only alike.
    pub alike: Option<String>,
}

/// Who decides what a model's output costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputBy {
    /// The configured completion ratio.
    Map,
    /// The gateway, by a ratio of its own, whatever is configured.
    Gateway,
    /// One of the two; the gateway tells once the model is in its maps.
    Unknown,
}

impl OutputBy {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Map, Self::Gateway, Self::Unknown];

    /// Its stored and printed code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Gateway => "gateway",
            Self::Unknown => "unknown",
        }
    }

    /// The one of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|by| by.code() == code)
    }
}

impl PriceRow {
    /// What a person is told of it alone. Of its model, [`ItemStatus::of_model`] tells.
    pub fn status(&self) -> ItemStatus {
        ItemStatus::of(self.state, self.hold.is_some())
    }
}

/// The digest of what is held of one model, to which "keep until it changes" can be answered: as its plan made it, and
/// of rows that no plan made, of all that is proposed, for one held field holds the model. `None` when nothing is held.
pub fn held_digest<'a>(rows: impl IntoIterator<Item = &'a PriceRow>) -> Option<Digest> {
    let rows: Vec<&PriceRow> = rows.into_iter().collect();
    rows.iter().find(|row| row.hold.is_some())?;
    let planned = rows.iter().find_map(|row| row.detail.held.clone());
    let waits = |row: &&&PriceRow| {
        row.hold.is_some() || matches!(row.state, State::Held | State::Ready | State::Approved)
    };
    let mut proposed: Vec<(Field, &str)> = rows
        .iter()
        .filter(waits)
        .map(|row| (row.field, row.new.as_deref().unwrap_or("\u{0}")))
        .collect();
    proposed.sort_unstable();
    let values = proposed.iter().flat_map(|(field, new)| [field.code(), new]);
    Some(planned.unwrap_or_else(|| Digest::of(values)))
}

/// The counts of a run with these rows, as [`Store::counts`] tells them. They are in the order of their models.
pub fn counts(rows: &[PriceRow]) -> RunCounts {
    let mut counts = RunCounts::default();
    for model in rows.chunk_by(|one, next| one.model == next.model) {
        let states: Vec<State> = model.iter().map(|row| row.state).collect();
        let held = model.iter().any(|row| row.hold.is_some());
        counts.add_model(&states, held, 1);
    }
    counts
}

impl Store {
    /// The run's price rows in the order of their models, and of one model in that of [`Field::ALL`].
    pub async fn price_rows(&self, run_id: &str) -> Result<Vec<PriceRow>, StoreError> {
        let sql = rows::select("c.run_id = $1 ORDER BY c.model");
        let found = sql::query(AssertSqlSafe(sql))
            .bind(run_id)
            .fetch_all(self.readers())
            .await?;
        rows::in_order(&found)
    }

    /// The run's price rows that are in a state, in the same order.
    pub async fn price_rows_in(
        &self,
        run_id: &str,
        state: State,
    ) -> Result<Vec<PriceRow>, StoreError> {
        let sql = rows::select("c.run_id = $1 AND c.state = $2 ORDER BY c.model");
        let found = sql::query(AssertSqlSafe(sql))
            .bind(run_id)
            .bind(state.code())
            .fetch_all(self.readers())
            .await?;
        rows::in_order(&found)
    }

    /// A model's price rows over all runs of the site, newest first; at most `limit` rows. What was written is in those
    /// that are [`State::Applied`]; each one's old value was the gateway's when it was read.
    pub async fn price_history(
        &self,
        site_id: &str,
        model: &str,
        limit: u32,
    ) -> Result<Vec<PriceRow>, StoreError> {
        let sql = rows::select(
            "c.site_id = $1 AND c.model = $2
             ORDER BY COALESCE(c.finished_at, c.read_at) DESC, c.run_id DESC, c.field LIMIT $3",
        );
        self.of_model(sql, site_id, model, limit).await
    }

    /// The values of a model that were written, the latest first.
    pub async fn price_writes(
        &self,
        site_id: &str,
        model: &str,
        limit: u32,
    ) -> Result<Vec<PriceRow>, StoreError> {
        let sql = rows::select(
            "c.site_id = $1 AND c.model = $2 AND c.state = 'applied'
             ORDER BY COALESCE(c.finished_at, c.read_at) DESC, c.run_id DESC, c.field LIMIT $3",
        );
        self.of_model(sql, site_id, model, limit).await
    }

    async fn of_model(
        &self,
        sql: String,
        site_id: &str,
        model: &str,
        limit: u32,
    ) -> Result<Vec<PriceRow>, StoreError> {
        let found = sql::query(AssertSqlSafe(sql))
            .bind(site_id)
            .bind(model)
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await?;
        found.iter().map(rows::from_row).collect()
    }

    /// The models of which something failed in the latest run of the site that has rows of them, in order.
    pub async fn latest_failed_models(&self, site_id: &str) -> Result<Vec<String>, StoreError> {
        let mut models: Vec<String> = sql::query_scalar(
            "SELECT DISTINCT c.model FROM price_change c
             WHERE c.site_id = $1 AND c.state IN ('unread', 'moved', 'failed', 'unverified')
             AND NOT EXISTS (
                 SELECT 1 FROM price_change later
                 WHERE later.site_id = c.site_id AND later.model = c.model AND later.run_id <> c.run_id
                 AND (COALESCE(later.finished_at, later.read_at), later.run_id)
                     > (COALESCE(c.finished_at, c.read_at), c.run_id))",
        )
        .bind(site_id)
        .fetch_all(self.readers())
        .await?;
        models.sort();
        Ok(models)
    }
}
