//! You get exactly what you saw: plans that are no longer what was shown are refused.

use lockstep_core::change::{RunState, State};
use lockstep_core::prices::field::Field;
use lockstep_run::EngineError;
use lockstep_sim::Price;
use lockstep_store::prices::answers::AnswerKind;
use lockstep_store::sites::SiteEdit;

use super::shop::{approval, shop};
use crate::tester::{DAY, Tester};

async fn tester() -> Tester {
    let local = [Price::ratio("a", 1.0, 2.0), Price::ratio("b", 1.0, 2.0)];
    let list = [Price::ratio("a", 1.5, 3.0), Price::ratio("b", 1.2, 2.0)];
    shop("a,b", &local, &[&list]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_lives_a_day() {
    for (age, lives) in [(DAY, true), (DAY + 1, false)] {
        let tester = tester().await;
        let plan = tester.plan_prices().await;
        tester.clock.advance(age);
        let applied = tester.try_apply_prices(&plan).await;
        if lives {
            assert_eq!(applied.expect("a run").state, RunState::Done);
        } else {
            assert!(matches!(applied, Err(EngineError::Expired(_))));
            assert_eq!(tester.puts(), 0);
        }
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_refused_when_what_it_rests_on_changed() {
    for what in ["a source", "an answer", "a setting", "a row"] {
        let tester = tester().await;
        let plan = tester.plan_prices().await;
        let store = tester.store();
        match what {
            "a source" => {
                let added = store.add_source(&tester.site, "B", "official").await;
                added.expect("stored");
            }
            "an answer" => tester.answer_price("a", None, AnswerKind::Lock).await,
            "a setting" => {
                let edit = SiteEdit {
                    settings: Some([("price-mode".to_owned(), Some("update".to_owned()))].into()),
                    ..SiteEdit::default()
                };
                store.edit_site(&tester.site, edit).await.expect("stored");
            }
            _ => {
                tester
                    .sql("UPDATE price_change SET new_value = '7' WHERE model = 'a'")
                    .await;
            }
        }
        let applied = tester.try_apply_prices(&plan).await;
        let refused = matches!(
            applied,
            Err(EngineError::PolicyChanged(_) | EngineError::PlanChanged(_))
        );
        assert!(refused, "{what}: {applied:?}");
        assert_eq!(tester.puts(), 0, "{what}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_chosen_models_are_written() {
    let tester = tester().await;
    let plan = tester.plan_prices().await;
    let session = tester.session().await;
    let unknown = approval(Some(&["unknown"]));
    let refused = session
        .write_prices(&plan.id, &unknown, &tester.watch)
        .await;
    assert!(matches!(refused, Err(EngineError::NothingReady(_))));
    let chosen = approval(Some(&["b"]));
    let run = session
        .write_prices(&plan.id, &chosen, &tester.watch)
        .await
        .expect("a run");
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.price_states(&run, "a").await, [State::Dropped; 2]);
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1"));
    assert_eq!(tester.value("b", Field::ModelRatio).as_deref(), Some("1.2"));
    let twice = tester.try_apply_prices(&run).await;
    assert!(matches!(twice, Err(EngineError::NotPlanned { .. })));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_and_looking_write_nothing() {
    let tester = tester().await;
    tester.plan_prices().await;
    let run = tester.plan_prices().await;
    assert_eq!(run.state, RunState::Planned);
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_price_older_than_a_day_is_not_written() {
    let tester = shop(
        "a",
        &[Price::ratio("a", 1.0, 2.0)],
        &[&[Price::ratio("a", 50.0, 2.0)]],
    )
    .await;
    tester.sync_prices().await;
    tester.clock.advance(DAY + 1);
    let refused = tester.apply_held_prices().await;
    assert!(
        matches!(refused, Err(EngineError::Expired(_))),
        "{refused:?}"
    );
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}
