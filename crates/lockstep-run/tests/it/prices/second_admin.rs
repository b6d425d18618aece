//! Somebody else edits prices while a run is under way: nobody's edit is lost unseen.

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind;
use lockstep_core::prices::field::Field;
use lockstep_sim::{Edit, Fault, Matcher, Price, Rule, When};
use lockstep_store::runs::Run;

use lockstep_run::prices::review::PriceApproval;

use super::shop::{approval, shop, with_entry};
use crate::tester::Tester;

fn put() -> Matcher {
    Matcher::put("/api/option/")
}

/// Two models change in two maps; `z` is somebody else's.
async fn tester() -> Tester {
    let local = [
        Price::ratio("a", 1.0, 2.0),
        Price::ratio("b", 1.0, 2.0),
        Price::ratio("z", 1.0, 2.0),
    ];
    let list = [Price::ratio("a", 1.5, 3.0), Price::ratio("b", 1.2, 2.0)];
    let mut tester = shop("a,b", &local, &[&list]).await;
    tester.expect.other_admin = true;
    tester
}

fn edit(model: &'static str, field: Field, value: &'static str) -> Edit {
    Edit::option_with(field.option_key(), move |text| {
        with_entry(text, model, Some(value))
    })
}

async fn others(tester: &Tester, run: &Run, field: Field) -> u64 {
    tester.image(run, field).await.others
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_another_model_at_any_request_is_kept_or_told_with_both_texts() {
    let requests = {
        let tester = tester().await;
        tester.sync_prices().await;
        let requests = tester.requests();
        tester.done().await;
        requests
    };
    let mut kept = 0;
    let mut told = 0;
    for when in [When::BeforeApply, When::AfterApply] {
        for k in 1..=requests {
            let mut tester = tester().await;
            let edited = edit("z", Field::ModelRatio, "7.70");
            tester.gateway.edit_at(Matcher::any(), k, when, edited);
            // Whether this falls into the gap is not for the oracle to know; the test tells.
            tester
                .expect
                .lost
                .insert(("z".to_owned(), Field::ModelRatio));
            let run = tester.sync_prices().await;
            assert_eq!(run.state, RunState::Done, "{when:?} {k}");
            for (model, ratio) in [("a", "1.5"), ("b", "1.2")] {
                let now = tester.value(model, Field::ModelRatio);
                assert_eq!(now.as_deref(), Some(ratio), "{when:?} {k}");
            }
            let others = others(&tester, &run, Field::ModelRatio).await;
            if tester.value("z", Field::ModelRatio).as_deref() == Some("7.70") {
                kept += 1;
            } else {
                told += 1;
                assert_eq!(others, 1, "{when:?} {k}: it is told");
                let image = tester.image(&run, Field::ModelRatio).await;
                assert!(image.before.contains("\"z\": 1"), "{}", image.before);
                assert!(image.after.is_some());
            }
            tester.done().await;
        }
    }
    assert!(kept >= requests, "{kept} were kept");
    // The edit falls right before the effect of our write, or after the reading before it.
    assert_eq!(told, 2, "{kept} were kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_the_gap_is_told_with_both_texts() {
    let mut tester = tester().await;
    tester
        .expect
        .lost
        .insert(("z".to_owned(), Field::ModelRatio));
    let fault = edit("z", Field::ModelRatio, "9");
    tester.gateway.edit_at(put(), 2, When::BeforeApply, fault);
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    let image = tester.image(&run, Field::ModelRatio).await;
    assert_eq!(image.others, 1);
    assert!(image.before.contains("\"z\": 1"));
    assert!(image.after.expect("a text").contains("\"z\": 1"));
    assert_eq!(others(&tester, &run, Field::CompletionRatio).await, 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_together_with_our_write_is_kept_and_told() {
    let mut tester = tester().await;
    tester
        .expect
        .lost
        .insert(("z".to_owned(), Field::ModelRatio));
    let also = Fault::also_option("ModelRatio", |text| with_entry(text, "z", Some("9")));
    tester.gateway.fault(Rule::once(put(), also).after(1));
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.value("z", Field::ModelRatio).as_deref(), Some("9"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_right_after_another_does_not_take_its_writes_for_somebody_elses() {
    let mut tester = tester().await;
    tester.expect.other_admin = false;
    let run = tester.sync_prices().await;
    let undone = tester.undo_prices(&run).await;
    tester.sync_prices().await;
    for run in [&run, &undone] {
        for field in [Field::ModelRatio, Field::CompletionRatio] {
            assert_eq!(others(&tester, run, field).await, 0);
        }
    }
    tester.done().await;
}

/// Plans, lets somebody edit `a`, and writes: by `sync`, or as `apply` does.
async fn edited_between(tester: &mut Tester, sync: bool, field: Field, value: Option<&str>) -> Run {
    let session = tester.session().await;
    let request = tester.price_request(sync);
    let plan = session.plan_prices(&request, &tester.watch).await;
    let plan = plan.expect("a plan");
    tester.edit_price("a", field, value);
    let approval = PriceApproval {
        rebases: sync,
        ..approval(None)
    };
    let run = session.write_prices(&plan.id, &approval, &tester.watch);
    run.await.expect("a run")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_somebody_edits_between_plan_and_write_is_planned_again_from_what_is_there() {
    let (yes, no) = (true, false);
    for (field, value, by_sync, by_apply) in [
        // It ends up as it was approved, from another start.
        (Field::ModelRatio, Some("5"), yes, yes),
        (Field::CompletionRatio, Some("7"), yes, yes),
        (Field::CompletionRatio, None, yes, yes),
        (Field::ModelRatio, None, yes, yes),
        // It ends up as nobody saw it: the sources say nothing of this value, so it stays.
        (Field::CacheRatio, Some("0.5"), yes, no),
        // It would be held now: another kind of billing, too far, free.
        (Field::ModelPrice, Some("0.1"), no, no),
        (Field::ModelRatio, Some("100"), no, no),
        (Field::ModelRatio, Some("0"), no, no),
    ] {
        for (sync, written) in [(true, by_sync), (false, by_apply)] {
            let what = format!("{field:?} {value:?}, sync: {sync}");
            let mut tester = tester().await;
            let run = edited_between(&mut tester, sync, field, value).await;
            let states = tester.price_states(&run, "a").await;
            let row = tester.price_row(&run, "a", Field::ModelRatio).await;
            assert_eq!(tester.price_states(&run, "b").await, [State::Applied]);
            if written {
                assert_eq!(run.state, RunState::Done, "{what}");
                assert_eq!(states, [State::Applied; 2], "{what}");
                let edited = tester.price_row(&run, "a", field);
                if field != Field::CacheRatio {
                    assert_eq!(edited.await.old.as_deref(), value, "{what}: it is told");
                }
                for (field, value) in [(Field::ModelRatio, "1.5"), (Field::CompletionRatio, "3")] {
                    let now = tester.value("a", field);
                    assert_eq!(now.as_deref(), Some(value), "{what}");
                }
            } else {
                assert_eq!(run.state, RunState::Partial, "{what}");
                assert_eq!(states, [State::Moved; 2], "{what}");
                assert_eq!(row.failure.map(|f| f.kind), Some(FailureKind::Moved));
            }
            if !written || field == Field::CacheRatio {
                assert_eq!(tester.value("a", field).as_deref(), value, "{what}");
            }
            tester.done().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planned_again_is_taken_back_to_what_somebody_had_made_of_it() {
    let mut tester = tester().await;
    let run = edited_between(&mut tester, true, Field::ModelRatio, Some("5")).await;
    tester.undo_prices(&run).await;
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("5"));
    assert_eq!(
        tester.value("a", Field::CompletionRatio).as_deref(),
        Some("2")
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_looking_holds_a_moved_price_to_the_stricter_limits() {
    for (edited, state) in [("1.4", State::Applied), ("5", State::Moved)] {
        let mut tester = tester().await;
        tester.unattended = true;
        tester.settings.prices.limits.first_seen_ms = 0;
        tester.shows(
            "A",
            &[Price::ratio("a", 1.5, 2.0), Price::ratio("b", 1.2, 2.0)],
        );
        let run = edited_between(&mut tester, true, Field::ModelRatio, Some(edited)).await;
        assert_eq!(tester.price_states(&run, "a").await, [state], "{edited}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_and_approved_is_written_from_another_start_only_as_it_was_approved() {
    for (field, value, state) in [
        (Field::ModelRatio, "2", State::Applied),
        (Field::CacheRatio, "0.5", State::Moved),
    ] {
        let mut tester = tester().await;
        tester.shows("A", &[Price::ratio("a", 50.0, 2.0)]);
        let plan = tester.plan_prices().await;
        assert_eq!(tester.price_states(&plan, "a").await, [State::Held]);
        let session = tester.session().await;
        let held = session.plan_held_prices(None, &tester.settings).await;
        let held = held.expect("a run");
        tester.edit_price("a", field, Some(value));
        let run = tester.apply_prices(&held).await;
        assert_eq!(tester.price_states(&run, "a").await, [state], "{field:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_planned_price_at_any_request_is_never_lost_unseen() {
    let requests = {
        let tester = tester().await;
        tester.sync_prices().await;
        let requests = tester.requests();
        tester.done().await;
        requests
    };
    let mut again = 0;
    for when in [When::BeforeApply, When::AfterApply] {
        for k in 1..=requests {
            let tester = tester().await;
            let edited = edit("a", Field::ModelRatio, "2");
            tester.gateway.edit_at(Matcher::any(), k, when, edited);
            let run = tester.sync_prices().await;
            let row = tester.price_row(&run, "a", Field::ModelRatio).await;
            let there = tester.value("a", Field::ModelRatio).as_deref() == Some("2");
            let seen = row.old.as_deref() == Some("2");
            let told = others(&tester, &run, Field::ModelRatio).await == 1;
            assert!(there || seen || told, "{when:?} {k}: {row:#?}");
            again += usize::from(seen);
            tester.done().await;
        }
    }
    assert!(again > 2, "{again} were seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_somebody_edits_while_other_maps_are_written_is_planned_again_once() {
    // The completion ratio is written first; `b` is in the second map alone.
    for (model, value, state) in [
        ("b", "4", State::Applied),
        ("b", "100", State::Moved),
        // It is written in part already.
        ("a", "4", State::Moved),
    ] {
        let tester = tester().await;
        let edited = edit(model, Field::ModelRatio, value);
        tester.gateway.edit_at(put(), 1, When::AfterApply, edited);
        let run = tester.sync_prices().await;
        let row = tester.price_row(&run, model, Field::ModelRatio).await;
        assert_eq!(row.state, state, "{model} {value}");
        let now = tester.value(model, Field::ModelRatio);
        if state == State::Applied {
            assert_eq!(run.state, RunState::Done);
            assert_eq!(
                (row.old.as_deref(), now.as_deref()),
                (Some(value), Some("1.2"))
            );
        } else {
            assert_eq!(run.state, RunState::Partial);
            assert_eq!(now.as_deref(), Some(value));
        }
        let other = if model == "a" { "b" } else { "a" };
        let states = tester.price_states(&run, other).await;
        assert!(states.iter().all(|state| *state == State::Applied));
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_somebody_made_what_it_was_to_become_needs_no_write() {
    let mut tester = tester().await;
    let plan = tester.plan_prices().await;
    tester.edit_price("a", Field::ModelRatio, Some("1.50"));
    tester.edit_price("a", Field::CompletionRatio, Some("3"));
    let run = tester.apply_prices(&plan).await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.price_states(&run, "a").await, [State::Same; 2]);
    assert_eq!(
        tester.value("a", Field::ModelRatio).as_deref(),
        Some("1.50")
    );
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_price_that_somebody_changed_right_after_our_write_is_told() {
    let tester = tester().await;
    let edited = edit("b", Field::ModelRatio, "4");
    tester.gateway.edit_at(put(), 2, When::AfterApply, edited);
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Partial);
    let row = tester.price_row(&run, "b", Field::ModelRatio).await;
    assert_eq!(row.state, State::Failed);
    assert_eq!(row.failure.map(|f| f.kind), Some(FailureKind::NotStored));
    assert_eq!(others(&tester, &run, Field::ModelRatio).await, 1);
    tester.done().await;
}
