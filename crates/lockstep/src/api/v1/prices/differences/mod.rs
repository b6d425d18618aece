//! How a site's prices differ from those of its remembered sources, filtered and page by page.

pub(crate) mod kept;
pub(crate) mod query;
pub(crate) mod table;

use axum::Json;
use axum::extract::State;
use lockstep_core::prices::field::Field;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::kept::Proposals;
use self::query::{Filter, Wanted};
use self::table::{Change, Row, Table};
use super::{Money, SourceReport};
use crate::api::extract::{Path, Query};
use crate::api::orders::site;
use crate::server::App;
use crate::server::caller::{Planner, Reader};
use crate::server::problem::Problem;
use crate::view::{json as form, prices};

/// A page of differences.
#[derive(Debug, Serialize, ToSchema)]
struct Differences {
    /// When the gateway's prices were read; null where no source is remembered.
    read_at: Option<String>,
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
    let Some((table, proposals)) = found else {
        return Ok(Json(Differences {
            read_at: None,
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
        sources: table.told.iter().map(SourceReport::from).collect(),
        run: proposals.run.clone(),
        total,
        page: filter.page(),
        rows,
    }))
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
