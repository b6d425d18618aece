//! The API of a running server, as a program with a token uses it.

use http_body_util::BodyExt as _;
use hyper::Method;
use serde_json::{Value, json};

use crate::server::Server;
use crate::tester::Shell;
use crate::world::{healthy, lists, start};

const RUNS: &str = "/api/v1/sites/main/runs";

/// Waits until the run has this state: its events say when.
async fn until(server: &Server, run: &str, state: &str) -> Value {
    loop {
        let told = server.get(&format!("{RUNS}/{run}")).await.json();
        if told["state"] == state {
            return told;
        }
        assert!(told["ended_at"].is_null(), "{told}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_plans_applies_and_follows_a_run_once() {
    let gateway = start(healthy()).await;
    let shell = Shell::with_site(&gateway).await;
    let server = Server::start(&shell).await.signed_in().await;
    let settings = json!({"settings": {"burst": 10}});
    let path = "/api/v1/sites/main/settings";
    server.patch(path, &settings).await.is(200);
    let path = "/api/v1/sites/main/default";
    server.put(path, &Value::Null).await.is(200);
    let before = lists(&gateway);
    let wanted = json!({"subject": "models", "what": "all", "plan_only": true});
    let key = [("idempotency-key", "first")];
    let begun = server.ask(Method::POST, RUNS, &key, Some(&wanted)).await;
    assert_eq!(begun.status, 202, "{}", begun.json());
    let again = server.ask(Method::POST, RUNS, &key, Some(&wanted)).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json(), begun.json());
    let run = begun.json()["run"].as_str().expect("an id").to_owned();
    let planned = until(&server, &run, "planned").await;
    assert_eq!(lists(&gateway), before, "a plan writes nothing");
    let yes = json!({"plan": planned["plan"]});
    let apply = format!("{RUNS}/{run}/apply");
    let yes = server.ask(Method::POST, &apply, &[], Some(&yes)).await;
    assert_eq!(yes.status, 202, "{}", yes.json());
    // The stream ends with the run.
    let events = server.get(&format!("{RUNS}/{run}/events")).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let told = String::from_utf8(events.body.to_vec()).expect("a text");
    assert!(told.contains("id: 1\n"), "{told}");
    assert!(
        told.trim_end()
            .ends_with(&format!("event: end\ndata: {{\"run\":\"{run}\"}}")),
        "{told}"
    );
    assert_eq!(
        until(&server, &run, "done").await["statistics"]["changed"],
        2
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_made_with_a_key_is_shown_once_and_stored_nowhere() {
    let shell = Shell::new();
    let server = Server::start(&shell).await.signed_in().await;
    let new = json!({"name": "robot", "scopes": ["read"]});
    let key = [("idempotency-key", "once")];
    let path = "/api/v1/tokens";
    let made = server.ask(Method::POST, path, &key, Some(&new)).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let token = made.json()["token"].as_str().expect("the token").to_owned();
    let again = server.ask(Method::POST, path, &key, Some(&new)).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["code"], "answered_once");
    server.stop().await;
    let home = shell.path("home");
    for entry in std::fs::read_dir(home).expect("the folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&token), "{} has the token", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_sees_neither_the_document_nor_events() {
    let shell = Shell::new();
    let server = Server::start(&shell).await;
    for path in [
        "/api/v1/openapi.json",
        "/api/v1/docs",
        "/api/v1/events",
        RUNS,
    ] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
    }
    let server = server.signed_in().await;
    let document = server.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.contains_key("/api/v1/tokens"));
    // A listener does not keep the server from ending, and his stream ends as a stream does.
    let listening = server.send(Method::GET, "/api/v1/events", &[], None).await;
    let (_, status) = server.stop().await;
    assert!(status.success());
    let heard = listening.into_body().collect().await;
    heard.expect("it ended whole");
}
