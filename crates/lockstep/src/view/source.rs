//! What became of a source of prices, as JSON.

use lockstep_store::prices::run_sources::RunSource;
use serde_json::{Value, json};

use super::json as form;
use crate::words::en;

/// The state of a source as JSON.
pub(crate) fn state_as_json(source: &RunSource) -> Value {
    let skipped: Vec<Value> = source
        .skipped
        .iter()
        .map(|(reason, count, names)| json!({"reason": reason, "count": count, "names": names}))
        .collect();
    json!({
        "name": source.name,
        "url": source.url,
        "state": source.state,
        "message": en::source_state(source),
        "models": source.models,
        "fetched_at": source.fetched_at.map(form::time),
        "tried_at": source.tried_at.map(form::time),
        "skipped": skipped,
    })
}
