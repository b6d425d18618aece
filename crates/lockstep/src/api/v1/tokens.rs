//! Tokens of programs.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use lockstep_store::tokens::ApiToken;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::extract::{Body, Path, moment};
use crate::server::App;
use crate::server::caller::Person;
use crate::server::door::tokens::{self, Asked, Bad};
use crate::server::problem::Problem;
use crate::view::json::time;

/// A token of a program. The token itself is shown once, where it is made.
#[derive(Debug, Serialize, ToSchema)]
struct Token {
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// What it may: `read`, `plan`, `apply`, `ratio-sync`; a wider one includes the narrower ones, but for the last.
    scopes: Vec<String>,
    /// Who made it.
    created_by: String,
    /// When; RFC 3339.
    created_at: String,
    /// When it ends; RFC 3339. Without it never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Whether it ends within 14 days, or has ended.
    expires_soon: bool,
    /// When it was last used, to the minute; RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
struct Tokens {
    tokens: Vec<Token>,
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// What people call it.
    name: String,
    /// What it may: `read`, `plan`, `apply`, `ratio-sync`.
    scopes: Vec<String>,
    /// When it ends, such as `2027-01-31T00:00:00Z`; RFC 3339. Without it never.
    expires_at: Option<String>,
}

/// A token that was made. This is the only time that it is shown.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    #[serde(flatten)]
    about: Token,
    /// The token: send it as `Authorization: Bearer`.
    token: String,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(remove))
}

/// All tokens.
#[utoipa::path(
    get,
    path = "/tokens",
    tag = "tokens",
    responses((status = 200, body = Tokens), (status = "default", body = Problem))
)]
async fn list(State(app): State<App>, _: Person) -> Result<Json<Tokens>, Problem> {
    let tokens = app.store().api_tokens().await?;
    let shown = |token| Token::of(token, app.now());
    Ok(Json(Tokens {
        tokens: tokens.into_iter().map(shown).collect(),
    }))
}

/// Makes a token, and shows it this once.
#[utoipa::path(
    post,
    path = "/tokens",
    tag = "tokens",
    request_body = NewToken,
    responses((status = 201, body = MadeToken), (status = "default", body = Problem))
)]
async fn add(
    State(app): State<App>,
    Person(caller): Person,
    Body(asked): Body<NewToken>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<MadeToken>), Problem> {
    let now = app.now();
    let NewToken {
        name,
        scopes,
        expires_at,
    } = asked;
    let expires_at = moment("expires_at", expires_at.as_deref())?;
    let asked = Asked::checked(&name, &scopes, expires_at, caller.actor(), now);
    let asked = asked.map_err(|bad| {
        let first = bad.first().map(Bad::message);
        Problem::bad_request(first.unwrap_or_default())
    })?;
    let (made, token) = tokens::make(app.store(), asked, now).await?;
    let made = MadeToken {
        about: Token::of(made, now),
        token: token.expose_secret().to_owned(),
    };
    // Nobody keeps this answer, the memory of requests with a key included.
    let unkept = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, unkept, Json(made)))
}

/// Ends a token.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    tag = "tokens",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 204), (status = "default", body = Problem))
)]
async fn remove(
    State(app): State<App>,
    Person(caller): Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    tokens::revoke(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Token {
    fn of(token: ApiToken, now: i64) -> Self {
        Self {
            expires_soon: tokens::ends_soon(&token, now),
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_by: token.created_by,
            created_at: time(token.created_at),
            expires_at: token.expires_at.map(time),
            last_used_at: token.seen_at.map(time),
        }
    }
}
