//! Single channels, providers' lists, the user and the status page.

use std::time::Duration;

use lockstep_core::channel::Status;
use lockstep_core::failure::FailureKind as Kind;
use lockstep_remote::gateway::{Connection, Fetched, Gateway, GatewayReader, Requests};

use crate::server::{Answer, Server, channel, json, ok, reply};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_request_names_token_user_and_what_it_wants() {
    let server = Server::always(ok(r#"{"items":[],"total":0}"#)).await;
    server.reader().page(3).await.expect("a page");
    let requests = server.requests();
    let request = requests.first().expect("a request");
    assert_eq!(request.method, "GET");
    assert_eq!(request.path, "/api/channel/?p=3&page_size=100&id_sort=true");
    assert_eq!(
        request.header("authorization"),
        Some("Bearer CANARY-token-0123456789")
    );
    assert_eq!(request.header("new-api-user"), Some("7"));
    assert_eq!(request.header("accept"), Some("application/json"));
    let agent = request.header("user-agent").expect("an agent");
    assert!(agent.starts_with("lockstep/"), "{agent}");
    let encodings = request.header("accept-encoding").expect("encodings");
    assert!(
        encodings.contains("gzip") && encodings.contains("br"),
        "{encodings}"
    );
    assert!(!encodings.contains("zstd"), "{encodings}");
}

#[tokio::test]
async fn one_channel_is_read_and_a_missing_one_is_gone() {
    let server = Server::start(|request| {
        Answer::Bytes(match request.path.as_str() {
            "/api/channel/9" => ok(&channel(9, "a, b")),
            "/api/channel/10" => ok(&channel(9, "a")),
            "/api/channel/11" => ok("null"),
            _ => json(r#"{"success":false,"message":"record not found"}"#),
        })
    })
    .await;
    let reader = server.reader();
    let nine = reader.channel(9).await.expect("a channel");
    assert_eq!((nine.id, nine.models.as_str()), (9, "a, b"));
    assert_eq!(nine.status, Status::Enabled);
    for (id, kind) in [
        (10, Kind::Broken),
        (11, Kind::NotRecognised),
        (12, Kind::Gone),
    ] {
        assert_eq!(
            reader.channel(id).await.expect_err("none").kind,
            kind,
            "{id}"
        );
    }
    let requests = reader.gateway().requests();
    let expected = Requests {
        reads: 4,
        ..Requests::default()
    };
    assert_eq!(requests, expected);
}

#[tokio::test]
async fn a_providers_list_is_taken_as_it_comes() {
    for (data, names, unreadable) in [
        (r#"["b"," a ","b",""]"#, vec!["b", " a ", "b", ""], 0),
        ("[]", vec![], 0),
        ("null", vec![], 0),
        (r#"["a",1,null,{"id":"x"},"\ud800","z"]"#, vec!["a", "z"], 4),
        (
            r#"["openai\/gpt-4o","模型"]"#,
            vec!["openai/gpt-4o", "模型"],
            0,
        ),
    ] {
        let server = Server::always(ok(data)).await;
        let fetched = server.reader().fetch_models(1, MINUTE).await;
        let names = names.into_iter().map(str::to_owned).collect();
        assert_eq!(fetched, Ok(Fetched { names, unreadable }), "{data}");
    }
    let absent = Server::always(json(r#"{"success":true,"message":""}"#)).await;
    let fetched = absent.reader().fetch_models(1, MINUTE).await;
    assert_eq!(fetched, Ok(Fetched::default()));
}

#[tokio::test]
async fn two_hundred_thousand_models_are_read() {
    let names: Vec<String> = (0..200_000).map(|n| format!("\"model-{n:06}\"")).collect();
    let server = Server::always(ok(&format!("[{}]", names.join(",")))).await;
    let fetched = server
        .reader()
        .fetch_models(1, MINUTE)
        .await
        .expect("a list");
    assert_eq!(fetched.names.len(), 200_000);
}

#[tokio::test]
async fn a_providers_failure_keeps_its_status_and_words() {
    for (message, kind, status) in [
        (
            "获取模型列表失败: status code: 401",
            Kind::ProviderStatus,
            Some(401),
        ),
        (
            "status code: 503 from upstream",
            Kind::ProviderStatus,
            Some(503),
        ),
        ("获取模型列表失败: EOF", Kind::ProviderError, None),
        ("", Kind::ProviderError, None),
    ] {
        let body = format!(r#"{{"success":false,"message":"{message}"}}"#);
        let server = Server::always(json(body)).await;
        let failure = server.reader().fetch_models(1, MINUTE).await;
        let failure = failure.expect_err("a failure");
        assert_eq!((failure.kind, failure.http_status), (kind, status));
        assert_eq!(failure.detail, message);
    }
    for data in [r#"{"a":1}"#, "\"a,b\"", "7"] {
        let server = Server::always(ok(data)).await;
        let failure = server.reader().fetch_models(1, MINUTE).await;
        assert_eq!(failure.expect_err("no list").kind, Kind::ProviderError);
    }
}

#[tokio::test]
async fn a_silent_provider_is_left_after_the_callers_time() {
    let server = Server::start(|_| Answer::Silence).await;
    let limit = Duration::from_millis(300);
    let failure = server.reader().fetch_models(1, limit).await;
    assert_eq!(failure.expect_err("a failure").kind, Kind::Timeout);
}

#[tokio::test]
async fn the_user_behind_the_token_is_told() {
    let body = r#"{"id":1,"username":"root","role":100,"quota":5,"permissions":{"sidebar_settings":false}}"#;
    let server = Server::always(ok(body)).await;
    let who = server.reader().who_am_i().await.expect("a user");
    assert_eq!((who.id, who.username.as_str(), who.role), (1, "root", 100));
    assert!(who.channels.read && who.channels.operate && who.channels.write);

    let refusal = r#"{"success":false,"message":"无权进行此操作"}"#;
    let old = Server::always(reply(200, &[], refusal)).await;
    let failure = old.reader().who_am_i().await.expect_err("refused");
    assert_eq!(failure.kind, Kind::Unauthorized);
    let new = Server::always(json(refusal)).await;
    let failure = new.reader().who_am_i().await.expect_err("refused");
    assert_eq!(failure.kind, Kind::Rejected);
}

#[tokio::test]
async fn the_status_page_tells_version_and_clock() {
    let body = r#"{"success":true,"data":{"version":"v1.2","system_name":"Ours","setup":true,
        "self_use_mode_enabled":true,"chats":[{"a":"b"}],"price":7.3}}"#;
    let headers = [("Date", "Sun, 22 Nov 2026 10:00:07 GMT")];
    let server = Server::always(reply(200, &headers, body)).await;
    let status = server.reader().status().await.expect("a status");
    assert_eq!(status.version, "v1.2");
    assert_eq!(status.system_name, "Ours");
    assert_eq!(status.setup, Some(true));
    assert!(status.self_use_mode);
    assert_eq!(status.clock, Some(1_795_341_607));
}

#[tokio::test]
async fn without_token_or_user_nothing_is_sent() {
    let server = Server::always(ok("null")).await;
    let gateway = server.gateway();
    for (token, user_id) in [("", "1"), (" ", "1"), ("token", ""), ("to\nken", "1")] {
        let connection = Connection {
            url: gateway.url().clone(),
            token: token.into(),
            user_id: user_id.into(),
        };
        let client = lockstep_remote::http::Client::new().expect("a client");
        let gateway = Gateway::new(connection, client, gateway.pacer().clone());
        let failure = GatewayReader::new(gateway).page(1).await;
        assert_eq!(failure.expect_err("none").kind, Kind::NotConfigured);
    }
    assert!(server.requests().is_empty());
}
