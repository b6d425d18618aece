//! SIGTERM, SIGSTOP and a second process in the middle of a run.

use std::time::Duration;

use lockstep_sim::{Fault, Gateway, Manner, Matcher, Rule, When};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::tester::Shell;
use crate::world::{guarded, healthy, is_the_truth, item, lists, start, written};

const SOON: Duration = Duration::from_secs(60);

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It may have ended by itself.
    let _gone = kill_process(pid.expect("a process"), signal);
}

/// Twelve channels that all want a write, of which the first plan was seen.
async fn twelve(seed: u64) -> (Gateway, Shell) {
    let gateway = start(guarded(lockstep_sim::spec::many(12, 12, seed))).await;
    for name in gateway.provider_names() {
        let provider = gateway.provider(&name);
        let mut models = provider.models();
        models.push("brand-new".to_owned());
        provider.set_models(models);
    }
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    (gateway, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sigterm_while_writing_finishes_what_is_under_way_and_journals_it() {
    let (gateway, shell) = twelve(3).await;
    // The others of the first handful wait at the gateway while the signal arrives.
    gateway.fault(Rule::always(
        Matcher::put("/api/channel/"),
        Fault::Delay(Duration::from_millis(150)),
    ));
    let mut process = shell.start(&["sync", "--yes", "--json"]);
    let pid = process.pid;
    gateway.on_match(Matcher::put("/"), 2, When::BeforeApply, move |_| {
        send(pid, Signal::TERM);
    });
    process.go().await;
    let run = process
        .end()
        .await
        .is(3)
        .says("stopping after what is under way")
        .json();
    assert_eq!(run["state"], "cancelled");
    is_the_truth(&run, &gateway);
    let changed = run["statistics"]["changed"].as_u64().expect("a number");
    assert!((2..12).contains(&changed), "{changed} of 12 were written");
    assert_eq!(run["statistics"]["planned"], 0);
    assert_eq!(run["statistics"]["skipped"], 12 - changed);

    gateway.clear_faults();
    gateway.clear_log();
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(code, 0);
    is_the_truth(&run, &gateway);
    assert_eq!(written(&gateway).len() as u64, 12 - changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sigterm_while_reading_ends_the_run_without_a_write() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.provider("acme").set_manner(Manner::Silent);
    let mut process = shell.start(&["sync", "--yes", "--json"]);
    let pid = process.pid;
    gateway.on_match(
        Matcher::get("/api/channel/fetch_models"),
        2,
        When::BeforeApply,
        move |_| {
            send(pid, Signal::TERM);
        },
    );
    process.go().await;
    let run = process.end().await.is(1).json();
    assert_eq!(
        (&run["state"], &run["statistics"]["changed"]),
        (&json!("cancelled"), &json!(0))
    );
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once_and_the_next_sync_finds_what_was_written() {
    let (gateway, shell) = twelve(4).await;
    let put = Matcher::put("/api/channel/");
    gateway.fault(Rule::always(put, Fault::Delay(Duration::from_secs(50))).after(3));
    let mut process = shell.start(&["sync", "--yes"]);
    let pid = process.pid;
    process.go().await;
    let sent = gateway
        .until(SOON, |gateway| gateway.writes().len() >= 5)
        .await;
    assert!(sent, "writes are under way");
    let impatient = tokio::spawn(async move {
        loop {
            send(pid, Signal::INT);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let said = process.end().await;
    impatient.abort();
    said.is(130).says("once more stops at once");

    gateway.clear_faults();
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(code, 0, "{run}");
    assert!(
        lists(&gateway)
            .values()
            .all(|list| list.ends_with("brand-new"))
    );
    let mut channels = written(&gateway);
    channels.sort_unstable();
    assert_eq!(
        channels,
        (1..=12).collect::<Vec<i64>>(),
        "one effective write each"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_and_continued_writes_everything_once() {
    for when in [When::BeforeApply, When::AfterApply] {
        let (gateway, shell) = twelve(5).await;
        let mut process = shell.start(&["sync", "--yes", "--json"]);
        let pid = process.pid;
        gateway.pause_at(Matcher::put("/api/channel/"), pid, 2, when);
        process.go().await;
        let paused = gateway
            .until(SOON, |gateway| gateway.writes().len() >= 2)
            .await;
        assert!(paused, "it wrote");
        // One that stands still within a write to the database keeps that locked, which is not what this is about: it
        // goes on to its next request.
        for _ in 0..5 {
            let said = shell.run(&["plan"]).await;
            if !said.err.contains("the database is not available") {
                break;
            }
            let before = gateway.writes().len();
            gateway.pause_at(Matcher::put("/api/channel/"), pid, 1, when);
            gateway.resume(pid);
            let further = gateway.until(SOON, |gateway| gateway.writes().len() > before);
            assert!(further.await, "it wrote on");
        }
        // It still holds the gateway, although it does not move.
        for verb in [&["sync", "--yes"][..], &["plan"], &["apply", "--yes"]] {
            shell
                .run(verb)
                .await
                .is(1)
                .says("another run is under way on this gateway");
        }
        shell.run(&["runs"]).await.is(0).says("writing");
        shell
            .run(&["doctor"])
            .await
            .is(0)
            .says("was interrupted while writing");
        gateway.resume(pid);
        let run = process.end().await.is(0).json();
        assert_eq!(
            (&run["state"], &run["statistics"]["changed"]),
            (&json!("done"), &json!(12))
        );
        is_the_truth(&run, &gateway);
        assert_eq!(gateway.writes().len(), 12);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_that_another_run_is_under_way() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.provider("beta").set_manner(Manner::Silent);
    let mut first = shell.start(&["sync", "--yes"]);
    first.go().await;
    let asks = |gateway: &Gateway| {
        let mut providers = ["acme", "beta", "gamma"].into_iter();
        providers.all(|name| gateway.provider(name).asks() >= 2)
    };
    assert!(gateway.until(SOON, asks).await, "the first one reads");
    gateway.clear_log();
    for verb in [
        &["plan"][..],
        &["sync", "--yes"],
        &["apply", "--yes"],
        &["plan", "--channel", "1"],
    ] {
        let (told, code) = shell.json(verb).await;
        assert_eq!(code, 1);
        let message = told["error"]["message"].as_str().expect("a message");
        assert!(message.contains("another run is under way"), "{message}");
    }
    assert!(
        gateway.log().is_empty(),
        "nothing was asked by the second one"
    );
    // What only reads the journal is not in the way.
    let (told, code) = shell.json(&["runs"]).await;
    assert_eq!((code, &told["runs"][0]["state"]), (0, &json!("reading")));
    for verb in [
        &["held"][..],
        &["channel", "list"],
        &["channel", "show", "1"],
        &["doctor"],
    ] {
        let said = shell.run(verb).await;
        assert!([0, 2].contains(&said.code()), "{verb:?}");
    }
    send(first.pid, Signal::TERM);
    first.end().await.is(1);
    gateway.provider("beta").set_manner(Manner::Well);
    shell.run(&["sync", "--yes"]).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_on_two_gateways_do_not_wait_for_each_other() {
    let (one, other) = (start(healthy()).await, start(healthy()).await);
    let shell = Shell::with_site(&one).await;
    shell.add_site("other", &other).await.is(0);
    one.provider("beta").set_manner(Manner::Silent);
    let mut first = shell.start(&["plan"]);
    first.go().await;
    let asks = |gateway: &Gateway| gateway.provider("beta").asks() >= 1;
    assert!(one.until(SOON, asks).await, "the first one reads");
    shell.run(&["plan", "--site", "other"]).await.is(2);
    send(first.pid, Signal::TERM);
    first.end().await.is(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_made_after_a_kill_does_not_take_our_own_write_for_an_edit_by_hand() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(0);
    gateway
        .provider("acme")
        .set_models(["gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-6"]);
    let mut process = shell.start(&["sync", "--yes"]);
    gateway.kill_at_put(process.pid, 1, When::AfterApply);
    process.go().await;
    process.end().await;
    shell.run(&["plan"]).await;
    shell.run(&["sync", "--yes"]).await.is(0);
    gateway
        .provider("acme")
        .set_models(["gpt-5", "gpt-5-mini", "gpt-5-nano"]);
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(code, 0);
    assert_eq!(
        item(&run, 1)["removed"],
        json!(["gpt-6"]),
        "{}",
        item(&run, 1)
    );
}
