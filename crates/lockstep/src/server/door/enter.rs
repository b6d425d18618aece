//! Coming in: by a password, or by a one-time link that sets one. The API and the pages ask the same functions.

use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;

use super::address::Client;
use super::limits::TooMany;
use super::password::{ADMIN, Unfit, fit};
use super::{secret, session};
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Who};
use crate::server::problem::Problem;

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum NotLetIn {
    /// He tried too often.
    TooMany(TooMany),
    /// The name or the password is wrong.
    Wrong,
    /// The new password cannot be one.
    Unfit(Unfit),
    /// The link was used, or its day is over.
    LinkOver,
    /// We failed.
    Failed(Problem),
}

impl From<Problem> for NotLetIn {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl IntoResponse for NotLetIn {
    fn into_response(self) -> Response {
        match self {
            Self::TooMany(too_many) => too_many.into_response(),
            other => other.problem().into_response(),
        }
    }
}

impl NotLetIn {
    /// What programs are told of all but too many tries.
    fn problem(self) -> Problem {
        use axum::http::StatusCode;
        match self {
            Self::Failed(problem) => problem,
            Self::Unfit(unfit) => {
                Problem::new(StatusCode::BAD_REQUEST, "unfit_password", unfit.words())
            }
            Self::LinkOver => Problem::new(
                StatusCode::UNAUTHORIZED,
                "link_over",
                "this link cannot be used: it was used already, or its day is over",
            )
            .hint("`lockstep password reset` on the server makes another one."),
            Self::Wrong | Self::TooMany(_) => Problem::new(
                StatusCode::UNAUTHORIZED,
                "wrong_password",
                "the name or the password is wrong",
            )
            .hint(
                "Lost? `lockstep password reset` on the server makes a link that sets a new one.",
            ),
        }
    }
}

/// Signs a person in by his password, and returns the header that gives his browser the session.
pub(crate) async fn by_password(
    app: &App,
    client: Client,
    name: &str,
    password: SecretString,
) -> Result<HeaderValue, NotLetIn> {
    guess(app, client, name, password).await?;
    note(app, name, Deed::sign_in(&client.0)).await?;
    Ok(session::begin(app, name).await?)
}

/// Sets the password by a one-time link, signs in, and ends all other sessions.
pub(crate) async fn by_link(
    app: &App,
    client: Client,
    link: SecretString,
    password: SecretString,
) -> Result<HeaderValue, NotLetIn> {
    let (store, now) = (app.store(), app.now());
    let tries = &app.door().links;
    tries.take(client.0, now).map_err(NotLetIn::TooMany)?;
    fit(&password).map_err(NotLetIn::Unfit)?;
    let digest = secret::digest(&link);
    // Only whoever has the link has anything hashed.
    let holds = store.link_holds(&digest, now).await;
    if !holds.map_err(Problem::from)? {
        return Err(NotLetIn::LinkOver);
    }
    let kept = kept(app, password).await?;
    let used = store.use_link(&digest, ADMIN, &kept, now).await;
    if !used.map_err(Problem::from)? {
        return Err(NotLetIn::LinkOver);
    }
    app.door().ends_some();
    tries.right(client.0);
    note(app, ADMIN, Deed::password(&client.0)).await?;
    Ok(session::begin(app, ADMIN).await?)
}

/// Signs whoever has the demo's word in. Where this is no demo, nobody has it.
pub(crate) async fn by_demo(app: &App, word: SecretString) -> Result<HeaderValue, NotLetIn> {
    if app.options().demo != Some(secret::digest(&word)) {
        return Err(NotLetIn::LinkOver);
    }
    Ok(session::begin(app, ADMIN).await?)
}

/// Changes a person's password; all his other sessions end.
pub(crate) async fn change_password(
    app: &App,
    client: Client,
    (name, session): (&str, &str),
    current: SecretString,
    new: SecretString,
) -> Result<(), NotLetIn> {
    fit(&new).map_err(NotLetIn::Unfit)?;
    guess(app, client, name, current).await?;
    let kept = kept(app, new).await?;
    let set = app
        .store()
        .set_password(name, &kept, Some(session), app.now());
    set.await.map_err(Problem::from)?;
    app.door().ends_some();
    note(app, name, Deed::password(&client.0)).await?;
    Ok(())
}

/// Ends a person's session.
pub(crate) async fn sign_out(app: &App, caller: &Caller) -> Result<(), Problem> {
    if let Who::Person { session, .. } = &caller.who {
        app.store().remove_session(session).await?;
        app.door().ends_some();
    }
    Ok(())
}

/// Counts a guess at a password, and refuses a wrong one.
async fn guess(
    app: &App,
    client: Client,
    name: &str,
    password: SecretString,
) -> Result<(), NotLetIn> {
    let guesses = &app.door().guesses;
    guesses
        .take(client.0, app.now())
        .map_err(NotLetIn::TooMany)?;
    let stored = app.store().password(name).await.map_err(Problem::from)?;
    let right = app.door().passwords.right(password, stored).await;
    if !right.map_err(failed)? {
        // The name is not told: some type their password there.
        tracing::warn!(address = %client.0, "a sign-in was refused");
        return Err(NotLetIn::Wrong);
    }
    guesses.right(client.0);
    Ok(())
}

async fn kept(app: &App, password: SecretString) -> Result<String, Problem> {
    app.door().passwords.kept(password).await.map_err(failed)
}

fn failed(error: anyhow::Error) -> Problem {
    tracing::error!("a password could not be hashed: {error:#}");
    Problem::internal()
}

async fn note(app: &App, who: &str, deed: Deed) -> Result<(), Problem> {
    deed.note(app.store(), None, who, app.now()).await?;
    Ok(())
}
