//! Where events come from, behind one trait: of one run by their numbers, of all runs by their numbers in the whole.

use futures_util::future::BoxFuture;
use lockstep_store::events::Event;
use lockstep_store::{Store, StoreError};

/// So many events of all runs are read at once.
const SOME: u32 = 1_000;

/// Where events come from.
pub(crate) trait Feed: Send + Sync {
    /// The run's events after a number, in order.
    fn of_run<'a>(
        &'a self,
        run: &'a str,
        after: i64,
    ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>>;

    /// The number of the newest event of all runs.
    fn end(&self) -> BoxFuture<'_, Result<i64, StoreError>>;

    /// The events of all runs after a number, in order.
    fn of_all(&self, after: i64) -> BoxFuture<'_, Result<Vec<Event>, StoreError>>;
}

/// Asks the event table again and again: other processes write it too.
#[derive(Clone, Debug)]
pub(crate) struct Polled(pub(crate) Store);

impl Feed for Polled {
    fn of_run<'a>(
        &'a self,
        run: &'a str,
        after: i64,
    ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>> {
        Box::pin(self.0.events(run, after))
    }

    fn end(&self) -> BoxFuture<'_, Result<i64, StoreError>> {
        Box::pin(self.0.events_end())
    }

    fn of_all(&self, after: i64) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        Box::pin(async move {
            let mut events = Vec::new();
            let mut after = after;
            loop {
                let some = self.0.events_since(after, SOME).await?;
                let Some(last) = some.last() else {
                    return Ok(events);
                };
                after = last.feed;
                let more = some.len() == SOME as usize;
                events.extend(some);
                if !more {
                    return Ok(events);
                }
            }
        })
    }
}
