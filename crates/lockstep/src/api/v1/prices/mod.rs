//! Prices: their sources, what differs, what was decided about them, what has none, and what was written.

pub(crate) mod answers;
pub(crate) mod differences;
mod history;
pub(crate) mod sources;
mod unpriced;

use lockstep_core::prices::usd::Usd;
use lockstep_store::prices::run_sources::RunSource;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::server::App;
use crate::view::{json as form, prices};
use crate::words::en;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sources::routes())
        .merge(answers::routes())
        .merge(unpriced::routes())
        .merge(history::routes())
        .merge(differences::routes())
}

/// What a model costs: USD per million tokens, or per call. What is not known is null.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
struct Money {
    /// Input tokens.
    input: Option<f64>,
    /// Output tokens.
    output: Option<f64>,
    /// Tokens read from the cache.
    cache_read: Option<f64>,
    /// Tokens written to the cache.
    cache_write: Option<f64>,
    /// One call.
    per_call: Option<f64>,
}

impl From<&Usd> for Money {
    fn from(usd: &Usd) -> Self {
        let Usd {
            input,
            output,
            cache_read,
            cache_write,
            per_call,
        } = *usd;
        let cents = |sum: Option<f64>| sum.map(prices::cents);
        Self {
            input: cents(input),
            output: cents(output),
            cache_read: cents(cache_read),
            cache_write: cents(cache_write),
            per_call: cents(per_call),
        }
    }
}

/// How a source stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SourceReport {
    /// The name by which differences know it.
    name: String,
    /// The address that was asked.
    url: String,
    /// `ok`, `partial`, `stale`, `shrunken`, `empty`, `failed` and the like.
    state: String,
    /// The same in words.
    message: String,
    /// How many models its list has.
    models: u64,
    /// When the list was fetched, or uploaded.
    fetched_at: Option<String>,
    /// When it was last asked in vain; null where nothing is wrong with it.
    tried_at: Option<String>,
    /// What of the list was left out.
    skipped: Vec<Left>,
}

/// What of a list was left out for one reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Left {
    /// The reason's code.
    reason: String,
    /// How many entries.
    count: u64,
    /// The first of them.
    names: Vec<String>,
}

impl From<&RunSource> for SourceReport {
    fn from(source: &RunSource) -> Self {
        Self {
            name: source.name.clone(),
            url: source.url.clone(),
            state: source.state.clone(),
            message: en::source_state(source),
            models: source.models,
            fetched_at: source.fetched_at.map(form::time),
            tried_at: source.tried_at.map(form::time),
            skipped: source
                .skipped
                .iter()
                .map(|(reason, count, names)| Left {
                    reason: reason.clone(),
                    count: *count,
                    names: names.clone(),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
