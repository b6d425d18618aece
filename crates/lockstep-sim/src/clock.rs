//! The only place that reads the machine's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The moment of the start, by which everything else is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    since_epoch: Duration,
}

impl Clock {
    /// Starts counting now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulated gateway runs in real time, and this is its only clock"
    )]
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            since_epoch,
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Unix seconds, as the gateway writes them into its rows. They never lag behind the `Date` of its replies.
    pub(crate) fn unix(&self) -> i64 {
        (self.since_epoch + self.elapsed()).as_secs().cast_signed()
    }

    /// Unix seconds of the start.
    pub(crate) fn started_unix(&self) -> i64 {
        self.since_epoch.as_secs().cast_signed()
    }
}
