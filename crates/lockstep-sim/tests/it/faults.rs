//! Each scripted fault, as a plain client sees it.

use std::time::Duration;

use bytes::Bytes;
use lockstep_sim::{Channel, Fault, Gateway, Matcher, Rule, Spec};

use crate::client::{Seen, call, get, put_models};

type Check = fn(&Seen) -> bool;

async fn gateway() -> Gateway {
    Gateway::start(Spec::new().channel(Channel::new(1, "one").models("a")))
        .await
        .expect("it starts")
}

fn rows() -> Vec<(Fault, Check)> {
    let redirect = |status| Fault::redirect(status, "http://169.254.169.254/");
    let moved: Check = |seen| seen.header("Location").as_deref() == Some("http://169.254.169.254/");
    let json_refusal: Check = |seen| seen.json()["success"] == false;
    let ms = Duration::from_millis;
    vec![
        (redirect(301), moved),
        (redirect(302), moved),
        (redirect(307), moved),
        (redirect(308), moved),
        (Fault::Status(400), json_refusal),
        (Fault::Status(401), json_refusal),
        (Fault::Status(403), json_refusal),
        (Fault::Status(404), json_refusal),
        (Fault::Status(500), |seen| seen.status() == 500),
        (Fault::Status(502), |seen| seen.status() == 502),
        (Fault::Status(504), |seen| seen.status() == 504),
        (Fault::FirewallPage, |seen| {
            seen.status() == 403
                && seen
                    .header("Content-Type")
                    .is_some_and(|kind| kind.starts_with("text/html"))
        }),
        (Fault::too_many("7"), |seen| {
            seen.status() == 429
                && seen.header("Retry-After").as_deref() == Some("7")
                && seen.body().is_empty()
        }),
        (Fault::too_many("Wed, 21 Oct 2026 07:28:00 GMT"), |seen| {
            seen.header("Retry-After")
                .is_some_and(|text| text.ends_with("GMT"))
        }),
        (Fault::too_many("-1"), |seen| {
            seen.header("Retry-After").as_deref() == Some("-1")
        }),
        (Fault::TooMany { retry_after: None }, |seen| {
            seen.status() == 429 && seen.header("Retry-After").is_none()
        }),
        (
            Fault::Unavailable {
                retry_after: Some("5".to_owned()),
            },
            |seen| seen.status() == 503 && seen.header("Retry-After").as_deref() == Some("5"),
        ),
        (Fault::Refused("no".to_owned()), |seen| {
            seen.status() == 200 && seen.json()["message"] == "no"
        }),
        (Fault::Html, |seen| {
            seen.status() == 200 && seen.body().starts_with(b"<!doctype")
        }),
        (Fault::Empty, |seen| {
            seen.status() == 200 && seen.body().is_empty()
        }),
        (Fault::EmptyArray, |seen| seen.body() == b"[]"),
        (Fault::EmptyObject, |seen| seen.body() == b"{}"),
        (Fault::NullData, |seen| {
            seen.json()["success"] == true && seen.json()["data"].is_null()
        }),
        (Fault::ManyModels(200_000), |seen| {
            seen.json()["data"]
                .as_array()
                .is_some_and(|list| list.len() == 200_000)
        }),
        (Fault::OddNames, |seen| {
            let names = seen.json()["data"].as_array().cloned().unwrap_or_default();
            names.contains(&"openai/gpt-5".into())
                && names.len() > 20
                && seen.body().windows(2).any(|w| w == b"\\/")
        }),
        (Fault::DeepNesting(200_000), |seen| {
            seen.body().len() == 400_000
        }),
        (Fault::Huge(16 * 1024 * 1024 + 1), |seen| {
            seen.body().len() == 16 * 1024 * 1024 + 1 && seen.json()["success"] == true
        }),
        (Fault::GzipBomb(1 << 30), |seen| {
            seen.header("Content-Encoding").as_deref() == Some("gzip")
                && seen.body().len() < 8_000_000
        }),
        (Fault::BrotliBomb(1 << 30), |seen| {
            seen.header("Content-Encoding").as_deref() == Some("br") && seen.body().len() < 1024
        }),
        (Fault::UnknownEncoding, |seen| {
            seen.header("Content-Encoding").as_deref() == Some("sparkle")
        }),
        (
            Fault::Body {
                content_type: "application/json".to_owned(),
                encoding: Some("br".to_owned()),
                bytes: Bytes::from_static(b"{\"data\":NaN}"),
            },
            |seen| {
                seen.body() == b"{\"data\":NaN}"
                    && seen.header("Content-Encoding").as_deref() == Some("br")
            },
        ),
        (Fault::HalfJson, |seen| {
            let announced: Option<usize> = seen
                .header("Content-Length")
                .and_then(|text| text.parse().ok());
            seen.json().is_null() && announced == Some(seen.body().len())
        }),
        (Fault::Bom, |seen| seen.body().starts_with(b"\xef\xbb\xbf{")),
        (Fault::InvalidUtf8, |seen| {
            std::str::from_utf8(seen.body()).is_err()
        }),
        (Fault::WrongCharset, |seen| {
            seen.header("Content-Type")
                .is_some_and(|kind| kind.ends_with("utf-16le"))
                && seen.body()[1] == 0
        }),
        (Fault::DuplicateKeys, |seen| {
            seen.json()["success"] == true
                && seen
                    .body()
                    .windows(9)
                    .filter(|window| *window == b"\"success\"")
                    .count()
                    == 2
        }),
        (Fault::Silence(ms(200)), |seen| {
            seen.bytes.is_empty() && seen.end.is_ok()
        }),
        (Fault::Delay(ms(200)), |seen| seen.json()["success"] == true),
        (Fault::ResetBeforeRead, |seen| {
            seen.was_reset() && seen.bytes.is_empty()
        }),
        (Fault::ResetBeforeApply, |seen| {
            seen.was_reset() && seen.bytes.is_empty()
        }),
        (Fault::ResetMidReply, |seen| {
            seen.was_reset() && seen.bytes.starts_with(b"HTTP/1.1 200") && seen.json().is_null()
        }),
        (Fault::ResetAfterApply, |seen| {
            seen.was_reset() && seen.bytes.is_empty()
        }),
        (Fault::Drip(Duration::from_micros(100)), |seen| {
            seen.json()["success"] == true
        }),
        (Fault::ContentLengthTooLong, |seen| {
            announced(seen) == seen.body().len() + 100_000
        }),
        (Fault::ContentLengthTooShort, |seen| {
            announced(seen) < seen.body().len()
        }),
        (Fault::ChunkedWithoutEnd, |seen| {
            seen.header("Transfer-Encoding").as_deref() == Some("chunked")
                && !seen.body().ends_with(b"0\r\n\r\n")
        }),
        (Fault::ManyHeaders(150), |seen| {
            seen.head().lines().count() > 150 && seen.json()["success"] == true
        }),
        (Fault::LongHeader(1 << 20), |seen| {
            seen.head().len() > 1 << 20
        }),
        (Fault::Lie, |seen| seen.json()["data"]["models"] == "b"),
        (Fault::Ignore, |seen| seen.json()["data"]["models"] == "a"),
        (
            Fault::also(|channel| channel.base_url = Some(String::new())),
            |seen| seen.json()["data"]["models"] == "b",
        ),
        (Fault::StaleReads(ms(200)), |seen| {
            seen.json()["data"]["models"] == "b"
        }),
    ]
}

fn announced(seen: &Seen) -> usize {
    seen.header("Content-Length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn each_fault_is_what_it_says() {
    for (fault, check) in rows() {
        let gateway = gateway().await;
        let name = fault.name();
        gateway.fault(Rule::once(Matcher::put("/api/channel/"), fault.clone()));
        let seen = put_models(&gateway, 1, "b").await;
        assert!(
            check(&seen),
            "{name}: {:?} {}",
            seen.end,
            String::from_utf8_lossy(&seen.bytes[..seen.bytes.len().min(600)])
        );
        let stored = gateway.channel(1).expect("still there").models == "b";
        assert_eq!(stored, fault.applies(), "{name}: applied or not");
        assert_eq!(
            gateway.effective_writes().len(),
            usize::from(fault.applies()),
            "{name}"
        );
        assert_eq!(gateway.log()[0].fault, Some(name));
        // One rule, one request: the next write is an ordinary one.
        assert_eq!(
            put_models(&gateway, 1, "c").await.json()["data"]["models"],
            "c",
            "{name}"
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the point is a client that unpacks everything, trailer and all"
)]
#[tokio::test]
async fn bombs_are_valid_files() {
    let gateway = gateway().await;
    // A client of the gateway's own kind, which also checks gzip's checksum.
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client");
    for bomb in [Fault::GzipBomb(3_000_000), Fault::BrotliBomb(20_000_000)] {
        let name = bomb.name();
        gateway.fault(Rule::once(Matcher::any(), bomb));
        let answer = client.get(gateway.url()).send().await.expect("an answer");
        let body = answer.bytes().await.expect("a body");
        assert!(
            body.len() >= 3_000_000 && body.iter().all(|byte| *byte == 0),
            "{name}: {}",
            body.len()
        );
    }
}

#[tokio::test]
async fn a_rule_waits_its_turn_and_ends() {
    let gateway = gateway().await;
    gateway.fault(
        Rule::once(Matcher::get("/api/channel/").channel(1), Fault::Html)
            .after(1)
            .times(2),
    );
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(&gateway, "/api/channel/1").await["success"].clone());
        get(&gateway, "/api/channel/2").await;
    }
    assert_eq!(
        statuses,
        [
            true.into(),
            serde_json::Value::Null,
            serde_json::Value::Null,
            true.into()
        ]
    );
}

#[tokio::test]
async fn stale_reads_show_the_old_value_for_a_while() {
    let gateway = gateway().await;
    gateway.fault(Rule::once(
        Matcher::put("/"),
        Fault::StaleReads(Duration::from_millis(300)),
    ));
    put_models(&gateway, 1, "b").await;
    assert_eq!(get(&gateway, "/api/channel/1").await["data"]["models"], "a");
    assert_eq!(
        get(&gateway, "/api/channel/?p=1").await["data"]["items"][0]["models"],
        "a"
    );
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_eq!(get(&gateway, "/api/channel/1").await["data"]["models"], "b");
}

#[tokio::test]
async fn a_dripping_answer_takes_its_time() {
    let gateway = gateway().await;
    gateway.fault(Rule::once(
        Matcher::any(),
        Fault::Drip(Duration::from_millis(5)),
    ));
    let before = gateway.elapsed();
    let seen = call(&gateway, "GET", "/api/channel/7", "").await;
    assert_eq!(seen.json()["message"], "record not found");
    assert!(gateway.elapsed() - before > Duration::from_millis(500));
}
