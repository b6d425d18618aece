//! Price lists collected from their sources: what came, and the last good copies that stand in for what did not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::source::{Addresses, Cidr, Place, SourceSpec, Target, parse_cidr};
use lockstep_remote::http::{AddressPolicy, GuardedClient};
use lockstep_remote::retry::read_with_retries;
use lockstep_remote::sources::{Access, Ask, Fetched, Fetcher, Options, Page};
use lockstep_store::prices::copies::SourceCopy;
use lockstep_store::prices::troubles::SourceTrouble;
use secrecy::SecretString;
use url::Url;

use super::calls::Counted;
use super::distinct::told_apart;
use crate::error::EngineError;
use crate::session::Session;

/// A source that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What it is.
    pub from: From,
    /// The access token of that site, read from where the source says, or from where it is stored.
    pub token: Option<SecretString>,
    /// The user whom that token belongs to, where the source itself does not say.
    pub user_id: Option<String>,
    /// Further headers with their values.
    pub headers: Vec<(String, SecretString)>,
    /// The id of the source where it is remembered, or is about to be.
    pub id: Option<String>,
    /// The list that was uploaded for it.
    pub given: Option<Given>,
}

/// A list that is there already.
#[derive(Clone, Debug)]
pub struct Given {
    /// What it says.
    pub body: Arc<String>,
    /// When it was uploaded, in Unix milliseconds.
    pub at: i64,
}

/// How a source is named.
#[derive(Clone, Debug, PartialEq)]
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
    /// The same where it was asked in vain; of one that was not asked now, when it last was. `None` where it never was.
    pub tried_at: Option<i64>,
    /// What was wrong then, where it was not asked now.
    pub trouble: Option<SourceTrouble>,
    /// As whom it was asked: a part of the key of its copies.
    pub(super) who: String,
    /// How long it took.
    pub took: Duration,
}

impl Wanted {
    /// A source that is sent nothing to be let in.
    pub fn open(from: From) -> Self {
        Self {
            from,
            token: None,
            user_id: None,
            headers: Vec::new(),
            id: None,
            given: None,
        }
    }

    /// What a person wrote, where one did.
    pub(super) fn spec(&self) -> Option<&SourceSpec> {
        match &self.from {
            From::Spec(spec) => Some(spec),
            From::Id(_) | From::Target(_) => None,
        }
    }

    /// What is fetched for it, or why nothing can be.
    pub(super) fn target(&self, channels: &BTreeMap<i64, Target>) -> Option<Target> {
        let channel = |id: i64| channels.get(&id).cloned();
        match &self.from {
            From::Spec(spec) => spec.target(channel),
            From::Id(id) => Target::preset(*id).or_else(|| channel(*id)),
            From::Target(target) => Some(target.clone()),
        }
    }

    /// The user whom its token belongs to.
    fn user_id(&self) -> Option<&str> {
        let written = || self.spec().and_then(|spec| spec.user_id.as_deref());
        self.user_id.as_deref().or_else(written)
    }

    /// As whom it is asked. What a site shows to one user it may not show to another.
    pub(super) fn who(&self) -> String {
        let variable = self.spec().and_then(|spec| spec.token_env.as_deref());
        let stored = self.token.is_some() || !self.headers.is_empty();
        let token = match (variable, &self.id) {
            (Some(variable), _) => variable.to_owned(),
            (None, Some(id)) if stored => format!("stored:{id}"),
            (None, _) => String::new(),
        };
        let who = format!("{token} {}", self.user_id().unwrap_or(""));
        who.trim().to_owned()
    }
}

impl Session {
    /// Collects price lists: several at once, one fetch for all sources at one address. A source that did not answer is
    /// among them, with its failure; one that is wanted twice is there once. Different ones of one name are told apart:
    /// the second is `name#2`.
    ///
    /// # Errors
    ///
    /// When the gateway does not tell its channels though some of them are wanted, or the database fails.
    pub async fn collect(&self, collecting: &Collecting) -> Result<Vec<Collected>, EngineError> {
        let channels = self.channel_targets(collecting).await?;
        let mut asks = Vec::new();
        let mut known = Vec::new();
        let mut missing: Vec<(usize, Collected)> = Vec::new();
        for wanted in collecting.distinct() {
            let Some(target) = wanted.target(&channels) else {
                // One that is gone must not keep the others from being asked. A mere id is left out, as New API does.
                missing.extend(
                    unlisted(wanted, self.now()).map(|one| (asks.len() + missing.len(), one)),
                );
                continue;
            };
            let spec = wanted.spec().cloned();
            let copies = self.copies(&target, wanted).await?;
            asks.push(Ask {
                target,
                access: Access {
                    token: wanted.token.clone(),
                    user_id: wanted.user_id().map(str::to_owned),
                    headers: wanted.headers.clone(),
                },
                proxy: spec.as_ref().and_then(|spec| spec.proxy.clone()),
                copies: copies
                    .iter()
                    .map(|(url, copy)| Page {
                        url: url.clone(),
                        body: Arc::new(copy.body.clone()),
                        etag: copy.etag.clone(),
                        from_copy: true,
                    })
                    .collect(),
            });
            known.push((spec, copies, wanted.who()));
        }
        let asked_at = self.now();
        let client =
            GuardedClient::new(self.policy(&collecting.allow)).map_err(EngineError::Gateway)?;
        let options = Options {
            time_limit: collecting.time_limit,
            both: true,
            ..Options::default()
        };
        let fetcher = Fetcher::new(client, options, Arc::new(Counted::of(self)));
        let fetched = fetcher.fetch_all(asks).await;
        let mut all: Vec<Collected> = fetched
            .into_iter()
            .zip(known)
            .map(|(fetched, (spec, copies, who))| collected(fetched, spec, copies, who, asked_at))
            .collect();
        for (place, source) in missing {
            all.insert(place.min(all.len()), source);
        }
        Ok(told_apart(all))
    }

    /// The gateway's channels as targets, if any of them is wanted: the gateway itself says where they are asked.
    pub(super) async fn channel_targets(
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

    /// Which addresses may be called: the gateway's own is trusted as it is configured.
    fn policy(&self, allow: &[Cidr]) -> AddressPolicy {
        let site = &self.access.site;
        let stored = site.allow_private.iter();
        let mut networks: Vec<Cidr> = stored.filter_map(|text| parse_cidr(text).ok()).collect();
        networks.extend(allow);
        AddressPolicy::new(networks, std::slice::from_ref(&site.url))
    }
}

fn collected(
    fetched: Fetched,
    spec: Option<SourceSpec>,
    copies: Vec<(String, SourceCopy)>,
    who: String,
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
        tried_at: Some(asked_at),
        trouble: None,
        who,
        took: fetched.took,
    }
}

/// A source that is not asked: one that was uploaded, or that the gateway does not list. A mere id is none.
pub(super) fn unlisted(wanted: &Wanted, now: i64) -> Option<Collected> {
    let spec = wanted.spec()?.clone();
    let place = spec.place.to_string();
    let (url, page, asked_at) = match (&spec.place, &wanted.given) {
        (Place::Upload(_), Some(given)) => {
            let page = Page {
                url: place.clone(),
                body: Arc::clone(&given.body),
                etag: None,
                from_copy: false,
            };
            (place, Ok(page), given.at)
        }
        (Place::Upload(_), None) => {
            let why = "no list is uploaded for it";
            (place, Err(why), now)
        }
        _ => {
            let why = "the gateway lists no such channel with an address";
            (String::new(), Err(why), now)
        }
    };
    Some(Collected {
        name: spec.known_as(),
        asked: url.clone(),
        url,
        spec: Some(spec),
        page: page.map_err(|why| Failure::new(FailureKind::NotFound, why)),
        pricing: None,
        copy: None,
        asked_at,
        tried_at: Some(now),
        trouble: None,
        who: String::new(),
        took: Duration::ZERO,
    })
}

impl Collected {
    /// Whether it is asked over the network.
    pub(super) fn is_remote(&self) -> bool {
        self.asked.starts_with("http://") || self.asked.starts_with("https://")
    }
}
