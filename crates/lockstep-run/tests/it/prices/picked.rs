//! Values that a person chose: just those are planned, whatever the run would touch by itself.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::mode::Mode;
use lockstep_run::prices::chosen::{Picked, Picks};
use lockstep_run::prices::plan::{PriceRequest, What};
use lockstep_sim::Price;
use lockstep_store::runs::Run;

use super::shop::shop;
use crate::tester::Tester;

/// Two sources of which the first is preferred; only models without a price would be touched.
async fn tester() -> Tester {
    let local = [Price::ratio("a", 1.0, 2.0), Price::ratio("b", 1.0, 2.0)];
    let first = [Price::ratio("a", 1.5, 3.0), Price::per_call("b", 0.5)];
    let second = [Price::ratio("a", 1.8, 4.0), Price::ratio("b", 90.0, 2.0)];
    let mut tester = shop("a,b", &local, &[&first, &second]).await;
    tester.settings.prices.scope.mode = Mode::Add;
    // The lists are fetched and kept, as they are for whoever looks.
    let run = tester.plan_prices().await;
    assert_eq!(run.state, RunState::Planned);
    tester
}

async fn plan(tester: &Tester, model: &str, fields: &[(Field, &str)], approved: bool) -> Run {
    let fields = fields.iter();
    let picked = Picked {
        fields: fields
            .map(|(field, source)| (*field, (*source).to_owned()))
            .collect(),
        approved,
    };
    let request = PriceRequest {
        whole: false,
        what: What::Picked(Picks::from([(model.to_owned(), picked)])),
        trigger: "review",
        ..tester.price_request(false)
    };
    let session = tester.session().await;
    let run = session.plan_prices(&request, &tester.watch).await;
    run.expect("a plan")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_value_of_the_source_that_was_chosen_is_written_and_nothing_else() {
    let tester = tester().await;
    let run = plan(&tester, "a", &[(Field::CompletionRatio, "B")], false).await;
    let rows = tester.price_rows(&run).await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0].source.as_deref(), Some("B"));
    assert_eq!(tester.apply_prices(&run).await.state, RunState::Done);
    let now = |field| tester.value("a", field);
    assert_eq!(now(Field::CompletionRatio).as_deref(), Some("4"));
    assert_eq!(now(Field::ModelRatio).as_deref(), Some("1"));
    assert_eq!(tester.value("b", Field::ModelPrice), None);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_wrong_is_held_until_it_is_wanted_all_the_same_and_then_waits_for_nobody() {
    let tester = tester().await;
    for (field, source, reason) in [
        (Field::ModelRatio, "B", ReasonCode::Tenfold),
        (Field::ModelPrice, "A", ReasonCode::KindChange),
    ] {
        let run = plan(&tester, "b", &[(field, source)], false).await;
        assert_eq!(tester.held_for(&run, "b").await, Some(reason));
        assert!(tester.held_models().await.is_empty());
    }
    let run = plan(&tester, "b", &[(Field::ModelPrice, "A")], true).await;
    assert_eq!(tester.apply_prices(&run).await.state, RunState::Done);
    assert_eq!(tester.value("b", Field::ModelPrice).as_deref(), Some("0.5"));
    assert_eq!(tester.value("b", Field::ModelRatio), None);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_moved_since_it_was_chosen_is_not_written() {
    let mut tester = tester().await;
    let run = plan(&tester, "a", &[(Field::CompletionRatio, "B")], false).await;
    tester.edit_price("a", Field::ModelRatio, Some("7"));
    let run = tester.apply_prices(&run).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(tester.price_states(&run, "a").await, [State::Moved]);
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("7"));
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_are_those_that_were_looked_at() {
    let tester = tester().await;
    tester.shows("B", &[Price::ratio("a", 50.0, 50.0)]);
    let run = plan(&tester, "a", &[(Field::CompletionRatio, "B")], false).await;
    let row = tester.price_row(&run, "a", Field::CompletionRatio).await;
    assert_eq!(row.new.as_deref(), Some("4"));
    tester.done().await;
}
