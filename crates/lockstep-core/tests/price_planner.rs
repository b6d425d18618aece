//! The price planner's promises, told as cases and as properties over any values of any sources.

use std::collections::BTreeMap;

use lockstep_core::change::Verdict;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::answers::ModelAnswers;
use lockstep_core::prices::choose::{Candidate, Offer};
use lockstep_core::prices::cost::{Cost, Expressions};
use lockstep_core::prices::expr::{Expr, Grammar, Tier};
use lockstep_core::prices::field::{Field, TIERED};
use lockstep_core::prices::limits::PriceLimits;
use lockstep_core::prices::mode::{Mode, Scope, Strength};
use lockstep_core::prices::number::{EQUAL, parse};
use lockstep_core::prices::passes::{Change, billing, passes};
use lockstep_core::prices::plan::{Accepted, ModelInput, ModelPlan, plan_model, price_brake};
use lockstep_core::prices::unpriced::billed_by;
use lockstep_core::prices::values::{Kind, Values};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;
const NOW: i64 = 100 * HOUR;

/// How many times the usual number of cases; set by `make soak`.
fn soak() -> u32 {
    std::env::var("LOCKSTEP_SOAK")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}

/// A grammar of its own: tiers of `p * NUMBER` with `|` between them; output costs what input does.
struct Simple;

impl Expressions for Simple {
    fn scaled(&self, expression: &str, factor: f64) -> Option<String> {
        let tiers = self.tiers(expression).into_iter();
        let scaled: Option<Vec<String>> = tiers
            .map(|tier| Some(format!("p * {}", tier.price.input? * factor)))
            .collect();
        scaled.map(|tiers| tiers.join(" | "))
    }
    fn tiers(&self, expression: &str) -> Vec<Tier> {
        let tier = |text: &str| {
            let price = text
                .trim()
                .strip_prefix("p * ")
                .filter(|text| parse(text).is_some())?;
            let both = format!("p * {price} + c * {price}");
            Expr::parse(&both).ok()?.tiers().into_iter().next()
        };
        let tiers: Option<Vec<Tier>> = expression.split('|').map(tier).collect();
        tiers.unwrap_or_default()
    }
}

/// One model and its sources, driven by verbs.
#[derive(Debug)]
struct Desk {
    local: Values,
    offers: Vec<Offer>,
    answers: ModelAnswers,
    accepted: Option<Accepted>,
    locked: Option<f64>,
    strength: Strength,
    approved: bool,
    scope: Scope,
    unwritable: BTreeMap<Field, Vec<String>>,
    /// Whether expressions are the gateway's, and not [`Simple`] ones.
    real: bool,
}

impl Desk {
    fn new(local: Values) -> Self {
        Self {
            local,
            offers: Vec::new(),
            answers: ModelAnswers::default(),
            accepted: None,
            locked: None,
            strength: Strength::Looking,
            approved: false,
            scope: Scope {
                mode: Mode::Both,
                all_models: true,
            },
            unwritable: BTreeMap::new(),
            real: false,
        }
    }

    /// A model that is billed by the gateway's own expressions.
    fn tiered(local: Option<&str>, says: &str) -> Self {
        let local = local.map_or_else(Values::default, tiered);
        Self {
            real: true,
            ..Self::new(local).says(tiered(says))
        }
    }

    fn says(mut self, values: Values) -> Self {
        let mut offer = Offer::new(self.offers.len(), values);
        offer.first_seen = Some(NOW - HOUR);
        self.offers.push(offer);
        self
    }

    fn unattended(mut self) -> Self {
        self.strength = Strength::Unattended;
        self
    }

    fn approved(mut self) -> Self {
        self.approved = true;
        self
    }

    fn try_plan(&self) -> Option<ModelPlan> {
        plan_model(ModelInput {
            model: "m",
            local: &self.local,
            locked: self.locked,
            served: false,
            offers: &self.offers,
            answers: &self.answers,
            accepted: self.accepted.as_ref(),
            limits: &PriceLimits::default(),
            scope: self.scope,
            strength: self.strength,
            approved: self.approved,
            unwritable: &self.unwritable,
            expressions: if self.real { &Grammar } else { &Simple },
            now: NOW,
        })
    }

    fn plan(&self) -> ModelPlan {
        self.try_plan().expect("is within the scope")
    }

    fn held(&self) -> Option<ReasonCode> {
        self.plan().verdict.held().map(|reason| reason.code)
    }
}

fn ratio(text: &str) -> Values {
    Values::default().with(Field::ModelRatio, text)
}

fn call(text: &str) -> Values {
    Values::default().with(Field::ModelPrice, text)
}

fn tiered(text: &str) -> Values {
    Values::default()
        .with(Field::BillingMode, TIERED)
        .with(Field::BillingExpr, text)
}

fn written(plan: &ModelPlan) -> Vec<(&'static str, Option<&str>)> {
    plan.writes()
        .map(|change| (change.field.code(), change.new.as_deref()))
        .collect()
}

#[test]
fn a_new_model_gets_the_price_of_the_first_source_letter_by_letter() {
    let desk = Desk::new(Values::default())
        .says(ratio("1.250").with(Field::CompletionRatio, "4.0"))
        .says(ratio("1.3"));
    let plan = desk.plan();
    assert_eq!(plan.chosen, Some(0));
    assert_eq!(plan.losers, [1]);
    assert_eq!(
        written(&plan),
        [
            ("model_ratio", Some("1.250")),
            ("completion_ratio", Some("4.0"))
        ]
    );
    assert_eq!(plan.usd_new.output, Some(10.0));
    assert_eq!((plan.kind_old, plan.kind_new), (None, Some(Kind::PerToken)));
}

#[test]
fn a_run_touches_only_the_models_of_its_scope() {
    let mut desk = Desk::new(ratio("1")).says(ratio("2"));
    desk.scope = Scope::default();
    assert_eq!(desk.try_plan(), None);
    desk.scope.all_models = true;
    assert_eq!(desk.try_plan(), None);
    desk.scope.mode = Mode::Update;
    assert_eq!(desk.plan().verdict, Verdict::Apply);
    // A mode without an expression is no price: calls fail.
    desk.local = Values::default().with(Field::BillingMode, TIERED);
    assert_eq!(desk.try_plan(), None);
    desk.scope.mode = Mode::Add;
    assert_eq!(
        written(&desk.plan()),
        [("model_ratio", Some("2")), ("billing_mode", None)]
    );
}

#[test]
fn what_a_source_does_not_say_is_no_difference() {
    let local = ratio("1").with(Field::CacheRatio, "0.5");
    let desk = Desk::new(local.clone()).says(ratio("1.0"));
    assert_eq!(desk.plan().verdict, Verdict::Same);
    assert!(desk.plan().changes.is_empty());
    let desk = Desk::new(local).says(ratio("1.0000000001").with(Field::ImageRatio, "2"));
    assert_eq!(written(&desk.plan()), [("image_ratio", Some("2"))]);
}

#[test]
fn slips_of_units_and_of_currency_are_held() {
    let ours = || ratio("1.25").with(Field::CompletionRatio, "4");
    for text in ["1250", "0.00125", "1250000", "0.00000125"] {
        let desk = Desk::new(ours()).says(ratio(text));
        assert_eq!(desk.held(), Some(ReasonCode::UnitSlip), "{text}");
        assert_eq!(desk.approved().plan().verdict, Verdict::Apply, "{text}");
    }
    let currency = || Desk::new(ours()).says(ratio("9"));
    assert_eq!(currency().held(), None);
    assert_eq!(currency().unattended().held(), Some(ReasonCode::LargeRise));
    let output = Desk::new(ours()).says(ratio("1.25").with(Field::CompletionRatio, "4000"));
    assert_eq!(output.held(), Some(ReasonCode::UnitSlip));
    let far = Desk::new(ours()).says(ratio("1.25").with(Field::CacheRatio, "900"));
    assert_eq!(far.held(), Some(ReasonCode::UnitSlip));
    let expression = Desk::new(tiered("p * 2.5")).says(tiered("p * 2500"));
    assert_eq!(expression.held(), Some(ReasonCode::UnitSlip));
    for tiers in ["p * 2.5 | p * 5000", "p * 2500 | p * 5"] {
        let tier = Desk::new(tiered("p * 2.5 | p * 5")).says(tiered(tiers));
        assert_eq!(tier.held(), Some(ReasonCode::UnitSlip), "{tiers}");
    }
    // A tier that is new is compared with the last there was.
    let more = Desk::new(tiered("p * 2.5")).says(tiered("p * 2.5 | p * 2500"));
    assert_eq!(more.held(), Some(ReasonCode::UnitSlip));
    // A new model has nothing to be compared with but the other sources.
    let fresh = Desk::new(Values::default())
        .says(ratio("1250"))
        .says(ratio("1.25"));
    assert_eq!(fresh.held(), Some(ReasonCode::UnitSlip));
}

#[test]
fn an_expression_that_pays_somebody_is_held_whatever_was_approved() {
    for expression in [
        "tier(\"x\", p * -5 + c * 8)",
        "p * 2 - 5000000",
        "p * 2 + c * 8 - cr * 3",
        "len <= 9 ? tier(\"a\", p * 2) : tier(\"b\", p * 2 - c)",
        "tier(\"x\", p * 2) - p * 3",
        "-(p * 2)",
        "p * 2 * (len > 5 ? -1 : 1)",
        "p * (param(\"x\") == 1 ? -1 : 1)",
        "p * 2 + min(-9, 3)",
    ] {
        for local in [None, Some("p * 2 + c * 8")] {
            let desk = Desk::tiered(local, expression).approved();
            assert_eq!(desk.held(), Some(ReasonCode::Negative), "{expression}");
            assert!(written(&desk.plan()).is_empty());
        }
        // It lies there already, and only the mode would switch it on.
        let mut lies = Desk::tiered(None, expression).approved();
        lies.local.set(Field::BillingExpr, Some(expression));
        assert_eq!(lies.held(), Some(ReasonCode::Negative), "{expression}");
    }
    // What is taken off the whole input for a part of it leaves that part a price.
    let fair = Desk::tiered(None, "len * 2 - cr * 1.5 + c * 8");
    assert_eq!(fair.unattended().held(), None);
}

#[test]
fn an_expression_whose_cost_nobody_can_tell_waits() {
    for expression in [
        "ceil(tier(\"x\", p * 0.1 + c * 8))",
        "p * 2 + c * min(c, 8)",
        "p * 2 * hour(\"UTC\") + c * 8",
        "p * 2 + c * 8 + min(len, 5)",
        "p * 2 + c * 8 + img * p",
        "p * 2 * (param(\"n\") ?? 1) + c * 8",
        "p * 2 * (param(\"x\") == 1 ? 5 : 1) - p * 1.9 + c * 8",
    ] {
        let unknown = Some(ReasonCode::UnknownCost);
        let fresh = Desk::tiered(None, expression);
        assert_eq!(fresh.held(), None, "{expression}");
        assert_eq!(fresh.unattended().held(), unknown, "{expression}");
        // Whoever looks minds as well where it was known, and may still say yes.
        let known = Desk::tiered(Some("p * 2 + c * 8"), expression);
        assert_eq!(known.held(), unknown, "{expression}");
        assert_eq!(known.approved().plan().verdict, Verdict::Apply);
        let mut flat = Desk::tiered(None, expression);
        flat.local = call("0.1");
        flat.answers.kind = Some(Kind::Expression);
        assert_eq!(flat.held(), unknown, "{expression}");
    }
    let same = Desk::tiered(Some("ceil(p * 2)"), "ceil(p * 3)");
    assert_eq!(same.held(), None);
}

#[test]
fn every_price_of_an_expression_is_compared_with_what_it_was() {
    let held = |local: &str, says: &str| Desk::tiered(Some(local), says).held();
    let local = "p * 2 + c * 8 + cr * 0.2 + cc1h * 4 + img * 3 + img_o * 30 + ai * 5 + ao * 20";
    for part in [
        "c * 8",
        "cr * 0.2",
        "cc1h * 4",
        "img * 3",
        "img_o * 30",
        "ai * 5",
        "ao * 20",
    ] {
        let (var, price) = part.split_once(" * ").expect("a product");
        for (times, code) in [
            ("1000", ReasonCode::UnitSlip),
            ("20", ReasonCode::Tenfold),
            ("0", ReasonCode::ZeroCrossing),
        ] {
            let says = local.replace(part, &format!("{var} * {price} * {times}"));
            assert_eq!(held(local, &says), Some(code), "{says}");
        }
    }
    assert_eq!(
        held("p * 2 + c * 8", "p * 2 + c * 8 + ai * 2000"),
        Some(ReasonCode::UnitSlip)
    );
    assert_eq!(
        held("p * 2 + c * 8", "p * 2 + c * 8 + ai * 0"),
        Some(ReasonCode::ZeroCrossing)
    );
    // What comes to be said of the cache is nearly always that it is cheaper than the input that it was counted among.
    let cheaper = Desk::tiered(Some("p * 2 + c * 8"), "p * 2 + c * 8 + cr * 0.05");
    assert_eq!(cheaper.unattended().held(), None);
    // A tier that goes is billed by the one before from then on.
    let dear = "len <= 9 ? tier(\"a\", p * 2) : tier(\"b\", p * 40)";
    assert_eq!(held(dear, "tier(\"a\", p * 2)"), Some(ReasonCode::Tenfold));
    // What stands beside tiers counts as well.
    assert_eq!(
        held("p * 2 + c * 8", "tier(\"x\", p * 2 + c * 8) - p * 2"),
        Some(ReasonCode::ZeroCrossing)
    );
    assert_eq!(
        held("len * 2 + c * 8", "len * 2000 + c * 8"),
        Some(ReasonCode::UnitSlip)
    );
}

#[test]
fn what_some_requests_pay_more_or_less_is_bounded() {
    let surcharge = |factor: &str| format!("(p * 2 + c * 8) * (hour(\"UTC\") >= 0 ? {factor} : 1)");
    for (factor, looking, unattended) in [
        (
            "0",
            Some(ReasonCode::ZeroCrossing),
            Some(ReasonCode::ZeroCrossing),
        ),
        ("0.05", Some(ReasonCode::Tenfold), Some(ReasonCode::Tenfold)),
        ("11", Some(ReasonCode::Tenfold), Some(ReasonCode::Tenfold)),
        ("6", None, Some(ReasonCode::LargeRise)),
        ("0.5", None, Some(ReasonCode::LargeFall)),
        ("2", None, None),
    ] {
        let known = Desk::tiered(Some("p * 2 + c * 8"), &surcharge(factor));
        assert_eq!(known.held(), looking, "{factor}");
        assert_eq!(known.unattended().held(), unattended, "{factor}");
        let fresh = Desk::tiered(None, &surcharge(factor));
        assert_eq!(fresh.unattended().held(), looking, "{factor}");
        let same = Desk::tiered(
            Some(&surcharge(factor)),
            &format!("{} + cr * 1", surcharge(factor)),
        );
        assert_ne!(same.held(), Some(ReasonCode::ZeroCrossing), "{factor}");
    }
    let (two, four) = ("(param(\"a\") == 1 ? 4 : 1)", "(param(\"b\") == 1 ? 4 : 1)");
    let both = Desk::tiered(Some("p * 2"), &format!("p * 2 * {two} * {four}"));
    assert_eq!(both.held(), Some(ReasonCode::Tenfold));
    let added = Desk::tiered(None, "p * 2 + (hour(\"UTC\") >= 0 ? 5000000 : 1)");
    assert_eq!(added.held(), Some(ReasonCode::Tenfold));
}

#[test]
fn a_multiple_that_was_not_set_is_compared_with_what_the_gateway_takes_instead() {
    let says = |field: Field, text: &str| {
        Desk::new(ratio("1").with(Field::CompletionRatio, "4")).says(ratio("1").with(field, text))
    };
    let zero = Some(ReasonCode::ZeroCrossing);
    for field in [
        Field::CacheRatio,
        Field::CreateCacheRatio,
        Field::ImageRatio,
        Field::AudioRatio,
        Field::AudioCompletionRatio,
    ] {
        assert_eq!(says(field, "0").held(), zero, "{field:?}");
        assert_eq!(says(field, "0").unattended().held(), zero, "{field:?}");
        let new = Desk::new(Values::default()).says(ratio("1").with(field, "0"));
        assert_eq!(new.held(), zero, "{field:?}");
        assert_eq!(
            says(field, "40").held(),
            Some(ReasonCode::Tenfold),
            "{field:?}"
        );
        assert_eq!(says(field, "4").held(), None, "{field:?}");
        assert_eq!(
            says(field, "4").unattended().held(),
            Some(ReasonCode::LargeRise),
            "{field:?}"
        );
        assert_eq!(
            says(field, "0.001").held(),
            Some(ReasonCode::UnitSlip),
            "{field:?}"
        );
        // A first price of the cache is nearly always much less than that of the input.
        for text in ["0.1", "0.05", "1.25"] {
            assert_eq!(
                says(field, text).unattended().held(),
                None,
                "{field:?} {text}"
            );
        }
        let free = Desk::new(ratio("0")).says(ratio("0").with(field, "0"));
        assert_eq!(free.unattended().held(), None, "{field:?}");
        let stays = ratio("1").with(field, "0");
        let stays = Desk::new(stays.clone()).says(stays.with(Field::ModelRatio, "1.1"));
        assert_eq!(stays.unattended().held(), None, "{field:?}");
    }
    // Where the input falls by itself, a part that was counted among it falls no further for that.
    let falls = Desk::new(ratio("1")).says(ratio("0.01").with(Field::CacheRatio, "0.1"));
    assert_eq!(falls.held(), Some(ReasonCode::Tenfold));
    // Of a new model there is nothing to compare with, but nobody writes a cache at 400 times the input.
    let new = Desk::new(Values::default()).says(ratio("1").with(Field::CreateCacheRatio, "400"));
    assert_eq!(new.held(), Some(ReasonCode::UnitSlip));
    let heard = Desk::new(Values::default()).says(ratio("1").with(Field::AudioRatio, "66"));
    assert_eq!(heard.unattended().held(), None);
}

#[test]
fn what_is_no_price_is_held_whatever_was_approved() {
    for (text, code) in [
        ("", ReasonCode::NotANumber),
        ("null", ReasonCode::NotANumber),
        ("NaN", ReasonCode::NotANumber),
        ("1e999", ReasonCode::NotANumber),
        ("\"1.5\"", ReasonCode::NotANumber),
        ("-0", ReasonCode::Negative),
        ("-1", ReasonCode::Negative),
    ] {
        for local in [Values::default(), ratio("1")] {
            let mut desk = Desk::new(local).says(ratio(text)).approved();
            desk.answers.allowed = ReasonCode::ALL.iter().copied().collect();
            assert_eq!(desk.held(), Some(code), "{text}");
            assert!(written(&desk.plan()).is_empty());
        }
    }
    let unknown = Desk::new(Values::default())
        .says(tiered("q + 1"))
        .approved();
    assert_eq!(unknown.held(), Some(ReasonCode::UnknownExpression));
    let mut unwritable = Desk::new(ratio("1")).says(ratio("2")).approved();
    unwritable.unwritable = BTreeMap::from([(Field::ModelRatio, vec!["m".into(), "x".into()])]);
    assert_eq!(unwritable.held(), Some(ReasonCode::UnwritableMap));
    unwritable.unwritable = BTreeMap::from([(Field::ModelRatio, vec!["m".into()])]);
    assert_eq!(unwritable.held(), None);
}

#[test]
fn zero_the_placeholder_and_tenfold_wait_for_a_person() {
    let held = |local: Values, offer: Values| {
        let desk = Desk::new(local).says(offer);
        let code = desk.held();
        assert_eq!(desk.approved().plan().verdict, Verdict::Apply);
        code
    };
    let zero = Some(ReasonCode::ZeroCrossing);
    assert_eq!(held(ratio("1"), ratio("0")), zero);
    assert_eq!(held(ratio("0"), ratio("1")), zero);
    assert_eq!(held(Values::default(), ratio("0")), zero);
    assert_eq!(held(Values::default(), ratio("1e-320")), zero);
    assert_eq!(held(Values::default(), call("0")), zero);
    // The gateway reads what is no number as zero.
    assert_eq!(held(ratio("\"1\""), ratio("1")), zero);
    let unset = ratio("37.5").with(Field::CompletionRatio, "8");
    assert_eq!(
        held(Values::default(), unset),
        Some(ReasonCode::Placeholder)
    );
    assert_eq!(held(ratio("1"), ratio("11")), Some(ReasonCode::Tenfold));
}

#[test]
fn an_unattended_run_minds_what_nobody_would_see() {
    let held = |offer: &str| {
        let desk = Desk::new(ratio("1")).says(ratio(offer));
        assert_eq!(desk.held(), None);
        desk.unattended().held()
    };
    assert_eq!(held("0.7"), None);
    assert_eq!(held("0.69"), Some(ReasonCode::LargeFall));
    assert_eq!(held("2"), None);
    assert_eq!(held("2.01"), Some(ReasonCode::LargeRise));
    let mut new = Desk::new(ratio("1")).says(ratio("1.1")).unattended();
    new.offers[0].first_seen = Some(NOW - HOUR + 1);
    assert_eq!(new.held(), Some(ReasonCode::FirstSeen));
    new.offers[0].first_seen = None;
    assert_eq!(new.held(), Some(ReasonCode::FirstSeen));
    let against = Desk::new(ratio("1"))
        .says(ratio("1.1"))
        .says(ratio("1.2"))
        .says(ratio("1.2"));
    assert_eq!(against.held(), None);
    let mut against = against.unattended();
    assert_eq!(against.held(), Some(ReasonCode::LoneSource));
    against.offers[1].stale = true;
    assert_eq!(against.held(), None);
    // Nor is it written where all of several others say something else again.
    let differ = |others: &[Values]| {
        let desk = Desk::new(ratio("1")).says(ratio("1.1"));
        others
            .iter()
            .fold(desk, |desk, other| desk.says(other.clone()))
    };
    let three = differ(&[ratio("1.2"), ratio("1.3")]);
    assert_eq!(three.held(), None);
    let three = three.unattended();
    assert_eq!(three.held(), Some(ReasonCode::LoneSource));
    let told = three.plan();
    assert_eq!(told.verdict.held().and_then(|reason| reason.count), Some(2));
    // Who agrees, bills in another way, says no price, or is alone as well, is none of those.
    for others in [
        &[ratio("1.2"), ratio("1.3"), ratio("1.10001")][..],
        &[ratio("1.2"), call("0.1")],
        &[ratio("1.2"), ratio("37.5")],
        &[ratio("1.2"), ratio("-1")],
        &[ratio("1.2"), Values::default()],
        &[ratio("1.2")],
    ] {
        assert_eq!(differ(others).unattended().held(), None, "{others:?}");
    }
}

#[test]
fn who_is_about_to_choose_is_told_what_a_schedule_would_find_odd_but_not_what_is_only_new() {
    let held = |offer: &str| {
        let mut desk = Desk::new(ratio("1")).says(ratio(offer));
        desk.offers[0].first_seen = None;
        desk.strength = Strength::Choosing;
        desk.held()
    };
    assert_eq!(held("2"), None);
    assert_eq!(held("2.88"), Some(ReasonCode::LargeRise));
    assert_eq!(held("0.33"), Some(ReasonCode::LargeFall));
    assert_eq!(held("11"), Some(ReasonCode::Tenfold));
    let mut against = Desk::new(ratio("1"))
        .says(ratio("1.1"))
        .says(ratio("1.2"))
        .says(ratio("1.2"));
    against.strength = Strength::Choosing;
    assert_eq!(against.held(), Some(ReasonCode::LoneSource));
    against.offers[2].raw = ratio("1.3");
    assert_eq!(against.held(), None);
    let mut embedding =
        Desk::new(Values::default()).says(ratio("0.01").with(Field::CompletionRatio, "0"));
    embedding.strength = Strength::Choosing;
    assert_eq!(embedding.held(), None);
    assert_eq!(
        embedding.unattended().held(),
        Some(ReasonCode::ZeroCrossing)
    );
}

#[test]
fn small_steps_are_compared_with_the_price_last_accepted() {
    let mut desk = Desk::new(ratio("0.75")).says(ratio("0.6")).unattended();
    assert_eq!(desk.held(), None);
    desk.accepted = Some(Accepted {
        values: ratio("1"),
        at: 0,
    });
    assert_eq!(desk.held(), Some(ReasonCode::LargeFall));
}

#[test]
fn another_way_of_billing_waits_and_then_takes_the_old_one_along() {
    let local = ratio("1")
        .with(Field::CompletionRatio, "4")
        .with(Field::CacheRatio, "0.5");
    let mut desk = Desk::new(local).says(call("0.1"));
    assert_eq!(desk.held(), Some(ReasonCode::KindChange));
    desk.answers.kind = Some(Kind::PerCall);
    assert_eq!(
        written(&desk.plan()),
        [
            ("model_ratio", None),
            ("completion_ratio", None),
            ("cache_ratio", None),
            ("model_price", Some("0.1"))
        ]
    );
    // What lingers of an older way of billing would count again.
    let lingers = Desk::new(call("0.1").with(Field::CacheRatio, "0.1"))
        .says(ratio("1"))
        .approved();
    assert_eq!(
        written(&lingers.plan()),
        [
            ("model_ratio", Some("1")),
            ("cache_ratio", None),
            ("model_price", None)
        ]
    );
    let back = Desk::new(tiered("p * 2").with(Field::ModelPrice, "9"))
        .says(ratio("1"))
        .approved();
    assert_eq!(
        written(&back.plan()),
        [
            ("model_ratio", Some("1")),
            ("model_price", None),
            ("billing_mode", None),
            ("billing_expr", None)
        ]
    );
}

#[test]
fn keeping_a_model_per_token_takes_the_ratios_beside_an_expression() {
    let offer = tiered("p * 4").with(Field::ModelRatio, "2");
    let mut desk = Desk::new(ratio("1")).says(offer);
    assert_eq!(desk.held(), Some(ReasonCode::KindChange));
    desk.answers.kind = Some(Kind::PerToken);
    assert_eq!(written(&desk.plan()), [("model_ratio", Some("2"))]);
    desk.offers = vec![Offer::new(0, call("1"))];
    assert_eq!(
        desk.plan().verdict,
        Verdict::Skip(Reason::plain(ReasonCode::KindChange))
    );
}

#[test]
fn a_mode_never_comes_without_its_expression() {
    for expression in ["", " "] {
        let desk = Desk::new(Values::default().with(Field::BillingExpr, "p * 1"))
            .says(tiered(expression))
            .approved();
        assert_eq!(desk.plan().verdict, Verdict::Same);
        assert_eq!(desk.plan().chosen, None);
    }
    let mut locked = Desk::new(Values::default()).says(tiered("p * 2"));
    locked.answers.locked_fields.insert(Field::BillingExpr);
    assert!(written(&locked.plan()).is_empty());
}

#[test]
fn locks_hold() {
    let offer = || ratio("2").with(Field::CompletionRatio, "5");
    let local = || ratio("1").with(Field::CompletionRatio, "4");
    let mut desk = Desk::new(local()).says(offer()).approved();
    desk.answers.locked_fields.insert(Field::ModelRatio);
    assert_eq!(written(&desk.plan()), [("completion_ratio", Some("5"))]);
    desk.answers.locked = true;
    let locked = Verdict::Skip(Reason::plain(ReasonCode::Locked));
    assert_eq!(desk.plan().verdict, locked);
    assert_eq!(desk.plan().changes.len(), 2);
    desk.answers.ignored = true;
    assert_eq!(
        desk.plan().verdict,
        Verdict::Skip(Reason::plain(ReasonCode::Ignored))
    );
    assert!(desk.plan().changes.is_empty());
}

#[test]
fn an_output_that_the_gateway_bills_by_its_own_ratio_is_left() {
    let mut desk = Desk::new(ratio("1")).says(ratio("1").with(Field::CompletionRatio, "5"));
    desk.locked = Some(8.0);
    let skip = Verdict::Skip(Reason::plain(ReasonCode::LockedCompletion));
    assert_eq!(desk.plan().verdict, skip);
    let mut dearer = Desk::new(ratio("1")).says(ratio("2").with(Field::CompletionRatio, "5"));
    dearer.locked = Some(8.0);
    assert_eq!(written(&dearer.plan()), [("model_ratio", Some("2"))]);
    assert_eq!(dearer.plan().usd_new.output, Some(32.0));
}

#[test]
fn a_name_that_is_only_alike_and_sellers_who_disagree_wait() {
    let mut desk = Desk::new(Values::default()).says(ratio("1"));
    desk.offers[0].alike = Some("openai/m".into());
    let reason = Reason::named(ReasonCode::NameMatch, vec!["openai/m".into()]);
    assert_eq!(desk.plan().verdict, Verdict::Hold(reason));
    assert_eq!(desk.held(), desk.unattended().held());
    let mut open = Desk::new(Values::default()).approved();
    let sellers = ["a", "b"].map(|seller| Candidate {
        seller: seller.into(),
        values: ratio("1"),
    });
    open.offers = vec![Offer::undecided(0, sellers.to_vec())];
    let reason = Reason::named(ReasonCode::NoMajority, vec!["a".into(), "b".into()]);
    assert_eq!(open.plan().verdict, Verdict::Hold(reason));
    assert!(open.plan().held_digest().is_some());
}

#[test]
fn keep_until_it_changes_ends_when_it_changes() {
    let mut desk = Desk::new(ratio("1")).says(ratio("100"));
    desk.answers.kept = desk.plan().held_digest();
    assert!(desk.plan().answered);
    assert_eq!(desk.plan().verdict, Verdict::Same);
    desk.offers = vec![Offer::new(0, ratio("101"))];
    assert_eq!(desk.held(), Some(ReasonCode::Tenfold));
    desk.offers = vec![Offer::new(0, ratio("100"))];
    desk.approved = true;
    assert_eq!(desk.plan().verdict, Verdict::Apply);
}

#[test]
fn a_run_that_would_change_too_many_models_changes_none() {
    let plans = |count: usize| -> Vec<ModelPlan> {
        let desk = Desk::new(ratio("1")).says(ratio("1.1"));
        (0..count).map(|_| desk.plan()).collect()
    };
    let limits = PriceLimits::default();
    for (changing, priced, held) in [
        (19, 20, false),
        (20, 200, false),
        (20, 199, true),
        (21, 200, true),
        (0, 0, false),
    ] {
        let mut plans = plans(changing);
        assert_eq!(price_brake(&mut plans, priced, &limits), held);
        let writes = plans.iter().filter(|plan| plan.writes().count() > 0);
        assert_eq!(writes.count(), if held { 0 } else { changing });
    }
}

#[test]
fn a_changed_group_ratio_of_the_source_is_a_change_of_price() {
    let offer = |group: f64| {
        let cost = Cost {
            group,
            ..Cost::default()
        };
        Offer::new(0, ratio("1")).at(&cost, "m", &[], &Simple)
    };
    let mut desk = Desk::new(ratio("1.50"));
    desk.offers = vec![offer(1.5)];
    assert_eq!(desk.plan().verdict, Verdict::Same);
    desk.offers = vec![offer(1.8)];
    assert_eq!(written(&desk.plan()), [("model_ratio", Some("1.8"))]);
    let formula = desk.plan().formula.expect("is known");
    assert_eq!(formula.to_string(), "2 x 1.8 = 3.6");
    // What cannot be reckoned is held, whatever was approved.
    desk.offers = vec![offer(f64::NAN)];
    desk.approved = true;
    assert_eq!(desk.held(), Some(ReasonCode::NotANumber));
}

fn number() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        6 => (1u32..4000).prop_map(|number| format!("{}", f64::from(number) / 100.0)),
        1 => proptest::sample::select(vec![
            "0", "-0", "-1", "37.5", "NaN", "1e999", "", "null", "\"2\"", "1e-320", "1.50", "1e3",
            "1250", "9", "-1e-9", "01",
        ]).prop_map(str::to_owned),
    ]
}

/// Few different numbers, so that equal, dearer and cheaper ones are all common; what is no number bills as zero.
fn never_negative() -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(vec!["0", "0.1", "0.5", "1", "1.25", "2", "8", "null"])
        .prop_map(str::to_owned)
}

fn values(number: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Values> {
    let expression = prop_oneof![
        3 => (1u32..100).prop_map(|number| format!("p * {number}")),
        1 => Just("q".to_owned()),
        1 => Just(" ".to_owned()),
    ];
    let mode = prop_oneof![3 => Just(TIERED), 1 => Just("ratio")];
    let numbers: Vec<_> = (0..8)
        .map(|_| proptest::option::weighted(0.5, number.clone()))
        .collect();
    (
        numbers,
        proptest::option::weighted(0.3, mode),
        proptest::option::weighted(0.4, expression),
    )
        .prop_map(|(numbers, mode, expression)| {
            let mut values = Values::default();
            for (field, number) in Field::ALL.iter().zip(&numbers) {
                values.set(*field, number.as_deref());
            }
            values.set(Field::BillingMode, mode);
            values.set(Field::BillingExpr, expression.as_deref());
            values
        })
}

fn desk() -> impl Strategy<Value = Desk> {
    let offer = (
        values(number()),
        proptest::bool::weighted(0.2),
        proptest::option::weighted(0.2, Just("alike".to_owned())),
        proptest::option::weighted(0.8, 0..2 * HOUR),
    );
    let kind = proptest::sample::select(vec![Kind::PerToken, Kind::PerCall, Kind::Expression]);
    let answers = (
        proptest::collection::btree_set(proptest::sample::select(Field::ALL), 0..3),
        proptest::option::weighted(0.3, kind),
        proptest::bool::weighted(0.1),
        proptest::collection::btree_set(proptest::sample::select(ReasonCode::ALL), 0..5),
    );
    (
        values(number()),
        proptest::collection::vec(offer, 0..4),
        answers,
        proptest::option::weighted(0.3, values(number())),
        proptest::option::weighted(0.3, Just(8.0)),
        any::<(bool, bool)>(),
        proptest::option::weighted(0.1, proptest::sample::select(Field::ALL)),
    )
        .prop_map(
            |(local, offers, answers, accepted, locked, (unattended, approved), unwritable)| {
                let mut desk = Desk::new(local);
                for (values, stale, alike, age) in offers {
                    let mut offer = Offer::new(desk.offers.len(), values);
                    offer.stale = stale;
                    offer.alike = alike;
                    offer.first_seen = age.map(|age| NOW - age);
                    desk.offers.push(offer);
                }
                let (locked_fields, kind, lock, allowed) = answers;
                desk.answers = ModelAnswers {
                    locked: lock,
                    locked_fields,
                    kind,
                    allowed,
                    ..ModelAnswers::default()
                };
                desk.accepted = accepted.map(|values| Accepted { values, at: 0 });
                desk.locked = locked;
                if unattended {
                    desk.strength = Strength::Unattended;
                }
                desk.approved = approved;
                let bad = |field| (field, vec!["x".to_owned()]);
                desk.unwritable = unwritable.map(bad).into_iter().collect();
                desk
            },
        )
}

/// What the ratios make of one million tokens of each sort: input, output, cache, image, audio in and out.
fn token_prices(values: &Values) -> Vec<(f64, Vec<Field>)> {
    let ratio = values.get(Field::ModelRatio).and_then(parse);
    let ratio = ratio.unwrap_or_default();
    let sorts: [&[Field]; 7] = [
        &[],
        &[Field::CompletionRatio],
        &[Field::CacheRatio],
        &[Field::CreateCacheRatio],
        &[Field::ImageRatio],
        &[Field::AudioRatio],
        &[Field::AudioRatio, Field::AudioCompletionRatio],
    ];
    let price = |fields: &[Field]| {
        let times = fields.iter().map(|field| values.multiplier(*field));
        times.fold(ratio, |price, times| price * times)
    };
    sorts.map(|fields| (price(fields), fields.to_vec())).into()
}

/// Whether a model on its way from one price to another is billed as `passes` promises.
fn sane(before: &Values, now: &Values, after: &Values) -> bool {
    let (old, is, new) = (billing(before), billing(now), billing(after));
    if is == old || is == new {
        return true;
    }
    let token = Some(Kind::PerToken);
    if (old.0, is.0, new.0) != (token, token, token) {
        return false;
    }
    let moved = |field: Field| before.get(field) != after.get(field);
    let equal = |one: f64, other: f64| (one - other).abs() <= EQUAL;
    let prices = || {
        let (old, new) = (token_prices(before), token_prices(after));
        token_prices(now)
            .into_iter()
            .zip(old)
            .zip(new)
            .map(|(((now, fields), (old, _)), (new, _))| (now, old, new, fields))
    };
    let exact = prices().all(|(now, old, new, fields)| {
        let parts = fields.into_iter().chain([Field::ModelRatio]);
        parts.filter(|field| moved(*field)).count() > 1 || equal(now, old) || equal(now, new)
    });
    let not_below_old = prices().all(|(now, old, _, _)| now >= old - EQUAL);
    let not_below_new = prices().all(|(now, _, new, _)| now >= new - EQUAL);
    exact && (not_below_old || not_below_new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000 * soak()))]

    #[test]
    fn what_is_held_is_not_written_and_what_is_broken_never(desk in desk()) {
        let plan = desk.plan();
        let held = plan.verdict.held().is_some();
        prop_assert_eq!(held, plan.held_digest().is_some());
        if held || plan.changes.iter().any(|change| change.hold.is_some()) {
            prop_assert_eq!(plan.writes().count(), 0);
            prop_assert_eq!(plan.after(&desk.local), desk.local);
        }
        for change in plan.writes() {
            prop_assert!(change.hold.is_none() && change.skip.is_none());
            prop_assert!(!desk.answers.locked);
            prop_assert!(!desk.answers.locked_fields.contains(&change.field));
            prop_assert!(!desk.unwritable.contains_key(&change.field));
            prop_assert!(desk.locked.is_none() || change.field != Field::CompletionRatio);
            match change.new.as_deref() {
                Some(new) if change.field.is_number() => {
                    prop_assert!(parse(new).is_some_and(f64::is_sign_positive), "{}", new);
                }
                Some(new) if change.field == Field::BillingExpr => prop_assert!(!Simple.tiers(new).is_empty()),
                _ => {}
            }
        }
    }

    #[test]
    fn planning_again_after_it_was_applied_changes_nothing(mut desk in desk()) {
        desk.approved |= desk.offers.len() > 1;
        let plan = desk.plan();
        if plan.verdict != Verdict::Apply {
            return Ok(());
        }
        let after = plan.after(&desk.local);
        prop_assert_eq!(billed_by(&after).kind(), plan.kind_new);
        prop_assert_ne!(&after, &desk.local);
        desk.local = after;
        let again = desk.plan();
        prop_assert_eq!(again.writes().count(), 0);
        prop_assert!(!matches!(again.verdict, Verdict::Hold(_) | Verdict::Apply));
        if desk.answers.locked_fields.is_empty() && desk.locked.is_none() {
            prop_assert_eq!(again.verdict, Verdict::Same);
        }
    }

    #[test]
    fn a_plan_for_somebody_who_looks_holds_no_more_than_one_for_nobody(mut desk in desk()) {
        desk.strength = Strength::Looking;
        let looking = desk.plan();
        desk.strength = Strength::Unattended;
        let unattended = desk.plan();
        if unattended.verdict == Verdict::Apply {
            prop_assert_eq!(looking.verdict, Verdict::Apply);
        }
        desk.approved = true;
        if unattended.verdict == Verdict::Apply {
            prop_assert_eq!(desk.plan().verdict, Verdict::Apply);
        }
    }

    #[test]
    fn every_prefix_of_the_writes_bills_something_sane(
        models in proptest::collection::vec((values(never_negative()), values(never_negative())), 1..4)
    ) {
        let names: Vec<String> = (0..models.len()).map(|place| format!("m{place}")).collect();
        let changes: Vec<Change<'_>> = names
            .iter()
            .zip(&models)
            .map(|(model, (before, after))| Change { model, before, after })
            .collect();
        let mut now: BTreeMap<&str, Values> = names
            .iter()
            .zip(&models)
            .map(|(name, (before, _))| (name.as_str(), before.clone()))
            .collect();
        let writes = passes(&changes);
        for field in Field::ALL {
            prop_assert!(writes.iter().filter(|write| write.field == *field).count() <= 2);
        }
        for write in &writes {
            for (model, value) in &write.edits {
                let values = now.get_mut(model.as_str()).expect("is one of them");
                prop_assert_ne!(values.get(write.field), value.as_deref());
                values.set(write.field, value.as_deref());
            }
            for (name, (before, after)) in names.iter().zip(&models) {
                let now = &now[name.as_str()];
                prop_assert!(sane(before, now, after), "{:?} after {:?}", now, write);
            }
        }
        for (name, (_, after)) in names.iter().zip(&models) {
            prop_assert_eq!(&now[name.as_str()], after);
        }
    }
}
