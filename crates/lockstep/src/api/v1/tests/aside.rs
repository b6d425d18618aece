//! What goes on beside runs: schedules, notices, and who did what.

use axum::http::Method;
use lockstep_sim::Gateway;
use serde_json::{Value, json};

use super::tester::{Tester, healthy, mixed};
use crate::server::caller::Scope;

const SCHEDULE: &str = "/api/v1/sites/main/schedules/models";
const TARGETS: &str = "/api/v1/notices/targets";

async fn put(tester: &Tester, path: &str, body: Value) -> (u16, Value) {
    let answer = tester.send(Method::PUT, path, Some(body), &[]).await;
    (answer.status.as_u16(), answer.body)
}

async fn plan(tester: &Tester) -> Value {
    let plan = json!({"subject": "models", "what": "all", "plan_only": true});
    tester.run(plan).await
}

#[tokio::test]
async fn a_schedule_is_switched_on_after_a_first_plan_was_looked_at() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let both = tester.get("/api/v1/sites/main/schedules").await.body;
    assert_eq!(both["schedules"][0]["subject"], "models");
    assert_eq!(both["schedules"][1]["on"], false);

    let (status, refused) = put(&tester, SCHEDULE, json!({})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_reviewed")));
    assert!(refused["hint"].is_string(), "{refused}");
    plan(&tester).await;
    let (status, on) = put(&tester, SCHEDULE, json!({})).await;
    assert_eq!(status, 200, "{on}");
    assert_eq!(
        (&on["on"], &on["every_hours"], &on["mode"], &on["by"]),
        (
            &json!(true),
            &json!(6),
            &json!("apply"),
            &json!("robot (token)")
        )
    );
    assert!(on["next_at"].is_string());

    let cron = json!({"cron": "30 2 * * *", "zone": "Europe/Berlin", "mode": "propose", "jitter_minutes": 0});
    let (status, on) = put(&tester, SCHEDULE, cron).await;
    assert_eq!(status, 200, "{on}");
    assert_eq!(
        (&on["cron"], &on["zone"], &on["mode"], &on["jitter_ms"]),
        (
            &json!("30 2 * * *"),
            &json!("Europe/Berlin"),
            &json!("propose"),
            &json!(0)
        )
    );
    for (wrong, code) in [
        (json!({"every_hours": 25}), "bad_schedule"),
        (json!({"cron": "* * * * *", "zone": "UTC"}), "bad_schedule"),
        (
            json!({"cron": "0 3 * * *", "zone": "Mars/Olympus"}),
            "bad_schedule",
        ),
        (
            json!({"every_hours": 6, "jitter_minutes": 61}),
            "bad_schedule",
        ),
        (json!({"cron": "0 3 * * *"}), "bad_request"),
        (
            json!({"every_hours": 6, "cron": "0 3 * * *", "zone": "UTC"}),
            "bad_request",
        ),
        (json!({"hours": 6}), "bad_json"),
    ] {
        let (status, refused) = put(&tester, SCHEDULE, wrong.clone()).await;
        assert_eq!(
            (status, &refused["code"]),
            (400, &json!(code)),
            "{wrong}: {refused}"
        );
    }
    let now = tester.get(SCHEDULE).await.body;
    assert_eq!(now["cron"], "30 2 * * *", "what is refused changes nothing");

    let prices = "/api/v1/sites/main/schedules/prices";
    let (status, refused) = put(&tester, prices, json!({})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_reviewed")));
    assert_eq!(
        tester.get("/api/v1/sites/main/schedules/both").await.status,
        400
    );

    for _ in 0..2 {
        let off = tester.send(Method::DELETE, SCHEDULE, None, &[]).await;
        assert_eq!(off.status, 204);
    }
    assert_eq!(tester.get(SCHEDULE).await.body["on"], false);
    assert!(gateway.writes().is_empty());
    let deeds = tester.get("/api/v1/deeds").await.body;
    let kinds: Vec<&str> = deeds["deeds"]
        .as_array()
        .expect("deeds")
        .iter()
        .filter_map(|deed| deed["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["schedule_off", "schedule_set", "schedule_set", "site_added"]
    );
}

#[tokio::test]
async fn places_of_notices_are_added_tested_silenced_and_forgotten_without_their_secrets() {
    let gateway = Gateway::start(mixed()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let new = json!({
        "name": "ops", "kind": "webhook", "url": "http://127.0.0.1:9/canary-path", "secret": "canary-secret",
        "only": ["held", "failed"],
    });
    let added = tester.post(TARGETS, new.clone()).await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(
        (&added.body["host"], &added.body["only"]),
        (&json!("127.0.0.1:9"), &json!(["failed", "held"]))
    );
    let again = tester.post(TARGETS, new).await;
    assert_eq!(
        (again.status.as_u16(), again.body["code"].as_str()),
        (409, Some("conflict"))
    );
    let wrong = json!({"name": " ", "kind": "telegram", "url": "1:canary-token", "only": ["all"]});
    let refused = tester.post(TARGETS, wrong).await;
    assert_eq!(refused.status, 400);
    let fields: Vec<&str> = refused.body["errors"]
        .as_array()
        .expect("mistakes")
        .iter()
        .filter_map(|mistake| mistake["field"].as_str())
        .collect();
    assert_eq!(fields, ["name", "only", "chat"], "{}", refused.body);

    // The address is one of this machine, which nobody allowed.
    let tested = tester
        .post(&format!("{TARGETS}/ops/test"), json!({}))
        .await
        .body;
    assert_eq!(tested["arrived"], false);
    assert!(tested["error"].is_string(), "{tested}");
    let sent = tester.get("/api/v1/notices/deliveries?limit=1").await.body;
    assert_eq!(
        (&sent["sent"][0]["target"], &sent["sent"][0]["notice"]),
        (&json!("ops"), &json!("test"))
    );

    let open = "/api/v1/sites/main/notices";
    assert_eq!(tester.get(open).await.body["notices"], json!([]));
    plan(&tester).await;
    let main = tester.app.store().site_by_name("main").await.expect("main");
    let run = tester
        .app
        .store()
        .latest_run(&main.id, lockstep_core::change::Subject::Models)
        .await
        .expect("asked")
        .expect("a run");
    crate::notify::after_run(tester.app.engine(), &run.id)
        .await
        .expect("settled");
    let told = tester.get(open).await.body;
    let held = told["notices"]
        .as_array()
        .expect("notices")
        .iter()
        .find(|notice| notice["kind"] == "held")
        .unwrap_or_else(|| panic!("{told}"));
    assert_eq!(held["items"][0]["channel_name"], "Cheap relay");
    assert!(
        held["lines"][0]
            .as_str()
            .expect("words")
            .contains("Cheap relay")
    );

    let path = format!("{TARGETS}/ops");
    let off = json!({"enabled": false});
    let off = tester.send(Method::PATCH, &path, Some(off), &[]).await;
    assert_eq!(
        (off.status.as_u16(), &off.body["enabled"]),
        (200, &json!(false))
    );
    let other = json!({"only": ["missed", "missed"]});
    let other = tester.send(Method::PATCH, &path, Some(other), &[]).await;
    assert_eq!(
        (&other.body["only"], &other.body["enabled"]),
        (&json!(["missed"]), &json!(false))
    );
    let unknown = json!({"only": ["everything"]});
    let unknown = tester.send(Method::PATCH, &path, Some(unknown), &[]).await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.body["errors"][0]["field"]),
        (400, &json!("only"))
    );
    // Its address can be another one. What is secret stays at its server, and goes to no other by itself.
    let moved = json!({"url": "http://127.0.0.1:9/canary-other"});
    let moved = tester.send(Method::PATCH, &path, Some(moved), &[]).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    let elsewhere = json!({"url": "https://hooks.example/canary-path"});
    let refused_secret = tester
        .send(Method::PATCH, &path, Some(elsewhere), &[])
        .await;
    assert_eq!(
        (
            refused_secret.status.as_u16(),
            &refused_secret.body["errors"][0]["field"]
        ),
        (400, &json!("secret")),
        "{}",
        refused_secret.body
    );
    let stored = async || {
        let target = tester.app.store().notice_target_by_name("ops").await;
        let target = target.expect("the place");
        crate::places::stored(&tester.app, &target)
            .await
            .expect("an address")
    };
    let kept = stored().await;
    assert_eq!(kept.url, "http://127.0.0.1:9/canary-other");
    assert_eq!(kept.secret.as_deref(), Some("canary-secret"));
    let elsewhere = json!({"url": "https://hooks.example/canary-path", "secret": ""});
    let elsewhere = tester
        .send(Method::PATCH, &path, Some(elsewhere), &[])
        .await;
    assert_eq!(
        elsewhere.body["host"], "hooks.example",
        "{}",
        elsewhere.body
    );
    assert_eq!(stored().await.secret, None);
    // Private networks are for people.
    let inside = json!({"allow_private": ["10.0.0.0/8"]});
    let inside = tester.send(Method::PATCH, &path, Some(inside), &[]).await;
    assert_eq!(
        (inside.status.as_u16(), inside.body["code"].as_str()),
        (403, Some("people_only"))
    );
    assert!(stored().await.allow.is_empty());
    let list = tester.get(TARGETS).await.body;
    assert_eq!(list["targets"][0]["enabled"], false);
    assert_eq!(list["targets"][0]["only"], json!(["missed"]));
    let gone = tester.send(Method::DELETE, &path, None, &[]).await;
    assert_eq!(gone.status, 204);
    let gone = tester.send(Method::DELETE, &path, None, &[]).await;
    assert_eq!(
        (gone.status.as_u16(), gone.body["code"].as_str()),
        (404, Some("not_found"))
    );

    let deeds = tester.get("/api/v1/deeds").await.body;
    for said in [
        &added.body,
        &moved.body,
        &refused_secret.body,
        &list,
        &refused.body,
        &tested,
        &sent,
        &told,
        &deeds,
    ] {
        assert!(!said.to_string().contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn every_change_says_who_made_it_page_by_page() {
    let gateway = Gateway::start(mixed()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    plan(&tester).await;
    let main = "/api/v1/sites/main";
    let change = async |method: Method, path: &str, body: Value| {
        let path = format!("{main}{path}");
        let answer = tester.send(method, &path, Some(body), &[]).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
    };
    let token = json!({"token": gateway.root_token(), "user_id": "1"});
    change(Method::PATCH, "", token).await;
    change(Method::PUT, "/default", Value::Null).await;
    let settings = json!({"settings": {"burst": 9, "concurrency": null}});
    change(Method::PATCH, "/settings", settings).await;
    let own = json!({"policy": "add-only", "keep": ["mine"]});
    change(Method::PUT, "/channels/1", own.clone()).await;
    let provider = json!({"base_url": gateway.provider("beta").base_url(), "own": own});
    change(Method::PUT, "/providers", provider).await;
    let never = json!({"answer": "never", "channels": [4]});
    change(Method::POST, "/holds/answer", never).await;
    let lock = json!({"models": ["gpt-5"], "answer": "lock"});
    change(Method::POST, "/prices/answers", lock).await;
    let source = json!({"source": "https://prices.example,name=list", "untested": true});
    change(Method::POST, "/sources", source).await;
    let first = json!({"position": 1});
    change(Method::PUT, "/sources/list/position", first).await;
    change(Method::DELETE, "/sources/list", Value::Null).await;

    let mut kinds = Vec::new();
    let mut path = "/api/v1/deeds?limit=4".to_owned();
    loop {
        let page = tester.get(&path).await.body;
        assert!(!page.to_string().contains(gateway.root_token()));
        for deed in page["deeds"].as_array().expect("deeds") {
            // Only people name a gateway.
            let who = match deed["kind"] == "site_added" {
                true => "admin",
                false => "robot (token)",
            };
            assert_eq!(deed["actor"], who);
            assert!(deed["site"].is_string(), "{deed}");
            kinds.push(deed["kind"].as_str().expect("a kind").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/deeds?limit=4&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        kinds,
        [
            "source_removed",
            "source_moved",
            "source_added",
            "prices_answered",
            "holds_answered",
            "provider_set",
            "channel_set",
            "settings_changed",
            "site_default",
            "site_changed",
            "site_added",
        ]
    );
    let of_kind = "/api/v1/deeds?site=main&kind=site_changed";
    let deeds = tester.get(of_kind).await.body["deeds"].clone();
    assert_eq!(deeds[0]["data"]["changed"], json!(["user_id", "token"]));
    assert_eq!(deeds.as_array().map(Vec::len), Some(1));
    let nobody = tester.get("/api/v1/deeds?site=nobody").await;
    assert_eq!(nobody.status, 404);

    // Who may not change a thing leaves no trace of having done it.
    let reader = Tester::over(tester.app.clone(), Scope::Read).await;
    let refused = reader
        .send(Method::PUT, "/api/v1/sites/main/default", None, &[])
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(reader.get(of_kind).await.status, 200);
    let removed = tester
        .send(Method::DELETE, "/api/v1/sites/main?confirm=main", None, &[])
        .await;
    assert_eq!(removed.status, 204);
    let newest = tester.get("/api/v1/deeds?limit=1").await.body;
    assert_eq!(newest["deeds"][0]["kind"], "site_removed");
    assert_eq!(newest["deeds"][0]["data"]["name"], "main");
}
