//! Each vendor's request as it is on the wire, and what its answers do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::place::{Answer, Place};
use super::{add, tested};
use crate::canary::{COMMON, UNKNOWN};
use crate::tester::Shell;

fn hmac(key: &str, text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// What a test says, whatever the time.
#[track_caller]
fn is_a_test(text: &Value) {
    let text = text.as_str().expect("a text");
    let mut lines = text.lines();
    let title = lines.next();
    assert_eq!(
        title,
        Some("Lockstep: a test of there. Notices arrive here.")
    );
    let at = lines.next().expect("when");
    assert!(at.starts_with("20") && at.ends_with('Z'), "{text}");
    assert_eq!(lines.next(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_sent_signed_json() {
    let place = Place::always(204, "").await;
    let shell = Shell::new();
    let input = format!("{}/hook?key={UNKNOWN}\n{COMMON}", place.url());
    add(&shell, "webhook", &input, &[]).await.is(0);
    assert_eq!(tested(&shell).await, (true, 1, String::new()));
    let asked = place.one();
    assert_eq!(asked.line, format!("POST /hook?key={UNKNOWN} HTTP/1.1"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert!(
        asked
            .header("x-lockstep-delivery")
            .is_some_and(|id| id.len() == 36)
    );
    let seconds = asked.header("x-lockstep-timestamp").expect("a time");
    let digest = hmac(COMMON, &format!("{seconds}.{}", asked.body));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        asked.header("x-lockstep-signature"),
        Some(format!("sha256={hex}").as_str())
    );
    let body = asked.json();
    assert_eq!(body["event"], "test");
    is_a_test(&body["text"]);
    assert_eq!((&body["items"], &body["more"]), (&json!([]), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_without_a_secret_is_not_signed() {
    let place = Place::always(200, "whatever").await;
    let shell = Shell::new();
    add(&shell, "webhook", &place.url(), &[]).await.is(0);
    assert!(tested(&shell).await.0);
    let asked = place.one();
    assert_eq!(asked.header("x-lockstep-signature"), None);
    assert_eq!(asked.header("x-lockstep-timestamp"), None);
}

// https://core.telegram.org/bots/api#making-requests: a POST of application/json to bot<token>/sendMessage.
#[tokio::test(flavor = "multi_thread")]
async fn telegram_is_sent_a_message() {
    let place = Place::always(200, r#"{"ok":true,"result":{"message_id":1}}"#).await;
    let shell = Shell::new();
    let input = format!("{}/bot42:{UNKNOWN}", place.url());
    add(&shell, "telegram", &input, &["--chat", "-1001"])
        .await
        .is(0);
    assert_eq!(tested(&shell).await, (true, 1, String::new()));
    let asked = place.one();
    assert_eq!(
        asked.line,
        format!("POST /bot42:{UNKNOWN}/sendMessage HTTP/1.1")
    );
    let body = asked.json();
    assert_eq!(body["chat_id"], "-1001");
    is_a_test(&body["text"]);
}

// https://docs.ntfy.sh/publish/#publish-as-json and #access-tokens.
#[tokio::test(flavor = "multi_thread")]
async fn ntfy_is_sent_json_at_its_root_with_the_access_token() {
    let place = Place::always(200, r#"{"id":"sPs71M8A2T","event":"message"}"#).await;
    let shell = Shell::new();
    let input = format!("{}/topic-{UNKNOWN}\n{COMMON}\n", place.url());
    add(&shell, "ntfy", &input, &[]).await.is(0);
    assert_eq!(tested(&shell).await, (true, 1, String::new()));
    let asked = place.one();
    assert_eq!(asked.line, "POST / HTTP/1.1");
    assert_eq!(
        asked.header("authorization"),
        Some(format!("Bearer {COMMON}").as_str())
    );
    let body = asked.json();
    assert_eq!(body["topic"], format!("topic-{UNKNOWN}"));
    assert_eq!(
        body["title"],
        "Lockstep: a test of there. Notices arrive here."
    );
    assert!(
        body["message"]
            .as_str()
            .is_some_and(|text| text.ends_with('Z'))
    );
}

// https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
#[tokio::test(flavor = "multi_thread")]
async fn feishu_is_signed_in_its_body() {
    let answer = r#"{"code":0,"data":{},"msg":"success"}"#;
    let place = Place::always(200, answer).await;
    let shell = Shell::new();
    let input = format!("{}/open-apis/bot/v2/hook/{UNKNOWN}\n{COMMON}", place.url());
    add(&shell, "feishu", &input, &[]).await.is(0);
    assert_eq!(tested(&shell).await, (true, 1, String::new()));
    let body = place.one().json();
    let seconds = body["timestamp"].as_str().expect("a time");
    let sign = STANDARD.encode(hmac(&format!("{seconds}\n{COMMON}"), ""));
    assert_eq!(
        (&body["sign"], &body["msg_type"]),
        (&json!(sign), &json!("text"))
    );
    is_a_test(&body["content"]["text"]);
}

// https://open.dingtalk.com/document/orgapp/custom-robot-access
#[tokio::test(flavor = "multi_thread")]
async fn dingtalk_is_signed_in_its_address() {
    let place = Place::always(200, r#"{"errcode":0,"errmsg":"ok"}"#).await;
    let shell = Shell::new();
    let input = format!(
        "{}/robot/send?access_token={UNKNOWN}\n{COMMON}",
        place.url()
    );
    add(&shell, "dingtalk", &input, &[]).await.is(0);
    assert_eq!(tested(&shell).await, (true, 1, String::new()));
    let asked = place.one();
    let (before, sign) = asked.line.split_once("&sign=").expect("a signature");
    let (before, millis) = before.split_once("&timestamp=").expect("a time");
    assert_eq!(before, format!("POST /robot/send?access_token={UNKNOWN}"));
    let wanted = STANDARD.encode(hmac(COMMON, &format!("{millis}\n{COMMON}")));
    let encoded = wanted
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    assert_eq!(sign, format!("{encoded} HTTP/1.1"));
    let body = asked.json();
    assert_eq!(body["msgtype"], "text");
    is_a_test(&body["text"]["content"]);
}

// https://developer.work.weixin.qq.com/document/path/91770
#[tokio::test(flavor = "multi_thread")]
async fn wecom_is_sent_markdown() {
    let place = Place::always(200, r#"{"errcode":0,"errmsg":"ok"}"#).await;
    let shell = Shell::new();
    let input = format!("{}/cgi-bin/webhook/send?key={UNKNOWN}", place.url());
    add(&shell, "wecom", &input, &[]).await.is(0);
    assert_eq!(tested(&shell).await, (true, 1, String::new()));
    let asked = place.one();
    assert_eq!(
        asked.line,
        format!("POST /cgi-bin/webhook/send?key={UNKNOWN} HTTP/1.1")
    );
    let body = asked.json();
    assert_eq!(body["msgtype"], "markdown");
    is_a_test(&body["markdown"]["content"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_code_with_status_200_is_a_failure_and_is_not_tried_again() {
    for (vendor, body, why) in [
        (
            "feishu",
            r#"{"code":19021,"msg":"sign match fail"}"#,
            "error 19021: sign match fail",
        ),
        (
            "dingtalk",
            r#"{"errcode":310000,"errmsg":"sign not match"}"#,
            "error 310000: sign not match",
        ),
        (
            "wecom",
            r#"{"errcode":93000,"errmsg":"invalid"}"#,
            "error 93000: invalid",
        ),
        (
            "telegram",
            r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#,
            "error 400: Bad Request: chat not found",
        ),
        ("feishu", "<html>", "what answered is not feishu"),
    ] {
        let place = Place::always(200, body).await;
        let shell = Shell::new();
        let input = format!("{}/bot{UNKNOWN}", place.url());
        let chat: &[&str] = if vendor == "telegram" {
            &["--chat", "1"]
        } else {
            &[]
        };
        add(&shell, vendor, &input, chat).await.is(0);
        let (arrived, attempts, error) = tested(&shell).await;
        assert!(!arrived && attempts == 1 && error.contains(why), "{error}");
        place.one();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_three_times_and_waits_as_long_as_asked() {
    let later = |status, more: &str, body: &str| Answer(status, more.to_owned(), body.to_owned());
    let flood = r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":1}}"#;
    let good = later(200, "", r#"{"ok":true}"#);
    for (answers, arrived, attempts) in [
        (
            vec![
                later(500, "", ""),
                later(429, "retry-after: 1\r\n", ""),
                good.clone(),
            ],
            true,
            3,
        ),
        (vec![later(429, "", flood), good.clone()], true, 2),
        (vec![later(503, "", ""), later(502, "", "")], false, 3),
        // An hour is longer than anybody waits here.
        (
            vec![later(429, "retry-after: 3600\r\n", ""), good.clone()],
            false,
            1,
        ),
        (vec![later(401, "", ""), good], false, 1),
    ] {
        let place = Place::answering(answers.clone()).await;
        let shell = Shell::new();
        let input = format!("{}/bot{UNKNOWN}", place.url());
        add(&shell, "telegram", &input, &["--chat", "1"])
            .await
            .is(0);
        let (did, tries, error) = tested(&shell).await;
        assert_eq!((did, tries), (arrived, attempts), "{answers:?}: {error}");
        assert_eq!(place.asked().len() as u64, attempts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_redirects_and_private_addresses_are_refused() {
    let large = "x".repeat(64 * 1024 + 1);
    let elsewhere = Place::always(200, "").await;
    let location = format!("location: {}/{UNKNOWN}\r\n", elsewhere.url());
    for (answer, why) in [
        (
            Answer(200, String::new(), large),
            "the reply is larger than 65536 bytes",
        ),
        (
            Answer(307, location.clone(), String::new()),
            "follows no redirect",
        ),
        (Answer(302, location, String::new()), "follows no redirect"),
    ] {
        let place = Place::answering(vec![answer]).await;
        let shell = Shell::new();
        add(&shell, "webhook", &place.url(), &[]).await.is(0);
        let (arrived, attempts, error) = tested(&shell).await;
        assert!(!arrived && attempts == 1 && error.contains(why), "{error}");
        place.one();
    }
    let shell = Shell::new();
    for (name, url) in [
        ("loopback", elsewhere.url()),
        (
            "name",
            format!("http://localhost:{}/", &elsewhere.host()[10..]),
        ),
        ("metadata", "http://169.254.169.254/".to_owned()),
        ("decimal", "http://2130706433/".to_owned()),
    ] {
        let add = ["notice", "add", name, "webhook", "--stdin"];
        shell.pipe(&add, &url).await.is(0);
        let said = shell.run(&["notice", "test", name]).await.is(1);
        said.says("the address is private and was not called");
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bot_is_followed_to_another_address() {
    let inside = Place::always(200, "").await;
    for vendor in ["webhook", "telegram", "ntfy", "feishu", "dingtalk", "wecom"] {
        // One that could be called, and one that never may be.
        for to in [inside.url(), "http://169.254.169.254".to_owned()] {
            let location = format!("location: {to}/{UNKNOWN}\r\n");
            let place = Place::answering(vec![Answer(308, location, String::new())]).await;
            let shell = Shell::new();
            let chat: &[&str] = match vendor {
                "telegram" => &["--chat", "1"],
                _ => &[],
            };
            let input = format!("{}/bot{UNKNOWN}", place.url());
            add(&shell, vendor, &input, chat).await.is(0);
            let (arrived, attempts, error) = tested(&shell).await;
            assert!(!arrived && attempts == 1, "{vendor} {to}: {error}");
            assert!(error.contains("follows no redirect"), "{vendor}: {error}");
            place.one();
        }
    }
    assert!(inside.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_place_repeats_of_its_secrets_is_not_shown() {
    let body =
        format!(r#"{{"errcode":1,"errmsg":"bad {UNKNOWN} and {COMMON} for key={UNKNOWN}"}}"#);
    for status in [200, 403] {
        let place = Place::always(status, &body).await;
        let shell = Shell::new();
        let input = format!("{}/send?key={UNKNOWN}\n{COMMON}", place.url());
        add(&shell, "dingtalk", &input, &[]).await.is(0);
        // The shell searches all output and every file for what is secret here.
        let (arrived, _, error) = tested(&shell).await;
        assert!(
            !arrived && error.contains("bad [redacted] and [redacted]"),
            "{error}"
        );
    }
}
