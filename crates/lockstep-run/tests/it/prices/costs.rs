//! A price at our cost, with its formula.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::ReasonCode;
use lockstep_core::models::rule::Pattern;
use lockstep_core::prices::cost::MarkupRule;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::mode::Mode;
use lockstep_sim::{Page, Price, price};

use super::shop::{LIST, shop_of};
use crate::tester::{HOUR, Tester};

fn list(ratio: f64) -> String {
    let prices = [Price::ratio("a", 1.0, 2.0), Price::per_call("b", 0.1)];
    price::pricing_list(&prices, &[("default", 1.0), ("vip", ratio)])
}

async fn tester(rest: &str) -> Tester {
    let mut tester = shop_of("a,b", &[], &[&list(0.5)]).await;
    tester.sources.clear();
    tester.add_source("A", &format!(",endpoint={LIST}{rest}"));
    tester
}

#[tokio::test(flavor = "multi_thread")]
async fn recharge_group_and_markup_are_multiplied_and_shown() {
    let mut tester = tester(",recharge=0.5,group=vip,multiplier=1.2").await;
    tester.settings.prices.markup = vec![MarkupRule {
        pattern: Pattern::parse("b").expect("a pattern"),
        factor: 2.0,
    }];
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("0.3"));
    assert_eq!(
        tester.value("a", Field::CompletionRatio).as_deref(),
        Some("2")
    );
    assert_eq!(
        tester.value("b", Field::ModelPrice).as_deref(),
        Some("0.06")
    );
    let row = tester.price_row(&run, "a", Field::ModelRatio).await;
    let formula: Vec<(&str, f64)> = row
        .detail
        .formula
        .iter()
        .map(|(name, number)| (name.as_str(), *number))
        .collect();
    let told = |name: &str| formula.iter().find(|(is, _)| *is == name).expect("one").1;
    assert!((told("price") - 2.0).abs() < 1e-9);
    assert!((told("recharge") - 0.5).abs() < 1e-9);
    assert!((told("group") - 0.5).abs() < 1e-9);
    assert!((told("markup") - 1.2).abs() < 1e-9);
    assert!((told("result") - 0.6).abs() < 1e-9);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_ratio_that_changes_at_the_source_is_a_new_price() {
    let mut tester = tester(",group=vip").await;
    tester.sync_prices().await;
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("0.5"));
    tester.clock.advance(HOUR);
    let page = Page::json(list(0.6));
    tester.gateway.provider("A").set_page(LIST, page);
    tester.unattended = true;
    tester.settings.prices.scope.mode = Mode::Update;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::FirstSeen)
    );
    tester.clock.advance(HOUR);
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied]);
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("0.6"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_which_the_source_says_nothing_makes_no_price() {
    let tester = tester(",group=unknown").await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::UnknownGroup)
    );
    // The source tells it too, so that it is seen where nothing is held by it.
    let skipped = tester.run_source(&run, "A").await.skipped;
    let group = ("unknown_group".to_owned(), 1, vec!["unknown".to_owned()]);
    assert_eq!(skipped, [group]);
    let forced = tester.apply_held_prices().await.expect("a run");
    assert_eq!(tester.price_states(&forced, "a").await, [State::Held]);
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_group_is_misspelt_stands_behind_those_that_can_be_reckoned() {
    let second = price::official(&[Price::ratio("a", 1.1, 2.0)]);
    let mut tester = shop_of("a,b", &[], &[&list(0.5), &second]).await;
    tester.sources[0].push_str(",group=vipp");
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied; 2]);
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1.1"));
    // Of what only that source has, its group is what is wrong.
    assert_eq!(
        tester.held_for(&run, "b").await,
        Some(ReasonCode::UnknownGroup)
    );
    tester.done().await;
}
