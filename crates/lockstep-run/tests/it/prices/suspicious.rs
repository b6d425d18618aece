//! No absurd price is written unasked.

use lockstep_core::change::State;
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_sim::Price;

use super::shop::{raw, shop, shop_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_no_price_is_not_written_whoever_approves_it() {
    for (what, value) in [
        ("a text", "\"15\""),
        ("infinite", "1e999"),
        ("null", "null"),
        ("negative", "-1"),
        ("an empty text", "\"\""),
    ] {
        let list = raw(&[
            ("model_ratio", &format!("\"a\":{value},\"b\":2")),
            ("completion_ratio", "\"a\":2,\"b\":2"),
        ]);
        let local = [Price::ratio("a", 1.0, 2.0), Price::ratio("b", 2.0, 2.0)];
        let tester = shop_of("a,b", &local, &[&list]).await;
        tester.sync_prices().await;
        let _ = tester.apply_held_prices().await;
        assert_eq!(tester.puts(), 0, "{what}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absurd_price_is_held_with_its_reason_and_nothing_is_written() {
    let one = Price::ratio("a", 1.0, 2.0);
    for (what, local, list, reason) in [
        ("x1000", Some(one.clone()), "1000", ReasonCode::UnitSlip),
        (
            "the placeholder",
            Some(one.clone()),
            "37.5",
            ReasonCode::Placeholder,
        ),
        (
            "the placeholder for none",
            None,
            "37.5",
            ReasonCode::Placeholder,
        ),
        ("to zero", Some(one.clone()), "0", ReasonCode::ZeroCrossing),
        (
            "to minus zero",
            Some(one.clone()),
            "-0",
            ReasonCode::Negative,
        ),
        (
            "from zero",
            Some(Price::ratio("a", 0.0, 2.0)),
            "1",
            ReasonCode::ZeroCrossing,
        ),
        ("x11", Some(one.clone()), "11", ReasonCode::Tenfold),
    ] {
        let completion = if what == "the placeholder" { 1 } else { 2 };
        let list = raw(&[
            ("model_ratio", &format!("\"a\":{list}")),
            ("completion_ratio", &format!("\"a\":{completion}")),
        ]);
        let local: Vec<Price> = local.into_iter().collect();
        let tester = shop_of("a", &local, &[&list]).await;
        let run = tester.sync_prices().await;
        assert_eq!(tester.held_for(&run, "a").await, Some(reason), "{what}");
        assert_eq!(tester.puts(), 0, "{what}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_next_to_nothing_is_held() {
    let list = raw(&[
        ("model_ratio", "\"a\":1e-320"),
        ("completion_ratio", "\"a\":2"),
    ]);
    let tester = shop_of("a", &[Price::ratio("a", 1.0, 2.0)], &[&list]).await;
    let run = tester.sync_prices().await;
    assert!(tester.held_for(&run, "a").await.is_some());
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_kind_of_billing_is_held_until_somebody_says_yes() {
    let local = [Price::ratio("a", 1.0, 2.0).cache_read(1.0)];
    let tester = shop("a", &local, &[&[Price::per_call("a", 0.05)]]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::KindChange)
    );
    assert_eq!(tester.puts(), 0);
    let forced = tester.apply_held_prices().await.expect("a run");
    assert_eq!(tester.price_states(&forced, "a").await, [State::Applied; 4]);
    assert_eq!(
        tester.value("a", Field::ModelPrice).as_deref(),
        Some("0.05")
    );
    assert_eq!(tester.value("a", Field::ModelRatio), None);
    tester.undo_prices(&forced).await;
    assert_eq!(tester.gateway.options(), tester.options_at_start);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_of_an_unknown_grammar_is_held_whoever_approves_it() {
    let list = raw(&[
        ("billing_mode", "\"a\":\"tiered_expr\""),
        ("billing_expr", "\"a\":\"launch(missiles)\""),
    ]);
    let tester = shop_of("a", &[], &[&list]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::UnknownExpression)
    );
    let forced = tester.apply_held_prices().await.expect("a run");
    assert!(
        tester
            .price_states(&forced, "a")
            .await
            .iter()
            .all(|s| *s == State::Held)
    );
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

/// A list that bills `a` by this expression.
fn tiered(expression: &str) -> String {
    raw(&[
        ("billing_mode", "\"a\":\"tiered_expr\""),
        ("billing_expr", &format!("\"a\":\"{expression}\"")),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_pays_somebody_is_not_written_whoever_approves_it() {
    for expression in [
        "tier(\\\"x\\\", p * -5 + c * 8)",
        "p * 2 - 5000000",
        "p * 2 + c * 8 - cr * 3",
    ] {
        let tester = shop_of("a", &[], &[&tiered(expression)]).await;
        let run = tester.sync_prices().await;
        assert_eq!(
            tester.held_for(&run, "a").await,
            Some(ReasonCode::Negative),
            "{expression}"
        );
        let forced = tester.apply_held_prices().await.expect("a run");
        let states = tester.price_states(&forced, "a").await;
        assert!(states.iter().all(|state| *state == State::Held));
        assert_eq!(tester.puts(), 0, "{expression}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_is_dearer_cheaper_or_untold_somewhere_waits_for_a_yes() {
    for (expression, reason) in [
        ("p * 2 + c * 8 + ai * 2000", ReasonCode::UnitSlip),
        (
            "(p * 2 + c * 8) * (hour(\\\"UTC\\\") >= 0 ? 0 : 1)",
            ReasonCode::ZeroCrossing,
        ),
        ("p * 2 + c * min(c, 8)", ReasonCode::UnknownCost),
    ] {
        let mut tester = shop_of("a", &[], &[&tiered(expression)]).await;
        let mode = "{\"a\":\"tiered_expr\"}";
        let flat = "{\"a\":\"p * 2 + c * 8\"}";
        let (mode_key, expr_key) = (Field::BillingMode, Field::BillingExpr);
        tester.gateway.set_option(mode_key.option_key(), mode);
        tester.gateway.set_option(expr_key.option_key(), flat);
        tester.options_at_start = tester.gateway.options();
        let run = tester.sync_prices().await;
        assert_eq!(
            tester.held_for(&run, "a").await,
            Some(reason),
            "{expression}"
        );
        assert_eq!(tester.puts(), 0, "{expression}");
        let forced = tester.apply_held_prices().await.expect("a run");
        assert_eq!(tester.price_states(&forced, "a").await, [State::Applied]);
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_multiple_that_makes_something_free_or_far_too_dear_is_held() {
    for (field, value, reason) in [
        ("cache_ratio", "0", ReasonCode::ZeroCrossing),
        ("image_ratio", "0", ReasonCode::ZeroCrossing),
        ("create_cache_ratio", "400", ReasonCode::UnitSlip),
        ("create_cache_ratio", "40", ReasonCode::Tenfold),
    ] {
        let list = raw(&[
            ("model_ratio", "\"a\":1"),
            ("completion_ratio", "\"a\":2"),
            (field, &format!("\"a\":{value}")),
        ]);
        let tester = shop_of("a", &[Price::ratio("a", 1.0, 2.0)], &[&list]).await;
        let run = tester.sync_prices().await;
        assert_eq!(tester.held_for(&run, "a").await, Some(reason), "{field}");
        assert_eq!(tester.puts(), 0, "{field}");
        tester.done().await;
    }
    let list = raw(&[("model_ratio", "\"a\":1"), ("cache_ratio", "\"a\":0.1")]);
    let tester = shop_of("a", &[Price::ratio("a", 1.0, 2.0)], &[&list]).await;
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_number_holds_all_changes_of_its_map() {
    let list = [Price::ratio("a", 2.0, 2.0), Price::per_call("b", 0.5)];
    let mut tester = shop("a,b", &[Price::ratio("a", 1.0, 2.0)], &[&list]).await;
    tester
        .gateway
        .set_option("ModelRatio", "{\"a\":1,\"other\":\"15\"}");
    tester.options_at_start = tester.gateway.options();
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::UnwritableMap)
    );
    assert_eq!(tester.price_states(&run, "b").await, [State::Applied]);
    let forced = tester.apply_held_prices().await.expect("a run");
    assert_eq!(tester.price_states(&forced, "a").await, [State::Held]);
    assert_eq!(tester.map(Field::ModelRatio), "{\"a\":1,\"other\":\"15\"}");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_own_entry_that_is_no_number_is_mended() {
    let mut tester = shop("a", &[], &[&[Price::ratio("a", 2.0, 2.0)]]).await;
    tester
        .gateway
        .set_option("ModelRatio", "{\"a\":\"15\",\"other\":1}");
    tester.options_at_start = tester.gateway.options();
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied; 2]);
    assert_eq!(tester.map(Field::ModelRatio), "{\"a\":2,\"other\":1}");
    tester.done().await;
}
