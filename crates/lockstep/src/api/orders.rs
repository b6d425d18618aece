//! What is asked for over HTTP, as the engine takes it: the gateway and its token, the settings that hold, the order.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use lockstep_core::models::policy::Policy;
use lockstep_core::prices::source::{Cidr, parse_cidr};
use lockstep_core::settings::{PaceMode, Settings, parse_policy};
use lockstep_run::ahead::Ahead;
use lockstep_run::jobs::{Job, Order};
use lockstep_run::prices::collect::Collecting;
use lockstep_run::prices::plan::{PriceRequest, What};
use lockstep_run::{Request, SiteAccess, Source};
use lockstep_store::sites::Site;

use crate::cli;
use crate::server::App;
use crate::server::caller::{Caller, Scope};
use crate::server::problem::{Mistake, Problem};

/// The settings that hold for a run.
#[derive(Clone, Debug)]
pub(crate) struct Laid {
    /// All layers over each other.
    pub(crate) settings: Settings,
    /// The policy that was given for this run alone.
    policy: Option<Policy>,
    /// Whether a plan by them is just the site's own.
    own: bool,
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

/// The site with its stored token.
pub(crate) async fn access(app: &App, site: Site) -> Result<SiteAccess, Problem> {
    match app.store().token(&site.id).await? {
        Some(token) => Ok(SiteAccess { site, token }),
        None => Err(Problem::new(
            StatusCode::CONFLICT,
            "no_token",
            "no admin token is stored for this site",
        )
        .hint("PATCH /api/v1/sites/{site} with `token` stores one.")),
    }
}

/// The settings that hold: stored, then the file's, then the environment's, then those given for this run.
pub(crate) fn settings(
    app: &App,
    site: &Site,
    given: &BTreeMap<String, String>,
) -> Result<Laid, Problem> {
    let mut settings = Settings::default();
    let mut mistakes = Vec::new();
    let mut set = |settings: &mut Settings, key: &str, value: &str| {
        if let Err(error) = settings.set(key, value) {
            mistakes.push(Mistake {
                field: key.to_owned(),
                message: error.to_string(),
            });
        }
    };
    for (key, value) in &site.settings {
        set(&mut settings, key, value);
    }
    let in_file = app.file().apply(&mut settings);
    let stored = settings.clone();
    let environment = cli::environment();
    for (key, value) in &environment {
        set(&mut settings, key, value);
    }
    for (key, value) in given {
        // What is always kept, and what is left out, only grows: what is given for one run takes no guard away.
        let value = match key.as_str() {
            "keep" | "exclude" => format!("{}\n{value}", text_of(&settings, key)),
            _ => value.clone(),
        };
        set(&mut settings, key, &value);
    }
    mistakes.extend(
        in_file
            .into_iter()
            .map(|(field, message)| Mistake { field, message }),
    );
    if settings.pace == PaceMode::Unlimited {
        mistakes.push(unlimited());
    }
    let policy = given
        .get("policy")
        .cloned()
        .or_else(|| {
            environment
                .iter()
                .find(|(key, _)| *key == "policy")
                .map(|(_, text)| text.clone())
        })
        .and_then(|text| parse_policy(&text).ok());
    if !mistakes.is_empty() {
        return Err(bad_settings(mistakes));
    }
    let planning = |settings: &Settings| {
        let mut texts = settings.to_texts();
        texts.retain(|(key, _)| !cli::PACE.contains(key));
        texts
    };
    let own = policy.is_none() && planning(&stored) == planning(&settings);
    Ok(Laid {
        settings,
        policy,
        own,
    })
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

/// The mistake of a pace that is for measurements only.
pub(crate) fn unlimited() -> Mistake {
    Mistake {
        field: "pace".to_owned(),
        message: "pace is `unlimited`; it can be fixed or auto".to_owned(),
    }
}

/// The plan of model lists.
pub(crate) fn models(source: Source, laid: &Laid, go_on: bool) -> Request {
    Request {
        source,
        settings: laid.settings.clone(),
        policy: laid.policy,
        unattended: false,
        own_settings: laid.own,
        go_on,
        after: None,
        ahead: Ahead::default(),
    }
}

/// The plan of prices, from the sources that the site remembers.
pub(crate) async fn prices(
    app: &App,
    site: &Site,
    what: What,
    laid: &Laid,
    go_on: bool,
) -> Result<PriceRequest, Problem> {
    let stored = app.store().sources(&site.id).await?;
    if stored.is_empty() {
        return Err(lockstep_run::EngineError::NoSource.into());
    }
    let broken = |error: anyhow::Error| {
        Problem::new(StatusCode::CONFLICT, "bad_source", format!("{error:#}"))
            .hint("Remove that source and add it again.")
    };
    let mut wanted = Vec::with_capacity(stored.len());
    for source in &stored {
        wanted.push(cli::wanted(&source.spec).map_err(broken)?);
    }
    Ok(PriceRequest {
        collecting: Collecting {
            wanted,
            time_limit: laid.settings.prices.timeout,
            allow: allowed(app).map_err(broken)?,
            max_retries: laid.settings.max_retries,
        },
        whole: laid.own && what == What::Sources,
        settings: laid.settings.clone(),
        unattended: false,
        go_on,
        what,
        coming: BTreeSet::new(),
        trigger: if go_on { "sync" } else { "plan" },
    })
}

/// Begins a job for a caller and tells its run.
pub(crate) async fn start(
    app: &App,
    caller: &Caller,
    access: SiteAccess,
    settings: Settings,
    order: Order,
) -> Result<String, Problem> {
    let job = Job {
        access,
        settings,
        actor: caller.actor(),
        order,
    };
    Ok(app.jobs().start(job).await?)
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

/// Networks that price sources may be in beside those of the site: the file's and the environment's.
fn allowed(app: &App) -> anyhow::Result<Vec<Cidr>> {
    let mut texts = app.file().allow_private.clone();
    if let Some(list) = cli::variable("LOCKSTEP_ALLOW_PRIVATE") {
        texts.extend(list.split([',', ' ']).map(str::to_owned));
    }
    texts
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .map(|text| parse_cidr(text).map_err(anyhow::Error::from))
        .collect()
}

fn text_of(settings: &Settings, key: &str) -> String {
    let texts = settings.to_texts();
    texts
        .into_iter()
        .find(|(known, _)| *known == key)
        .map_or_else(String::new, |(_, text)| text)
}
