//! 429s, retries and what counts as a try.

use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind as Kind;
use lockstep_sim::{Fault, Manner, Matcher, Rule};
use lockstep_store::events::EventKind;
use serde_json::Value;

use crate::tester::{Tester, lacking};

#[tokio::test(flavor = "multi_thread")]
async fn a_429_of_the_gateway_is_waited_out_and_costs_no_try() {
    let tester = Tester::new(lacking(1)).await;
    let fetch = Matcher::get("/api/channel/fetch_models/");
    tester
        .gateway
        .fault(Rule::once(fetch, Fault::too_many("1")));
    let put = Matcher::put("/api/channel/");
    tester.gateway.fault(Rule::once(put, Fault::too_many("1")));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(run.throttled, 2);
    assert_eq!(tester.row(&run, 1).await.attempts, 1);
    assert_eq!(tester.gateway.effective_writes().len(), 1);
    // Whoever watches was told how long what was waited for.
    let events = tester.store().events(&run.id, 0).await.expect("events");
    let told: Vec<Value> = events
        .iter()
        .filter(|event| event.kind == EventKind::Throttled)
        .map(|event| serde_json::from_str(&event.data).expect("JSON"))
        .collect();
    let requests: Vec<&Value> = told.iter().map(|told| &told["request"]).collect();
    let (fetch, put) = ("GET /api/channel/fetch_models/1", "PUT /api/channel/");
    assert_eq!(requests, [fetch, put]);
    for told in &told {
        let (until, wait) = (told["until"].as_i64(), told["wait_ms"].as_i64());
        let wait = wait.expect("a time");
        assert!((1..=1_000).contains(&wait), "{told}");
        assert_eq!(until, Some(tester.clock_now() + wait));
    }
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_of_a_provider_is_a_try() {
    let mut tester = Tester::new(lacking(1)).await;
    tester.settings.max_retries = 3;
    let provider = tester.gateway.provider("p1");
    provider.set_manner(Manner::RateLimited(2));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.row(&run, 1).await.attempts, 3);
    assert_eq!((provider.asks(), run.throttled), (3, 0));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_are_bounded_and_a_refusal_is_asked_once() {
    for (manner, status, tries) in [
        (Manner::ServerError, Some(500), 2),
        (Manner::RateLimited(99), Some(429), 2),
        (Manner::WantsOtherKey, Some(401), 1),
        (Manner::NoList, Some(404), 1),
    ] {
        let mut tester = Tester::new(lacking(1)).await;
        tester.settings.max_retries = 1;
        let provider = tester.gateway.provider("p1");
        provider.set_manner(manner.clone());
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Failed, "{manner:?}");
        let row = tester.row(&run, 1).await;
        assert_eq!(row.http_status, status, "{manner:?}");
        assert_eq!(
            (row.attempts, provider.asks()),
            (tries, tries),
            "{manner:?}"
        );
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_says_nothing_harms_only_its_channels() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.settings.channel_timeout = Duration::from_secs(1);
    tester.gateway.provider("p2").set_manner(Manner::Silent);
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Partial);
    assert_eq!(
        tester.states(&run).await,
        [State::Applied, State::Unread, State::Applied]
    );
    let failure = tester.row(&run, 2).await.failure.expect("a failure");
    assert_eq!(failure.kind, Kind::Timeout);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_restarts_in_the_middle_loses_nothing() {
    let mut tester = Tester::new(lacking(6)).await;
    tester.settings.max_retries = 5;
    // Refused connections never reach the gateway, so only we count them.
    tester.expect.other_counts = true;
    for matcher in [
        Matcher::get("/api/channel/fetch_models/"),
        Matcher::put("/api/channel/"),
    ] {
        tester
            .gateway
            .on_match(matcher, 3, lockstep_sim::When::BeforeApply, |gateway| {
                gateway.restart(Duration::from_millis(50));
            });
    }
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done, "{:?}", tester.rows(&run).await);
    assert_eq!(tester.states(&run).await, [State::Applied; 6]);
    assert_eq!(tester.gateway.effective_writes().len(), 6);
    tester.done().await;
}
