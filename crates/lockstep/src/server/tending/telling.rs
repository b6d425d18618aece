//! Tells what runs found: what is to be told is stored as each comes to rest, and sent to each place by itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_run::broken::unbroken;
use lockstep_store::StoreError;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::TaskTracker;

use super::{App, LOOKS_EVERY, Loop, TRIES_EVERY};
use crate::notify::{self, Notifier};

/// The places that something is being sent to, by id.
#[derive(Clone, Default)]
struct Busy(Arc<Mutex<HashSet<String>>>);

/// Begins it. What is waited for ends after the server's last job, once what that found is stored.
pub(super) fn begin(app: &App, unasked: &TaskTracker) {
    // Whoever listens from now on misses no run that is begun later.
    let ended = app.jobs().ended();
    let stored = Arc::new(Notify::new());
    tokio::spawn(send(app.clone(), stored.clone()));
    unasked.spawn(settle(app.clone(), ended, stored));
}

/// Stores what is to be told of runs, as each comes to rest; and of those that came to rest where nobody could, for their
/// process was killed right then, or the database failed it.
async fn settle(app: App, mut ended: Receiver<String>, stored: Arc<Notify>) {
    let mut failed = HashMap::new();
    settle_left(&app, &mut failed, &stored).await;
    loop {
        app.looks().put(Loop::Findings, app.now());
        let run = tokio::select! {
            biased;
            run = ended.recv() => run,
            () = all_over(&app) => match ended.try_recv() {
                Ok(run) => Ok(run),
                Err(_) => return,
            },
            () = tokio::time::sleep(LOOKS_EVERY) => {
                settle_left(&app, &mut failed, &stored).await;
                continue;
            }
        };
        match run {
            Ok(run) => {
                settled(&run, notify::after_run(app.engine(), &run)).await;
                stored.notify_one();
            }
            // They are among those that are left.
            Err(RecvError::Lagged(_)) => settle_left(&app, &mut failed, &stored).await,
            Err(RecvError::Closed) => return,
        }
    }
}

/// Returns once the server stops and its last job is through.
async fn all_over(app: &App) {
    app.stopping().await;
    app.jobs().stop().await;
}

/// Settles what was left. `failed` has what could not be, with when: it is tried again after a while.
async fn settle_left(app: &App, failed: &mut HashMap<String, i64>, stored: &Notify) {
    let left = match app.store().unsettled_runs().await {
        Ok(left) => left,
        Err(error) => return tracing::warn!(%error, "runs to be told of could not be looked for"),
    };
    let now = app.now();
    failed.retain(|run, at| {
        left.iter().any(|left| left.id == *run) && now.saturating_sub(*at) < TRIES_EVERY
    });
    for run in left {
        // What is still worked on here is told as soon as that is over.
        if failed.contains_key(&run.id) || app.jobs().running(&run.id).is_some() {
            continue;
        }
        // The oldest comes first, so whatever was before it is settled.
        tracing::debug!(run = %run.id, "was left to be told of");
        if !settled(&run.id, notify::settle(app.engine(), &run)).await {
            failed.insert(run.id, now);
        }
        stored.notify_one();
    }
}

/// Whether a run could be settled.
async fn settled(run: &str, settling: impl Future<Output = Result<(), StoreError>>) -> bool {
    let settled = unbroken("settling of a run", settling).await;
    if let Ok(Err(error)) = &settled {
        tracing::warn!(%run, %error, "what it found could not be stored to be told");
    }
    matches!(settled, Ok(Ok(())))
}

/// Sends what is due, of this process and of others that did not come to it. A place that is slow, or gone, keeps no
/// other waiting; nothing is sent to it twice at once.
async fn send(app: App, stored: Arc<Notify>) {
    let busy = Busy::default();
    loop {
        app.looks().put(Loop::Notices, app.now());
        match app.store().targets_to_tell(app.now()).await {
            Ok(targets) => {
                for target in targets {
                    let Some(place) = busy.take(&target.id) else {
                        continue;
                    };
                    let notifier = Notifier::new(app.engine());
                    tokio::spawn(async move {
                        let _place = place;
                        match notifier.deliver_to(&target).await {
                            Ok(deliveries) => tracing::debug!(?deliveries, "told"),
                            Err(error) => tracing::warn!(%error, "what was told is not recorded"),
                        }
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "what is to be told could not be looked for"),
        }
        tokio::select! {
            () = app.stopping() => return,
            () = stored.notified() => {}
            () = tokio::time::sleep(LOOKS_EVERY) => {}
        }
    }
}

impl Busy {
    /// A place for us alone, until what is returned is dropped; `None` while somebody has it.
    fn take(&self, id: &str) -> Option<Place> {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(id.to_owned())
            .then(|| Place(self.clone(), id.to_owned()))
    }
}

struct Place(Busy, String);

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.1);
    }
}
