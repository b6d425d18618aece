//! Work that panics: the run ends with a reason, the gateway is free, and nobody tries it again and again.

use std::sync::Arc;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind;
use lockstep_run::jobs::{Go, Job, Jobs, Order};
use lockstep_run::{EngineError, SiteAccess, Source};
use lockstep_sim::{Matcher, Price, When};
use lockstep_store::runs::Run;

use crate::prices::shop::shop;
use crate::tester::{Tester, lacking, set};

async fn job(tester: &Tester, order: Order) -> Job {
    Job {
        access: SiteAccess {
            site: tester.stored_site().await,
            token: tester.token().into(),
        },
        settings: tester.settings.clone(),
        actor: "a test".to_owned(),
        order,
        verify: false,
    }
}

async fn models(tester: &Tester) -> Result<Run, EngineError> {
    let request = tester.request(Source::All, true);
    let order = Order::Models(Box::new(request), Go::Writes);
    run(tester, order).await
}

async fn run(tester: &Tester, order: Order) -> Result<Run, EngineError> {
    let jobs = Jobs::new(tester.engine());
    let done = jobs.finish(job(tester, order).await).await;
    assert!(jobs.all().is_empty(), "no job is left in the list");
    done
}

/// The clock breaks when the first request of a kind has come, so that the work breaks with the answer.
fn breaks_at(tester: &Tester, matcher: Matcher) {
    let clock = Arc::clone(&tester.clock);
    tester
        .gateway
        .on_match(matcher, 1, When::BeforeApply, move |_| clock.breaks());
}

/// The run has failed by a mistake of our own, its gateway is free, and nobody will take it up.
async fn ended_and_free(tester: &Tester, run: &Run) {
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    let failure = run.failure.as_ref().expect("a reason");
    assert_eq!(failure.kind, FailureKind::Internal);
    let orphans = tester.store().orphaned_runs().await.expect("asked");
    assert!(orphans.is_empty(), "{orphans:?}");
    let site = tester.stored_site().await;
    let free = tester.engine().alone(&site).await;
    drop(free.expect("the gateway is free"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_breaks_ends_its_run_and_the_next_one_goes_well() {
    let mut tester = Tester::new(lacking(2)).await;
    tester.settings.concurrency = 1;
    tester.expect.other_counts = true;
    tester.plan().await;
    breaks_at(&tester, Matcher::get("/api/channel/fetch_models/"));
    let run = models(&tester).await.expect("a run");
    ended_and_free(&tester, &run).await;
    assert_eq!(tester.puts(), 0);
    let run = models(&tester).await.expect("a run");
    assert_eq!(run.state, RunState::Done);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_breaks_is_unverified_and_the_run_ends_after_it() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.settings.concurrency = 1;
    tester.plan().await;
    breaks_at(&tester, Matcher::put("/api/channel/"));
    let run = models(&tester).await.expect("a run");
    ended_and_free(&tester, &run).await;
    assert_eq!(
        tester.states(&run).await,
        [State::Unverified, State::Dropped, State::Dropped]
    );
    assert_eq!(tester.puts(), 1);
    // It was stored, and the next run finds it so.
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    let run = models(&tester).await.expect("a run");
    assert_eq!(
        tester.states(&run).await,
        [State::Same, State::Applied, State::Applied]
    );
    tester.expect.without_effect = 0;
    tester.finished = true;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_map_whose_write_breaks_is_unverified_and_the_run_ends_after_it() {
    let price = |ratio| Price::ratio("a", ratio, 2.0);
    let mut tester = shop("a", &[price(1.0)], &[&[price(1.1)]]).await;
    tester.plan_prices().await;
    breaks_at(&tester, Matcher::put("/api/option/"));
    let request = tester.price_request(true);
    let run = run(&tester, Order::Prices(Box::new(request), Go::Writes));
    let run = run.await.expect("a run");
    ended_and_free(&tester, &run).await;
    assert_eq!(tester.price_states(&run, "a").await, [State::Unverified]);
    assert_eq!(tester.puts(), 1);
    tester.finished = true;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_reading_that_breaks_ends_its_run() {
    let price = |ratio| Price::ratio("a", ratio, 2.0);
    let mut tester = shop("a", &[price(1.0)], &[&[price(1.1)]]).await;
    tester.expect.other_counts = true;
    tester.plan_prices().await;
    breaks_at(&tester, Matcher::get("/api/option/"));
    let request = tester.price_request(true);
    let run = run(&tester, Order::Prices(Box::new(request), Go::Writes));
    ended_and_free(&tester, &run.await.expect("a run")).await;
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}
