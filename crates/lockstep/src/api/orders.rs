//! What a request asks for, as the engine takes it. How it is made is [`crate::ordering`]'s; here are the site that is
//! meant, and the words of what is refused.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use lockstep_core::prices::source::Cidr;
use lockstep_core::settings::Settings;
use lockstep_core::site::GatewayUrl;
use lockstep_run::jobs::both::Both;
use lockstep_run::jobs::{Go, Job, Order};
use lockstep_run::prices::collect::Collecting;
use lockstep_run::prices::plan::{PriceRequest, What};
use lockstep_run::schedule::Lost;
use lockstep_run::{EngineError, Request, Session, SiteAccess, Source};
use lockstep_store::sites::Site;

use super::v1::idempotency::{self, Began};
use crate::ordering::{self, Asked, Chosen, Way, Wrong};
use crate::server::App;
use crate::server::caller::{Caller, Scope, Who};
use crate::server::problem::{Mistake, Problem};
use crate::web::words::fill;
use crate::words::{Lang, Said};

/// A site with all that work on its gateway needs.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) access: SiteAccess,
    pub(crate) settings: Settings,
    pub(crate) allow: Vec<Cidr>,
}

/// The site of a name, or of an id.
pub(crate) async fn site(app: &App, name: &str) -> Result<Site, Problem> {
    let sites = app.store().sites().await?;
    let named = sites
        .iter()
        .find(|site| site.name.as_deref() == Some(name))
        .or_else(|| sites.iter().find(|site| site.id == name));
    named.cloned().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no site `{name}`"),
        )
        .hint("GET /api/v1/sites lists them.")
    })
}

/// The site that is meant where none is named: that of the environment, of the file, or else the default one.
pub(crate) async fn default_site(app: &App) -> Result<Site, Problem> {
    let chosen = ordering::variable(ordering::SITE).or_else(|| app.file().site.clone());
    if let Some(name) = chosen {
        return site(app, &name).await;
    }
    app.store().default_site().await?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no_default_site",
            "no site is the default one",
        )
        .hint("Add a site, or name one in the path: /sites/{name}/...")
    })
}

/// The site with its token.
pub(crate) async fn access(app: &App, site: Site) -> Result<SiteAccess, Problem> {
    let access = app.ordering().access(site).await;
    let access = access.map_err(|error| refused(&Lost::Failed(format!("{error:#}"))))?;
    access.ok_or_else(|| refused(&Lost::NoToken))
}

/// The settings that hold, those given for this run over all others.
pub(crate) fn settings(
    app: &App,
    site: &Site,
    given: &BTreeMap<String, String>,
) -> Result<Chosen, Problem> {
    let environment = ordering::with_environment(Vec::new());
    let environment = environment
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .filter(|(key, _)| !given.contains_key(*key));
    let given = given
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    ordering::laid(site, app.file(), environment.chain(given))
        .map_err(|wrong| bad_settings(wrong.into_iter().map(Mistake::from).collect()))
}

/// All the mistakes of settings.
pub(crate) fn bad_settings(mistakes: Vec<Mistake>) -> Problem {
    let first = mistakes
        .first()
        .map_or_else(String::new, |mistake| mistake.message.clone());
    Problem::new(StatusCode::BAD_REQUEST, "bad_setting", first)
        .hint("`errors` has every mistake; GET /api/v1/sites/{site}/settings tells what each setting can be.")
        .mistakes(mistakes)
}

/// The plan of model lists, for somebody who looks.
pub(crate) fn models(source: Source, chosen: &Chosen, go_on: bool) -> Request {
    ordering::models_request(source, chosen, attended(go_on))
}

/// The plan of prices, from the sources that the site remembers, for somebody who looks.
pub(crate) async fn prices(
    app: &App,
    site: &Site,
    what: What,
    chosen: &Chosen,
    go_on: bool,
) -> Result<PriceRequest, Problem> {
    let request = app.ordering().prices(site, what, chosen, attended(go_on));
    request.await.map_err(|lost| refused(&lost))
}

/// Begins a job for a caller and tells its run, which is bound to the key of the request.
pub(crate) async fn start(
    app: &App,
    caller: &Caller,
    access: SiteAccess,
    settings: Settings,
    order: Order,
    verify: bool,
) -> Result<String, Problem> {
    let site = access.site.id.clone();
    let job = Job {
        access,
        settings,
        actor: caller.actor(),
        order,
        verify,
    };
    let run = app.jobs().start(job).await?;
    let began = Began {
        site,
        runs: vec![run.clone()],
        both: false,
    };
    idempotency::began(app, began).await?;
    Ok(run)
}

/// Begins a run about prices and one about model lists after it, and tells them, which are bound to the key of the request.
/// Where no source is remembered there is none about prices, as `sync` leaves them alone then.
pub(crate) async fn start_both(
    app: &App,
    caller: &Caller,
    site: &Site,
    chosen: Chosen,
    go: Go,
    verify: bool,
) -> Result<Began, Problem> {
    let on = go == Go::Writes;
    let access = access(app, site.clone()).await?;
    let models = models(Source::All, &chosen, on);
    let prices = app
        .ordering()
        .prices(site, What::Sources, &chosen, attended(on));
    let began = match prices.await {
        Ok(prices) => {
            let both = Both {
                access,
                settings: chosen.settings,
                actor: caller.actor(),
                prices: (prices, go),
                models: (models, go),
                verify,
                ticks: Vec::new(),
            };
            let begun = app.jobs().start_both(both).await?;
            Began {
                site: site.id.clone(),
                runs: vec![begun.prices, begun.models],
                both: true,
            }
        }
        Err(Lost::NoSource) => {
            let job = Job {
                access,
                settings: chosen.settings,
                actor: caller.actor(),
                order: Order::Models(Box::new(models), go),
                verify: false,
            };
            Began {
                site: site.id.clone(),
                runs: vec![app.jobs().start(job).await?],
                both: true,
            }
        }
        Err(lost) => return Err(refused(&lost)),
    };
    idempotency::began(app, began.clone()).await?;
    Ok(began)
}

/// Who only looks or plans may not write.
pub(crate) fn may_write(caller: &Caller) -> Result<(), Problem> {
    if caller.may(Scope::Apply) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "scope",
        "this token does not have the scope apply",
    )
    .hint("Ask for the plan alone with `plan_only`, or use a token with that scope."))
}

/// Networks of the inside that the server may then ask are named by a person: a token that a program lost must not open
/// them.
pub(crate) fn may_reach_inside(caller: &Caller, networks: &[String]) -> Result<(), Problem> {
    if networks.is_empty() || matches!(caller.who, Who::Person { .. }) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "people_only",
        "`allow_private` is for a person who signed in, not for a token",
    )
    .hint("Leave it out, and let somebody who signed in name these networks, or `--allow-private` on the server's machine."))
}

/// A gateway's address is trusted as it is given, in whatever network it is, and price sources at it are too: so it is
/// named by a person. What it stands for can change afterwards, as a name's address does, so that looking at it once would
/// keep nobody out. An address that a site has already is nobody's news.
pub(crate) async fn may_name(
    app: &App,
    caller: &Caller,
    address: &GatewayUrl,
) -> Result<(), Problem> {
    if matches!(caller.who, Who::Person { .. }) {
        return Ok(());
    }
    let known = app.store().sites().await?;
    if known.iter().any(|site| site.url == *address) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "people_only",
        "a gateway's address is named by a person who signed in, not by a token",
    )
    .hint("Let somebody who signed in add the site or change its address, or `lockstep site` on the server's machine."))
}

impl Reached {
    /// The site with its token and the settings that hold.
    pub(crate) async fn of(app: &App, site: Site) -> Result<Self, Problem> {
        let settings = settings(app, &site, &BTreeMap::new())?.settings;
        let allow = app.ordering().allowed().map_err(|lost| refused(&lost))?;
        let access = access(app, site).await?;
        Ok(Self {
            access,
            settings,
            allow,
        })
    }

    /// A session with the gateway, for somebody.
    pub(crate) fn session(&self, app: &App, actor: &str) -> Session {
        app.engine()
            .acting_as(actor)
            .session(self.access.clone(), &self.settings)
    }

    /// Sources, ready to be collected.
    pub(crate) fn collecting(&self, asked: &[Asked]) -> Result<Collecting, Problem> {
        ordering::collecting(
            asked,
            self.allow.clone(),
            self.settings.prices.timeout,
            self.settings.max_retries,
        )
        .map_err(|error| bad_source(format!("{error:#}")))
    }
}

fn attended(on: bool) -> Way {
    Way {
        on,
        unattended: false,
    }
}

/// Why nothing could be ordered, in the words of an answer.
fn refused(lost: &Lost) -> Problem {
    match lost {
        Lost::NoSource => EngineError::NoSource.into(),
        Lost::NoToken => Problem::new(
            StatusCode::CONFLICT,
            "no_token",
            "no admin token is stored for this site",
        )
        .hint("PATCH /api/v1/sites/{site} with `token` stores one.")
        .said(Lang::ALL.map(no_token)),
        Lost::Secret(name) => bad_source(format!("a source names {name}, which is not set")),
        Lost::Settings(why) => Problem::new(StatusCode::CONFLICT, "bad_setting", why.clone()),
        Lost::Busy(holder) => EngineError::Busy(holder.clone()).into(),
        Lost::Stopping => EngineError::Stopping.into(),
        Lost::Schedule(why) | Lost::Failed(why) => {
            tracing::error!(error = why, "nothing could be ordered");
            Problem::internal()
        }
    }
}

fn no_token(lang: Lang) -> Said {
    let words = &lang.words().settings;
    Said {
        message: fill(&words.missing, &[("what", &words.admin_token)]),
        hint: words.missing_hint.clone(),
    }
}

fn bad_source(why: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "bad_source", why)
        .hint("Remove that source and add it again, or set what it names where the server runs.")
}

impl From<Wrong> for Mistake {
    fn from((field, message): Wrong) -> Self {
        Self { field, message }
    }
}
