//! Remembered answers: locks, ignored models, ways of billing, and "keep until it changes".

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Kind;
use lockstep_sim::Price;
use lockstep_store::prices::answers::AnswerKind;
use lockstep_store::prices::held_digest;

use super::shop::shop;
use crate::tester::DAY;

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_model_and_a_locked_field_stay_and_an_ignored_model_is_not_compared() {
    let names = ["a", "b", "c"];
    let local = names.map(|name| Price::ratio(name, 1.0, 2.0));
    let list = names.map(|name| Price::ratio(name, 1.5, 3.0));
    let tester = shop("a,b,c", &local, &[&list]).await;
    tester.answer_price("a", None, AnswerKind::Lock).await;
    let completion = Some(Field::CompletionRatio);
    tester.answer_price("b", completion, AnswerKind::Lock).await;
    tester.answer_price("c", None, AnswerKind::Ignore).await;
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    let a = tester.price_row(&run, "a", Field::ModelRatio).await;
    assert_eq!(a.skip.map(|why| why.code), Some(ReasonCode::Locked));
    assert_eq!(a.new.as_deref(), Some("1.5"), "it is still compared");
    assert_eq!(
        tester.price_states(&run, "b").await,
        [State::Applied, State::Skipped]
    );
    let c = tester.price_row(&run, "c", Field::ModelRatio).await;
    assert_eq!(c.skip.map(|why| why.code), Some(ReasonCode::Ignored));
    assert_eq!(c.new, None);
    assert_eq!(
        tester.value("b", Field::CompletionRatio).as_deref(),
        Some("2")
    );
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_way_of_billing_is_kept_or_taken_without_asking() {
    let local = [Price::ratio("a", 1.0, 2.0), Price::ratio("b", 1.0, 2.0)];
    let list = [Price::per_call("a", 0.1), Price::per_call("b", 0.1)];
    let tester = shop("a,b", &local, &[&list]).await;
    let keep = AnswerKind::KeepKind(Kind::PerToken);
    tester.answer_price("a", None, keep).await;
    let take = AnswerKind::KeepKind(Kind::PerCall);
    tester.answer_price("b", None, take).await;
    let run = tester.sync_prices().await;
    let a = tester.price_row(&run, "a", Field::ModelRatio).await;
    assert_eq!(a.skip.map(|why| why.code), Some(ReasonCode::KindChange));
    assert_eq!(tester.value("b", Field::ModelPrice).as_deref(), Some("0.1"));
    assert_eq!(tester.value("b", Field::ModelRatio), None);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_until_it_changes_is_silent_until_it_changes() {
    let local = [Price::ratio("a", 1.0, 2.0)];
    let tester = shop("a", &local, &[&[Price::ratio("a", 50.0, 2.0)]]).await;
    let run = tester.sync_prices().await;
    assert_eq!(tester.held_for(&run, "a").await, Some(ReasonCode::Tenfold));
    let digest = held_digest(&tester.price_rows(&run).await).expect("a digest");
    tester
        .answer_price("a", None, AnswerKind::Keep(digest))
        .await;
    let silent = tester.sync_prices().await;
    assert_eq!(tester.price_states(&silent, "a").await, [State::Same]);
    assert!(tester.held_models().await.is_empty());
    tester.clock.advance(DAY);
    tester.shows("A", &[Price::ratio("a", 51.0, 2.0)]);
    let loud = tester.sync_prices().await;
    assert_eq!(tester.held_for(&loud, "a").await, Some(ReasonCode::Tenfold));
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_is_allowed_holds_this_model_no_more() {
    let local = [Price::ratio("a", 1.0, 2.0), Price::ratio("b", 1.0, 2.0)];
    let list = [Price::ratio("a", 50.0, 2.0), Price::ratio("b", 50.0, 2.0)];
    let tester = shop("a,b", &local, &[&list]).await;
    let allow = AnswerKind::Allow(ReasonCode::Tenfold);
    tester.answer_price("a", None, allow).await;
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied]);
    assert_eq!(tester.held_for(&run, "b").await, Some(ReasonCode::Tenfold));
    tester.done().await;
}
