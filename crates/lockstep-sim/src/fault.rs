//! Scripted faults: what the gateway, or something in front of it, can do wrong.

use std::time::Duration;

use bytes::Bytes;

use crate::gateway::Channel;
use crate::matcher::Matcher;

mod body;
mod edit;
mod script;

pub use edit::Edit;
pub(crate) use edit::Target;

/// One thing that goes wrong. Unless said otherwise the request is not applied.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A redirect with this status (301, 302, 307, 308) to this address.
    Redirect {
        /// The status.
        status: u16,
        /// The address, as the `Location` header gives it.
        location: String,
    },
    /// Any status with a JSON refusal: 400, 401, 403, 404, 500, 502, 504.
    Status(u16),
    /// 403 with the HTML page of a firewall.
    FirewallPage,
    /// 429 with an empty body, and `Retry-After` with any text or without.
    TooMany {
        /// The header's text.
        retry_after: Option<String>,
    },
    /// 503 with an HTML page, and `Retry-After` with any text or without.
    Unavailable {
        /// The header's text.
        retry_after: Option<String>,
    },
    /// 200 with `success: false` and this message.
    Refused(String),
    /// Applied; answers 200 with `success: false` and this message all the same.
    RefusedAfterApply(String),
    /// 200 with a web page.
    Html,
    /// 200 with nothing.
    Empty,
    /// 200 with `[]`.
    EmptyArray,
    /// 200 with `{}`.
    EmptyObject,
    /// 200 with `data: null`.
    NullData,
    /// 200 with a list of this many names, as `fetch_models` gives them.
    ManyModels(usize),
    /// 200 with a list of names that are hard to handle: escapes, control characters, direction marks, 10 kB, case twins.
    OddNames,
    /// 200 with arrays nested this deep.
    DeepNesting(usize),
    /// 200 with a valid JSON string of this many bytes.
    Huge(usize),
    /// 200 with a gzip body of zeros that unpacks to at least this many bytes.
    GzipBomb(u64),
    /// 200 with a brotli body of zeros that unpacks to at least this many bytes, in steps of 16 MiB.
    BrotliBomb(u64),
    /// 200 with a `Content-Encoding` that nobody knows.
    UnknownEncoding,
    /// 200 with any body under any content type and encoding.
    Body {
        /// The content type.
        content_type: String,
        /// The content encoding, if one is to be claimed.
        encoding: Option<String>,
        /// The body.
        bytes: Bytes,
    },
    /// Applied; only half of the JSON comes, as a complete answer.
    HalfJson,
    /// Applied; a byte order mark stands before the JSON.
    Bom,
    /// Applied; the JSON holds bytes that are not UTF-8.
    InvalidUtf8,
    /// Applied; the JSON is announced and sent as UTF-16.
    WrongCharset,
    /// Applied; the JSON names `success` and `data` twice, the first time wrongly.
    DuplicateKeys,
    /// Takes the request, then says nothing for this long.
    Silence(Duration),
    /// Applied and answered normally, after this long.
    Delay(Duration),
    /// Resets the connection when the request's head arrives.
    ResetBeforeRead,
    /// Resets the connection after the whole request.
    ResetBeforeApply,
    /// Applied; resets the connection after half of the answer.
    ResetMidReply,
    /// Applied; resets the connection instead of answering.
    ResetAfterApply,
    /// Applied; answers one byte at a time, this far apart.
    Drip(Duration),
    /// Applied; announces more bytes than it sends, then closes.
    ContentLengthTooLong,
    /// Applied; announces fewer bytes than it sends.
    ContentLengthTooShort,
    /// Applied; sends the answer in chunks and closes without the last one.
    ChunkedWithoutEnd,
    /// Applied; the answer has this many headers more.
    ManyHeaders(usize),
    /// Applied; the answer has one header of this many bytes more.
    LongHeader(usize),
    /// A write is answered with the new value and not stored.
    Lie,
    /// A write is answered with 200 and the old value, and not stored.
    Ignore,
    /// A write is stored, together with a change nobody asked for.
    AlsoChange(Edit),
    /// A write is stored, and reads show the old value for this long.
    StaleReads(Duration),
    /// The same, and it is answered with `success: false` and this message.
    RefusedUnseen(String, Duration),
}

impl Fault {
    /// A write is stored, together with this change.
    pub fn also(change: impl Fn(&mut Channel) + Send + Sync + 'static) -> Self {
        Self::AlsoChange(Edit::written(change))
    }

    /// A write is stored, and so is what the change makes of this option's text.
    pub fn also_option(key: &str, change: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::AlsoChange(Edit::option_with(key, change))
    }

    /// A redirect with this status to this address.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::Redirect {
            status,
            location: location.to_owned(),
        }
    }

    /// A 429 with this `Retry-After`.
    pub fn too_many(retry_after: &str) -> Self {
        Self::TooMany {
            retry_after: Some(retry_after.to_owned()),
        }
    }

    /// Its name, as the log tells it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Redirect { .. } => "redirect",
            Self::Status(_) => "status",
            Self::FirewallPage => "firewall page",
            Self::TooMany { .. } => "too many",
            Self::Unavailable { .. } => "unavailable",
            Self::Refused(_) => "refused",
            Self::RefusedAfterApply(_) => "refused after apply",
            Self::Html => "html",
            Self::Empty => "empty",
            Self::EmptyArray => "empty array",
            Self::EmptyObject => "empty object",
            Self::NullData => "null data",
            Self::ManyModels(_) => "many models",
            Self::OddNames => "odd names",
            Self::DeepNesting(_) => "deep nesting",
            Self::Huge(_) => "huge",
            Self::GzipBomb(_) => "gzip bomb",
            Self::BrotliBomb(_) => "brotli bomb",
            Self::UnknownEncoding => "unknown encoding",
            Self::Body { .. } => "body",
            Self::HalfJson => "half json",
            Self::Bom => "byte order mark",
            Self::InvalidUtf8 => "invalid utf-8",
            Self::WrongCharset => "wrong charset",
            Self::DuplicateKeys => "duplicate keys",
            Self::Silence(_) => "silence",
            Self::Delay(_) => "delay",
            Self::ResetBeforeRead => "reset before read",
            Self::ResetBeforeApply => "reset before apply",
            Self::ResetMidReply => "reset mid reply",
            Self::ResetAfterApply => "reset after apply",
            Self::Drip(_) => "drip",
            Self::ContentLengthTooLong => "content-length too long",
            Self::ContentLengthTooShort => "content-length too short",
            Self::ChunkedWithoutEnd => "chunked without end",
            Self::ManyHeaders(_) => "many headers",
            Self::LongHeader(_) => "long header",
            Self::Lie => "lie",
            Self::Ignore => "ignore",
            Self::AlsoChange(_) => "also change",
            Self::StaleReads(_) => "stale reads",
            Self::RefusedUnseen(..) => "refused unseen",
        }
    }

    /// Whether a write that meets this fault is stored all the same.
    pub fn applies(&self) -> bool {
        matches!(
            self,
            Self::HalfJson
                | Self::Bom
                | Self::InvalidUtf8
                | Self::WrongCharset
                | Self::DuplicateKeys
                | Self::Delay(_)
                | Self::RefusedAfterApply(_)
                | Self::ResetMidReply
                | Self::ResetAfterApply
                | Self::Drip(_)
                | Self::ContentLengthTooLong
                | Self::ContentLengthTooShort
                | Self::ChunkedWithoutEnd
                | Self::ManyHeaders(_)
                | Self::LongHeader(_)
                | Self::AlsoChange(_)
                | Self::StaleReads(_)
                | Self::RefusedUnseen(..)
        )
    }

    /// How long reads show the old value of a write that meets this fault.
    pub(crate) fn unseen(&self) -> Option<Duration> {
        match self {
            Self::StaleReads(time) | Self::RefusedUnseen(_, time) => Some(*time),
            _ => None,
        }
    }

    /// Whether the gateway's own handler has to run, to apply the request or to say what it would answer.
    pub(crate) fn needs_reply(&self) -> bool {
        self.applies() || matches!(self, Self::Lie | Self::Ignore)
    }
}

/// A fault with the requests it is for.
#[derive(Debug, Clone)]
pub struct Rule {
    matcher: Matcher,
    fault: Fault,
    skip: usize,
    times: Option<usize>,
}

impl Rule {
    /// For the next matching request only.
    pub fn once(matcher: Matcher, fault: Fault) -> Self {
        Self {
            times: Some(1),
            ..Self::always(matcher, fault)
        }
    }

    /// For every matching request.
    pub fn always(matcher: Matcher, fault: Fault) -> Self {
        Self {
            matcher,
            fault,
            skip: 0,
            times: None,
        }
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// For this many matching requests.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether the fault due for a request breaks the connection before its body is read. Nothing is counted.
    pub(crate) fn breaks_before_read(
        &self,
        method: &str,
        path: &str,
        channel: Option<i64>,
    ) -> bool {
        self.0
            .iter()
            .find(|rule| rule.skip == 0 && rule.matcher.matches(method, path, channel))
            .is_some_and(|rule| matches!(rule.fault, Fault::ResetBeforeRead))
    }

    /// Shows a request to every rule, so that each counts what it matches, and answers the first fault due.
    pub(crate) fn next(&mut self, method: &str, path: &str, channel: Option<i64>) -> Option<Fault> {
        let mut due = None;
        for rule in &mut self.0 {
            if !rule.matcher.matches(method, path, channel) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if due.is_some() || rule.times == Some(0) {
                continue;
            }
            rule.times = rule.times.map(|left| left - 1);
            due = Some(rule.fault.clone());
        }
        self.0.retain(|rule| rule.times != Some(0));
        due
    }
}
