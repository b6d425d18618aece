//! What each vendor is sent, and what its answers mean. All of them take JSON by POST; what differs is here.

use std::time::Duration;

use lockstep_run::outside::Reply;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::cut::{body, bytes, escaped, items, text, utf16};
use super::target::{Address, Vendor, topic};
use super::{Cause, Message, Why, sign};

/// Telegram takes 4096 characters.
const TELEGRAM: usize = 4096;
/// ntfy takes 4096 bytes; longer messages become a file.
const NTFY: usize = 4096;
/// A request to Feishu has at most 20 KB, of which the rest of it needs little.
const FEISHU: usize = 19_000;
/// A request to DingTalk has at most 20,000 bytes.
const DINGTALK: usize = 19_000;
/// WeCom takes 4096 bytes of Markdown.
const WECOM: usize = 4096;
/// What a generic webhook is sent at most of text, and of items, in bytes.
const WEBHOOK: usize = 64 * 1024;

/// Codes in answers that mean: too many, or busy. Feishu's limit of its bots and that of all its calls, DingTalk's 20 a
/// minute, WeCom's limit and its busy system.
const LATER: &[i64] = &[11_232, 99_991_400, DINGTALK_LIMIT, 45_009, -1];
/// DingTalk's: who sends more than 20 a minute is not heard for ten minutes.
const DINGTALK_LIMIT: i64 = 130_101;
const DINGTALK_SHUT: Duration = Duration::from_secs(600);

/// One request.
pub(super) struct Post {
    pub(super) url: SecretString,
    pub(super) headers: Vec<(String, SecretString)>,
    pub(super) body: String,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It arrived.
    Arrived,
    /// It did not, and may when it is tried again, after a wait where one is asked for.
    Later(Why, Option<Duration>),
    /// It did not, and will not.
    Refused(Why),
}

/// The request of a message. `now` is Unix milliseconds, `id` the delivery's.
pub(super) fn post(
    vendor: Vendor,
    address: &Address,
    message: &Message,
    id: &str,
    now: i64,
) -> Post {
    let mut url = address.url.clone();
    let mut headers: Vec<(String, SecretString)> = Vec::new();
    let secret = address.secret.as_deref();
    let seconds = now.div_euclid(1000);
    let body = match vendor {
        Vendor::Webhook => {
            let body = webhook(message).to_string();
            headers.push(("x-lockstep-delivery".to_owned(), id.into()));
            if let Some(secret) = secret {
                let signature = sign::webhook(secret, seconds, &body);
                headers.push((
                    "x-lockstep-timestamp".to_owned(),
                    seconds.to_string().into(),
                ));
                headers.push(("x-lockstep-signature".to_owned(), signature.into()));
            }
            return Post {
                url: url.into(),
                headers,
                body,
            };
        }
        Vendor::Telegram => json!({
            "chat_id": address.chat,
            "text": text(message, TELEGRAM, utf16),
            "link_preview_options": {"is_disabled": true},
        }),
        Vendor::Ntfy => {
            let at = Url::parse(&url).ok().and_then(|url| topic(&url));
            let (server, topic) = match at {
                Some((server, topic)) => (server.to_string(), topic),
                None => (url, String::new()),
            };
            url = server;
            if let Some(token) = secret {
                headers.push(("authorization".to_owned(), format!("Bearer {token}").into()));
            }
            json!({
                "topic": topic,
                "title": message.title,
                "message": body(message, NTFY, bytes),
            })
        }
        Vendor::Feishu => {
            let said = no_mention(&text(message, FEISHU, |text| escaped(&no_mention(text))));
            let mut object = json!({"msg_type": "text", "content": {"text": said}});
            if let (Some(secret), Some(object)) = (secret, object.as_object_mut()) {
                object.insert("timestamp".to_owned(), seconds.to_string().into());
                object.insert("sign".to_owned(), sign::feishu(secret, seconds).into());
            }
            object
        }
        Vendor::DingTalk => {
            if let (Some(secret), Ok(mut signed)) = (secret, Url::parse(&url)) {
                signed
                    .query_pairs_mut()
                    .append_pair("timestamp", &now.to_string())
                    .append_pair("sign", &sign::dingtalk(secret, now));
                url = signed.into();
            }
            let said = text(message, DINGTALK, escaped);
            json!({"msgtype": "text", "text": {"content": said}})
        }
        Vendor::WeCom => {
            let said = no_mention(&text(message, WECOM, |text| no_mention(text).len()));
            json!({"msgtype": "markdown", "markdown": {"content": said}})
        }
        // Mail has no request; `send` does not ask for one.
        Vendor::Email => Value::Null,
    };
    Post {
        url: url.into(),
        headers,
        body: body.to_string(),
    }
}

/// Both mention people by tags in angle brackets, and names of models come from providers.
fn no_mention(text: &str) -> String {
    text.replace('<', "\u{ff1c}")
}

fn webhook(message: &Message) -> Value {
    let (shown, more) = items(message, WEBHOOK);
    let mut object = message.head.clone();
    if let Some(object) = object.as_object_mut() {
        object.insert("title".to_owned(), message.title.clone().into());
        object.insert("text".to_owned(), text(message, WEBHOOK, bytes).into());
        object.insert("items".to_owned(), shown.into());
        object.insert("more".to_owned(), more.into());
    }
    object
}

/// What an answer means. Status 200 with an error code in its body is a failure.
pub(super) fn judge(vendor: Vendor, reply: &Reply) -> Verdict {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let words = ["description", "errmsg", "msg", "StatusMessage", "error"];
    let words = words.iter().find_map(|key| body.get(key)?.as_str());
    let words = words.unwrap_or_default();
    let keys: &[&str] = match vendor {
        Vendor::Webhook | Vendor::Ntfy | Vendor::Email => &[],
        Vendor::Telegram => &["error_code"],
        Vendor::Feishu => &["code", "StatusCode"],
        Vendor::DingTalk | Vendor::WeCom => &["errcode"],
    };
    let code = keys.iter().find_map(|key| body.get(key)?.as_i64());
    let later = code.is_some_and(|code| LATER.contains(&code));
    let wait = || match code {
        Some(DINGTALK_LIMIT) => Some(DINGTALK_SHUT),
        _ => asked(&body).or(reply.wait),
    };
    let status = reply.status;
    if !(200..300).contains(&status) {
        let why = Why::said(Cause::Status, words).number(status);
        return match status {
            408 | 425 | 429 | 500.. => Verdict::Later(why, wait()),
            // Some of Feishu's calls say so with this status.
            400 if later => Verdict::Later(why, wait()),
            _ => Verdict::Refused(why),
        };
    }
    match (vendor, body.get("ok").and_then(Value::as_bool)) {
        (Vendor::Webhook | Vendor::Ntfy | Vendor::Email, _) | (Vendor::Telegram, Some(true)) => {
            return Verdict::Arrived;
        }
        (Vendor::Telegram, None) => return not_its_answer(vendor),
        _ => {}
    }
    match code {
        Some(0) => Verdict::Arrived,
        Some(code) if later || code == 429 => {
            Verdict::Later(Why::said(Cause::Code, words).number(code), wait())
        }
        Some(code) => Verdict::Refused(Why::said(Cause::Code, words).number(code)),
        None if vendor == Vendor::Telegram => Verdict::Refused(Why::said(Cause::Refused, words)),
        None => not_its_answer(vendor),
    }
}

/// How long Telegram asks to wait, in its body.
fn asked(body: &Value) -> Option<Duration> {
    let seconds = body.pointer("/parameters/retry_after")?.as_u64()?;
    Some(Duration::from_secs(seconds))
}

fn not_its_answer(vendor: Vendor) -> Verdict {
    Verdict::Refused(Why::said(Cause::NotItsAnswer, vendor.code()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::words::en;

    const NOW: i64 = 1_599_360_473_000;

    fn message() -> Message {
        Message {
            title: "title".to_owned(),
            lines: vec!["one".to_owned()],
            foot: "run 1".to_owned(),
            head: json!({"event": "notice"}),
            items: vec![json!({"about": "run"})],
        }
    }

    fn many() -> Message {
        Message {
            lines: (0..5_000)
                .map(|at| format!("{at} \u{1f600}<at user_id=\"all\"></at> \"\u{4e2d}\u{6587}\""))
                .collect(),
            items: (0..5_000)
                .map(|at| json!({"about": at, "x": "y".repeat(30)}))
                .collect(),
            ..message()
        }
    }

    fn address(url: &str, secret: Option<&str>) -> Address {
        Address {
            url: url.to_owned(),
            secret: secret.map(str::to_owned),
            chat: Some("@channel".to_owned()),
            ..Address::default()
        }
    }

    fn made(vendor: Vendor, address: &Address, message: &Message) -> (String, Value) {
        let post = post(vendor, address, message, "id", NOW);
        let body = serde_json::from_str(&post.body).expect("JSON");
        (post.url.expose_secret().to_owned(), body)
    }

    // Each shape is the vendor's published example with our text in it:
    // https://core.telegram.org/bots/api#sendmessage
    // https://docs.ntfy.sh/publish/#publish-as-json
    // https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
    // https://open.dingtalk.com/document/orgapp/custom-robot-access
    // https://developer.work.weixin.qq.com/document/path/91770
    #[test]
    fn requests_have_the_shapes_of_the_vendors_examples() {
        let whole = "title\none\nrun 1";
        let secret = Some("this is secret");
        for (vendor, to, url, body) in [
            (
                Vendor::Telegram,
                address("https://api.telegram.org/bot1:A/sendMessage", None),
                "https://api.telegram.org/bot1:A/sendMessage",
                json!({"chat_id": "@channel", "text": whole, "link_preview_options": {"is_disabled": true}}),
            ),
            (
                Vendor::Ntfy,
                address("https://ntfy.sh/mytopic", None),
                "https://ntfy.sh/",
                json!({"topic": "mytopic", "title": "title", "message": "one\nrun 1"}),
            ),
            (
                Vendor::Ntfy,
                address("https://own.example/push/mytopic/", secret),
                "https://own.example/push",
                json!({"topic": "mytopic", "title": "title", "message": "one\nrun 1"}),
            ),
            (
                Vendor::Feishu,
                address("https://open.feishu.cn/open-apis/bot/v2/hook/x", secret),
                "https://open.feishu.cn/open-apis/bot/v2/hook/x",
                json!({
                    "timestamp": "1599360473",
                    "sign": "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw=",
                    "msg_type": "text",
                    "content": {"text": whole},
                }),
            ),
            (
                Vendor::Feishu,
                address("https://open.feishu.cn/open-apis/bot/v2/hook/x", None),
                "https://open.feishu.cn/open-apis/bot/v2/hook/x",
                json!({"msg_type": "text", "content": {"text": whole}}),
            ),
            (
                Vendor::DingTalk,
                address("https://oapi.dingtalk.com/robot/send?access_token=X", None),
                "https://oapi.dingtalk.com/robot/send?access_token=X",
                json!({"msgtype": "text", "text": {"content": whole}}),
            ),
            (
                Vendor::WeCom,
                address(
                    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=X",
                    None,
                ),
                "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=X",
                json!({"msgtype": "markdown", "markdown": {"content": whole}}),
            ),
        ] {
            assert_eq!(
                made(vendor, &to, &message()),
                (url.to_owned(), body),
                "{vendor:?}"
            );
        }
    }

    #[test]
    fn dingtalk_is_signed_in_its_address_as_in_its_sample() {
        let to = address(
            "https://oapi.dingtalk.com/robot/send?access_token=X",
            Some("this is secret"),
        );
        let post = post(Vendor::DingTalk, &to, &message(), "id", 1_577_262_236_757);
        assert_eq!(
            post.url.expose_secret(),
            "https://oapi.dingtalk.com/robot/send?access_token=X&timestamp=1577262236757\
             &sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"
        );
    }

    #[test]
    fn every_vendor_is_sent_no_more_than_it_takes_and_no_mention() {
        for (vendor, place, limit) in [
            (Vendor::Telegram, "/text", 4096),
            (Vendor::Ntfy, "/message", 4096),
            (Vendor::Feishu, "/content/text", 20_480),
            (Vendor::DingTalk, "/text/content", 20_000),
            (Vendor::WeCom, "/markdown/content", 4096),
            (Vendor::Webhook, "/text", 64 * 1024),
        ] {
            let to = address("https://host.example/topic", None);
            let post = post(vendor, &to, &many(), "id", NOW);
            let body: Value = serde_json::from_str(&post.body).expect("JSON");
            let text = body.pointer(place).and_then(Value::as_str).expect(place);
            assert!(text.contains(" more\nrun 1"), "{vendor:?}");
            let length = match vendor {
                Vendor::Telegram => text.encode_utf16().count(),
                Vendor::Feishu | Vendor::DingTalk => post.body.len(),
                _ => text.len(),
            };
            assert!(length <= limit, "{vendor:?}: {length}");
            assert!(length > limit / 2, "{vendor:?}: {length}");
            let mentions = matches!(vendor, Vendor::Feishu | Vendor::WeCom);
            assert!(!(mentions && text.contains('<')), "{vendor:?}");
        }
        let to = address("https://host.example/topic", None);
        let (_, body) = made(Vendor::Webhook, &to, &many());
        let shown = body["items"].as_array().expect("items").len();
        assert_eq!(body["more"], json!(5_000 - shown));
    }

    // The codes and what they mean, as the vendors tell them:
    // Feishu's 11232 and its limits, https://open.larkoffice.com/document/ukTMukTMukTM/ucTM5YjL3ETO24yNxkjN, and 99991400
    // with status 429 or 400, https://open.feishu.cn/document/server-docs/api-call-guide/frequency-control
    // Feishu's 19021, as users report it: https://github.com/feiyu563/PrometheusAlert/issues/422
    // DingTalk's limit of 20 a minute that shuts a robot for ten minutes, with the answer as users report it:
    // https://blog.csdn.net/jialiuyang/article/details/118615052, and its 310000:
    // https://cloud.tencent.com/developer/article/1834468
    // WeCom's 45009, as users report it: https://jishuzhan.net/article/2012338890507075586
    #[test]
    fn a_code_in_an_answer_with_status_200_is_a_failure() {
        let answer = |vendor, status, body: &str| {
            let reply = Reply {
                status,
                wait: Some(Duration::from_secs(7)),
                body: body.to_owned(),
            };
            judge(vendor, &reply)
        };
        for (vendor, body) in [
            (Vendor::Webhook, ""),
            (Vendor::Ntfy, r#"{"id":"sPs71M8A2T"}"#),
            (Vendor::Telegram, r#"{"ok":true,"result":{}}"#),
            (
                Vendor::Feishu,
                r#"{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}"#,
            ),
            (
                Vendor::Feishu,
                r#"{"Extra":null,"StatusCode":0,"StatusMessage":"success"}"#,
            ),
            (Vendor::DingTalk, r#"{"errcode":0,"errmsg":"ok"}"#),
            (Vendor::WeCom, r#"{"errcode":0,"errmsg":"ok"}"#),
        ] {
            assert_eq!(answer(vendor, 200, body), Verdict::Arrived, "{body}");
        }
        for (vendor, body, why) in [
            (
                Vendor::Feishu,
                r#"{"code":19021,"msg":"sign match fail"}"#,
                "error 19021: sign match fail",
            ),
            (
                Vendor::Feishu,
                r#"{"StatusCode":9499,"StatusMessage":"Bad"}"#,
                "error 9499: Bad",
            ),
            (
                Vendor::DingTalk,
                r#"{"errcode":310000,"errmsg":"sign not match"}"#,
                "error 310000: sign not match",
            ),
            (
                Vendor::WeCom,
                r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
                "error 93000: invalid webhook url",
            ),
            (
                Vendor::Telegram,
                r#"{"ok":false,"description":"no"}"#,
                "refused: no",
            ),
        ] {
            match answer(vendor, 200, body) {
                Verdict::Refused(told) => assert_eq!(en::notice_why(&told), why, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        for vendor in [
            Vendor::Telegram,
            Vendor::Feishu,
            Vendor::DingTalk,
            Vendor::WeCom,
        ] {
            for body in ["", "<html>", "{}", "[]"] {
                let told = answer(vendor, 200, body);
                assert!(matches!(told, Verdict::Refused(_)), "{vendor:?} {body}");
            }
        }
        for (vendor, status, body, wait) in [
            (
                Vendor::Feishu,
                200,
                r#"{"code":11232,"msg":"frequency limited"}"#,
                7,
            ),
            (
                Vendor::Feishu,
                400,
                r#"{"code":99991400,"msg":"request trigger frequency limit"}"#,
                7,
            ),
            (
                Vendor::DingTalk,
                200,
                r#"{"status":1111,"wait":5,"source":"x5","punish":"deny","errcode": 130101,"errmsg": "send too fast, exceed 20 times per minute"}"#,
                600,
            ),
            (
                Vendor::WeCom,
                200,
                r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
                7,
            ),
        ] {
            let told = answer(vendor, status, body);
            let seconds = Some(Duration::from_secs(wait));
            assert!(
                matches!(&told, Verdict::Later(_, wait) if *wait == seconds),
                "{told:?}"
            );
        }
        let bad = r#"{"code":9499,"msg":"Bad Request"}"#;
        let told = answer(Vendor::Feishu, 400, bad);
        assert!(matches!(told, Verdict::Refused(_)), "{told:?}");
        let flood = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}"#;
        let five = Some(Duration::from_secs(5));
        let told = answer(Vendor::Telegram, 429, flood);
        assert!(
            matches!(told, Verdict::Later(_, wait) if wait == five),
            "{told:?}"
        );
        let told = answer(Vendor::Webhook, 503, "");
        let seven = Some(Duration::from_secs(7));
        assert_eq!(
            told,
            Verdict::Later(Why::said(Cause::Status, "").number(503), seven)
        );
        let told = answer(Vendor::Ntfy, 403, r#"{"code":40301,"error":"forbidden"}"#);
        assert_eq!(
            told,
            Verdict::Refused(Why::said(Cause::Status, "forbidden").number(403))
        );
    }
}
