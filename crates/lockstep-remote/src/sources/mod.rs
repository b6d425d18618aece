//! Price sources over the network: asked a few at a time, within a time limit each, never aimed at the inside.
//!
//! A source that failed says so. Its last good list is the caller's to keep and to show.

mod attempt;
mod calls;
mod fetch;
mod file;
mod reply;
mod room;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::source::Target;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::gateway::Cleaner;

pub use calls::{Calls, Taking, none_left};
pub use fetch::{Fetcher, Fetching};

/// How much the lists of one fetch may have in all, in bytes: some hundred of the largest that are published.
pub const MOST_BYTES: usize = 256 << 20;

/// One source to ask.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What it is and where.
    pub target: Target,
    /// What it is sent to be let in. Nothing for channels and presets.
    pub access: Access,
    /// The HTTP proxy through which it is asked.
    pub proxy: Option<String>,
    /// Its last good pages, so that it may answer that nothing changed.
    pub copies: Vec<Page>,
}

/// What lets us into a site of one's own. It is sent with the first request, to the configured address, and with no
/// redirect.
#[derive(Clone, Default)]
pub struct Access {
    /// The access token of that site.
    pub token: Option<SecretString>,
    /// The user id that the token belongs to.
    pub user_id: Option<String>,
    /// Further headers: names and values.
    pub headers: Vec<(String, SecretString)>,
}

/// A page that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it came from, after redirects. Of a file it is `file:` and its path.
    pub url: String,
    /// What it says: UTF-8, with its byte order mark if it has one.
    pub body: Arc<String>,
    /// The tag by which the site tells whether it changed.
    pub etag: Option<String>,
    /// Whether the site said that nothing changed, so that this is the copy's text.
    pub from_copy: bool,
}

/// What came of asking a source.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What was asked.
    pub target: Target,
    /// Its page. Of a New API site without an endpoint this is `/api/ratio_config`, or `/api/pricing` where that was
    /// not to be had.
    pub page: Result<Page, Failure>,
    /// Its `/api/pricing`, where both were asked for and `page` is its `/api/ratio_config`.
    pub pricing: Option<Result<Page, Failure>>,
    /// How long it took from its turn on.
    pub took: Duration,
    /// How many requests were tried, redirects not counted. 0 for a file.
    pub attempts: u32,
}

/// How sources are asked.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The time limit of one source over all its tries and pages, from its turn on.
    pub time_limit: Duration,
    /// How often one page is tried.
    pub tries: u32,
    /// How many sources are asked at once.
    pub at_once: usize,
    /// How many sources of one host and port are asked at once.
    pub per_host: usize,
    /// Whether `/api/pricing` is asked beside `/api/ratio_config`, which has five fields of ten.
    pub both: bool,
    /// How many bytes all pages may have that are asked for together.
    pub most_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            time_limit: lockstep_core::prices::source::time_limit(0),
            tries: 3,
            at_once: 8,
            per_host: 2,
            both: false,
            most_bytes: MOST_BYTES,
        }
    }
}

impl Ask {
    /// A source that is sent nothing, without a copy at hand.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            access: Access::default(),
            proxy: None,
            copies: Vec::new(),
        }
    }
}

impl Access {
    /// The headers, none of which prints itself.
    ///
    /// # Errors
    ///
    /// [`FailureKind::NotConfigured`] for what cannot be a header.
    fn headers(&self) -> Result<HeaderMap, Failure> {
        let cannot = |name: &str| {
            let text = format!("the value of {name} cannot be sent as a header");
            Failure::new(FailureKind::NotConfigured, text)
        };
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| {
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| cannot(name))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| cannot(name))?;
            value.set_sensitive(true);
            headers.insert(key, value);
            Ok(())
        };
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {}", token.expose_secret().trim());
            set(AUTHORIZATION.as_str(), &bearer)?;
            if let Some(user) = &self.user_id {
                set("new-api-user", user.trim())?;
            }
        }
        for (name, value) in &self.headers {
            set(name, value.expose_secret().trim())?;
        }
        Ok(headers)
    }

    /// A failure whose detail is fit to be stored and shown: a site may have repeated what it was sent.
    fn clean(&self, mut failure: Failure) -> Failure {
        let values = self.headers.iter().map(|(_, value)| value);
        let secrets = self.token.iter().chain(values).cloned();
        // Without a secret too: the rest of the cleaning is for everybody.
        for secret in secrets.chain([SecretString::from("")]) {
            failure.detail = Cleaner::new(secret).clean(&failure.detail);
        }
        failure
    }

    fn is_same(&self, other: &Self) -> bool {
        let exposed = |secret: &SecretString| secret.expose_secret().to_owned();
        let parts = |access: &Self| {
            let headers = access.headers.iter();
            let headers: Vec<_> = headers.map(|(k, v)| (k.clone(), exposed(v))).collect();
            (
                access.token.as_ref().map(exposed),
                access.user_id.clone(),
                headers,
            )
        };
        let nothing = |access: &Self| access.token.is_none() && access.headers.is_empty();
        (nothing(self) && nothing(other)) || parts(self) == parts(other)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Access")
            .field("token", &self.token.is_some())
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}
