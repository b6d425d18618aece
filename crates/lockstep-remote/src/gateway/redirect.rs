//! Redirects. One alone is followed: to the same address with or without its trailing slash, which is how the
//! gateway's router corrects a path. Credentials go nowhere else.

use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

/// Where a redirect leads.
pub(super) enum Target {
    /// The address that was asked, with or without a slash at its end.
    Slash(Url),
    /// Another address, told without its query.
    Elsewhere(String),
    /// Nowhere that could be read.
    Unreadable,
}

/// The target of a redirect that answered a request to `asked`.
pub(super) fn target(asked: &Url, headers: &HeaderMap) -> Target {
    let location = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| asked.join(text).ok());
    let Some(target) = location else {
        return Target::Unreadable;
    };
    if only_a_slash_apart(asked, &target) {
        Target::Slash(target)
    } else {
        Target::Elsewhere(without_query(&target))
    }
}

fn only_a_slash_apart(asked: &Url, target: &Url) -> bool {
    let bare = |url: &Url| {
        let path = url.path();
        path.strip_suffix('/').unwrap_or(path).to_owned()
    };
    asked.origin() == target.origin()
        && target.username().is_empty()
        && target.password().is_none()
        && asked.query() == target.query()
        && asked.path() != target.path()
        && bare(asked) == bare(target)
}

fn without_query(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn only_a_slash_is_followed() {
        let asked = Url::parse("https://h.example/base/api/channel/?p=1").expect("an address");
        for (location, follows) in [
            ("/base/api/channel?p=1", true),
            ("https://h.example:443/base/api/channel?p=1", true),
            ("/base/api/channel", false),
            ("/api/channel/?p=1", false),
            ("/base/api/channel//?p=1", false),
            ("http://h.example/base/api/channel?p=1", false),
            ("https://h.example:8443/base/api/channel?p=1", false),
            ("//other.example/base/api/channel?p=1", false),
            ("https://u:p@h.example/base/api/channel?p=1", false),
            ("/base/api/channel/?p=1", false),
            ("https://[", false),
        ] {
            let headers = HeaderMap::from_iter([(
                LOCATION,
                HeaderValue::from_str(location).expect("a header"),
            )]);
            let target = target(&asked, &headers);
            assert_eq!(matches!(target, Target::Slash(_)), follows, "{location}");
            if let Target::Elsewhere(text) = target {
                assert!(!text.contains(['?', '@']), "{text}");
            }
        }
        assert!(matches!(
            target(&asked, &HeaderMap::new()),
            Target::Unreadable
        ));
    }
}
