//! Where events come from, behind one trait: of one run by their numbers, of all runs by a position in the whole.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use futures_util::future::BoxFuture;
use lockstep_store::events::Event;
use lockstep_store::{Store, StoreError};

/// How long, in milliseconds, a run that came to rest is still looked at: another process may tell of it late.
const SETTLING_MS: i64 = 600_000;

/// A place in the events of all runs: all that came before it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// When this was the end, in Unix milliseconds.
    at: i64,
    /// The number of the last event of each run that was under way or had just come to rest.
    last: BTreeMap<String, i64>,
}

/// Where events come from.
pub(crate) trait Feed: Send + Sync {
    /// The run's events after a number, in order.
    fn of_run<'a>(
        &'a self,
        run: &'a str,
        after: i64,
    ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>>;

    /// The present end of the events of all runs. `now` is in Unix milliseconds.
    fn end(&self, now: i64) -> BoxFuture<'_, Result<Position, StoreError>>;

    /// The events of all runs after a position, those of a run in order, and the position after all of them.
    fn after<'a>(
        &'a self,
        position: &'a Position,
        now: i64,
    ) -> BoxFuture<'a, Result<(Vec<Event>, Position), StoreError>>;
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

    fn end(&self, now: i64) -> BoxFuture<'_, Result<Position, StoreError>> {
        Box::pin(async move {
            let mut last = BTreeMap::new();
            for run in self.0.runs_since(now.saturating_sub(SETTLING_MS)).await? {
                let newest = self.0.newest_event(&run.id).await?;
                last.insert(run.id, newest);
            }
            Ok(Position { at: now, last })
        })
    }

    fn after<'a>(
        &'a self,
        position: &'a Position,
        now: i64,
    ) -> BoxFuture<'a, Result<(Vec<Event>, Position), StoreError>> {
        Box::pin(async move {
            let since = position.at.saturating_sub(SETTLING_MS);
            let mut events = Vec::new();
            let mut last = BTreeMap::new();
            for run in self.0.runs_since(since).await? {
                let seen = position.last.get(&run.id).copied();
                let mut new = self.0.events(&run.id, seen.unwrap_or(0)).await?;
                let newest = new.last().map(|event| event.seq).or(seen).unwrap_or(0);
                if seen.is_none() {
                    // It was at rest for long: what it told before was told to whoever listened then.
                    new.retain(|event| event.at >= since);
                }
                events.extend(new);
                last.insert(run.id, newest);
            }
            Ok((events, Position { at: now, last }))
        })
    }
}

impl Position {
    /// The place just after one more event.
    pub(crate) fn told(&mut self, event: &Event) {
        self.last.insert(event.run_id.clone(), event.seq);
    }

    /// The place after all that led to another one: what it has no more of is long at rest.
    pub(crate) fn reached(&mut self, other: &Self) {
        self.at = self.at.max(other.at);
        self.last.retain(|run, _| other.last.contains_key(run));
    }

    /// Whether the event was told before.
    pub(crate) fn has(&self, event: &Event) -> bool {
        let last = self.last.get(&event.run_id);
        last.is_some_and(|last| event.seq <= *last)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        for (run, seq) in &self.last {
            write!(f, "~{run}.{seq}")?;
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('~');
        let at = parts.next().and_then(|at| at.parse().ok()).ok_or(())?;
        let read = |part: &str| {
            let (run, seq) = part.split_once('.')?;
            Some((run.to_owned(), seq.parse().ok()?))
        };
        let last = parts.map(read).collect::<Option<_>>().ok_or(())?;
        Ok(Self { at, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back() {
        let mut position = Position {
            at: 5,
            last: BTreeMap::new(),
        };
        assert_eq!(position.to_string().parse(), Ok(position.clone()));
        position.last.insert("0199-a".to_owned(), 7);
        position.last.insert("0199-b".to_owned(), 1);
        assert_eq!(position.to_string().parse(), Ok(position));
        for bad in ["", "x", "5~a", "5~a.x"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
