//! The runs as files: every one that matches, in the order of the table.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use futures_util::stream::unfold;
use lockstep_store::StoreError;
use serde_json::Value;

use super::list::{SHAPE, filter};
use crate::api::v1::export::{AT_ONCE, file};
use crate::server::App;
use crate::view::json as form;
use crate::web::file::Ending;
use crate::web::frame::{Frame, Here};
use crate::web::refusal::Refusal;
use crate::web::table::Asked;

/// The columns, as keys of the rows.
const COLUMNS: &[&str] = &[
    "run",
    "parent",
    "subject",
    "state",
    "trigger",
    "actor",
    "approved_by",
    "started_at",
    "ended_at",
    "duration_ms",
    "statistics.total",
    "statistics.success",
    "statistics.failed",
    "statistics.held",
    "statistics.skipped",
    "statistics.planned",
    "statistics.changed",
    "requests.reads",
    "requests.writes",
    "requests.throttled",
    "error.kind",
    "error.message",
];

/// `GET /sites/{site}/history.csv` and `.json`
pub(super) async fn files(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let site = f.site()?.clone();
    let path = f.href(Here::History);
    let asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    let filter = filter(&asked);
    let rows = unfold(Some(filter), move |filter| {
        let (app, site) = (app.clone(), site.clone());
        async move {
            let mut filter = filter?;
            let found = app.store().runs_where(&site.id, &filter, AT_ONCE).await;
            let found = match found {
                Ok(found) => found,
                Err(error) => return Some((Err::<Vec<Value>, StoreError>(error), None)),
            };
            filter.skip += u64::from(AT_ONCE);
            let more = found.len() == AT_ONCE as usize;
            let now = app.now();
            let rows = found
                .iter()
                .map(|(run, counts)| form::head(&site, run, counts, now));
            Some((Ok(rows.collect()), more.then_some(filter)))
        }
    });
    Ok(file("runs", ending.form(COLUMNS, "runs"), rows))
}
