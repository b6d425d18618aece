//! What the gateway's statuses and refusals mean. Texts are never looked at: they come in many languages.

use lockstep_core::failure::{Failure, FailureKind};
use serde::de::IgnoredAny;

use crate::http::Reply;

use super::envelope::{self, Envelope};

/// The failure that a reply's status is, if it is one. 429 and redirects are met before.
pub(super) fn of_status(reply: &Reply) -> Option<Failure> {
    let kind = match reply.status {
        200..=299 => return None,
        300..=399 => FailureKind::Redirected,
        401 => FailureKind::Unauthorized,
        403 if refused_by_the_gateway(reply) => FailureKind::Forbidden,
        403 => FailureKind::Firewall,
        404 if is_json(reply) => FailureKind::NotFound,
        404 => FailureKind::WrongAddress,
        429 => FailureKind::RateLimited,
        500.. => FailureKind::ServerError,
        _ => FailureKind::Rejected,
    };
    Some(Failure::status(kind, reply.status, envelope::words(reply)))
}

/// What `success: false` means where a valid token is answered with data. An older fork refuses a token like this,
/// with status 200 and without New API's mark.
pub(super) fn of_refusal(reply: &Reply, envelope: &Envelope<'_>) -> Failure {
    let kind = if envelope::marked(reply) {
        FailureKind::Rejected
    } else {
        FailureKind::Unauthorized
    };
    Failure::status(kind, reply.status, envelope.message())
}

/// What `success: false` means where the gateway was to ask a provider.
pub(super) fn of_provider(message: &str) -> Failure {
    match status_code(message) {
        Some(status) => Failure::status(FailureKind::ProviderStatus, status, message),
        None => Failure::new(FailureKind::ProviderError, message),
    }
}

/// The HTTP status that the gateway writes, in English, into a message of any language.
fn status_code(message: &str) -> Option<u16> {
    const MARKER: &str = "status code:";
    let message = message.to_ascii_lowercase();
    message.match_indices(MARKER).find_map(|(at, _)| {
        let rest = message.get(at + MARKER.len()..)?.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let status = rest.get(..digits)?.parse().ok()?;
        (100..600).contains(&status).then_some(status)
    })
}

fn refused_by_the_gateway(reply: &Reply) -> bool {
    serde_json::from_slice::<serde_json::Value>(&reply.body)
        .is_ok_and(|json| json.get("success") == Some(&serde_json::Value::Bool(false)))
}

fn is_json(reply: &Reply) -> bool {
    serde_json::from_slice::<IgnoredAny>(&reply.body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_status_is_found_wherever_it_stands() {
        for (message, status) in [
            ("获取模型列表失败: status code: 401", Some(401)),
            ("Status code: 503, body: status code: 200", Some(503)),
            ("bad response status code:429 (retry)", Some(429)),
            ("status code: none", None),
            ("status code: 99999999999", None),
            ("status code: 7", None),
            ("status code: x; status code: 502", Some(502)),
            ("invalid character '<'", None),
        ] {
            assert_eq!(status_code(message), status, "{message}");
        }
    }
}
