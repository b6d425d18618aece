//! What a plan for a channel rests on, from settings and the run it is in.

use lockstep_core::channel::Channel;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{Answered, ChannelInput, ChannelPlan, PriceGate, plan_channel};

use crate::effective::Scope;

/// What a plan rests on beside the channel and the answer.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) scope: &'a Scope,
    /// Whether nobody looks.
    pub(crate) unattended: bool,
    pub(crate) approved: bool,
    pub(crate) memory: &'a Memory,
    /// What keeps names without a price out.
    pub(crate) gate: Option<&'a dyn PriceGate>,
    pub(crate) now: i64,
}

impl Input<'_> {
    pub(crate) fn plan(self, channel: &Channel, answer: Answered<'_>) -> ChannelPlan {
        let effective = self.scope.of(channel);
        plan_channel(ChannelInput {
            channel,
            answer,
            policy: effective.policy,
            rules: &effective.rules,
            keep: &effective.keep,
            allowed: &effective.allowed,
            memory: self.memory,
            limits: &self.scope.settings.limits,
            enabled_only: self.scope.settings.enabled_only,
            unattended: self.unattended,
            approved: self.approved,
            gate: self.gate,
            now: self.now,
        })
    }
}
