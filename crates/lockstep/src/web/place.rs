//! Addresses of pages.

use url::Url;

/// The path of these parts, each written so that it stays one part.
pub(crate) fn path(parts: &[&str]) -> String {
    let mut path = String::new();
    for part in parts {
        path.push('/');
        // A part of dots alone would be taken for the way up.
        let encoded = Url::parse("http://x/").ok().and_then(|mut url| {
            url.path_segments_mut().ok()?.push(part);
            Some(url.path().trim_start_matches('/').to_owned())
        });
        path.push_str(&encoded.unwrap_or_default());
    }
    path
}

/// Where a form asked to be led back to, if that is a page of ours; else the overview.
pub(crate) fn back(wanted: &str) -> &str {
    let ours = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && wanted
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours { wanted } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stays_one_part() {
        assert_eq!(
            path(&["sites", "a b/c?d#e%", "伽"]),
            "/sites/a%20b%2Fc%3Fd%23e%25/%E4%BC%BD"
        );
    }

    #[test]
    fn nobody_is_led_back_to_another_host() {
        assert_eq!(back("/sites/main/settings?x=1"), "/sites/main/settings?x=1");
        for elsewhere in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/a\r\nb",
            "javascript:alert(1)",
        ] {
            assert_eq!(back(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
