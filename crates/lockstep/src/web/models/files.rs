//! What the table shows as files: every row that matches, in its order, whatever the page.

use std::collections::{BTreeMap, HashMap};

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use lockstep_core::channel::Provider;
use lockstep_store::{Store, StoreError};
use serde_json::{Value, json};

use super::listing::{Listed, Listings};
use super::results::Known;
use super::{TABLE, results};
use crate::api::v1::export::{file, in_parts};
use crate::server::App;
use crate::view::json as form;
use crate::web::file::Ending;
use crate::web::frame::{Frame, Here};
use crate::web::refusal::Refusal;
use crate::web::table::Asked;

/// So many channels are read, and written, at once: each brings three whole lists.
const AT_ONCE: usize = 100;

/// The columns, as keys of the rows. Whole lists are in the JSON; here are their lengths and what changes.
const COLUMNS: &[&str] = &[
    "channel_id",
    "channel_name",
    "status",
    "attempts",
    "http_status",
    "error.kind",
    "error.message",
    "hold.reason",
    "hold.message",
    "skip.reason",
    "added",
    "removed",
    "old_models.count",
    "new_models.count",
    "upstream_models.count",
    "finished_at",
    "run",
    "provider.type",
    "provider.base_url",
    "listed_models",
];

/// `GET /sites/{site}/models.csv` and `.json`
pub(in crate::web) async fn files(
    State(app): State<App>,
    f: Frame,
    Extension(listings): Extension<Listings>,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let asked = Asked::of_query(&TABLE, &f.href(Here::Models), &query);
    let all = results::all(&app, f.lang, f.site()?, &listings, &asked).await?;
    let store = app.store().clone();
    let rows = in_parts(&all, AT_ONCE, move |part| {
        let store = store.clone();
        async move { rows(&store, part).await }
    });
    Ok(file("models", ending.form(COLUMNS, "items"), rows))
}

/// The rows of some channels.
async fn rows(store: &Store, some: Vec<(i64, Known)>) -> Result<Vec<Value>, StoreError> {
    let mut runs: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (id, known) in &some {
        if let Known::Result(head) = known {
            runs.entry(&head.run_id).or_default().push(*id);
        }
    }
    let mut read: HashMap<i64, Value> = HashMap::new();
    for (run, ids) in runs {
        for change in store.changes_of(run, &ids).await? {
            let mut row = form::item(&change);
            row["run"] = json!(run);
            read.insert(change.channel_id, row);
        }
    }
    let rows = some.into_iter().filter_map(|(id, known)| match known {
        Known::Result(head) => {
            let mut row = read.remove(&id)?;
            let Provider { kind, base_url } = head.provider;
            row["provider"] = json!({"type": kind, "base_url": base_url});
            Some(row)
        }
        Known::Listed(channel) => Some(unread(&channel)),
    });
    Ok(rows.collect())
}

/// The row of a channel that was not read yet: of its list the gateway told how many models it has.
fn unread(channel: &Listed) -> Value {
    json!({
        "channel_id": channel.id,
        "channel_name": channel.name,
        "status": null,
        "listed_models": channel.models,
    })
}
