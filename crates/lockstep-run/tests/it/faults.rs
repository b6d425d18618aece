//! Every fault that the simulated gateway knows, at every request of a run.

use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_sim::{Fault, Matcher, Rule};

use crate::tester::{PATIENCE, Tester, pairs, set};

/// Every fault of the fault list that costs no time; the pauses of a 429 have their own test.
fn all() -> Vec<Fault> {
    let elsewhere = |status| Fault::redirect(status, "http://169.254.169.254/latest");
    let around = |status| Fault::redirect(status, "/api/channel/");
    let body = |bytes: &'static [u8], encoding: Option<&str>| Fault::Body {
        content_type: "application/json".to_owned(),
        encoding: encoding.map(str::to_owned),
        bytes: bytes.into(),
    };
    vec![
        elsewhere(301),
        elsewhere(302),
        elsewhere(307),
        elsewhere(308),
        around(301),
        around(307),
        Fault::Status(400),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(504),
        Fault::FirewallPage,
        Fault::Unavailable {
            retry_after: Some("7".to_owned()),
        },
        Fault::Refused("no".to_owned()),
        Fault::Html,
        Fault::Empty,
        Fault::EmptyArray,
        Fault::EmptyObject,
        Fault::NullData,
        Fault::OddNames,
        Fault::UnknownEncoding,
        body(br#"{"success":true,"data":["a",NaN]}"#, None),
        body(br#"{"success":true,"data":["a",1e999,7,null,{}]}"#, None),
        body(
            br#"{"success":true,"data":{"items":"a","total":"1"}}"#,
            None,
        ),
        body(b"not compressed at all", Some("gzip")),
        body(b"not compressed at all", Some("gzip, br")),
        Fault::HalfJson,
        Fault::Bom,
        Fault::InvalidUtf8,
        Fault::WrongCharset,
        Fault::DuplicateKeys,
        Fault::Silence(Duration::from_secs(30)),
        Fault::Delay(Duration::from_millis(20)),
        Fault::ResetBeforeRead,
        Fault::ResetBeforeApply,
        Fault::ResetMidReply,
        Fault::ResetAfterApply,
        Fault::Drip(Duration::from_millis(100)),
        Fault::ContentLengthTooLong,
        Fault::ContentLengthTooShort,
        Fault::ChunkedWithoutEnd,
        Fault::ManyHeaders(150),
        Fault::LongHeader(1_000_000),
        Fault::Lie,
        Fault::Ignore,
        Fault::also(|channel| channel.weight = Some(7)),
        Fault::StaleReads(Duration::from_secs(30)),
    ]
}

/// Bodies whose reading costs time.
fn big() -> Vec<Fault> {
    vec![
        Fault::ManyModels(200_000),
        Fault::DeepNesting(200_000),
        Fault::Huge(10_000_000),
        Fault::Huge(16 * 1024 * 1024 + 1),
        Fault::GzipBomb(1 << 26),
        Fault::BrotliBomb(1 << 26),
    ]
}

/// One run with one fault, and a healthy one after it.
async fn met(fault: &Fault, at: Matcher, skip: usize) {
    let name = format!("{} at {at:?} + {skip}", fault.name());
    let mut tester = Tester::new(pairs(&[("a,b,d,e", "a,b,c,d,e"); 3])).await;
    tester.settings.concurrency = 1;
    tester.settings.channel_timeout = Duration::from_secs(1);
    tester.patience(Duration::from_millis(1_000));
    if matches!(fault, Fault::AlsoChange(_)) {
        tester.expect.edited.extend([1, 2, 3]);
    }
    // What resets a connection may be counted on one side only.
    tester.expect.other_counts = true;
    tester
        .gateway
        .fault(Rule::once(at, fault.clone()).after(skip));
    let run = tester.sync().await;
    assert!(run.state.ended(), "{name}: {:?}", run.state);
    let lied = |entry: &lockstep_sim::Entry| entry.fault == Some("lie");
    tester.expect.without_effect = tester.gateway.writes().iter().filter(|e| lied(e)).count();
    for channel in tester.gateway.channels() {
        let names = set(&channel.models);
        assert!(names.is_superset(&set("a,b,d,e")), "{name}: {names:?}");
    }
    tester.gateway.clear_faults();
    tester.patience(PATIENCE);
    tester.settings.channel_timeout = PATIENCE;
    let next = tester.sync().await;
    assert_eq!(next.state, RunState::Done, "{name}");
    tester.done().await;
}

/// Some at a time: most of each run is waiting.
async fn each(faults: Vec<Fault>, at: Matcher, skip: usize) {
    let mut running = tokio::task::JoinSet::new();
    for fault in faults {
        let at = at.clone();
        running.spawn(async move { met(&fault, at, skip).await });
        while running.len() >= 6 {
            running
                .join_next()
                .await
                .expect("a task")
                .expect("no panic");
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_the_channel_list() {
    each(all(), Matcher::get("/api/channel/"), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_a_providers_list() {
    let mut faults = all();
    faults.extend(big());
    each(faults, Matcher::get("/api/channel/fetch_models/"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_the_list_that_is_read_before_writing() {
    each(all(), Matcher::get("/api/channel/"), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_the_first_write() {
    let mut faults = all();
    faults.push(Fault::Huge(16 * 1024 * 1024 + 1));
    each(faults, Matcher::put("/api/channel/"), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_at_a_later_write() {
    each(all(), Matcher::put("/api/channel/"), 1).await;
}
