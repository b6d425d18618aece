//! A New API gateway: how it is reached, read and written.

mod audit;
mod call;
mod detail;
mod envelope;
mod failure;
mod listing;
mod option_text;
mod options;
mod prices;
mod read;
mod redirect;
mod throttle;
mod wire;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::site::GatewayUrl;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::http::Client;
use crate::pace::Pacer;
pub(crate) use detail::Cleaner;

pub use audit::OptionWrite;
pub use listing::{Listing, PAGE_SIZE};
pub use option_text::OptionText;
pub use options::{BilledCompletion, PriceOptions};
pub use prices::{EffectivePrice, Pricing, RatioChannel};
pub use read::{Fetched, GatewayReader, Page, Rights, StatusPage, Who};
pub use write::{Fence, GatewayWriter, Sent};

/// What is needed to talk to a gateway.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its address.
    pub url: GatewayUrl,
    /// The admin's access token.
    pub token: SecretString,
    /// The id of the user whose token it is. New API ignores it, older versions insist on it.
    pub user_id: String,
}

/// How long one attempt may take, from connecting to the reply's last byte; waiting for the pace is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// A read. Default 60 s. Fetching a provider's models has a limit of its own.
    pub read: Duration,
    /// A write. Default 15 s: a lease outlives a write that started under it.
    pub write: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(60),
            write: Duration::from_secs(15),
        }
    }
}

/// Whether a gateway is known well enough to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayKind {
    /// New API: its list has the known shape and its replies carry the known mark.
    NewApi,
    /// The list has the right shape, the mark is missing: it is read, and never written.
    Unrecognised,
}

/// How many requests were sent. Redirects that were followed and replies of 429 count as requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests that change nothing.
    pub reads: u64,
    /// Requests that may change a channel or an option.
    pub writes: u64,
    /// How many of both were answered 429.
    pub throttled: u64,
}

/// One gateway with its pace. Clones share connection, pace and counts. It can neither read nor write by itself:
/// [`GatewayReader`] and [`GatewayWriter`] do.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    limits: TimeLimits,
}

struct Shared {
    url: GatewayUrl,
    /// The headers of every request, or why there can be none.
    headers: Result<HeaderMap, Failure>,
    cleaner: Cleaner,
    client: Client,
    pacer: Pacer,
    reads: AtomicU64,
    writes: AtomicU64,
    throttled: AtomicU64,
}

impl Gateway {
    /// A gateway. Nothing is sent yet; a connection without token or user id fails at the first request with
    /// [`FailureKind::NotConfigured`].
    pub fn new(connection: Connection, client: Client, pacer: Pacer) -> Self {
        Self {
            shared: Arc::new(Shared {
                headers: headers(&connection),
                cleaner: Cleaner::new(connection.token),
                url: connection.url,
                client,
                pacer,
                reads: AtomicU64::new(0),
                writes: AtomicU64::new(0),
                throttled: AtomicU64::new(0),
            }),
            limits: TimeLimits::default(),
        }
    }

    /// The same gateway with other time limits.
    #[must_use]
    pub fn with_time_limits(mut self, limits: TimeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Its address.
    pub fn url(&self) -> &GatewayUrl {
        &self.shared.url
    }

    /// Its pace.
    pub fn pacer(&self) -> &Pacer {
        &self.shared.pacer
    }

    /// How many requests were sent so far, by all clones.
    pub fn requests(&self) -> Requests {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            reads: count(&self.shared.reads),
            writes: count(&self.shared.writes),
            throttled: count(&self.shared.throttled),
        }
    }

    /// A failure whose detail is fit to be stored and shown.
    fn clean(&self, mut failure: Failure) -> Failure {
        failure.detail = self.shared.cleaner.clean(&failure.detail);
        failure
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("url", &self.shared.url)
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

fn headers(connection: &Connection) -> Result<HeaderMap, Failure> {
    let missing = |what: &str| Failure::new(FailureKind::NotConfigured, what);
    let token = connection.token.expose_secret().trim();
    let user_id = connection.user_id.trim();
    if token.is_empty() {
        return Err(missing("the access token is missing"));
    }
    if user_id.is_empty() {
        return Err(missing("the user id is missing"));
    }
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| missing("the access token holds characters that no token has"))?;
    bearer.set_sensitive(true);
    let mut user = HeaderValue::try_from(user_id)
        .map_err(|_| missing("the user id holds characters that no id has"))?;
    user.set_sensitive(true);
    Ok(HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (HeaderName::from_static("new-api-user"), user),
        (ACCEPT, HeaderValue::from_static("application/json")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ]))
}
