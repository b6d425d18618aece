//! What is to be done with an approved row, given the channel as it is now: pure, but for what was read before.

use std::collections::{BTreeSet, HashSet};

use lockstep_core::channel::Channel;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::list::{NonEmptyModels, parse};
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{Answered, PriceGate};
use lockstep_store::changes::ChangeRow;

use crate::input::Input;
use crate::request::{HELD, UNDO};
use crate::write::Resumed;
use crate::write_row::Writing;

/// The price gate as it was when the row was planned.
#[derive(Debug)]
struct AsShown<'a>(&'a [(String, Dropped)]);

impl PriceGate for AsShown<'_> {
    fn priced(&self, model: &str) -> bool {
        !self
            .0
            .iter()
            .any(|(name, why)| *why == Dropped::Unpriced && name == model)
    }
}

/// What is to be done with an approved row, given the channel as it is now.
pub(crate) enum Step {
    Write(NonEmptyModels, Memory),
    Found(Option<Memory>),
    Moved,
}

impl Writing<'_> {
    pub(crate) fn step(&self, row: &ChangeRow, base: &Channel) -> Step {
        let Some(after) = &row.after else {
            return Step::Moved;
        };
        if self.run.trigger == UNDO {
            return match NonEmptyModels::new(after.clone()) {
                Some(models) if base.models == row.before => Step::Write(models, Memory::default()),
                _ if base.models == *after => Step::Found(None),
                _ => Step::Moved,
            };
        }
        // What one provider offers is no list for the channel of another.
        if base.provider() != row.provider {
            return Step::Moved;
        }
        let memory = self.memory(row);
        // What waited for a price when it was shown waits now too, whoever has priced it meanwhile.
        let gate = AsShown(&row.dropped);
        let input = Input {
            scope: self.scope,
            unattended: self.run.unattended,
            approved: self.run.trigger == HELD,
            memory: &memory,
            gate: Some(&gate),
            now: self.session.now(),
        };
        let upstream = row.upstream.as_deref().unwrap_or_default();
        let plan_from = |channel: &Channel| {
            let mut plan = input.plan(channel, Answered::List(upstream, 0));
            // What was held stays held, and so does what "keep until it changes" was answered to: the brakes of the whole
            // run are not asked again, and only what was shown as ready is written.
            let reason = row
                .hold
                .clone()
                .unwrap_or_else(|| Reason::plain(ReasonCode::NotWritten));
            let answered = row.kept.iter().any(|(_, why)| *why == Kept::Answered);
            if answered || !row.held_remove.is_empty() {
                plan.hold_removals(reason.clone(), &BTreeSet::new(), false);
            }
            if !row.held_add.is_empty() {
                plan.hold_additions(reason);
            }
            if answered {
                plan.respect_answer();
            }
            plan
        };
        let plan = plan_from(base);
        let planned = plan.after();
        let same_names = |text: &str| {
            let mut one = parse(text);
            let mut other = parse(after);
            one.sort();
            other.sort();
            one == other
        };
        if base.models != row.before && same_names(&base.models) {
            // Our own write, found again: seen from before it, what it changed is no edit by hand.
            let before = Channel {
                models: row.before.clone(),
                ..base.clone()
            };
            let left = parse(&base.models);
            if self.resumed == Resumed::No && memory.left == left {
                return Step::Found(None);
            }
            let settled = plan_from(&before).settled_memory();
            return Step::Found(Some(Memory { left, ..settled }));
        }
        // A name that came after the plan was shown must not go unseen, even where the list ends up as it was shown.
        let shown: HashSet<String> = parse(&row.before).into_iter().chain(parse(after)).collect();
        let all_shown = plan.old.iter().all(|name| shown.contains(name));
        let still = match &planned {
            None => false,
            Some(text) => {
                (same_names(text) && all_shown) || (self.run.go_on && base.base() != row.base)
            }
        };
        match planned.and_then(NonEmptyModels::new) {
            Some(models) if still => Step::Write(models, plan.settled_memory()),
            _ => Step::Moved,
        }
    }

    /// What is remembered of the row's channel. One never settled is taken to be so as it was planned: what came since
    /// is somebody's, not the provider's.
    fn memory(&self, row: &ChangeRow) -> Memory {
        let known = self.memories.get(&row.channel_id).cloned();
        match known {
            Some(memory) if memory.settled.is_some() => memory,
            known => Memory {
                settled: Some(parse(&row.before)),
                left: parse(&row.before),
                ..known.unwrap_or_default()
            },
        }
    }
}
