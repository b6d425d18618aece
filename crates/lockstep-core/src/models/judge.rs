//! The guards on a plan: which part waits for an answer, and why.

use std::collections::BTreeSet;

use super::plan::{ChannelInput, ChannelPlan, Part};
use crate::change::Verdict;
use crate::hash::Digest;
use crate::hold::{Reason, ReasonCode};

impl ChannelPlan {
    /// Puts the guards on both parts.
    pub(super) fn judge(&mut self, input: &ChannelInput<'_>, unreadable: usize) {
        let limits = input.limits;
        let present = self.old.len();
        let size = self.upstream.len();
        let good = self.observed.good_size;
        let trusted = size > 0 && unreadable == 0 && !limits.shrunken(size, good);
        if trusted || (input.approved && size > 0) {
            self.observed.good_size = size;
        }
        self.remember_missing(input.now, trusted);

        if size == 0 {
            // Nothing passes this one: no answer and no approval makes an empty list a reason to remove.
            self.removals.hold(Reason::plain(ReasonCode::EmptyList));
        }
        for reason in self.doubts(input, unreadable, trusted) {
            self.hold_removals(reason, input.allowed, input.approved);
        }
        let added = self.additions.names.len();
        if let Some(limit) = limits.addition_beyond(added, present)
            && !input.approved
            && !input.allowed.contains(ReasonCode::TooManyAdded.code())
        {
            self.additions.hold(Reason::counted(
                ReasonCode::TooManyAdded,
                added,
                present,
                limit,
            ));
        }
        // An empty list cannot be stored, whatever was approved.
        if self.empties() && !self.old.is_empty() {
            let reason = if size == 0 {
                ReasonCode::EmptyList
            } else {
                ReasonCode::WouldBeEmpty
            };
            self.removals.hold(Reason::plain(reason));
        }
        if !input.approved {
            self.respect_answer();
        }
    }

    /// Every guard that would hold the removals, the gravest first: one that is allowed here does not hide the next.
    fn doubts(&self, input: &ChannelInput<'_>, unreadable: usize, trusted: bool) -> Vec<Reason> {
        let limits = input.limits;
        let (size, good) = (self.upstream.len(), input.memory.good_size);
        let (removed, present) = (self.removals.names.len(), self.old.len());
        let mut doubts = Vec::new();
        if unreadable > 0 {
            let all = size + unreadable;
            doubts.push(Reason::counted(ReasonCode::PartialList, unreadable, all, 0));
        } else if !trusted {
            let limit = limits.shrink_percent;
            doubts.push(Reason::counted(ReasonCode::Shrunken, size, good, limit));
        }
        if let Some(limit) = limits.removal_beyond(removed, present) {
            let code = ReasonCode::TooManyRemoved;
            doubts.push(Reason::counted(code, removed, present, limit));
        }
        if input.unattended {
            doubts.extend(self.too_fresh(input.now, limits.second_read_ms));
        }
        doubts
    }

    /// "Keep until it changes" silences a hold for as long as the very same names are held. Asked again after the
    /// brakes of the whole run, which may hold more.
    pub fn respect_answer(&mut self) {
        let Some(kept) = self.observed.kept.clone() else {
            return;
        };
        if self.held_digest().is_some_and(|held| held.as_str() == kept) {
            for part in [&mut self.additions, &mut self.removals] {
                if part.verdict.held().is_some() {
                    part.verdict = Verdict::Same;
                    part.answered = true;
                }
            }
        }
    }

    /// A digest of what is held, to which "keep until it changes" can be answered.
    pub fn held_digest(&self) -> Option<Digest> {
        let held = |part: &Part| match part.verdict.held() {
            Some(_) => part.names.clone(),
            None => Vec::new(),
        };
        held_digest(&held(&self.additions), &held(&self.removals))
    }

    /// Holds the removals, unless this reason is always allowed here or the hold was approved.
    pub fn hold_removals(&mut self, reason: Reason, allowed: &BTreeSet<String>, approved: bool) {
        let passes = approved || allowed.contains(reason.code.code());
        if !passes && self.removals.applies() {
            self.removals.hold(reason);
        }
    }

    /// Holds the additions.
    pub fn hold_additions(&mut self, reason: Reason) {
        if self.additions.applies() {
            self.additions.hold(reason);
        }
    }

    /// Since when each name that would be removed is missing. Only a trusted list tells that a name is missing.
    fn remember_missing(&mut self, now: i64, trusted: bool) {
        if !trusted {
            return;
        }
        let earlier = std::mem::take(&mut self.observed.missing);
        self.observed.missing = self
            .removals
            .names
            .iter()
            .map(|name| (name.clone(), earlier.get(name).copied().unwrap_or(now)))
            .collect();
    }

    fn too_fresh(&self, now: i64, wait: i64) -> Option<Reason> {
        let fresh: Vec<String> = self
            .removals
            .names
            .iter()
            .filter(|name| {
                self.observed
                    .missing
                    .get(*name)
                    .is_none_or(|since| now.saturating_sub(*since) < wait)
            })
            .cloned()
            .collect();
        (!fresh.is_empty()).then(|| Reason::named(ReasonCode::SecondRead, fresh))
    }
}

/// The digest of held names, whatever their order; none when nothing is held.
pub fn held_digest(additions: &[String], removals: &[String]) -> Option<Digest> {
    let mut all: Vec<String> = additions.iter().map(|name| format!("+{name}")).collect();
    all.extend(removals.iter().map(|name| format!("-{name}")));
    all.sort();
    (!all.is_empty()).then(|| Digest::of(all))
}
