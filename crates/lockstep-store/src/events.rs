//! Events: what happened in a run, in order, for those who watch.

use crate::sql::QueryBuilder;
use lockstep_core::change::{RunState, State};
use lockstep_core::failure::Failure;
use lockstep_core::hold::Reason;
use lockstep_core::prices::field::Field;
use serde_json::{Value, json};

use crate::blobs::ROWS_PER_STATEMENT;
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::status::ItemStatus;
use crate::{Store, StoreError, sql};

/// How long, in milliseconds, events of single channels and prices are kept after their run came to rest: a day.
const ITEMS_KEPT_MS: i64 = 86_400_000;

/// The kind of an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The run reached another state. Data: `state`, and `total`, `approved` or `error` where they belong.
    RunState,
    /// A channel, or one field of a model's price, was read or its outcome is known. Data: `channel_id` and `name`, or
    /// `model` and `field`; `state`, `status`, and `reason` or `error` as codes.
    Item,
    /// The gateway asked to wait. Data: `until` in Unix milliseconds, `wait_ms` from the event on, and `request`, the
    /// method and path that it turned away.
    Throttled,
}

impl EventKind {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::RunState, Self::Item, Self::Throttled];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::RunState => "run_state",
            Self::Item => "item",
            Self::Throttled => "throttled",
        }
    }

    /// The kind of a stored code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

/// One event. It is stored in the same transaction as what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The run.
    pub run_id: String,
    /// Its number in the run: 1, 2, 3 without gaps.
    pub seq: i64,
    /// When, in Unix milliseconds.
    pub at: i64,
    /// What kind it is.
    pub kind: EventKind,
    /// A JSON object.
    pub data: String,
    /// Its number over all runs: greater than that of every event that could be read before. 0 for one that an older
    /// Lockstep stored.
    pub feed: i64,
}

impl Store {
    /// The run's events after a number, in order; 0 for all. Those of kind [`EventKind::Item`] are forgotten a day
    /// after the run came to rest.
    pub async fn events(&self, run_id: &str, after_seq: i64) -> Result<Vec<Event>, StoreError> {
        let rows = sql::query("SELECT * FROM event WHERE run_id = $1 AND seq > $2 ORDER BY seq")
            .bind(run_id)
            .bind(after_seq)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// At most `limit` of the run's events after a number, in order; 0 for the first ones. Of those of kind
    /// [`EventKind::Item`] the same is true as in [`Store::events`].
    pub async fn events_after(
        &self,
        run_id: &str,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let rows =
            sql::query("SELECT * FROM event WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
                .bind(run_id)
                .bind(after_seq)
                .bind(i64::from(limit))
                .fetch_all(self.readers())
                .await?;
        rows.iter().map(from_row).collect()
    }

    /// The latest of the run's events, at most `limit`, in order, without those of single channels and prices.
    pub async fn run_events(&self, run_id: &str, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM event WHERE run_id = $1 AND kind <> $2 ORDER BY seq DESC LIMIT $3",
        )
        .bind(run_id)
        .bind(EventKind::Item.code())
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().rev().map(from_row).collect()
    }

    /// At most `limit` events of all runs after a number of the feed, in its order; 0 for all. Who goes on from the last
    /// one's [`Event::feed`] misses none: numbers are taken and become visible in one order.
    pub async fn events_since(&self, feed: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = sql::query("SELECT * FROM event WHERE feed > $1 ORDER BY feed LIMIT $2")
            .bind(feed.max(0))
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// The number of the newest event of all runs, to go on from.
    pub async fn events_end(&self) -> Result<i64, StoreError> {
        Ok(sql::query_scalar("SELECT last FROM feed")
            .fetch_one(self.readers())
            .await?)
    }
}

fn from_row(row: &Row) -> Result<Event, StoreError> {
    let columns = Columns::new(row, "event", "seq");
    Ok(Event {
        run_id: columns.text("run_id")?,
        seq: columns.number("seq")?,
        at: columns.number("at")?,
        kind: columns.read("kind", EventKind::from_code)?,
        data: columns.text("data")?,
        feed: columns.number("feed")?,
    })
}

/// An event that has no number yet.
pub(crate) struct NewEvent {
    at: i64,
    kind: EventKind,
    data: String,
}

/// The event of a run's new state, with one more value where one belongs to it.
pub(crate) fn state(state: RunState, at: i64, more: Option<(&str, Value)>) -> NewEvent {
    let mut data = json!({ "state": state.code() });
    if let (Some((name, value)), Some(object)) = (more, data.as_object_mut()) {
        object.insert(name.to_owned(), value);
    }
    NewEvent {
        at,
        kind: EventKind::RunState,
        data: data.to_string(),
    }
}

/// What an event of a single change is about.
pub(crate) enum Target<'a> {
    /// A channel and its name.
    Channel(i64, &'a str),
    /// One value of a model.
    Price(&'a str, Field),
}

/// The event of a change that was read or whose outcome is known.
pub(crate) fn item(
    target: Target<'_>,
    state: State,
    reason: Option<&Reason>,
    held: bool,
    failure: Option<&Failure>,
    at: i64,
) -> NewEvent {
    let mut data = json!({
        "state": state.code(),
        "status": ItemStatus::of(state, held).code(),
    });
    if let Some(object) = data.as_object_mut() {
        match target {
            Target::Channel(channel_id, name) => {
                object.insert("channel_id".to_owned(), channel_id.into());
                object.insert("name".to_owned(), name.into());
            }
            Target::Price(model, field) => {
                object.insert("model".to_owned(), model.into());
                object.insert("field".to_owned(), field.code().into());
            }
        }
        if let Some(reason) = reason {
            object.insert("reason".to_owned(), reason.code.code().into());
        }
        if let Some(failure) = failure {
            object.insert("error".to_owned(), failure.kind.code().into());
        }
    }
    NewEvent {
        at,
        kind: EventKind::Item,
        data: data.to_string(),
    }
}

/// The event of a wait that the gateway asked for.
pub(crate) fn throttled(until: i64, request: &str, at: i64) -> NewEvent {
    let wait_ms = until.saturating_sub(at).max(0);
    NewEvent {
        at,
        kind: EventKind::Throttled,
        data: json!({ "until": until, "wait_ms": wait_ms, "request": request }).to_string(),
    }
}

/// Appends events to the run, numbered on. The run's row is locked by then, so no two writers count at once.
pub(crate) async fn append(
    db: &mut Connection,
    run_id: &str,
    events: Vec<NewEvent>,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let last: i64 = sql::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM event WHERE run_id = $1")
        .bind(run_id)
        .fetch_one(&mut *db)
        .await?;
    // Until the transaction ends, nobody else takes numbers: those of the feed become visible in their order.
    let end: i64 = sql::query_scalar("UPDATE feed SET last = last + $1 RETURNING last")
        .bind(i64::try_from(events.len()).unwrap_or(0))
        .fetch_one(&mut *db)
        .await?;
    let ahead = end - i64::try_from(events.len()).unwrap_or(0) - last;
    let numbered: Vec<(i64, NewEvent)> = (last + 1..).zip(events).collect();
    for some in numbered.chunks(ROWS_PER_STATEMENT) {
        let mut insert =
            QueryBuilder::new("INSERT INTO event (run_id, seq, at, kind, data, feed) ");
        insert.push_values(some, |mut row, (seq, event)| {
            row.push_bind(run_id)
                .push_bind(seq)
                .push_bind(event.at)
                .push_bind(event.kind.code())
                .push_bind(&event.data)
                .push_bind(seq + ahead);
        });
        insert.build().persistent(false).execute(&mut *db).await?;
    }
    Ok(())
}

/// Forgets what nobody watches any more: a run's changes tell the same once it is at rest.
pub(crate) async fn forget_old(
    db: &mut Connection,
    site_id: &str,
    now: i64,
) -> Result<(), StoreError> {
    sql::query(
        "DELETE FROM event WHERE kind = 'item' AND run_id IN (
            SELECT id FROM run WHERE site_id = $1 AND state NOT IN ('queued', 'reading', 'writing')
            AND COALESCE(ended_at, planned_at) < $2)",
    )
    .bind(site_id)
    .bind(now.saturating_sub(ITEMS_KEPT_MS))
    .execute(db)
    .await?;
    Ok(())
}
