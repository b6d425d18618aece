//! Brakes that look at a whole run: how many providers would lose names, and which names would be served by nobody.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::channel::{Channel, Provider};
use crate::hold::{Reason, ReasonCode};
use crate::models::limits::Limits;
use crate::models::plan::{ChannelPlan, Note};

/// One channel of a run, with its plan where one was made.
#[derive(Debug)]
pub struct Braked<'a> {
    /// The channel as read.
    pub channel: &'a Channel,
    /// Its plan; `None` for channels of the gateway that the run does not touch.
    pub plan: Option<&'a mut ChannelPlan>,
    /// Hold reasons that are always allowed on it, by code.
    pub allowed: &'a BTreeSet<String>,
}

/// Holds removals that are one too many for the run. All channels of the gateway belong here, those that the run
/// does not touch too: they may be the last to serve a name.
pub fn brake_run(channels: &mut [Braked<'_>], limits: &Limits, unattended: bool) {
    brake_last_servers(channels, unattended);
    brake_mass_removal(channels, limits);
    for entry in channels {
        if let Some(plan) = &mut entry.plan {
            plan.respect_answer();
        }
    }
}

fn loses(plan: &ChannelPlan) -> bool {
    plan.removals.verdict == crate::change::Verdict::Apply
}

fn brake_mass_removal(channels: &mut [Braked<'_>], limits: &Limits) {
    let mut providers: BTreeMap<Provider, bool> = BTreeMap::new();
    for entry in channels.iter() {
        if let Some(plan) = &entry.plan
            && plan.skip.is_none()
            && plan.failure.is_none()
        {
            let losing = providers.entry(entry.channel.provider()).or_default();
            *losing |= loses(plan);
        }
    }
    let losing = providers.values().filter(|losing| **losing).count();
    if !limits.run_beyond(losing, providers.len()) {
        return;
    }
    let reason = Reason::counted(
        ReasonCode::RunBrake,
        losing,
        providers.len(),
        limits.run_percent,
    );
    for entry in channels {
        if let Some(plan) = &mut entry.plan {
            plan.hold_removals(reason.clone(), &BTreeSet::new(), false);
        }
    }
}

fn brake_last_servers(channels: &mut [Braked<'_>], unattended: bool) {
    let mut served: HashSet<String> = HashSet::new();
    for entry in channels.iter().filter(|entry| entry.channel.enabled()) {
        match &entry.plan {
            Some(plan) => served.extend(plan.new_models()),
            None => served.extend(crate::models::list::parse(&entry.channel.models)),
        }
    }
    for entry in channels.iter_mut() {
        if !entry.channel.enabled() {
            continue;
        }
        let Some(plan) = &mut entry.plan else {
            continue;
        };
        if !loses(plan) {
            continue;
        }
        let last: Vec<String> = plan
            .removals
            .names
            .iter()
            .filter(|name| !served.contains(*name))
            .cloned()
            .collect();
        if last.is_empty() {
            continue;
        }
        plan.notes.push(Note::LastServer(last.clone()));
        if unattended {
            let reason = Reason::named(ReasonCode::LastServer, last);
            plan.hold_removals(reason, entry.allowed, false);
        }
    }
}
