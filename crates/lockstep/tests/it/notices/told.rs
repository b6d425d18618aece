//! What unattended runs tell: each thing once, again when it changes, and when it is over.

use lockstep_sim::Manner;
use serde_json::Value;

use super::add;
use super::place::{Answer, Place};
use crate::prices::{in_the_shop, list_with, publish};
use crate::tester::Shell;
use crate::world::{mixed, start};

/// The kinds that were told since, with how.
fn told(place: &Place) -> Vec<(String, String)> {
    let text = |body: &Value, key: &str| body[key].as_str().expect(key).to_owned();
    let asked = place.asked();
    let bodies = asked.iter().map(|asked| asked.json());
    bodies
        .map(|body| (text(&body, "kind"), text(&body, "telling")))
        .collect()
}

fn pairs(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter()
        .map(|(kind, how)| (kind.as_str(), how.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_what_is_new_what_changed_and_what_is_over() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let place = Place::always(200, "").await;
    add(&shell, "webhook", &place.url(), &[]).await.is(0);

    // Somebody who looks needs no notice.
    shell.run(&["plan"]).await.is(2);
    assert!(place.asked().is_empty());

    shell.run(&["sync", "--unattended"]).await.is(3);
    let first = place.asked();
    let held = first
        .iter()
        .map(|asked| asked.json())
        .find(|body| body["kind"] == "held")
        .expect("held");
    assert_eq!(
        (&held["site"], &held["subject"]),
        (&"main".into(), &"models".into())
    );
    assert_eq!(held["telling"], "new");
    let count = held["items"].as_array().expect("items").len();
    assert_eq!(held["count"], count);
    let text = held["text"].as_str().expect("a text");
    assert!(text.contains("8 Cheap relay: Held: "), "{text}");
    assert!(
        first.iter().all(|asked| asked.json()["kind"] != "failed"),
        "one failure, one run"
    );

    shell.run(&["sync", "--unattended"]).await.is(3);
    let second = told(&place);
    assert_eq!(
        pairs(&second),
        [("failed", "new")],
        "the same failure twice"
    );

    shell.run(&["sync", "--unattended"]).await.is(3);
    assert_eq!(pairs(&told(&place)), [], "nothing is new");

    gateway.provider("grok").set_manner(Manner::Well);
    shell.run(&["sync", "--unattended"]).await;
    let over = told(&place);
    assert!(
        over.contains(&("failed".to_owned(), "recovered".to_owned())),
        "{over:?}"
    );
    let (log, _) = shell.json(&["notice", "log"]).await;
    let log = log["sent"].as_array().expect("a log");
    assert!(
        log.iter()
            .all(|sent| sent["arrived"] == true && sent["attempts"] == 1)
    );
    assert_eq!(log.len(), first.len() + 1 + over.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reached_nobody_is_told_by_the_next_run_and_the_run_is_what_it_was() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let bad = Answer(401, String::new(), String::new());
    let good = Answer(200, String::new(), String::new());
    let place = Place::answering(vec![bad, good]).await;
    add(&shell, "webhook", &place.url(), &["--only", "held"])
        .await
        .is(0);
    shell.run(&["plan"]).await.is(2);
    let said = shell.run(&["sync", "--unattended"]).await.is(3);
    said.says("The notice `held` did not reach there: HTTP status 401");
    // The log of the place was not taken, so that its second answer comes next.
    shell.run(&["sync", "--unattended"]).await.is(3);
    shell.run(&["sync", "--unattended"]).await.is(3);
    assert_eq!(pairs(&told(&place)), [("held", "new"), ("held", "new")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_tell_of_sources_costs_and_what_has_no_price() {
    let (gateway, shell) = in_the_shop().await;
    let place = Place::always(200, "").await;
    add(&shell, "webhook", &place.url(), &[]).await.is(0);
    let sync = ["sync", "prices", "--mode", "both", "--unattended"];
    shell.run(&sync).await;
    let bodies: Vec<Value> = place.asked().iter().map(|asked| asked.json()).collect();
    let of = |kind: &str| -> Vec<&str> {
        let body = bodies.iter().find(|body| body["kind"] == kind);
        let items = body.and_then(|body| body["items"].as_array());
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item["model"].as_str())
            .collect()
    };
    // The list asks 1.5 for `birch`, we ask 1, and nobody has looked yet.
    assert_eq!(of("price_moved"), ["birch"]);
    assert_eq!(of("below_cost"), ["birch"]);
    assert_eq!(of("unpriced"), ["cedar", "dune"]);
    let below = bodies.iter().find(|body| body["kind"] == "below_cost");
    let text = below.expect("told")["text"].as_str().expect("a text");
    assert!(
        text.contains("birch: $1.00 per million input tokens, and costs $1.50"),
        "{text}"
    );

    // The list agrees with us, and goes away one run after.
    publish(&gateway, "list", &list_with(1.0));
    shell.run(&sync).await;
    let over = told(&place);
    for kind in ["price_moved", "below_cost"] {
        assert!(
            over.contains(&(kind.to_owned(), "recovered".to_owned())),
            "{over:?}"
        );
    }
    gateway
        .provider("list")
        .set_page("/api/pricing", lockstep_sim::Page::html());
    let mut trouble = Vec::new();
    for _ in 0..3 {
        shell.run(&sync).await;
        trouble.push(told(&place));
    }
    let source = ("source_trouble".to_owned(), "new".to_owned());
    let times: Vec<bool> = trouble.iter().map(|told| told.contains(&source)).collect();
    assert_eq!(times, [false, true, false], "{trouble:?}");
}
