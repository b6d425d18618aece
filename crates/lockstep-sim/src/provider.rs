//! The providers behind the gateway: what they offer and how they behave.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::connection::{Gauge, lock};

mod answer;
mod serve;

pub(crate) use answer::{Listing, listing, pause};
pub(crate) use serve::ProviderHost;

/// How a provider lists its models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `/v1/models`, `Authorization: Bearer`.
    #[default]
    OpenAi,
    /// `/v1/models`, `x-api-key` and `anthropic-version`.
    Anthropic,
    /// `/v1/models` with prices per token.
    OpenRouter,
    /// `/compatible-mode/v1/models`.
    Ali,
    /// `/v1beta/models`, `x-goog-api-key`, names with `models/` before them.
    Gemini,
    /// `/api/tags`.
    Ollama,
    /// `/api/paas/v4/models`.
    Zhipu,
}

impl Protocol {
    /// The path of the list, below the provider's address.
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic | Self::OpenRouter => "/v1/models",
            Self::Ali => "/compatible-mode/v1/models",
            Self::Gemini => "/v1beta/models",
            Self::Ollama => "/api/tags",
            Self::Zhipu => "/api/paas/v4/models",
        }
    }

    /// The protocol the gateway speaks with a channel of this type.
    pub fn of_channel(kind: i64) -> Self {
        match kind {
            4 => Self::Ollama,
            14 => Self::Anthropic,
            17 => Self::Ali,
            20 => Self::OpenRouter,
            24 => Self::Gemini,
            26 => Self::Zhipu,
            _ => Self::OpenAi,
        }
    }
}

/// How a provider behaves when it is asked for its models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Manner {
    /// Answers its list.
    #[default]
    Well,
    /// Answers an empty list.
    Empty,
    /// Answers an error object with status 200.
    ErrorIn200,
    /// Answers a web page with status 200.
    Html,
    /// Nobody listens at its address. Set at the start, since it decides the address.
    Dead,
    /// Refuses the channel's key with 401.
    WantsOtherKey,
    /// Has no such list: 404.
    NoList,
    /// Answers 429 this many times, then its list.
    RateLimited(u32),
    /// Answers 500.
    ServerError,
    /// Answers its list and this other one in turn.
    Flapping(Vec<String>),
    /// After this many answers keeps only this percentage of its list.
    Shrinking {
        /// Full answers before the loss.
        after: u32,
        /// What is left of the list, from 0 to 100.
        percent: u8,
    },
    /// Answers its list after a while.
    Slow(Duration),
    /// Breaks off in the middle of its answer.
    Truncated,
    /// Takes the request and never answers.
    Silent,
}

/// A provider as it is at the start.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The name channels are bound by. It becomes a part of the address, so keep to letters, digits and dashes.
    pub name: String,
    /// How it lists models.
    pub protocol: Protocol,
    /// How it behaves.
    pub manner: Manner,
    /// What it offers, in its own order.
    pub models: Vec<String>,
    /// Other pages it serves as JSON, by path, such as `/api/pricing`.
    pub pages: BTreeMap<String, String>,
}

impl Provider {
    /// A well-behaved OpenAI-style provider.
    pub fn new<I: IntoIterator<Item = S>, S: Into<String>>(name: &str, models: I) -> Self {
        Self {
            name: name.to_owned(),
            protocol: Protocol::OpenAi,
            manner: Manner::Well,
            models: models.into_iter().map(Into::into).collect(),
            pages: BTreeMap::new(),
        }
    }

    /// Speaking another protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Behaving otherwise.
    #[must_use]
    pub fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// With another page.
    #[must_use]
    pub fn page(mut self, path: &str, json: &str) -> Self {
        self.pages.insert(path.to_owned(), json.to_owned());
        self
    }
}

/// A running provider.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) state: Mutex<RunningState>,
    pub(crate) in_progress: Gauge,
    pub(crate) base_url: String,
}

/// What of a running provider can change.
#[derive(Debug)]
pub(crate) struct RunningState {
    pub(crate) provider: Provider,
    /// Requests for the list so far.
    pub(crate) asks: u32,
    /// Requests for the list since the manner was set, which the manners count by.
    pub(crate) asks_in_manner: u32,
    /// The key of the last request.
    pub(crate) last_key: Option<String>,
}

/// All running providers by name.
pub(crate) type Directory = HashMap<String, Arc<Running>>;

/// A handle to one running provider. Changes take effect with the next request.
#[derive(Debug, Clone)]
pub struct ProviderHandle(pub(crate) Arc<Running>);

impl ProviderHandle {
    /// Its address, as channels hold it in `base_url`.
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    /// What it offers now.
    pub fn models(&self) -> Vec<String> {
        lock(&self.0.state).provider.models.clone()
    }

    /// Offers something else from now on.
    pub fn set_models<I: IntoIterator<Item = S>, S: Into<String>>(&self, models: I) {
        lock(&self.0.state).provider.models = models.into_iter().map(Into::into).collect();
    }

    /// How it behaves now.
    pub fn manner(&self) -> Manner {
        lock(&self.0.state).provider.manner.clone()
    }

    /// Behaves otherwise from now on, counting answers anew.
    pub fn set_manner(&self, manner: Manner) {
        let mut state = lock(&self.0.state);
        state.provider.manner = manner;
        state.asks_in_manner = 0;
    }

    /// Serves another page as JSON, such as `/api/pricing`.
    pub fn set_page(&self, path: &str, json: &str) {
        lock(&self.0.state)
            .provider
            .pages
            .insert(path.to_owned(), json.to_owned());
    }

    /// How often its list was asked for.
    pub fn asks(&self) -> u32 {
        lock(&self.0.state).asks
    }

    /// The key the last request for the list carried.
    pub fn last_key(&self) -> Option<String> {
        lock(&self.0.state).last_key.clone()
    }

    /// The most requests it ever answered at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.0.in_progress.most()
    }
}
