//! The frame around every answer of the gateway's API: `{"success", "message", "data"}`.

use lockstep_core::failure::{Failure, FailureKind};
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::http::Reply;

/// The header that authenticated answers of New API carry.
const MARK: &str = "auth-version";

/// An answer of the API.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    pub(super) success: bool,
    #[serde(default)]
    message: Option<Value>,
    /// Absent and null are one.
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    /// What each group pays, which the price list tells beside its data.
    #[serde(borrow, default)]
    pub(super) group_ratio: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// The message, in whatever language the gateway speaks: for people, never to branch on.
    pub(super) fn message(&self) -> &str {
        self.message
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Whether the reply carries New API's mark.
pub(super) fn marked(reply: &Reply) -> bool {
    reply.headers.contains_key(MARK)
}

/// The frame of a reply whose status is a success.
///
/// # Errors
///
/// `WrongAddress` for what is no JSON, `Broken` for JSON that is cut off or garbled, `NotRecognised` for other JSON.
pub(super) fn open(reply: &Reply) -> Result<Envelope<'_>, Failure> {
    let text = text(reply)?;
    let wrong = |failure: serde_json::Error| {
        let kind = match failure.classify() {
            Category::Data => FailureKind::NotRecognised,
            _ if claims_json(reply, text.as_bytes()) => FailureKind::Broken,
            _ => FailureKind::WrongAddress,
        };
        Failure::status(kind, reply.status, describe(reply, &failure.to_string()))
    };
    if !text.trim_start().starts_with('{') {
        // serde would take an array for the frame's fields in order.
        serde_json::from_str::<IgnoredAny>(text).map_err(wrong)?;
        let text = "the answer is JSON, but not an object";
        return Err(Failure::status(
            FailureKind::NotRecognised,
            reply.status,
            text,
        ));
    }
    serde_json::from_str(text).map_err(wrong)
}

/// What a reply says in an error: the message where it is the gateway's JSON, else what kind of page it is.
pub(super) fn words(reply: &Reply) -> String {
    let json: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let message = json.as_ref().and_then(|json| {
        json.get("message")
            .or_else(|| json.pointer("/error/message"))
            .and_then(Value::as_str)
            .filter(|message| !message.trim().is_empty())
    });
    match message {
        Some(message) => message.to_owned(),
        None => describe(reply, ""),
    }
}

fn text(reply: &Reply) -> Result<&str, Failure> {
    let broken = |why| Failure::status(FailureKind::Broken, reply.status, why);
    let body = reply
        .body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&reply.body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(broken("the reply is empty"));
    }
    std::str::from_utf8(body).map_err(|_| {
        if claims_json(reply, body) {
            broken("the reply is not UTF-8")
        } else {
            Failure::status(
                FailureKind::WrongAddress,
                reply.status,
                describe(reply, "not UTF-8"),
            )
        }
    })
}

/// Whether a reply that does not read as JSON was meant to be some.
fn claims_json(reply: &Reply, body: &[u8]) -> bool {
    content_type(reply).contains("json")
        || matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

fn content_type(reply: &Reply) -> &str {
    reply
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn describe(reply: &Reply, why: &str) -> String {
    let kind = match content_type(reply) {
        "" => "no content type",
        kind => kind,
    };
    let colon = if why.is_empty() { "" } else { ": " };
    format!(
        "{} bytes of {kind}, status {}{colon}{why}",
        reply.body.len(),
        reply.status
    )
}
