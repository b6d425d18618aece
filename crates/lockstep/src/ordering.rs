//! What a run of a site goes by, whoever begins it: settings in layers, its token, its sources with their secrets. A
//! command and the server ask the same functions; nothing here is shown to anybody.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use lockstep_core::change::Subject;
use lockstep_core::models::policy::Policy;
use lockstep_core::prices::source::{Cidr, SourceSpec, parse_cidr};
use lockstep_core::settings::{PaceMode, Settings, parse_policy};
use lockstep_core::site::GatewayUrl;
use lockstep_run::Ahead;
use lockstep_run::jobs::{Go, Job, Order};
use lockstep_run::prices::collect::{Collecting, From, Given, Wanted};
use lockstep_run::prices::plan::{PriceRequest, What};
use lockstep_run::schedule::{Lost, Orders};
use lockstep_run::{Request, SiteAccess, Source};
use lockstep_store::prices::access::SourceAccess;
use lockstep_store::prices::sources::{NewSource, StoredSource};
use lockstep_store::prices::uploads::Upload;
use lockstep_store::sites::Site;
use lockstep_store::{Store, StoreError};
use secrecy::SecretString;

use crate::config::File;

/// The variables that name a gateway, who asks it, and the token, which is never an argument.
pub(crate) const URL: &str = "LOCKSTEP_URL";
pub(crate) const SITE: &str = "LOCKSTEP_SITE";
pub(crate) const USER_ID: &str = "LOCKSTEP_USER_ID";
pub(crate) const TOKEN: &str = "LOCKSTEP_TOKEN";

/// The variables of settings, each with the key that it sets. What they say holds for a run and is never stored.
const SETTINGS: &[(&str, &str)] = &[
    ("LOCKSTEP_PACE", "pace"),
    ("LOCKSTEP_REQUESTS_PER_MINUTE", "requests-per-minute"),
    ("LOCKSTEP_BURST", "burst"),
    ("LOCKSTEP_CONCURRENCY", "concurrency"),
    ("LOCKSTEP_MAX_RETRIES", "max-retries"),
    ("LOCKSTEP_CHANNEL_TIMEOUT", "channel-timeout"),
    ("LOCKSTEP_POLICY", "policy"),
    ("LOCKSTEP_LIMIT_REMOVAL", "limit-removal"),
    ("LOCKSTEP_PRICE_GATE", "price-gate"),
    ("LOCKSTEP_PRICE_MODE", "price-mode"),
];

/// Settings that say how fast a run goes or how long it is remembered, not what it plans.
pub(crate) const NOT_OF_A_PLAN: &[&str] = &[
    "pace",
    "requests-per-minute",
    "burst",
    "concurrency",
    "max-retries",
    "channel-timeout",
    "history-days",
    "history-runs",
];

/// The settings that hold for a run.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// All layers over each other.
    pub(crate) settings: Settings,
    /// The policy that was given for this run alone.
    pub(crate) policy: Option<Policy>,
    /// Whether a plan by them is just the site's own: nothing was given that changes one.
    pub(crate) own: bool,
}

/// How a run goes on after its plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// Whether it goes on to write.
    pub(crate) on: bool,
    /// Whether nobody looks.
    pub(crate) unattended: bool,
}

/// A variable of the environment, if it is not blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    let text = std::env::var(name).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What the environment says of settings, by key, where `given` says nothing.
pub(crate) fn with_environment(
    mut given: Vec<(&'static str, String)>,
) -> Vec<(&'static str, String)> {
    for (name, key) in SETTINGS {
        if given.iter().all(|(known, _)| known != key) {
            given.extend(variable(name).map(|value| (*key, value)));
        }
    }
    given
}

/// A setting that cannot be taken: its key, and what is wrong with it.
pub(crate) type Wrong = (String, String);

/// The settings that hold, or the first that cannot be taken.
pub(crate) fn chosen(
    site: &Site,
    file: &File,
    given: Vec<(&'static str, String)>,
) -> anyhow::Result<Chosen> {
    let given = given.iter().map(|(key, value)| (*key, value.as_str()));
    laid(site, file, given).map_err(|mut wrong| {
        let (_, mistake) = wrong.swap_remove(0);
        anyhow::Error::msg(mistake)
    })
}

/// The settings that hold: stored, then the file's, then those that were given for this run. Or all that cannot be
/// taken, at least one.
pub(crate) fn laid<'a>(
    site: &Site,
    file: &File,
    given: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Chosen, Vec<Wrong>> {
    let mut settings = Settings::default();
    let mut wrong = Vec::new();
    for (key, value) in &site.settings {
        if let Err(error) = settings.set(key, value) {
            wrong.push((key.clone(), format!("the stored setting {key}: {error}")));
        }
    }
    wrong.extend(file.apply(&mut settings));
    let stored = settings.clone();
    let mut policy = None;
    for (key, value) in given {
        // What is always kept, and what is left out, only grows: a flag for one run takes no guard away.
        let grown = match key {
            "keep" | "exclude" => Some(format!("{}\n{value}", text_of(&settings, key))),
            _ => None,
        };
        if let Err(error) = settings.set(key, grown.as_deref().unwrap_or(value)) {
            wrong.push((key.to_owned(), error.to_string()));
        }
        if key == "policy" {
            policy = parse_policy(value).ok();
        }
    }
    wrong.extend(unlimited(&settings));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let planning = |settings: &Settings| -> Vec<(&str, String)> {
        let mut texts = settings.to_texts();
        texts.retain(|(key, _)| !NOT_OF_A_PLAN.contains(key));
        texts
    };
    let own = policy.is_none() && planning(&stored) == planning(&settings);
    Ok(Chosen {
        settings,
        policy,
        own,
    })
}

/// The mistake of a pace that is for measurements only.
pub(crate) fn unlimited(settings: &Settings) -> Option<Wrong> {
    (settings.pace == PaceMode::Unlimited).then(|| {
        (
            "pace".to_owned(),
            "pace is `unlimited`; it can be fixed or auto".to_owned(),
        )
    })
}

/// The text of one setting.
pub(crate) fn text_of(settings: &Settings, key: &str) -> String {
    settings
        .to_texts()
        .into_iter()
        .find(|(known, _)| *known == key)
        .map_or_else(String::new, |(_, text)| text)
}

/// A source that a run asks: as it is written, and what is stored beside.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    text: String,
    stored: Option<Stored>,
}

/// What is stored of a source beside its text.
#[derive(Clone, Debug)]
struct Stored {
    id: String,
    access: SourceAccess,
    given: Option<Given>,
}

impl Asked {
    /// One that was typed, and of which nothing is stored.
    pub(crate) fn typed(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            stored: None,
        }
    }

    /// One that is about to be remembered: what is fetched for it now is found by it later.
    pub(crate) fn new(source: &NewSource) -> Self {
        Self {
            text: source.spec.clone(),
            stored: Some(Stored {
                id: source.id.clone(),
                access: source.access.clone(),
                given: source.upload.as_ref().map(given),
            }),
        }
    }

    /// One that is remembered, with its secrets.
    pub(crate) async fn remembered(
        store: &Store,
        source: &StoredSource,
    ) -> Result<Self, StoreError> {
        let upload = match source.uploaded {
            Some(_) => store.upload(&source.id).await?,
            None => None,
        };
        Ok(Self {
            text: source.spec.clone(),
            stored: Some(Stored {
                id: source.id.clone(),
                access: store.source_access(source).await?,
                given: upload.as_ref().map(given),
            }),
        })
    }

    /// Whether it is sent a stored token.
    pub(crate) fn has_token(&self) -> bool {
        let stored = self.stored.as_ref();
        stored.is_some_and(|stored| stored.access.token.is_some())
    }

    /// All of it that an engine asks by; secrets that its text names come from the environment.
    fn wanted(&self) -> anyhow::Result<Wanted> {
        let text = &self.text;
        let spec: SourceSpec = text.parse()?;
        let secret = |name: &str| -> anyhow::Result<SecretString> {
            let value = variable(name)
                .with_context(|| format!("the source {text} names {name}, which is not set"))?;
            Ok(value.into())
        };
        let token = spec.token_env.as_deref().map(secret).transpose()?;
        let headers = spec.headers.iter();
        let headers = headers.map(|header| Ok((header.name.clone(), secret(&header.env)?)));
        let mut headers = headers.collect::<anyhow::Result<Vec<_>>>()?;
        let mut wanted = Wanted::open(From::Spec(spec));
        if let Some(stored) = &self.stored {
            headers.extend(stored.access.headers.iter().cloned());
            wanted.user_id.clone_from(&stored.access.user_id);
            wanted.token.clone_from(&stored.access.token);
            wanted.id = Some(stored.id.clone());
            wanted.given.clone_from(&stored.given);
        }
        wanted.token = token.or(wanted.token);
        wanted.headers = headers;
        Ok(wanted)
    }
}

fn given(upload: &Upload) -> Given {
    Given {
        body: Arc::new(upload.body.clone()),
        at: upload.uploaded_at,
    }
}

/// The first variable that a source names and that is not set.
fn unset(source: &Asked) -> Option<String> {
    let spec: SourceSpec = source.text.parse().ok()?;
    let headers = spec.headers.into_iter().map(|header| header.env);
    spec.token_env
        .into_iter()
        .chain(headers)
        .find(|name| variable(name).is_none())
}

/// Networks that price sources may be in beside those of the site: the file's, those that were given, the environment's.
pub(crate) fn allowed(file: &File, given: &[String]) -> anyhow::Result<Vec<Cidr>> {
    let mut texts = file.allow_private.clone();
    texts.extend(given.iter().cloned());
    if let Some(list) = variable("LOCKSTEP_ALLOW_PRIVATE") {
        texts.extend(list.split([',', ' ']).map(str::to_owned));
    }
    texts
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .map(|text| parse_cidr(text).map_err(anyhow::Error::from))
        .collect()
}

/// What is to be collected.
pub(crate) fn collecting(
    sources: &[Asked],
    allow: Vec<Cidr>,
    time_limit: Duration,
    max_retries: u32,
) -> anyhow::Result<Collecting> {
    Ok(Collecting {
        wanted: sources
            .iter()
            .map(Asked::wanted)
            .collect::<anyhow::Result<_>>()?,
        time_limit,
        allow,
        max_retries,
    })
}

/// The sources that a site remembers, the preferred first, with their secrets.
pub(crate) async fn remembered(store: &Store, site: &Site) -> Result<Vec<Asked>, StoreError> {
    let mut all = Vec::new();
    for source in store.sources(&site.id).await? {
        all.push(Asked::remembered(store, &source).await?);
    }
    Ok(all)
}

/// A run about prices from sources. `remembered`: they are just those of the site.
pub(crate) fn price_request(
    sources: &[Asked],
    remembered: bool,
    allow: Vec<Cidr>,
    chosen: &Chosen,
    way: Way,
) -> anyhow::Result<PriceRequest> {
    let settings = chosen.settings.clone();
    let collecting = collecting(
        sources,
        allow,
        settings.prices.timeout,
        settings.max_retries,
    )?;
    Ok(PriceRequest {
        // What is remembered is all there is to ask, and asked under the site's own settings.
        whole: remembered && chosen.own,
        unattended: way.unattended,
        ..PriceRequest::new(collecting, settings, way.on)
    })
}

/// A run about model lists.
pub(crate) fn models_request(source: Source, chosen: &Chosen, way: Way) -> Request {
    Request {
        source,
        settings: chosen.settings.clone(),
        policy: chosen.policy,
        unattended: way.unattended,
        own_settings: chosen.own,
        go_on: way.on,
        after: None,
        ahead: Ahead::default(),
    }
}

/// Orders of a process that serves several sites: what the store, the file and the environment say.
#[derive(Clone, Debug)]
pub(crate) struct Ordering {
    store: Store,
    file: File,
}

impl Ordering {
    /// Orders by the store and the file.
    pub(crate) fn new(store: Store, file: File) -> Self {
        Self { store, file }
    }

    /// The settings that hold for the site.
    pub(crate) fn chosen(&self, site: &Site) -> anyhow::Result<Chosen> {
        chosen(site, &self.file, with_environment(Vec::new()))
    }

    /// The site with its token: the stored one, or the environment's where that names this very gateway, for a token is
    /// never sent to another. `None` where there is none.
    pub(crate) async fn access(&self, mut site: Site) -> anyhow::Result<Option<SiteAccess>> {
        let url = variable(URL).and_then(|url| GatewayUrl::parse(&url).ok());
        let named = url.as_ref() == Some(&site.url)
            || (url.is_none() && site.name.is_some() && variable(SITE) == site.name);
        let from_environment = |name| named.then(|| variable(name)).flatten();
        if let Some(user_id) = from_environment(USER_ID) {
            site.user_id = user_id;
        }
        let token = match from_environment(TOKEN) {
            Some(token) => Some(SecretString::from(token)),
            None => self.store.token(&site.id).await?,
        };
        Ok(token.map(|token| SiteAccess { site, token }))
    }

    /// Networks that price sources may be in beside those of the site.
    pub(crate) fn allowed(&self) -> Result<Vec<Cidr>, Lost> {
        allowed(&self.file, &[]).map_err(settings)
    }

    /// A run about prices from the sources that the site remembers.
    pub(crate) async fn prices(
        &self,
        site: &Site,
        what: What,
        chosen: &Chosen,
        way: Way,
    ) -> Result<PriceRequest, Lost> {
        let sources = remembered(&self.store, site).await;
        let sources = sources.map_err(|error| failed(error.into()))?;
        if sources.is_empty() {
            return Err(Lost::NoSource);
        }
        if let Some(name) = sources.iter().find_map(unset) {
            return Err(Lost::Secret(name));
        }
        let request = price_request(&sources, true, self.allowed()?, chosen, way);
        let request = request.map_err(settings)?;
        Ok(PriceRequest {
            whole: request.whole && what == What::Sources,
            what,
            ..request
        })
    }

    async fn order(&self, site: Site, subject: Subject, go: Go, by: String) -> Result<Job, Lost> {
        let chosen = self.chosen(&site).map_err(settings)?;
        let way = Way {
            on: go == Go::Writes,
            unattended: true,
        };
        let order = match subject {
            Subject::Models => {
                Order::Models(Box::new(models_request(Source::All, &chosen, way)), go)
            }
            Subject::Prices => {
                let request = self.prices(&site, What::Sources, &chosen, way).await?;
                Order::Prices(Box::new(request), go)
            }
        };
        let access = self.access(site).await.map_err(failed)?;
        Ok(Job {
            access: access.ok_or(Lost::NoToken)?,
            settings: chosen.settings,
            actor: by,
            order,
            verify: false,
        })
    }
}

impl Orders for Ordering {
    fn settings(&self, site: &Site) -> Result<Settings, Lost> {
        let chosen = self.chosen(site).map_err(settings)?;
        Ok(chosen.settings)
    }

    fn job(
        &self,
        site: Site,
        subject: Subject,
        go: Go,
        by: String,
    ) -> BoxFuture<'_, Result<Job, Lost>> {
        Box::pin(self.order(site, subject, go, by))
    }
}

fn settings(error: anyhow::Error) -> Lost {
    Lost::Settings(format!("{error:#}"))
}

fn failed(error: anyhow::Error) -> Lost {
    Lost::Failed(format!("{error:#}"))
}
