//! Price lists collected from their sources: what came, and the last good copies that stand in for what did not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::source::{
    Addresses, CallBudget, Cidr, Place, SourceSpec, Target, WINDOW, parse_cidr,
};
use lockstep_remote::http::{AddressPolicy, GuardedClient};
use lockstep_remote::retry::read_with_retries;
use lockstep_remote::sources::{Access, Ask, Fetched, Fetcher, Options, Page};
use lockstep_store::prices::copies::SourceCopy;
use secrecy::SecretString;
use url::Url;

use crate::engine::Session;
use crate::error::EngineError;

/// A source that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What it is.
    pub from: From,
    /// The access token of that site, read from where the source says.
    pub token: Option<SecretString>,
    /// Further headers with their values.
    pub headers: Vec<(String, SecretString)>,
}

/// How a source is named.
#[derive(Clone, Debug)]
pub enum From {
    /// As a person writes it.
    Spec(SourceSpec),
    /// A channel of the gateway, or a preset, by its id.
    Id(i64),
    /// Whole, as a request gives it.
    Target(Target),
}

/// How sources are collected.
#[derive(Clone, Debug)]
pub struct Collecting {
    /// The sources, the preferred first.
    pub wanted: Vec<Wanted>,
    /// The time limit of one source over all its tries.
    pub time_limit: Duration,
    /// Networks that are allowed beside those of the site.
    pub allow: Vec<Cidr>,
    /// Tries beyond the first of a request to the gateway itself.
    pub max_retries: u32,
}

/// One source with what came of asking it.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Its unique name.
    pub name: String,
    /// The address that was asked, or the file.
    pub url: String,
    /// What its prices are multiplied with, where it was named by a person.
    pub spec: Option<SourceSpec>,
    /// Its list, or why there is none.
    pub page: Result<Page, Failure>,
    /// The configured address of that page, before any redirect.
    pub asked: String,
    /// Its `/api/pricing`, where it was asked for its `/api/ratio_config` first, or why it did not come.
    pub pricing: Option<Result<Page, Failure>>,
    /// The last good list, which stands in for one that did not come.
    pub copy: Option<SourceCopy>,
    /// When it was asked, in Unix milliseconds.
    pub asked_at: i64,
    /// How long it took.
    pub took: Duration,
}

impl Wanted {
    /// A source that is sent nothing to be let in.
    pub fn open(from: From) -> Self {
        Self {
            from,
            token: None,
            headers: Vec::new(),
        }
    }
}

impl Session {
    /// Collects price lists: several at once, one fetch for all sources at one address. A source that did not answer is
    /// among them, with its failure.
    ///
    /// # Errors
    ///
    /// When the gateway does not tell its channels though some of them are wanted, or the database fails.
    pub async fn collect(&self, collecting: &Collecting) -> Result<Vec<Collected>, EngineError> {
        let channels = self.channel_targets(collecting).await?;
        let mut asks = Vec::new();
        let mut known = Vec::new();
        let mut missing: Vec<(usize, Collected)> = Vec::new();
        for wanted in &collecting.wanted {
            let channel = |id: i64| channels.get(&id).cloned();
            let (spec, target) = match &wanted.from {
                From::Spec(spec) => (Some(spec.clone()), spec.target(channel)),
                From::Id(id) => (None, Target::preset(*id).or_else(|| channel(*id))),
                From::Target(target) => (None, Some(target.clone())),
            };
            let Some(target) = target else {
                // One that is gone must not keep the others from being asked. A mere id is left out, as New API does.
                missing.extend(
                    spec.map(|spec| (asks.len() + missing.len(), unlisted(spec, self.now()))),
                );
                continue;
            };
            let copies = self.copies(&target, wanted).await?;
            asks.push(Ask {
                target,
                access: Access {
                    token: wanted.token.clone(),
                    user_id: spec.as_ref().and_then(|spec| spec.user_id.clone()),
                    headers: wanted.headers.clone(),
                },
                proxy: spec.as_ref().and_then(|spec| spec.proxy.clone()),
                copies: copies
                    .iter()
                    .map(|(url, copy)| Page {
                        url: url.clone(),
                        body: std::sync::Arc::new(copy.body.clone()),
                        etag: copy.etag.clone(),
                        from_copy: true,
                    })
                    .collect(),
            });
            known.push((spec, copies));
        }
        let asked_at = self.now();
        let budget = self.budget(&asks).await?;
        let client =
            GuardedClient::new(self.policy(&collecting.allow)).map_err(EngineError::Gateway)?;
        let options = Options {
            time_limit: collecting.time_limit,
            both: true,
            ..Options::default()
        };
        let fetcher = Fetcher::new(client, options, budget.clone());
        let fetched = fetcher.fetch_all(asks).await;
        self.keep_budget(&budget, &fetcher.budget()).await?;
        let mut all: Vec<Collected> = fetched
            .into_iter()
            .zip(known)
            .map(|(fetched, (spec, copies))| collected(fetched, spec, copies, asked_at))
            .collect();
        for (place, source) in missing {
            all.insert(place.min(all.len()), source);
        }
        Ok(all)
    }

    /// The lists as they were last kept, without asking the sources. One of which none is kept is among them, with a
    /// failure.
    ///
    /// # Errors
    ///
    /// As [`Session::collect`].
    pub async fn kept(&self, collecting: &Collecting) -> Result<Vec<Collected>, EngineError> {
        let channels = self.channel_targets(collecting).await?;
        let mut all = Vec::new();
        for wanted in &collecting.wanted {
            let channel = |id: i64| channels.get(&id).cloned();
            let (spec, target) = match &wanted.from {
                From::Spec(spec) => (Some(spec.clone()), spec.target(channel)),
                From::Id(id) => (None, Target::preset(*id).or_else(|| channel(*id))),
                From::Target(target) => (None, Some(target.clone())),
            };
            let Some(target) = target else {
                all.extend(spec.map(|spec| unlisted(spec, self.now())));
                continue;
            };
            let copies = self.copies(&target, wanted).await?;
            let last = copies.into_iter().max_by_key(|(_, copy)| copy.fetched_at);
            let none = Failure::new(FailureKind::NotFound, "it was not fetched yet");
            let (url, page, asked_at) = match last {
                Some((url, copy)) => {
                    let page = Page {
                        url: url.clone(),
                        body: std::sync::Arc::new(copy.body),
                        etag: copy.etag,
                        from_copy: true,
                    };
                    (url, Ok(page), copy.fetched_at)
                }
                None => (String::new(), Err(none), self.now()),
            };
            all.push(Collected {
                name: target.unique_name(),
                asked: url.clone(),
                url,
                spec,
                page,
                pricing: None,
                copy: None,
                asked_at,
                took: Duration::ZERO,
            });
        }
        Ok(all)
    }

    /// Keeps a list as the last good one of its address, with how many models it has.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keep_copy(&self, source: &Collected, models: usize) -> Result<(), EngineError> {
        let Ok(page) = &source.page else {
            return Ok(());
        };
        if page.url.starts_with("file:") {
            return Ok(());
        }
        let copy = SourceCopy {
            body: page.body.as_ref().clone(),
            etag: page.etag.clone(),
            fetched_at: source.asked_at,
            models: models as u64,
        };
        let key = key(&source.asked, source.spec.as_ref());
        self.store()
            .keep_copy(&self.access.site.id, &key, copy)
            .await?;
        Ok(())
    }

    /// The gateway's channels as targets, if any of them is wanted: the gateway itself says where they are asked.
    async fn channel_targets(
        &self,
        collecting: &Collecting,
    ) -> Result<BTreeMap<i64, Target>, EngineError> {
        let is_channel = |wanted: &Wanted| match &wanted.from {
            From::Spec(spec) => matches!(spec.place, Place::Channel(_)),
            From::Id(id) => Target::preset(*id).is_none(),
            From::Target(_) => false,
        };
        if !collecting.wanted.iter().any(is_channel) {
            return Ok(BTreeMap::new());
        }
        let reader = self.reader();
        let channels = read_with_retries(collecting.max_retries, || reader.ratio_channels())
            .await
            .result
            .map_err(EngineError::Gateway)?;
        Ok(channels
            .into_iter()
            .filter_map(|channel| {
                let target =
                    Target::of_channel(channel.id, &channel.name, &channel.base_url, channel.kind)?;
                Some((channel.id, target))
            })
            .collect())
    }

    /// The last good lists of a source's addresses.
    async fn copies(
        &self,
        target: &Target,
        wanted: &Wanted,
    ) -> Result<Vec<(String, SourceCopy)>, EngineError> {
        let spec = match &wanted.from {
            From::Spec(spec) => Some(spec),
            From::Id(_) | From::Target(_) => None,
        };
        let addresses = match target.addresses() {
            Addresses::One(url) => vec![url],
            Addresses::Two(first, second) => vec![first, second],
            Addresses::File(_) => Vec::new(),
        };
        let mut copies = Vec::new();
        for url in addresses {
            let key = key(&url, spec);
            let copy = self.store().source_copy(&self.access.site.id, &key).await?;
            copies.extend(copy.map(|copy| (url, copy)));
        }
        Ok(copies)
    }

    /// Which addresses may be called: the gateway's own is trusted as it is configured.
    fn policy(&self, allow: &[Cidr]) -> AddressPolicy {
        let site = &self.access.site;
        let stored = site.allow_private.iter();
        let mut networks: Vec<Cidr> = stored.filter_map(|text| parse_cidr(text).ok()).collect();
        networks.extend(allow);
        AddressPolicy::new(networks, std::slice::from_ref(&site.url))
    }

    /// The calls of `/api/ratio_config` that were counted before, by every process.
    async fn budget(&self, asks: &[Ask]) -> Result<CallBudget, EngineError> {
        let now = self.now() / 1000;
        let hosts: BTreeSet<String> = asks
            .iter()
            .filter_map(|ask| match ask.target.addresses() {
                Addresses::One(url) | Addresses::Two(url, _) => host(&url),
                Addresses::File(_) => None,
            })
            .collect();
        let mut budget = CallBudget::default();
        for host in hosts {
            let calls = self.store().source_calls(&host, now - WINDOW).await?;
            if !calls.is_empty() {
                budget.calls.insert(host, calls);
            }
        }
        Ok(budget)
    }

    async fn keep_budget(
        &self,
        before: &CallBudget,
        after: &CallBudget,
    ) -> Result<(), EngineError> {
        // Calls leave the window while others are made.
        let mut before = before.clone();
        before.forget(after.calls.values().flatten().copied().max().unwrap_or(0));
        for (host, calls) in &after.calls {
            let known = before.calls.get(host).map_or(0, Vec::len);
            for at in calls.iter().skip(known) {
                self.store()
                    .take_source_call(host, at - WINDOW, u32::MAX, *at)
                    .await?;
            }
        }
        Ok(())
    }
}

fn collected(
    fetched: Fetched,
    spec: Option<SourceSpec>,
    copies: Vec<(String, SourceCopy)>,
    asked_at: i64,
) -> Collected {
    let (first, second) = match fetched.target.addresses() {
        Addresses::One(url) => (url, None),
        Addresses::Two(first, second) => (first, Some(second)),
        Addresses::File(path) => (path, None),
    };
    let came = fetched.page.as_ref().map(|page| page.url.clone()).ok();
    // Of two addresses the second was asked where the page, redirected or not, is not the first one's.
    let path =
        |url: &str| Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.path().to_owned());
    let asked = match (&came, second) {
        (Some(came), Some(second)) if path(came) == path(&second) => second,
        _ => first,
    };
    // A list is measured by the last good one of its own address: another page of the same site has other models.
    let copy = match &fetched.page {
        Ok(_) => copies.into_iter().find(|(of, _)| *of == asked),
        Err(_) => copies.into_iter().max_by_key(|(_, copy)| copy.fetched_at),
    };
    Collected {
        name: fetched.target.unique_name(),
        url: came.unwrap_or_else(|| asked.clone()),
        asked,
        spec,
        page: fetched.page,
        pricing: fetched.pricing,
        copy: copy.map(|(_, copy)| copy),
        asked_at,
        took: fetched.took,
    }
}

/// A source that the gateway does not list.
fn unlisted(spec: SourceSpec, asked_at: i64) -> Collected {
    let name = spec.name.clone().unwrap_or_else(|| spec.place.to_string());
    let failure = Failure::new(
        FailureKind::NotFound,
        "the gateway lists no such channel with an address",
    );
    Collected {
        name,
        url: String::new(),
        asked: String::new(),
        spec: Some(spec),
        page: Err(failure),
        pricing: None,
        copy: None,
        asked_at,
        took: Duration::ZERO,
    }
}

/// Under which key an address' copy is kept. What a site shows to one user it may not show to another.
fn key(url: &str, spec: Option<&SourceSpec>) -> String {
    let who = spec.map(|spec| {
        let token = spec.token_env.as_deref().unwrap_or("");
        format!("{token} {}", spec.user_id.as_deref().unwrap_or(""))
    });
    format!("{url} {}", who.unwrap_or_default().trim())
        .trim()
        .to_owned()
}

fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(format!("{host}:{}", url.port_or_known_default()?))
}
