//! What is decided about a run that is there: written, ended early, taken back.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::change::{RunState, State as How, Subject as About};
use lockstep_core::hash::Digest;
use lockstep_run::EngineError;
use lockstep_run::jobs::{Chosen, Order};
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Started, found, go, head, started, verifies};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::api::v1::openapi::RunHead;
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
    if run.state == RunState::Writing || run.go_on {
        orders::may_write(&caller)?;
    }
    // A plan that waits would keep the word and end as soon as it is applied.
    let under_way = run.state != RunState::Planned || app.jobs().running(&run.id).is_some();
    // Another process may work on it; whoever does looks whether somebody asked.
    if !under_way || !app.store().ask_to_cancel(&run.id, &caller.actor()).await? {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_running",
            format!("run {} is {} and not under way", run.id, run.state.code()),
        )
        .hint(
            "A plan that is not wanted needs no end: it cannot be applied any more after a day.",
        ));
    }
    app.jobs().cancel(&run.id);
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
    let laid = orders::settings(&app, &site, &BTreeMap::new())?;
    let access = orders::access(&app, site.clone()).await?;
    // The job says these too, but only once it is under way and nobody waits for its answer.
    let shown = Digest::stored(yes.plan);
    fresh(&app, &site, &run, &shown).await?;
    some_ready(&app, &run, &only).await?;
    let order = Order::Apply {
        run: run.id.clone(),
        shown: Some(shown),
        only,
    };
    let run = orders::start(&app, &caller, access, laid.settings, order, verify).await?;
    started(&app, &site, &run).await
}

/// Whether a plan can still be written, by what is known before anything is begun.
async fn fresh(app: &App, site: &Site, run: &Run, shown: &Digest) -> Result<(), Problem> {
    let id = || run.id.clone();
    if run.state != RunState::Planned {
        let state = run.state;
        return Err(EngineError::NotPlanned { run: id(), state }.into());
    }
    if run.plan_hash.as_ref() != Some(shown) {
        return Err(EngineError::PlanChanged(id()).into());
    }
    let age = app.now().saturating_sub(run.planned_at.unwrap_or(0));
    if age > lockstep_run::PLAN_AGE {
        return Err(EngineError::Expired(id()).into());
    }
    let policy = match run.subject {
        About::Models => app.store().policy_hash(&site.id).await?,
        About::Prices => app.store().price_policy_hash(&site.id).await?,
    };
    if run.trigger != "undo" && run.policy_hash != policy {
        return Err(EngineError::PolicyChanged(id()).into());
    }
    drop(app.engine().alone(site).await?);
    Ok(())
}

/// Whether any of what was chosen can be written.
async fn some_ready(app: &App, run: &Run, only: &Chosen) -> Result<(), Problem> {
    let ready = match only {
        Chosen::All => true,
        Chosen::Channels(ids) => {
            let rows = app.store().changes_of(&run.id, ids).await?;
            rows.iter().any(|row| row.state == How::Ready)
        }
        Chosen::Models(names) => {
            let rows = app.store().price_rows_of(&run.id, names).await?;
            rows.iter().any(|row| row.state == How::Ready)
        }
    };
    if ready {
        return Ok(());
    }
    Err(EngineError::NothingReady(run.id.clone()).into())
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
    let laid = orders::settings(&app, &site, &BTreeMap::new())?;
    let access = orders::access(&app, site.clone()).await?;
    let order = Order::Undo {
        run: run.id,
        only,
        go: go(undo.plan_only),
    };
    let run = orders::start(&app, &caller, access, laid.settings, order, false).await?;
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
