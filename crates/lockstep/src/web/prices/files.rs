//! What a run about prices came to, as files: the models that its tables show, in their order, a row a field.

use std::collections::BTreeMap;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use lockstep_store::prices::standing::{Standing, StandingPage};
use lockstep_store::{Store, StoreError};
use serde_json::Value;

use super::review::{SHAPE, found, led_to, wanted};
use crate::api::v1::export::{AT_ONCE, file, in_parts};
use crate::api::v1::runs::PRICE_COLUMNS;
use crate::server::App;
use crate::view::prices;
use crate::web::file::Ending;
use crate::web::frame::Frame;
use crate::web::refusal::Refusal;
use crate::web::table::Asked;

/// What the files are called, below the review of a run.
const FILE: &str = "models";

/// Where the models of a run are to be had as CSV and as JSON, by what the table of its review is asked.
pub(super) fn exports(asked: &Asked) -> [String; 2] {
    asked.files_below(FILE)
}

/// The same by the page that another table of the run has.
pub(in crate::web) fn exports_of(f: &Frame, run: &str, page: &StandingPage) -> [String; 2] {
    let review = Asked::of_query(&SHAPE, &led_to(f, run), "");
    let sort = match page.odd_first {
        true => "odd",
        false => "model",
    };
    let sign = if page.backwards { "-" } else { "" };
    let address = review.with(&[
        ("show", page.only.map_or("all", Standing::code)),
        ("q", &page.search),
        ("sort", &format!("{sign}{sort}")),
    ]);
    let (path, query) = address.split_once('?').unwrap_or((&address, ""));
    exports(&Asked::of_query(&SHAPE, path, query))
}

/// `GET /sites/{site}/prices/runs/{run}/models.csv` and `.json`
pub(super) async fn files(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let run = found(&app, &f, &run).await?;
    let path = led_to(&f, &run.id);
    let asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    let page = StandingPage {
        skip: 0,
        limit: u32::MAX,
        ..wanted(&asked)
    };
    let names = app.store().standing_page(&run.id, &page).await?;
    let store = app.store().clone();
    let rows = in_parts(&names, AT_ONCE as usize, move |names| {
        let (store, run) = (store.clone(), run.id.clone());
        async move { rows(&store, &run, &names).await }
    });
    Ok(file(FILE, ending.form(PRICE_COLUMNS, "items"), rows))
}

/// The rows of some models, in their order.
async fn rows(store: &Store, run: &str, names: &[String]) -> Result<Vec<Value>, StoreError> {
    let mut rows = store.price_rows_of(run, names).await?;
    let places: BTreeMap<&String, usize> = names.iter().zip(0..).collect();
    // The sort is stable, so a model's values stay in their order.
    rows.sort_by_key(|row| places.get(&row.model).copied());
    Ok(rows.iter().map(prices::item).collect())
}
