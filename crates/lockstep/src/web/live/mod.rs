//! A run under way, as pages show it: a bar that the server renders, sent again whenever the run moves, by Server-Sent
//! Events. What is shown follows from the database and from what this process works on, so a reload, a lost connection
//! and another process find the same.

mod bar;
mod stream;

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::{RunState, Subject};
use lockstep_store::StoreError;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;

use super::flash::Flash;
use super::form::Fields;
use super::frame::{Frame, key};
use super::place;
use super::refusal::Refusal;
use crate::deciding;
use crate::server::App;
pub(crate) use bar::Bar;
pub(super) use stream::stream;

/// A run under way, for the part `live.html`.
pub(crate) struct Live {
    /// Where its events come from.
    pub(crate) stream: String,
    /// Where it is ended early.
    pub(crate) cancel: String,
    /// Whether somebody asked for its end.
    pub(crate) ends: bool,
    /// The page that shows it.
    pub(crate) page: String,
    pub(crate) bar: Bar,
}

/// The newest run of the site that is under way. `page` is the path of the page that shows it: that is asked again once
/// the run is at rest.
pub(crate) async fn under_way(
    app: &App,
    f: &Frame,
    site: &Site,
    page: &str,
) -> Result<Option<Live>, Refusal> {
    let store = app.store();
    let mut runs = store.unfinished_runs(&site.id).await?;
    for subject in [Subject::Models, Subject::Prices] {
        // Between its plan and its first write a run is planned, and yet under way.
        let newest = store.latest_run(&site.id, subject).await?;
        runs.extend(newest.filter(|run| run.state == RunState::Planned && moves(app, run)));
    }
    let Some(run) = runs.into_iter().max_by(|one, other| one.id.cmp(&other.id)) else {
        return Ok(None);
    };
    Ok(Some(Live::of(app, f, site, &run, page).await?))
}

impl Live {
    /// A run that moves.
    async fn of(app: &App, f: &Frame, site: &Site, run: &Run, page: &str) -> Result<Self, Refusal> {
        let path = |last| place::path(&["sites", key(site), "runs", &run.id, last]);
        Ok(Self {
            stream: path("live"),
            cancel: path("cancel"),
            ends: app.store().cancel_asked(&run.id).await?.is_some(),
            page: page.to_owned(),
            bar: Bar::of(app, run, f.lang).await?,
        })
    }
}

/// The run, if it is under way, as [`under_way`] shows it.
pub(crate) async fn if_moving(
    app: &App,
    f: &Frame,
    site: &Site,
    run: &Run,
    page: &str,
) -> Result<Option<Live>, Refusal> {
    if !moves(app, run) {
        return Ok(None);
    }
    Ok(Some(Live::of(app, f, site, run, page).await?))
}

/// Whether somebody works on the run, or is about to.
fn moves(app: &App, run: &Run) -> bool {
    match run.state {
        RunState::Queued | RunState::Reading | RunState::Writing => true,
        RunState::Planned => {
            let goes_on = run.go_on && run.approved_by.is_some() && run.approved_at.is_none();
            goes_on || app.jobs().running(&run.id).is_some()
        }
        RunState::Done | RunState::Partial | RunState::Failed | RunState::Cancelled => false,
    }
}

/// `POST /sites/{site}/runs/{run}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let run = run_of(&app, &f, &run).await?;
    let said = match deciding::cancel(&app, &f.caller, &run).await {
        Ok(()) => Flash::Cancelling,
        // It was faster.
        Err(problem) if problem.code() == "not_running" => Flash::Ended,
        Err(problem) => return Err(problem.into()),
    };
    let back = place::back(fields.text("back"));
    Ok(Redirect::to(&said.at(back)).into_response())
}

/// The run of the frame's site.
pub(super) async fn run_of(app: &App, f: &Frame, run: &str) -> Result<Run, Refusal> {
    let site = f.site()?;
    let run = match app.store().run(run).await {
        Err(StoreError::NotFound(_)) => return Err(Refusal::NotFound),
        run => run?,
    };
    if run.site_id == site.id {
        Ok(run)
    } else {
        Err(Refusal::NotFound)
    }
}

/// How often it is looked whether a run is through.
const LOOK: Duration = Duration::from_millis(20);

/// What is waited for before the page of a run that was just begun is shown.
pub(super) struct Soon {
    /// The states that it is to get beyond.
    beyond: &'static [RunState],
    /// How long that is waited for.
    most: Duration,
}

/// A plan: what it needs is mostly here already.
pub(super) const PLANNING: Soon = Soon {
    // A plan is through once its job is.
    beyond: &[RunState::Queued, RunState::Reading, RunState::Planned],
    most: Duration::from_secs(8),
};
/// A few writes. Of more than can be done at once there is a bar to look at.
pub(super) const WRITING: Soon = Soon {
    beyond: &[RunState::Planned, RunState::Queued, RunState::Writing],
    most: Duration::from_secs(1),
};

/// Waits a little for a run that was just begun. A job that ends otherwise leaves it where it is.
pub(super) async fn soon(app: &App, run: &str, wait: &Soon) {
    let through = async {
        while app.jobs().running(run).is_some() {
            let now = app.store().run(run).await;
            if now.is_ok_and(|run| !wait.beyond.contains(&run.state)) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let _late = tokio::time::timeout(wait.most, through).await;
}
