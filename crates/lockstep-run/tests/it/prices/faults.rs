//! Anything may go wrong with any request: the oracle has the last word.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_core::prices::field::Field;
use lockstep_sim::spec::SplitMix;
use lockstep_sim::{Edit, Fault, Matcher, Price, Rule, When};

use tokio::task::JoinSet;

use super::shop::{shop, with_entry};
use crate::tester::soak;

fn fault(random: &mut SplitMix) -> Fault {
    let faults = [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(404),
        Fault::FirewallPage,
        Fault::too_many("1"),
        Fault::Unavailable { retry_after: None },
        Fault::Refused("no".to_owned()),
        Fault::RefusedAfterApply("no".to_owned()),
        Fault::Html,
        Fault::Empty,
        Fault::EmptyObject,
        Fault::NullData,
        Fault::HalfJson,
        Fault::InvalidUtf8,
        Fault::DuplicateKeys,
        Fault::ResetBeforeApply,
        Fault::ResetMidReply,
        Fault::ResetAfterApply,
        Fault::ContentLengthTooLong,
        Fault::ChunkedWithoutEnd,
        Fault::Lie,
        Fault::Ignore,
        Fault::StaleReads(Duration::from_millis(200)),
    ];
    faults[random.below(faults.len())].clone()
}

fn prices(random: &mut SplitMix) -> Vec<Price> {
    let mut prices = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let ratio = [0.5, 1.0, 1.5, 3.0][random.below(4)];
        prices.extend(match random.below(6) {
            0 => None,
            1 => Some(Price::per_call(name, ratio)),
            2 => Some(Price::expression(name, "tier(\"base\", p * 2 + c * 4)")),
            3 => Some(Price::ratio(name, ratio, 2.0).cache_read(ratio)),
            _ => Some(Price::ratio(name, ratio, [1.0, 2.0, 4.0][random.below(3)])),
        });
    }
    prices
}

/// Plans, and applies while things go wrong; gives how the run ended.
async fn one(seed: u64) -> &'static str {
    let mut random = SplitMix::new(seed);
    let (local, list) = (prices(&mut random), prices(&mut random));
    let mut tester = shop("a,b,c,d,e", &local, &[&list]).await;
    tester.settings.max_retries = u32::from(random.below(2) == 0);
    let plan = tester.plan_prices().await;
    if random.below(3) == 0 {
        tester.expect.other_admin = true;
        let z = ("z".to_owned(), Field::ModelRatio);
        tester.expect.lost.insert(z);
        let edit = Edit::option_with("ModelRatio", |text| with_entry(text, "z", Some("9")));
        let k = 1 + random.below(12);
        tester
            .gateway
            .edit_at(Matcher::any(), k, When::BeforeApply, edit);
    }
    for _ in 0..=random.below(2) {
        let (skip, times) = (random.below(6), 1 + random.below(2));
        let matcher = match random.below(3) {
            0 => Matcher::get("/api/"),
            _ => Matcher::put("/api/option/"),
        };
        let rule = Rule::once(matcher, fault(&mut random)).after(skip);
        tester.gateway.fault(rule.times(times));
    }
    let run = tester.apply_prices(&plan).await;
    tester.gateway.clear_faults();
    tester.gateway.clear_triggers();
    tester.look().await;
    // Whatever is left to do is done by the next runs.
    let _ = tester.apply_held_prices().await;
    let next = tester.sync_prices().await;
    assert_eq!(next.state, RunState::Done, "seed {seed}");
    tester.done().await;
    run.state.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_journal_is_true_and_no_price_is_half_written() {
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let seeds: Vec<u64> = (0..30 * u64::from(soak())).collect();
    // Most of the time is waiting for what does not become visible.
    for some in seeds.chunks(15) {
        let mut tasks = JoinSet::new();
        for seed in some {
            tasks.spawn(one(*seed));
        }
        for end in tasks.join_all().await {
            *ends.entry(end).or_default() += 1;
        }
    }
    assert!(ends.len() >= 3, "{ends:?}");
}
