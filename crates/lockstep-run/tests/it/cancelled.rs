//! A person ends a run before it is through.

use lockstep_core::change::{RunState, State};
use lockstep_run::Watch;
use lockstep_sim::{Fault, Matcher, Rule, When};
use std::time::Duration;

use crate::tester::{Tester, lacking};

/// Cancels the run when the n-th request of a kind has had its effect.
fn cancel_at(tester: &Tester, matcher: Matcher, n: usize) {
    let cancel = tester.watch.cancel.clone();
    tester
        .gateway
        .on_match(matcher, n, When::AfterApply, move |_| cancel.cancel());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cancelled_while_it_reads_writes_nothing_and_keeps_what_it_read() {
    let mut tester = Tester::new(lacking(5)).await;
    tester.settings.concurrency = 1;
    // The request that was under way is given up, so it may count on one side only.
    tester.expect.other_counts = true;
    cancel_at(&tester, Matcher::get("/api/channel/fetch_models/"), 3);
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Cancelled);
    assert!(tester.fetches() <= 4);
    assert!(tester.rows(&run).await.len() >= 2);
    assert_eq!(tester.puts(), 0);
    tester.watch = Watch::default();
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied; 5]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cancelled_while_it_writes_finishes_the_writes_under_way() {
    let mut tester = Tester::new(lacking(8)).await;
    tester.settings.concurrency = 3;
    let slow = Fault::Delay(Duration::from_millis(30));
    let put = Matcher::put("/api/channel/");
    tester.gateway.fault(Rule::always(put.clone(), slow));
    cancel_at(&tester, put, 3);
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Cancelled);
    let states = tester.states(&run).await;
    let applied = states.iter().filter(|s| **s == State::Applied).count();
    let dropped = states.iter().filter(|s| **s == State::Dropped).count();
    assert_eq!(applied, tester.puts(), "what was sent was awaited");
    assert!((3..=5).contains(&applied), "{applied} applied");
    assert_eq!(applied + dropped, 8);
    tester.watch = Watch::default();
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.models(8), "a,b,c");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cancelled_after_its_last_write_is_done() {
    let mut tester = Tester::new(lacking(2)).await;
    tester.settings.concurrency = 1;
    cancel_at(&tester, Matcher::put("/api/channel/"), 2);
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.states(&run).await, [State::Applied; 2]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_read_back_whoever_asked_to_stop() {
    let mut tester = Tester::new(lacking(4)).await;
    tester.settings.concurrency = 1;
    let put = Matcher::put("/api/channel/");
    cancel_at(&tester, put.clone(), 2);
    tester
        .gateway
        .fault(Rule::once(put, Fault::ResetAfterApply).after(1));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(
        tester.states(&run).await,
        [
            State::Applied,
            State::Applied,
            State::Dropped,
            State::Dropped
        ]
    );
    assert_eq!(tester.gateway.count("GET", "/api/channel/2"), 1);
    tester.done().await;
}
