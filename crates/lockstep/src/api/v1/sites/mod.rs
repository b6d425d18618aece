//! Sites: the gateways that Lockstep knows.

mod check;
mod look;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use lockstep_store::sites::{NewSite, Site as Stored, SiteEdit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deeds;
use super::settings::{SettingValue, read};
use crate::api::extract::{Body, Path, Query};
use crate::api::orders;
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::{Mistake, Problem};
use check::{address, named, networks, token, user_id, wrong_site};
use look::{look, probe, untrusted};

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

/// Which site is really meant to go.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Confirm {
    /// The site's name once more, or its address where it has no name.
    confirm: Option<String>,
}

impl SiteChange {
    /// What it changes, by name.
    fn fields(&self) -> Vec<&'static str> {
        let Self {
            name,
            url,
            user_id,
            token,
            console_url,
            allow_private,
        } = self;
        let given = [
            ("name", name.is_some()),
            ("url", url.is_some()),
            ("user_id", user_id.is_some()),
            ("token", token.is_some()),
            ("console_url", console_url.is_some()),
            ("allow_private", allow_private.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        given.map(|(name, _)| name).collect()
    }
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

/// Adds a site. It is looked at first; with something wrong it is not kept, unless `untested` says so.
#[utoipa::path(post, path = "/sites", tag = "sites", request_body = SiteToAdd,
    responses((status = 201, body = Site), (status = "default", body = Problem)))]
async fn add(
    State(app): State<App>,
    Writer(caller): Writer,
    Body(new): Body<SiteToAdd>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Site>), Problem> {
    let mut mistakes = Vec::new();
    named(&mut mistakes, &new.name);
    let url = address(&mut mistakes, &new.url);
    user_id(&mut mistakes, &new.user_id);
    networks(&mut mistakes, &new.allow_private);
    let token = token(&mut mistakes, Some(&new.token));
    let (settings, wrong) = read(&new.settings);
    mistakes.extend(wrong);
    let (Some(url), Some(token), true) = (url, token, mistakes.is_empty()) else {
        return Err(wrong_site(mistakes));
    };
    let store = app.store();
    let known = store.sites().await?;
    if known
        .iter()
        .any(|site| site.name.as_ref() == Some(&new.name))
    {
        return Err(lockstep_store::StoreError::Conflict(new.name).into());
    }
    if !new.untested {
        let found = look(&app, probe(&new.name, &url, &new.user_id), token.clone()).await;
        if !found.ok {
            return Err(untrusted(&found));
        }
    }
    let nameless = known
        .iter()
        .find(|site| site.name.is_none() && site.url == url);
    let mut site = match nameless {
        // Ad hoc runs on this address belong to it: their memory tells what was edited by hand.
        Some(nameless) => {
            let settings = settings.into_iter().map(|(key, value)| (key, Some(value)));
            let edit = SiteEdit {
                name: Some(new.name),
                user_id: Some(new.user_id),
                console_url: Some(new.console_url),
                allow_private: Some(new.allow_private),
                settings: Some(settings.collect()),
                ..SiteEdit::default()
            };
            store.edit_site(&nameless.id, edit).await?;
            store.set_token(&nameless.id, Some(token)).await?;
            store.site(&nameless.id).await?
        }
        None => {
            let site = NewSite {
                name: Some(new.name),
                url,
                user_id: new.user_id,
                console_url: new.console_url,
                allow_private: new.allow_private,
                settings,
                token: Some(token),
            };
            store.add_site(site, app.now()).await?
        }
    };
    let first = !known.iter().any(|site| site.name.is_some());
    if new.is_default || first {
        site = default_site(&app, &site.id).await?;
    }
    let data = json!({ "name": site.name, "url": site.url.to_string() });
    deeds::note(&app, &caller, Some(&site), "site_added", &data).await;
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
    Writer(caller): Writer,
    Path(site): Path<String>,
    Body(change): Body<SiteChange>,
) -> Result<Json<Site>, Problem> {
    let site = orders::site(&app, &site).await?;
    let mut mistakes = Vec::new();
    if let Some(name) = &change.name {
        named(&mut mistakes, name);
    }
    let url = change
        .url
        .as_ref()
        .and_then(|url| address(&mut mistakes, url));
    if let Some(text) = &change.user_id {
        user_id(&mut mistakes, text);
    }
    networks(
        &mut mistakes,
        change.allow_private.as_deref().unwrap_or(&[]),
    );
    let token = token(&mut mistakes, change.token.as_deref());
    let elsewhere = url.as_ref().is_some_and(|url| *url != site.url);
    if elsewhere && site.has_token && change.token.is_none() {
        mistakes.push(Mistake {
            field: "token".to_owned(),
            message: "the stored token was given for the address that the site has; give it again with another address"
                .to_owned(),
        });
    }
    if !mistakes.is_empty() {
        return Err(wrong_site(mistakes));
    }
    let changed = change.fields();
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
    // A run that works with the old address or token goes on with it; nothing of it is mixed.
    if elsewhere && token.is_some() {
        app.store().set_token(&site.id, None).await?;
    }
    app.store().edit_site(&site.id, edit).await?;
    if token.is_some() {
        app.store().set_token(&site.id, token).await?;
    }
    let data = json!({ "changed": changed });
    deeds::note(&app, &caller, Some(&site), "site_changed", &data).await;
    Ok(Json(app.store().site(&site.id).await?.into()))
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
    let _alone = app.engine().alone(&site).await?;
    app.store().remove_site(&site.id).await?;
    let data = json!({ "name": site.name, "url": site.url.to_string() });
    deeds::note(&app, &caller, Some(&site), "site_removed", &data).await;
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
    let site = default_site(&app, &site.id).await?;
    deeds::note(&app, &caller, Some(&site), "site_default", &json!({})).await;
    Ok(Json(site.into()))
}

async fn default_site(app: &App, id: &str) -> Result<Stored, Problem> {
    let edit = SiteEdit {
        is_default: Some(true),
        ..SiteEdit::default()
    };
    Ok(app.store().edit_site(id, edit).await?)
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
