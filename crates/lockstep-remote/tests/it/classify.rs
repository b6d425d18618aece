//! Every status and shape that may come, and what it is called.

use lockstep_core::failure::FailureKind as Kind;
use lockstep_remote::gateway::GatewayKind;

use crate::server::{Answer, Server, json, ok, reply};

const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");
const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");
const REFUSED: &str = r#"{"success":false,"message":"no"}"#;

/// Asserts what a page of channels fails with when the gateway answers this.
async fn fails(name: &str, bytes: Vec<u8>, kind: Kind, status: Option<u16>) {
    let server = Server::always(bytes).await;
    let failure = server.reader().page(1).await.expect_err(name);
    assert_eq!(failure.kind, kind, "{name}: {}", failure.detail);
    assert_eq!(failure.http_status, status, "{name}");
    assert_eq!(server.requests().len(), 1, "{name}: one attempt, no more");
}

#[tokio::test]
async fn statuses_tell_what_happened() {
    let not_found = r#"{"error":{"message":"Invalid URL (GET /api/x)"}}"#;
    for (status, header, body, kind) in [
        (400, JSON, REFUSED, Kind::Rejected),
        (401, JSON, REFUSED, Kind::Unauthorized),
        (401, HTML, "<html>", Kind::Unauthorized),
        (403, JSON, REFUSED, Kind::Forbidden),
        (403, HTML, "<html>", Kind::Firewall),
        (403, JSON, "{}", Kind::Firewall),
        (403, HTML, "", Kind::Firewall),
        (404, JSON, not_found, Kind::NotFound),
        (404, HTML, "<html>", Kind::WrongAddress),
        (404, HTML, "", Kind::WrongAddress),
        (405, HTML, "", Kind::Rejected),
        (500, JSON, REFUSED, Kind::ServerError),
        (502, HTML, "<html>", Kind::ServerError),
        (503, HTML, "", Kind::ServerError),
        (504, HTML, "", Kind::ServerError),
        (302, HTML, "", Kind::Redirected),
    ] {
        let bytes = reply(status, &[header], body);
        fails(&format!("{status} {body}"), bytes, kind, Some(status)).await;
    }
}

#[tokio::test]
async fn bodies_tell_what_answered() {
    let deep = "[".repeat(200_000);
    for (header, body, kind) in [
        (
            HTML,
            "<html><body>New API</body></html>",
            Kind::WrongAddress,
        ),
        (("X-Nothing", ""), "hello", Kind::WrongAddress),
        (JSON, "hello", Kind::Broken),
        (JSON, "", Kind::Broken),
        (HTML, " \n", Kind::Broken),
        (
            JSON,
            r#"{"success":true,"data":{"items":[{"id"#,
            Kind::Broken,
        ),
        (HTML, r#"{"success":true,"data":NaN}"#, Kind::Broken),
        (
            JSON,
            "{\"success\":true,\"message\":\"\u{0}\"}",
            Kind::Broken,
        ),
        (JSON, deep.as_str(), Kind::Broken),
        (JSON, "[]", Kind::NotRecognised),
        (JSON, "null", Kind::NotRecognised),
        (JSON, "{}", Kind::NotRecognised),
        (JSON, r#"{"object":"list","data":[]}"#, Kind::NotRecognised),
        (JSON, r#"{"success":"true"}"#, Kind::NotRecognised),
        (
            JSON,
            r#"{"success":false,"success":true,"data":{"items":[],"total":0}}"#,
            Kind::NotRecognised,
        ),
        (JSON, r#"{"success":true}"#, Kind::NotRecognised),
        (JSON, r#"{"success":true,"data":null}"#, Kind::NotRecognised),
        (
            JSON,
            r#"{"success":true,"data":{"items":[]}}"#,
            Kind::NotRecognised,
        ),
        (
            JSON,
            r#"{"success":true,"data":{"items":[],"total":-1}}"#,
            Kind::NotRecognised,
        ),
        (
            JSON,
            r#"{"success":true,"data":{"items":[{"id":1}],"total":1}}"#,
            Kind::NotRecognised,
        ),
        (JSON, r#"{"success":true,"data":[]}"#, Kind::OldFork),
        (JSON, r#"{"success":true,"data":[{"id":1}]}"#, Kind::OldFork),
        (JSON, REFUSED, Kind::Unauthorized),
    ] {
        let name = body.get(..body.len().min(70)).unwrap_or(body);
        fails(name, reply(200, &[header], body), kind, Some(200)).await;
    }
    fails(
        "refused with the mark",
        json(REFUSED),
        Kind::Rejected,
        Some(200),
    )
    .await;
    let utf8 = json(b"{\"success\":true,\"message\":\"\xff\"}");
    fails("invalid UTF-8", utf8, Kind::Broken, Some(200)).await;
}

#[tokio::test]
async fn transport_trouble_has_names_of_its_own() {
    let whole = ok(r#"{"items":[],"total":0}"#);
    let cut = whole.get(..whole.len() - 4).unwrap_or_default().to_vec();
    fails("closed before the end", cut, Kind::Broken, None).await;
    let headers: Vec<(String, String)> = (0..150).map(|n| (format!("X-{n}"), "y".into())).collect();
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    fails(
        "150 headers",
        reply(200, &headers, "{}"),
        Kind::TooLarge,
        None,
    )
    .await;
    let long = "y".repeat(1_000_000);
    let long = reply(200, &[("X-Long", &long)], "{}");
    fails("a long header", long, Kind::TooLarge, None).await;
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"suc\r\n".to_vec();
    fails("chunks without an end", endless, Kind::Broken, None).await;
    fails(
        "no HTTP at all",
        b"SSH-2.0-x\r\n".to_vec(),
        Kind::Broken,
        None,
    )
    .await;
    let encoded = reply(200, &[JSON, ("Content-Encoding", "zstd")], "(\u{b5}/\u{fd}");
    fails("an encoding not asked for", encoded, Kind::Broken, None).await;
    let no_gzip = reply(200, &[JSON, ("Content-Encoding", "gzip")], "{}");
    fails("no gzip behind its name", no_gzip, Kind::Broken, None).await;

    let server = Server::start(|_| Answer::Close).await;
    let failure = server.reader().page(1).await.expect_err("closed");
    assert_eq!(failure.kind, Kind::Broken, "{}", failure.detail);
}

#[tokio::test]
async fn a_byte_order_mark_does_no_harm() {
    let body = "\u{feff}{\"success\":true,\"data\":{\"items\":[],\"total\":0}}";
    let server = Server::always(json(body)).await;
    let page = server.reader().page(1).await.expect("a page");
    assert_eq!((page.total, page.kind), (0, GatewayKind::NewApi));
}

#[tokio::test]
async fn the_right_shape_without_the_mark_is_unrecognised() {
    let body = r#"{"success":true,"data":{"items":[],"total":0}}"#;
    let server = Server::always(reply(200, &[JSON], body)).await;
    let page = server.reader().page(1).await.expect("a page");
    assert_eq!(page.kind, GatewayKind::Unrecognised);
}
