//! The requests of New API's own documentation, as `lockstep diff --request` takes them, and what it makes of mistakes.

use std::time::Duration;

use lockstep_sim::{Fault, Gateway, Matcher, Page, Price, Provider, Rule};
use serde_json::{Value, json};

use super::{list, open, shop};
use crate::tester::{Said, Shell};
use crate::world::start;

/// The shop, its list at two channels as well: 2 publishes it where a New API does, 3 wants a sign-in.
async fn gateway() -> Gateway {
    let spec = shop()
        .provider(Provider::new("relay", ["amber"]).ratio_config(&list()))
        .provider(
            Provider::new("club", ["amber"])
                .page("/api/ratio_config", Page::ratio_config_off())
                .page("/api/pricing", Page::json("{}").token("secret")),
        )
        .channel(
            lockstep_sim::Channel::new(2, "Relay")
                .at("relay")
                .models("amber"),
        )
        .channel(
            lockstep_sim::Channel::new(3, "Club")
                .at("club")
                .models("amber"),
        );
    start(spec).await
}

async fn asked(shell: &Shell, request: &Value) -> Said {
    let args = ["diff", "--request", "-", "--json"];
    shell.pipe(&args, &request.to_string()).await
}

fn upstream(gateway: &Gateway, name: &str, provider: &str) -> Value {
    let url = gateway.provider(provider).base_url().to_owned();
    json!({"name": name, "base_url": url, "endpoint": "/api/pricing"})
}

#[track_caller]
fn results(told: &Value) -> Vec<(String, String)> {
    let results = told["data"]["test_results"].as_array();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    results
        .unwrap_or_else(|| panic!("no results in {told:#}"))
        .iter()
        .map(|result| (text(&result["name"]), text(&result["status"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_asked_by_their_ids() {
    let gateway = gateway().await;
    let shell = open(Shell::at(&gateway));
    let said = asked(&shell, &json!({"channel_ids": [2, 3, 99], "timeout": 10})).await;
    let told = said.is(3).json();
    let ours = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    assert_eq!(
        results(&told),
        [ours("Relay(2)", "success"), ours("Club(3)", "error")]
    );
    let data = &told["data"];
    assert_eq!(
        data["differences"]["birch"]["model_ratio"],
        json!({"current": 0.5, "upstreams": {"Relay(2)": 0.75}, "confidence": {"Relay(2)": true}})
    );
    assert_eq!(data["usd"]["birch"]["current"]["input"], 1.0);
    assert_eq!(data["usd"]["birch"]["sources"]["Relay(2)"]["output"], 6.0);
    assert!(data["differences"].get("amber").is_none());
    let states: Vec<&str> = data["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .filter_map(|source| source["state"].as_str())
        .collect();
    assert_eq!(states, ["ok", "needs_sign_in"]);
    assert!(gateway.writes().is_empty());
    // Nothing is kept: no run, no copy, no source.
    let (runs, _) = shell.json(&["runs"]).await;
    assert_eq!(runs["runs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_win_over_channels_and_those_without_http_are_left_out() {
    let gateway = gateway().await;
    let shell = open(Shell::at(&gateway));
    let request = json!({
        "channel_ids": [2],
        "upstreams": [
            upstream(&gateway, "自定义源", "list"),
            {"name": "ftp", "base_url": "ftp://example.com", "endpoint": "/api/pricing"},
            {"name": "blank", "base_url": ""},
        ],
        "timeout": 15,
    });
    let told = asked(&shell, &request).await.is(0).json();
    assert_eq!(
        results(&told),
        [("自定义源".to_owned(), "success".to_owned())]
    );
    assert_eq!(gateway.provider("relay").requests("/api/ratio_config"), 0);
}

/// What each source says of the input price of birch, as the answer is written: a key that is there twice shows.
fn birch(said: &Said) -> String {
    let text = said.out.split_once(r#""model_ratio":{"current":0.5,"#);
    let (_, rest) = text.unwrap_or_else(|| panic!("birch is not in {}", said.out));
    let end = rest.find('}').expect("an end");
    rest[..end]
        .trim_start_matches(r#""upstreams":{"#)
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_named_twice_is_asked_once() {
    let gateway = gateway().await;
    let shell = open(Shell::at(&gateway));
    let relay = json!({"id": 2, "name": "Relay", "base_url": gateway.provider("relay").base_url()});
    for request in [
        json!({"channel_ids": [2, 2], "timeout": 10}),
        json!({"upstreams": [relay, relay], "timeout": 10}),
    ] {
        let said = asked(&shell, &request).await.is(0);
        let told = said.json();
        let ours = ("Relay(2)".to_owned(), "success".to_owned());
        assert_eq!(results(&told), [ours], "{request}");
        assert_eq!(birch(&said), r#""Relay(2)":0.75"#);
    }
    let list = super::source(&gateway, "list");
    let said = shell.run(&["diff", &list, &list, "--json"]).await.is(0);
    assert_eq!(birch(&said), r#""list":0.75"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_named_twice_does_not_agree_with_itself() {
    let gateway = gateway().await;
    for other in ["one", "two"] {
        gateway.add_provider(Provider::new(other, ["x"]).pricing_list(&super::charged()));
    }
    let shell = open(Shell::at(&gateway));
    let named = |provider| upstream(&gateway, provider, provider);
    let mut doubts = Vec::new();
    for times in [1, 2] {
        let mut upstreams = vec![named("one"), named("two")];
        upstreams.extend((0..times).map(|_| named("list")));
        let told = asked(&shell, &json!({"upstreams": upstreams})).await.is(0);
        doubts.push(told.json()["data"]["suspicious"]["birch"].clone());
    }
    assert_eq!(doubts[0], json!({"list": ["lone_source"]}));
    assert_eq!(doubts[1], doubts[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn different_sources_of_one_name_are_told_apart() {
    let gateway = gateway().await;
    let other = [Price::tokens("birch", 3.0, 4.0)];
    gateway.add_provider(Provider::new("other", ["x"]).pricing_list(&other));
    let shell = open(Shell::at(&gateway));
    let request =
        json!({"upstreams": [upstream(&gateway, "x", "list"), upstream(&gateway, "x", "other")]});
    let said = asked(&shell, &request).await.is(0);
    let told = said.json();
    let ours = |name: &str| (name.to_owned(), "success".to_owned());
    assert_eq!(results(&told), [ours("x"), ours("x#2")]);
    assert_eq!(birch(&said), r#""x":0.75,"x#2":1.5"#);
    assert_eq!(told["data"]["usd"]["birch"]["sources"]["x#2"]["input"], 3.0);
    // Two pages of one host have one name too, where none is given.
    let base = gateway.provider("other").base_url().to_owned();
    let page = lockstep_sim::price::pricing_list(&super::list(), &[("default", 1.0)]);
    gateway
        .provider("other")
        .set_page("/more", Page::json(page));
    let pages = ["/api/pricing", "/more"].map(|page| format!("{base},endpoint={page}"));
    let said = shell.run(&["diff", &pages[0], &pages[1], "--json"]).await;
    let host = base.strip_prefix("http://").expect("an address");
    assert_eq!(
        birch(&said.is(0)),
        format!(r#""{host}":1.5,"{host}#2":0.75"#)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_nobody_who_can_be_asked_gets_the_documented_answer() {
    let gateway = gateway().await;
    let shell = open(Shell::at(&gateway));
    for request in [
        json!({}),
        json!({"channel_ids": null, "upstreams": null, "timeout": null}),
        json!({"channel_ids": [99]}),
        json!({"upstreams": [{"name": "x", "base_url": "example.com"}]}),
        json!({"channel_ids": [2], "upstreams": [{"name": "x", "base_url": "ftp://example.com"}]}),
    ] {
        let told = asked(&shell, &request).await.is(1).json();
        assert_eq!(
            told,
            json!({"success": false, "message": "No valid upstream Channels"}),
            "{request}"
        );
    }
    std::fs::write(shell.path("none.json"), "{}").expect("written");
    shell
        .run(&["diff", "--request", "none.json"])
        .await
        .is(1)
        .says("No valid upstream Channels");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_read_is_a_clear_mistake() {
    let gateway = gateway().await;
    let shell = open(Shell::at(&gateway));
    shell
        .run(&["diff", "--request", "nowhere.json"])
        .await
        .is(1)
        .says("nowhere.json")
        .says("No such file");
    for text in [
        "",
        "[",
        "[]",
        r#"{"channel_ids":"1"}"#,
        r#"{"timeout":"soon"}"#,
        &json!({"channel_ids": (0..201).collect::<Vec<i64>>()}).to_string(),
    ] {
        std::fs::write(shell.path("bad.json"), text).expect("written");
        shell
            .run(&["diff", "--request", "bad.json"])
            .await
            .is(1)
            .says("/api/ratio_sync/fetch");
    }
    shell
        .run(&["diff", "official", "--request", "bad.json"])
        .await
        .is(1)
        .says("cannot be used with");
    assert_eq!(gateway.count("GET", "/api/option"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_limit_of_a_request_bounds_each_source_over_all_its_tries() {
    let gateway = gateway().await;
    let silence = Fault::Silence(Duration::from_secs(60));
    gateway
        .add_provider(Provider::new("silent", ["x"]).fault(Rule::always(Matcher::any(), silence)));
    let shell = open(Shell::at(&gateway));
    let request = json!({
        "upstreams": [upstream(&gateway, "silent", "silent"), upstream(&gateway, "list", "list")],
        "timeout": 1,
    });
    let told = asked(&shell, &request).await.is(3).json();
    let error = told["data"]["test_results"][0]["error"].as_str();
    assert!(
        error.is_some_and(|error| error.contains("within 1s")),
        "{told:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_status_of_diff_says_how_many_answered() {
    let gateway = gateway().await;
    gateway.add_provider(Provider::new("dead", ["x"]).page("/api/pricing", Page::html()));
    let shell = open(Shell::at(&gateway));
    let (list, dead) = (
        super::source(&gateway, "list"),
        super::source(&gateway, "dead"),
    );
    for (sources, code) in [(&[&list][..], 0), (&[&list, &dead], 3), (&[&dead], 1)] {
        let args: Vec<&str> = std::iter::once("diff")
            .chain(sources.iter().map(|source| source.as_str()))
            .collect();
        let (told, _) = shell.json(&args).await;
        assert_eq!(told["success"], true);
        shell.run(&args).await.is(code);
    }
    let said = shell.run(&["diff", &list, &dead]).await;
    let said = said
        .says("birch")
        .says("a web page came instead of a price list");
    assert!(!said.out.contains("amber"), "{}", said.out);
    shell.run(&["diff"]).await.is(1).says("which source?");
    shell.run(&["diff", "--timeout", "soon", &list]).await.is(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn doubtful_prices_are_marked_and_counted_apart() {
    let gateway = gateway().await;
    let odd = [
        Price::tokens("amber", 2000.0, 8000.0),
        Price::unset("cedar"),
        Price::tokens("birch", 0.0, 0.0),
    ];
    gateway.add_provider(Provider::new("odd", ["x"]).pricing_list(&odd));
    let shell = open(Shell::at(&gateway));
    let (told, _) = shell.json(&["diff", &super::source(&gateway, "odd")]).await;
    let doubts = &told["data"]["suspicious"];
    for (model, code) in [
        ("amber", "unit_slip"),
        ("cedar", "placeholder"),
        ("birch", "zero_crossing"),
    ] {
        let codes = doubts[model]["odd"].as_array().expect("codes");
        assert!(codes.contains(&json!(code)), "{model}: {doubts}");
    }
    let confidence = &told["data"]["differences"]["cedar"]["model_ratio"]["confidence"];
    assert_eq!(confidence["odd"], false, "{told:#}");
}
