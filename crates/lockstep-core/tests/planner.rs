//! The planner's promises, told as cases and as properties over any channel and any sequence of provider lists.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::brake::RunBrake;
use lockstep_core::change::{State, Verdict};
use lockstep_core::channel::{Channel, Status};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::ReasonCode;
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::limits::Limits;
use lockstep_core::models::list::parse;
use lockstep_core::models::mapping::Mapping;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{
    Answered, ChannelInput, ChannelPlan, Note, PriceGate, plan_channel,
};
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::{Pattern, Rules};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;

/// One channel and its provider, driven by verbs.
struct Desk {
    channel: Channel,
    memory: Memory,
    policy: Policy,
    rules: Rules,
    keep: BTreeSet<String>,
    allowed: BTreeSet<String>,
    limits: Limits,
    unattended: bool,
    approved: bool,
    enabled_only: bool,
    /// The models that have a price; `None`: no gate.
    priced: Option<Prices>,
    now: i64,
}

#[derive(Debug)]
struct Prices(BTreeSet<String>);

impl PriceGate for Prices {
    fn priced(&self, model: &str) -> bool {
        self.0.contains(model)
    }
}

impl Desk {
    fn new(models: &str) -> Self {
        Self {
            channel: Channel {
                id: 7,
                name: "seven".into(),
                kind: 1,
                status: Status::Enabled,
                base_url: "https://provider.example".into(),
                models: models.into(),
                model_mapping: None,
                configured: vec![],
                own_sync: false,
            },
            memory: Memory::default(),
            policy: Policy::Mirror,
            rules: Rules::default(),
            keep: BTreeSet::new(),
            allowed: BTreeSet::new(),
            limits: Limits::default(),
            unattended: false,
            approved: false,
            enabled_only: false,
            priced: None,
            now: 0,
        }
    }

    fn no_limits(mut self) -> Self {
        self.limits = Limits {
            removal_percent: 100,
            removal_names: 1_000,
            addition_names: 100_000,
            shrink_percent: 0,
            ..Limits::default()
        };
        self
    }

    fn plan_answer(&self, answer: Answered<'_>) -> ChannelPlan {
        plan_channel(ChannelInput {
            channel: &self.channel,
            answer,
            policy: self.policy,
            rules: &[&self.rules],
            keep: &self.keep,
            allowed: &self.allowed,
            memory: &self.memory,
            limits: &self.limits,
            enabled_only: self.enabled_only,
            unattended: self.unattended,
            approved: self.approved,
            gate: self.priced.as_ref().map(|gate| gate as &dyn PriceGate),
            now: self.now,
        })
    }

    fn plan(&self, upstream: &[&str]) -> ChannelPlan {
        let names: Vec<String> = upstream.iter().map(|name| (*name).to_owned()).collect();
        self.plan_answer(Answered::List(&names, 0))
    }

    /// Plans and writes what no guard holds.
    fn sync(&mut self, upstream: &[&str]) -> ChannelPlan {
        let plan = self.plan(upstream);
        if let Some(after) = plan.after() {
            self.channel.models = after;
        }
        self.memory = plan.settled_memory();
        plan
    }

    fn models(&self) -> Vec<String> {
        parse(&self.channel.models)
    }
}

fn held(plan: &ChannelPlan) -> Option<ReasonCode> {
    plan.hold().map(|reason| reason.code)
}

#[test]
fn a_first_plan_makes_the_list_the_providers() {
    let mut desk = Desk::new("old,b");
    let plan = desk.sync(&["a", "b"]);
    assert_eq!(plan.additions.names, ["a"]);
    assert_eq!(plan.removals.names, ["old"]);
    assert_eq!(desk.models(), ["b", "a"]);
    assert_eq!(desk.plan(&["b", "a"]).state(), State::Same);
}

#[test]
fn order_spaces_and_duplicates_alone_are_no_change() {
    let desk = Desk::new("b, a,,a ");
    let plan = desk.plan(&[" a", "b", "", "a"]);
    assert_eq!(plan.state(), State::Same);
    assert_eq!(plan.after(), None);
    assert_eq!(plan.upstream, ["a", "b"]);
}

#[test]
fn an_empty_list_holds_and_a_failure_plans_nothing() {
    let mut desk = Desk::new("a,b");
    let plan = desk.plan(&[]);
    assert_eq!(held(&plan), Some(ReasonCode::EmptyList));
    assert_eq!(plan.after(), None);
    desk.approved = true;
    assert_eq!(desk.plan(&[]).after(), None, "an empty list cannot be sent");

    let failure = Failure::status(FailureKind::ProviderStatus, 401, "status code: 401");
    desk.approved = false;
    let plan = desk.plan_answer(Answered::Failed(&failure));
    assert_eq!(plan.state(), State::Unread);
    assert_eq!(plan.new_models(), ["a", "b"]);
}

#[test]
fn rules_that_leave_nothing_hold() {
    let mut desk = Desk::new("a,b").no_limits();
    desk.rules.allow = vec!["z".into()];
    let plan = desk.plan(&["a", "b"]);
    assert_eq!(held(&plan), Some(ReasonCode::WouldBeEmpty));
    desk.rules.allow = vec!["a".into()];
    let plan = desk.plan(&["a", "b"]);
    assert_eq!(plan.after().as_deref(), Some("a"));
    assert_eq!(plan.dropped(), [("b".to_owned(), Dropped::NotAllowed)]);
}

#[test]
fn a_list_below_half_of_its_last_good_size_removes_nothing() {
    let ten: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    let mut desk = Desk::new(&ten.join(",")).no_limits();
    desk.limits.shrink_percent = 50;
    desk.sync(&ten);
    assert_eq!(held(&desk.plan(&ten[..4])), Some(ReasonCode::Shrunken));
    assert_eq!(desk.plan(&ten[..4]).observed.good_size, 10);
    assert_eq!(desk.plan(&ten[..5]).state(), State::Ready);
}

#[test]
fn a_partial_list_adds_but_removes_nothing() {
    let desk = Desk::new("a,b");
    let names = ["a".to_owned(), "c".to_owned()];
    let plan = desk.plan_answer(Answered::List(&names, 2));
    assert_eq!(held(&plan), Some(ReasonCode::PartialList));
    assert_eq!(plan.after().as_deref(), Some("a,b,c"));
    assert_eq!(plan.kept(), [("b".to_owned(), Kept::Held)]);
}

#[test]
fn additions_beyond_both_limits_hold_and_removals_still_pass() {
    let many: Vec<String> = (0..30).map(|n| format!("new{n}")).collect();
    let mut upstream: Vec<&str> = many.iter().map(String::as_str).collect();
    upstream.push("a");
    let desk = Desk::new("a,b");
    let plan = desk.plan(&upstream);
    assert_eq!(held(&plan), Some(ReasonCode::TooManyAdded));
    assert_eq!(plan.after().as_deref(), Some("a"));
    assert!(plan.dropped().contains(&("new0".to_owned(), Dropped::Held)));
}

#[test]
fn what_was_held_is_proposed_again() {
    let mut desk = Desk::new("a,b,c,d,e");
    let plan = desk.sync(&["a"]);
    assert_eq!(held(&plan), Some(ReasonCode::TooManyRemoved));
    assert_eq!(held(&desk.plan(&["a"])), Some(ReasonCode::TooManyRemoved));
    desk.approved = true;
    desk.sync(&["a"]);
    assert_eq!(desk.models(), ["a"]);
}

#[test]
fn aliases_stay_and_their_targets_are_not_added() {
    let mut desk = Desk::new("gpt,dead,a").no_limits();
    desk.channel.model_mapping =
        Some(r#"{"gpt":"mid","mid":"gpt-real","dead":"gone","loop":"pool","pool":"loop"}"#.into());
    for _ in 0..3 {
        let plan = desk.sync(&["a", "gpt-real"]);
        assert_eq!(desk.models(), ["gpt", "dead", "a"]);
        assert_eq!(
            plan.kept(),
            [
                ("gpt".to_owned(), Kept::Alias),
                ("dead".to_owned(), Kept::DeadAlias)
            ]
        );
        assert_eq!(
            plan.dropped(),
            [("gpt-real".to_owned(), Dropped::AliasTarget)]
        );
    }
    desk.policy = Policy::Exact;
    desk.sync(&["a", "gpt-real"]);
    assert_eq!(desk.models(), ["gpt", "dead", "a", "gpt-real"]);
}

#[test]
fn a_broken_mapping_counts_as_none_and_is_flagged() {
    let mut desk = Desk::new("alias,a");
    desk.channel.model_mapping = Some("{".into());
    let plan = desk.plan(&["a"]);
    assert!(plan.notes.contains(&Note::BrokenMapping));
    assert_eq!(plan.removals.names, ["alias"]);
}

#[test]
fn hand_edits_stay_until_released() {
    let mut desk = Desk::new("a,b");
    desk.sync(&["a", "b"]);
    desk.channel.models = "a,mine".into();
    let plan = desk.sync(&["a", "b", "c"]);
    assert_eq!(desk.models(), ["a", "mine", "c"]);
    assert_eq!(plan.kept(), [("mine".to_owned(), Kept::Yours)]);
    assert_eq!(plan.dropped(), [("b".to_owned(), Dropped::TakenOut)]);
    assert!(desk.memory.release("mine"));
    assert!(desk.memory.release("b"));
    assert!(!desk.memory.release("a"));
    desk.sync(&["a", "b", "c"]);
    assert_eq!(desk.models(), ["a", "c", "b"]);
}

#[test]
fn putting_back_what_was_taken_out_ends_the_mark() {
    let mut desk = Desk::new("a,b");
    desk.sync(&["a", "b"]);
    desk.channel.models = "a".into();
    desk.sync(&["a", "b"]);
    assert_eq!(desk.models(), ["a"]);
    desk.channel.models = "a,b".into();
    desk.sync(&["a", "b"]);
    desk.sync(&["a"]);
    assert_eq!(desk.models(), ["a"]);
}

#[test]
fn exact_forgets_hand_edits() {
    let mut desk = Desk::new("a,b");
    desk.policy = Policy::Exact;
    desk.sync(&["a", "b"]);
    desk.channel.models = "a,mine".into();
    desk.sync(&["a", "b"]);
    assert_eq!(desk.models(), ["a", "b"]);
}

#[test]
fn each_policy_does_only_its_part() {
    for (policy, expected) in [
        (Policy::Mirror, "b,c"),
        (Policy::Exact, "b,c"),
        (Policy::AddOnly, "a,b,c"),
        (Policy::PruneOnly, "b"),
        (Policy::ReportOnly, "a,b"),
        (Policy::Exclude, "a,b"),
    ] {
        let mut desk = Desk::new("a,b");
        desk.policy = policy;
        let plan = desk.sync(&["b", "c"]);
        assert_eq!(desk.channel.models, expected, "{policy:?}");
        let skipped = matches!(policy, Policy::ReportOnly | Policy::Exclude);
        assert_eq!(plan.state() == State::Skipped, skipped, "{policy:?}");
    }
}

#[test]
fn pins_stay_and_come_but_only_where_served() {
    let mut desk = Desk::new("pin,a").no_limits();
    desk.keep = ["pin".to_owned(), "other".to_owned(), "z".to_owned()].into();
    desk.rules.exclude = vec![Pattern::parse("other").expect("compiles")];
    let plan = desk.sync(&["a", "other"]);
    assert_eq!(desk.models(), ["pin", "a", "other"]);
    assert_eq!(
        plan.kept(),
        [("pin".to_owned(), Kept::Pinned)],
        "a pinned name that the channel never had is not invented"
    );
}

#[test]
fn a_name_without_a_price_waits_and_comes_by_itself_once_it_has_one() {
    let mut desk = Desk::new("a");
    desk.priced = Some(Prices(BTreeSet::from(["a".to_owned(), "b".to_owned()])));
    desk.keep.insert("d".to_owned());
    let plan = desk.sync(&["a", "b", "c", "d"]);
    assert_eq!(desk.models(), ["a", "b"]);
    let waits = |name: &str| (name.to_owned(), Dropped::Unpriced);
    assert_eq!(
        plan.dropped(),
        [waits("c"), waits("d")],
        "a pin is no price"
    );
    assert_eq!(held(&plan), None, "the channel itself does not wait");
    assert_eq!(desk.plan(&["a", "b", "c", "d"]).after(), None);
    let gate = desk.priced.as_mut().expect("a gate");
    gate.0.insert("c".to_owned());
    desk.sync(&["a", "b", "c", "d"]);
    assert_eq!(desk.models(), ["a", "b", "c"]);
    desk.priced = Some(Prices(BTreeSet::new()));
    desk.sync(&["a", "b", "c", "d"]);
    assert_eq!(desk.models(), ["a", "b", "c"], "the gate takes nothing out");
    desk.priced = None;
    desk.sync(&["a", "b", "c", "d"]);
    assert_eq!(desk.models(), ["a", "b", "c", "d"]);
}

#[test]
fn a_rename_of_case_is_shown_as_one() {
    let desk = Desk::new("GPT-4o,a");
    let plan = desk.plan(&["gpt-4o", "a"]);
    assert!(
        plan.notes
            .contains(&Note::Renamed("GPT-4o".into(), "gpt-4o".into()))
    );
}

#[test]
fn unwritable_names_are_dropped_and_said() {
    let desk = Desk::new("a");
    let plan = desk.plan(&["a", "x,y", "tab\tname"]);
    assert_eq!(plan.state(), State::Same);
    assert_eq!(plan.dropped().len(), 2);
}

#[test]
fn unattended_removals_want_a_second_good_read_an_hour_later() {
    let mut desk = Desk::new("a,b");
    desk.unattended = true;
    desk.now = 10 * HOUR;
    assert_eq!(held(&desk.sync(&["a"])), Some(ReasonCode::SecondRead));
    desk.now += HOUR - 1;
    assert_eq!(held(&desk.sync(&["a"])), Some(ReasonCode::SecondRead));
    desk.now += 1;
    desk.sync(&["a"]);
    assert_eq!(desk.models(), ["a"]);
}

#[test]
fn a_name_that_flaps_starts_its_hour_again() {
    let mut desk = Desk::new("a,b");
    desk.unattended = true;
    desk.sync(&["a"]);
    desk.now += 2 * HOUR;
    desk.sync(&["a", "b"]);
    desk.now += 2 * HOUR;
    assert_eq!(held(&desk.sync(&["a"])), Some(ReasonCode::SecondRead));
}

#[test]
fn silence_of_a_type_without_a_list_is_no_failure() {
    let failure = Failure::status(FailureKind::ProviderStatus, 404, "status code: 404");
    let mut desk = Desk::new("mj");
    desk.channel.kind = 2;
    let plan = desk.plan_answer(Answered::Failed(&failure));
    assert_eq!(
        plan.skip.map(|reason| reason.code),
        Some(ReasonCode::NoModelList)
    );
    desk.channel.kind = 1;
    desk.channel.status = Status::AutoDisabled;
    let plan = desk.plan_answer(Answered::Failed(&failure));
    assert_eq!(
        plan.skip.map(|reason| reason.code),
        Some(ReasonCode::AutoDisabled)
    );
    desk.channel.status = Status::Disabled;
    assert_eq!(
        desk.plan_answer(Answered::Failed(&failure)).state(),
        State::Unread
    );
    desk.enabled_only = true;
    assert_eq!(
        desk.plan(&["a"]).skip.map(|reason| reason.code),
        Some(ReasonCode::Disabled)
    );
}

#[test]
fn five_equal_failures_offer_never_sync() {
    let failure = Failure::status(FailureKind::ProviderStatus, 401, "status code: 401");
    let mut desk = Desk::new("a");
    for round in 1..=5 {
        let plan = desk.plan_answer(Answered::Failed(&failure));
        let offered = plan.notes.contains(&Note::OfferNeverSync(5));
        assert_eq!(offered, round == 5, "round {round}");
        desk.memory = plan.settled_memory();
    }
}

#[test]
fn always_allow_passes_that_guard_and_no_other() {
    let mut desk = Desk::new("a,b,c,d,e");
    desk.allowed = [ReasonCode::TooManyRemoved.code().to_owned()].into();
    assert_eq!(desk.plan(&["a"]).state(), State::Ready);
    assert_eq!(held(&desk.plan(&[])), Some(ReasonCode::EmptyList));
}

#[test]
fn a_guard_that_is_allowed_does_not_hide_the_next_one() {
    let mut desk = Desk::new("a,b,c,d,e,f");
    desk.memory.good_size = 100;
    assert_eq!(held(&desk.plan(&["a"])), Some(ReasonCode::Shrunken));
    desk.allowed = [ReasonCode::Shrunken.code().to_owned()].into();
    assert_eq!(held(&desk.plan(&["a"])), Some(ReasonCode::TooManyRemoved));
    desk.allowed
        .insert(ReasonCode::TooManyRemoved.code().to_owned());
    assert_eq!(desk.plan(&["a"]).state(), State::Ready);
}

#[test]
fn no_answer_makes_an_empty_list_a_reason_to_remove() {
    let mut desk = Desk::new("pin,a,b");
    desk.keep = ["pin".to_owned()].into();
    desk.allowed = [ReasonCode::EmptyList.code().to_owned()].into();
    desk.approved = true;
    let plan = desk.plan(&[]);
    assert_eq!(held(&plan), Some(ReasonCode::EmptyList));
    assert_eq!(plan.after(), None);
}

#[test]
fn a_write_that_may_have_arrived_is_no_edit_by_hand_when_it_is_found() {
    let mut desk = Desk::new("a,b");
    desk.sync(&["a", "b"]);
    desk.memory.maybe = Some(vec!["a".into(), "c".into()]);
    desk.channel.models = "a,c".into();
    let plan = desk.sync(&["a", "c"]);
    assert!(desk.memory.yours.is_empty() && desk.memory.taken_out.is_empty());
    assert_eq!(plan.state(), State::Same);
    assert_eq!(desk.memory.maybe, None);
    desk.sync(&["a"]);
    assert_eq!(desk.models(), ["a"], "c was the provider's all along");
}

#[test]
fn what_is_wrong_with_the_gateway_is_no_failure_of_the_channel() {
    let failure = Failure::status(FailureKind::Forbidden, 403, "");
    let mut desk = Desk::new("a");
    for _ in 0..6 {
        desk.memory = desk
            .plan_answer(Answered::Failed(&failure))
            .settled_memory();
    }
    assert_eq!(desk.memory.failures, None);
}

#[test]
fn keep_until_it_changes_is_quiet_until_it_changes() {
    let mut desk = Desk::new("a,b,c,d,e");
    let plan = desk.sync(&["a"]);
    desk.memory.kept = plan.held_digest().map(|digest| digest.to_string());
    let plan = desk.sync(&["a"]);
    assert_eq!(plan.state(), State::Same);
    assert!(plan.kept().contains(&("e".to_owned(), Kept::Answered)));
    assert_eq!(desk.sync(&["a"]).state(), State::Same);
    let plan = desk.sync(&["a", "f"]);
    assert_eq!(held(&plan), None, "the held names are still the same");
    desk.channel.models.push_str(",g");
    desk.memory
        .settled
        .as_mut()
        .expect("settled")
        .push("g".into());
    desk.memory.left.push("g".into());
    assert_eq!(
        held(&desk.sync(&["a", "f"])),
        Some(ReasonCode::TooManyRemoved)
    );
}

fn brake(desks: &[Desk], upstream: &[Vec<&str>], unattended: bool) -> Vec<ChannelPlan> {
    let mut plans: Vec<ChannelPlan> = desks
        .iter()
        .zip(upstream)
        .map(|(desk, names)| desk.plan(names))
        .collect();
    let mut brake = RunBrake::default();
    for (desk, plan) in desks.iter().zip(&plans) {
        brake.planned(&desk.channel, plan);
    }
    for (desk, plan) in desks.iter().zip(plans.iter_mut()) {
        let none = BTreeSet::new();
        brake.judge(&desk.channel, plan, &Limits::default(), unattended, &none);
    }
    plans
}

fn providers(count: usize) -> Vec<Desk> {
    (0..count)
        .map(|n| {
            let mut desk = Desk::new("a,b");
            desk.channel.id = n as i64;
            desk.channel.base_url = format!("https://p{n}.example");
            desk
        })
        .collect()
}

#[test]
fn too_many_providers_losing_names_hold_every_removal_of_the_run() {
    let desks = providers(10);
    let lists = |losing: usize| -> Vec<Vec<&str>> {
        (0..10)
            .map(|n| {
                if n < losing {
                    vec!["a", "c"]
                } else {
                    vec!["a", "b"]
                }
            })
            .collect()
    };
    for plan in brake(&desks, &lists(3), false) {
        assert_eq!(held(&plan), None);
    }
    let plans = brake(&desks, &lists(4), false);
    assert_eq!(plans.iter().filter(|plan| held(plan).is_some()).count(), 4);
    for plan in plans.iter().take(4) {
        assert_eq!(held(plan), Some(ReasonCode::RunBrake));
        assert_eq!(
            plan.after().as_deref(),
            Some("a,b,c"),
            "additions still pass"
        );
    }
}

#[test]
fn channels_of_one_provider_count_once() {
    let mut desks = providers(6);
    for desk in desks.iter_mut().take(3) {
        desk.channel.base_url = "https://shared.example".into();
    }
    let lists: Vec<Vec<&str>> = (0..6)
        .map(|n| if n < 3 { vec!["a"] } else { vec!["a", "b"] })
        .collect();
    let plans = brake(&desks, &lists, false);
    assert!(plans.iter().all(|plan| held(plan).is_none()), "1 of 4");
}

#[test]
fn the_last_enabled_server_of_a_name_is_said_and_unattended_held() {
    let desks = providers(2);
    let both_lose = vec![vec!["a"], vec!["a"]];
    let plans = brake(&desks, &both_lose, false);
    assert!(plans.iter().all(|plan| {
        plan.notes.contains(&Note::LastServer(vec!["b".into()])) && held(plan).is_none()
    }));
    let plans = brake(&desks, &both_lose, true);
    assert!(
        plans
            .iter()
            .all(|plan| held(plan) == Some(ReasonCode::LastServer))
    );
    let one_keeps = vec![vec!["a"], vec!["a", "b"]];
    let plans = brake(&desks, &one_keeps, true);
    assert!(plans.iter().all(|plan| held(plan).is_none()));
    let mut disabled = providers(2);
    disabled[0].channel.status = Status::Disabled;
    let plans = brake(&disabled, &[vec!["a"], vec!["a", "b"]], true);
    assert!(
        plans[0].notes.is_empty(),
        "a disabled channel serves nobody"
    );
}

// ---- properties ----

/// How many times the usual counts are asked for: `make soak` sets it.
fn soak() -> u32 {
    std::env::var("LOCKSTEP_SOAK")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}

const NAMES: &[&str] = &[
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "A", "B", "x/y",
];

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(proptest::sample::select(NAMES), 0..14)
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn mapping() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some("{broken".to_owned())),
        3 => proptest::collection::btree_map(
            proptest::sample::select(NAMES),
            proptest::sample::select(NAMES),
            0..5
        )
        .prop_map(|map: BTreeMap<&str, &str>| serde_json::to_string(&map).ok()),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    proptest::sample::select(Policy::ALL)
}

fn messy(names: &[String]) -> String {
    names.join(" , ")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000 * soak(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_removes_a_pinned_name_or_a_live_alias(
        has in names(), upstream in names(), mapping in mapping(), policy in policy(),
        keep in names(), settled in proptest::option::of(names()), approved: bool, unattended: bool,
    ) {
        let mut desk = Desk::new(&messy(&has)).no_limits();
        desk.channel.model_mapping = mapping;
        desk.policy = policy;
        desk.keep = keep.into_iter().collect();
        desk.memory.settled = settled.clone();
        desk.memory.left = settled.unwrap_or_default();
        desk.approved = approved;
        desk.unattended = unattended;
        let plan = desk.plan_answer(Answered::List(&upstream, 0));
        let new: BTreeSet<String> = plan.new_models().into_iter().collect();
        let aliases = Mapping::parse(desk.channel.model_mapping.as_deref());
        for name in desk.models() {
            let alive = aliases.is_alias(&name)
                && aliases.resolve(&name).is_some_and(|target| plan.upstream.iter().any(|n| n == target));
            if desk.keep.contains(&name) || alive {
                prop_assert!(new.contains(&name), "{name} went");
            }
        }
        prop_assert!(plan.after().is_none_or(|after| !parse(&after).is_empty()));
    }

    #[test]
    fn applying_and_planning_again_gives_nothing(
        rounds in proptest::collection::vec(names(), 1..5), has in names(), mapping in mapping(), policy in policy(),
    ) {
        let mut desk = Desk::new(&messy(&has)).no_limits();
        desk.channel.model_mapping = mapping;
        desk.policy = policy;
        for upstream in &rounds {
            let upstream: Vec<&str> = upstream.iter().map(String::as_str).collect();
            desk.sync(&upstream);
            let again = desk.plan(&upstream);
            prop_assert_eq!(again.after(), None);
            prop_assert_eq!(again.settled_memory(), desk.memory.clone());
        }
    }

    #[test]
    fn a_settled_channel_is_planned_as_if_every_name_were_looked_at(
        has in names(), upstream in names(), now in names(), mapping in mapping(), policy in policy(), same: bool,
        unattended: bool,
    ) {
        let mut desk = Desk::new(&has.join(",")).no_limits();
        desk.channel.model_mapping = mapping;
        desk.policy = policy;
        desk.unattended = unattended;
        let upstream: Vec<&str> = upstream.iter().map(String::as_str).collect();
        desk.sync(&upstream);
        let now: Vec<&str> = if same { upstream } else { now.iter().map(String::as_str).collect() };
        let quick = desk.plan(&now);
        // A rule that refuses nothing makes it look at every name.
        desk.rules.exclude = vec![Pattern::parse("nobody-has-this").expect("compiles")];
        let thorough = desk.plan(&now);
        prop_assert_eq!(quick.state(), thorough.state());
        prop_assert_eq!(quick.after(), thorough.after());
        prop_assert_eq!(quick.kept(), thorough.kept());
        prop_assert_eq!(quick.dropped(), thorough.dropped());
        prop_assert_eq!(&quick.notes, &thorough.notes);
        prop_assert_eq!(&quick.observed, &thorough.observed);
        prop_assert_eq!(quick.settled_memory(), thorough.settled_memory());
    }

    #[test]
    fn order_and_spaces_never_make_a_change(has in names(), seed in any::<u64>(), settled: bool) {
        let mut desk = Desk::new(&messy(&has));
        let upstream: Vec<&str> = has.iter().map(String::as_str).collect();
        if settled { desk.sync(&upstream); }
        let mut shuffled = desk.models();
        let turn = if shuffled.is_empty() { 0 } else { seed as usize % shuffled.len() };
        shuffled.rotate_left(turn);
        desk.channel.models = shuffled.iter().map(|name| format!(" {name} ,")).collect();
        let mut turned = upstream.clone();
        turned.reverse();
        prop_assert_eq!(desk.plan(&turned).state(), State::Same);
    }

    #[test]
    fn removals_beyond_the_limits_are_never_apply(
        has in proptest::collection::btree_set("[a-z]{2}", 0..40),
        left in proptest::collection::btree_set("[a-z]{2}", 0..40),
        unattended: bool,
    ) {
        let has: Vec<String> = has.into_iter().collect();
        let left: Vec<String> = left.into_iter().collect();
        let mut desk = Desk::new(&has.join(","));
        desk.unattended = unattended;
        let plan = desk.plan_answer(Answered::List(&left, 0));
        let gone = plan.removals.names.len();
        let most = if has.len() >= 10 { has.len() * 30 / 100 } else { 3 };
        if gone > most {
            prop_assert!(matches!(plan.removals.verdict, Verdict::Hold(_)));
        }
        if plan.removals.verdict == Verdict::Apply {
            prop_assert!(gone <= most);
        }
    }

    #[test]
    fn under_mirror_a_hand_edit_survives_any_sequence_of_provider_lists(
        first in names(), has in names(), lists in proptest::collection::vec(names(), 1..6),
        at in 0usize..6,
    ) {
        let mut desk = Desk::new(&messy(&has)).no_limits();
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        desk.sync(&first);
        let mut edited: Option<(String, Option<String>)> = None;
        for (round, upstream) in lists.iter().enumerate() {
            if round == at.min(lists.len() - 1) {
                let mut models = desk.models();
                let out = if models.len() > 1 { Some(models.remove(0)) } else { None };
                models.push("by-hand".into());
                desk.channel.models = models.join(",");
                edited = Some(("by-hand".into(), out));
            }
            let mut upstream: Vec<&str> = upstream.iter().map(String::as_str).collect();
            // The provider may offer the same name itself, and drop it again.
            if round % 2 == 1 && edited.is_some() { upstream.push("by-hand"); }
            desk.sync(&upstream);
            if let Some((added, out)) = &edited {
                prop_assert!(desk.models().contains(added), "{added} went");
                if let Some(out) = out {
                    prop_assert!(!desk.models().contains(out), "{out} came back");
                }
            }
        }
    }
}
