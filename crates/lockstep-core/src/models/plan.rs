//! The plan for one channel: what its list should become, each part with its verdict, each name with its reason.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::fate::{Dropped, Kept};
use super::limits::Limits;
use super::list::{is_joined, normalize, parse, writable};
use super::mapping::Mapping;
use super::memory::{FAILURES_BEFORE_OFFER, Memory, hand_edits};
use super::policy::Policy;
use super::rule::Rules;
use crate::change::Verdict;
use crate::channel::{Channel, Status, TYPES_WITH_MODEL_LIST};
use crate::failure::{Failure, FailureKind};
use crate::hold::{Reason, ReasonCode};

/// Something worth saying about a channel that changes nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The same name in another case: from, to.
    Renamed(String, String),
    /// `model_mapping` is not readable JSON; it counts as none.
    BrokenMapping,
    /// No other enabled channel would serve these names after the run.
    LastServer(Vec<String>),
    /// This many equal failures in a row: "never sync" is offered.
    OfferNeverSync(u32),
}

impl Note {
    /// The stable code, as printed in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Renamed(..) => "renamed",
            Self::BrokenMapping => "broken_mapping",
            Self::LastServer(_) => "last_server",
            Self::OfferNeverSync(_) => "offer_never_sync",
        }
    }
}

/// What came back for a channel's provider.
#[derive(Clone, Copy, Debug)]
pub enum Answered<'a> {
    /// A list, and how many of its entries were not names.
    List(&'a [String], usize),
    /// No list.
    Failed(&'a Failure),
    /// The channel was not asked, for its policy excludes it.
    NotAsked,
}

/// Tells which models have a price: no model goes live without one.
pub trait PriceGate: std::fmt::Debug + Sync {
    /// Whether calls of the model would be billed by a price that somebody set.
    fn priced(&self, model: &str) -> bool;
}

/// All that a plan for one channel rests on.
#[derive(Clone, Copy, Debug)]
pub struct ChannelInput<'a> {
    /// The channel as the gateway has it.
    pub channel: &'a Channel,
    /// What its provider answered.
    pub answer: Answered<'a>,
    /// The policy that holds for it.
    pub policy: Policy,
    /// The lists of rules, the site's first.
    pub rules: &'a [&'a Rules],
    /// Names that are always kept.
    pub keep: &'a BTreeSet<String>,
    /// Hold reasons that were answered with "always allow here", by code.
    pub allowed: &'a BTreeSet<String>,
    /// What is remembered of it.
    pub memory: &'a Memory,
    /// The brakes.
    pub limits: &'a Limits,
    /// Whether only enabled channels are synced.
    pub enabled_only: bool,
    /// Whether nobody looks: the stricter holds of a schedule.
    pub unattended: bool,
    /// Whether the held parts were approved: the guards are passed, but never an empty list.
    pub approved: bool,
    /// What keeps names without a price out; `None` lets all of them come.
    pub gate: Option<&'a dyn PriceGate>,
    /// Now, in Unix milliseconds.
    pub now: i64,
}

/// One part of a plan: the names that come, or go, and what is to happen to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The names, in the order of their list.
    pub names: Vec<String>,
    /// What is to happen.
    pub verdict: Verdict,
    /// Whether "keep until it changes" was answered to just these names.
    pub answered: bool,
}

impl Part {
    fn new(names: Vec<String>) -> Self {
        let verdict = if names.is_empty() {
            Verdict::Same
        } else {
            Verdict::Apply
        };
        Self {
            names,
            verdict,
            answered: false,
        }
    }

    pub(super) fn applies(&self) -> bool {
        self.verdict == Verdict::Apply
    }

    pub(super) fn hold(&mut self, reason: Reason) {
        if !self.names.is_empty() {
            self.verdict = Verdict::Hold(reason);
        }
    }
}

/// The plan for one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlan {
    /// The channel's names now.
    pub old: Vec<String>,
    /// The provider's names as fetched, or none where they could not be read.
    pub upstream: Vec<String>,
    /// Names that come.
    pub additions: Part,
    /// Names that go.
    pub removals: Part,
    /// Why the channel is left alone.
    pub skip: Option<Reason>,
    /// Why its provider's list could not be read.
    pub failure: Option<Failure>,
    /// What else is worth saying.
    pub notes: Vec<Note>,
    /// What is remembered of this reading, whatever is written.
    pub observed: Memory,
    pub(super) kept: BTreeMap<String, Kept>,
    pub(super) dropped: BTreeMap<String, Dropped>,
    pub(super) taken_out: BTreeSet<String>,
    pub(super) yours: BTreeSet<String>,
    /// Settled names, sorted, that the provider does not have any more, or that the rules refuse now.
    pub(super) settled: Vec<String>,
    /// The provider's names that may not be listed at all: few, where the others are many.
    pub(super) refused: HashSet<String>,
    /// Whether nothing moved on either side since the channel was settled.
    pub(super) steady: bool,
    pub(super) before: String,
}

/// Plans one channel. Total: every input has a plan, and no plan is an error.
pub fn plan_channel(input: ChannelInput<'_>) -> ChannelPlan {
    let left = &input.memory.left;
    let old = if is_joined(left, &input.channel.models) {
        left.clone()
    } else {
        parse(&input.channel.models)
    };
    let mut plan = ChannelPlan {
        upstream: Vec::new(),
        additions: Part::new(Vec::new()),
        removals: Part::new(Vec::new()),
        skip: None,
        failure: None,
        notes: Vec::new(),
        observed: input.memory.clone(),
        kept: BTreeMap::new(),
        dropped: BTreeMap::new(),
        taken_out: BTreeSet::new(),
        yours: BTreeSet::new(),
        settled: Vec::new(),
        refused: HashSet::new(),
        steady: false,
        before: input.channel.models.clone(),
        old,
    };
    if input.policy == Policy::Exclude {
        plan.skip = Some(Reason::plain(ReasonCode::Excluded));
        return plan;
    }
    if input.enabled_only && !input.channel.enabled() {
        plan.skip = Some(Reason::plain(ReasonCode::Disabled));
        return plan;
    }
    match input.answer {
        Answered::NotAsked => plan.skip = Some(Reason::plain(ReasonCode::Excluded)),
        Answered::Failed(failure) => plan.unread(&input, failure),
        Answered::List(names, unreadable) => plan.read(&input, names, unreadable),
    }
    plan
}

impl ChannelPlan {
    /// The channel's provider gave no list: nothing is planned, and where that was to be expected it is no failure.
    fn unread(&mut self, input: &ChannelInput<'_>, failure: &Failure) {
        let provider_silent = matches!(
            failure.kind,
            FailureKind::ProviderStatus | FailureKind::ProviderError | FailureKind::Timeout
        );
        if provider_silent && !TYPES_WITH_MODEL_LIST.contains(&input.channel.kind) {
            self.skip = Some(Reason::plain(ReasonCode::NoModelList));
        } else if provider_silent && input.channel.status == Status::AutoDisabled {
            self.skip = Some(Reason::plain(ReasonCode::AutoDisabled));
        }
        self.failure = Some(failure.clone());
        if provider_silent {
            // What is wrong with the gateway or the token says nothing about the channel.
            self.observed.failed(failure.kind.code());
        }
        if let Some((_, count)) = self.observed.failures
            && count >= FAILURES_BEFORE_OFFER
        {
            self.notes.push(Note::OfferNeverSync(count));
        }
    }

    /// Whether the provider's list and the channel's are what they were when the channel was settled, with nothing of
    /// anybody's between them. That is so for most channels in most runs, and then no name needs to be looked at.
    fn nothing_moved(&self, input: &ChannelInput<'_>, fetched: &[String]) -> bool {
        let Memory {
            settled,
            left,
            yours,
            taken_out,
            maybe,
            good_size: _,
            missing: _,
            failures: _,
            kept,
        } = input.memory;
        let no_rules = input.rules.iter().all(|rules| {
            rules.allow.is_empty() && rules.include.is_empty() && rules.exclude.is_empty()
        });
        no_rules
            && yours.is_empty()
            && taken_out.is_empty()
            && maybe.is_none()
            && kept.is_none()
            && !fetched.is_empty()
            && settled.as_deref() == Some(fetched)
            && *left == self.old
            && self.old.len() == fetched.len()
    }

    fn read(&mut self, input: &ChannelInput<'_>, fetched: &[String], unreadable: usize) {
        let mapping = Mapping::parse(input.channel.model_mapping.as_deref());
        if mapping.broken() {
            self.notes.push(Note::BrokenMapping);
        }
        self.observed.failures = None;
        self.steady = self.nothing_moved(input, fetched);
        if self.steady {
            self.upstream = fetched.to_vec();
            self.judge(input, unreadable);
            return;
        }
        self.upstream = if fetched == self.old {
            self.old.clone()
        } else {
            normalize(fetched.iter().map(String::as_str))
        };

        let has: HashSet<&str> = set(&self.old);
        // Most lists are just what the channel has, and copying a set is cheaper than hashing its names again.
        let as_set = |names| {
            if names == self.old {
                has.clone()
            } else {
                set(names)
            }
        };
        let served: HashSet<&str> = as_set(&self.upstream);
        let memory = input.memory;
        let fresh = memory.settled.is_none();
        let remembers = input.policy != Policy::Exact && !fresh;
        let settled: HashSet<&str> = match &memory.settled {
            Some(names) if remembers => as_set(names),
            _ => has.clone(),
        };
        let (yours, taken_out) = if remembers {
            hand_edits(memory, &self.old, &has, &settled)
        } else {
            (BTreeSet::new(), BTreeSet::new())
        };

        // The provider's names that may be listed at all.
        let mut refused: HashSet<String> = HashSet::new();
        let mut additions: Vec<String> = Vec::new();
        for name in &self.upstream {
            let why = if writable(name) {
                input.rules.iter().find_map(|rules| rules.refuses(name))
            } else {
                Some(Dropped::Unwritable)
            };
            if let Some(why) = why {
                refused.insert(name.clone());
                self.dropped.insert(name.clone(), why);
            } else if has.contains(name.as_str()) {
                // There already.
            } else if taken_out.contains(name) {
                self.dropped.insert(name.clone(), Dropped::TakenOut);
            } else if mapping.only_a_target(name) && input.policy != Policy::Exact {
                self.dropped.insert(name.clone(), Dropped::AliasTarget);
            } else if !input.policy.adds() {
                self.dropped.insert(name.clone(), Dropped::Policy);
            } else if !settled.contains(name.as_str()) || !remembers {
                additions.push(name.clone());
            } else {
                // Settled, not on the channel, and not marked: it was left out before and stays out.
                self.dropped.insert(name.clone(), Dropped::TakenOut);
            }
        }
        // A pinned name that the provider serves comes even where a rule would keep it out.
        for name in &self.upstream {
            if input.keep.contains(name)
                && !has.contains(name.as_str())
                && input.policy.adds()
                && self
                    .dropped
                    .get(name)
                    .is_some_and(|why| !matches!(why, Dropped::Unwritable | Dropped::TakenOut))
            {
                self.dropped.remove(name);
                additions.push(name.clone());
            }
        }
        if let Some(gate) = input.gate {
            // It is no part of the plan, and not settled either: once it has a price it comes by itself.
            additions.retain(|name| {
                let priced = gate.priced(name);
                if !priced {
                    self.dropped.insert(name.clone(), Dropped::Unpriced);
                }
                priced
            });
        }

        let wanted = |name: &str| served.contains(name) && !refused.contains(name);
        let mut removals: Vec<String> = Vec::new();
        for name in &self.old {
            let name = name.as_str();
            if wanted(name) {
                continue;
            }
            let alias = mapping.is_alias(name);
            let target_served = mapping
                .resolve(name)
                .is_some_and(|target| served.contains(target));
            let why = if input.keep.contains(name) {
                Some(Kept::Pinned)
            } else if alias && target_served {
                Some(Kept::Alias)
            } else if alias {
                Some(Kept::DeadAlias)
            } else if remembers && (yours.contains(name) || !settled.contains(name)) {
                Some(Kept::Yours)
            } else if !input.policy.removes() {
                Some(Kept::Policy)
            } else {
                None
            };
            match why {
                Some(why) => {
                    self.dropped.remove(name);
                    self.kept.insert(name.to_owned(), why);
                }
                None => removals.push(name.to_owned()),
            }
        }

        self.settled = settled
            .into_iter()
            .filter(|name| !wanted(name))
            .map(str::to_owned)
            .collect();
        self.settled.sort();
        self.refused = refused;
        self.note_renames(&removals, &additions);
        self.additions = Part::new(additions);
        self.removals = Part::new(removals);
        self.yours = yours;
        self.taken_out = taken_out;
        self.judge(input, unreadable);
        if input.policy == Policy::ReportOnly {
            self.report_only();
        }
    }

    fn note_renames(&mut self, removals: &[String], additions: &[String]) {
        if removals.is_empty() || additions.is_empty() {
            return;
        }
        let folded: BTreeMap<String, &String> =
            additions.iter().map(|to| (to.to_lowercase(), to)).collect();
        for from in removals {
            if let Some(to) = folded.get(&from.to_lowercase()) {
                self.notes.push(Note::Renamed(from.clone(), (*to).clone()));
            }
        }
    }

    fn report_only(&mut self) {
        if !self.additions.names.is_empty() || !self.removals.names.is_empty() {
            let reason = Reason::plain(ReasonCode::ReportOnly);
            for part in [&mut self.additions, &mut self.removals] {
                if !part.names.is_empty() {
                    part.verdict = Verdict::Skip(reason.clone());
                }
            }
            self.skip = Some(reason);
        }
    }
}

fn set(names: &[String]) -> HashSet<&str> {
    names.iter().map(String::as_str).collect()
}
