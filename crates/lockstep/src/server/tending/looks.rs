//! When what the server does unasked was last looked after: whoever watches sees by it whether a loop stands still.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use lockstep_run::schedule::Worker;

/// A loop of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loop {
    /// Begins scheduled runs.
    Schedules,
    /// Goes on with runs whose process is gone.
    LeftRuns,
    /// Stores what runs found, to be told.
    Findings,
    /// Sends notices.
    Notices,
}

impl Loop {
    /// Every loop.
    pub(crate) const ALL: [Self; 4] = [
        Self::Schedules,
        Self::LeftRuns,
        Self::Findings,
        Self::Notices,
    ];

    /// The stable code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Schedules => "schedules",
            Self::LeftRuns => "left_runs",
            Self::Findings => "findings",
            Self::Notices => "notices",
        }
    }
}

/// When each loop looked last.
#[derive(Default)]
pub(crate) struct Looks {
    worker: OnceLock<Worker>,
    at: Mutex<BTreeMap<Loop, i64>>,
}

impl Looks {
    /// Whoever begins scheduled runs tells by himself when he looked.
    pub(super) fn of_schedules(&self, worker: Worker) {
        let _first = self.worker.set(worker);
    }

    /// A loop looks, at this time in Unix milliseconds.
    pub(super) fn put(&self, who: Loop, now: i64) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.insert(who, now);
    }

    /// When a loop looked last, in Unix milliseconds; `None` where it did not yet.
    pub(crate) fn last(&self, who: Loop) -> Option<i64> {
        if who == Loop::Schedules {
            return self.worker.get()?.looked_at();
        }
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.get(&who).copied()
    }
}
