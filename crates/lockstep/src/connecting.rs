//! Connecting a gateway: what is given of it is checked, it is looked at, and it is kept. The API and the pages ask the
//! same functions.

use std::collections::BTreeMap;

use lockstep_core::prices::source::parse_cidr;
use lockstep_core::settings::{PaceMode, Settings};
use lockstep_core::site::{BadUrl, GatewayUrl};
use lockstep_run::doctor::{Finding, Level};
use lockstep_run::{EngineError, SiteAccess};
use lockstep_store::sites::{NewSite, Site, SiteEdit};
use lockstep_store::{Store, StoreError};
use secrecy::SecretString;
use url::Url;

use crate::api::orders;
use crate::cli;
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::problem::Problem;

/// What is wrong with what was given of a gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The name is empty, has blanks at its ends, or is a word of the addresses.
    Name,
    /// The base address is none.
    Url(BadUrl),
    /// The user id is no number.
    UserId,
    /// The token is empty, or cannot be sent.
    Token,
    /// The token belongs to another address and must be given again.
    TokenAgain,
    /// The console's address is none.
    Console,
    /// This is no network.
    Network {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Bad {
    /// The field that it is in.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Url(_) => "url",
            Self::UserId => "user_id",
            Self::Token | Self::TokenAgain => "token",
            Self::Console => "console_url",
            Self::Network { .. } => "allow_private",
        }
    }

    /// In words for programs.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Name => {
                "a name has no blanks at its ends, is not empty, and is not `test` or `add`".to_owned()
            }
            Self::Url(bad) => bad.to_string(),
            Self::UserId => "the user id is the number shown under User Management".to_owned(),
            Self::Token => "the token is the system access token of the gateway's Personal Settings, without blanks".to_owned(),
            Self::TokenAgain => "the stored token was given for the address that the site has; give it again with another address".to_owned(),
            Self::Console => "the console's address begins with https:// or http://".to_owned(),
            Self::Network { why, .. } => why.clone(),
        }
    }
}

/// A site's name.
pub(crate) fn name(bad: &mut Vec<Bad>, name: &str) {
    // What stands in the place of a name in addresses is none.
    if name.trim().is_empty() || name.trim() != name || ["test", "add"].contains(&name) {
        bad.push(Bad::Name);
    }
}

/// The gateway's base address.
pub(crate) fn address(bad: &mut Vec<Bad>, url: &str) -> Option<GatewayUrl> {
    GatewayUrl::parse(url)
        .map_err(|error| bad.push(Bad::Url(error)))
        .ok()
}

/// The gateway's user ids are numbers.
pub(crate) fn user_id(bad: &mut Vec<Bad>, text: &str) {
    if text.parse::<u64>().is_err() {
        bad.push(Bad::UserId);
    }
}

/// The console's address, which pages lead to; an empty text is none.
pub(crate) fn console(bad: &mut Vec<Bad>, text: &str) {
    let web = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !text.trim().is_empty() && !web {
        bad.push(Bad::Console);
    }
}

/// Networks in their short form.
pub(crate) fn networks(bad: &mut Vec<Bad>, texts: &[String]) {
    for text in texts {
        if let Err(error) = parse_cidr(text.trim()) {
            bad.push(Bad::Network {
                text: text.clone(),
                why: error.to_string(),
            });
        }
    }
}

/// The token, where one is given.
pub(crate) fn token(bad: &mut Vec<Bad>, text: Option<&str>) -> Option<SecretString> {
    let text = text?.trim();
    // What no header can carry would fail later, in words that are about something else.
    let sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !sendable {
        bad.push(Bad::Token);
        return None;
    }
    Some(SecretString::from(text))
}

/// Looks at a gateway with reading requests only. Returns the lines, and whether nothing is wrong. How long a run takes is
/// told by the site's own pace; the look itself goes at the usual one.
pub(crate) async fn look(app: &App, site: Site, token: SecretString) -> (bool, Vec<Finding>) {
    let settings = Settings {
        pace: PaceMode::Fixed,
        ..Settings::default()
    };
    let chosen = app.ordering().chosen(&site).map(|chosen| chosen.settings);
    let chosen = chosen.unwrap_or_default();
    let session = app.engine().session(SiteAccess { site, token }, &settings);
    let seconds = |requests| cli::seconds_at(&chosen, requests);
    let findings = session.doctor(seconds).await;
    let ok = !findings.iter().any(|finding| finding.level == Level::Wrong);
    (ok, findings)
}

/// A site that is only looked at.
pub(crate) fn probe(name: &str, url: &GatewayUrl, user_id: &str) -> Site {
    Site {
        id: String::new(),
        name: Some(name.to_owned()),
        url: url.clone(),
        user_id: user_id.to_owned(),
        console_url: None,
        is_default: false,
        allow_private: Vec::new(),
        settings: BTreeMap::new(),
        first_write_done: false,
        created_at: 0,
        has_token: true,
    }
}

/// Refuses a name that a site has already.
pub(crate) async fn is_free(app: &App, name: &str) -> Result<(), StoreError> {
    let known = app.store().sites().await?;
    match known.iter().any(|site| site.name.as_deref() == Some(name)) {
        true => Err(StoreError::Conflict(name.to_owned())),
        false => Ok(()),
    }
}

/// Keeps a new site, which has a name. The first one, and one of which it is said, is the default. Private networks are
/// opened by people only.
pub(crate) async fn keep(
    app: &App,
    by: &Caller,
    new: NewSite,
    is_default: bool,
) -> Result<Site, Problem> {
    orders::may_reach_inside(by, &new.allow_private)?;
    let store = app.store();
    let known = store.sites().await?;
    let nameless = known
        .iter()
        .find(|site| site.name.is_none() && site.url == new.url);
    let mut site = match nameless {
        // Ad hoc runs on this address belong to it: their memory tells what was edited by hand.
        Some(nameless) => {
            let settings = new.settings.into_iter();
            let edit = SiteEdit {
                name: new.name,
                user_id: Some(new.user_id),
                console_url: Some(new.console_url),
                allow_private: Some(new.allow_private),
                settings: Some(settings.map(|(key, value)| (key, Some(value))).collect()),
                ..SiteEdit::default()
            };
            store.edit_site(&nameless.id, edit).await?;
            store.set_token(&nameless.id, new.token).await?;
            store.site(&nameless.id).await?
        }
        None => store.add_site(new, app.now()).await?,
    };
    let first = !known.iter().any(|site| site.name.is_some());
    if is_default || first {
        site = set_default(store, &site.id).await?;
    }
    app.note(by, Some(&site), &Deed::site_added(&site)).await;
    Ok(site)
}

/// Changes a site, and its token where another one is given. Private networks are opened by people only.
pub(crate) async fn change(
    app: &App,
    by: &Caller,
    site: &Site,
    edit: SiteEdit,
    token: Option<SecretString>,
) -> Result<Site, Problem> {
    let mut more = edit.allow_private.clone().unwrap_or_default();
    more.retain(|network| !site.allow_private.contains(network));
    orders::may_reach_inside(by, &more)?;
    let store = app.store();
    let changed = fields(&edit, token.is_some());
    let elsewhere = edit.url.as_ref().is_some_and(|url| *url != site.url);
    // A run that works with the old address or token goes on with it; nothing of it is mixed.
    if elsewhere && token.is_some() {
        store.set_token(&site.id, None).await?;
    }
    let deed = Deed::site_changed(&changed);
    let noting = app.noting(by, Some(site), deed);
    noting.edit_site(&site.id, edit).await?;
    if token.is_some() {
        store.set_token(&site.id, token).await?;
    }
    Ok(store.site(&site.id).await?)
}

/// Forgets a site with its runs, holds, sources and token, once nothing works with it. What is on the gateway stays as it
/// is.
pub(crate) async fn remove(app: &App, by: &Caller, site: &Site) -> Result<(), EngineError> {
    let _alone = app.engine().alone(site).await?;
    let noting = app.noting(by, Some(site), Deed::site_removed(site));
    noting.remove_site(&site.id).await?;
    Ok(())
}

/// Makes a site the one that is meant when no site is named.
pub(crate) async fn make_default(app: &App, by: &Caller, site: &Site) -> Result<Site, StoreError> {
    let noting = app.noting(by, Some(site), Deed::site_default());
    set_default(&noting, &site.id).await
}

async fn set_default(store: &Store, id: &str) -> Result<Site, StoreError> {
    let edit = SiteEdit {
        is_default: Some(true),
        ..SiteEdit::default()
    };
    store.edit_site(id, edit).await
}

/// The fields that an edit names, for the deed.
pub(crate) fn fields(edit: &SiteEdit, token: bool) -> Vec<&'static str> {
    let named = [
        ("name", edit.name.is_some()),
        ("url", edit.url.is_some()),
        ("user_id", edit.user_id.is_some()),
        ("console_url", edit.console_url.is_some()),
        ("token", token),
        ("allow_private", edit.allow_private.is_some()),
    ];
    named
        .into_iter()
        .filter_map(|(field, given)| given.then_some(field))
        .collect()
}
