//! What a server does without being asked: begins scheduled runs, goes on with runs whose process is gone, and tells
//! what runs found.

mod looks;
mod telling;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_run::EngineError;
use lockstep_run::broken::unbroken;
use lockstep_run::clock::SystemClock;
use lockstep_run::jobs::{Job, Order};
use lockstep_run::schedule::Worker;
use lockstep_store::StoreError;
use lockstep_store::runs::Run;
use tokio_util::task::TaskTracker;

use super::App;
pub(crate) use looks::{Looks, Loop};

/// How often it looks for runs that nobody works on, where leases are not shorter. A lease runs out within 45 s of its
/// holder's end, so a run is taken over within a minute.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
/// A run that could not be gone on with is tried again after this, in milliseconds: what stood in its way may pass.
const TRIES_EVERY: i64 = 60_000;

/// When runs were tried last, by id, in Unix milliseconds.
type Tried = Arc<Mutex<HashMap<String, i64>>>;

/// Begins all of it. It ends with the server, which waits for it.
pub(crate) fn begin(app: &App, unasked: &TaskTracker) {
    let worker = Worker::new(
        app.jobs().clone(),
        app.ordering().clone(),
        Arc::new(SystemClock),
    );
    app.looks().of_schedules(worker.clone());
    let stop = app.stop_token();
    unasked.spawn(async move { worker.run(stop).await });
    unasked.spawn(take_over(app.clone()));
    telling::begin(app, unasked);
}

/// Goes on with runs whose process is gone: one of another machine, or one of this one that was stopped or killed.
async fn take_over(app: App) {
    let tried = Tried::default();
    let every = LOOKS_EVERY.min(app.store().lease_times().renew);
    loop {
        app.looks().put(Loop::LeftRuns, app.now());
        let looked = unbroken("the look for runs that nobody works on", look(&app, &tried));
        if let Ok(Err(error)) = looked.await {
            tracing::warn!(%error, "runs that nobody works on could not be looked for");
        }
        tokio::select! {
            () = app.stopping() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn look(app: &App, tried: &Tried) -> Result<(), StoreError> {
    let now = app.now();
    let orphans = app.store().orphaned_runs().await?;
    let mut tried_at = tried.lock().unwrap_or_else(PoisonError::into_inner);
    tried_at.retain(|run, _| orphans.iter().any(|orphan| orphan.id == *run));
    for run in orphans {
        let early = tried_at
            .get(&run.id)
            .is_some_and(|at| now.saturating_sub(*at) < TRIES_EVERY);
        // What this process has just begun holds its gateway a moment later.
        if early || app.jobs().running(&run.id).is_some() {
            continue;
        }
        tried_at.insert(run.id.clone(), now);
        let going = go_on(app.clone(), run, tried.clone());
        tokio::spawn(unbroken("going on with a run", going));
    }
    Ok(())
}

async fn go_on(app: App, run: Run, tried: Tried) {
    let orders = app.ordering();
    let site = match app.store().site(&run.site_id).await {
        Ok(site) => site,
        Err(error) => return tracing::warn!(run = %run.id, %error, "its site is not there"),
    };
    let settings = match orders.chosen(&site) {
        Ok(chosen) => chosen.settings,
        Err(error) => return tracing::warn!(run = %run.id, %error, "its settings cannot be read"),
    };
    let access = match orders.access(site).await {
        Ok(Some(access)) => access,
        Ok(None) => return tracing::warn!(run = %run.id, "no token is stored to go on with it"),
        Err(error) => return tracing::warn!(run = %run.id, %error, "its token cannot be read"),
    };
    let job = Job {
        access,
        settings,
        actor: run.actor.clone(),
        order: Order::Resume(run.id.clone()),
        verify: false,
    };
    match app.jobs().finish(job).await {
        Ok(ended) => tracing::info!(run = %ended.id, state = ended.state.code(), "gone on with"),
        // Somebody else was quicker, and may be gone as quickly; or this process is ending.
        Err(EngineError::Busy(_) | EngineError::Stopping) => forget(&tried, &run.id),
        Err(error) => {
            tracing::warn!(run = %run.id, %error, "could not be gone on with");
            if matches!(error, EngineError::Store(_) | EngineError::Lost(_)) {
                // Where the database does not answer, the next look does not even begin.
                forget(&tried, &run.id);
            }
        }
    }
}

/// The next look tries it again.
fn forget(tried: &Tried, run: &str) {
    let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
    tried.remove(run);
}
