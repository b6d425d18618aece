//! How many models a channel had, run by run, and how many its provider offered.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_store::changes::ChangeRow;
use serde_json::json;
use url::form_urlencoded::Serializer;

use super::by_time::{BY_TIME, ordered, shown, table};
use super::chart::{Chart, Scale, Series};
use super::{list_at, run_at};
use crate::api::v1::export::file_of;
use crate::server::App;
use crate::view::json::{self as form, Lists};
use crate::view::table::short;
use crate::web::file::Ending;
use crate::web::frame::{Frame, Here};
use crate::web::models::{badge, message};
use crate::web::place;
use crate::web::refusal::{Refusal, html};
use crate::web::table::{Asked, Column, Table};
use crate::web::when::Moment;
use crate::web::words::fill;
use crate::words::Said;

/// So many runs are looked back at: their lists are read whole.
const MOST: u32 = 200;

/// The columns of a file, as keys of its rows.
const COLUMNS: &[&str] = &[
    "read_at",
    "finished_at",
    "run",
    "status",
    "added",
    "removed",
    "models.count",
    "upstream_models.count",
    "hold.reason",
    "hold.message",
    "skip.reason",
    "error.kind",
    "error.message",
];

#[derive(Template)]
#[template(path = "history_channel.html")]
struct ListPage {
    f: Frame,
    title: String,
    /// The page of the channel.
    channel: String,
    chart: Option<Chart>,
    table: Table,
    rows: Vec<RowView>,
}

struct RowView {
    when: Moment,
    run: String,
    href: String,
    badge: &'static str,
    status: &'static str,
    added: usize,
    removed: usize,
    models: usize,
    upstream: Option<usize>,
    message: Option<Said>,
}

/// `GET /sites/{site}/history/channels/{channel}`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    Path((_, channel)): Path<(String, i64)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::History);
    let site = f.site()?.clone();
    let path = list_at(&f, channel);
    let mut asked = Asked::of_query(&BY_TIME, &path, &query.unwrap_or_default());
    let history = app.store().channel_history(&site.id, channel, MOST).await?;
    let total = history.len() as u64;
    if let Some(to) = asked.settle(&[], total) {
        return Ok(Redirect::to(&to).into_response());
    }
    let chart = chart(&app, &f, &history);
    let rows: Vec<RowView> = shown(&asked, &history)
        .map(|row| view(&app, &f, row))
        .collect();
    let t = f.t;
    let name = history.first().map(|row| row.channel_name.clone());
    let name = name.unwrap_or_else(|| channel.to_string());
    let title = fill(&t.history.list_of, &[("channel", &name)]);
    let columns = vec![
        Column::falling(&t.history.when, "when"),
        Column::new(&t.history.col_run, None),
        Column::new(&t.history.col_state, None),
        Column::new(&t.models.col_change, None),
        Column::num(&t.history.list_size, None),
        Column::num(&t.history.provider_size, None),
        Column::new(&t.models.col_message, None),
    ];
    let here = rows.iter().map(|row| row.run.clone()).collect();
    let table = table(t, asked, columns, here, total);
    Ok(html(&ListPage {
        title,
        channel: format!(
            "{}{}",
            f.href(Here::Channels),
            place::path(&[&channel.to_string()])
        ),
        chart,
        table,
        rows,
        f,
    }))
}

/// `GET /sites/{site}/history/channels/{channel}/changes.csv` and `.json`
pub(super) async fn files(
    State(app): State<App>,
    f: Frame,
    Path((_, channel)): Path<(String, i64)>,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let site = f.site()?;
    let path = list_at(&f, channel);
    let asked = Asked::of_query(&BY_TIME, &path, &query.unwrap_or_default());
    let history = app.store().channel_history(&site.id, channel, MOST).await?;
    let rows = ordered(&asked, &history).map(|row| {
        let mut told = form::item(row);
        told["run"] = json!(row.run_id);
        told["read_at"] = json!(form::time(row.read_at));
        told["models"] = json!(Lists::now(row));
        // A list that nobody could read is none of no names.
        told["upstream_models"] = json!(row.upstream);
        told
    });
    Ok(file_of(
        "changes",
        ending.form(COLUMNS, "changes"),
        rows.collect(),
    ))
}

fn view(app: &App, f: &Frame, row: &ChangeRow) -> RowView {
    let lists = Lists::of(row);
    RowView {
        when: Moment::new(row.finished_at.unwrap_or(row.read_at), app.now(), f.lang),
        run: short(&row.run_id).to_owned(),
        href: format!(
            "{}?{}",
            run_at(f, &row.run_id),
            Serializer::new(String::new())
                .append_pair("q", &row.channel_name)
                .append_pair("open", &row.channel_id.to_string())
                .finish()
        ),
        badge: badge(row),
        status: f.lang.state(row.state),
        added: lists.added.len(),
        removed: lists.removed.len(),
        models: Lists::now(row).len(),
        upstream: row.upstream.as_ref().map(Vec::len),
        message: message(f, row),
    }
}

/// The sizes as steps. Of a run that could not read the provider's list the last one that is known goes on.
fn chart(app: &App, f: &Frame, newest_first: &[ChangeRow]) -> Option<Chart> {
    let oldest_first = || newest_first.iter().rev();
    let at = |row: &ChangeRow| row.finished_at.unwrap_or(row.read_at);
    let list = oldest_first().map(|row| (at(row), Some(Lists::now(row).len() as f64)));
    let offered =
        oldest_first().filter_map(|row| Some((at(row), Some(row.upstream.as_ref()?.len() as f64))));
    let lines = vec![
        Series {
            label: f.t.history.list_size.clone(),
            points: list.collect(),
        },
        Series {
            label: f.t.history.provider_size.clone(),
            points: offered.collect(),
        },
    ];
    Chart::steps(lines, app.now(), f.lang, Scale::Whole, |value| {
        format!("{value}")
    })
}
