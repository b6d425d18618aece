//! Files that never change under one address: the digest of what is in them is part of it.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

/// A file of the program.
struct Asset {
    /// The name that templates use.
    name: &'static str,
    media: &'static str,
    body: &'static [u8],
    /// The name in its address.
    address: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let file = |name: &'static str, media, body: &'static [u8]| {
        let digest = Sha256::digest(body);
        let short: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
        let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
        Asset {
            name,
            media,
            body,
            address: format!("{stem}.{short}.{kind}"),
        }
    };
    vec![
        file(
            "look.css",
            "text/css; charset=utf-8",
            include_bytes!("../../assets/look.css"),
        ),
        file(
            "htmx.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../assets/vendor/htmx-2.0.11.min.js"),
        ),
        file(
            "sse.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../assets/vendor/htmx-ext-sse-2.2.4.min.js"),
        ),
        file(
            "link.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../assets/link.js"),
        ),
        file(
            "live.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../assets/live.js"),
        ),
        file(
            "icon.svg",
            "image/svg+xml",
            include_bytes!("../../assets/icon.svg"),
        ),
    ]
});

/// The address of a file; of one that is not there, an address that is not there.
pub(super) fn address(name: &str) -> String {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => format!("/static/{}", asset.address),
        None => format!("/static/{name}"),
    }
}

/// `GET /static/{name}`
pub(super) async fn serve(Path(name): Path<String>, asked: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.address == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", asset.address);
    let headers = [
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ETAG, tag.as_str()),
        (header::CONTENT_TYPE, asset.media),
    ];
    if asked
        .get(header::IF_NONE_MATCH)
        .is_some_and(|has| has.as_bytes() == tag.as_bytes())
    {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, asset.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_as_they_were_published() {
        let told = include_str!("../../assets/vendor/README.md");
        for name in ["htmx.js", "sse.js"] {
            let asset = ASSETS
                .iter()
                .find(|asset| asset.name == name)
                .expect("there");
            let digest: String = Sha256::digest(asset.body)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert!(told.contains(&digest), "{name} has the digest {digest}");
        }
    }
}
