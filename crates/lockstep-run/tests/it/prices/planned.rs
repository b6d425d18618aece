//! What a price plan takes, and from whom.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::mode::Mode;
use lockstep_sim::{Price, price};

use super::shop::{raw, shop, shop_of};
use crate::tester::MINUTE;

#[tokio::test(flavor = "multi_thread")]
async fn by_default_only_served_models_without_a_price_get_one() {
    let local = [Price::ratio("a", 1.0, 2.0)];
    let list = [
        Price::ratio("a", 3.0, 2.0),
        Price::ratio("b", 0.5, 4.0).cache_read(0.1),
        Price::per_call("c", 0.04),
        Price::ratio("unserved", 1.0, 1.0),
    ];
    let mut tester = shop("a,b,c,d", &local, &[&list]).await;
    tester.settings.prices.scope.mode = Mode::Add;
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1"));
    assert_eq!(tester.value("b", Field::ModelRatio).as_deref(), Some("0.5"));
    assert_eq!(tester.value("b", Field::CacheRatio).as_deref(), Some("0.1"));
    assert_eq!(
        tester.value("c", Field::ModelPrice).as_deref(),
        Some("0.04")
    );
    assert_eq!(tester.value("unserved", Field::ModelRatio), None);
    let without = tester.price_row(&run, "d", Field::ModelRatio).await;
    assert_eq!(without.skip.map(|why| why.code), Some(ReasonCode::NoSource));
    let models: Vec<String> = tester
        .price_rows(&run)
        .await
        .into_iter()
        .map(|row| row.model)
        .collect();
    assert!(!models.contains(&"a".to_owned()), "{models:?}");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn update_takes_priced_models_both_takes_all_and_all_models_the_unserved_too() {
    for (mode, all_models, changed) in [
        (Mode::Update, false, vec!["a"]),
        (Mode::Both, false, vec!["a", "b"]),
        (Mode::Add, true, vec!["b", "new"]),
        (Mode::Both, true, vec!["a", "b", "new", "old"]),
    ] {
        let local = [Price::ratio("a", 1.0, 2.0), Price::ratio("old", 1.0, 2.0)];
        let list = [
            Price::ratio("a", 1.5, 2.0),
            Price::ratio("b", 1.5, 2.0),
            Price::ratio("new", 1.5, 2.0),
            Price::ratio("old", 1.5, 2.0),
        ];
        let mut tester = shop("a,b", &local, &[&list]).await;
        tester.settings.prices.scope.mode = mode;
        tester.settings.prices.scope.all_models = all_models;
        let run = tester.sync_prices().await;
        let mut applied: Vec<String> = tester
            .price_rows(&run)
            .await
            .into_iter()
            .filter(|row| row.state == State::Applied)
            .map(|row| row.model)
            .collect();
        applied.dedup();
        assert_eq!(applied, changed, "{mode:?} {all_models}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_says_the_same_in_other_words_gives_no_write() {
    let local = [Price::ratio("a", 1.5, 2.0), Price::per_call("b", 0.5)];
    let list = raw(&[
        ("model_ratio", "\"a\":1.50"),
        ("completion_ratio", "\"a\":2e0"),
        ("model_price", "\"b\":0.500"),
    ]);
    let tester = shop_of("a,b", &local, &[&list]).await;
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    for model in ["a", "b"] {
        assert_eq!(tester.price_states(&run, model).await, [State::Same]);
    }
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_texts_of_numbers_are_kept_as_the_source_writes_them() {
    let list = raw(&[
        ("model_ratio", "\"a\":1.50,\"b\":1e-3"),
        ("completion_ratio", "\"a\":4.0,\"b\":3"),
    ]);
    let mut tester = shop_of("a,b", &[], &[&list]).await;
    let before = "{ \"z\" : 0.10 ,\n\n \"y\":7.00}";
    tester.gateway.set_option("ModelRatio", before);
    tester.options_at_start = tester.gateway.options();
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(
        tester.value("a", Field::ModelRatio).as_deref(),
        Some("1.50")
    );
    assert_eq!(
        tester.value("b", Field::ModelRatio).as_deref(),
        Some("1e-3")
    );
    assert_eq!(
        tester.value("a", Field::CompletionRatio).as_deref(),
        Some("4.0")
    );
    let text = tester.map(Field::ModelRatio);
    assert!(
        text.starts_with("{ \"z\" : 0.10 ,\n\n \"y\":7.00"),
        "{text}"
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_source_with_a_price_wins_and_the_others_are_shown() {
    let first = [Price::ratio("a", 2.0, 2.0)];
    let second = [Price::ratio("a", 3.0, 2.0), Price::ratio("b", 4.0, 1.0)];
    let tester = shop("a,b", &[], &[&first, &second]).await;
    let run = tester.sync_prices().await;
    let a = tester.price_row(&run, "a", Field::ModelRatio).await;
    assert_eq!(
        (a.source.as_deref(), a.new.as_deref()),
        (Some("A"), Some("2"))
    );
    assert_eq!(a.detail.others, [("B".to_owned(), "3".to_owned())]);
    let b = tester.price_row(&run, "b", Field::ModelRatio).await;
    assert_eq!(
        (b.source.as_deref(), b.new.as_deref()),
        (Some("B"), Some("4"))
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_who_disagree_hold_the_model_and_are_all_shown() {
    let sellers = [
        ("one", vec![Price::tokens("m", 1.0, 2.0)]),
        ("two", vec![Price::tokens("m", 2.0, 4.0)]),
    ];
    let list = price::models_dev(&sellers);
    let tester = shop_of("m", &[], &[&list]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "m").await,
        Some(ReasonCode::NoMajority)
    );
    let row = tester.price_row(&run, "m", Field::ModelRatio).await;
    let told = row.hold.expect("a hold").names;
    assert_eq!(told, ["one", "two"]);
    assert_eq!(tester.puts(), 0);
    // Nobody's yes makes a price of two.
    tester.clock.advance(MINUTE);
    let held = tester.apply_held_prices().await.expect("a run");
    assert_eq!(tester.price_states(&held, "m").await, [State::Held]);
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_ratio_that_the_gateway_ignores_is_told_and_not_written() {
    let local = [Price::ratio("gpt-5", 0.625, 8.0)];
    let list = [Price::ratio("gpt-5", 1.0, 4.0)];
    let tester = shop("gpt-5", &local, &[&list]).await;
    let run = tester.sync_prices().await;
    let row = tester
        .price_row(&run, "gpt-5", Field::CompletionRatio)
        .await;
    assert_eq!(row.state, State::Skipped);
    assert_eq!(
        row.skip.map(|why| why.code),
        Some(ReasonCode::LockedCompletion)
    );
    assert_eq!(
        tester.value("gpt-5", Field::ModelRatio).as_deref(),
        Some("1")
    );
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_only_alike_is_proposed_and_held() {
    let list = [Price::ratio("vendor/m-1", 1.0, 2.0)];
    let tester = shop("m-1", &[], &[&list]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "m-1").await,
        Some(ReasonCode::NameMatch)
    );
    let row = tester.price_row(&run, "m-1", Field::ModelRatio).await;
    assert_eq!(row.new.as_deref(), Some("1"));
    assert_eq!(tester.puts(), 0);
    let held = tester.apply_held_prices().await.expect("a run");
    assert_eq!(held.state, RunState::Done);
    assert_eq!(tester.value("m-1", Field::ModelRatio).as_deref(), Some("1"));
    assert!(tester.held_models().await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_gateway_looks_up_under_another_key_is_priced_there() {
    let list = [Price::ratio("gpt-4-gizmo-*", 15.0, 2.0)];
    let tester = shop("gpt-4-gizmo-abc", &[], &[&list]).await;
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(
        tester.value("gpt-4-gizmo-*", Field::ModelRatio).as_deref(),
        Some("15"),
        "{:#?}",
        tester.price_rows(&run).await
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_to_an_expression_and_back_never_leaves_a_mode_without_one() {
    let expression = "tier(\"base\", p * 2 + c * 4)";
    let local = [Price::ratio("a", 1.0, 2.0), Price::per_call("b", 0.5)];
    let list = [
        Price::expression("a", expression),
        Price::expression("b", expression),
        Price::expression("c", expression),
    ];
    let tester = shop("a,b,c", &local, &[&list]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::KindChange)
    );
    assert_eq!(
        tester.value("c", Field::BillingMode).as_deref(),
        Some("\"tiered_expr\"")
    );
    let forced = tester.apply_held_prices().await.expect("a run");
    assert_eq!(forced.state, RunState::Done);
    for model in ["a", "b"] {
        assert!(tester.value(model, Field::BillingExpr).is_some());
        assert!(tester.value(model, Field::BillingMode).is_some());
    }
    tester.shows(
        "A",
        &[Price::ratio("a", 1.0, 2.0), Price::per_call("b", 0.5)],
    );
    tester.sync_prices().await;
    let back = tester.apply_held_prices().await.expect("a run");
    assert_eq!(back.state, RunState::Done);
    for model in ["a", "b"] {
        assert_eq!(tester.value(model, Field::BillingExpr), None);
        assert_eq!(tester.value(model, Field::BillingMode), None);
    }
    tester.undo_prices(&back).await;
    tester.undo_prices(&forced).await;
    tester.undo_prices(&run).await;
    assert_eq!(tester.gateway.options(), tester.options_at_start);
    tester.done().await;
}
