//! Requests that a page of another site has a browser send in a person's name.

use axum::http::{HeaderMap, Method, header};

/// Where browsers say whose page asks.
const SITE: &str = "sec-fetch-site";
/// Where browsers say what for.
const MODE: &str = "sec-fetch-mode";

/// Whether a browser was made to send this by a page that is not ours. `cookie`: whether it names a person; without
/// one only what changes something is looked at, so that nobody is signed in by others.
///
/// `Sec-Fetch-Site` no page can write. Browsers leave it out on plain http, where `Origin` tells the same of all that
/// changes something. What has neither is no browser's, and then has no cookie.
pub(crate) fn is_foreign(
    method: &Method,
    headers: &HeaderMap,
    cookie: bool,
    ours: Option<&str>,
) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(SITE);
    if method.is_safe() {
        return match site {
            // Somebody followed a link to a page of ours.
            Some("cross-site" | "same-site") => cookie && text(MODE) != Some("navigate"),
            Some("same-origin" | "none") | None => false,
            Some(_) => cookie,
        };
    }
    match (site, text(header::ORIGIN.as_str())) {
        (Some(site), _) => site != "same-origin",
        (None, Some(origin)) => Some(origin) != ours,
        (None, None) => cookie,
    }
}
