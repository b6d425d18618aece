//! Every price run can be undone.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_run::EngineError;
use lockstep_sim::Price;
use lockstep_store::prices::answers::AnswerKind;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use super::shop::{raw, shop, shop_of};
use crate::tester::{HOUR, Tester, soak};

const NAMES: [&str; 6] = ["a", "b", "c", "d/x", "gpt-5", "q \\\"uoted"];

/// An entry of each map, or none, laid out as nobody's console does.
fn maps() -> impl Strategy<Value = Vec<(Field, String)>> {
    let number = proptest::sample::select(vec!["1", "1.50", "2e0", "0.25", "3.000", "7"]);
    let expression = proptest::sample::select(vec!["p * 2 + c * 4", "tier(\\\"base\\\", p * 3)"]);
    let entry = (number, expression, 0..4_u8, 0..NAMES.len(), 0..10_usize);
    proptest::collection::vec(entry, 1..25).prop_map(|entries| {
        let mut maps: Vec<(Field, String)> = Field::ALL
            .iter()
            .map(|field| (*field, String::new()))
            .collect();
        let mut add = |place: usize, name: &str, value: &str, spaces: u8| {
            let text = &mut maps[place].1;
            let key = format!("\"{name}\"");
            if text.contains(&format!("{key} ")) {
                return;
            }
            let comma = if text.is_empty() { "" } else { "," };
            let gap = ["", " ", "\n\t", "  \n"][usize::from(spaces)];
            text.push_str(&format!("{comma}{gap}{key} :{gap}{value}"));
        };
        for (number, expression, spaces, name, place) in entries {
            let name = NAMES[name];
            if place < 8 {
                add(place, name, number, spaces);
            } else {
                add(8, name, "\"tiered_expr\"", spaces);
                add(9, name, &format!("\"{expression}\""), spaces);
            }
        }
        maps
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_gives_every_map_back_byte_for_byte() {
    let mut runner = TestRunner::new(Config::default());
    let (mut written, mut forced) = (0, 0);
    // Each of them is a gateway with its sites; `make soak` goes through more than a thousand.
    for _ in 0..20 + 60 * soak().saturating_sub(1) {
        let start = maps().new_tree(&mut runner).expect("maps").current();
        let offered = maps().new_tree(&mut runner).expect("maps").current();
        let texts: Vec<(&str, &str)> = offered
            .iter()
            .map(|(field, text)| (field.code(), text.as_str()))
            .collect();
        let served = "a,b,c,d/x,gpt-5,q \"uoted";
        let mut tester = shop_of(served, &[], &[&raw(&texts)]).await;
        for (field, text) in &start {
            let text = format!("{{{text}\n }}");
            tester.gateway.set_option(field.option_key(), &text);
        }
        tester.options_at_start = tester.gateway.options();
        let run = tester.sync_prices().await;
        let held = tester.apply_held_prices().await;
        let mut runs = vec![run];
        runs.extend(held.ok());
        for run in runs.iter().rev() {
            assert!(
                matches!(run.state, RunState::Done),
                "{:#?}\n{start:?}\n{offered:?}",
                tester.price_rows(run).await
            );
            match tester.undo_prices_of(run, None).await {
                Ok(undo) => assert_eq!(undo.state, RunState::Done),
                Err(EngineError::NothingToUndo(_)) => continue,
                Err(error) => panic!("{error}"),
            }
            written += 1;
        }
        forced += usize::from(runs.len() > 1);
        assert_eq!(
            tester.gateway.options(),
            tester.options_at_start,
            "{start:?}\n{offered:?}"
        );
        tester.done().await;
    }
    assert!(
        written > 10 && forced > 5,
        "{written} undone, {forced} forced"
    );
}

async fn three() -> Tester {
    let local = [
        Price::ratio("a", 1.0, 2.0),
        Price::ratio("b", 1.0, 2.0),
        Price::ratio("c", 1.0, 2.0),
    ];
    let list = [
        Price::ratio("a", 1.5, 3.0),
        Price::ratio("b", 1.5, 3.0),
        Price::ratio("c", 1.5, 3.0),
    ];
    shop("a,b,c", &local, &[&list]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_somebody_edited_since_is_a_conflict_and_the_others_come_back() {
    let mut tester = three().await;
    let run = tester.sync_prices().await;
    tester.edit_price("a", Field::ModelRatio, Some("9.90"));
    let undo = tester.undo_prices(&run).await;
    assert_eq!(undo.state, RunState::Partial);
    assert_eq!(tester.price_states(&undo, "a").await, [State::Moved; 2]);
    assert_eq!(
        tester.value("a", Field::ModelRatio).as_deref(),
        Some("9.90")
    );
    assert_eq!(
        tester.value("a", Field::CompletionRatio).as_deref(),
        Some("3")
    );
    for model in ["b", "c"] {
        assert_eq!(tester.price_states(&undo, model).await, [State::Applied; 2]);
        assert_eq!(tester.value(model, Field::ModelRatio).as_deref(), Some("1"));
    }
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_another_model_since_stays_and_is_no_conflict() {
    let mut tester = three().await;
    let run = tester.sync_prices().await;
    tester.edit_price("z", Field::ModelRatio, Some("9.90"));
    let undo = tester.undo_prices(&run).await;
    assert_eq!(undo.state, RunState::Done);
    assert_eq!(
        tester.value("z", Field::ModelRatio).as_deref(),
        Some("9.90")
    );
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_models_are_undone_and_the_others_stay() {
    let tester = three().await;
    let run = tester.sync_prices().await;
    let undo = tester
        .undo_prices_of(&run, Some(&["b"]))
        .await
        .expect("one");
    assert_eq!(undo.state, RunState::Done);
    assert_eq!(tester.value("b", Field::ModelRatio).as_deref(), Some("1"));
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1.5"));
    let none = tester.undo_prices_of(&run, Some(&["unknown"])).await;
    assert!(matches!(none, Err(EngineError::NothingToUndo(_))));
    // The rest can follow; what was undone already is told so, and by which run.
    let rest = tester.undo_prices(&run).await;
    assert_eq!(tester.price_states(&rest, "b").await, [State::Skipped; 2]);
    assert_eq!(
        tester.left_for(&rest, "b").await,
        Some(Reason::named(
            ReasonCode::UndoneAlready,
            vec![undo.id.clone()]
        ))
    );
    assert_eq!(tester.gateway.options(), tester.options_at_start);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_can_be_undone_and_what_is_undone_is_not_undone_again() {
    let tester = three().await;
    let run = tester.sync_prices().await;
    let written = tester.gateway.options();
    let undo = tester.undo_prices(&run).await;
    assert_eq!(tester.gateway.options(), tester.options_at_start);
    assert_eq!(undo.parent.as_deref(), Some(run.id.as_str()));
    let again = tester.undo_prices_of(&run, None).await;
    assert!(
        matches!(&again, Err(EngineError::UndoneAlready { by, .. }) if *by == undo.id),
        "{again:?}"
    );
    let back = tester.undo_prices(&undo).await;
    assert_eq!(tester.gateway.options(), written);
    let again = tester.undo_prices_of(&undo, None).await;
    assert!(
        matches!(&again, Err(EngineError::UndoneAlready { by, .. }) if *by == back.id),
        "{again:?}"
    );
    // What was written once more can be taken back once more.
    tester.undo_prices(&run).await;
    assert_eq!(tester.gateway.options(), tester.options_at_start);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_locked_or_written_by_a_later_run_stays_as_a_whole_and_says_why() {
    let tester = three().await;
    let run = tester.sync_prices().await;
    tester
        .answer_price("a", Some(Field::ModelRatio), AnswerKind::Lock)
        .await;
    let dearer = [Price::ratio("b", 2.0, 3.0), Price::ratio("c", 1.5, 3.0)];
    tester.shows("A", &dearer);
    let later = tester.sync_prices().await;
    assert_eq!(tester.value("b", Field::ModelRatio).as_deref(), Some("2"));
    let undo = tester.undo_prices(&run).await;
    assert_eq!(undo.state, RunState::Done);
    assert_eq!(tester.price_states(&undo, "a").await, [State::Skipped; 2]);
    assert_eq!(
        tester.left_for(&undo, "a").await,
        Some(Reason::plain(ReasonCode::Locked))
    );
    assert_eq!(tester.price_states(&undo, "b").await, [State::Skipped; 2]);
    assert_eq!(
        tester.left_for(&undo, "b").await,
        Some(Reason::named(ReasonCode::ChangedSince, vec![later.id]))
    );
    assert_eq!(tester.price_states(&undo, "c").await, [State::Applied; 2]);
    for (model, ratio) in [("a", "1.5"), ("b", "2"), ("c", "1")] {
        let now = tester.value(model, Field::ModelRatio);
        assert_eq!(now.as_deref(), Some(ratio), "{model}");
    }
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_never_applied_has_nothing_to_undo() {
    let tester = three().await;
    let plan = tester.plan_prices().await;
    let undo = tester.undo_prices_of(&plan, None).await;
    assert!(matches!(undo, Err(EngineError::NothingToUndo(_))));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_undone_does_not_come_back_unattended() {
    // Tripled with somebody looking, taken back, and still said by the source: a schedule must not take the tripled
    // price for the accepted one.
    let local = [Price::ratio("a", 1.0, 2.0)];
    let mut tester = shop("a", &local, &[&[Price::ratio("a", 3.0, 2.0)]]).await;
    let run = tester.sync_prices().await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Applied]);
    tester.undo_prices(&run).await;
    tester.clock.advance(2 * HOUR);
    tester.unattended = true;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "a").await,
        Some(ReasonCode::LargeRise)
    );
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1"));
    tester.done().await;
}
