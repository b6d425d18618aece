//! The door: who asks is found out before anything is answered, and whoever is nobody gets nothing but the way in.

pub(crate) mod address;
mod csrf;
pub(crate) mod enter;
pub(crate) mod first;
pub(crate) mod headers;
pub(crate) mod limits;
pub(crate) mod password;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod staying;
pub(crate) mod tokens;

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::StreamExt as _;
use lockstep_core::formats::MAX_BYTES;
use secrecy::SecretString;
use tokio::sync::{Semaphore, watch};

use super::App;
use super::caller::{Caller, Scope, Who};
use super::problem::Problem;
use crate::api::ratio_sync;
use crate::web;
use limits::{Allowance, Tries};
use password::Passwords;

/// Where static files are.
pub(crate) const STATIC: &str = "/static/";
/// The page to sign in at.
pub(crate) const SIGN_IN: &str = "/sign-in";
/// The page that a one-time link leads to.
pub(crate) const LINK: &str = "/sign-in/link";
/// The way into the demo, which the terminal shows.
pub(crate) const DEMO: &str = "/sign-in/demo";
/// Where a language is chosen, also by whoever has yet to sign in.
pub(crate) const LANGUAGE: &str = "/language";

/// What is answered to anybody, beside static files: the state of the server, and the way in.
const OPEN: [&str; 8] = [
    HEALTH[0],
    HEALTH[1],
    SIGN_IN,
    LINK,
    DEMO,
    LANGUAGE,
    "/api/v1/sign-in",
    "/api/v1/sign-in/link",
];
/// What is asked under any name, by whatever watches over the server.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// The largest body of a request, in bytes.
pub(crate) const BODY: usize = 1 << 20;
/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The largest body of a request that uploads a price list, in bytes: the longest list that is read, and what a form has
/// around it.
pub(crate) const LIST: usize = MAX_BYTES + (64 << 10);
/// How long a client may take to send a price list.
const LIST_TIME: Duration = Duration::from_secs(300);
/// The most that is read of a list that is not taken, so that its sender hears why.
const UNWANTED: usize = 8 * LIST;
/// How many requests are worked on at once.
const AT_ONCE: usize = 256;

/// Ten guesses, then one a minute.
const GUESSES: Allowance = Allowance {
    burst: 10,
    every: 60_000,
};

/// How often a use is written down at most, in milliseconds.
const SEEN: i64 = 60_000;
/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// What the door remembers between requests.
#[derive(Debug)]
pub(crate) struct Door {
    /// Makes and compares passwords.
    pub(crate) passwords: Passwords,
    /// Guesses at passwords.
    pub(crate) guesses: Tries,
    /// Guesses at links.
    pub(crate) links: Tries,
    requests: Semaphore,
    ended: watch::Sender<()>,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self {
            passwords: Passwords::new(),
            guesses: Tries::new(GUESSES, Some(GUESSES)),
            links: Tries::new(GUESSES, None),
            requests: Semaphore::new(AT_ONCE),
            ended: watch::Sender::new(()),
        }
    }

    /// Sessions or tokens ended here: whoever stays for long looks whether his is among them.
    pub(crate) fn ends_some(&self) {
        self.ended.send_replace(());
    }

    /// Hears of sessions and tokens that end here.
    pub(crate) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }
}

/// Who may have what a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Anybody.
    Open,
    /// Whoever the route itself lets in: the gateway's own root token is known there only.
    Own,
    /// Whoever is known.
    Closed,
}

/// What is not named here is closed.
fn access(path: &str) -> Access {
    if OPEN.contains(&path) || path.starts_with(STATIC) {
        return Access::Open;
    }
    if ratio_sync::is_ours(path) {
        return Access::Own;
    }
    Access::Closed
}

/// Finds out who asks and lets the request through, or not. What a route needs, it asks for by its arguments.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    // Whoever watches over the server is answered however much is under way; a body that is slow to come takes no turn.
    let watched = HEALTH.contains(&request.uri().path());
    let request = match admitted(&app, request).await {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    let turn = app.door().requests.try_acquire();
    if turn.is_err() && !watched {
        let busy = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_requests",
            "too many requests are under way",
        );
        let seconds = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
        return (seconds, busy.hint("Try again in a second.")).into_response();
    }
    next.run(request).await
}

/// The request with who asks, or why not.
async fn admitted(app: &App, request: Request) -> Result<Request, Box<Response>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path();
    let access = access(path);
    let token = shown(&parts.headers, access);
    // At the way in a token is good for nothing, so that none keeps off there what keeps others out.
    let own_credential = token.is_some() && access != Access::Open;
    let host = address::host(&parts.uri, &parts.headers);
    // A page that has a name of its own lead here has no token to show.
    if !own_credential && !HEALTH.contains(&path) {
        let ours = host
            .as_ref()
            .is_some_and(|host| address::is_ours(host, app.options()));
        if !ours {
            return Err(refused(not_ours(app)));
        }
    }
    let session = match own_credential {
        true => None,
        false => session::token(&parts.headers, app.options().secure()),
    };
    let origin = address::our_origin(host.as_ref(), app.options());
    let cookie = session.is_some() && access != Access::Open;
    if !own_credential && csrf::is_foreign(&parts.method, &parts.headers, cookie, origin.as_deref())
    {
        return Err(refused(foreign()));
    }
    let caller = match session {
        Some(token) => session::person(app, &token).await,
        None => match token {
            Some(token) => program(app, token).await,
            None => Ok(None),
        },
    };
    let mut most = (BODY, BODY_TIME);
    match caller.map_err(refused)? {
        Some(caller) => {
            // Nobody else makes us keep so much.
            if takes_a_list(&parts.method, parts.uri.path()) && caller.may(Scope::Apply) {
                most = (LIST, LIST_TIME);
            }
            parts.extensions.insert(caller);
        }
        None if access == Access::Closed => {
            return Err(Box::new(signed_out(&parts)));
        }
        None => {}
    }
    let client = address::client(&parts, &app.options().trusted);
    parts.extensions.insert(client);
    if most.0 == LIST && is_longer(&parts.headers, LIST) && web::wants_page(&parts) {
        // A browser that is still sending shows no answer.
        run_dry(body).await;
        return Err(Box::new(web::list_too_long(&parts)));
    }
    let body = whole(body, &parts.headers, most).await.map_err(refused)?;
    Ok(Request::from_parts(parts, body))
}

/// The token that a program shows. Any other scheme is not meant for Lockstep: a proxy that asks for a password has
/// browsers send `Basic` with each request, beside the cookie.
fn shown(headers: &HeaderMap, access: Access) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    match access {
        // The gateway takes its own tokens without a word before them, and so do the routes that stand for its.
        Access::Own => bearer(text).or_else(|| bare(text)),
        Access::Open | Access::Closed => bearer(text),
    }
}

/// The token after `Bearer`.
pub(crate) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A token that stands alone, with no scheme before it.
pub(crate) fn bare(authorization: &str) -> Option<&str> {
    let token = authorization.trim();
    let alone = !token.is_empty() && !token.contains(' ');
    alone.then_some(token)
}

/// The program whose token this is.
async fn program(app: &App, token: &str) -> Result<Option<Caller>, Problem> {
    if !token.starts_with(tokens::WORD) {
        return Ok(None);
    }
    let now = app.now();
    let digest = secret::digest(&SecretString::from(token));
    let Some(token) = app.store().api_token(&digest).await? else {
        return Ok(None);
    };
    if tokens::has_ended(&token, now) {
        return Ok(None);
    }
    if token.seen_at.is_none_or(|seen| now - seen >= SEEN) {
        let today = token.seen_at.map(|seen| seen / DAY) == Some(now / DAY);
        if !today && tokens::ends_soon(&token, now) {
            tracing::warn!(token = token.name, "a token that is used ends soon");
        }
        // Whoever may look may look while nothing can be written.
        if let Err(error) = app.store().touch_api_token(&token.id, now).await {
            tracing::warn!(%error, "the use of a token was not written down");
        }
    }
    let scopes = token.scopes.iter();
    Ok(Some(Caller {
        scopes: scopes.filter_map(|code| Scope::from_code(code)).collect(),
        who: Who::Token {
            id: token.id,
            name: token.name,
        },
    }))
}

/// Whether a price list is uploaded there.
fn takes_a_list(method: &Method, path: &str) -> bool {
    match *method {
        Method::PUT => path.starts_with("/api/v1/sites/") && path.ends_with("/list"),
        Method::POST => path.ends_with("/prices/sources/upload"),
        _ => false,
    }
}

/// The whole body, of so many bytes and within such a time at most, so that nobody keeps a handler waiting.
async fn whole(
    body: Body,
    headers: &HeaderMap,
    (most, time): (usize, Duration),
) -> Result<Body, Problem> {
    if body.is_end_stream() {
        return Ok(body);
    }
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is longer than {most} bytes"),
        )
    };
    if is_longer(headers, most) {
        return Err(too_large());
    }
    match tokio::time::timeout(time, axum::body::to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(Body::from(bytes)),
        // A client that went away does not read this.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the body took too long",
        )),
    }
}

/// Whether the body says of itself that it is longer.
fn is_longer(headers: &HeaderMap, most: usize) -> bool {
    let said = headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    said.is_some_and(|length| length > most as u64)
}

/// Reads a body that nobody wants, and keeps nothing of it: to its end, or as far as is bearable.
async fn run_dry(body: Body) {
    let mut parts = body.into_data_stream();
    let mut read = 0;
    let drying = async {
        while let Some(Ok(part)) = parts.next().await {
            read += part.len();
            if read > UNWANTED {
                return;
            }
        }
    };
    let _late = tokio::time::timeout(LIST_TIME, drying).await;
}

fn refused(problem: impl IntoResponse) -> Box<Response> {
    Box::new(problem.into_response())
}

fn not_ours(app: &App) -> Problem {
    let hint = match &app.options().public_url {
        Some(url) => format!("Use {url}; a proxy must pass the Host header on."),
        None => "Use the address in numbers, or start the server with --public-url and this one."
            .to_owned(),
    };
    let title = "this server is not known under that name";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", title).hint(hint)
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "cross_site",
        "a page of another site asked for this",
    )
    .hint("Do it on Lockstep's own pages; a program sends a token as `Authorization: Bearer`.")
}

/// People are led to the way in, and from there to where they wanted to go; programs are told. A script of a page is told
/// where to lead that page: a redirection would be followed behind it, and nobody would see it.
fn signed_out(parts: &Parts) -> Response {
    let leads_to = web::way_in_of_part(parts);
    if leads_to.is_none() && web::wants_page(parts) {
        return match parts.method {
            Method::GET => Redirect::to(&way_in(&parts.uri)).into_response(),
            // What was typed is still in the browser: the way back is a step back.
            _ => web::signed_out(parts),
        };
    }
    let problem = super::caller::signed_out();
    let asks = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    let mut answer = (asks, problem).into_response();
    if let Some(place) = leads_to.and_then(|place| HeaderValue::try_from(place).ok()) {
        answer.headers_mut().insert(web::LEADS, place);
    }
    answer
}

/// The way in that leads back to a page.
pub(crate) fn way_in(wanted: &Uri) -> String {
    let wanted = wanted
        .path_and_query()
        .map_or("/", |wanted| wanted.as_str());
    if wanted == "/" {
        return SIGN_IN.to_owned();
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("back", wanted);
    format!("{SIGN_IN}?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_closed() {
        for path in [
            "/healthz",
            "/readyz",
            "/sign-in",
            "/sign-in/link",
            "/language",
            "/api/v1/sign-in",
            "/static/a.css",
        ] {
            assert_eq!(access(path), Access::Open, "{path}");
        }
        for path in [
            "/api/ratio_sync/channels",
            "/api/ratio_sync/fetch",
            "/sites/main/api/ratio_sync/fetch",
        ] {
            assert_eq!(access(path), Access::Own, "{path}");
        }
        for path in [
            "/",
            "",
            "/metrics",
            "/static",
            "/healthz/",
            "/sign-in/",
            "/sign-in/x",
            "/sign-in/link/",
            "/language/",
            "/sign-out",
            "/sites/add",
            "/go",
            "/api/v1/sign-in/",
            "/api/v1/sign-out",
            "/api/v1/session",
            "/api/v1/tokens",
            "/api/v1/sites",
            "/sites/main",
            "/sites/main/api",
            "/api/v1/sites/main/api/ratio_sync/fetch",
            "/x/../healthz",
            "/%68ealthz",
        ] {
            assert_eq!(access(path), Access::Closed, "{path}");
        }
    }
}
