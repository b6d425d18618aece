//! Faults that answer by themselves, without the gateway's own handler.

use bytes::Bytes;
use serde_json::json;

use crate::bomb::{brotli_of_zeros, gzip_of_zeros};
use crate::connection::{Answer, End, Reply, Script, Step};
use crate::fault::Fault;

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

impl Fault {
    /// The answer to a request that is not applied.
    pub(crate) fn answer_alone(&self) -> Answer {
        let reply = match self {
            Self::Redirect { status, location } => {
                with(reply(*status, HTML, "moved"), "Location", location)
            }
            Self::Status(status) => json_reply(
                *status,
                &json!({"success":false,"code":"SIMULATED","message":format!("simulated status {status}")}),
            ),
            Self::FirewallPage => reply(
                403,
                HTML,
                "<!doctype html><title>Access denied</title><h1>Sorry, you have been blocked</h1>",
            ),
            Self::TooMany { retry_after } => retry(empty(429), retry_after.as_deref()),
            Self::Unavailable { retry_after } => retry(
                reply(503, HTML, "<h1>503 Service Temporarily Unavailable</h1>"),
                retry_after.as_deref(),
            ),
            Self::Refused(message) => json_reply(200, &json!({"message":message,"success":false})),
            Self::Html => reply(
                200,
                HTML,
                "<!doctype html><title>Sign in</title><form></form>",
            ),
            Self::Empty => empty(200),
            Self::EmptyArray => reply(200, JSON, "[]"),
            Self::EmptyObject => reply(200, JSON, "{}"),
            Self::NullData => json_reply(200, &json!({"data":null,"message":"","success":true})),
            Self::ManyModels(count) => {
                let names: Vec<String> = (0..*count).map(|n| format!("model-{n:06}")).collect();
                list(&names)
            }
            Self::OddNames => list(&odd_names()),
            Self::DeepNesting(depth) => {
                let body = format!("{}{}", "[".repeat(*depth), "]".repeat(*depth));
                reply(200, JSON, body)
            }
            Self::Huge(size) => reply(200, JSON, huge(*size)),
            Self::GzipBomb(size) => with(
                reply(200, JSON, gzip_of_zeros(*size)),
                "Content-Encoding",
                "gzip",
            ),
            Self::BrotliBomb(size) => with(
                reply(200, JSON, brotli_of_zeros(*size)),
                "Content-Encoding",
                "br",
            ),
            Self::UnknownEncoding => with(
                json_reply(200, &json!({"data":["gpt-5"],"message":"","success":true})),
                "Content-Encoding",
                "sparkle",
            ),
            Self::Body {
                content_type,
                encoding,
                bytes,
            } => {
                let plain = reply(200, content_type, bytes.clone());
                match encoding {
                    Some(encoding) => with(plain, "Content-Encoding", encoding),
                    None => plain,
                }
            }
            Self::Silence(time) => {
                return Answer::Script(Script {
                    steps: vec![Step::Sleep(*time)],
                    end: End::Close,
                });
            }
            // Whatever else is not applied is a broken connection.
            _ => return Answer::Script(Script::reset()),
        };
        Answer::Reply(reply)
    }
}

/// Names that have broken parsers, terminals, comma lists or case-blind comparisons somewhere.
fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "openai/gpt-5",
        "back\\slash",
        "quote\"d",
        "bell\u{7}",
        "escape\u{1b}[31mred",
        "line\nbreak",
        "nul\u{0}",
        "right\u{202e}tfel",
        "zero\u{200b}width",
        "trailing ",
        " leading",
        "with,comma",
        "Case-Twin",
        "case-twin",
        "模型-中文",
        "emoji-🦀",
        "e\u{301}-composed",
        "",
        "<script>alert(1)</script>",
        "=cmd()",
        "../../etc/passwd",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("n".repeat(10_000));
    names
}

fn list(names: &[String]) -> Reply {
    let text = json!({"data":names,"message":"","success":true}).to_string();
    // JSON may write a slash either way, and some servers write it this way.
    reply(200, JSON, text.replace('/', "\\/"))
}

fn huge(size: usize) -> Bytes {
    let (open, close) = ("{\"success\":true,\"message\":\"\",\"data\":\"", "\"}");
    let mut body = Vec::with_capacity(size.max(open.len() + close.len()));
    body.extend(open.as_bytes());
    body.resize(size.saturating_sub(close.len()).max(open.len()), b'x');
    body.extend(close.as_bytes());
    Bytes::from(body)
}

fn json_reply(status: u16, body: &serde_json::Value) -> Reply {
    reply(status, JSON, body.to_string())
}

fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    Reply {
        status,
        headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
        body: body.into(),
    }
}

fn empty(status: u16) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: Bytes::new(),
    }
}

fn with(mut reply: Reply, name: &str, value: &str) -> Reply {
    reply.headers.push((name.to_owned(), value.to_owned()));
    reply
}

fn retry(reply: Reply, after: Option<&str>) -> Reply {
    match after {
        Some(text) => with(reply, "Retry-After", text),
        None => reply,
    }
}
