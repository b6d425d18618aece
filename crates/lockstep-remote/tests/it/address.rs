//! Where requests go, and where they never go.

use lockstep_core::failure::FailureKind as Kind;
use lockstep_remote::gateway::GatewayReader;

use crate::server::{Answer, Server, gateway_at, ok, reply};

const EMPTY: &str = r#"{"items":[],"total":0}"#;

#[tokio::test]
async fn a_gateway_below_a_path_works_with_and_without_a_slash() {
    for prefix in ["/gate/way", "/gate/way/"] {
        let server = Server::always(ok(EMPTY)).await;
        let gateway = gateway_at(&format!("http://127.0.0.1:{}{prefix}", server.port));
        GatewayReader::new(gateway).page(1).await.expect("a page");
        let requests = server.requests();
        let path = requests.first().map(|request| request.path.as_str());
        assert_eq!(
            path,
            Some("/gate/way/api/channel/?p=1&page_size=100&id_sort=true")
        );
    }
}

#[tokio::test]
async fn a_slash_redirect_is_followed_once() {
    let bare = "/api/channel?p=1&page_size=100&id_sort=true";
    for status in [301, 302, 307, 308] {
        let redirect = reply(status, &[("Location", bare)], "");
        let server = Server::script(vec![redirect, ok(EMPTY)]).await;
        server.reader().page(1).await.expect("a page");
        let requests = server.requests();
        let paths: Vec<&str> = requests
            .iter()
            .map(|request| request.path.as_str())
            .collect();
        assert_eq!(paths.get(1), Some(&bare), "{status}");
        assert_eq!(paths.len(), 2);
    }
}

#[tokio::test]
async fn redirects_to_and_fro_end() {
    let server = Server::start(|request| {
        let target = match request.path.strip_prefix("/api/channel/") {
            Some(query) => format!("/api/channel{query}"),
            None => request.path.replace("channel", "channel/"),
        };
        Answer::Bytes(reply(307, &[("Location", &target)], ""))
    })
    .await;
    let failure = server.reader().page(1).await.expect_err("a circle");
    assert_eq!(failure.kind, Kind::Redirected);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn another_host_gets_neither_the_token_nor_a_request() {
    let other = Server::always(ok(EMPTY)).await;
    let elsewhere = format!(
        "http://localhost:{}/api/channel?p=1&page_size=100&id_sort=true",
        other.port
    );
    let other_port = elsewhere.replace("localhost", "127.0.0.1");
    for status in [301, 302, 303, 307, 308] {
        for location in [&elsewhere, &other_port] {
            let server = Server::always(reply(status, &[("Location", location)], "")).await;
            let failure = server.reader().page(1).await.expect_err("elsewhere");
            assert_eq!(failure.kind, Kind::Redirected);
            assert_eq!(failure.http_status, Some(status));
            let shown = location.split('?').next().expect("an address");
            assert_eq!(failure.detail, shown);
        }
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn an_upgrade_to_https_is_told_and_not_followed() {
    let target = "https://127.0.0.1/api/channel/?p=1&page_size=100&id_sort=true";
    let server = Server::always(reply(301, &[("Location", target)], "")).await;
    let failure = server.reader().page(1).await.expect_err("elsewhere");
    assert_eq!(failure.kind, Kind::Redirected);
    assert_eq!(failure.detail, "https://127.0.0.1/api/channel/");
}
