//! What a browser loads with a page that it has never seen: the page and its files, packed as it is sent.

use std::collections::BTreeSet;

use reqwest::Client;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, COOKIE};

use crate::Outcome;

/// What browsers say they can unpack.
const PACKED: &str = "gzip, deflate, br, zstd";

/// Tags that have a browser load something by itself, and where they say what.
const LOADS: [(&str, &str); 7] = [
    ("<link ", "href"),
    ("<script ", "src"),
    ("<img ", "src"),
    ("<source ", "src"),
    ("<iframe ", "src"),
    ("<embed ", "src"),
    ("<object ", "data"),
];

/// What a page weighs, in bytes of bodies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    /// The page as it is sent.
    pub(crate) sent: usize,
    /// The page as it is read.
    pub(crate) plain: usize,
    /// The page and all its files as they are sent.
    pub(crate) first_load: usize,
    /// How many of its files are somebody else's.
    pub(crate) elsewhere: usize,
}

/// Weighs a page; `client` unpacks nothing.
pub(crate) async fn weigh(client: &Client, url: &str, path: &str, cookie: &str) -> Outcome<Weight> {
    let sent = body(client, &format!("{url}{path}"), cookie, PACKED).await?;
    let plain = body(client, &format!("{url}{path}"), cookie, "identity").await?;
    let mut weight = Weight {
        sent: sent.len(),
        plain: plain.len(),
        first_load: sent.len(),
        elsewhere: 0,
    };
    for file in files(&String::from_utf8(plain)?) {
        if !file.starts_with('/') || file.starts_with("//") {
            weight.elsewhere += 1;
            continue;
        }
        let address = format!("{url}{file}");
        weight.first_load += body(client, &address, cookie, PACKED).await?.len();
        let text = body(client, &address, cookie, "identity").await?;
        weight.elsewhere += foreign(&String::from_utf8_lossy(&text));
    }
    Ok(weight)
}

/// The files of a page, each once.
fn files(page: &str) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for (tag, name) in LOADS {
        for rest in page.split(tag).skip(1) {
            let tag = rest.split('>').next().unwrap_or_default();
            let value = tag.split(&format!("{name}=\"")).nth(1);
            files.extend(
                value
                    .and_then(|value| value.split('"').next())
                    .map(str::to_owned),
            );
        }
    }
    files
}

/// How often a style sheet has something of another host.
fn foreign(text: &str) -> usize {
    let places = text
        .split("url(")
        .skip(1)
        .chain(text.split("@import").skip(1));
    let places = places.map(|place| place.trim_start_matches([' ', '"', '\'']));
    places
        .filter(|place| {
            ["http:", "https:", "//"]
                .iter()
                .any(|start| place.starts_with(start))
        })
        .count()
}

async fn body(client: &Client, url: &str, cookie: &str, packed: &str) -> Outcome<Vec<u8>> {
    let request = client.get(url).header(ACCEPT, "text/html");
    let request = request
        .header(ACCEPT_ENCODING, packed)
        .header(COOKIE, cookie);
    let mut response = request.send().await?;
    if response.status().as_u16() != 200 {
        return Err(format!("{url}: {}", response.status()).into());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
