//! A price run that is cut off at any write loses nothing and repeats nothing.

use std::sync::mpsc;

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::FailureKind;
use lockstep_core::prices::field::Field;
use lockstep_run::EngineError;
use lockstep_sim::{Fault, Matcher, Price, Rule, When};
use lockstep_store::runs::Run;
use tokio::task::AbortHandle;

use super::shop::shop;
use crate::tester::{DAY, Tester};

fn put() -> Matcher {
    Matcher::put("/api/option/")
}

/// Prices in four maps: tokens, a cache, a call, an expression is switched to ratios.
async fn tester() -> Tester {
    let local = [
        Price::ratio("a", 1.0, 2.0).cache_read(1.0),
        Price::ratio("b", 1.0, 2.0),
    ];
    let list = [
        Price::ratio("a", 1.5, 3.0).cache_read(0.3),
        Price::ratio("b", 0.9, 2.5),
        Price::per_call("c", 0.04),
        Price::expression("d", "tier(\"base\", p * 2 + c * 4)"),
    ];
    let mut tester = shop("a,b,c,d", &local, &[&list]).await;
    tester.expect.other_counts = true;
    tester
}

/// Syncs, and cuts the run off at the n-th write.
async fn cut_off(tester: &Tester, n: usize, when: When) {
    let cut = cut_off_at(tester, put(), n, when).await;
    assert!(cut, "it ran to its end");
}

/// Syncs, and cuts the run off at the n-th request of a kind. Whether that came in time.
async fn cut_off_at(tester: &Tester, matcher: Matcher, n: usize, when: When) -> bool {
    let (tell, told) = mpsc::channel::<AbortHandle>();
    tester.gateway.on_match(matcher, n, when, move |_| {
        told.recv().expect("the task").abort();
    });
    let task = tester.sync_prices_apart().await;
    tell.send(task.abort_handle()).expect("a hook");
    let ended = task.await;
    ended.is_err_and(|error| error.is_cancelled())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cut_off_at_any_write_is_carried_on_without_a_second_effect() {
    let (writes, options) = {
        let tester = tester().await;
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Done);
        let writes = tester.puts();
        let options = tester.gateway.options();
        tester.done().await;
        (writes, options)
    };
    assert!(writes >= 6, "{writes} writes");
    for lost in [false, true] {
        for when in [When::BeforeApply, When::AfterApply] {
            if lost && when == When::AfterApply {
                continue;
            }
            for n in 1..=writes {
                let tester = tester().await;
                if lost {
                    let rule = Rule::once(put(), Fault::ResetBeforeApply).after(n - 1);
                    tester.gateway.fault(rule);
                }
                cut_off(&tester, n, when).await;
                let mut tester = tester;
                tester.restart().await;
                let carried = tester.carry_on().await;
                assert_eq!(carried.len(), 1, "{lost} {when:?} {n}");
                assert_eq!(carried[0].state, RunState::Done, "{lost} {when:?} {n}");
                let rows = tester.price_rows(&carried[0]).await;
                assert!(
                    rows.iter().all(|row| row.state == State::Applied),
                    "{lost} {when:?} {n}: {rows:#?}"
                );
                let effects = tester.gateway.effective_writes().len();
                assert_eq!(effects, writes, "{lost} {when:?} {n}");
                assert_eq!(tester.gateway.options(), options, "{lost} {when:?} {n}");
                assert!(tester.carry_on().await.is_empty());
                // What was written before the cut and after it is taken back as one.
                tester.undo_prices(&carried[0]).await;
                assert_eq!(
                    tester.gateway.options(),
                    tester.options_at_start,
                    "{when:?} {n}"
                );
                tester.done().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cut_off_at_any_request_ends_with_every_price_written_once() {
    let (requests, options) = {
        let tester = tester().await;
        tester.sync_prices().await;
        let (requests, options) = (tester.requests(), tester.gateway.options());
        tester.done().await;
        (requests, options)
    };
    for when in [When::BeforeApply, When::AfterApply] {
        for n in 1..=requests {
            let mut tester = tester().await;
            let any = Matcher::any();
            if !cut_off_at(&tester, any, n, when).await {
                // Nothing was left to do after the last request.
                assert_eq!(n, requests, "{when:?}");
            }
            tester.restart().await;
            for run in tester.carry_on().await {
                assert_eq!(run.state, RunState::Done, "{when:?} {n}");
            }
            assert_eq!(tester.sync_prices().await.state, RunState::Done);
            assert_eq!(tester.gateway.options(), options, "{when:?} {n}");
            tester.done().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_cut_off_at_any_write_still_gives_every_map_back_byte_for_byte() {
    let mut n = 1;
    loop {
        let mut tester = tester().await;
        let run = tester.sync_prices().await;
        let session = tester.session().await;
        let undo = session.plan_price_undo(&run.id, None).await.expect("one");
        let (tell, told) = mpsc::channel::<AbortHandle>();
        tester
            .gateway
            .on_match(put(), n, When::AfterApply, move |_| {
                told.recv().expect("the task").abort();
            });
        let id = undo.id.clone();
        let task = tokio::spawn(async move {
            let approval = super::shop::approval(None);
            let watch = lockstep_run::Watch::default();
            session.write_prices(&id, &approval, &watch).await
        });
        tell.send(task.abort_handle()).expect("a hook");
        let ended = task.await;
        let through = ended.is_ok();
        if !through {
            tester.restart().await;
            let carried = tester.carry_on().await.remove(0);
            assert_eq!((&carried.id, carried.state), (&undo.id, RunState::Done));
        }
        assert_eq!(tester.gateway.options(), tester.options_at_start, "{n}");
        tester.done().await;
        if through {
            break;
        }
        n += 1;
    }
    assert!(n > 5, "{n}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_while_nobody_ran_is_left_alone_by_the_one_who_carries_on() {
    let mut tester = tester().await;
    cut_off(&tester, 1, When::AfterApply).await;
    tester.edit_price("b", Field::ModelRatio, Some("8"));
    tester.restart().await;
    let run = tester.carry_on().await.remove(0);
    assert_eq!(run.state, RunState::Partial);
    let b = tester.price_row(&run, "b", Field::ModelRatio).await;
    assert_eq!(b.state, State::Moved);
    assert_eq!(tester.value("b", Field::ModelRatio).as_deref(), Some("8"));
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1.5"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_more_than_a_day_ago_is_looked_at_and_given_up() {
    let mut tester = tester().await;
    cut_off(&tester, 2, When::AfterApply).await;
    tester.clock.advance(DAY + 1);
    tester.restart().await;
    let puts = tester.puts();
    let run = tester.carry_on().await.remove(0);
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(tester.puts(), puts);
    let rows = tester.price_rows(&run).await;
    let is = |wanted| rows.iter().filter(|row| row.state == wanted).count();
    assert!(is(State::Applied) >= 2, "{rows:#?}");
    assert_eq!(is(State::Applied) + is(State::Dropped), rows.len());
    tester.undo_prices(&run).await;
    assert_eq!(tester.gateway.options(), tester.options_at_start);
    tester.done().await;
}

/// A run that was cut off while it read; the task of it is gone.
async fn cut_off_reading() -> (Tester, Run) {
    let mut tester = tester().await;
    let list = Matcher::get("/api/channel/");
    assert!(cut_off_at(&tester, list, 1, When::AfterApply).await);
    tester.restart().await;
    let run = latest(&tester).await;
    assert_eq!(run.state, RunState::Reading);
    (tester, run)
}

async fn latest(tester: &Tester) -> Run {
    let run = tester.store().latest_run(&tester.site, Subject::Prices);
    run.await.expect("asked").expect("a run")
}

/// It is over, changed nothing, and says why.
async fn is_interrupted(tester: &Tester, run: &Run) {
    let run = tester.store().run(&run.id).await.expect("the run");
    assert_eq!(run.state, RunState::Cancelled);
    let failure = run.failure.as_ref().map(|failure| failure.kind);
    assert_eq!(failure, Some(FailureKind::Interrupted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_was_cut_off_is_ended_with_a_reason_by_the_next_run_and_made_anew() {
    let (tester, cut) = cut_off_reading().await;
    assert!(tester.carry_on().await.is_empty());
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    is_interrupted(&tester, &cut).await;
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_was_cut_off_is_ended_by_whoever_comes_next_while_nobody_has_the_gateway() {
    let (tester, cut) = cut_off_reading().await;
    let session = tester.session().await;
    let site = tester.stored_site().await;
    let held = tester.another_engine().await;
    let hold = held.alone(&site).await.expect("held");
    session.end_left_readings().await.expect("looked");
    assert_eq!(
        latest(&tester).await.state,
        RunState::Reading,
        "it may be his"
    );
    drop(hold);
    session.end_left_readings().await.expect("looked");
    is_interrupted(&tester, &cut).await;
    // Nothing is left, so nobody is asked for the gateway.
    session.end_left_readings().await.expect("looked");
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_was_cut_off_is_ended_with_a_reason_by_whoever_takes_it_over() {
    let (tester, cut) = cut_off_reading().await;
    let orphans = tester.store().orphaned_runs().await.expect("runs");
    assert_eq!(orphans.len(), 1, "it is looked for");
    let session = tester.session().await;
    session.resume(&cut.id, &tester.watch).await.expect("ended");
    is_interrupted(&tester, &cut).await;
    assert_eq!(tester.puts(), 0);
    assert_eq!(tester.sync_prices().await.state, RunState::Done);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_a_stop_cuts_off_is_ended_with_a_reason() {
    let tester = tester().await;
    let watch = lockstep_run::Watch::default();
    watch.leave.cancel();
    watch.cancel.cancel();
    let session = tester.session().await;
    let stopped = session
        .plan_prices(&tester.price_request(false), &watch)
        .await;
    assert!(matches!(stopped, Err(EngineError::Stopping)), "{stopped:?}");
    is_interrupted(&tester, &latest(&tester).await).await;
    assert_eq!(tester.sync_prices().await.state, RunState::Done);
    tester.done().await;
}
