//! Where events come from, behind one trait: of one run by their numbers, of all runs by their numbers in the whole.

use futures_util::future::BoxFuture;
use lockstep_store::events::Event;
use lockstep_store::{Store, StoreError};

/// So many events are read at once: whoever is far behind is told them a few at a time, as fast as he takes them.
const SOME: u32 = 500;

/// Where events come from.
pub(crate) trait Feed: Send + Sync {
    /// The first of the run's events after a number.
    fn of_run<'a>(&'a self, run: &'a str, after: i64) -> BoxFuture<'a, Result<Batch, StoreError>>;

    /// The number of the newest event of all runs.
    fn end(&self) -> BoxFuture<'_, Result<i64, StoreError>>;

    /// The first of the events of all runs after a number.
    fn of_all(&self, after: i64) -> BoxFuture<'_, Result<Batch, StoreError>>;
}

/// Some events, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// The events.
    pub(crate) events: Vec<Event>,
    /// Whether there may be more behind the last.
    pub(crate) more: bool,
}

/// Asks the event table again and again: other processes write it too.
#[derive(Clone, Debug)]
pub(crate) struct Polled(pub(crate) Store);

impl Feed for Polled {
    fn of_run<'a>(&'a self, run: &'a str, after: i64) -> BoxFuture<'a, Result<Batch, StoreError>> {
        Box::pin(async move { Ok(batch(self.0.events_after(run, after, SOME).await?)) })
    }

    fn end(&self) -> BoxFuture<'_, Result<i64, StoreError>> {
        Box::pin(self.0.events_end())
    }

    fn of_all(&self, after: i64) -> BoxFuture<'_, Result<Batch, StoreError>> {
        Box::pin(async move { Ok(batch(self.0.events_since(after, SOME).await?)) })
    }
}

fn batch(events: Vec<Event>) -> Batch {
    Batch {
        more: events.len() == SOME as usize,
        events,
    }
}
