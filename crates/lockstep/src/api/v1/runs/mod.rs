//! Runs: started, listed, looked at, ended early, applied, taken back, tried again.

mod begin;
mod decide;
mod look;

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use lockstep_core::change::Subject as About;
use lockstep_run::jobs::Go;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::idempotency::Began;
use super::openapi::RunHead;
use crate::api::orders;
use crate::server::App;
use crate::server::problem::Problem;
use crate::view::json as form;

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// The channels' model lists.
    Models,
    /// The prices.
    Prices,
}

/// A run that has begun, as it is now.
pub(crate) type RunStarted = RunHead;

/// An answer that a run has begun: its status, its place, and the run.
pub(crate) type Started = (StatusCode, [(HeaderName, String); 1], Json<RunStarted>);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(look::routes())
        .merge(begin::routes())
        .merge(decide::routes())
}

/// The answer that a run has begun.
pub(crate) async fn started(app: &App, site: &Site, run: &str) -> Result<Started, Problem> {
    let place = format!("/api/v1/sites/{}/runs/{run}", site.id);
    Ok((
        StatusCode::ACCEPTED,
        [(header::LOCATION, place)],
        Json(head(app, site, run).await?),
    ))
}

/// The answer of a request that began something, made anew.
pub(crate) async fn told(app: &App, began: &Began) -> Result<Started, Problem> {
    let site = app.store().site(&began.site).await?;
    match began.runs.as_slice() {
        [run] => started(app, &site, run).await,
        _ => Err(Problem::internal()),
    }
}

/// A run of a site, by its id or the start of it.
pub(crate) async fn found(app: &App, site: &str, run: &str) -> Result<(Site, Run), Problem> {
    let site = orders::site(app, site).await?;
    let run = app.store().run_by_prefix(Some(&site.id), run).await?;
    Ok((site, run))
}

async fn head(app: &App, site: &Site, run: &str) -> Result<RunHead, Problem> {
    let run = app.store().run(run).await?;
    let counts = app.store().counts(&run.id).await?;
    Ok(RunHead(form::head(site, &run, &counts, app.now())))
}

fn go(plan_only: bool) -> Go {
    if plan_only { Go::Plans } else { Go::Writes }
}

impl Subject {
    /// The same of the engine.
    pub(super) fn core(self) -> About {
        match self {
            Self::Models => About::Models,
            Self::Prices => About::Prices,
        }
    }
}
