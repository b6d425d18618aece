//! Every recording of a real gateway, asked again of the simulated one.

use std::path::PathBuf;

use lockstep_sim::{Channel, Gateway, Manner, PRICE_KEYS, Price, Provider, Spec, price};
use serde_json::Value;

use crate::client::{Seen, send};

/// In the order they were recorded: prices are asked for after channels were changed.
const FILES: [&str; 6] = [
    "auth",
    "fetch_models",
    "list",
    "options",
    "update",
    "ratio_sync",
];

fn recordings() -> Option<Vec<(&'static str, Value)>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/gateway");
    let mut files = Vec::new();
    for name in FILES {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{name}.json"))) else {
            eprintln!("skipped: {} is not there", folder.display());
            return None;
        };
        files.push((
            name,
            serde_json::from_str(&text).expect("a recording is JSON"),
        ));
    }
    Some(files)
}

/// The channels and prices the recordings imply.
fn recorded_gateway(options: &Value) -> Spec {
    let names = |count: usize| {
        (0..count)
            .map(|n| format!("model-{n:05}"))
            .collect::<Vec<_>>()
    };
    let mut spec = Spec::new()
        .provider(Provider::new("ok-3", names(3)))
        .provider(Provider::new("ok-5", names(5)))
        .provider(Provider::new("ok-12", names(12)))
        .provider(Provider::new("empty", names(0)))
        .provider(Provider::new("err200", names(1)).manner(Manner::ErrorIn200))
        .provider(Provider::new("html", names(1)).manner(Manner::Html))
        .provider(Provider::new("s401", names(1)).manner(Manner::WantsOtherKey))
        .provider(Provider::new("s429", names(1)).manner(Manner::RateLimited(9)))
        .provider(Provider::new("s500", names(1)).manner(Manner::ServerError));
    for (index, name) in [
        "ok-3", "ok-5", "empty", "err200", "html", "s401", "s429", "s500",
    ]
    .into_iter()
    .enumerate()
    {
        let id = i64::try_from(index + 1).expect("small");
        spec = spec.channel(
            Channel::new(id, &format!("g-{name}"))
                .at(name)
                .models("old-a,model-00001"),
        );
    }
    let mut twelve = Channel::new(9, "g-twelve")
        .at("ok-12")
        .models("a")
        .priority(5)
        .mapping("{\"alias\":\"model-00001\"}");
    twelve.weight = Some(3);
    twelve.tag = Some("t1".to_owned());
    twelve.group = "default,vip".to_owned();
    spec = spec
        .channel(twelve)
        .channel(
            Channel::new(10, "g-anthropic")
                .kind(14)
                .at("ok-3")
                .models("claude-3"),
        )
        .channel(Channel::new(11, "g-nobase").models("gpt-4o"));
    let steps = options["steps"].as_array().expect("steps");
    let all = steps
        .iter()
        .find(|step| step["what"] == "all options")
        .expect("the list");
    for row in all["body"]["data"].as_array().expect("rows") {
        let key = row["key"].as_str().expect("a key");
        // These three were changed by the steps before the list.
        let changed = ["ModelRatio", "CacheRatio", "billing_setting.billing_expr"].contains(&key);
        if PRICE_KEYS.contains(&key) && !changed {
            spec = spec.option(key, row["value"].as_str().expect("a text"));
        }
    }
    spec
}

#[tokio::test]
async fn answers_as_the_recordings_do() {
    let Some(files) = recordings() else { return };
    let gateway = Gateway::start(recorded_gateway(&files[3].1))
        .await
        .expect("it starts");
    let mut wrong = Vec::new();
    let mut steps = 0;
    for (name, file) in &files {
        for step in file["steps"].as_array().expect("steps") {
            let what = step["what"].as_str().unwrap_or_default();
            if what == "two channels" {
                continue;
            }
            steps += 1;
            let seen = replay(&gateway, &step["request"]).await;
            compare(&gateway, step, &seen, |problem| {
                wrong.push(format!("{name} / {what}: {problem}"));
            });
        }
    }
    assert!(steps > 40, "only {steps} steps");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn replay(gateway: &Gateway, request: &Value) -> Seen {
    let method = request["method"].as_str().expect("a method");
    let path = request["path"].as_str().expect("a path");
    let body = match &request["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in request["headers"].as_object().expect("headers") {
        let value = value.as_str().unwrap_or_default();
        headers.push((
            name.clone(),
            value.replace("ROOT-PAT", gateway.root_token()),
        ));
    }
    if !headers.iter().any(|(name, _)| name == "Authorization") {
        headers.push((
            "Authorization".to_owned(),
            format!("Bearer {}", gateway.root_token()),
        ));
    }
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let seen = send(gateway.addr(), method, path, &headers, &body)
        .await
        .expect("an answer");
    // The recorder followed redirects of GET requests, as most clients do.
    match seen.header("Location") {
        Some(location) if method == "GET" && seen.status() == 301 => {
            send(gateway.addr(), method, &location, &headers, &body)
                .await
                .expect("an answer")
        }
        _ => seen,
    }
}

fn compare(gateway: &Gateway, step: &Value, seen: &Seen, mut wrong: impl FnMut(String)) {
    if step["status"] != seen.status() {
        wrong(format!(
            "status {} instead of {}",
            seen.status(),
            step["status"]
        ));
    }
    for name in ["Auth-Version", "Content-Type", "Location"] {
        let expected = step["headers"][name].as_str().map(str::to_owned);
        if seen.header(name) != expected {
            wrong(format!(
                "{name} {:?} instead of {expected:?}",
                seen.header(name)
            ));
        }
    }
    let (mut expected, mut found) = match &step["body"] {
        Value::String(text) => (
            Value::String(text.clone()),
            Value::String(String::from_utf8_lossy(seen.body()).into_owned()),
        ),
        body => (body.clone(), seen.json()),
    };
    let upstream = gateway.provider("ok-3").base_url().replace("/ok-3", "");
    normalise(&mut expected, &upstream);
    normalise(&mut found, &upstream);
    if expected != found {
        wrong(format!("body\n  {found}\ninstead of\n  {expected}"));
    }
}

/// Takes out what may differ: times, addresses, options nobody reads, and orders that mean nothing.
fn normalise(value: &mut Value, upstream: &str) {
    match value {
        Value::String(text) => *text = text.replace(upstream, "http://UPSTREAM"),
        Value::Array(items) => {
            if items
                .iter()
                .all(|item| item.get("key").is_some() && item.get("value").is_some())
            {
                items.retain(|item| {
                    let key = item["key"].as_str().unwrap_or_default();
                    PRICE_KEYS.contains(&key) || key == "CompletionRatioMeta"
                });
                items.iter_mut().for_each(only_shape_of_meta);
                items.sort_by_key(|item| item["key"].to_string());
            }
            if items.iter().all(|item| item.get("model_name").is_some()) {
                items.sort_by_key(|item| item["model_name"].to_string());
            }
            items.iter_mut().for_each(|item| normalise(item, upstream));
        }
        Value::Object(fields) => {
            for time in ["created_time", "start_time"] {
                fields.remove(time);
            }
            if fields.contains_key("model_name") {
                fields.remove("pricing_version");
            }
            fields
                .values_mut()
                .for_each(|item| normalise(item, upstream));
        }
        _ => {}
    }
}

fn only_shape_of_meta(row: &mut Value) {
    if row["key"] != "CompletionRatioMeta" {
        return;
    }
    let meta: Value = serde_json::from_str(row["value"].as_str().expect("a text")).expect("JSON");
    for entry in meta.as_object().expect("an object").values() {
        assert!(
            entry["ratio"].is_number() && entry["locked"].is_boolean(),
            "{entry}"
        );
    }
    row["value"] = Value::Null;
}

#[test]
fn a_providers_price_list_has_the_fields_of_a_recorded_one() {
    let Some(files) = recordings() else { return };
    let (_, file) = files
        .iter()
        .find(|(name, _)| *name == "ratio_sync")
        .expect("it is one of them");
    let steps = file["steps"].as_array().expect("steps");
    let step = steps
        .iter()
        .find(|step| step["what"] == "price list")
        .expect("recorded");
    let fields = |value: &Value| -> Vec<String> {
        let mut fields: Vec<String> = value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        fields.sort();
        fields
    };
    let prices = [Price::tokens("m", 2.0, 2.0), Price::tokens("n", 2.0, 2.0)];
    let ours: Value = serde_json::from_str(&price::pricing_list(&prices, &[("default", 1.0)]))
        .expect("it is JSON");
    assert_eq!(fields(&ours), fields(&step["body"]));
    for item in 0..2 {
        assert_eq!(
            fields(&ours["data"][item]),
            fields(&step["body"]["data"][item])
        );
    }
}
