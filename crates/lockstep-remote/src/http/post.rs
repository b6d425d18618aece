//! Sending a body to an address that somebody configured: judged as it is dialled, and no redirect is followed.

use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::retry::retry_after;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{GuardedClient, Request, unix_seconds, unix_seconds_now};

/// How long a post may take in all.
pub const POST_TIME: Duration = Duration::from_secs(20);
/// The largest answer that is read, in bytes after decompression. One byte more and it is refused.
pub const LARGEST_ANSWER: usize = 64 * 1024;

/// What was answered to a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long the answer asks to wait before the next request, where it does.
    pub wait: Option<Duration>,
    /// The body, what is not UTF-8 replaced.
    pub body: String,
}

impl GuardedClient {
    /// Posts JSON once. The address is a secret: it is in no failure. An answer with an error status is an answer.
    ///
    /// # Errors
    ///
    /// [`FailureKind::WrongAddress`] for what is no address, [`FailureKind::RefusedAddress`] for one that must not be
    /// called, [`FailureKind::Redirected`] where it sends us elsewhere, [`FailureKind::TooLarge`] for an answer of more
    /// than [`LARGEST_ANSWER`] bytes, and what can happen to any request.
    pub async fn post_json(
        &self,
        url: &SecretString,
        headers: &[(String, SecretString)],
        body: String,
    ) -> Result<Answer, Failure> {
        let wrong = |text: &str| Failure::new(FailureKind::WrongAddress, text);
        let url = Url::parse(url.expose_secret()).map_err(|error| wrong(&error.to_string()))?;
        let client = self.client(None, &url, false)?;
        let request = Request {
            method: Method::POST,
            url,
            headers: sent(headers)?,
            body: Some(body),
            limit: POST_TIME,
        };
        let reply = client.send_within(request, LARGEST_ANSWER).await;
        let reply = reply.map_err(|trouble| trouble.failure)?;
        if (300..400).contains(&reply.status) {
            // Where it leads may repeat the secret of the address.
            let text = "the address redirects, and a notice follows no redirect";
            let kind = FailureKind::Redirected;
            return Err(Failure::status(kind, reply.status, text));
        }
        let text = |name| {
            let value = reply.headers.get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let date = |text: &str| httpdate::parse_http_date(text).ok().map(unix_seconds);
        let since = text(DATE).and_then(date);
        let since = since.unwrap_or_else(unix_seconds_now);
        let asked = text(RETRY_AFTER);
        Ok(Answer {
            status: reply.status,
            wait: asked.map(|asked| retry_after(Some(asked), since, date)),
            body: String::from_utf8_lossy(&reply.body).into_owned(),
        })
    }
}

/// The headers as they are sent; their values do not print.
fn sent(headers: &[(String, SecretString)]) -> Result<HeaderMap, Failure> {
    let mut all = HeaderMap::new();
    all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        let unusable = || {
            let text = format!("the value of the header {name} cannot be sent");
            Failure::new(FailureKind::NotConfigured, text)
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        all.insert(name, value);
    }
    Ok(all)
}
