//! The calls of `/api/ratio_config`, counted where every session and every process sees them.

use std::sync::Arc;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::source::{CALLS, WINDOW_MS, free_at};
use lockstep_remote::sources::{Calls, Taking, none_left};
use lockstep_store::{Store, StoreError};

use crate::clock::Clock;
use crate::session::Session;

/// Takes each call in the database at the moment that it is made.
#[derive(Debug)]
pub(super) struct Counted {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Counted {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            store: session.store().clone(),
            clock: Arc::clone(&session.engine.clock),
        }
    }

    async fn taken(&self, host: &str) -> Result<(), Failure> {
        let now = self.clock.now();
        let since = now - WINDOW_MS;
        let uncounted = |error: StoreError| {
            let text = format!("its call could not be counted: {error}");
            Failure::new(FailureKind::Record, text)
        };
        let taken = self.store.take_source_call(host, since, CALLS, now).await;
        if taken.map_err(uncounted)? {
            return Ok(());
        }
        let calls = self.store.source_calls(host, since).await;
        let free_at = free_at(&calls.map_err(uncounted)?).unwrap_or(now);
        let wait = u64::try_from(free_at.saturating_sub(now)).unwrap_or(0);
        Err(none_left(Duration::from_millis(wait)))
    }
}

impl Calls for Counted {
    fn take<'a>(&'a self, host: &'a str) -> Taking<'a> {
        Box::pin(self.taken(host))
    }
}
