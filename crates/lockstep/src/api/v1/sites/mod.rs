//! Sites: the gateways that Lockstep knows.

mod check;
mod look;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use lockstep_store::sites::{NewSite, Site as Stored, SiteEdit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::settings::{SettingValue, read};
use crate::api::extract::{Body, Path, Query};
use crate::api::orders;
use crate::connecting::{self, Bad};
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::Problem;
use check::{told, wrong_site};
use look::{look, untrusted};

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
    /// The gateway's base address. Only a person who signed in names one that no site has.
    url: String,
    /// The gateway's user id that the token belongs to, a number.
    user_id: String,
    /// The system access token of an admin. It is stored encrypted and never answered.
    #[schema(write_only)]
    token: String,
    /// The address of the gateway's console for people, where it is another one.
    console_url: Option<String>,
    /// Networks (CIDR) that price sources may be in although they are private. Only a person who signed in names some.
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
    /// Another address of the same gateway. The token must be given again with it, and only a person who signed in names
    /// one that no site has.
    url: Option<String>,
    /// The gateway's user id that the token belongs to, a number.
    user_id: Option<String>,
    /// Another token.
    #[schema(write_only)]
    token: Option<String>,
    /// The address of the gateway's console; an empty text forgets it.
    console_url: Option<String>,
    /// The networks (CIDR) that price sources may be in although they are private, all of them. Only a person who signed
    /// in names new ones.
    allow_private: Option<Vec<String>>,
}

/// Which site is really meant to go.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Confirm {
    /// The site's name once more, or its address where it has no name.
    confirm: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(one, edit, remove))
        .routes(routes!(make_default))
        .merge(look::routes())
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

/// Adds a site. It is looked at first; with something wrong it is not kept, unless `untested` says so. An address that no
/// site has is named by a person.
#[utoipa::path(post, path = "/sites", tag = "sites", request_body = SiteToAdd,
    responses((status = 201, body = Site), (status = "default", body = Problem)))]
async fn add(
    State(app): State<App>,
    Writer(caller): Writer,
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
    orders::may_name(&app, &caller, &url).await?;
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
        console_url: new.console_url.filter(|url| !url.trim().is_empty()),
        allow_private: new.allow_private,
        settings,
        token: Some(token),
    };
    let site = connecting::keep(&app, &caller, site, new.is_default).await?;
    let place = format!("/api/v1/sites/{}", site.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, place)],
        Json(site.into()),
    ))
}

/// Changes a site. Another address needs the token again, so that it cannot be sent where its owner did not mean, and is
/// named by a person.
#[utoipa::path(patch, path = "/sites/{site}", tag = "sites", request_body = SiteChange,
    responses((status = 200, body = Site), (status = "default", body = Problem)))]
async fn edit(
    State(app): State<App>,
    Writer(caller): Writer,
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
    if let Some(url) = &url {
        orders::may_name(&app, &caller, url).await?;
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
    let site = connecting::change(&app, &caller, &site, edit, token).await?;
    Ok(Json(site.into()))
}

/// Removes a site with its runs, holds, sources and token. What is on the gateway stays as it is.
#[utoipa::path(delete, path = "/sites/{site}", tag = "sites", params(Confirm),
    responses((status = 204, description = "It is forgotten."), (status = "default", body = Problem)))]
async fn remove(
    State(app): State<App>,
    Writer(caller): Writer,
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
    connecting::remove(&app, &caller, &site).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a site the one that is meant when no site is named.
#[utoipa::path(put, path = "/sites/{site}/default", tag = "sites",
    responses((status = 200, body = Site), (status = "default", body = Problem)))]
async fn make_default(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(site): Path<String>,
) -> Result<Json<Site>, Problem> {
    let site = orders::site(&app, &site).await?;
    let site = connecting::make_default(&app, &caller, &site).await?;
    Ok(Json(site.into()))
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
