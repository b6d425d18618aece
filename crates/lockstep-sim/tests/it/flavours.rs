//! Other programs and other addresses.

use lockstep_sim::{Channel, Flavour, Gateway, Limits, Manner, Provider, Spec};
use serde_json::{Value, json};

use crate::client::{call, get, send};

fn spec(flavour: Flavour) -> Spec {
    Spec::new()
        .flavour(flavour)
        .provider(Provider::new("p", ["a"]).manner(Manner::Empty))
        .channel(Channel::new(1, "one").at("p").models("a"))
        .channel(Channel::new(2, "two").models("b"))
}

#[tokio::test]
async fn the_old_fork_lists_bare_and_from_page_zero() {
    let gateway = Gateway::start(spec(Flavour::OldFork))
        .await
        .expect("it starts");
    let list = get(&gateway, "/api/channel/?p=0&page_size=100&id_sort=true").await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2));
    assert!(list["data"][0].get("channel_info").is_none());
    assert_eq!(
        get(&gateway, "/api/channel/?p=1&page_size=100").await["data"],
        json!([])
    );
    assert_eq!(get(&gateway, "/api/channel/").await["data"], json!([]));
    assert_eq!(
        get(&gateway, "/api/channel/fetch_models/1").await["data"],
        Value::Null
    );
    assert!(get(&gateway, "/api/ratio_sync/channels").await["error"].is_object());
    let options = get(&gateway, "/api/option/").await;
    let keys: Vec<&str> = options["data"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["key"].as_str())
        .collect();
    assert!(
        keys.contains(&"ModelRatio")
            && !keys.contains(&"ImageRatio")
            && !keys.contains(&"CompletionRatioMeta")
    );
    let put = call(
        &gateway,
        "PUT",
        "/api/channel/",
        "{\"id\":1,\"models\":\"x\",\"status\":2}",
    )
    .await;
    assert_eq!(
        (put.json()["success"].clone(), put.header("Auth-Version")),
        (true.into(), None)
    );
    assert_eq!(gateway.channel(1).map(|channel| channel.status), Some(2));
    let number = call(
        &gateway,
        "PUT",
        "/api/option/",
        "{\"key\":\"ModelRatio\",\"value\":1}",
    )
    .await;
    assert_eq!(number.status(), 400);
}

#[tokio::test]
async fn the_old_fork_wants_the_users_id() {
    let gateway = Gateway::start(spec(Flavour::OldFork))
        .await
        .expect("it starts");
    let token = gateway.root_token().to_owned();
    for (headers, status) in [
        (
            vec![("Authorization", token.as_str()), ("New-Api-User", "1")],
            200,
        ),
        (vec![("Authorization", token.as_str())], 401),
        (
            vec![("Authorization", token.as_str()), ("New-Api-User", "x")],
            401,
        ),
        (
            vec![("Authorization", token.as_str()), ("New-Api-User", "2")],
            401,
        ),
        (vec![], 401),
    ] {
        let seen = send(gateway.addr(), "GET", "/api/user/self", &headers, "")
            .await
            .expect("an answer");
        assert_eq!(seen.status(), status, "{headers:?}");
    }
    let bad = send(
        gateway.addr(),
        "GET",
        "/api/user/self",
        &[("Authorization", "bad")],
        "",
    )
    .await;
    let bad = bad.expect("an answer");
    assert_eq!(
        (bad.status(), bad.json()["success"].clone()),
        (200, false.into())
    );
    let common = [
        ("Authorization", gateway.common_token()),
        ("New-Api-User", "3"),
    ];
    let low = send(gateway.addr(), "GET", "/api/channel/", &common, "")
        .await
        .expect("an answer");
    assert_eq!(
        (low.status(), low.json()["success"].clone()),
        (200, false.into())
    );
}

#[tokio::test]
async fn the_old_forks_429_names_no_time() {
    let mut limits = Limits::old_defaults();
    limits.global = limits
        .global
        .map(|limit| lockstep_sim::Limit { max: 0, ..limit });
    let gateway = Gateway::start(spec(Flavour::OldFork).limits(limits))
        .await
        .expect("it starts");
    let seen = call(&gateway, "GET", "/api/status", "").await;
    assert_eq!((seen.status(), seen.header("Retry-After")), (429, None));
}

#[tokio::test]
async fn another_program_answers_json_of_its_own() {
    let gateway = Gateway::start(spec(Flavour::Foreign))
        .await
        .expect("it starts");
    for path in ["/api/status", "/api/user/self", "/"] {
        let seen = call(&gateway, "GET", path, "").await;
        assert_eq!(seen.status(), 200);
        assert!(seen.json()["ok"] == true && seen.json().get("success").is_none());
    }
}

#[tokio::test]
async fn a_prefix_moves_the_api_and_leaves_pages_elsewhere() {
    let gateway = Gateway::start(spec(Flavour::NewApi).prefix("/gate/"))
        .await
        .expect("it starts");
    assert!(gateway.url().ends_with("/gate"));
    assert_eq!(
        get(&gateway, "/gate/api/channel/1").await["data"]["models"],
        "a"
    );
    let outside = call(&gateway, "GET", "/api/channel/1", "").await;
    assert_eq!(outside.status(), 200);
    assert!(outside.body().starts_with(b"<html>"));
    assert!(
        call(&gateway, "GET", "/gateway/api/channel/1", "")
            .await
            .body()
            .starts_with(b"<html>")
    );
    let moved = call(&gateway, "PUT", "/gate/api/channel", "{}").await;
    assert_eq!(
        moved.header("Location").as_deref(),
        Some("/gate/api/channel/")
    );
    assert_eq!(gateway.log()[0].path, "/api/channel/1");
}
