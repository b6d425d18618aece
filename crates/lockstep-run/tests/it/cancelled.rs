//! A person ends a run before it is through.

use std::sync::Arc;
use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::ReasonCode;
use lockstep_run::Watch;
use lockstep_sim::{Fault, Matcher, Price, Rule, When};

use crate::prices::shop::shop;
use crate::tester::{MINUTE, Tester, lacking, set};

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
    // Far longer than it takes until the wish is heard, so that no others are begun meanwhile.
    let slow = Fault::Delay(Duration::from_secs(2));
    let put = Matcher::put("/api/channel/");
    tester.gateway.fault(Rule::always(put.clone(), slow));
    cancel_at(&tester, put, 3);
    let run = tester.sync().await;
    tester.gateway.clear_faults();
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

/// The run is ended once the gateway has turned a write away, of which the pause is far from over.
fn cancel_in_the_pause(tester: &Tester, path: &str) {
    let put = Matcher::put(path);
    tester
        .gateway
        .fault(Rule::always(put.clone(), Fault::too_many("600")));
    let (cancel, gateway) = (tester.watch.cancel.clone(), tester.gateway.clone());
    tester
        .gateway
        .on_match(put, 1, When::BeforeApply, move |_| {
            let cancel = cancel.clone();
            tokio::spawn(async move {
                // Should the write be sent again, it is taken.
                gateway.clear_faults();
                cancel.cancel();
            });
        });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_out_a_429_is_not_sent_again_once_the_run_is_cancelled() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.settings.concurrency = 1;
    cancel_in_the_pause(&tester, "/api/channel/");
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(tester.states(&run).await, [State::Dropped; 3]);
    let row = tester.row(&run, 1).await;
    assert_eq!(row.skip.map(|skip| skip.code), Some(ReasonCode::NotWritten));
    assert_eq!((tester.puts(), row.failure), (1, None));
    assert!(tester.gateway.effective_writes().is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_map_that_waits_out_a_429_is_not_sent_again_once_the_run_is_cancelled() {
    let price = |ratio| Price::ratio("a", ratio, 2.0);
    let tester = shop("a", &[price(1.0)], &[&[price(1.1)]]).await;
    cancel_in_the_pause(&tester, "/api/option/");
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(tester.price_states(&run, "a").await, [State::Dropped]);
    assert_eq!(tester.puts(), 1);
    assert!(tester.gateway.effective_writes().is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_edits_while_the_gateway_lets_a_write_wait_is_not_written_over() {
    let mut tester = Tester::new(lacking(1)).await;
    tester.expect.edited.insert(1);
    let put = Matcher::put("/api/channel/");
    tester
        .gateway
        .fault(Rule::once(put.clone(), Fault::too_many("1")));
    let clock = Arc::clone(&tester.clock);
    tester
        .gateway
        .on_match(put, 1, When::BeforeApply, move |gateway| {
            // It was a long second.
            clock.advance(2 * MINUTE);
            gateway.edit_channel(1, |channel| channel.models = "a,b,theirs".to_owned());
        });
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(set(&tester.models(1)), set("a,b,c,theirs"));
    let row = tester.row(&run, 1).await;
    assert_eq!(
        row.before, "a,b,theirs",
        "planned again from what was there"
    );
    assert_eq!(tester.gateway.effective_writes().len(), 1);
    tester.done().await;
}
