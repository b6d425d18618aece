//! Where a price list comes from, as a person writes it.

use std::fmt;
use std::str::FromStr;

use crate::prices::source::BadSource;
use crate::site::{BadUrl, GatewayUrl};

/// Where prices come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The preset of official ratios.
    Official,
    /// models.dev.
    ModelsDev,
    /// LiteLLM's published map.
    LiteLlm,
    /// A channel of the gateway, by its id.
    Channel(i64),
    /// A site's base address.
    Address(GatewayUrl),
    /// A file of this machine.
    File(String),
    /// A list that somebody uploaded, by the name of its source.
    Upload(String),
}

impl FromStr for Place {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        match text {
            "official" => return Ok(Self::Official),
            "models.dev" => return Ok(Self::ModelsDev),
            "litellm" => return Ok(Self::LiteLlm),
            _ => {}
        }
        if let Some(id) = text.strip_prefix("channel:") {
            return match id.parse() {
                Ok(number) if number > 0 => Ok(Self::Channel(number)),
                _ => Err(BadSource::Channel(id.to_owned())),
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return match path {
                "" => Err(BadSource::File),
                _ => Ok(Self::File(path.to_owned())),
            };
        }
        if let Some(name) = text.strip_prefix("upload:") {
            return match name.trim() {
                "" => Err(BadSource::Upload),
                name => Ok(Self::Upload(name.to_owned())),
            };
        }
        let lower = text.to_ascii_lowercase();
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Err(BadSource::Place(text.to_owned()));
        }
        // An address with a password in it is not repeated.
        let shown = if text.contains('@') { "address" } else { text };
        let url = GatewayUrl::parse(text).map_err(|bad| match bad {
            BadUrl::Unreadable(_) => {
                BadSource::Address(shown.to_owned(), BadUrl::Unreadable(shown.to_owned()))
            }
            bad => BadSource::Address(shown.to_owned(), bad),
        })?;
        if url.as_str().ends_with(".json") {
            let whole = url.as_str();
            let after_scheme = whole.find("://").map_or(0, |at| at + 3);
            let path = whole.get(after_scheme..).and_then(|rest| rest.find('/'));
            let (base, path) = whole.split_at(after_scheme + path.unwrap_or(0));
            if path.starts_with('/') {
                return Err(BadSource::ListAddress {
                    base: base.to_owned(),
                    path: path.to_owned(),
                });
            }
        }
        Ok(Self::Address(url))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Official => f.write_str("official"),
            Self::ModelsDev => f.write_str("models.dev"),
            Self::LiteLlm => f.write_str("litellm"),
            Self::Channel(id) => write!(f, "channel:{id}"),
            Self::Address(url) => write!(f, "{url}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Upload(name) => write!(f, "upload:{name}"),
        }
    }
}
