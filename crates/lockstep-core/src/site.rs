//! A site: one gateway, known by its normalised address.

use std::fmt;

use thiserror::Error;
use url::Url;

/// A gateway's address: scheme and host in lower case, no default port, no trailing slash, no user,
/// query or fragment. Two ways to write one address are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayUrl(String);

/// An address that cannot be a gateway's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadUrl {
    /// It does not read as an address.
    #[error("`{0}` is not an address; write it as https://your-site.com")]
    Unreadable(String),
    /// It is neither http nor https.
    #[error("the address begins with {0}: and must begin with http: or https:")]
    Scheme(String),
    /// It names a user or password, which do not belong into an address.
    #[error("the address must not contain a user or a password")]
    Credentials,
    /// It carries a query or a fragment.
    #[error("the address must end before `?` and `#`: give the gateway's base address")]
    Query,
}

impl GatewayUrl {
    /// Reads an address as people write it. A trailing `/api` stays: only the admin knows his paths.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|_| BadUrl::Unreadable(text.to_owned()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadUrl::Query);
        }
        let host = url
            .host_str()
            .ok_or_else(|| BadUrl::Unreadable(text.to_owned()))?;
        let port = url
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        let path = url.path().trim_end_matches('/');
        Ok(Self(format!("{}://{host}{port}{path}", url.scheme())))
    }

    /// The address, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of one of the gateway's paths, which starts with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_however_it_is_written() {
        for text in [
            "https://Site.example",
            "https://site.example/",
            " https://site.example:443// ",
        ] {
            assert_eq!(
                GatewayUrl::parse(text).map(|url| url.as_str().to_owned()),
                Ok("https://site.example".to_owned())
            );
        }
        let based = GatewayUrl::parse("http://h:3000/gate/way/").expect("an address");
        assert_eq!(
            based.join("/api/channel/"),
            "http://h:3000/gate/way/api/channel/"
        );
    }

    #[test]
    fn what_is_no_gateway_address_is_refused() {
        assert!(matches!(
            GatewayUrl::parse("site.example"),
            Err(BadUrl::Unreadable(_))
        ));
        assert!(matches!(
            GatewayUrl::parse("ftp://a"),
            Err(BadUrl::Scheme(_))
        ));
        assert_eq!(GatewayUrl::parse("https://u:p@a"), Err(BadUrl::Credentials));
        assert_eq!(GatewayUrl::parse("https://a/?b"), Err(BadUrl::Query));
    }
}
