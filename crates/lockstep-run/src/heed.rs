//! A run can be asked to end by any process: the one that has it looks for that while it works.

use std::time::Duration;

use lockstep_store::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::{Session, Watch};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until it is dropped.
#[derive(Debug)]
pub(crate) struct Heeding(JoinHandle<()>);

impl Session {
    /// Cancels the run's watch once somebody asked for its end, be it before now.
    pub(crate) fn heed(&self, run_id: &str, watch: &Watch) -> Heeding {
        let looking = look(
            self.store().clone(),
            run_id.to_owned(),
            watch.cancel.clone(),
        );
        Heeding(tokio::spawn(looking))
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

impl Drop for Heeding {
    fn drop(&mut self) {
        self.0.abort();
    }
}
