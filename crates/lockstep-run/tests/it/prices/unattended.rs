//! What a schedule does not write though a person's run would.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_sim::Price;

use super::shop::{raw, shop, shop_of};
use crate::tester::{HOUR, MINUTE, Tester};

fn ratio(model: &str, ratio: f64) -> Price {
    Price::ratio(model, ratio, 2.0)
}

/// The source has said this for long enough, and nobody looks.
async fn known_for_an_hour(local: f64, lists: &[f64]) -> Tester {
    let lists: Vec<[Price; 1]> = lists.iter().map(|says| [ratio("a", *says)]).collect();
    let lists: Vec<&[Price]> = lists.iter().map(|list| list.as_slice()).collect();
    let mut tester = shop("a", &[ratio("a", local)], &lists).await;
    tester.plan_prices().await;
    tester.clock.advance(HOUR);
    tester.unattended = true;
    tester
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_fall_or_rise_waits_and_exactly_the_limit_passes() {
    for (local, says, reason) in [
        (1.0, 0.7, None),
        (1.0, 0.69, Some(ReasonCode::LargeFall)),
        (1.0, 2.0, None),
        (1.0, 2.01, Some(ReasonCode::LargeRise)),
    ] {
        let tester = known_for_an_hour(local, &[says]).await;
        let run = tester.sync_prices().await;
        assert_eq!(tester.held_for(&run, "a").await, reason, "{says}");
        assert_eq!(tester.puts(), usize::from(reason.is_none()), "{says}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_first_said_less_than_an_hour_ago_waits_and_passes_an_hour_later() {
    let mut tester = shop("a", &[ratio("a", 1.0)], &[&[ratio("a", 1.1)]]).await;
    tester.unattended = true;
    let first = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&first, "a").await,
        Some(ReasonCode::FirstSeen)
    );
    tester.clock.advance(HOUR - 1);
    let second = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&second, "a").await,
        Some(ReasonCode::FirstSeen)
    );
    // Another value is a new one.
    tester.shows("A", &[ratio("a", 1.2)]);
    tester.clock.advance(1);
    let third = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&third, "a").await,
        Some(ReasonCode::FirstSeen)
    );
    assert_eq!(tester.puts(), 0);
    tester.clock.advance(HOUR);
    let fourth = tester.sync_prices().await;
    assert_eq!(tester.price_states(&fourth, "a").await, [State::Applied]);
    assert!(tester.held_models().await.is_empty(), "it waits no more");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_against_two_others_waits() {
    let tester = known_for_an_hour(1.0, &[1.5, 1.0, 1.0]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::LoneSource)
    );
    assert_eq!(tester.puts(), 0);
    tester.done().await;
    let tester = known_for_an_hour(1.0, &[1.5, 1.5, 1.0]).await;
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied]);
    tester.done().await;
    // Three that all say something else bear nobody out. Who looks sees that, and is not asked.
    let mut tester = known_for_an_hour(1.0, &[1.5, 1.4, 1.3]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::LoneSource)
    );
    assert_eq!(tester.puts(), 0);
    tester.unattended = false;
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_changes_in_one_run_all_wait() {
    for (models, changing, held) in [(100, 20, true), (300, 20, false), (100, 19, false)] {
        let local: Vec<Price> = (0..models).map(|n| ratio(&format!("m{n}"), 1.0)).collect();
        let list: Vec<Price> = (0..models)
            .map(|n| ratio(&format!("m{n}"), if n < changing { 1.1 } else { 1.0 }))
            .collect();
        let served = crate::tester::names("m", models);
        let mut tester = shop(&served, &local, &[&list]).await;
        tester.plan_prices().await;
        tester.clock.advance(HOUR);
        tester.unattended = true;
        let run = tester.sync_prices().await;
        let reason = held.then_some(ReasonCode::PriceBrake);
        assert_eq!(
            tester.held_for(&run, "m0").await,
            reason,
            "{changing} of {models}"
        );
        assert_eq!(tester.puts(), usize::from(!held));
        // A person's yes is asked for once, and then it is written.
        if held {
            tester.unattended = false;
            let forced = tester.apply_held_prices().await.expect("a run");
            assert_eq!(forced.state, RunState::Done);
            assert_eq!(
                tester.value("m0", Field::ModelRatio).as_deref(),
                Some("1.1")
            );
            assert!(tester.held_models().await.is_empty());
        }
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_compared_with_what_bills_now_and_with_what_was_last_accepted() {
    let mut tester = known_for_an_hour(1.0, &[1.9]).await;
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied]);
    // Somebody mends it by hand. That the source still says what was once accepted is no reason to undo it unseen.
    tester.edit_price("a", Field::ModelRatio, Some("0.5"));
    tester.clock.advance(MINUTE);
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Held]);
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::LargeRise)
    );
    tester.edit_price("a", Field::ModelRatio, Some("0"));
    tester.clock.advance(MINUTE);
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::ZeroCrossing)
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_whose_cost_nobody_can_tell_is_written_only_with_somebody_looking() {
    let list = raw(&[
        ("billing_mode", "\"a\":\"tiered_expr\""),
        ("billing_expr", "\"a\":\"ceil(p * 0.1 + c)\""),
    ]);
    let mut tester = shop_of("a", &[], &[&list]).await;
    tester.plan_prices().await;
    tester.clock.advance(HOUR);
    tester.unattended = true;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::UnknownCost)
    );
    assert_eq!(tester.puts(), 0);
    tester.unattended = false;
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied; 2]);
    tester.done().await;
}
