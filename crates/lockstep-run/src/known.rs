//! What providers answered before: in an earlier run, or just ahead of the one that takes it over.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lockstep_core::failure::Failure;
use lockstep_core::hold::ReasonCode;
use lockstep_store::changes::ChangeRow;

/// What a provider answered before.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its names, if it gave a list.
    pub(crate) upstream: Option<Vec<String>>,
    /// How many of its entries were no names.
    pub(crate) unreadable: usize,
    /// Why it gave none.
    pub(crate) failure: Option<Failure>,
    /// Tries, the first included.
    pub(crate) attempts: u32,
    /// When, in Unix milliseconds.
    pub(crate) read_at: i64,
    /// Whether a run has told of it already, so that its failure is not one more.
    pub(crate) counted: bool,
}

impl From<ChangeRow> for Known {
    fn from(row: ChangeRow) -> Self {
        let partial = row.hold.as_ref();
        let partial = partial.filter(|hold| hold.code == ReasonCode::PartialList);
        Self {
            unreadable: partial.and_then(|hold| hold.count).unwrap_or(0),
            upstream: row.upstream,
            failure: row.failure,
            attempts: row.attempts,
            read_at: row.read_at,
            counted: true,
        }
    }
}

/// What a reading takes as given instead of asking the provider.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// What providers answered before, by channel.
    pub(crate) rows: HashMap<i64, Known>,
    /// Whether those rows' held parts are approved by this run.
    pub(crate) approved: bool,
    /// Whether the settings are the site's own.
    pub(crate) own_settings: bool,
}

/// What providers answered.
#[derive(Clone, Debug, Default)]
pub struct Ahead(Arc<Answers>);

#[derive(Debug, Default)]
struct Answers {
    known: HashMap<i64, Known>,
    coming: BTreeSet<String>,
}

impl Ahead {
    pub(crate) fn new(known: HashMap<i64, Known>, coming: BTreeSet<String>) -> Self {
        Self(Arc::new(Answers { known, coming }))
    }

    /// The names that would be added, had they a price.
    pub fn coming(&self) -> &BTreeSet<String> {
        &self.0.coming
    }

    pub(crate) fn known(&self) -> &HashMap<i64, Known> {
        &self.0.known
    }
}
