//! Served models without a price.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::once;
use lockstep_core::change::{RunState, Subject};
use lockstep_core::prices::unpriced::{Unpriced as Lacking, lookup_key};
use lockstep_run::prices::unpriced::WithoutPrice;
use lockstep_store::prices::PriceRow;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::extract::Path;
use crate::api::orders::{Reached, site};
use crate::api::v1::export::{Form, file};
use crate::server::App;
use crate::server::caller::{Caller, Reader};
use crate::server::problem::Problem;
use crate::view::prices::{self, Money};
use crate::view::proposed::proposed;

/// The models without a price.
#[derive(Debug, Serialize, ToSchema)]
struct Unpriced {
    /// The models.
    unpriced: Vec<Model>,
    /// The planned run that the proposals are from.
    run: Option<String>,
}

/// A model without a price.
#[derive(Debug, Serialize, ToSchema)]
struct Model {
    /// Its name.
    model: String,
    /// The enabled channels that serve it, by id.
    channels: Vec<i64>,
    /// The channels that list it once it has a price, by id, as the last run over all channels found.
    waits_on: Vec<i64>,
    /// What becomes of calls: `placeholder`, `refused` or `no_expression`.
    billed: &'static str,
    /// What a source says that it costs, where a planned run proposes it.
    proposal: Option<Proposal>,
    /// What every source says, by that run, the preferred first.
    proposals: Vec<Offered>,
}

/// What one source says that a model costs.
#[derive(Debug, Serialize, ToSchema)]
struct Offered {
    /// The source.
    source: String,
    /// The name under which it has the model, where that is only alike.
    alike: Option<String>,
    /// The values by field, at your cost: numbers, or texts.
    values: Map<String, Value>,
    /// What they come to; without the price of output where only the gateway knows it.
    usd: Money,
}

/// A price that a planned run proposes.
#[derive(Debug, Serialize, ToSchema)]
struct Proposal {
    /// The source that it was chosen from.
    source: Option<String>,
    /// How it stands in that run.
    status: &'static str,
    /// The values by field: numbers, or texts.
    values: BTreeMap<&'static str, Value>,
    /// What it comes to.
    usd: Option<Money>,
}

/// The columns of a file.
const COLUMNS: &[&str] = &[
    "model",
    "channels",
    "waits_on",
    "billed",
    "proposal.source",
    "proposal.status",
    "proposal.values",
    "proposal.usd.input",
    "proposal.usd.output",
    "proposal.usd.cache_read",
    "proposal.usd.cache_write",
    "proposal.usd.per_call",
];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(csv))
}

/// The models that enabled channels serve and nobody priced, read from the gateway now, and those that wait for a price to
/// be listed; without those that somebody ignores.
#[utoipa::path(get, path = "/sites/{site}/prices/unpriced", tag = "prices",
    responses((status = 200, body = Unpriced), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(name): Path<String>,
) -> Result<Json<Unpriced>, Problem> {
    Ok(Json(found(&app, &caller, &name).await?))
}

/// The same as CSV. A text that a table would take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/sites/{site}/prices/unpriced.csv", tag = "prices",
    responses(
        (status = 200, content_type = "text/csv", body = String, description = "A file."),
        (status = "default", body = Problem)
    ))]
async fn csv(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let found = found(&app, &caller, &name).await?;
    let models = found.unpriced.iter().map(serde_json::to_value);
    let models: Result<Vec<Value>, _> = models.collect();
    let columns = Form::Csv(COLUMNS);
    Ok(file("unpriced", columns, once(std::future::ready(models))))
}

async fn found(app: &App, caller: &Caller, name: &str) -> Result<Unpriced, Problem> {
    let site = site(app, name).await?;
    let run = app.store().latest_run(&site.id, Subject::Prices).await?;
    let run = run.filter(|run| run.state == RunState::Planned);
    let reached = Reached::of(app, site).await?;
    let session = reached.session(app, &caller.actor());
    let found = session.without_price(reached.settings.max_retries).await?;
    let found = by_name(found);
    let rows = match &run {
        Some(run) if !found.is_empty() => app.store().price_rows(&run.id).await?,
        _ => Vec::new(),
    };
    let mut by_model: BTreeMap<&str, Vec<&PriceRow>> = BTreeMap::new();
    for row in &rows {
        by_model.entry(&row.model).or_default().push(row);
    }
    let rows_of = |model: &str| {
        by_model
            .get(lookup_key(model))
            .map_or(&[][..], Vec::as_slice)
    };
    let unpriced = found
        .into_iter()
        .map(|(model, (one, waits_on))| Model {
            proposal: proposal(rows_of(&model)),
            proposals: offered(rows_of(&model)),
            billed: one.billed.code(),
            channels: one.channels,
            waits_on,
            model,
        })
        .collect();
    Ok(Unpriced {
        unpriced,
        run: run.map(|run| run.id),
    })
}

/// Each model with who serves it, and with the channels that wait to.
fn by_name(found: WithoutPrice) -> BTreeMap<String, (Lacking, Vec<i64>)> {
    let mut models = BTreeMap::new();
    for one in found.served {
        models.insert(one.model.clone(), (one, Vec::new()));
    }
    for one in found.coming {
        let nobody = Lacking {
            channels: Vec::new(),
            ..one.clone()
        };
        let (_, waits_on) = models
            .entry(one.model)
            .or_insert_with(|| (nobody, Vec::new()));
        *waits_on = one.channels;
    }
    models
}

fn offered(rows: &[&PriceRow]) -> Vec<Offered> {
    let proposed = proposed(rows).into_iter();
    proposed
        .map(|one| Offered {
            source: one.source.to_owned(),
            alike: one.alike.map(str::to_owned),
            values: prices::values(one.values),
            usd: Money::from(&one.usd),
        })
        .collect()
}

fn proposal(rows: &[&PriceRow]) -> Option<Proposal> {
    let first = rows.iter().find(|row| row.new.is_some())?;
    let value = |row: &&PriceRow| {
        let new = row.new.as_ref()?;
        Some((row.field.code(), prices::value(row.field, new)))
    };
    Some(Proposal {
        source: first.source.clone(),
        status: first.status().code(),
        values: rows.iter().filter_map(value).collect(),
        usd: first.usd_new.as_ref().map(Money::from),
    })
}
