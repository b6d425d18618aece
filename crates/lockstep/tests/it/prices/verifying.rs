//! `--verify`: a price page that agrees, that is behind, that disagrees, and that cannot be read.

use std::time::Duration;

use lockstep_sim::{Fault, Gateway, Matcher, Rule};
use serde_json::{Value, json};

use super::{in_the_shop, is_what_was_written, list_with, open, publish, remember, shop};
use crate::schema::is_a_price_run;
use crate::tester::Shell;
use crate::world::start;

const UPDATE: [&str; 6] = ["sync", "prices", "--mode", "update", "--yes", "--verify=1s"];

/// The shop, whose price page stays as it was made for so long, with a plan that was looked at.
async fn with_a_page_behind(cache: Duration) -> (Gateway, Shell) {
    let gateway = start(shop().pricing_cache(cache)).await;
    let shell = open(Shell::with_site(&gateway).await);
    remember(&shell, &gateway, "list").await;
    shell.run(&["plan", "prices"]).await.is(2);
    // Somebody looks at the page, so it is made before the prices change.
    let said = shell.run(&["sync", "prices", "--yes", "--verify=0s"]).await;
    said.says("price page");
    (gateway, shell)
}

/// A page that shows `birch` at this ratio.
fn page(ratio: f64) -> Fault {
    let page = json!({"success": true, "data": [{
        "model_name": "birch", "quota_type": 0, "model_ratio": ratio, "model_price": 0, "owner_by": "",
        "completion_ratio": 4, "enable_groups": ["default"], "supported_endpoint_types": ["openai"],
    }], "group_ratio": {"default": 1}, "usable_group": {"default": "d"}});
    Fault::Body {
        content_type: "application/json".to_owned(),
        encoding: None,
        bytes: page.to_string().into(),
    }
}

fn pricing() -> Matcher {
    Matcher::get("/api/pricing")
}

#[track_caller]
fn found(run: &Value) -> &str {
    is_a_price_run(run);
    run["verified"]["state"].as_str().expect("a finding")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_stays_as_it_was_is_told_with_both_values_and_is_no_success() {
    let (gateway, shell) = with_a_page_behind(Duration::from_secs(3600)).await;
    gateway.clear_log();
    let (run, code) = shell.json(&UPDATE).await;
    assert_eq!((code, &run["state"]), (3, &json!("done")), "{run:#}");
    assert_eq!(found(&run), "otherwise");
    assert_eq!(
        run["verified"]["otherwise"],
        json!([{"model": "birch", "field": "model_ratio", "written": 0.75, "shown": 0.5}])
    );
    // The maps are right all the same.
    is_what_was_written(&run, &gateway);
    let (kept, _) = shell
        .json(&["runs", run["run"].as_str().expect("an id")])
        .await;
    assert_eq!(kept["verified"], Value::Null);
    publish(&gateway, "list", &list_with(1.6));
    let said = shell.run(&UPDATE).await.is(3);
    said.says("birch (model ratio 0.5 and not 0.8)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_catches_up_in_time_agrees() {
    let (_gateway, shell) = with_a_page_behind(Duration::from_secs(2)).await;
    let mut update = UPDATE;
    update[5] = "--verify=60s";
    let (run, code) = shell.json(&update).await;
    assert_eq!((code, found(&run)), (0, "as_written"), "{run:#}");
    assert_eq!(run["verified"]["otherwise"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_disagrees_cannot_be_read_or_shows_nothing_is_told() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    for (price, fault, state, code) in [
        (1.5, page(75.0), "otherwise", 3),
        (1.6, page(0.8), "as_written", 0),
        (1.7, Fault::Status(403), "unread", 3),
        (1.8, Fault::Html, "unread", 3),
    ] {
        publish(&gateway, "list", &list_with(price));
        gateway.fault(Rule::always(pricing(), fault));
        let (run, ended) = shell.json(&UPDATE).await;
        gateway.clear_faults();
        assert_eq!((found(&run), ended), (state, code), "{run:#}");
        assert_eq!(run["state"], "done", "what was written is written");
    }
    // Nothing to write, so nothing to ask.
    let asked = gateway.count("GET", "/api/pricing");
    let (run, code) = shell.json(&UPDATE).await;
    assert_eq!((code, &run["verified"]), (0, &Value::Null), "{run:#}");
    assert_eq!(gateway.count("GET", "/api/pricing"), asked);
    // A model that nobody is served.
    let mut prices = list_with(1.8);
    prices.push(lockstep_sim::Price::tokens("unserved", 8.0, 8.0));
    publish(&gateway, "list", &prices);
    let mut all = UPDATE.to_vec();
    all.push("--all-models");
    let (run, code) = shell.json(&all).await;
    assert_eq!((code, found(&run)), (0, "not_shown"), "{run:#}");
    assert_eq!(run["verified"]["not_shown"], json!(["unserved"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_that_writes_prices_can_ask_the_page_and_no_other_can() {
    let (gateway, shell) = in_the_shop().await;
    // The first plan adds what has no price and leaves birch.
    shell.run(&["plan", "prices"]).await.is(2);
    gateway.fault(Rule::always(pricing(), page(75.5)));
    let asked = |args: &'static [&'static str]| {
        let shell = &shell;
        async move {
            let (run, code) = shell.json(args).await;
            assert_eq!((code, found(&run)), (3, "otherwise"), "{args:?}: {run:#}");
            let otherwise = &run["verified"]["otherwise"];
            assert_eq!(otherwise[0]["model"], "birch", "{args:?}: {run:#}");
            assert_eq!(otherwise[0]["shown"], 75.5, "{args:?}: {run:#}");
        }
    };
    shell
        .run(&["plan", "prices", "--mode", "update"])
        .await
        .is(2);
    asked(&["apply", "--yes", "--verify=0s"]).await;
    asked(&["undo", "--yes", "--verify=0s"]).await;
    publish(&gateway, "list", &list_with(100.0));
    shell
        .run(&["plan", "prices", "--mode", "update"])
        .await
        .is(2);
    asked(&["apply", "--held", "--yes", "--verify=0s"]).await;
    // A person reads it too.
    publish(&gateway, "list", &list_with(91.0));
    shell
        .run(&["plan", "prices", "--mode", "update"])
        .await
        .is(2);
    let said = shell.run(&["apply", "--yes", "--verify=0s"]).await.is(3);
    said.says("birch (model ratio 75.5 and not 45.5)");
    for (args, why) in [
        (&["plan", "prices", "--verify"][..], "unexpected argument"),
        (&["unpriced", "--verify"], "add --apply"),
        (&["sync", "models", "--yes", "--verify"], "model lists"),
        (&["sync", "prices", "--verify=soon"], "--verify=65s"),
        (&["apply", "--held", "--yes", "--verify"], "model lists"),
    ] {
        let reads = gateway.count("GET", "/api/pricing");
        shell.run(args).await.is(1).says(why);
        assert_eq!(gateway.count("GET", "/api/pricing"), reads, "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_for_what_has_no_price_are_confirmed_too() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["plan", "prices"]).await.is(2);
    let (run, code) = shell
        .json(&["unpriced", "--apply", "--yes", "--verify=0s"])
        .await;
    assert_eq!((code, found(&run)), (0, "as_written"), "{run:#}");
    // What is taken back has no price again, which the page shows as its placeholder.
    let (run, _) = shell.json(&["undo", "--yes", "--verify=0s"]).await;
    assert_eq!(found(&run), "as_written", "{run:#}");
    assert!(!gateway.writes().is_empty());
}
