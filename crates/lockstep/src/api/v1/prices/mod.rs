//! Prices: their sources, what differs, what was decided about them, what has none, and what was written.

pub(crate) mod answers;
pub(crate) mod differences;
mod history;
pub(crate) mod sources;
mod unpriced;

use lockstep_store::prices::run_sources::RunSource;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::server::App;
use crate::view::json as form;
use crate::words::en;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sources::routes())
        .merge(answers::routes())
        .merge(unpriced::routes())
        .merge(history::routes())
        .merge(differences::routes())
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
