//! The JSON of a run against its schema.

use std::collections::BTreeSet;

use jsonschema::Validator;
use lockstep_sim::{Fault, Matcher, Rule, When};
use serde_json::{Value, json};

use crate::tester::Shell;
use crate::world::{items, mixed, start, texts};

const SCHEMA: &str = include_str!("../../../../docs/run.schema.json");
const PRICE_SCHEMA: &str = include_str!("../../../../docs/price-run.schema.json");

/// The schema of a run about model lists.
pub(crate) fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

/// The schema of a run about prices.
pub(crate) fn price_schema() -> Value {
    serde_json::from_str(PRICE_SCHEMA).expect("the schema is JSON")
}

fn validator() -> Validator {
    validator_of(&schema())
}

fn validator_of(schema: &Value) -> Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .expect("the schema is one")
}

#[track_caller]
fn is_of(schema: &Value, run: &Value) {
    let mistakes: Vec<String> = validator_of(schema)
        .iter_errors(run)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}\n{run:#}");
}

/// Asserts that an object is a run as the schema has it, and what the schema cannot say.
#[track_caller]
fn is_a_run(run: &Value) {
    is_of(&schema(), run);
    adds_up(run);
    let ids: Vec<i64> = items(run)
        .iter()
        .filter_map(|item| item["channel_id"].as_i64())
        .collect();
    assert!(ids.is_sorted() && ids.len() == items(run).len());
    let statuses = items(run).iter().map(|item| item["status"].as_str());
    counts_are(run, statuses.map(|status| status.expect("a status")));
    for item in items(run) {
        is_an_item(item);
    }
}

/// Asserts that an object is a run about prices as its schema has it, and what the schema cannot say.
#[track_caller]
pub(crate) fn is_a_price_run(run: &Value) {
    is_of(&price_schema(), run);
    adds_up(run);
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let place = |item: &Value| {
        let field = FIELDS.iter().position(|field| item["field"] == *field);
        (text(item, "model"), field.expect("a field"))
    };
    let places: Vec<(String, usize)> = items(run).iter().map(place).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
    let models: Vec<&[Value]> = items(run)
        .chunk_by(|one, next| one["model"] == next["model"])
        .collect();
    counts_are(run, models.iter().map(|model| status_of_model(model)));
    for model in models {
        let any = |test: &dyn Fn(&Value) -> bool| model.iter().any(test);
        assert_eq!(
            any(&|item| item["status"] == "held"),
            any(&|item| !item["hold"].is_null()),
            "{model:?}"
        );
        for item in model {
            for same in ["usd_old", "usd_new", "kind_old", "kind_new", "source"] {
                assert_eq!(item[same], model[0][same], "{same} of {model:?}");
            }
            is_a_price_item(item);
        }
    }
}

/// The fields in the order in which they are told.
const FIELDS: [&str; 10] = [
    "model_ratio",
    "completion_ratio",
    "cache_ratio",
    "create_cache_ratio",
    "image_ratio",
    "audio_ratio",
    "audio_completion_ratio",
    "model_price",
    "billing_mode",
    "billing_expr",
];

/// The status of a model by those of its values. A part that was not written any more is told as skipped.
fn status_of_model(model: &[Value]) -> &'static str {
    let any = |status: &str| model.iter().any(|item| item["status"] == status);
    let dropped = |item: &Value| item["status"] == "skipped" && item["skip"].is_null();
    if any("failed") {
        "failed"
    } else if any("held") {
        "held"
    } else if any("planned") {
        "planned"
    } else if model.iter().any(dropped) {
        "skipped"
    } else if any("success") {
        "success"
    } else {
        "skipped"
    }
}

#[track_caller]
fn is_a_price_item(item: &Value) {
    let is_text = ["billing_mode", "billing_expr"]
        .iter()
        .any(|field| item["field"] == *field);
    for value in [&item["old"], &item["new"]] {
        assert!(value.is_null() || value.is_string() == is_text, "{item}");
    }
    let status = item["status"].as_str().expect("a status");
    assert_eq!(status == "failed", !item["error"].is_null(), "{item}");
    if !item["hold"].is_null() {
        assert_eq!(status, "held", "{item}");
    }
    if !item["skip"].is_null() {
        assert!(["skipped", "held"].contains(&status), "{item}");
    }
}

#[track_caller]
fn counts_are<'a>(run: &Value, statuses: impl Iterator<Item = &'a str>) {
    let mut counted = std::collections::BTreeMap::new();
    for status in statuses {
        *counted.entry(status.to_owned()).or_insert(0_u64) += 1;
    }
    for status in ["success", "failed", "held", "skipped", "planned"] {
        let told = run["statistics"][status].as_u64().expect("a count");
        let found = counted.get(status).copied().unwrap_or(0);
        assert_eq!(told, found, "{status} of {run:#}");
    }
    let total: u64 = counted.values().sum();
    assert_eq!(run["statistics"]["total"], total, "{run:#}");
}

/// Asserts what is true of the head of every run.
#[track_caller]
fn adds_up(run: &Value) {
    let count = |name: &str| run["statistics"][name].as_u64().expect("a count");
    let sum: u64 = ["success", "failed", "held", "skipped", "planned"]
        .into_iter()
        .map(count)
        .sum();
    assert_eq!(count("total"), sum, "{run}");
    let id = uuid::Uuid::parse_str(run["run"].as_str().expect("an id")).expect("a UUID");
    assert_eq!(id.get_version_num(), 7);
    let time = |value: &Value| {
        value
            .as_str()
            .map(|text| text.parse::<jiff::Timestamp>().expect("a time"))
    };
    let started = time(&run["started_at"]).expect("a start");
    if let Some(ended) = time(&run["ended_at"]) {
        assert!(ended >= started);
        let took = ended.as_millisecond() - started.as_millisecond();
        // The time in which it waited for its yes is not in it.
        let worked = run["duration_ms"].as_i64().expect("a duration");
        assert!((0..=took).contains(&worked), "{run}");
    }
    let ended = ["done", "partial", "failed", "cancelled"]
        .contains(&run["state"].as_str().expect("a state"));
    assert_eq!(ended, run["ended_at"].is_string(), "{run}");
}

#[track_caller]
fn is_an_item(item: &Value) {
    let set = |name: &str| -> BTreeSet<&str> { texts(&item[name]).into_iter().collect() };
    let (old, new) = (set("old_models"), set("new_models"));
    let difference = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| {
        a.difference(b)
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<String>>()
    };
    let owned = |name: &str| {
        set(name)
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<String>>()
    };
    assert_eq!(owned("added"), difference(&new, &old), "{item}");
    assert_eq!(owned("removed"), difference(&old, &new), "{item}");
    let status = item["status"].as_str().expect("a status");
    assert_eq!(status == "held", !item["hold"].is_null(), "{item}");
    // Beside a hold, a skip is about the other part.
    let told = !item["skip"].is_null();
    assert!(
        told == (status == "skipped") || (told && status == "held"),
        "{item}"
    );
    if status == "failed" {
        assert!(!item["error"].is_null(), "{item}");
    }
    if ["success", "planned"].contains(&status) {
        assert!(item["error"].is_null(), "{item}");
        assert!(item["attempts"].as_u64() >= Some(1), "{item}");
    }
    for entry in item["kept"].as_array().expect("a list") {
        assert!(
            new.contains(entry["name"].as_str().expect("a name")),
            "{entry} of {item}"
        );
    }
    for entry in item["dropped"].as_array().expect("a list") {
        assert!(
            !new.contains(entry["name"].as_str().expect("a name")),
            "{entry} of {item}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_that_prints_a_run_prints_it_by_the_schema() {
    let gateway = start(mixed()).await;
    gateway.edit_channel(2, |channel| {
        channel.model_mapping = Some("{broken".to_owned());
        channel.models = "claude-opus,claude-sonnet,Claude-Haiku".to_owned();
    });
    gateway
        .provider("beta")
        .set_models(["claude-opus", "claude-sonnet", "claude-haiku", "a,b"]);
    let shell = Shell::with_site(&gateway).await;
    let mut ids = BTreeSet::new();
    let mut triggers = BTreeSet::new();
    let mut states = BTreeSet::new();
    for args in [
        &["plan"][..],
        &["plan", "--policy", "add-only"],
        &[
            "plan",
            "--policy",
            "report-only",
            "--enabled-only",
            "--include",
            "gpt",
            "--keep",
            "gamma-9",
        ],
        &["apply", "--yes", "--only", "1"],
        &["sync"],
        &["sync", "--yes"],
        &["sync", "--unattended"],
        &["sync", "--yes", "--channel", "1"],
        &["sync", "--yes", "--retry-failed"],
        &["apply", "--held", "--yes"],
        &["undo", "--yes"],
        &["undo"],
    ] {
        if args == ["apply", "--yes", "--only", "1"] {
            shell.run(&["plan"]).await.is(2);
        }
        let (run, code) = shell.json(args).await;
        assert!(run["run"].is_string(), "{args:?} ended with {code}: {run}");
        is_a_run(&run);
        ids.insert(run["run"].as_str().expect("an id").to_owned());
        triggers.insert(run["trigger"].as_str().expect("a trigger").to_owned());
        states.insert(run["state"].as_str().expect("a state").to_owned());
    }
    let mut kill_me = shell.start(&["sync", "--yes"]);
    gateway.provider("acme").set_models(["gpt-5", "gpt-6"]);
    gateway.kill_at_put(kill_me.pid, 1, When::BeforeApply);
    kill_me.go().await;
    kill_me.end().await;
    let (told, _) = shell.json(&["runs", "--limit", "1"]).await;
    let cut_off = told["runs"][0]["run"].as_str().expect("an id").to_owned();
    let (run, _) = shell.json(&["runs", &cut_off]).await;
    assert_eq!(run["state"], "writing");
    is_a_run(&run);
    // Somebody else edits, the gateway refuses, and the whole gateway fails.
    gateway.edit_channel(1, |channel| channel.models = "mine".to_owned());
    gateway.fault(Rule::once(
        Matcher::put("/api/channel/"),
        Fault::Refused("no".to_owned()),
    ));
    let (run, _) = shell.json(&["sync", "--yes"]).await;
    is_a_run(&run);
    gateway.fault(Rule::always(
        Matcher::get("/api/channel/"),
        Fault::Status(401),
    ));
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!((code, &run["error"]["kind"]), (1, &json!("unauthorized")));
    is_a_run(&run);
    gateway.clear_faults();
    ids.extend([cut_off, run["run"].as_str().expect("an id").to_owned()]);
    for id in &ids {
        let (run, code) = shell.json(&["runs", id]).await;
        assert_eq!((code, &run["run"]), (0, &json!(id)));
        is_a_run(&run);
        states.insert(run["state"].as_str().expect("a state").to_owned());
    }
    let all = [
        "apply-held",
        "plan",
        "retry-failed",
        "selected",
        "sync",
        "undo",
    ];
    assert!(triggers.iter().map(String::as_str).eq(all), "{triggers:?}");
    for state in ["planned", "partial", "done", "failed"] {
        assert!(states.contains(state), "no run was {state}: {states:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_every_outcome_and_prints_two_runs() {
    let shell = Shell::new();
    let (told, code) = shell.json(&["demo", "--once"]).await;
    assert_eq!(code, 0);
    let keys: Vec<&String> = told.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["models", "prices", "undo", "undo_prices"]);
    let (prices, undone) = (&told["prices"], &told["undo_prices"]);
    assert_eq!(told["models"]["parent"], prices["run"]);
    assert_eq!(undone["parent"], prices["run"]);
    for status in ["held", "skipped", "changed", "unchanged"] {
        assert_ne!(prices["statistics"][status], 0, "no price is {status}");
    }
    assert_eq!(
        undone["statistics"]["changed"],
        prices["statistics"]["changed"]
    );
    let states: BTreeSet<&str> = prices["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .filter_map(|source| source["state"].as_str())
        .collect();
    for state in [
        "ok",
        "needs_sign_in",
        "firewall",
        "not_a_price_list",
        "failed",
    ] {
        assert!(states.contains(state), "no source is {state}");
    }
    let (models, undo) = (&told["models"], &told["undo"]);
    is_a_run(models);
    is_a_run(undo);
    assert_eq!(models["statistics"]["total"], 24);
    for status in [
        "success",
        "failed",
        "held",
        "skipped",
        "changed",
        "unchanged",
    ] {
        assert_ne!(
            models["statistics"][status], 0,
            "the demo shows no {status}"
        );
    }
    let any = |what: &dyn Fn(&Value) -> bool| items(models).iter().any(what);
    assert!(any(&|item| item["http_status"] == 401));
    assert!(any(
        &|item| item["attempts"].as_u64() > Some(1) && item["status"] == "success"
    ));
    assert!(any(&|item| !texts(&item["removed"]).is_empty()));
    assert_eq!(undo["parent"], models["run"]);
    assert_eq!(
        undo["statistics"]["changed"],
        models["statistics"]["changed"]
    );
    assert!(
        !shell.path("home").exists(),
        "the demo leaves nothing behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_people_what_it_does_and_what_to_type_next() {
    let shell = Shell::new();
    let said = shell.run(&["demo", "--once"]).await.is(0);
    for what in [
        "$ lockstep plan",
        "$ lockstep sync",
        "$ lockstep runs",
        "$ lockstep undo",
        "lockstep site add main",
    ] {
        assert!(said.out.contains(what), "{what} is not in\n{}", said.out);
    }
    for line in said.out.lines() {
        let width = unicode_width::UnicodeWidthStr::width(line);
        assert!(width <= 80, "{width} columns: {line}");
    }
}

#[test]
fn the_schema_refuses_what_is_no_run() {
    jsonschema::meta::validate(&schema()).expect("it is a schema of 2020-12");
    let validator = validator();
    let item = json!({
        "channel_id": 1, "channel_name": "one", "status": "success", "attempts": 1, "http_status": 200,
        "error": null, "hold": null, "skip": null, "old_models": ["a"], "upstream_models": ["a"],
        "new_models": ["a"], "added": [], "removed": [], "kept": [], "dropped": [], "notes": [],
        "finished_at": "2026-08-01T06:30:00.125Z",
    });
    let good = json!({
        "run": "01987654-3210-7abc-8def-0123456789ab", "parent": null, "site": "main", "subject": "models",
        "state": "done", "trigger": "sync", "actor": "root", "approved_by": null, "plan": null, "started_at": "2026-08-01T06:30:00Z",
        "ended_at": "2026-08-01T06:30:01Z", "duration_ms": 1000,
        "statistics": {
            "total": 1, "success": 1, "failed": 0, "held": 0, "skipped": 0, "planned": 0, "changed": 0,
            "unchanged": 1,
        },
        "requests": {"reads": 2, "writes": 0, "throttled": 0}, "error": null, "items": [item],
    });
    assert!(validator.is_valid(&good));
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    for place in ["", "/statistics", "/requests", "/items/0"] {
        for key in keys(good.pointer(place).expect("there")) {
            let mut less = good.clone();
            less.pointer_mut(place)
                .and_then(Value::as_object_mut)
                .expect("there")
                .remove(&key);
            assert!(!validator.is_valid(&less), "{place}/{key} may be left out");
        }
        let mut more = good.clone();
        more.pointer_mut(place).expect("there")["more"] = json!(1);
        assert!(!validator.is_valid(&more), "{place} may have more");
    }
    for (place, value) in [
        ("/run", json!("01987654-3210-4abc-8def-0123456789ab")),
        ("/state", json!("ready")),
        ("/started_at", json!("2026-08-01 06:30:00")),
        ("/ended_at", json!("2026-08-01T08:30:00+02:00")),
        ("/started_at", json!("2026-13-01T06:30:00Z")),
        ("/statistics/total", json!(-1)),
        (
            "/error",
            json!({"kind": "sunspots", "message": "m", "hint": "h"}),
        ),
        ("/error", json!({"kind": "timeout", "message": "m"})),
        (
            "/items/0/hold",
            json!({"reason": "excluded", "message": "m", "hint": "h"}),
        ),
        (
            "/items/0/skip",
            json!({"reason": "run_brake", "message": "m", "hint": "h"}),
        ),
        ("/items/0/kept", json!([{"name": "a", "why": "taken_out"}])),
        ("/items/0/status", json!("written")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).expect("there") = value.clone();
        assert!(!validator.is_valid(&bad), "{place} may be {value}");
    }
}
