//! How far a run is, for a bar or a page: plain numbers behind a lock, read whenever somebody looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Lists the gateway's channels.
    #[default]
    Listing,
    /// Asks providers.
    Reading,
    /// Writes what was approved.
    Writing,
    /// Is through.
    Ended,
}

/// A moment of a run.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What it is doing.
    pub phase: Phase,
    /// Channels of this phase.
    pub total: usize,
    /// Channels done in this phase.
    pub done: usize,
    /// How many of them failed.
    pub failed: usize,
    /// The channels under way, by id.
    pub current: BTreeMap<i64, String>,
    /// How long the pace alone still takes.
    pub left: Duration,
    /// Requests that the gateway answered with 429.
    pub throttled: u64,
}

/// A run's progress, shared between the engine and whoever watches.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    now: Mutex<Snapshot>,
    run: watch::Sender<Option<String>>,
}

impl Progress {
    /// The present moment.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// The id of the run, as soon as there is one.
    pub async fn run(&self) -> String {
        let mut known = self.0.run.subscribe();
        loop {
            if let Some(run) = known.borrow_and_update().clone() {
                return run;
            }
            if known.changed().await.is_err() {
                // The sender is ours, so it cannot be gone; nothing else could be waited for.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The id of the run, if there is one by now.
    pub(crate) fn known_run(&self) -> Option<String> {
        self.0.run.borrow().clone()
    }

    /// Whether both are the progress of the same work.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The watched work is this run.
    pub(crate) fn is_run(&self, id: &str) {
        self.0.run.send_replace(Some(id.to_owned()));
    }

    pub(crate) fn phase(&self, phase: Phase, total: usize, left: Duration) {
        let mut now = self.lock();
        *now = Snapshot {
            phase,
            total,
            left,
            throttled: now.throttled,
            ..Snapshot::default()
        };
    }

    pub(crate) fn begins(&self, id: i64, name: &str) {
        self.lock().current.insert(id, name.to_owned());
    }

    pub(crate) fn ends(&self, id: i64, failed: bool, left: Duration, throttled: u64) {
        let mut now = self.lock();
        now.current.remove(&id);
        now.done += 1;
        now.failed += usize::from(failed);
        now.left = left;
        now.throttled = throttled;
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
