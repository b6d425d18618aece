//! Runs as they begin: a new one, or one more over what failed.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use lockstep_core::change::Subject as About;
use lockstep_run::jobs::{Go, Order};
use lockstep_run::prices::plan::What as WhatPrices;
use lockstep_run::{EngineError, Source};
use lockstep_store::runs::Run;
use lockstep_store::status::ItemStatus;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{RunsStarted, Started, Subject, found, go, started, told, verifies};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::api::v1::openapi::RunHead;
use crate::api::v1::settings::{SettingValue, read};
use crate::server::App;
use crate::server::caller::Planner;
use crate::server::problem::Problem;

/// Which channels or models a run looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum What {
    /// All.
    All,
    /// Those that are named, at least one.
    Selected,
    /// The channels whose latest result failed.
    RetryFailed,
}

/// A run to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunToStart {
    /// What it is about. Without one two runs begin: one about prices, and one about model lists after it.
    subject: Option<Subject>,
    what: What,
    /// The channels of `selected`, in a run about models.
    #[serde(default)]
    channels: Vec<i64>,
    /// The models of `selected`, in a run about prices.
    #[serde(default)]
    models: Vec<String>,
    /// Whether it stops at its plan. Else it writes what no guard holds; the first run of a gateway stops all the same.
    plan_only: bool,
    /// Whether the gateway's price page is asked, once prices were written, whether it bills by them: `verified` of the run
    /// then tells what it says. The page can be a minute behind.
    #[serde(default)]
    verify: bool,
    /// Settings for this run alone, by key.
    #[serde(default)]
    settings: BTreeMap<String, SettingValue>,
}

/// A run to try again where it failed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Retry {
    /// Whether it stops at its plan.
    plan_only: bool,
    /// Whether the gateway's price page is asked, once prices were written, whether it bills by them.
    #[serde(default)]
    verify: bool,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(retry))
}

/// Starts a run, or one about prices and one about model lists after it.
///
/// It goes on in the background; the events of the run tell how far it is. A plan needs the scope `plan`, a run that
/// writes needs `apply`. While another run is under way on the gateway the answer is 409 and says whose.
#[utoipa::path(post, path = "/sites/{site}/runs", tag = "runs", request_body = RunToStart,
    responses(
        (status = 202, body = RunsStarted, description = "It has begun.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn start(
    State(app): State<App>,
    Planner(caller): Planner,
    Path(site): Path<String>,
    Body(wanted): Body<RunToStart>,
) -> Result<Response, Problem> {
    if !wanted.plan_only {
        orders::may_write(&caller)?;
    }
    wanted.check()?;
    let site = orders::site(&app, &site).await?;
    let (given, mistakes) = read(&wanted.settings);
    if !mistakes.is_empty() {
        return Err(orders::bad_settings(mistakes));
    }
    let laid = orders::settings(&app, &site, &given)?;
    let go = go(wanted.plan_only);
    let verify = wanted.verify;
    let Some(subject) = wanted.subject else {
        let began = orders::start_both(&app, &caller, &site, laid, go, verify).await?;
        return told(&app, &began).await;
    };
    let order = match (subject, wanted.what) {
        (Subject::Models, what) => {
            let source = match what {
                What::All => Source::All,
                What::Selected => selected(wanted.channels),
                What::RetryFailed => Source::RetryFailed,
            };
            let request = orders::models(source, &laid, go == Go::Writes);
            Order::Models(Box::new(request), go)
        }
        (Subject::Prices, what) => {
            let what = match what {
                What::Selected => WhatPrices::Models(wanted.models),
                What::All | What::RetryFailed => WhatPrices::Sources,
            };
            let request = orders::prices(&app, &site, what, &laid, go == Go::Writes).await?;
            Order::Prices(Box::new(request), go)
        }
    };
    let access = orders::access(&app, site.clone()).await?;
    let run = orders::start(&app, &caller, access, laid.settings, order, verify).await?;
    Ok(started(&app, &site, &run).await?.into_response())
}

impl RunToStart {
    /// A selection is what it says: never empty, never beside "all", and of the run's own kind.
    fn check(&self) -> Result<(), Problem> {
        let (chosen, other) = match self.subject {
            Some(Subject::Models) => (self.channels.len(), self.models.len()),
            Some(Subject::Prices) => (self.models.len(), self.channels.len()),
            None if self.what != What::All => {
                return Err(Problem::bad_request(
                    "a run about both looks at all: name a `subject` to select or to try again",
                ));
            }
            None => (self.channels.len() + self.models.len(), 0),
        };
        if let Some(subject) = self.subject {
            verifies(subject.core(), self.verify)?;
        }
        if other > 0 {
            return Err(Problem::bad_request(
                "a run about models selects `channels`, one about prices selects `models`",
            ));
        }
        match self.what {
            What::Selected if chosen == 0 => Err(EngineError::EmptySelection.into()),
            What::All | What::RetryFailed if chosen > 0 => Err(Problem::bad_request(
                "a selection goes with `what`: `selected` only",
            )),
            What::RetryFailed if self.subject == Some(Subject::Prices) => Err(Problem::bad_request(
                "`retry-failed` is for runs about models",
            )
            .hint("POST /api/v1/sites/{site}/runs/{run}/retry tries a run about prices again where it failed.")),
            _ => Ok(()),
        }
    }
}

/// Plans what failed in a run once more, in a run of its own, and writes it unless only a plan is wanted.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/retry", tag = "runs", request_body = Retry,
    responses(
        (status = 202, body = RunHead, description = "It has begun.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn retry(
    State(app): State<App>,
    Planner(caller): Planner,
    Path((site, run)): Path<(String, String)>,
    Body(retry): Body<Retry>,
) -> Result<Started, Problem> {
    if !retry.plan_only {
        orders::may_write(&caller)?;
    }
    let (site, run) = found(&app, &site, &run).await?;
    let verify = verifies(run.subject, retry.verify)?;
    let laid = orders::settings(&app, &site, &BTreeMap::new())?;
    let go = go(retry.plan_only);
    let store = app.store();
    let order = match run.subject {
        About::Models => {
            let heads = store.channel_heads(&run.id, None).await?;
            let failed = heads
                .into_iter()
                .filter(|head| head.status == ItemStatus::Failed);
            let ids: Vec<i64> = failed.map(|head| head.channel_id).collect();
            if ids.is_empty() {
                return Err(nothing_failed(&run));
            }
            let request = orders::models(selected(ids), &laid, go == Go::Writes);
            Order::Models(Box::new(request), go)
        }
        About::Prices => {
            let heads = store.model_heads(&run.id, None).await?;
            let failed = heads
                .into_iter()
                .filter(|head| head.status == ItemStatus::Failed);
            let names: Vec<String> = failed.map(|head| head.model).collect();
            if names.is_empty() {
                return Err(nothing_failed(&run));
            }
            let what = WhatPrices::Models(names);
            let request = orders::prices(&app, &site, what, &laid, go == Go::Writes).await?;
            Order::Prices(Box::new(request), go)
        }
    };
    let access = orders::access(&app, site.clone()).await?;
    let run = orders::start(&app, &caller, access, laid.settings, order, verify).await?;
    started(&app, &site, &run).await
}

fn nothing_failed(run: &Run) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "nothing_to_do",
        format!("nothing failed in run {}", run.id),
    )
}

fn selected(mut channels: Vec<i64>) -> Source {
    channels.sort_unstable();
    channels.dedup();
    Source::Selected(channels)
}
