//! How a site's prices differ from those of its remembered sources, filtered and page by page.

pub(crate) mod kept;
mod order;
pub(crate) mod query;
pub(crate) mod table;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::iter;
use futures_util::{Stream, StreamExt as _};
use lockstep_core::prices::field::Field;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::kept::{Found, Proposals};
use self::query::{Filter, Wanted};
use self::table::{Change, Row, Table};
use super::SourceReport;
use crate::api::extract::{Path, Query};
use crate::api::orders::site;
use crate::api::v1::export::{AT_ONCE, Form, file};
use crate::server::App;
use crate::server::caller::{Caller, Planner, Reader};
use crate::server::problem::Problem;
use crate::view::json as form;
use crate::view::prices::{self, Money};

/// A page of differences.
#[derive(Debug, Serialize, ToSchema)]
struct Differences {
    /// When the gateway's prices were read; null where no source is remembered.
    read_at: Option<String>,
    /// Whether that was more than ten minutes ago, so that they are being read again: ask once more in a few seconds.
    refreshing: bool,
    /// How the sources stand.
    sources: Vec<SourceReport>,
    /// The run whose proposals are shown.
    run: Option<String>,
    /// How many rows pass the filter.
    total: usize,
    /// This page, from 1.
    page: usize,
    /// The rows.
    rows: Vec<Difference>,
}

/// All differences that pass a filter.
#[derive(Debug, Serialize, ToSchema)]
struct AllDifferences {
    /// The rows.
    rows: Vec<Difference>,
}

/// The columns of a file.
const COLUMNS: &[&str] = &[
    "model",
    "field",
    "current",
    "usd.input",
    "usd.output",
    "usd.cache_read",
    "usd.cache_write",
    "usd.per_call",
    "said.source",
    "said.same",
    "said.value",
    "said.confident",
    "said.usd.input",
    "said.usd.output",
    "said.usd.cache_read",
    "said.usd.cache_write",
    "said.usd.per_call",
    "said.change",
    "said.suspicious",
    "proposal.value",
    "proposal.source",
    "proposal.status",
    "proposal.hold",
    "proposal.skip",
];

/// One field of one model.
#[derive(Debug, Serialize, ToSchema)]
struct Difference {
    /// The model.
    model: String,
    /// The field.
    field: &'static str,
    /// What the gateway has: a number or a text; null where it has none.
    current: Option<Value>,
    /// What the model costs now.
    usd: Money,
    /// What the sources say.
    sources: Vec<Said>,
    /// What the planned run proposes.
    proposal: Option<Proposal>,
}

/// What one source says.
#[derive(Debug, Serialize, ToSchema)]
struct Said {
    /// Its name.
    source: String,
    /// Whether it says the same as the gateway, or nothing where the gateway has nothing.
    same: bool,
    /// Its value, where it is another: a number or a text.
    value: Option<Value>,
    /// Whether it can be believed; not where it shows the model as one that nobody priced.
    confident: bool,
    /// What the model costs there.
    usd: Option<Money>,
    /// What taking its price would be.
    change: Option<Change>,
    /// What looks wrong about it, by code.
    suspicious: Vec<&'static str>,
}

/// What a planned run proposes for one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Proposal {
    /// The value: a number or a text; null where the entry goes.
    value: Option<Value>,
    /// The source that it was chosen from.
    source: Option<String>,
    /// How it stands in the run.
    status: &'static str,
    /// Why it waits, by code.
    hold: Option<&'static str>,
    /// Why it is left alone, by code.
    skip: Option<&'static str>,
}

/// What fetching brought.
#[derive(Debug, Serialize, ToSchema)]
struct Refreshed {
    /// When the gateway's prices were read.
    read_at: String,
    /// How the sources stand.
    sources: Vec<SourceReport>,
    /// How many rows there are.
    total: usize,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(csv))
        .routes(routes!(json))
        .routes(routes!(refresh))
}

/// How the prices differ, by what was last fetched from the sources.
#[utoipa::path(get, path = "/sites/{site}/differences", tag = "prices", params(Wanted),
    responses((status = 200, body = Differences), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Differences>, Problem> {
    let site = site(&app, &name).await?;
    let filter = Filter::of(wanted)?;
    let found = app.tables().of(&app, site, &caller.actor()).await?;
    let Some(Found {
        table,
        proposals,
        refreshing,
    }) = found
    else {
        return Ok(Json(Differences {
            read_at: None,
            refreshing: false,
            sources: Vec::new(),
            run: None,
            total: 0,
            page: filter.page(),
            rows: Vec::new(),
        }));
    };
    let (total, rows) = filter.page_of(&table, &proposals)?;
    let rows = rows
        .into_iter()
        .map(|row| difference(row, &table, &proposals))
        .collect();
    Ok(Json(Differences {
        read_at: Some(form::time(table.read_at)),
        refreshing,
        sources: table.told.iter().map(SourceReport::from).collect(),
        run: proposals.run.clone(),
        total,
        page: filter.page(),
        rows,
    }))
}

/// All differences as CSV, by the filter and in the order of the list: a line for what each source says of a field.
///
/// `page` and `limit` are not heeded. A text that a table would take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/sites/{site}/differences.csv", tag = "prices", params(Wanted),
    responses(
        (status = 200, content_type = "text/csv", body = String, description = "A file."),
        (status = "default", body = Problem)
    ))]
async fn csv(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let rows = whole(&app, &caller, &name, wanted).await?;
    let said = rows.map(|rows| rows.map(|rows| rows.into_iter().flat_map(by_source).collect()));
    Ok(file("differences", Form::Csv(COLUMNS), said))
}

/// All differences as JSON, by the filter and in the order of the list. `page` and `limit` are not heeded.
#[utoipa::path(get, path = "/sites/{site}/differences.json", tag = "prices", params(Wanted),
    responses((status = 200, body = AllDifferences), (status = "default", body = Problem)))]
async fn json(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let rows = whole(&app, &caller, &name, wanted).await?;
    Ok(file("differences", Form::Json("rows"), rows))
}

/// All rows that pass, some at a time.
async fn whole(
    app: &App,
    caller: &Caller,
    name: &str,
    wanted: Wanted,
) -> Result<impl Stream<Item = Result<Vec<Value>, serde_json::Error>> + use<>, Problem> {
    let site = site(app, name).await?;
    let filter = Filter::of(wanted)?;
    let found = app.tables().of(app, site, &caller.actor()).await?;
    let passing = match &found {
        Some(found) => filter.passing(&found.table, &found.proposals)?,
        None => Vec::new(),
    };
    let parts: Vec<Vec<u32>> = passing
        .chunks(AT_ONCE as usize)
        .map(<[u32]>::to_vec)
        .collect();
    Ok(iter(parts).map(move |places| {
        let Some(Found {
            table, proposals, ..
        }) = &found
        else {
            return Ok(Vec::new());
        };
        let rows = places
            .iter()
            .filter_map(|place| table.rows.get(*place as usize));
        rows.map(|row| serde_json::to_value(difference(row, table, proposals)))
            .collect()
    }))
}

/// A row for each source in place of one with all of them.
fn by_source(mut row: Value) -> Vec<Value> {
    let Value::Array(sources) = row["sources"].take() else {
        return vec![row];
    };
    let of = |source| {
        let mut row = row.clone();
        row["said"] = source;
        row
    };
    sources.into_iter().map(of).collect()
}

/// Fetches the lists of the remembered sources, keeps those that can be believed, and compares. Nothing is planned or
/// written.
#[utoipa::path(post, path = "/sites/{site}/differences/refresh", tag = "prices",
    responses((status = 200, body = Refreshed), (status = "default", body = Problem)))]
async fn refresh(
    State(app): State<App>,
    Planner(caller): Planner,
    Path(name): Path<String>,
) -> Result<Json<Refreshed>, Problem> {
    let site = site(&app, &name).await?;
    let table = app.tables().fetch(&app, site, &caller.actor()).await?;
    Ok(Json(Refreshed {
        read_at: form::time(table.read_at),
        sources: table.told.iter().map(SourceReport::from).collect(),
        total: table.rows.len(),
    }))
}

fn difference(row: &Row, table: &Table, proposals: &Proposals) -> Difference {
    let sources = row.cells.iter().map(|cell| {
        let offers = row.model.offers.iter();
        let offer = offers.clone().find(|offer| offer.source == cell.source);
        Said {
            source: table.sources.get(cell.source).cloned().unwrap_or_default(),
            same: cell.value == table::Value::Same,
            value: match &cell.value {
                table::Value::Other(text) => Some(prices::value(row.field, text)),
                table::Value::Absent | table::Value::Same => None,
            },
            confident: cell.confident,
            usd: offer.map(|offer| Money::from(&offer.usd)),
            change: offer.and_then(|offer| offer.change),
            suspicious: offer.map_or_else(Vec::new, |offer| {
                offer.suspicious.iter().map(|code| code.code()).collect()
            }),
        }
    });
    Difference {
        sources: sources.collect(),
        model: row.model.name.clone(),
        field: Field::code(row.field),
        current: row
            .current
            .as_ref()
            .map(|text| prices::value(row.field, text)),
        usd: Money::from(&row.model.usd),
        proposal: proposals.of(&row.model.name, row.field).cloned(),
    }
}
