//! Runs: started, listed, looked at, ended early, applied, taken back, tried again.

mod begin;
mod decide;
mod look;

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lockstep_core::change::Subject as About;
use lockstep_run::jobs::Go;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
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
    Ok((
        StatusCode::ACCEPTED,
        [(header::LOCATION, place(site, run))],
        Json(head(app, site, run).await?),
    ))
}

/// A run that has begun, or two of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum RunsStarted {
    /// Of one subject.
    One(RunHead),
    /// Of both.
    Both(BothStarted),
}

/// A run about prices and the one about model lists that follows it, as they are now. The second waits for the first, which
/// is its `parent`.
#[derive(Debug, Serialize, ToSchema)]
struct BothStarted {
    /// The run about prices; null where the site remembers no source, so that prices are left alone.
    prices: Option<RunHead>,
    /// The run about model lists.
    models: RunHead,
}

/// The answer of a request that began something.
pub(crate) async fn told(app: &App, began: &Began) -> Result<Response, Problem> {
    let site = app.store().site(&began.site).await?;
    let (Some(first), Some(last)) = (began.runs.first(), began.runs.last()) else {
        return Err(Problem::internal());
    };
    let models = head(app, &site, last).await?;
    let told = match (began.both, first == last) {
        (false, _) => RunsStarted::One(models),
        (true, true) => RunsStarted::Both(BothStarted {
            prices: None,
            models,
        }),
        (true, false) => RunsStarted::Both(BothStarted {
            prices: Some(head(app, &site, first).await?),
            models,
        }),
    };
    let place = [(header::LOCATION, place(&site, first))];
    Ok((StatusCode::ACCEPTED, place, Json(told)).into_response())
}

fn place(site: &Site, run: &str) -> String {
    format!("/api/v1/sites/{}/runs/{run}", site.id)
}

/// Whether the price page is to be asked, which only knows prices.
fn verifies(subject: About, verify: bool) -> Result<bool, Problem> {
    if verify && subject == About::Models {
        return Err(Problem::bad_request(
            "`verify` asks the gateway's price page, which says nothing of model lists",
        ));
    }
    Ok(verify)
}

/// A run of a site, by its id or the start of it.
pub(crate) async fn found(app: &App, site: &str, run: &str) -> Result<(Site, Run), Problem> {
    let site = orders::site(app, site).await?;
    let run = app.store().run_by_prefix(Some(&site.id), run).await?;
    Ok((site, run))
}

/// What is said of every run.
pub(super) async fn head(app: &App, site: &Site, run: &str) -> Result<RunHead, Problem> {
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
