//! What a plan comes to: the list, the text to write, why each name is where it is, and what is remembered.

use std::collections::HashSet;

use super::fate::{Dropped, Kept};
use super::memory::Memory;
use super::plan::{ChannelPlan, Part};
use crate::change::{State, Verdict};
use crate::hold::Reason;

impl ChannelPlan {
    /// The list as it would be after writing what no guard holds: what stays, in its order, then what comes.
    pub fn new_models(&self) -> Vec<String> {
        self.names_left().cloned().collect()
    }

    /// The names of [`new_models`](Self::new_models), as they are here.
    pub(crate) fn names_left(&self) -> impl Iterator<Item = &String> {
        let gone: HashSet<&String> = if self.removals.applies() {
            self.removals.names.iter().collect()
        } else {
            HashSet::new()
        };
        let come = self.additions.names.iter();
        let stays = self.old.iter().filter(move |name| !gone.contains(name));
        stays.chain(come.filter(|_| self.additions.applies()))
    }

    /// Whether [`new_models`](Self::new_models) is empty.
    pub(super) fn empties(&self) -> bool {
        self.names_left().next().is_none()
    }

    /// The text to write, where there is something to write.
    pub fn after(&self) -> Option<String> {
        (self.additions.applies() || self.removals.applies()).then(|| self.new_models().join(","))
    }

    /// The gateway's text that the plan was made from.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// How the change stands once planned.
    pub fn state(&self) -> State {
        if self.skip.is_some() {
            State::Skipped
        } else if self.failure.is_some() {
            State::Unread
        } else if self.additions.applies() || self.removals.applies() {
            State::Ready
        } else if self.hold().is_some() {
            State::Held
        } else {
            State::Same
        }
    }

    /// The reason of the hold that waits; that of the removals when both parts are held.
    pub fn hold(&self) -> Option<&Reason> {
        self.removals
            .verdict
            .held()
            .or_else(|| self.additions.verdict.held())
    }

    /// The names that stay although the provider, after rules, does not have them, each with why.
    pub fn kept(&self) -> Vec<(String, Kept)> {
        let why = part_fate(&self.removals, Kept::Held, Kept::Answered, Kept::Policy);
        let removals: HashSet<&String> = self.removals.names.iter().collect();
        let mut kept: Vec<(String, Kept)> = Vec::new();
        for name in &self.old {
            if let Some(why) = self.kept.get(name) {
                kept.push((name.clone(), *why));
            } else if let Some(why) = why
                && removals.contains(name)
            {
                kept.push((name.clone(), why));
            }
        }
        kept
    }

    /// The fetched names that are not in the new list, each with why.
    pub fn dropped(&self) -> Vec<(String, Dropped)> {
        let why = part_fate(
            &self.additions,
            Dropped::Held,
            Dropped::Answered,
            Dropped::Policy,
        );
        let held: HashSet<&String> = self.additions.names.iter().collect();
        let stays: HashSet<&String> = if self.removals.applies() {
            HashSet::new()
        } else {
            self.removals.names.iter().collect()
        };
        let mut dropped: Vec<(String, Dropped)> = Vec::new();
        for name in &self.upstream {
            if stays.contains(name) {
                continue;
            }
            if let Some(why) = self.dropped.get(name) {
                dropped.push((name.clone(), *why));
            } else if let Some(why) = why
                && held.contains(name)
            {
                dropped.push((name.clone(), why));
            }
        }
        dropped
    }

    /// What is remembered once everything that may be written is written, or when nothing is to be written.
    pub fn settled_memory(&self) -> Memory {
        let observed = &self.observed;
        if self.skip.is_some() || self.failure.is_some() || self.steady {
            return observed.clone();
        }
        let left = self.new_models();
        let has: HashSet<&String> = left.iter().collect();
        let served = self.upstream.iter().filter(|name| {
            !self.refused.contains(*name) && (has.contains(name) || self.taken_out.contains(*name))
        });
        let beyond = self.settled.iter().filter(|name| has.contains(name));
        let settled = served.chain(beyond).cloned().collect();
        let answered = self.additions.answered || self.removals.answered;
        let mut missing = observed.missing.clone();
        if self.removals.applies() {
            for name in &self.removals.names {
                missing.remove(name);
            }
        }
        Memory {
            settled: Some(settled),
            left,
            yours: self.yours.clone(),
            taken_out: self.taken_out.clone(),
            maybe: None,
            good_size: observed.good_size,
            missing,
            failures: observed.failures.clone(),
            kept: observed.kept.clone().filter(|_| answered),
        }
    }
}

/// The fate of a part's names when they are not applied.
fn part_fate<T>(part: &Part, held: T, answered: T, policy: T) -> Option<T> {
    match &part.verdict {
        Verdict::Hold(_) => Some(held),
        Verdict::Skip(_) => Some(policy),
        Verdict::Same if part.answered => Some(answered),
        Verdict::Same | Verdict::Apply => None,
    }
}
