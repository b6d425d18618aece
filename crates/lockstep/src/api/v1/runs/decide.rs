//! What is decided about a run that is there: written, ended early, taken back.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::change::Subject as About;
use lockstep_core::hash::Digest;
use lockstep_run::EngineError;
use lockstep_run::jobs::Chosen;
use lockstep_store::runs::Run;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Started, found, go, head, started, verifies};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::api::v1::openapi::RunHead;
use crate::deciding;
use crate::server::App;
use crate::server::caller::{Planner, Writer};
use crate::server::problem::Problem;

/// Some of a run: channels of one about models, models of one about prices.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Only {
    channels: Option<Vec<i64>>,
    models: Option<Vec<String>>,
}

/// A yes to a plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Yes {
    /// `plan` of the run as it was seen; another one is refused.
    plan: String,
    /// What of it; all that is ready where this is left out.
    only: Option<Only>,
    /// Whether the gateway's price page is asked, once prices were written, whether it bills by them.
    #[serde(default)]
    verify: bool,
}

/// A run to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Undo {
    /// Whether it stops at its plan.
    plan_only: bool,
    /// What of it; all that was written where this is left out.
    only: Option<Only>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(cancel))
        .routes(routes!(apply))
        .routes(routes!(undo))
}

/// Ends a run early: what is being written is finished and recorded, the rest is left.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/cancel", tag = "runs",
    responses(
        (status = 202, body = RunHead, description = "It ends as soon as it can."),
        (status = "default", body = Problem)
    ))]
async fn cancel(
    State(app): State<App>,
    Planner(caller): Planner,
    Path((site, run)): Path<(String, String)>,
) -> Result<(StatusCode, Json<RunHead>), Problem> {
    let (site, run) = found(&app, &site, &run).await?;
    deciding::cancel(&app, &caller, &run).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(head(&app, &site, &run.id).await?),
    ))
}

/// Writes a planned run: the yes to the plan that was seen.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/apply", tag = "runs", request_body = Yes,
    responses(
        (status = 202, body = RunHead, description = "It writes.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn apply(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((site, run)): Path<(String, String)>,
    Body(yes): Body<Yes>,
) -> Result<Started, Problem> {
    let (site, run) = found(&app, &site, &run).await?;
    let verify = verifies(run.subject, yes.verify)?;
    let only = chosen(&run, yes.only)?;
    let shown = Digest::stored(yes.plan);
    let run = deciding::apply(&app, &caller, &site, &run, shown, only, verify).await?;
    started(&app, &site, &run).await
}

/// Takes back what a run wrote, in a run of its own.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/undo", tag = "runs", request_body = Undo,
    responses(
        (status = 202, body = RunHead, description = "It has begun.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn undo(
    State(app): State<App>,
    Planner(caller): Planner,
    Path((site, run)): Path<(String, String)>,
    Body(undo): Body<Undo>,
) -> Result<Started, Problem> {
    if !undo.plan_only {
        orders::may_write(&caller)?;
    }
    let (site, run) = found(&app, &site, &run).await?;
    let only = chosen(&run, undo.only)?;
    let go = go(undo.plan_only);
    let run = deciding::undo(&app, &caller, &site, &run, only, go).await?;
    started(&app, &site, &run).await
}

/// What of a run is meant. A choice of nothing, or of what the run is not about, is refused.
fn chosen(run: &Run, only: Option<Only>) -> Result<Chosen, Problem> {
    let Some(only) = only else {
        return Ok(Chosen::All);
    };
    let empty = only.channels.as_ref().is_none_or(Vec::is_empty)
        && only.models.as_ref().is_none_or(Vec::is_empty);
    match (run.subject, only.channels, only.models) {
        _ if empty => Err(EngineError::EmptySelection.into()),
        (About::Models, Some(channels), None) => Ok(Chosen::Channels(channels)),
        (About::Prices, None, Some(models)) => Ok(Chosen::Models(models)),
        _ => Err(Problem::bad_request(
            "of a run about models `channels` are chosen, of one about prices `models`",
        )),
    }
}
