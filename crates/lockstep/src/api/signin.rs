//! Signing in and out, and the password.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::extract::{Path, SecretBody};
use crate::server::App;
use crate::server::caller::{Anyone, Person, Scope, Who};
use crate::server::door::address::Client;
use crate::server::door::password::ADMIN;
use crate::server::door::{enter, session};
use crate::server::problem::Problem;
use crate::view::json::time;

/// A name and a password. Neither is ever shown again, so that this has no `Debug`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// Whose; `admin` when it is left out.
    name: Option<String>,
    /// The password.
    password: String,
}

/// A one-time link's token and the password to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LinkUse {
    /// What stands after the `#` of the link.
    link: String,
    /// The new password: at least 12 characters.
    password: String,
}

/// The present password and the next one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    /// The present password.
    current: String,
    /// The next one: at least 12 characters.
    new: String,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct Session {
    /// `person` or `token`.
    kind: &'static str,
    /// The person's name, or the token's.
    name: String,
    /// What is allowed: `read`, `plan`, `apply`, `ratio-sync`; a wider one includes the narrower ones.
    scopes: Vec<&'static str>,
}

/// A sign-in that holds.
#[derive(Debug, Serialize, ToSchema)]
struct SignedIn {
    /// By what it is ended. It lets nobody in.
    id: String,
    /// Who signed in.
    person: String,
    /// When; RFC 3339.
    created_at: String,
    /// When it was last used, to the minute; RFC 3339.
    last_used_at: String,
    /// Whether it is that of whoever asks.
    own: bool,
}

/// The sign-ins that hold, the last used one first.
#[derive(Debug, Serialize, ToSchema)]
struct SignIns {
    sessions: Vec<SignedIn>,
}

/// Routes below `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_in))
        .routes(routes!(use_link))
        .routes(routes!(sign_out))
        .routes(routes!(session_now))
        .routes(routes!(sessions))
        .routes(routes!(end_session))
        .routes(routes!(change_password))
}

/// Signs a person in: the answer sets a cookie.
#[utoipa::path(
    post,
    path = "/sign-in",
    tag = "sign-in",
    request_body = SignIn,
    responses(
        (status = 200, body = Session),
        (status = 401, description = "wrong name or password", body = Problem),
        (status = 429, description = "too many tries; `Retry-After` says how many seconds to wait", body = Problem),
        (status = "default", body = Problem)
    )
)]
async fn sign_in(
    State(app): State<App>,
    client: Client,
    SecretBody(asked): SecretBody<SignIn>,
) -> Result<Response, Response> {
    let name = asked.name.unwrap_or_else(|| ADMIN.to_owned());
    let cookie = enter::by_password(&app, client, &name, asked.password.into()).await;
    Ok(welcome(cookie.map_err(refused)?, name))
}

/// Sets the password by a one-time link, and signs in. All other sessions end.
#[utoipa::path(
    post,
    path = "/sign-in/link",
    tag = "sign-in",
    request_body = LinkUse,
    responses(
        (status = 200, body = Session),
        (status = 400, description = "the password is too short or too long", body = Problem),
        (status = 401, description = "the link was used, or its day is over", body = Problem),
        (status = 429, description = "too many tries; `Retry-After` says how many seconds to wait", body = Problem),
        (status = "default", body = Problem)
    )
)]
async fn use_link(
    State(app): State<App>,
    client: Client,
    SecretBody(asked): SecretBody<LinkUse>,
) -> Result<Response, Response> {
    let LinkUse { link, password } = asked;
    let cookie = enter::by_link(&app, client, link.into(), password.into()).await;
    Ok(welcome(cookie.map_err(refused)?, ADMIN.to_owned()))
}

/// Ends the session.
#[utoipa::path(
    post,
    path = "/sign-out",
    tag = "sign-in",
    responses((status = 204), (status = "default", body = Problem))
)]
async fn sign_out(State(app): State<App>, Person(caller): Person) -> Result<Response, Problem> {
    enter::sign_out(&app, &caller).await?;
    let cookie = [(header::SET_COOKIE, session::end(&app)?)];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// Who asks.
#[utoipa::path(
    get,
    path = "/session",
    tag = "sign-in",
    responses((status = 200, body = Session), (status = "default", body = Problem))
)]
async fn session_now(Anyone(caller): Anyone) -> Json<Session> {
    let (kind, name) = match caller.who {
        Who::Person { name, .. } => ("person", name),
        Who::Token { name, .. } => ("token", name),
    };
    Json(Session {
        kind,
        name,
        scopes: caller.scopes.iter().map(|scope| scope.code()).collect(),
    })
}

/// Everybody's sign-ins that hold.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "sign-in",
    responses((status = 200, body = SignIns), (status = "default", body = Problem))
)]
async fn sessions(
    State(app): State<App>,
    Person(caller): Person,
) -> Result<Json<SignIns>, Problem> {
    let all = session::all(&app, &caller).await?.into_iter();
    Ok(Json(SignIns {
        sessions: all
            .map(|one| SignedIn {
                id: one.id,
                person: one.person,
                created_at: time(one.created_at),
                last_used_at: time(one.seen_at),
                own: one.own,
            })
            .collect(),
    }))
}

/// Ends a sign-in.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    tag = "sign-in",
    params(("id" = String, Path, description = "The sign-in's id")),
    responses((status = 204), (status = "default", body = Problem))
)]
async fn end_session(
    State(app): State<App>,
    Person(caller): Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    session::end_one(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password. All other sessions end.
#[utoipa::path(
    post,
    path = "/password",
    tag = "sign-in",
    request_body = PasswordChange,
    responses(
        (status = 204),
        (status = 400, description = "the password is too short or too long", body = Problem),
        (status = 401, description = "the present password is another one", body = Problem),
        (status = 429, description = "too many tries; `Retry-After` says how many seconds to wait", body = Problem),
        (status = "default", body = Problem)
    )
)]
async fn change_password(
    State(app): State<App>,
    Person(caller): Person,
    client: Client,
    SecretBody(asked): SecretBody<PasswordChange>,
) -> Result<StatusCode, Response> {
    let PasswordChange { current, new } = asked;
    let Who::Person { name, session } = caller.who else {
        return Err(Problem::internal().into());
    };
    let who = (name.as_str(), session.as_str());
    enter::change_password(&app, client, who, current.into(), new.into())
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

fn refused(why: enter::NotLetIn) -> Response {
    why.into_response()
}

/// A session of its own for whoever came in.
fn welcome(cookie: HeaderValue, name: String) -> Response {
    let session = Session {
        kind: "person",
        name,
        scopes: vec![Scope::RatioSync.code(), Scope::Apply.code()],
    };
    ([(header::SET_COOKIE, cookie)], Json(session)).into_response()
}
