//! Sites and their settings.

use axum::http::Method;
use lockstep_sim::Gateway;
use serde_json::{Value, json};

use super::tester::{Tester, healthy};

async fn gateway() -> Gateway {
    Gateway::start(healthy()).await.expect("a gateway")
}

#[tokio::test]
async fn a_site_is_added_looked_at_edited_and_removed_and_its_token_never_answered() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let one = tester.get("/api/v1/sites/main").await;
    assert_eq!(one.body["is_default"], true);
    assert_eq!(one.body["has_token"], true);
    let id = one.body["id"].as_str().expect("an id");
    let by_id = tester.get(&format!("/api/v1/sites/{id}")).await;
    assert_eq!(by_id.body, one.body);
    let looked = tester.post("/api/v1/sites/main/test", Value::Null).await;
    assert_eq!(looked.body["ok"], true, "{}", looked.body);
    let renamed = json!({"name": "front", "console_url": "https://console.example"});
    let edited = tester
        .send(Method::PATCH, "/api/v1/sites/main", Some(renamed), &[])
        .await;
    assert_eq!(edited.body["name"], "front");
    assert_eq!(edited.body["has_token"], true);
    for answer in [&one, &by_id, &looked, &edited] {
        assert!(!answer.body.to_string().contains(gateway.root_token()));
    }
    let delete = |path: &'static str| tester.send(Method::DELETE, path, None, &[]);
    let unconfirmed = delete("/api/v1/sites/front").await;
    assert_eq!(unconfirmed.body["code"], "not_confirmed");
    let other = delete("/api/v1/sites/front?confirm=main").await;
    assert_eq!(other.status, 400);
    assert_eq!(
        delete("/api/v1/sites/front?confirm=front").await.status,
        204
    );
    assert_eq!(tester.get("/api/v1/sites").await.body, json!({"sites": []}));
}

#[tokio::test]
async fn every_mistake_of_a_site_is_told_at_once() {
    let tester = Tester::new().await;
    let bad = json!({
        "name": " ", "url": "ftp://x", "user_id": "root", "token": "two words",
        "allow_private": ["10.0.0.0/99"], "settings": {"concurrency": 9, "nonsense": true}
    });
    let refused = tester.post("/api/v1/sites", bad).await;
    assert_eq!(refused.status, 400);
    let fields: Vec<&str> = refused.body["errors"]
        .as_array()
        .expect("mistakes")
        .iter()
        .filter_map(|mistake| mistake["field"].as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "name",
            "url",
            "user_id",
            "allow_private",
            "token",
            "concurrency",
            "nonsense"
        ]
    );
    assert!(!refused.body.to_string().contains("two words"));
}

#[tokio::test]
async fn a_site_whose_gateway_refuses_the_token_is_not_kept() {
    let gateway = gateway().await;
    let tester = Tester::new().await.person();
    let site = json!({"name": "main", "url": gateway.url(), "user_id": "1", "token": "wrong"});
    let refused = tester.post("/api/v1/sites", site.clone()).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(refused.body["code"], "site_wrong");
    assert!(
        refused.body["errors"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
    let look = json!({"url": gateway.url(), "user_id": "1", "token": "wrong"});
    let looked = tester.post("/api/v1/sites/test", look).await;
    assert_eq!(looked.body["ok"], false);
    assert_eq!(tester.get("/api/v1/sites").await.body, json!({"sites": []}));
    let mut untested = site;
    untested["untested"] = json!(true);
    assert_eq!(
        tester.post("/api/v1/sites", untested.clone()).await.status,
        201
    );
    assert_eq!(
        tester.post("/api/v1/sites", untested).await.body["code"],
        "conflict"
    );
}

#[tokio::test]
async fn a_stored_token_is_never_sent_to_another_address() {
    let (gateway, elsewhere) = (gateway().await, gateway().await);
    let tester = Tester::with_site(&gateway).await.person();
    let moved = json!({"url": elsewhere.url()});
    let patch = |body: Value| tester.send(Method::PATCH, "/api/v1/sites/main", Some(body), &[]);
    let refused = patch(moved).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body["errors"][0]["field"], "token");
    assert_eq!(patch(json!({"url": gateway.url()})).await.status, 200);
    let with_token = json!({"url": elsewhere.url(), "token": elsewhere.root_token()});
    assert_eq!(patch(with_token).await.status, 200);
    let looked = tester.post("/api/v1/sites/main/test", Value::Null).await;
    assert_eq!(looked.body["ok"], true);
}

#[tokio::test]
async fn settings_say_what_they_are_and_can_be_and_all_mistakes_are_told() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let path = "/api/v1/sites/main/settings";
    let of = |told: &Value, key: &str| -> Value {
        let all = told["settings"].as_array().expect("settings");
        let found = all.iter().find(|setting| setting["key"] == key);
        found.cloned().unwrap_or_else(|| panic!("{key} is missing"))
    };
    let before = tester.get(path).await.body;
    let burst = of(&before, "burst");
    assert_eq!(burst["value"], 5);
    assert_eq!(burst["from"], "default");
    assert_eq!(burst["hard"], json!({"low": 1, "high": 60}));
    assert_eq!(burst["recommended"], json!({"low": 3, "high": 10}));
    assert_eq!(of(&before, "pace")["from"], "site");
    let patch = |body: Value| tester.send(Method::PATCH, path, Some(body), &[]);
    let bad = json!({"settings": {"burst": 61, "pace": "unlimited", "include": ["regex:("], "gone": null, "concurrency": 3}});
    let refused = patch(bad).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.body["errors"].as_array().map(Vec::len),
        Some(4),
        "{}",
        refused.body
    );
    assert_eq!(tester.get(path).await.body, before, "nothing was stored");
    let good = json!({"settings": {"burst": 20, "exclude": ["*-preview", "beta"], "enabled-only": true, "pace": null}});
    let after = patch(good).await;
    assert_eq!(after.status, 200, "{}", after.body);
    assert!(of(&after.body, "burst")["warning"].is_string());
    assert_eq!(
        of(&after.body, "exclude")["value"],
        json!(["*-preview", "beta"])
    );
    assert_eq!(of(&after.body, "enabled-only")["value"], true);
    assert_eq!(of(&after.body, "pace")["from"], "default");
}

#[tokio::test]
async fn a_token_opens_no_private_network_and_a_person_does() {
    let gateway = gateway().await;
    let program = Tester::new().await;
    let person = program.person();
    let inside = json!(["10.0.0.0/8"]);
    let site = json!({"name": "main", "url": gateway.url(), "user_id": "1",
        "token": gateway.root_token(), "allow_private": inside});
    let place = json!({"name": "chat", "kind": "webhook", "url": "http://10.0.0.7/hook",
        "secret": "s3cr3t", "allow_private": inside});
    let (sites, places) = ("/api/v1/sites", "/api/v1/notices/targets");
    for (path, body) in [(sites, &site), (places, &place)] {
        let refused = program.post(path, body.clone()).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.body);
        assert_eq!(refused.body["code"], "people_only");
        assert!(refused.body["hint"].is_string());
        let taken = person.post(path, body.clone()).await;
        assert_eq!(taken.status, 201, "{path}: {}", taken.body);
    }
    for (networks, status) in [
        (json!(["10.0.0.0/8", "192.168.0.0/16"]), 403),
        (json!(["10.0.0.0/8"]), 200),
        (json!([]), 200),
        (json!(["10.0.0.0/8"]), 403),
    ] {
        let body = json!({ "allow_private": networks });
        let main = "/api/v1/sites/main";
        let edited = program.send(Method::PATCH, main, Some(body), &[]).await;
        assert_eq!(edited.status, status, "{networks}: {}", edited.body);
    }
    let main = person.get("/api/v1/sites/main").await;
    assert_eq!(main.body["allow_private"], json!([]));
}

#[tokio::test]
async fn a_token_names_no_gateway_that_nobody_knows_and_a_person_does() {
    let (gateway, elsewhere) = (gateway().await, gateway().await);
    let program = Tester::with_site(&gateway).await;
    let person = program.person();
    let at = |gateway: &Gateway| json!({"url": gateway.url(), "user_id": "1", "token": gateway.root_token()});
    let mut other = at(&elsewhere);
    other["name"] = json!("other");
    let mut untested = other.clone();
    untested["untested"] = json!(true);
    let (sites, look, main) = ("/api/v1/sites", "/api/v1/sites/test", "/api/v1/sites/main");
    for (method, path, body) in [
        (Method::POST, look, at(&elsewhere)),
        (Method::POST, sites, other.clone()),
        (Method::POST, sites, untested),
        (Method::PATCH, main, at(&elsewhere)),
    ] {
        let refused = program.send(method.clone(), path, Some(body), &[]).await;
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.body);
        assert_eq!(refused.body["code"], "people_only");
        assert!(refused.body["hint"].is_string());
    }
    assert!(elsewhere.log().is_empty(), "{:?}", elsewhere.log());
    // What a site has already is known: another site of that gateway, and another token for it.
    let looked = program.post(look, at(&gateway)).await;
    assert_eq!(looked.body["ok"], true, "{}", looked.body);
    let again = program.send(Method::PATCH, main, Some(at(&gateway)), &[]);
    assert_eq!(again.await.status, 200);
    let mut second = at(&gateway);
    second["name"] = json!("second");
    let second = program.post(sites, second).await;
    assert_eq!(second.status, 201, "{}", second.body);
    let looked = person.post(look, at(&elsewhere)).await;
    assert_eq!(looked.body["ok"], true, "{}", looked.body);
    assert_eq!(person.post(sites, other).await.status, 201);
}
