//! What a simulated gateway is made of.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::gateway::Channel;
use crate::limit::{FixedWindow, Limiter, SlidingWindow};
use crate::price::{self, Price};
use crate::provider::Provider;

mod generate;

pub use generate::{SplitMix, many};

/// Which gateway program is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavour {
    /// New API of August 2026.
    #[default]
    NewApi,
    /// A fork of April 2025: bare lists, pages from 0, `New-Api-User` required.
    OldFork,
    /// Another program with a JSON API of its own: nothing a New API client can use.
    Foreign,
}

/// One rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests allowed in a window.
    pub max: usize,
    /// The window's length.
    pub window: Duration,
    /// Counted in Redis (a fixed window) rather than in memory (a sliding one).
    pub redis: bool,
}

impl Limit {
    /// A limit counted in memory.
    pub fn new(max: usize, window: Duration) -> Self {
        Self {
            max,
            window,
            redis: false,
        }
    }

    pub(crate) fn limiter(self) -> Limiter {
        if self.redis {
            Limiter::Fixed(FixedWindow::new(self.max, self.window))
        } else {
            Limiter::Sliding(SlidingWindow::new(self.max, self.window))
        }
    }
}

/// The gateway's rate limits, counted by client address. `None` is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// On every `/api/` call.
    pub global: Option<Limit>,
    /// On `/api/ratio_config` and the reading of keys, together.
    pub critical: Option<Limit>,
}

impl Limits {
    /// No limits.
    pub const OFF: Self = Self {
        global: None,
        critical: None,
    };

    /// What a New API has when nobody sets anything: 360 calls in 180 s, 20 critical ones in 1200 s.
    pub fn defaults() -> Self {
        Self {
            global: Some(Limit::new(360, Duration::from_secs(180))),
            critical: Some(Limit::new(20, Duration::from_secs(1200))),
        }
    }

    /// What the old fork has: half the global calls.
    pub fn old_defaults() -> Self {
        Self {
            global: Some(Limit::new(180, Duration::from_secs(180))),
            ..Self::defaults()
        }
    }
}

/// Everything needed to start a gateway. [`Spec::new`] is an empty New API without rate limits.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Which program answers.
    pub flavour: Flavour,
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The path the gateway is reached under, such as `/gate`, or empty. Everything outside it is an HTML page.
    pub prefix: String,
    /// Rate limits, off unless set.
    pub limits: Limits,
    /// The channels. A base URL of `sim://<name>` becomes the address of the provider of that name.
    pub channels: Vec<Channel>,
    /// The providers.
    pub providers: Vec<Provider>,
    /// Option texts, over the built-in ones.
    pub options: BTreeMap<String, String>,
    /// Answers `fetch_models` from memory instead of asking the provider over HTTP.
    pub inline_providers: bool,
    /// How long such an answer takes.
    pub inline_delay: Duration,
    /// How long `/api/pricing` goes on showing what it was made of. A real gateway takes up to 60 s; here it is off
    /// unless set. Writing a billing mode or expression makes the page anew, as on a real one.
    pub pricing_cache: Duration,
    /// The version `/api/status` tells.
    pub version: String,
    /// The name `/api/status` tells.
    pub system_name: String,
    /// The root user's access token.
    pub root_token: String,
    /// The admin's access token.
    pub admin_token: String,
    /// The common user's access token.
    pub common_token: String,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            flavour: Flavour::NewApi,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            prefix: String::new(),
            limits: Limits::OFF,
            channels: Vec::new(),
            providers: Vec::new(),
            options: BTreeMap::new(),
            inline_providers: false,
            inline_delay: Duration::from_millis(5),
            pricing_cache: Duration::ZERO,
            version: "v0.0.0".to_owned(),
            system_name: "New API".to_owned(),
            root_token: "simRootToken0123456789abcdefghij".to_owned(),
            admin_token: "simAdminToken123456789abcdefghij".to_owned(),
            common_token: "simCommonToken23456789abcdefghij".to_owned(),
        }
    }
}

impl Spec {
    /// An empty New API without rate limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another program.
    #[must_use]
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Reached under a path.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.trim_end_matches('/').clone_into(&mut self.prefix);
        self
    }

    /// With rate limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With one more channel.
    #[must_use]
    pub fn channel(mut self, channel: Channel) -> Self {
        self.channels.push(channel);
        self
    }

    /// With one more provider.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// With an option's text.
    #[must_use]
    pub fn option(mut self, key: &str, text: &str) -> Self {
        self.options.insert(key.to_owned(), text.to_owned());
        self
    }

    /// Charging these prices: the ten price options have nothing else in them.
    #[must_use]
    pub fn prices(mut self, prices: &[Price]) -> Self {
        self.options.extend(price::options(prices));
        self
    }

    /// Showing prices that may be this old in `/api/pricing`.
    #[must_use]
    pub fn pricing_cache(mut self, age: Duration) -> Self {
        self.pricing_cache = age;
        self
    }

    /// With providers answered from memory, after `delay`.
    #[must_use]
    pub fn inline(mut self, delay: Duration) -> Self {
        self.inline_providers = true;
        self.inline_delay = delay;
        self
    }
}
