//! What every answer says to browsers, errors too.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::STATIC;
use crate::server::App;

/// Nothing but what comes from here, and in nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The headers of every answer.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// A year of https, once it was seen.
const ONLY_HTTPS: &str = "max-age=31536000";

/// Puts them on.
pub(crate) async fn put(State(app): State<App>, request: Request, next: Next) -> Response {
    let fixed = request.uri().path().starts_with(STATIC);
    let mut answer = next.run(request).await;
    dress(answer.headers_mut(), fixed, app.options().secure());
    answer
}

fn dress(headers: &mut HeaderMap, fixed: bool, secure: bool) {
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A file says for itself how long it is kept; that there is none is kept by nobody.
    if !(fixed && headers.contains_key(header::CACHE_CONTROL)) {
        let value = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, value);
    }
    if secure {
        let value = HeaderValue::from_static(ONLY_HTTPS);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}
