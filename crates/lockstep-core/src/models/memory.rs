//! What is remembered of a channel between runs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A channel's memory. An empty one is that of a channel never settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The names that count as the provider's, as last settled. `None`: never settled; then all that the
    /// channel has counts as the provider's.
    pub settled: Option<Vec<String>>,
    /// The channel's list as it was last left. What differs from it now was edited by hand.
    pub left: Vec<String>,
    /// Names added by hand, which stay.
    pub yours: BTreeSet<String>,
    /// Names taken out by hand, which stay out.
    pub taken_out: BTreeSet<String>,
    /// A list that was written without it being known whether it arrived. Found on the channel, it is our own and no
    /// edit by hand.
    pub maybe: Option<Vec<String>>,
    /// How many names the provider's last trusted list had.
    pub good_size: usize,
    /// Since when (Unix milliseconds) each name is missing that waits for its removal.
    pub missing: BTreeMap<String, i64>,
    /// The code of the last failures and how many there were of it in a row.
    pub failures: Option<(String, u32)>,
    /// The digest of the held part to which "keep until it changes" was answered.
    pub kept: Option<String>,
}

/// After this many equal failures in a row a channel is offered "never sync".
pub const FAILURES_BEFORE_OFFER: u32 = 5;

impl Memory {
    /// Gives a hand-edited name back to the provider: what was added by hand may be removed again when the
    /// provider has it not, what was taken out may come back when it has. Returns whether the name was yours.
    pub fn release(&mut self, name: &str) -> bool {
        let settled = self.settled.get_or_insert_with(Vec::new);
        if self.yours.remove(name) {
            if !settled.iter().any(|known| known == name) {
                settled.push(name.to_owned());
            }
            return true;
        }
        if self.taken_out.remove(name) {
            settled.retain(|known| known != name);
            return true;
        }
        false
    }

    /// Remembers one more failure of the kind.
    pub fn failed(&mut self, code: &str) {
        self.failures = match self.failures.take() {
            Some((last, count)) if last == code => Some((last, count.saturating_add(1))),
            _ => Some((code.to_owned(), 1)),
        };
    }
}

/// The marks of hand edits, brought up to date: what the channel has beyond what was left there was added by
/// hand, what it lacks was taken out. Putting back what was taken out just ends the mark.
pub(super) fn hand_edits(
    memory: &Memory,
    old: &[String],
    has: &HashSet<&str>,
    settled: &HashSet<&str>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut yours: BTreeSet<String> = memory
        .yours
        .iter()
        .filter(|name| has.contains(name.as_str()))
        .cloned()
        .collect();
    let mut taken_out: BTreeSet<String> = memory
        .taken_out
        .iter()
        .filter(|name| !has.contains(name.as_str()))
        .cloned()
        .collect();
    let arrived = memory.maybe.as_ref().filter(|maybe| {
        maybe.len() == has.len() && maybe.iter().all(|name| has.contains(name.as_str()))
    });
    let before = arrived.unwrap_or(&memory.left);
    if before == old {
        return (yours, taken_out);
    }
    let left: HashSet<&str> = before.iter().map(String::as_str).collect();
    for name in old {
        if !left.contains(name.as_str()) {
            let put_back = memory.taken_out.contains(name) && settled.contains(name.as_str());
            if !put_back {
                yours.insert(name.clone());
            }
        }
    }
    for name in before {
        if !has.contains(name.as_str()) {
            taken_out.insert(name.clone());
        }
    }
    (yours, taken_out)
}
