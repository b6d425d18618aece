//! A run that is cut off loses nothing and repeats nothing. A task that is aborted at a request stands for the killed
//! process; the binary's own tests kill that.

use std::sync::mpsc;

use lockstep_core::change::{RunState, State};
use lockstep_run::Source;
use lockstep_sim::{Fault, Matcher, Rule, When};
use lockstep_store::runs::Run;
use tokio::task::AbortHandle;

use crate::tester::{DAY, HOUR, Tester, lacking};

const CHANNELS: usize = 5;

fn put() -> Matcher {
    Matcher::put("/api/channel/")
}

fn fetch() -> Matcher {
    Matcher::get("/api/channel/fetch_models/")
}

/// Syncs, and cuts the run off at the n-th request of a kind.
async fn cut_off(tester: &Tester, source: Source, matcher: Matcher, n: usize, when: When) {
    let (tell, told) = mpsc::channel::<AbortHandle>();
    tester.gateway.on_match(matcher, n, when, move |_| {
        told.recv().expect("the task").abort();
    });
    let task = tester.go_apart(source).await;
    tell.send(task.abort_handle()).expect("a hook");
    let ended = task.await;
    assert!(
        ended.is_err_and(|error| error.is_cancelled()),
        "it ran to its end"
    );
}

/// Waits until the journal's last entries have arrived: so many rows of the one run that is under way.
async fn read_so_far(tester: &Tester, rows: usize) -> Run {
    let runs = tester.store().unfinished_runs(&tester.site).await;
    let run = runs.expect("runs").pop().expect("a run under way");
    while tester.rows(&run).await.len() < rows {
        tokio::task::yield_now().await;
    }
    run
}

/// How a write can be caught by the end of its process.
#[derive(Clone, Copy, Debug)]
enum Caught {
    OnItsWay,
    Arrived,
    Stored,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cut_off_at_any_write_is_carried_on_without_a_second_effect() {
    for caught in [Caught::OnItsWay, Caught::Arrived, Caught::Stored] {
        for n in 1..=CHANNELS {
            let mut tester = Tester::new(lacking(CHANNELS)).await;
            tester.settings.concurrency = 2;
            tester.expect.other_counts = true;
            let when = match caught {
                Caught::OnItsWay => {
                    let rule = Rule::once(put(), Fault::ResetBeforeApply).after(n - 1);
                    tester.gateway.fault(rule);
                    When::BeforeApply
                }
                Caught::Arrived => When::BeforeApply,
                Caught::Stored => When::AfterApply,
            };
            cut_off(&tester, Source::All, put(), n, when).await;
            for channel in tester.gateway.channels() {
                let whole = ["a,b", "a,b,c"].contains(&channel.models.as_str());
                assert!(whole, "old or new: {}", channel.models);
            }
            tester.restart().await;
            let carried = tester.carry_on().await;
            assert_eq!(carried.len(), 1, "{caught:?} at {n}");
            assert_eq!(carried[0].state, RunState::Done, "{caught:?} at {n}");
            let states = tester.states(&carried[0]).await;
            assert_eq!(states, [State::Applied; CHANNELS], "{caught:?} at {n}");
            let effects = tester.gateway.effective_writes().len();
            assert_eq!(effects, CHANNELS, "{caught:?} at {n}");
            assert!(tester.carry_on().await.is_empty());
            // What was found is remembered as the provider's, not as somebody's edit.
            tester.offers(1, "a,b");
            tester.sync().await;
            assert_eq!(tester.models(1), "a,b", "{caught:?} at {n}");
            tester.done().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_while_nobody_ran_is_left_alone_by_the_one_who_carries_on() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.settings.concurrency = 1;
    tester.expect.other_counts = true;
    let plan = tester.plan().await;
    let session = tester.session().await;
    let (tell, told) = mpsc::channel::<AbortHandle>();
    tester
        .gateway
        .on_match(put(), 2, When::AfterApply, move |_| {
            told.recv().expect("the task").abort();
        });
    let id = plan.id.clone();
    let task = tokio::spawn(async move {
        let approval = crate::tester::approval(None);
        session
            .write(&id, &approval, &lockstep_run::Watch::default())
            .await
    });
    tell.send(task.abort_handle()).expect("a hook");
    assert!(task.await.is_err());
    tester.edit(3, |channel| channel.models = "a,b,mine".to_owned());
    tester.restart().await;
    let carried = tester.carry_on().await;
    assert_eq!(carried[0].id, plan.id, "under its own id");
    assert_eq!(carried[0].state, RunState::Partial);
    assert_eq!(
        tester.states(&carried[0]).await,
        [State::Applied, State::Applied, State::Moved]
    );
    assert_eq!(tester.models(3), "a,b,mine");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_more_than_a_day_ago_is_looked_at_and_given_up() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.settings.concurrency = 1;
    tester.expect.other_counts = true;
    let rule = Rule::once(put(), Fault::ResetBeforeApply).after(1);
    tester.gateway.fault(rule);
    cut_off(&tester, Source::All, put(), 2, When::BeforeApply).await;
    tester.clock.advance(DAY + 1);
    let requests = tester.requests();
    tester.restart().await;
    let given_up = tester.carry_on().await;
    assert_eq!(given_up[0].state, RunState::Cancelled);
    assert_eq!(tester.requests(), requests + 1, "the page is read");
    assert_eq!(tester.gateway.effective_writes().len(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_arrived_is_known_after_a_weekend_too_and_can_be_undone() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.settings.concurrency = 1;
    tester.expect.other_counts = true;
    cut_off(&tester, Source::All, put(), 2, When::AfterApply).await;
    tester.clock.advance(3 * DAY);
    tester.restart().await;
    let run = tester.carry_on().await.remove(0);
    assert_eq!(run.state, RunState::Cancelled);
    let states = tester.states(&run).await;
    assert_eq!(states, [State::Applied, State::Applied, State::Dropped]);
    tester.undo(&run).await;
    assert_eq!(tester.models(2), "a,b");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_continued_under_its_own_id_and_asks_for_nothing_twice() {
    for (gone, asked_again) in [(0, 0), (HOUR - 1, 0), (HOUR, 3)] {
        let mut tester = Tester::new(lacking(6)).await;
        tester.settings.concurrency = 1;
        tester.expect.other_counts = true;
        cut_off(&tester, Source::All, fetch(), 4, When::BeforeApply).await;
        let cut = read_so_far(&tester, 3).await;
        tester.clock.advance(gone);
        tester.restart().await;
        let before = tester.fetches();
        let run = tester.sync().await;
        assert_eq!(run.id, cut.id);
        assert_eq!(run.state, RunState::Done);
        assert_eq!(tester.states(&run).await, [State::Applied; 6]);
        assert_eq!(
            tester.fetches() - before,
            3 + asked_again,
            "after {gone} ms"
        );
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_was_cut_off_is_continued_with_all_that_it_was_about() {
    let mut tester = Tester::new(lacking(4)).await;
    tester.settings.concurrency = 1;
    tester.expect.other_counts = true;
    let broken = Fault::Refused("no".to_owned());
    tester.gateway.fault(Rule::always(fetch(), broken));
    tester.sync().await;
    tester.gateway.clear_faults();
    cut_off(&tester, Source::RetryFailed, fetch(), 3, When::BeforeApply).await;
    read_so_far(&tester, 2).await;
    let retried = tester.retry_failed().await.expect("a run");
    assert_eq!(retried.selection, Some(vec![1, 2, 3, 4]));
    assert_eq!(tester.states(&retried).await, [State::Applied; 4]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_of_another_kind_is_ended_and_not_continued() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.expect.other_counts = true;
    cut_off(&tester, Source::All, fetch(), 2, When::BeforeApply).await;
    tester.restart().await;
    let other = tester.go(Source::Selected(vec![1])).await.expect("a run");
    assert_eq!(other.total, 1);
    let runs = tester
        .store()
        .runs(&tester.site, 9, None)
        .await
        .expect("runs");
    let states: Vec<RunState> = runs.iter().map(|(run, _)| run.state).collect();
    assert_eq!(states, [RunState::Done, RunState::Cancelled]);
    tester.done().await;
}
