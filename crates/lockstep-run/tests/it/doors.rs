//! Gateways that cannot be read, or not be written: the right name for it, and zero writes.

use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind as Kind;
use lockstep_sim::{Fault, Flavour, Gateway, Matcher, Rule, Spec};

use crate::tester::{Tester, lacking};

/// Plans and syncs: both end as failed, for this reason, and nothing is written.
async fn shut(tester: Tester, kind: Kind, what: &str) {
    for run in [tester.plan().await, tester.sync().await] {
        let failure = run.failure.as_ref().map(|failure| failure.kind);
        assert_eq!(
            (run.state, failure),
            (RunState::Failed, Some(kind)),
            "{what}"
        );
    }
    assert_eq!(tester.puts(), 0, "{what}");
    tester.done().await;
}

async fn started(spec: Spec) -> Gateway {
    Gateway::start(spec).await.expect("a gateway")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_not_root_is_enough() {
    let gateway = started(lacking(2)).await;
    let (url, token) = (gateway.url(), gateway.admin_token().to_owned());
    let tester = Tester::of(gateway, &url, &token).await;
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.states(&run).await, [State::Applied; 2]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_is_told_from_one_that_is_wrong() {
    for (kind, token) in [
        (Kind::Forbidden, "simCommonToken23456789abcdefghij"),
        (Kind::Unauthorized, "a-wrong-token"),
        (Kind::NotConfigured, " "),
    ] {
        let gateway = started(lacking(1)).await;
        let url = gateway.url();
        shut(Tester::of(gateway, &url, token).await, kind, token).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_and_other_programs_are_told_apart() {
    let gateway = started(lacking(1).prefix("/gate")).await;
    let beside = format!("http://{}", gateway.addr());
    let token = gateway.root_token().to_owned();
    let tester = Tester::of(gateway, &beside, &token).await;
    shut(tester, Kind::WrongAddress, "beside the prefix").await;

    for (flavour, kind) in [
        (Flavour::OldFork, Kind::OldFork),
        (Flavour::Foreign, Kind::NotRecognised),
    ] {
        let tester = Tester::new(lacking(1).flavour(flavour)).await;
        shut(tester, kind, "another program").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_of_the_list_has_its_name() {
    let elsewhere = |status| Fault::redirect(status, "http://127.0.0.1:1/elsewhere");
    for (fault, kind) in [
        (Fault::Html, Kind::WrongAddress),
        (Fault::FirewallPage, Kind::Firewall),
        (Fault::Status(400), Kind::Rejected),
        (Fault::Status(401), Kind::Unauthorized),
        (Fault::Status(403), Kind::Forbidden),
        (Fault::Status(404), Kind::NotFound),
        (Fault::Status(500), Kind::ServerError),
        (Fault::Status(502), Kind::ServerError),
        (Fault::Unavailable { retry_after: None }, Kind::ServerError),
        (Fault::Refused("no".to_owned()), Kind::Unauthorized),
        (Fault::Empty, Kind::Broken),
        (Fault::HalfJson, Kind::Broken),
        (Fault::InvalidUtf8, Kind::Broken),
        (Fault::EmptyArray, Kind::NotRecognised),
        (Fault::EmptyObject, Kind::NotRecognised),
        (Fault::NullData, Kind::NotRecognised),
        (Fault::DeepNesting(200_000), Kind::NotRecognised),
        (Fault::Huge(16 * 1024 * 1024 + 1), Kind::TooLarge),
        (Fault::UnknownEncoding, Kind::Broken),
        (Fault::ResetAfterApply, Kind::Broken),
        (Fault::ResetMidReply, Kind::Broken),
        (Fault::ContentLengthTooLong, Kind::Broken),
        (Fault::ChunkedWithoutEnd, Kind::Broken),
        (elsewhere(301), Kind::Redirected),
        (elsewhere(307), Kind::Redirected),
    ] {
        let tester = Tester::new(lacking(1)).await;
        let name = format!("{fault:?}");
        let name = name.get(..60).unwrap_or(&name);
        tester
            .gateway
            .fault(Rule::always(Matcher::get("/api/channel/"), fault));
        shut(tester, kind, name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_a_closed_port_are_told_apart() {
    let mut tester = Tester::new(lacking(1)).await;
    tester.patience(Duration::from_millis(150));
    let silence = Fault::Silence(Duration::from_secs(30));
    tester
        .gateway
        .fault(Rule::always(Matcher::get("/api/channel/"), silence));
    shut(tester, Kind::Timeout, "silence").await;

    let mut tester = Tester::new(lacking(1)).await;
    tester.expect.other_counts = true;
    tester.gateway.stop();
    let addr = tester.gateway.addr();
    let closed = async || tokio::net::TcpStream::connect(addr).await.is_err();
    while !closed().await {
        tokio::task::yield_now().await;
    }
    shut(tester, Kind::Unreachable, "a closed port").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missing_page_is_no_half_picture() {
    let spec = lockstep_sim::spec::many(150, 3, 1).inline(Duration::ZERO);
    let tester = Tester::new(spec).await;
    let list = Matcher::get("/api/channel/");
    tester
        .gateway
        .fault(Rule::once(list, Fault::Status(500)).after(1));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.failure.map(|f| f.kind), Some(Kind::ServerError));
    assert_eq!((tester.fetches(), tester.puts()), (0, 0));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_the_mark_is_planned_and_never_written() {
    let tester = Tester::new(lacking(2)).await;
    let page = serde_json::json!({
        "success": true, "message": "",
        "data": {"items": tester.gateway.channels(), "page": 1, "page_size": 100, "total": 2},
    });
    let unmarked = Fault::Body {
        content_type: "application/json".to_owned(),
        encoding: None,
        bytes: page.to_string().into(),
    };
    // The list is the first request, and the fourth, after two providers were asked.
    let list = Matcher::get("/api/channel/");
    let rule = |after| Rule::once(list.clone(), unmarked.clone()).after(after);
    tester.gateway.fault(rule(0));
    let run = tester.plan().await;
    assert_eq!(tester.states(&run).await, [State::Ready; 2]);
    tester.gateway.fault(rule(0));
    let run = tester.apply(&run).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.failure.map(|f| f.kind), Some(Kind::NotRecognised));
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}
