//! What a source's reply means. Messages are repeated and never judged: they come in many languages.

use std::sync::Arc;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::retry::retry_after;
use reqwest::StatusCode;
use reqwest::header::{DATE, ETAG, HeaderMap, HeaderName, RETRY_AFTER};
use serde::Deserialize;
use url::Url;

use crate::http::{Reply, unix_seconds, unix_seconds_now};

use super::Page;

/// Up to which size a body is looked at for `success: false`. A list of prices is left to its decoder.
const SMALL: usize = 64 * 1024;
/// How much of a page is searched for what kind of page it is.
const HEAD: usize = 64 * 1024;
/// What firewalls write into the pages that ask for a proof.
const CHALLENGES: &[&str] = &[
    "cdn-cgi",
    "challenge",
    "captcha",
    "incapsula",
    "sucuri",
    "firewall",
];

/// A reply that brought no page.
pub(super) struct Trouble {
    pub(super) failure: Failure,
    /// Whether asking again may help, and how long the site wants to be left alone before.
    pub(super) again: Again,
}

/// Whether to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    No,
    /// After a wait of our own choosing.
    Soon,
    /// After what the site asked for.
    After(Duration),
}

/// New API's envelope, as far as a refusal shows in it.
#[derive(Deserialize)]
struct Refusal {
    success: Option<bool>,
    message: Option<String>,
    code: Option<String>,
}

impl Trouble {
    /// A failure that is final.
    pub(super) fn last(failure: Failure) -> Self {
        Self {
            failure,
            again: Again::No,
        }
    }

    /// What a failure of the transport is.
    pub(super) fn transport(mut failure: Failure) -> Self {
        let again = match failure.kind {
            FailureKind::Timeout | FailureKind::Unreachable | FailureKind::Broken => Again::Soon,
            _ => Again::No,
        };
        let timeout = failure.kind == FailureKind::Timeout
            || failure.detail.starts_with("no connection within");
        if timeout {
            failure.detail = format!("Connection Timeout: {}", failure.detail);
        }
        Self { failure, again }
    }
}

/// The page of a reply, or why there is none. `copy` is the copy whose tag was sent.
pub(super) fn page(reply: Reply, url: &Url, copy: Option<&Page>) -> Result<Page, Trouble> {
    let last = |kind, status: u16, text: String| Trouble::last(Failure::status(kind, status, text));
    let etag = header(&reply.headers, &ETAG).map(str::to_owned);
    match (reply.status, copy) {
        (304, Some(copy)) => Ok(Page {
            etag: etag.or_else(|| copy.etag.clone()),
            from_copy: true,
            ..copy.clone()
        }),
        (200, _) => {
            let mut text = String::from_utf8(reply.body).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let text = format!("the reply is not UTF-8, from byte {at} on");
                last(FailureKind::Broken, 200, text)
            })?;
            if let Some(failure) = no_list(&text) {
                return Err(Trouble::last(failure));
            }
            text.shrink_to_fit();
            Ok(Page {
                url: url.as_str().to_owned(),
                body: Arc::new(text),
                etag,
                from_copy: false,
            })
        }
        _ => Err(refusal(&reply)),
    }
}

/// What is wrong with a page of status 200, where that shows without decoding it.
fn no_list(text: &str) -> Option<Failure> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with('<') {
        let head = head(start.as_bytes());
        let sign_in = ["type=\"password\"", "type='password'", "type=password"];
        return Some(if sign_in.iter().any(|mark| head.contains(mark)) {
            let text = "a sign-in page came instead of a price list";
            Failure::status(FailureKind::Unauthorized, 200, text)
        } else {
            let text = "a web page came instead of a price list";
            Failure::status(FailureKind::WrongAddress, 200, text)
        });
    }
    if text.len() > SMALL {
        return None;
    }
    let refusal: Refusal = serde_json::from_str(start).ok()?;
    if refusal.success != Some(false) {
        return None;
    }
    let kind = if refusal.is_about_sign_in() {
        FailureKind::Unauthorized
    } else {
        FailureKind::Rejected
    };
    let message = refusal.message.filter(|text| !text.trim().is_empty());
    let text = message.unwrap_or_else(|| "the site answered success: false".to_owned());
    Some(Failure::status(kind, 200, text))
}

impl Refusal {
    fn is_about_sign_in(&self) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| code.starts_with("AUTH_"))
    }
}

fn refusal(reply: &Reply) -> Trouble {
    let status = reply.status;
    let json: Option<Refusal> = serde_json::from_slice(&reply.body).ok();
    let markup = reply
        .body
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| *byte == b'<');
    let challenge = || {
        let head = head(&reply.body);
        markup && CHALLENGES.iter().any(|mark| head.contains(mark))
    };
    let sign_in = json.as_ref().is_some_and(Refusal::is_about_sign_in);
    let kind = match status {
        401 => FailureKind::Unauthorized,
        403 if sign_in => FailureKind::Unauthorized,
        403 if json.is_some() => FailureKind::Forbidden,
        403 => FailureKind::Firewall,
        404 | 410 => FailureKind::NotFound,
        429 => FailureKind::RateLimited,
        503 if challenge() => FailureKind::Firewall,
        500.. => FailureKind::ServerError,
        300..=399 => FailureKind::Redirected,
        200..=299 => FailureKind::Broken,
        _ => FailureKind::Rejected,
    };
    let asked = reply
        .headers
        .contains_key(RETRY_AFTER)
        .then(|| pause(&reply.headers));
    let again = match (kind, asked) {
        (FailureKind::RateLimited | FailureKind::ServerError, Some(pause)) => Again::After(pause),
        (FailureKind::RateLimited | FailureKind::ServerError, None) => Again::Soon,
        _ => Again::No,
    };
    let mut text = status_line(status);
    let message = json.and_then(|json| json.message);
    if let Some(message) = message.filter(|text| !text.trim().is_empty()) {
        text = format!("{text}: {message}");
    }
    Trouble {
        failure: Failure::status(kind, status, text),
        again,
    }
}

/// A status as people know it: `500 Internal Server Error`.
fn status_line(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok();
    match reason.and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

fn head(bytes: &[u8]) -> String {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    String::from_utf8_lossy(head).to_ascii_lowercase()
}

fn pause(headers: &HeaderMap) -> Duration {
    let since = header(headers, &DATE).and_then(date);
    let since = since.unwrap_or_else(unix_seconds_now);
    retry_after(header(headers, &RETRY_AFTER), since, date)
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn date(text: &str) -> Option<i64> {
    httpdate::parse_http_date(text).ok().map(unix_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> Option<FailureKind> {
        let reply = Reply {
            status,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        let url = Url::parse("http://h/").expect("an address");
        page(reply, &url, None)
            .err()
            .map(|trouble| trouble.failure.kind)
    }

    #[test]
    fn a_reply_is_told_apart_by_its_status_its_code_and_its_shape() {
        use FailureKind as Kind;
        for (status, body, expected) in [
            (200, r#"{"success":true,"data":[]}"#, None),
            (200, "not json at all", None),
            (
                200,
                r#"{"success":false,"message":"x"}"#,
                Some(Kind::Rejected),
            ),
            (
                200,
                r#"{"success":false,"code":"AUTH_UNAUTHORIZED"}"#,
                Some(Kind::Unauthorized),
            ),
            (200, "\u{feff} <!doctype html><p>", Some(Kind::WrongAddress)),
            (
                200,
                "<html><input TYPE=\"password\">",
                Some(Kind::Unauthorized),
            ),
            (204, "", Some(Kind::Broken)),
            (304, "", Some(Kind::Redirected)),
            (401, "", Some(Kind::Unauthorized)),
            (
                403,
                r#"{"success":false,"message":"x"}"#,
                Some(Kind::Forbidden),
            ),
            (
                403,
                r#"{"success":false,"code":"AUTH_INSUFFICIENT_PRIVILEGE"}"#,
                Some(Kind::Unauthorized),
            ),
            (403, "<html>Just a moment", Some(Kind::Firewall)),
            (404, "", Some(Kind::NotFound)),
            (418, "", Some(Kind::Rejected)),
            (429, "", Some(Kind::RateLimited)),
            (500, "", Some(Kind::ServerError)),
            (
                503,
                "<html>/cdn-cgi/challenge-platform/",
                Some(Kind::Firewall),
            ),
            (503, "<html>Service Unavailable", Some(Kind::ServerError)),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_status_is_told_with_its_name_and_the_sites_own_words() {
        let told = |status, body: &str| {
            let reply = Reply {
                status,
                headers: HeaderMap::new(),
                body: body.as_bytes().to_vec(),
            };
            refusal(&reply).failure.detail
        };
        assert_eq!(told(500, ""), "500 Internal Server Error");
        assert_eq!(told(599, ""), "599");
        assert_eq!(
            told(403, r#"{"success":false,"message":"off"}"#),
            "403 Forbidden: off"
        );
    }
}
