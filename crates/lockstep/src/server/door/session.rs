//! Sessions of people: the cookie, and whose it is.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};
use lockstep_store::sessions::Lasting;
use secrecy::{ExposeSecret as _, SecretString};

use super::{SEEN, secret};
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Scope, Who};
use crate::server::problem::Problem;

/// How long a session lasts: 12 hours without use, 7 days in all.
pub(crate) const LASTING: Lasting = Lasting {
    idle: 12 * HOUR,
    total: 7 * 24 * HOUR,
};
const HOUR: i64 = 3_600_000;

/// The cookie's name. Browsers take one with this prefix only over https, for this host alone and all its paths.
fn name(secure: bool) -> &'static str {
    if secure {
        "__Host-lockstep"
    } else {
        "lockstep"
    }
}

/// The sign-in token that a browser shows.
pub(super) fn token(headers: &HeaderMap, secure: bool) -> Option<SecretString> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name(secure))
        .map(|cookie| SecretString::from(cookie.value()))
}

/// The person whose sign-in token this is, while the session lasts.
pub(super) async fn person(app: &App, token: &SecretString) -> Result<Option<Caller>, Problem> {
    let now = app.now();
    let digest = secret::digest(token);
    let Some(session) = app.store().session(&digest).await? else {
        return Ok(None);
    };
    if !session.holds(LASTING, now) {
        return Ok(None);
    }
    if now - session.seen_at >= SEEN
        && let Err(error) = app.store().touch_session(&digest, now).await
    {
        tracing::warn!(%error, "the use of a session was not written down");
    }
    Ok(Some(Caller {
        who: Who::Person {
            name: session.person,
            session: digest,
        },
        scopes: vec![Scope::RatioSync, Scope::Apply],
    }))
}

/// Signs a person in, and returns the header that gives his browser the token.
pub(crate) async fn begin(app: &App, person: &str) -> Result<HeaderValue, Problem> {
    let token = secret::made("");
    let digest = secret::digest(&token);
    app.store()
        .add_session(&digest, person, LASTING, app.now())
        .await?;
    cookie(app, token.expose_secret(), LASTING.total / 1000)
}

/// The header that takes the token away from a browser.
pub(crate) fn end(app: &App) -> Result<HeaderValue, Problem> {
    cookie(app, "", 0)
}

/// A sign-in that holds, as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignIn {
    /// By what it is ended: the first digits of its token's digest, which let nobody in.
    pub(crate) id: String,
    /// Who signed in.
    pub(crate) person: String,
    /// When, in Unix milliseconds.
    pub(crate) created_at: i64,
    /// When it was last used, in Unix milliseconds, to the minute.
    pub(crate) seen_at: i64,
    /// Whether it is that of whoever asks.
    pub(crate) own: bool,
}

/// How many digits of a digest tell sign-ins apart.
const DIGITS: usize = 16;

/// The sign-ins that hold, the last used one first.
pub(crate) async fn all(app: &App, by: &Caller) -> Result<Vec<SignIn>, Problem> {
    let now = app.now();
    let listed = app.store().sessions().await?.into_iter();
    let holding = listed.filter(|one| one.session.holds(LASTING, now));
    Ok(holding
        .map(|one| SignIn {
            own: own(by) == Some(one.hash.as_str()),
            id: one.hash.chars().take(DIGITS).collect(),
            person: one.session.person,
            created_at: one.session.created_at,
            seen_at: one.session.seen_at,
        })
        .collect())
}

/// Ends the sign-in of an id.
pub(crate) async fn end_one(app: &App, by: &Caller, id: &str) -> Result<(), Problem> {
    let listed = app.store().sessions().await?;
    let found = listed
        .iter()
        .find(|one| id.chars().count() == DIGITS && one.hash.starts_with(id));
    let found = found.ok_or_else(|| Problem::not_found("sign-in"))?;
    app.store().remove_session(&found.hash).await?;
    app.door().ends_some();
    app.note(by, None, &Deed::sessions_ended(1)).await;
    Ok(())
}

/// Ends all sign-ins of whoever asks but the one that he asks by. Returns how many that were.
pub(crate) async fn end_others(app: &App, by: &Caller) -> Result<u64, Problem> {
    let Who::Person { name, session } = &by.who else {
        return Ok(0);
    };
    let ended = app.store().remove_other_sessions(name, session).await?;
    if ended > 0 {
        app.door().ends_some();
        app.note(by, None, &Deed::sessions_ended(ended)).await;
    }
    Ok(ended)
}

fn own(by: &Caller) -> Option<&str> {
    match &by.who {
        Who::Person { session, .. } => Some(session),
        Who::Token { .. } => None,
    }
}

fn cookie(app: &App, token: &str, seconds: i64) -> Result<HeaderValue, Problem> {
    let secure = app.options().secure();
    let cookie = Cookie::build((name(secure), token))
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Strict)
        .max_age(cookie::time::Duration::seconds(seconds))
        .build();
    let mut value = HeaderValue::try_from(cookie.to_string()).map_err(|_| Problem::internal())?;
    // Not to be written to any log on the way.
    value.set_sensitive(true);
    Ok(value)
}
