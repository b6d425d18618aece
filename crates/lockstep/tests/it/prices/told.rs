//! A price run as JSON: every verb that prints one prints it by its schema.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep_sim::{Edit, Fault, Matcher, Page, Price, Provider, Rule, When};
use serde_json::{Value, json};

use super::{list, list_with, open, publish, remember, shop, source};
use crate::schema::{is_a_price_run, price_schema};
use crate::tester::Shell;
use crate::world::{items, start};

/// Everything that a plan can come to: a model that is in order, new ones, dearer ones, held ones, one nobody knows.
fn much() -> Vec<Price> {
    let mut prices = list();
    prices.push(Price::tokens("ember", 3000.0, 9000.0));
    prices.push(Price::unset("frost"));
    prices.push(Price::expression("grove", "tier(\"base\", p * 2 + c * 4)"));
    prices
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_that_prints_a_price_run_prints_it_by_the_schema() {
    let served = "amber,birch,cedar,dune,ember,frost,grove,heath";
    let mut spec = shop();
    served.clone_into(&mut spec.channels[0].models);
    spec = spec
        .option("ModelRatio", r#"{"amber":1,"birch":0.5,"ember":1.5}"#)
        .provider(Provider::new("gone", ["x"]).page("/api/pricing", Page::html()));
    let gateway = start(spec).await;
    gateway.provider("acme").set_models(served.split(','));
    publish(&gateway, "list", &much());
    let shell = open(Shell::with_site(&gateway).await);
    remember(&shell, &gateway, "list").await;
    let dead = source(&gateway, "gone");
    shell
        .run(&["site", "source", "add", &dead, "--untested"])
        .await
        .is(0);

    let mut ids = BTreeSet::new();
    let mut triggers = BTreeSet::new();
    let mut statuses = BTreeSet::new();
    let mut keep = |run: &Value| {
        is_a_price_run(run);
        ids.insert(run["run"].as_str().expect("an id").to_owned());
        triggers.insert(run["trigger"].as_str().expect("a trigger").to_owned());
        for item in items(run) {
            statuses.insert(item["status"].as_str().expect("a status").to_owned());
        }
    };
    for args in [
        &["plan", "prices"][..],
        &["plan", "prices", "--mode", "both", "--all-models"],
        &["sync", "prices", "--mode", "update"],
        &["sync", "prices", "--mode", "update", "--unattended"],
        &["sync", "prices", "--mode", "both", "--yes"],
        &["apply", "--held", "--only", "ember", "--yes"],
        &["undo", "--yes"],
        &["unpriced", "--apply", "--yes"],
    ] {
        let (run, code) = shell.json(args).await;
        assert!(run["run"].is_string(), "{args:?} ended with {code}: {run}");
        keep(&run);
    }
    let (both, _) = shell.json(&["plan", "both"]).await;
    keep(&both["prices"]);

    // Somebody else edits, the gateway refuses, somebody writes in the gap, and the whole gateway fails.
    publish(&gateway, "list", &list_with(1.7));
    gateway.fault(Rule::always(
        Matcher::put("/api/option/"),
        Fault::Refused("no".to_owned()),
    ));
    let update = ["sync", "prices", "--mode", "update", "--yes"];
    let (run, _) = shell.json(&update).await;
    keep(&run);
    gateway.clear_faults();
    publish(&gateway, "list", &list_with(1.8));
    // The gateway's log counts in seconds: what we wrote in this one would be taken for somebody else's.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let edit = Edit::option_with("ModelRatio", |text| text.replace('}', ",\"mine\":3}"));
    gateway.edit_at(Matcher::put("/api/option/"), 1, When::BeforeApply, edit);
    let (run, _) = shell.json(&update).await;
    assert_eq!(run["conflicts"][0]["writes_by_others"], 1, "{run:#}");
    keep(&run);
    gateway.fault(Rule::always(
        Matcher::get("/api/option/"),
        Fault::Status(401),
    ));
    let (run, code) = shell.json(&update).await;
    assert_eq!((code, &run["error"]["kind"]), (1, &json!("unauthorized")));
    keep(&run);
    gateway.clear_faults();

    for id in &ids {
        let (run, code) = shell.json(&["runs", id]).await;
        assert_eq!((code, &run["run"]), (0, &json!(id)));
        is_a_price_run(&run);
        for filter in ["--held", "--changed", "--failed"] {
            let (some, _) = shell.json(&["runs", id, filter]).await;
            assert_eq!(some["statistics"], run["statistics"]);
            assert!(items(&some).len() <= items(&run).len());
        }
    }
    let all = ["apply-held", "plan", "sync", "undo", "unpriced"];
    assert!(triggers.iter().map(String::as_str).eq(all), "{triggers:?}");
    let all = ["failed", "held", "planned", "skipped", "success"];
    assert!(statuses.iter().map(String::as_str).eq(all), "{statuses:?}");
}

#[test]
fn the_schema_of_a_price_run_is_one_and_refuses_what_is_none() {
    let schema = price_schema();
    jsonschema::meta::validate(&schema).expect("it is a schema of 2020-12");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("it is one");
    let usd = json!({"input": 2.5, "output": 10, "cache_read": null, "cache_write": null, "per_call": null});
    let item = json!({
        "model": "m", "field": "model_ratio", "old": 1, "new": 1.25, "source": "list", "status": "success",
        "error": null, "hold": null, "skip": null, "usd_old": usd, "usd_new": usd, "kind_old": "per_token",
        "kind_new": "per_token", "output": "map",
        "formula": {"price": 2.5, "recharge": 1, "group": 1, "markup": 1, "result": 2.5},
        "others": [{"source": "b", "value": 2}], "finished_at": "2026-08-01T06:30:00Z",
    });
    let good = json!({
        "run": "01987654-3210-7abc-8def-0123456789ab", "parent": null, "site": "main", "subject": "prices",
        "state": "done", "trigger": "sync", "actor": "root", "approved_by": null, "plan": null, "started_at": "2026-08-01T06:30:00Z",
        "ended_at": "2026-08-01T06:30:01Z", "duration_ms": 1000,
        "statistics": {
            "total": 1, "success": 1, "failed": 0, "held": 0, "skipped": 0, "planned": 0, "changed": 1,
            "unchanged": 0,
        },
        "requests": {"reads": 2, "writes": 1, "throttled": 0}, "error": null, "items": [item],
        "sources": [{
            "name": "list", "url": "http://list", "state": "partial", "message": "m", "models": 3,
            "fetched_at": null, "tried_at": null, "skipped": [{"reason": "duplicate", "count": 1, "names": ["m"]}],
        }],
        "conflicts": [{"option": "ModelRatio", "writes_by_others": 1, "before": "{}", "after": null}],
        "verified": {
            "state": "otherwise", "message": "m", "not_shown": ["n"],
            "otherwise": [{"model": "m", "field": "model_ratio", "written": 1.25, "shown": 1}],
        },
    });
    assert!(validator.is_valid(&good));
    for place in [
        "",
        "/items/0",
        "/items/0/usd_new",
        "/items/0/formula",
        "/items/0/others/0",
        "/sources/0",
        "/sources/0/skipped/0",
        "/conflicts/0",
        "/verified",
        "/verified/otherwise/0",
    ] {
        let object = good
            .pointer(place)
            .and_then(Value::as_object)
            .expect("there");
        for key in object.keys() {
            let mut less = good.clone();
            let object = less.pointer_mut(place).and_then(Value::as_object_mut);
            object.expect("there").remove(key);
            assert!(!validator.is_valid(&less), "{place}/{key} may be left out");
        }
        let mut more = good.clone();
        more.pointer_mut(place).expect("there")["more"] = json!(1);
        assert!(!validator.is_valid(&more), "{place} may have more");
    }
    for (place, value) in [
        ("/subject", json!("models")),
        ("/trigger", json!("retry-failed")),
        ("/items/0/field", json!("ratio")),
        ("/items/0/new", json!([1])),
        ("/items/0/kind_new", json!("free")),
        (
            "/items/0/hold",
            json!({"reason": "no_source", "message": "m", "hint": "h"}),
        ),
        (
            "/items/0/skip",
            json!({"reason": "tenfold", "message": "m", "hint": "h"}),
        ),
        ("/sources/0/state", json!("fine")),
        ("/sources/0/skipped/0/reason", json!("odd")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).expect("there") = value.clone();
        assert!(!validator.is_valid(&bad), "{place} may be {value}");
    }
}
