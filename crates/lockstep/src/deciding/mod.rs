//! What is decided about runs, by whoever asks: the API and the pages. What is begun goes on in the background; what is
//! refused is a [`Problem`], which has its words for people too.

pub(crate) mod answers;
pub(crate) mod prices;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use lockstep_core::change::{RunState, State as How, Subject};
use lockstep_core::hash::Digest;
use lockstep_run::jobs::{Chosen, Go, Order};
use lockstep_run::{EngineError, Source};
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;

use crate::api::orders;
use crate::server::App;
use crate::server::caller::{Caller, Scope, may_not};
use crate::server::problem::Problem;

/// Begins a run about model lists under the site's own settings, and tells its id.
pub(crate) async fn begin_models(
    app: &App,
    caller: &Caller,
    site: &Site,
    source: Source,
    go: Go,
) -> Result<String, Problem> {
    may(caller, go)?;
    let laid = orders::settings(app, site, &BTreeMap::new())?;
    let request = orders::models(source, &laid, go == Go::Writes);
    let order = Order::Models(Box::new(request), go);
    let access = orders::access(app, site.clone()).await?;
    orders::start(app, caller, access, laid.settings, order, false).await
}

/// Ends a run early: what is being written is finished and recorded, the rest is left.
pub(crate) async fn cancel(app: &App, caller: &Caller, run: &Run) -> Result<(), Problem> {
    let writes = run.state == RunState::Writing || run.go_on;
    may(caller, if writes { Go::Writes } else { Go::Plans })?;
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
    Ok(())
}

/// Writes a planned run, or some of it: the yes to the plan with the digest `shown`.
pub(crate) async fn apply(
    app: &App,
    caller: &Caller,
    site: &Site,
    run: &Run,
    shown: Digest,
    only: Chosen,
    verify: bool,
) -> Result<String, Problem> {
    may(caller, Go::Writes)?;
    let laid = orders::settings(app, site, &BTreeMap::new())?;
    let access = orders::access(app, site.clone()).await?;
    // The job says these too, but only once it is under way and nobody waits for its answer.
    fresh(app, site, run, &shown).await?;
    some_ready(app, run, &only).await?;
    let order = Order::Apply {
        run: run.id.clone(),
        shown: Some(shown),
        only,
    };
    orders::start(app, caller, access, laid.settings, order, verify).await
}

/// Takes back what a run wrote, or some of it, in a run of its own.
pub(crate) async fn undo(
    app: &App,
    caller: &Caller,
    site: &Site,
    run: &Run,
    only: Chosen,
    go: Go,
) -> Result<String, Problem> {
    may(caller, go)?;
    let laid = orders::settings(app, site, &BTreeMap::new())?;
    let access = orders::access(app, site.clone()).await?;
    let order = Order::Undo {
        run: run.id.clone(),
        only,
        go,
    };
    orders::start(app, caller, access, laid.settings, order, false).await
}

/// Whether the caller may have it done. The API's routes ask too, before they look at the request.
fn may(caller: &Caller, go: Go) -> Result<(), Problem> {
    match go {
        Go::Writes => orders::may_write(caller),
        Go::Plans if caller.may(Scope::Plan) => Ok(()),
        Go::Plans => Err(may_not(Scope::Plan)),
    }
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
        Subject::Models => app.store().policy_hash(&site.id).await?,
        Subject::Prices => app.store().price_policy_hash(&site.id).await?,
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
