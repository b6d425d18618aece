//! Tells what runs found: what is to be told is stored as each comes to rest, and sent to each place by itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_run::broken::unbroken;
use lockstep_store::StoreError;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::TaskTracker;

use super::{App, LOOKS_EVERY};
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

/// Stores what is to be told of runs, as each comes to rest.
async fn settle(app: App, mut ended: Receiver<String>, stored: Arc<Notify>) {
    loop {
        let run = tokio::select! {
            biased;
            run = ended.recv() => run,
            () = all_over(&app) => match ended.try_recv() {
                Ok(run) => Ok(run),
                Err(_) => return,
            },
        };
        match run {
            Ok(run) => {
                let settled = unbroken("settling of a run", settle_one(&app, &run)).await;
                if let Ok(Err(error)) = settled {
                    tracing::warn!(%run, %error, "what it found could not be stored to be told");
                }
                stored.notify_one();
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "runs ended faster than they were told of");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Returns once the server stops and its last job is through.
async fn all_over(app: &App) {
    app.stopping().await;
    app.jobs().stop().await;
}

async fn settle_one(app: &App, run_id: &str) -> Result<(), StoreError> {
    let run = app.store().run(run_id).await?;
    let site = app.store().site(&run.site_id).await?;
    notify::after_run(app.engine(), &site, run_id).await
}

/// Sends what is due, of this process and of others that did not come to it. A place that is slow, or gone, keeps no
/// other waiting; nothing is sent to it twice at once.
async fn send(app: App, stored: Arc<Notify>) {
    let busy = Busy::default();
    loop {
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
