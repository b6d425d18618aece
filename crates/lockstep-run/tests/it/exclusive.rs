//! One writer for each gateway, however many sites name it.

use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_run::{EngineError, Source, Watch};
use lockstep_sim::{Fault, Gateway, Matcher, Rule};

use crate::tester::{Tester, lacking};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_is_refused_while_the_first_is_under_way_whatever_the_site_is_called() {
    let gateway = Gateway::start(lacking(2)).await.expect("a gateway");
    let port = gateway.addr().port();
    let url = format!("http://localhost:{port}");
    let token = gateway.root_token().to_owned();
    let tester = Tester::of(gateway, &url, &token).await;
    let another = tester
        .another_session(&format!("HTTP://LOCALHOST:{port}/"))
        .await;
    let slow = Fault::Delay(Duration::from_millis(400));
    let fetch = Matcher::get("/api/channel/fetch_models/");
    tester.gateway.fault(Rule::once(fetch, slow));

    let first = tester.go_apart(Source::All).await;
    let under_way = |gateway: &Gateway| gateway.count("GET", "/api/channel/fetch_models/") > 0;
    assert!(
        tester
            .gateway
            .until(Duration::from_secs(20), under_way)
            .await
    );
    let request = tester.request(Source::All, true);
    for session in [tester.session().await, another] {
        let refused = session.plan(&request, &Watch::default()).await;
        assert!(
            matches!(&refused, Err(EngineError::Busy(holder)) if holder.contains("tests")),
            "{refused:?}"
        );
        let recovered = session.carry_on(&Watch::default()).await;
        assert!(recovered.is_ok_and(|runs| runs.is_empty()));
    }
    let run = first.await.expect("no panic").expect("a run");
    assert_eq!(run.state, RunState::Done);
    // The gateway is free again, for every site.
    assert_eq!(tester.sync().await.state, RunState::Done);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_being_written_is_carried_on_by_nobody_else() {
    let tester = Tester::new(lacking(2)).await;
    let slow = Fault::Delay(Duration::from_millis(400));
    let put = Matcher::put("/api/channel/");
    tester.gateway.fault(Rule::once(put, slow));
    let first = tester.go_apart(Source::All).await;
    let under_way = |gateway: &Gateway| gateway.count("PUT", "/") > 0;
    assert!(
        tester
            .gateway
            .until(Duration::from_secs(20), under_way)
            .await
    );
    let session = tester.session().await;
    let refused = session.carry_on(&Watch::default()).await;
    assert!(matches!(refused, Err(EngineError::Busy(_))), "{refused:?}");
    first.await.expect("no panic").expect("a run");
    assert_eq!(tester.puts(), 2);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_lease_sends_nothing_more() {
    let mut tester = Tester::new(lacking(4)).await;
    tester.settings.concurrency = 1;
    tester.expect.unfinished = true;
    tester.expect.other_counts = true;
    let slow = Fault::Delay(Duration::from_millis(300));
    let put = Matcher::put("/api/channel/");
    tester.gateway.fault(Rule::once(put, slow));
    let first = tester.go_apart(Source::All).await;
    let under_way = |gateway: &Gateway| gateway.count("PUT", "/") > 0;
    assert!(
        tester
            .gateway
            .until(Duration::from_secs(20), under_way)
            .await
    );
    // As a process on another machine would, after this one was thought dead.
    let url = tester.stored_site().await.url;
    let fence = tester
        .store()
        .take_lease(&url, "another", 0)
        .await
        .expect("a lease");
    assert!(fence > 1);
    let ended = first.await.expect("no panic");
    assert_eq!(tester.puts(), 1, "{ended:?}");
    tester.done().await;
}
