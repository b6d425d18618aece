//! Brakes that look at a whole run: how many providers would lose names, and which names would be served by nobody.
//!
//! A run is shown to the brake channel by channel, as the plans arrive; only the plans that would remove names are
//! kept until the end and judged. So a run over ten thousand channels needs no ten thousand plans in memory.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::change::Verdict;
use crate::channel::{Channel, Provider};
use crate::hold::{Reason, ReasonCode};
use crate::models::limits::Limits;
use crate::models::list::parse;
use crate::models::plan::{ChannelPlan, Note};

/// What a run would do to the gateway as a whole.
#[derive(Clone, Debug, Default)]
pub struct RunBrake {
    served: HashSet<String>,
    providers: BTreeMap<Provider, bool>,
}

impl RunBrake {
    /// A channel that the run does not touch: it goes on serving what it serves.
    pub fn untouched(&mut self, channel: &Channel) {
        if channel.enabled() {
            self.served.extend(parse(&channel.models));
        }
    }

    /// A channel with its plan.
    pub fn planned(&mut self, channel: &Channel, plan: &ChannelPlan) {
        if channel.enabled() {
            // Channels share most of their names, so most are known already.
            for name in plan.names_left() {
                if !self.served.contains(name) {
                    self.served.insert(name.clone());
                }
            }
        }
        if plan.skip.is_none() && plan.failure.is_none() {
            *self.providers.entry(channel.provider()).or_default() |= removes(plan);
        }
    }

    /// Judges one plan, once all channels were shown. Additions are never touched.
    pub fn judge(
        &self,
        channel: &Channel,
        plan: &mut ChannelPlan,
        limits: &Limits,
        unattended: bool,
        allowed: &BTreeSet<String>,
    ) {
        if removes(plan) {
            self.judge_last_server(channel, plan, unattended, allowed);
            self.judge_mass_removal(plan, limits);
            plan.respect_answer();
        }
    }

    fn judge_last_server(
        &self,
        channel: &Channel,
        plan: &mut ChannelPlan,
        unattended: bool,
        allowed: &BTreeSet<String>,
    ) {
        if !channel.enabled() {
            return;
        }
        let last: Vec<String> = plan
            .removals
            .names
            .iter()
            .filter(|name| !self.served.contains(*name))
            .cloned()
            .collect();
        if last.is_empty() {
            return;
        }
        plan.notes.push(Note::LastServer(last.clone()));
        if unattended {
            plan.hold_removals(Reason::named(ReasonCode::LastServer, last), allowed, false);
        }
    }

    fn judge_mass_removal(&self, plan: &mut ChannelPlan, limits: &Limits) {
        let losing = self.providers.values().filter(|losing| **losing).count();
        let all = self.providers.len();
        if limits.run_beyond(losing, all) {
            let reason = Reason::counted(ReasonCode::RunBrake, losing, all, limits.run_percent);
            plan.hold_removals(reason, &BTreeSet::new(), false);
        }
    }
}

/// Whether the plan would remove names as it stands.
pub fn removes(plan: &ChannelPlan) -> bool {
    plan.removals.verdict == Verdict::Apply
}
