//! Rules of the gateway that the recordings do not show, and the handle behind its back.

use std::time::Duration;

use lockstep_sim::{Channel, Gateway, Limit, Limits, Spec, When, demo, spec};
use serde_json::json;

use crate::client::{call, get, put_models, put_option, send};

async fn start(spec: Spec) -> Gateway {
    Gateway::start(spec).await.expect("it starts")
}

fn two() -> Spec {
    Spec::new()
        .channel(Channel::new(1, "one").models("a"))
        .channel(
            Channel::new(2, "two")
                .models("b")
                .kind(14)
                .status(2)
                .priority(9),
        )
}

#[tokio::test]
async fn lists_filter_sort_and_count_types() {
    let gateway = start(two()).await;
    let ids = |value: serde_json::Value| {
        let items = value["data"]["items"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item["id"].as_i64())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(get(&gateway, "/api/channel/").await), [2, 1]);
    assert_eq!(
        ids(get(&gateway, "/api/channel/?sort_by=id&sort_order=asc").await),
        [1, 2]
    );
    assert_eq!(
        ids(get(&gateway, "/api/channel/?sort_by=name").await),
        [2, 1]
    );
    assert_eq!(
        ids(get(&gateway, "/api/channel/?status=enabled").await),
        [1]
    );
    assert_eq!(
        ids(get(&gateway, "/api/channel/search?keyword=TWO").await),
        [2]
    );
    let typed = get(&gateway, "/api/channel/?type=14").await;
    assert_eq!(typed["data"]["total"], 1);
    assert_eq!(typed["data"]["type_counts"], json!({"1":1,"14":1}));
}

#[tokio::test]
async fn the_limits_answer_429_without_a_body() {
    let limits = Limits {
        global: Some(Limit::new(3, Duration::from_secs(180))),
        critical: Some(Limit::new(1, Duration::from_secs(1200))),
    };
    let gateway = start(Spec::new().limits(limits)).await;
    assert_eq!(
        call(&gateway, "GET", "/api/ratio_config", "")
            .await
            .status(),
        403
    );
    let critical = call(&gateway, "GET", "/api/ratio_config", "").await;
    assert_eq!(
        (critical.status(), critical.header("Retry-After").as_deref()),
        (429, Some("1200"))
    );
    assert_eq!(call(&gateway, "GET", "/api/status", "").await.status(), 200);
    let global = call(&gateway, "GET", "/api/status", "").await;
    assert_eq!(
        (global.status(), global.header("Retry-After").as_deref()),
        (429, Some("180"))
    );
    assert_eq!(global.header("Content-Length").as_deref(), Some("0"));
    assert!(global.header("Content-Type").is_none() && global.body().is_empty());
    assert_eq!(call(&gateway, "GET", "/somewhere", "").await.status(), 200);
    assert_eq!(gateway.count_status(429), 2);
}

#[tokio::test]
async fn roles_open_different_doors() {
    let gateway = start(two()).await;
    for (token, list, option, sensitive) in [
        (gateway.root_token(), 200, 200, 200),
        (gateway.admin_token(), 200, 403, 403),
        (gateway.common_token(), 403, 403, 403),
        ("nobody", 401, 401, 401),
    ] {
        gateway.edit_channel(1, |channel| channel.base_url = None);
        let ask = |method: &'static str, path: &'static str, body: &'static str| {
            let (addr, token) = (gateway.addr(), token.to_owned());
            async move {
                let seen = send(addr, method, path, &[("Authorization", &token)], body).await;
                seen.expect("an answer").status()
            }
        };
        assert_eq!(ask("GET", "/api/channel/", "").await, list, "{token}");
        assert_eq!(ask("GET", "/api/option/", "").await, option, "{token}");
        assert_eq!(
            ask("PUT", "/api/channel/", "{\"id\":1,\"models\":\"x\"}").await,
            list,
            "{token}"
        );
        assert_eq!(
            ask(
                "PUT",
                "/api/channel/",
                "{\"id\":1,\"base_url\":\"http://x\"}"
            )
            .await,
            sensitive,
            "{token}"
        );
    }
    let roles: Vec<_> = gateway
        .log()
        .iter()
        .map(|entry| entry.role)
        .step_by(4)
        .collect();
    assert_eq!(roles, [Some(100), Some(10), Some(1), None]);
}

#[tokio::test]
async fn the_log_tells_writes_from_effective_writes() {
    let gateway = start(two()).await;
    put_models(&gateway, 1, "a,b").await;
    put_models(&gateway, 1, "a,b").await;
    put_models(&gateway, 1, "").await;
    put_models(&gateway, 99, "x").await;
    put_option(&gateway, "ModelRatio", "{\"a\": 1.50}").await;
    get(&gateway, "/api/channel/1").await;
    assert_eq!(gateway.writes().len(), 5);
    let effective = gateway.effective_writes();
    assert_eq!(effective.len(), 2);
    let first = effective[0].write.as_ref().expect("a write");
    assert_eq!(
        (first.channel, first.before.as_str(), first.after.as_str()),
        (Some(1), "a", "a,b")
    );
    assert_eq!(
        effective[1]
            .write
            .as_ref()
            .and_then(|write| write.option.as_deref()),
        Some("ModelRatio")
    );
    assert_eq!(
        gateway.option("ModelRatio").as_deref(),
        Some("{\"a\": 1.50}")
    );
    assert_eq!(
        (
            gateway.count("PUT", "/api/channel"),
            gateway.count("GET", "/api/")
        ),
        (4, 1)
    );
    gateway.clear_log();
    get(&gateway, "/api/status").await;
    assert_eq!(
        gateway
            .log()
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>(),
        [7]
    );
}

#[tokio::test]
async fn a_second_admin_edits_before_and_after_a_request() {
    let gateway = start(two()).await;
    gateway.on_request(2, When::BeforeApply, |gateway| {
        gateway.edit_channel(1, |channel| channel.models = "before".to_owned());
    });
    gateway.on_request(2, When::AfterApply, |gateway| {
        gateway.edit_channel(1, |channel| channel.models.push_str(",after"));
    });
    assert_eq!(get(&gateway, "/api/channel/1").await["data"]["models"], "a");
    assert_eq!(
        get(&gateway, "/api/channel/1").await["data"]["models"],
        "before"
    );
    assert_eq!(
        get(&gateway, "/api/channel/1").await["data"]["models"],
        "before,after"
    );
}

#[tokio::test]
async fn admin_writes_are_audited_newest_first() {
    let gateway = start(two()).await;
    put_models(&gateway, 1, "x").await;
    put_option(&gateway, "ImageRatio", "{}").await;
    put_option(&gateway, "ImageRatio", "{").await;
    let log = get(
        &gateway,
        "/api/log/?p=1&page_size=5&type=3&start_timestamp=1",
    )
    .await;
    let operations: Vec<serde_json::Value> = log["data"]["items"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| serde_json::from_str(row["other"].as_str().expect("a text")).expect("JSON"))
        .collect();
    assert_eq!(operations.len(), 2);
    assert_eq!(
        operations[0]["op"],
        json!({"action":"option.update","params":{"key":"ImageRatio"}})
    );
    assert_eq!(
        operations[1]["op"],
        json!({"action":"channel.update","params":{"id":1,"name":"one","changed_fields":["models"]}})
    );
}

#[tokio::test]
async fn ratio_config_shows_what_is_billed_once_it_is_on() {
    let gateway = start(Spec::new().option("ExposeRatioEnabled", "true")).await;
    put_option(&gateway, "ModelRatio", "{\"a\":\"15\",\"b\":2}").await;
    let shown = get(&gateway, "/api/ratio_config").await;
    assert_eq!(shown["data"]["model_ratio"], json!({"a":0,"b":2}));
    assert_eq!(gateway.live_prices("ModelRatio")["a"].to_bits(), 0);
}

#[tokio::test]
async fn a_restart_refuses_connections_and_then_serves_on_the_same_port() {
    let gateway = start(two()).await;
    gateway.restart(Duration::from_millis(300));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = send(gateway.addr(), "GET", "/api/status", &[], "").await;
    assert!(refused.is_err(), "{refused:?}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(get(&gateway, "/api/channel/1").await["data"]["models"], "a");
}

#[tokio::test]
async fn a_restart_breaks_the_request_in_progress() {
    let gateway = start(two()).await;
    gateway.on_request(1, When::AfterApply, |gateway| {
        gateway.restart(Duration::from_millis(50))
    });
    gateway.fault(lockstep_sim::Rule::once(
        lockstep_sim::Matcher::any(),
        lockstep_sim::Fault::Drip(Duration::from_millis(5)),
    ));
    let seen = put_models(&gateway, 1, "b").await;
    assert!(seen.json().is_null());
    assert_eq!(gateway.channel(1).expect("there").models, "b");
}

#[tokio::test]
async fn a_request_that_waits_dies_with_the_process() {
    let gateway = start(two()).await;
    let slow = lockstep_sim::Fault::Delay(Duration::from_millis(200));
    gateway.fault(lockstep_sim::Rule::once(
        lockstep_sim::Matcher::put("/"),
        slow,
    ));
    let restarting = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        gateway.restart(Duration::from_millis(10));
    };
    let (seen, ()) = tokio::join!(put_models(&gateway, 1, "b"), restarting);
    assert!(seen.bytes.is_empty());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gateway.channel(1).expect("there").models, "a");
}

#[tokio::test]
async fn a_second_admins_edits_are_audited() {
    let gateway = start(two()).await;
    gateway.edit_channel(1, |channel| channel.tag = Some("x".to_owned()));
    gateway.edit_channel(1, |_| {});
    gateway.set_option("ImageRatio", "{}");
    let log = get(&gateway, "/api/log/?type=3").await;
    assert_eq!(log["data"]["total"], 2);
    assert!(
        gateway
            .until(Duration::from_secs(1), |gateway| gateway
                .count("GET", "/api/log/")
                == 1)
            .await
    );
}

#[tokio::test]
async fn a_dropped_gateway_closes_its_port() {
    let gateway = start(two()).await;
    let addr = gateway.addr();
    drop(gateway);
    for _ in 0..100 {
        if send(addr, "GET", "/api/status", &[], "").await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still served");
}

#[tokio::test]
async fn the_demo_runs_and_moves() {
    let gateway = start(demo::spec(demo::CHANNELS)).await;
    let page = get(&gateway, "/api/channel/?p=1&page_size=100&id_sort=true").await;
    assert_eq!(page["data"]["total"], 24);
    let lists = |gateway: &Gateway| -> Vec<Vec<String>> {
        gateway
            .provider_names()
            .iter()
            .map(|name| gateway.provider(name).models())
            .collect()
    };
    for step in 0..50 {
        let before = lists(&gateway);
        demo::advance(&gateway, step);
        assert_ne!(before, lists(&gateway), "step {step}");
    }
}

#[tokio::test]
async fn a_big_gateway_answers_from_memory() {
    let gateway = start(spec::many(300, 50, 1).inline(Duration::from_millis(1))).await;
    let page = get(&gateway, "/api/channel/?p=3&page_size=100&id_sort=true").await;
    assert_eq!(page["data"]["items"].as_array().map(Vec::len), Some(100));
    let list = get(&gateway, "/api/channel/fetch_models/300").await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(50));
}
