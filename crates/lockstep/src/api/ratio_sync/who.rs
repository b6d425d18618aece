//! Who may use price sync: the gateway's root, by the gateway's own word, a token of ours that was made for it, or a person
//! who signed in.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use lockstep_run::identity::Role;
use lockstep_store::sites::Site;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::asked::{Asking, NotAsked};
use super::{Desk, Refusal};
use crate::api::orders;
use crate::server::App;
use crate::server::caller::{Caller, Scope};
use crate::server::door::tokens::WORD;
use crate::server::door::{self, address::Client};
use crate::server::problem::Problem;
use crate::words::en;

/// The header with the user's id.
const USER: &str = "new-api-user";

/// Lets the gateway's root in, tokens of ours with the scope, and people, who all have it. Answers the site that is meant, and who came.
pub(super) async fn let_in(
    app: &App,
    desk: &Desk,
    site: Option<&str>,
    parts: &Parts,
) -> Result<(Site, String), Refusal> {
    let known = parts.extensions.get::<Caller>();
    if let Some(caller) = known.filter(|caller| caller.may(Scope::RatioSync)) {
        let site = find(app, site)
            .await
            .map_err(|problem| Refusal::new(problem.status(), problem.title()))?;
        return Ok((site, caller.actor()));
    }
    if known.is_some() {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "This token of Lockstep does not have the scope ratio-sync",
        ));
    }
    let token = token(parts)?;
    // A token of ours that the door does not know is nobody's, and no gateway's business.
    if token.expose_secret().starts_with(WORD) {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "This token of Lockstep is not known, or has ended",
        ));
    }
    let user_id = user_id(parts)?;
    // Whoever has no token learns nothing, not even which sites there are.
    let site = find(app, site).await.map_err(|_| not_known())?;
    let role = role(app, desk, &site, token, user_id, address(parts)).await?;
    match role {
        Some(Role::Root) => Ok((site, "root of the gateway".to_owned())),
        Some(Role::Admin | Role::Common) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Only the gateway's root user may sync prices; use the root user's access token",
        )),
        None => Err(not_known()),
    }
}

async fn find(app: &App, site: Option<&str>) -> Result<Site, Problem> {
    match site {
        Some(name) => orders::site(app, name).await,
        None => orders::default_site(app).await,
    }
}

fn not_known() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "The gateway does not know this access token, or not as this user's; send the root user's in Authorization, and his id in New-Api-User",
    )
}

/// The token, with or without `Bearer`.
fn token(parts: &Parts) -> Result<SecretString, Refusal> {
    let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
    let only = match (given.next(), given.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    };
    // A password of the way, as `Basic` is one, is no token, and no gateway's business.
    let token = only.and_then(|text| door::bearer(text).or_else(|| door::bare(text)));
    let token = token.filter(|token| !token.is_empty());
    token.map(SecretString::from).ok_or_else(|| {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "No access token was sent; send the root user's as `Authorization: Bearer TOKEN`",
        )
    })
}

/// The user that the caller says he is, with or without `Bearer`; gateways of today take it from the token.
fn user_id(parts: &Parts) -> Result<Option<i64>, Refusal> {
    let Some(given) = parts.headers.get(USER) else {
        return Ok(None);
    };
    let given = given.to_str().ok().map(str::trim);
    let number = given.and_then(|text| door::bearer(text).unwrap_or(text).parse().ok());
    number.map(Some).ok_or_else(|| {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "New-Api-User must be the number of the user, as in `New-Api-User: 1`",
        )
    })
}

/// Whence the request comes, as the door made it out.
fn address(parts: &Parts) -> IpAddr {
    let client = parts.extensions.get::<Client>();
    client.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| client.0)
}

async fn role(
    app: &App,
    desk: &Desk,
    site: &Site,
    token: SecretString,
    user_id: Option<i64>,
    address: IpAddr,
) -> Result<Option<Role>, Refusal> {
    let asking = Asking {
        site: site.id.clone(),
        token: Sha256::digest(token.expose_secret()).into(),
        user_id,
        address,
    };
    let (now, asked) = (app.now(), app.clone());
    let site = site.clone();
    let ask = || async move {
        let engine = asked.engine();
        let role = engine.who_is(&site, &token, user_id).await;
        (role, asked.now())
    };
    desk.asked
        .of(asking, now, ask)
        .await
        .map_err(|not_asked| match not_asked {
            NotAsked::TooMany => Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many unknown access tokens came from this address; wait a minute",
            ),
            // Whoever asks may be anybody: what the gateway said is for the log.
            NotAsked::Outage(failure) => {
                let said = en::price_failure(&failure).message;
                tracing::warn!(
                    why = said,
                    "the gateway could not be asked whose a token is"
                );
                Refusal::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The gateway could not be asked whose token this is; try again in a moment",
                )
            }
        })
}
