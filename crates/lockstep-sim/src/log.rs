//! The ordered log of everything the gateway was asked.

use std::sync::Mutex;
use std::time::Duration;

use crate::connection::{Gauge, lock};

/// One request, in the order of arrival.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Position in the order of arrival, from 1. It goes on counting when the log is cleared.
    pub seq: u64,
    /// Arrival, since the gateway's start.
    pub at: Duration,
    /// When the answer was ready, since the gateway's start. `None` while it is being made.
    pub finished: Option<Duration>,
    /// The method, in capitals.
    pub method: String,
    /// The path as the gateway routes it, without the prefix it is reached under.
    pub path: String,
    /// The query string, without the question mark.
    pub query: String,
    /// The channel the request is about, named in the path or in the body.
    pub channel: Option<i64>,
    /// The caller's role (1, 10, 100), or `None` for a caller without a valid token.
    pub role: Option<u32>,
    /// The status answered. `None` when no whole answer was sent.
    pub status: Option<u16>,
    /// The name of the scripted fault this request met.
    pub fault: Option<&'static str>,
    /// What it changed, when the gateway got as far as deciding that.
    pub write: Option<Write>,
    /// The key and the text that a `PUT /api/option/` carried, whatever came of it.
    pub sent: Option<(String, String)>,
}

impl Entry {
    /// Whether the request could change something: everything but GET and HEAD.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.method != "HEAD"
    }
}

/// What a write found and what it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The channel written.
    pub channel: Option<i64>,
    /// The option written.
    pub option: Option<String>,
    /// The channel's models, or the option's text, before.
    pub before: String,
    /// The same, after.
    pub after: String,
    /// Whether any stored value changed, including fields other than the models.
    pub effective: bool,
}

/// One `PUT /api/option/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionWrite {
    /// Position in the order of arrival, as in [`Entry::seq`].
    pub seq: u64,
    /// The option's key.
    pub key: String,
    /// The text that was sent.
    pub sent: String,
    /// The text that was stored before. `None` when the gateway did not get as far as looking.
    pub before: Option<String>,
    /// The text that was stored after.
    pub after: Option<String>,
    /// Whether the stored text changed.
    pub effective: bool,
}

impl OptionWrite {
    /// What a row of the log says of an option, or `None` for a row about something else.
    pub(crate) fn of(entry: Entry) -> Option<Self> {
        let (key, sent) = entry.sent?;
        let effective = entry.write.as_ref().is_some_and(|write| write.effective);
        let (before, after) = entry.write.map(|write| (write.before, write.after)).unzip();
        Some(Self {
            seq: entry.seq,
            key,
            sent,
            before,
            after,
            effective,
        })
    }
}

/// The log and the count of requests in progress.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: Mutex<Entries>,
    /// How many requests are being answered, and the most there ever were.
    pub(crate) in_progress: Gauge,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    rows: Vec<Entry>,
}

impl RequestLog {
    /// Writes an arrival down and answers its sequence number.
    pub(crate) fn arrived(&self, mut entry: Entry) -> u64 {
        let mut entries = lock(&self.entries);
        entries.next += 1;
        entry.seq = entries.next;
        entries.rows.push(entry);
        entries.next
    }

    /// Completes a row. A row cleared meanwhile is left alone.
    pub(crate) fn update(&self, seq: u64, change: impl FnOnce(&mut Entry)) {
        let mut entries = lock(&self.entries);
        if let Ok(index) = entries.rows.binary_search_by_key(&seq, |entry| entry.seq) {
            change(&mut entries.rows[index]);
        }
    }

    /// A copy of all rows.
    pub(crate) fn rows(&self) -> Vec<Entry> {
        lock(&self.entries).rows.clone()
    }

    /// How many rows a condition holds for.
    pub(crate) fn count(&self, condition: impl Fn(&Entry) -> bool) -> usize {
        lock(&self.entries)
            .rows
            .iter()
            .filter(|entry| condition(entry))
            .count()
    }

    /// Forgets all rows.
    pub(crate) fn clear(&self) {
        lock(&self.entries).rows.clear();
    }
}
