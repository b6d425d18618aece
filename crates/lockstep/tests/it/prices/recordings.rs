//! What a running New API answered to `POST /api/ratio_sync/fetch`, beside what `lockstep diff --request` answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lockstep_sim::{Gateway, Page, Provider};
use serde_json::{Map, Value, json};

use super::{open, option_key};
use crate::tester::Shell;
use crate::world::{spec, start};

/// The recordings, by their numbers; `None` where the folder is not there.
pub(crate) fn recordings() -> Option<BTreeMap<u32, Value>> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/golden/ratio_sync"
    ));
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("{} is absent: no recording is compared", folder.display());
        return None;
    };
    let read = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let number = name.get(..2)?.parse().ok()?;
        let text = std::fs::read_to_string(&path).expect("it can be read");
        Some((number, serde_json::from_str(&text).expect("it is JSON")))
    };
    let entries = entries.map(|entry| entry.expect("an entry").path());
    Some(entries.filter_map(read).collect())
}

/// The gateway of a recording, and the request with the address where its upstreams are now.
pub(crate) async fn replayed(recording: &Value) -> (Gateway, String) {
    let mut spec = spec();
    for (field, map) in recording["local"].as_object().expect("the maps") {
        spec = spec.option(option_key(field), &map.to_string());
    }
    let mut upstream = Provider::new("up", Vec::<String>::new());
    for (path, page) in recording["bodies"].as_object().expect("the bodies") {
        let body = page["body"].as_str().expect("a body").to_owned();
        let status = page["status"].as_u64().expect("a status");
        let page = Page::json(body).status(u16::try_from(status).expect("a status"));
        upstream = upstream.page(path, page);
    }
    let gateway = start(spec.provider(upstream)).await;
    let url = gateway.provider("up").base_url().to_owned();
    let request = recording["request"]
        .to_string()
        .replace("http://models.dev", &url)
        .replace("http://UPSTREAM", &url);
    (gateway, request)
}

/// Holds an answer to a recorded one. The ninth recording is about bodies that Lockstep is stricter with.
#[track_caller]
pub(crate) fn is_as_recorded(number: u32, told: &Value, recording: &Value) {
    assert_eq!(told["success"], true, "{number}: {told}");
    let (ours, theirs) = (&told["data"], &recording["response"]["data"]);
    is_explained(ours);
    if number == 9 {
        is_stricter(told);
        return;
    }
    let mut wanted = reckoned(&theirs["differences"]);
    if number == 11 {
        // The first-party price of gpt-4o is taken, not the cheapest, and it is the gateway's own.
        let gone = wanted.as_object_mut().expect("models").remove("gpt-4o");
        assert!(gone.is_some());
    }
    let found = reckoned(&ours["differences"]);
    assert_eq!(found, wanted, "{number}\n{found:#}\n{wanted:#}");
    assert_eq!(statuses(ours), statuses(theirs), "{number}");
}

/// Numbers as New API reckons with them, so that 1 and 1.0 are one.
fn reckoned(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(reckoned).collect(),
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, value)| (key.clone(), reckoned(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The status of each source.
fn statuses(data: &Value) -> BTreeMap<&str, &str> {
    let results = data["test_results"].as_array().expect("results");
    let status = |result: &'static str, of: &Value| of[result].as_str().map(str::to_owned);
    assert!(results.iter().all(|of| status("name", of).is_some()));
    results
        .iter()
        .filter_map(|of| Some((of["name"].as_str()?, of["status"].as_str()?)))
        .collect()
}

/// The exit status that the sources deserve.
fn exit_of(statuses: &BTreeMap<&str, &str>) -> i32 {
    let failed = statuses
        .values()
        .filter(|status| **status == "error")
        .count();
    match failed {
        0 => 0,
        all if all == statuses.len() => 1,
        _ => 3,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_request_has_the_recorded_answer() {
    let Some(recordings) = recordings() else {
        return;
    };
    assert!(recordings.len() >= 11, "{:?}", recordings.keys());
    let mut replays = tokio::task::JoinSet::new();
    for (number, recording) in recordings {
        replays.spawn(async move {
            let (gateway, request) = replayed(&recording).await;
            let shell = open(Shell::at(&gateway));
            let file = shell.path("request.json");
            std::fs::write(&file, request).expect("written");
            let file = file.display().to_string();
            let (told, code) = shell.json(&["diff", "--request", &file]).await;
            is_as_recorded(number, &told, &recording);
            assert_eq!(code, exit_of(&statuses(&told["data"])), "{number}");
            assert!(gateway.writes().is_empty(), "{number} wrote");
        });
    }
    replays.join_all().await;
}

/// What Lockstep adds is about every model that differs, and an error has its words in English.
#[track_caller]
fn is_explained(data: &Value) {
    let keys = |value: &Value| -> Vec<String> {
        let object: &Map<String, Value> = value.as_object().expect("an object");
        object.keys().cloned().collect()
    };
    assert_eq!(keys(&data["usd"]), keys(&data["differences"]));
    for result in data["test_results"].as_array().expect("results") {
        let error = result["error"].as_str();
        assert_eq!(error.is_some(), result["status"] == "error", "{result}");
        assert!(
            error.is_none_or(|text| text.is_ascii() && text.len() > 5),
            "{result}"
        );
    }
}

/// Bodies that are no price list are errors and say why.
#[track_caller]
fn is_stricter(told: &Value) {
    let data = &told["data"];
    let good = ["bom(15)", "emptylist(11)", "nosuccess(7)", "notmap(9)"];
    for (name, status) in statuses(data) {
        let wanted = if good.contains(&name) {
            "success"
        } else {
            "error"
        };
        assert_eq!(status, wanted, "{name}: {told:#}");
    }
    assert_eq!(statuses(data).len(), 18);
    let source = |name: &str| {
        let sources = data["sources"].as_array().expect("sources");
        let found = sources.iter().find(|source| source["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    };
    for empty in ["emptylist(11)", "notmap(9)"] {
        assert_eq!(source(empty)["state"], "empty", "{told:#}");
    }
    // What has nothing usable names what was in it.
    for (name, entry) in [("strnum(8)", "a"), ("huge(13)", "a"), ("dup(14)", "a")] {
        let results = data["test_results"].as_array().expect("results");
        let result = results.iter().find(|result| result["name"] == name);
        let error = result.expect("a result")["error"]
            .as_str()
            .expect("an error");
        assert!(error.contains(entry), "{name}: {error}");
    }
    let upstreams = &data["differences"]["a"]["model_ratio"]["upstreams"];
    assert_eq!(upstreams["nosuccess(7)"], 2, "{data:#}");
    assert_eq!(upstreams["bom(15)"], 5, "{data:#}");
    let models: Vec<&String> = data["differences"]
        .as_object()
        .expect("models")
        .keys()
        .collect();
    assert_eq!(models, ["a"]);
}
