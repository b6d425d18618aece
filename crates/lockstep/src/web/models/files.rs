//! What the table shows as files: every row that matches, in its order, whatever the page.

use std::collections::{BTreeMap, HashMap};
use std::vec::IntoIter;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use futures_util::stream::unfold;
use lockstep_store::results::ResultHead;
use lockstep_store::{Store, StoreError};
use serde_json::{Value, json};

use super::{TABLE, results};
use crate::api::v1::export::{Form, file};
use crate::server::App;
use crate::view::json as form;
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
];

/// `GET /sites/{site}/models.csv`
pub(in crate::web) async fn csv(
    app: State<App>,
    f: Frame,
    query: RawQuery,
) -> Result<Response, Refusal> {
    whole(app, f, query, Form::Csv(COLUMNS)).await
}

/// `GET /sites/{site}/models.json`
pub(in crate::web) async fn json(
    app: State<App>,
    f: Frame,
    query: RawQuery,
) -> Result<Response, Refusal> {
    whole(app, f, query, Form::Json("items")).await
}

async fn whole(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
    form: Form,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let asked = Asked::of_query(&TABLE, &f.href(Here::Models), &query);
    let heads = results::all(&app, f.lang, f.site()?, &asked).await?;
    let store = app.store().clone();
    let rows = unfold(heads.into_iter(), move |mut heads| {
        let store = store.clone();
        async move {
            let rows = some(&store, &mut heads).await;
            match rows {
                Ok(rows) if rows.is_empty() => None,
                rows => Some((rows, heads)),
            }
        }
    });
    Ok(file("models", form, rows))
}

/// The next rows; none once there are no more.
async fn some(store: &Store, heads: &mut IntoIter<ResultHead>) -> Result<Vec<Value>, StoreError> {
    let heads: Vec<ResultHead> = heads.take(AT_ONCE).collect();
    let mut runs: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for head in &heads {
        runs.entry(&head.run_id).or_default().push(head.channel_id);
    }
    let mut rows: HashMap<i64, Value> = HashMap::new();
    for (run, ids) in runs {
        for change in store.changes_of(run, &ids).await? {
            let mut row = form::item(&change);
            row["run"] = json!(run);
            rows.insert(change.channel_id, row);
        }
    }
    let rows = heads
        .iter()
        .filter_map(|head| rows.remove(&head.channel_id));
    Ok(rows.collect())
}
