//! The three public price lists beside each other: how many models they share, where they disagree, what is chosen.
//! With `--nocapture` it prints the tables of `docs/prices.md`. The lists lie outside the project; without them it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lockstep_core::formats::{Choice as Sold, Decoded, SkipReason, decode};
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::answers::ModelAnswers;
use lockstep_core::prices::choose::{Candidate, Choice, Offer, choose};
use lockstep_core::prices::expr::Grammar;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::limits::PriceLimits;
use lockstep_core::prices::mode::{Mode, Scope, Strength};
use lockstep_core::prices::names::{NameId, Names};
use lockstep_core::prices::plan::{ModelInput, ModelPlan, plan_model};
use lockstep_core::prices::suspicious::suspicions;
use lockstep_core::prices::usd::{PER_RATIO, usd};
use lockstep_core::prices::values::{Kind, Values};

/// The lists in the order of preference.
const LISTS: [(&str, &str); 3] = [
    ("official", "basellm-ratio_config-v1-base.json"),
    ("models.dev", "models-dev-format.json"),
    ("litellm", "litellm-model_prices.json"),
];

/// Prices that differ by no more than this share of the larger agree: lists round differently.
const AGREE: f64 = 1e-4;

/// What is told one by one.
const EXAMPLES: [&str; 8] = [
    "gemini-2.5-flash",
    "deepseek-chat",
    "claude-sonnet-4-5",
    "qwen3-max",
    "glm-4.6",
    "gpt-5.4",
    "kimi-k2-thinking",
    "gpt-oss-120b",
];

fn bodies() -> Option<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let read = |(_, file): &(&str, &str)| std::fs::read_to_string(folder.join(file)).ok();
    let bodies: Option<Vec<String>> = LISTS.iter().map(read).collect();
    if bodies.is_none() {
        println!("{} is absent: not looked at", folder.display());
    }
    bodies
}

/// The lists, read with the same names.
struct Lists<'a> {
    names: Names,
    lists: Vec<Decoded<'a>>,
}

impl<'a> Lists<'a> {
    fn read(bodies: &'a [String]) -> Self {
        let mut names = Names::new();
        let lists = bodies
            .iter()
            .map(|body| decode(body, &mut names).expect("it is a list"))
            .collect();
        Self { names, lists }
    }

    /// What a list says of a model, if that is a price.
    fn says(&self, list: usize, model: NameId) -> Option<Values> {
        let values = self.lists[list].table.values(model);
        values.kind().map(|_| values)
    }

    fn models(&self) -> impl Iterator<Item = NameId> {
        self.names.ids()
    }

    /// Which lists have a price for a model.
    fn having(&self, model: NameId) -> Vec<usize> {
        (0..LISTS.len())
            .filter(|list| self.says(*list, model).is_some())
            .collect()
    }

    /// What the lists offer, as a run hands it to the choice.
    fn offers(&self, model: NameId) -> Vec<Offer> {
        (0..LISTS.len())
            .filter_map(|list| {
                let sellers = &self.lists[list].sellers;
                match (self.says(list, model), sellers.choice(model)) {
                    (Some(values), _) => Some(Offer::new(list, values)),
                    (None, Some(Sold::Undecided | Sold::OnlyPrefixed)) => {
                        let sellers = sellers.offers(model).map(|sold| Candidate {
                            seller: sold.seller.to_owned(),
                            values: sold.values,
                        });
                        Some(Offer::undecided(list, sellers.collect()))
                    }
                    (None, _) => None,
                }
            })
            .collect()
    }
}

/// The prices that lists are compared by, in USD per million tokens.
const PRICES: [&str; 6] = [
    "input",
    "output",
    "cache read",
    "cache write",
    "audio input",
    "per call",
];

fn prices(values: &Values) -> [Option<f64>; 6] {
    let usd = usd(values, None);
    let audio = values
        .number(Field::AudioRatio)
        .zip(values.number(Field::ModelRatio))
        .map(|(audio, ratio)| audio * ratio * PER_RATIO);
    [
        usd.input,
        usd.output,
        usd.cache_read,
        usd.cache_write,
        audio,
        usd.per_call,
    ]
}

fn agree(one: f64, other: f64) -> bool {
    (one - other).abs() <= AGREE * one.abs().max(other.abs())
}

/// How two lists compare on the models that both price.
#[derive(Debug, Default)]
struct Pair {
    both: usize,
    same: usize,
    kind: usize,
    by_price: [usize; PRICES.len()],
    only_one: [usize; PRICES.len()],
    factors: Vec<(f64, String)>,
}

fn pair(lists: &Lists<'_>, one: usize, other: usize) -> Pair {
    let mut pair = Pair::default();
    for model in lists.models() {
        let (Some(a), Some(b)) = (lists.says(one, model), lists.says(other, model)) else {
            continue;
        };
        pair.both += 1;
        if a.kind() != b.kind() {
            pair.kind += 1;
            continue;
        }
        let mut differs = false;
        for (place, (a, b)) in prices(&a).into_iter().zip(prices(&b)).enumerate() {
            match (a, b) {
                (Some(a), Some(b)) if !agree(a, b) => {
                    pair.by_price[place] += 1;
                    differs = true;
                    if place == 0 {
                        pair.factors
                            .push((a / b, lists.names.text(model).to_owned()));
                    }
                }
                (Some(_), None) | (None, Some(_)) => pair.only_one[place] += 1,
                _ => {}
            }
        }
        pair.same += usize::from(!differs);
    }
    pair.factors.sort_by(|a, b| a.0.total_cmp(&b.0));
    pair
}

#[test]
fn the_three_lists_are_told_beside_each_other() {
    let Some(bodies) = bodies() else { return };
    let lists = Lists::read(&bodies);
    println!("| list | layout | models priced | by ratios | per call | by expression | left out |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (place, (name, _)) in LISTS.iter().enumerate() {
        let of = |kind: Kind| {
            let of = |model: &NameId| {
                lists.says(place, *model).and_then(|values| values.kind()) == Some(kind)
            };
            lists.models().filter(of).count()
        };
        let kinds = [of(Kind::PerToken), of(Kind::PerCall), of(Kind::Expression)];
        let all: usize = kinds.iter().sum();
        let list = &lists.lists[place];
        println!(
            "| {name} | {} | {all} | {} | {} | {} | {} |",
            list.format.code(),
            kinds[0],
            kinds[1],
            kinds[2],
            list.skipped.lost()
        );
        for (reason, skips) in list.skipped.iter() {
            println!("  {} {}", reason.code(), skips.count);
        }
        for choice in [
            Sold::Maker,
            Sold::Majority,
            Sold::Undecided,
            Sold::OnlyPrefixed,
        ] {
            println!("  {} {}", choice.code(), list.sellers.count(choice));
        }
        assert!(all > 200 && all <= list.table.len());
        // A name whose sellers disagree has no price of its own.
        for (model, choice) in list.sellers.iter() {
            if matches!(choice, Sold::Undecided) {
                assert!(list.sellers.offers(model).count() > 0);
                assert_eq!(lists.says(place, model), None);
            }
        }
    }
    let mut shared: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for model in lists.models() {
        *shared.entry(lists.having(model)).or_default() += 1;
    }
    for (having, count) in shared.iter().filter(|(having, _)| !having.is_empty()) {
        let names: Vec<&str> = having.iter().map(|list| LISTS[*list].0).collect();
        println!("only {}: {count}", names.join(" + "));
    }
    let in_all = shared.get(&vec![0, 1, 2]).copied().unwrap_or_default();
    assert!(in_all > 20, "{in_all}");
}

#[test]
fn how_often_two_lists_disagree_and_about_what() {
    let Some(bodies) = bodies() else { return };
    let lists = Lists::read(&bodies);
    println!(
        "| lists | both price | agree | other kind | {} |",
        PRICES.join(" | ")
    );
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let pair = pair(&lists, one, other);
        let told: Vec<String> = (pair.by_price.iter().zip(&pair.only_one))
            .map(|(differ, only)| format!("{differ} ({only})"))
            .collect();
        println!(
            "| {} and {} | {} | {} | {} | {} |",
            LISTS[one].0,
            LISTS[other].0,
            pair.both,
            pair.same,
            pair.kind,
            told.join(" | ")
        );
        println!("  input, lowest and highest: {:?}", pair.factors);
        let differ = pair.both - pair.same - pair.kind;
        assert!(pair.both > 20 && pair.same * 2 > pair.both, "{pair:?}");
        assert!(pair.by_price.iter().all(|count| *count <= differ));
    }
}

#[test]
fn the_first_list_with_a_price_is_chosen_and_one_against_two_is_told() {
    let Some(bodies) = bodies() else { return };
    let lists = Lists::read(&bodies);
    let mut chosen = [0_usize; LISTS.len()];
    let (mut undecided, mut lone) = (0, BTreeSet::new());
    for model in lists.models() {
        let offers = lists.offers(model);
        match choose(&offers, None) {
            Choice::Chosen(place, values) => {
                let first = offers.iter().position(Offer::says_a_price);
                let placeholder = offers
                    .iter()
                    .any(|offer| offer.raw.number(Field::ModelRatio) == Some(37.5));
                assert!(placeholder || first == Some(place));
                assert!(values.kind().is_some());
                chosen[offers[place].source] += 1;
                let raw: Vec<&Values> = offers.iter().map(|offer| &offer.raw).collect();
                let told = suspicions(&Values::default(), None, &raw);
                if told[place].contains(&ReasonCode::LoneSource) {
                    lone.insert(lists.names.text(model).to_owned());
                }
            }
            Choice::NoMajority(place) => {
                assert!(!offers[place].sellers.is_empty());
                undecided += 1;
            }
            Choice::Nothing => {}
            Choice::OtherKind => panic!("no kind was to be kept"),
        }
    }
    for ((name, _), count) in LISTS.iter().zip(chosen) {
        println!("chosen from {name}: {count}");
        assert!(count > 0);
    }
    println!("no majority: {undecided}");
    println!("alone against the two others: {} {lone:?}", lone.len());
}

/// What the plan for a model says, by who looks.
fn planned(local: &Values, offers: &[Offer], strength: Strength) -> Option<ModelPlan> {
    plan_model(ModelInput {
        model: "m",
        local,
        locked: None,
        served: true,
        offers,
        answers: &ModelAnswers::default(),
        accepted: None,
        limits: &PriceLimits::default(),
        scope: Scope {
            mode: Mode::Both,
            all_models: true,
        },
        strength,
        approved: false,
        unwritable: &BTreeMap::new(),
        expressions: &Grammar,
        now: i64::MAX,
    })
}

#[test]
fn what_of_the_lists_is_held_for_a_gateway_without_prices_and_for_one_with_them() {
    let Some(bodies) = bodies() else { return };
    let lists = Lists::read(&bodies);
    let of = |list: usize, model: NameId| {
        let mut offer = Offer::new(0, lists.says(list, model)?);
        offer.first_seen = Some(0);
        Some(offer)
    };
    let count =
        |told: &mut BTreeMap<&'static str, Vec<String>>, plan: &ModelPlan, model: NameId| {
            let code = plan
                .verdict
                .held()
                .map_or("passes", |reason| reason.code.code());
            told.entry(code)
                .or_default()
                .push(lists.names.text(model).to_owned());
        };
    for strength in [Strength::Looking, Strength::Unattended] {
        for (list, (name, _)) in LISTS.iter().enumerate() {
            let mut told = BTreeMap::new();
            for model in lists.models() {
                if let Some(offer) = of(list, model) {
                    let tiered = offer.raw.kind() == Some(Kind::Expression);
                    let plan = planned(&Values::default(), &[offer], strength).expect("a plan");
                    assert!(!tiered || plan.verdict.held().is_none(), "{plan:?}");
                    count(&mut told, &plan, model);
                }
            }
            println!("{name} alone, {}: {}", strength.code(), held(&told));
        }
        // A gateway that has the official prices, flat, is told what another list says of them.
        for list in [1, 2] {
            let mut told = BTreeMap::new();
            for model in lists.models() {
                if let (Some(mine), Some(offer)) = (lists.says(0, model), of(list, model)) {
                    let plan = planned(&mine, &[offer], strength).expect("a plan");
                    count(&mut told, &plan, model);
                }
            }
            println!(
                "official, then {}, {}: {}",
                LISTS[list].0,
                strength.code(),
                held(&told)
            );
        }
        let mut told = BTreeMap::new();
        for model in lists.models() {
            let offers: Vec<Offer> = (0..LISTS.len())
                .filter_map(|list| of(list, model))
                .collect();
            if let Some(plan) =
                planned(&Values::default(), &offers, strength).filter(|plan| plan.chosen.is_some())
            {
                count(&mut told, &plan, model);
            }
        }
        println!("all three, {}: {}", strength.code(), held(&told));
    }
}

/// How many are held for what, with the first names.
fn held(told: &BTreeMap<&'static str, Vec<String>>) -> String {
    let told = told.iter().map(|(code, models)| {
        let first = if *code == "passes" {
            &[][..]
        } else {
            &models[..models.len().min(6)]
        };
        format!("{code} {} {first:?}", models.len())
    });
    told.collect::<Vec<_>>().join("; ")
}

#[test]
fn examples_of_what_lists_say() {
    let Some(bodies) = bodies() else { return };
    let lists = Lists::read(&bodies);
    for name in EXAMPLES {
        let Some(model) = lists.names.find(name) else {
            println!("{name}: in none");
            continue;
        };
        println!("{name}");
        for (place, (list, _)) in LISTS.iter().enumerate() {
            let sellers = &lists.lists[place].sellers;
            let how = sellers.choice(model).map(Sold::code);
            if let Some(values) = lists.says(place, model) {
                let told: Vec<String> = PRICES
                    .iter()
                    .zip(prices(&values))
                    .filter_map(|(price, usd)| Some(format!("{price} {:.4}", usd?)))
                    .collect();
                println!("  {list}: {} {how:?} {:?}", told.join(", "), values.kind());
            }
            for offer in sellers.offers(model) {
                println!(
                    "    {}: {:?}",
                    offer.seller,
                    prices(&offer.values)[..3].to_vec()
                );
            }
        }
        println!("  {:?}", choose(&lists.offers(model), None));
    }
    // One list gives the price of hearing as that of reading; two others know both apart.
    let flash = lists.names.find("gemini-2.5-flash").expect("known");
    let said: Vec<_> = (0..3)
        .map(|list| prices(&lists.says(list, flash).expect("priced")))
        .collect();
    let audio = said[2][4].expect("it has one");
    assert!(agree(said[0][0].expect("input"), audio));
    assert!(agree(
        said[1][0].expect("input"),
        said[2][0].expect("input")
    ));
    assert!(!agree(
        said[0][0].expect("input"),
        said[1][0].expect("input")
    ));
    let offers = lists.offers(flash);
    let raw: Vec<&Values> = offers.iter().map(|offer| &offer.raw).collect();
    assert!(suspicions(&Values::default(), None, &raw)[0].contains(&ReasonCode::LoneSource));
    assert!(lists.lists[2].skipped.count(SkipReason::PricedByLength) > 0);
}
