//! What Lockstep made of a model's price over time.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::Kind;
use lockstep_store::prices::PriceRow;
use serde_json::json;

use super::by_time::{BY_TIME, ordered, shown, table};
use super::chart::{Chart, Scale, Series};
use super::{price_at, run_at};
use crate::api::v1::export::file_of;
use crate::server::App;
use crate::view::prices;
use crate::view::table::short as short_run;
use crate::web::file::Ending;
use crate::web::frame::{Frame, Here};
use crate::web::prices::{costs, money, short};
use crate::web::refusal::{Refusal, html};
use crate::web::table::{Asked, Column, Table};
use crate::web::when::Moment;
use crate::web::words::fill;

/// So many values are looked back at.
const MOST: u32 = 500;

/// The columns of a file, as keys of its rows.
const COLUMNS: &[&str] = &[
    "finished_at",
    "run",
    "field",
    "old",
    "new",
    "usd_old.input",
    "usd_old.output",
    "usd_old.cache_read",
    "usd_old.cache_write",
    "usd_old.per_call",
    "usd_new.input",
    "usd_new.output",
    "usd_new.cache_read",
    "usd_new.cache_write",
    "usd_new.per_call",
    "source",
];

#[derive(Template)]
#[template(path = "history_price.html")]
struct PricePage {
    f: Frame,
    title: String,
    chart: Option<Chart>,
    table: Table,
    rows: Vec<RowView>,
}

struct RowView {
    when: Moment,
    run: String,
    href: String,
    field: &'static str,
    old: Option<String>,
    new: Option<String>,
    /// What the model cost before and after.
    sums: (String, String),
    source: String,
}

/// `GET /sites/{site}/history/prices/{model}`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    Path((_, model)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::History);
    let site = f.site()?.clone();
    let path = price_at(&f, &model);
    let mut asked = Asked::of_query(&BY_TIME, &path, &query.unwrap_or_default());
    let writes = app.store().price_writes(&site.id, &model, MOST).await?;
    let total = writes.len() as u64;
    if let Some(to) = asked.settle(&[], total) {
        return Ok(Redirect::to(&to).into_response());
    }
    let chart = chart(&app, &f, &writes);
    let rows: Vec<RowView> = shown(&asked, &writes)
        .map(|row| view(&app, &f, row))
        .collect();
    let t = f.t;
    let title = fill(&t.history.price_of, &[("model", &model)]);
    let columns = vec![
        Column::falling(&t.history.when, "when"),
        Column::new(&t.history.col_run, None),
        Column::new(&t.prices.filter_field, None),
        Column::new(&t.history.before, None),
        Column::new(&t.history.after, None),
        Column::new(&t.prices.in_dollars, None),
        Column::new(&t.prices.filter_source, None),
    ];
    let here = rows.iter().map(|row| row.run.clone()).collect();
    let table = table(t, asked, columns, here, total);
    Ok(html(&PricePage {
        title,
        chart,
        table,
        rows,
        f,
    }))
}

/// `GET /sites/{site}/history/prices/{model}/changes.csv` and `.json`
pub(super) async fn files(
    State(app): State<App>,
    f: Frame,
    Path((_, model)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let site = f.site()?;
    let path = price_at(&f, &model);
    let asked = Asked::of_query(&BY_TIME, &path, &query.unwrap_or_default());
    let writes = app.store().price_writes(&site.id, &model, MOST).await?;
    let rows = ordered(&asked, &writes).map(|row| {
        let mut told = prices::item(row);
        told["run"] = json!(row.run_id);
        told
    });
    Ok(file_of(
        "changes",
        ending.form(COLUMNS, "changes"),
        rows.collect(),
    ))
}

fn view(app: &App, f: &Frame, row: &PriceRow) -> RowView {
    let sum = |kind: Option<Kind>, usd: Option<&Usd>| match (kind, usd) {
        (Some(_), Some(usd)) => costs(usd),
        (Some(kind), None) => f.lang.kind(kind).to_owned(),
        (None, _) => f.t.prices.no_price.clone(),
    };
    let (before, after) = (row.detail.kind_old, row.detail.kind_new);
    RowView {
        when: Moment::new(row.finished_at.unwrap_or(row.read_at), app.now(), f.lang),
        run: short_run(&row.run_id).to_owned(),
        href: run_at(f, &row.run_id),
        field: f.lang.field(row.field),
        old: row.old.as_deref().map(short),
        new: row.new.as_deref().map(short),
        sums: (
            sum(before, row.usd_old.as_ref()),
            sum(after, row.usd_new.as_ref()),
        ),
        source: row.source.clone().unwrap_or_default(),
    }
}

/// The price as steps: what it was before the first write that is known, and what each run made of it.
fn chart(app: &App, f: &Frame, newest_first: &[PriceRow]) -> Option<Chart> {
    let mut moments: Vec<(i64, Usd)> = Vec::new();
    for run in newest_first.chunk_by(|one, next| one.run_id == next.run_id) {
        let row = run.first()?;
        let at = row.finished_at.unwrap_or(row.read_at);
        moments.push((at, row.usd_new.unwrap_or_default()));
    }
    moments.reverse();
    let first = newest_first.last()?;
    let at = first.finished_at.unwrap_or(first.read_at);
    // A little before, so that the first step can be seen.
    let span = app.now().saturating_sub(at).max(60_000) / 20;
    let before = first.usd_old.unwrap_or_default();
    moments.insert(0, (at.saturating_sub(span), before));
    let t = &f.t.prices;
    let series = |label: &String, of: fn(&Usd) -> Option<f64>| Series {
        label: label.clone(),
        points: moments.iter().map(|(at, usd)| (*at, of(usd))).collect(),
    };
    let lines = vec![
        series(&t.input, |usd| usd.input),
        series(&t.output, |usd| usd.output),
        series(&t.cache, |usd| usd.cache_read),
        series(&t.cache_write, |usd| usd.cache_write),
        series(&t.per_call, |usd| usd.per_call),
    ];
    Chart::steps(lines, app.now(), f.lang, Scale::Any, money)
}
