//! The providers behind the gateway: what they offer and how they behave.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::connection::{Gauge, lock};
use crate::fault::{Rule, Rules};
use crate::limit::Limiter;
use crate::price::{self, Price};

mod answer;
mod asked;
mod page;
mod serve;

pub use asked::Asked;
pub use page::{Access, Page};

use asked::AskedLog;

pub(crate) use answer::{Listing, listing, pause};
pub(crate) use serve::ProviderHost;

/// Where the official preset is, below its address.
pub const OFFICIAL_PATH: &str = "/llm-metadata/api/newapi/ratio_config-v1-base.json";

/// Where LiteLLM's map is, below the address of a stand-in.
pub const LITELLM_PATH: &str = "/model_prices_and_context_window.json";

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
    /// Other pages it serves, by path, such as `/api/pricing`. One whose path has a query is for that query only.
    pub pages: BTreeMap<String, Page>,
    /// What it tells of prices in its list, if it speaks OpenRouter's protocol.
    pub prices: Vec<Price>,
    /// What goes wrong from the start, whatever it is asked for.
    pub faults: Vec<Rule>,
    /// Whether it has a loopback address of its own, where there are several, or at least a port of its own.
    pub apart: bool,
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
            prices: Vec::new(),
            faults: Vec::new(),
            apart: false,
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

    /// With another page. A text is served as JSON.
    #[must_use]
    pub fn page(mut self, path: &str, page: impl Into<Page>) -> Self {
        self.pages.insert(path.to_owned(), page.into());
        self
    }

    /// With a fault. Its matcher sees the path below the provider's address.
    #[must_use]
    pub fn fault(mut self, rule: Rule) -> Self {
        self.faults.push(rule);
        self
    }

    /// At a host of its own, so that a limit by host does not count it with the others.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Showing prices at `/api/pricing`, as a New API does, to one group at ratio 1.
    #[must_use]
    pub fn pricing_list(self, prices: &[Price]) -> Self {
        let page = Page::json(price::pricing_list(prices, &[("default", 1.0)]));
        self.page("/api/pricing", page)
    }

    /// Showing prices at `/api/ratio_config`, as a New API does whose owner has switched it on.
    #[must_use]
    pub fn ratio_config(self, prices: &[Price]) -> Self {
        let page = Page::json(price::ratio_config(prices));
        self.page("/api/ratio_config", page)
    }

    /// Showing prices in its list, as OpenRouter does. What is priced is offered.
    #[must_use]
    pub fn openrouter_prices(mut self, prices: &[Price]) -> Self {
        self.protocol = Protocol::OpenRouter;
        for price in prices {
            if !self.models.contains(&price.model) {
                self.models.push(price.model.clone());
            }
        }
        self.prices = prices.to_vec();
        self
    }

    /// Showing sellers with their prices at `/api.json`, as models.dev does.
    #[must_use]
    pub fn models_dev(self, sellers: &[(&str, Vec<Price>)]) -> Self {
        self.page("/api.json", Page::json(price::models_dev(sellers)))
    }

    /// Showing LiteLLM's map at [`LITELLM_PATH`].
    #[must_use]
    pub fn litellm(self, sellers: &[(&str, Vec<Price>)]) -> Self {
        self.page(LITELLM_PATH, Page::json(price::litellm(sellers)))
    }

    /// Showing the official preset at [`OFFICIAL_PATH`].
    #[must_use]
    pub fn official(self, prices: &[Price]) -> Self {
        self.page(OFFICIAL_PATH, Page::json(price::official(prices)))
    }
}

/// A running provider.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) state: Mutex<RunningState>,
    pub(crate) asked: Mutex<AskedLog>,
    pub(crate) rules: Mutex<Rules>,
    pub(crate) limiters: Mutex<HashMap<(String, IpAddr), Limiter>>,
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

    /// Serves another page, such as `/api/pricing`. A text is served as JSON.
    pub fn set_page(&self, path: &str, page: impl Into<Page>) {
        lock(&self.0.state)
            .provider
            .pages
            .insert(path.to_owned(), page.into());
    }

    /// A page as it is served now.
    pub fn page(&self, path: &str) -> Option<Page> {
        lock(&self.0.state).provider.pages.get(path).cloned()
    }

    /// Serves a page no longer, and answers whether there was one.
    pub fn remove_page(&self, path: &str) -> bool {
        lock(&self.0.state).provider.pages.remove(path).is_some()
    }

    /// Tells other prices in its list from now on, if it speaks OpenRouter's protocol.
    pub fn set_prices(&self, prices: &[Price]) {
        lock(&self.0.state).provider.prices = prices.to_vec();
    }

    /// Adds a fault. Its matcher sees the path below the provider's address.
    pub fn fault(&self, rule: Rule) {
        lock(&self.0.rules).add(rule);
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        lock(&self.0.rules).clear();
    }

    /// How often a path was asked for, its list included: with a question mark in it that query only, else any.
    pub fn requests(&self, path: &str) -> u32 {
        lock(&self.0.asked).count(path)
    }

    /// The last request for a path, with its headers.
    pub fn last_request(&self, path: &str) -> Option<Asked> {
        lock(&self.0.asked).last(path)
    }

    /// Every request, in the order of arrival; of very many the last 10,000.
    pub fn request_log(&self) -> Vec<Asked> {
        lock(&self.0.asked).rows()
    }

    /// Forgets the requests and their counts.
    pub fn clear_requests(&self) {
        lock(&self.0.asked).clear();
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
