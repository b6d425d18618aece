//! What a run at work listens to: any process may ask it to end, and its gateway to wait.

use std::time::Duration;

use lockstep_remote::pace::Pause;
use lockstep_store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::session::Session;
use crate::watch::Watch;

/// How often it looks whether somebody asked for its end.
const LOOK: Duration = Duration::from_secs(1);

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Heeding(#[expect(dead_code, reason = "its end ends them")] JoinSet<()>);

impl Session {
    /// Cancels the run's watch once somebody asked for its end, be it before now, and tells those who watch of each pause
    /// that the gateway asks for, whoever met it: this run waits too.
    pub(crate) fn heed(&self, run_id: &str, fence: i64, watch: &Watch) -> Heeding {
        let mut listening = JoinSet::new();
        let (store, run_id) = (self.store().clone(), run_id.to_owned());
        listening.spawn(look(store, run_id.clone(), watch.cancel.clone()));
        let pauses = self.gateway.pacer().pauses();
        listening.spawn(tell(self.clone(), run_id, fence, pauses));
        Heeding(listening)
    }
}

async fn look(store: Store, run_id: String, cancel: CancellationToken) {
    loop {
        match store.cancel_asked(&run_id).await {
            Ok(Some(by)) => {
                tracing::info!(run = %run_id, by, "asked to end");
                cancel.cancel();
                return;
            }
            Ok(None) => {}
            // What the run records next meets the same, and says so.
            Err(error) => tracing::debug!(%error, "nobody can be heard"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn tell(
    session: Session,
    run_id: String,
    fence: i64,
    mut pauses: watch::Receiver<Option<Pause>>,
) {
    while pauses.changed().await.is_ok() {
        let Some(pause) = pauses.borrow_and_update().clone() else {
            continue;
        };
        let now = session.now();
        let left = pause.until.saturating_duration_since(Instant::now());
        let until = now.saturating_add(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
        let told = session
            .store()
            .tell_throttled(&run_id, fence, until, &pause.request, now)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "nobody is told of a pause");
        }
    }
}
