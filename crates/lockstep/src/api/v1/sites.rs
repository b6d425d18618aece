//! Sites: the gateways that Lockstep knows.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use lockstep_run::SiteAccess;
use lockstep_run::doctor::Level;
use lockstep_store::sites::{NewSite, Site as Stored, SiteEdit};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::settings::{SettingValue, read};
use crate::api::extract::{Body, Path, Query};
use crate::api::orders;
use crate::cli;
use crate::connecting::{self, Bad};
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::{Mistake, Problem};

/// A gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    /// Its id, which never changes; it can stand in an address in place of the name.
    id: String,
    /// Its name; without one it is known by its address only.
    name: Option<String>,
    /// The gateway's base address.
    url: String,
    /// The gateway's user id that the token belongs to.
    user_id: String,
    /// The address of the gateway's console for people, where it is another one.
    console_url: Option<String>,
    /// Whether it is meant when no site is named.
    is_default: bool,
    /// Networks that price sources may be in although they are private.
    allow_private: Vec<String>,
    /// Whether a token is stored. The token itself is never answered.
    has_token: bool,
}

/// Sites.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sites {
    sites: Vec<Site>,
}

/// A gateway to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteToAdd {
    /// Its name.
    name: String,
    /// The gateway's base address.
    url: String,
    /// The gateway's user id that the token belongs to, a number.
    user_id: String,
    /// The system access token of an admin. It is stored encrypted and never answered.
    #[schema(write_only)]
    token: String,
    /// The address of the gateway's console for people, where it is another one.
    console_url: Option<String>,
    /// Networks (CIDR) that price sources may be in although they are private.
    #[serde(default)]
    allow_private: Vec<String>,
    /// Settings, by key.
    #[serde(default)]
    settings: BTreeMap<String, SettingValue>,
    /// Keeps it without looking at the gateway first.
    #[serde(default)]
    untested: bool,
    /// Makes it the one that is meant when no site is named. The first site always is.
    #[serde(default)]
    is_default: bool,
}

/// What to change of a gateway; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteChange {
    /// Another name.
    name: Option<String>,
    /// Another address of the same gateway. The token must be given again with it.
    url: Option<String>,
    /// The gateway's user id that the token belongs to, a number.
    user_id: Option<String>,
    /// Another token.
    #[schema(write_only)]
    token: Option<String>,
    /// The address of the gateway's console; an empty text forgets it.
    console_url: Option<String>,
    /// The networks (CIDR) that price sources may be in although they are private, all of them.
    allow_private: Option<Vec<String>>,
}

/// A gateway to look at, without storing anything of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteToTest {
    /// The gateway's base address.
    url: String,
    /// The gateway's user id that the token belongs to, a number.
    user_id: String,
    /// The system access token of an admin.
    #[schema(write_only)]
    token: String,
}

/// Which site is really meant to go.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Confirm {
    /// The site's name once more, or its address where it has no name.
    confirm: Option<String>,
}

/// What a look at a gateway found.
#[derive(Debug, Serialize, ToSchema)]
struct Test {
    /// Whether nothing is wrong.
    ok: bool,
    /// One line a topic.
    #[schema(value_type = Vec<Finding>)]
    findings: Vec<Value>,
}

/// One line of a look at a gateway.
#[derive(Debug, Serialize, ToSchema)]
struct Finding {
    /// What it is about, as a code.
    topic: String,
    /// `ok`, `notice` or `wrong`.
    level: String,
    /// What was found, in words.
    message: String,
    /// What to do, in words; may be empty.
    hint: String,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(test_new))
        .routes(routes!(one, edit, remove))
        .routes(routes!(test))
        .routes(routes!(make_default))
}

/// All sites.
#[utoipa::path(get, path = "/sites", tag = "sites",
    responses((status = 200, body = Sites), (status = "default", body = Problem)))]
async fn list(State(app): State<App>, _: Reader) -> Result<Json<Sites>, Problem> {
    let sites = app.store().sites().await?;
    Ok(Json(Sites {
        sites: sites.into_iter().map(Site::from).collect(),
    }))
}

/// One site.
#[utoipa::path(get, path = "/sites/{site}", tag = "sites",
    responses((status = 200, body = Site), (status = "default", body = Problem)))]
async fn one(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
) -> Result<Json<Site>, Problem> {
    Ok(Json(orders::site(&app, &site).await?.into()))
}

/// Adds a site. It is looked at first; with something wrong it is not kept, unless `untested` says so.
#[utoipa::path(post, path = "/sites", tag = "sites", request_body = SiteToAdd,
    responses((status = 201, body = Site), (status = "default", body = Problem)))]
async fn add(
    State(app): State<App>,
    _: Writer,
    Body(new): Body<SiteToAdd>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Site>), Problem> {
    let mut bad = Vec::new();
    connecting::name(&mut bad, &new.name);
    let url = connecting::address(&mut bad, &new.url);
    connecting::user_id(&mut bad, &new.user_id);
    connecting::console(&mut bad, new.console_url.as_deref().unwrap_or(""));
    connecting::networks(&mut bad, &new.allow_private);
    let token = connecting::token(&mut bad, Some(&new.token));
    let (settings, wrong) = read(&new.settings);
    let mut mistakes = told(bad);
    mistakes.extend(wrong);
    let (Some(url), Some(token), true) = (url, token, mistakes.is_empty()) else {
        return Err(wrong_site(mistakes));
    };
    connecting::is_free(&app, &new.name).await?;
    if !new.untested {
        let probe = connecting::probe(&new.name, &url, &new.user_id);
        let found = look(&app, probe, token.clone()).await;
        if !found.ok {
            return Err(untrusted(&found));
        }
    }
    let site = NewSite {
        name: Some(new.name),
        url,
        user_id: new.user_id,
        console_url: new.console_url,
        allow_private: new.allow_private,
        settings,
        token: Some(token),
    };
    let site = connecting::keep(&app, site, new.is_default).await?;
    let place = format!("/api/v1/sites/{}", site.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, place)],
        Json(site.into()),
    ))
}

/// Changes a site. Another address needs the token again, so that it cannot be sent where its owner did not mean.
#[utoipa::path(patch, path = "/sites/{site}", tag = "sites", request_body = SiteChange,
    responses((status = 200, body = Site), (status = "default", body = Problem)))]
async fn edit(
    State(app): State<App>,
    _: Writer,
    Path(site): Path<String>,
    Body(change): Body<SiteChange>,
) -> Result<Json<Site>, Problem> {
    let site = orders::site(&app, &site).await?;
    let mut bad = Vec::new();
    if let Some(name) = &change.name {
        connecting::name(&mut bad, name);
    }
    let url = change
        .url
        .as_ref()
        .and_then(|url| connecting::address(&mut bad, url));
    if let Some(text) = &change.user_id {
        connecting::user_id(&mut bad, text);
    }
    connecting::console(&mut bad, change.console_url.as_deref().unwrap_or(""));
    connecting::networks(&mut bad, change.allow_private.as_deref().unwrap_or(&[]));
    let token = connecting::token(&mut bad, change.token.as_deref());
    let elsewhere = url.as_ref().is_some_and(|url| *url != site.url);
    if elsewhere && site.has_token && change.token.is_none() {
        bad.push(Bad::TokenAgain);
    }
    if !bad.is_empty() {
        return Err(wrong_site(told(bad)));
    }
    let edit = SiteEdit {
        name: change.name,
        url,
        user_id: change.user_id,
        console_url: change
            .console_url
            .map(|url| (!url.trim().is_empty()).then_some(url)),
        is_default: None,
        allow_private: change.allow_private,
        settings: None,
    };
    let site = connecting::change(&app, &site, edit, token).await?;
    Ok(Json(site.into()))
}

/// Removes a site with its runs, holds, sources and token. What is on the gateway stays as it is.
#[utoipa::path(delete, path = "/sites/{site}", tag = "sites", params(Confirm),
    responses((status = 204, description = "It is forgotten."), (status = "default", body = Problem)))]
async fn remove(
    State(app): State<App>,
    _: Writer,
    Path(site): Path<String>,
    Query(confirm): Query<Confirm>,
) -> Result<StatusCode, Problem> {
    let site = orders::site(&app, &site).await?;
    let name = site.name.clone().unwrap_or_else(|| site.url.to_string());
    if confirm.confirm.as_ref() != Some(&name) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "not_confirmed",
            format!("`{name}` was not removed: it was not named once more"),
        )
        .hint("Add `?confirm=` with the site's name. Its runs, holds and history go with it."));
    }
    let _alone = app.engine().alone(&site).await?;
    app.store().remove_site(&site.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a site the one that is meant when no site is named.
#[utoipa::path(put, path = "/sites/{site}/default", tag = "sites",
    responses((status = 200, body = Site), (status = "default", body = Problem)))]
async fn make_default(
    State(app): State<App>,
    _: Writer,
    Path(site): Path<String>,
) -> Result<Json<Site>, Problem> {
    let site = orders::site(&app, &site).await?;
    let site = connecting::make_default(&app, &site.id).await?;
    Ok(Json(site.into()))
}

/// Looks at a stored site's gateway, with reading requests only.
#[utoipa::path(post, path = "/sites/{site}/test", tag = "sites",
    responses((status = 200, body = Test), (status = "default", body = Problem)))]
async fn test(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(site): Path<String>,
) -> Result<Json<Test>, Problem> {
    let site = orders::site(&app, &site).await?;
    tracing::info!(site = %site.url, by = caller.actor(), "a gateway is looked at");
    let SiteAccess { site, token } = orders::access(&app, site).await?;
    Ok(Json(look(&app, site, token).await))
}

/// Looks at a gateway that is not stored, with reading requests only. Nothing of it is kept.
#[utoipa::path(post, path = "/sites/test", tag = "sites", request_body = SiteToTest,
    responses((status = 200, body = Test), (status = "default", body = Problem)))]
async fn test_new(
    State(app): State<App>,
    _: Writer,
    Body(new): Body<SiteToTest>,
) -> Result<Json<Test>, Problem> {
    let mut bad = Vec::new();
    let url = connecting::address(&mut bad, &new.url);
    connecting::user_id(&mut bad, &new.user_id);
    let token = connecting::token(&mut bad, Some(&new.token));
    match (url, token, bad.is_empty()) {
        (Some(url), Some(token), true) => {
            let probe = connecting::probe("test", &url, &new.user_id);
            Ok(Json(look(&app, probe, token).await))
        }
        _ => Err(wrong_site(told(bad))),
    }
}

async fn look(app: &App, site: Stored, token: SecretString) -> Test {
    let (ok, findings) = connecting::look(app, site, token).await;
    Test {
        ok,
        findings: findings.iter().map(cli::finding_as_json).collect(),
    }
}

/// Every mistake by its field.
fn told(bad: Vec<Bad>) -> Vec<Mistake> {
    let told = |bad: &Bad| Mistake {
        field: bad.field().to_owned(),
        message: bad.message(),
    };
    bad.iter().map(told).collect()
}

fn untrusted(found: &Test) -> Problem {
    let wrong = found
        .findings
        .iter()
        .filter(|finding| finding["level"] == Level::Wrong.code());
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mistakes = wrong
        .map(|finding| Mistake {
            field: text(&finding["topic"]),
            message: format!("{} {}", text(&finding["message"]), text(&finding["hint"])),
        })
        .collect();
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "site_wrong",
        "the site was not kept: something is wrong with its gateway",
    )
    .hint("Mend what `errors` says, or add it with `untested`.")
    .mistakes(mistakes)
}

fn wrong_site(mistakes: Vec<Mistake>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad_site",
        "the site cannot be taken as it was given",
    )
    .hint("`errors` has every mistake.")
    .mistakes(mistakes)
}

impl From<Stored> for Site {
    fn from(site: Stored) -> Self {
        Self {
            id: site.id,
            name: site.name,
            url: site.url.to_string(),
            user_id: site.user_id,
            console_url: site.console_url,
            is_default: site.is_default,
            allow_private: site.allow_private,
            has_token: site.has_token,
        }
    }
}
