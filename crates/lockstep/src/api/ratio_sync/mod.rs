//! New API's price sync, as its own documentation types it: what is written for the gateway works here.
//!
//! Answers are framed as the gateway frames them: `{"success":false,"message":...}` whatever went wrong.

mod asked;
mod channels;
mod fetch;
mod who;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Extension;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use bytes::Bytes;
use lockstep_run::identity::Role;
use serde::Deserialize;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use self::asked::Asked;
use self::fetch::Fetches;
use crate::differences;
use crate::server::App;

/// The last part of every path here.
const BASE: &str = "/api/ratio_sync";
/// The longest problem that is read, in bytes.
const LARGEST_PROBLEM: usize = 1 << 16;
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// What all requests here share.
#[derive(Default)]
struct Desk {
    asked: Asked<Option<Role>>,
    fetches: Fetches,
}

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    message: String,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    let desk = Arc::new(Desk::default());
    let mut router = OpenApiRouter::new()
        .merge(channels::routes())
        .merge(fetch::routes());
    for base in [BASE.to_owned(), format!("/sites/{{site}}{BASE}")] {
        for rest in ["", "/", "/{*rest}"] {
            router = router.route(&format!("{base}{rest}"), any(beyond));
        }
    }
    router
        .layer(Extension(desk))
        .layer(CatchPanicLayer::custom(panicked))
}

/// The routes of one thing, as they are described, and the same with a slash at the end, as the gateway takes them too.
fn slashed(
    routes: OpenApiRouter<App>,
    name: &str,
    of_the_default: MethodRouter<App>,
    of_a_site: MethodRouter<App>,
) -> OpenApiRouter<App> {
    routes
        .route(&format!("{BASE}/{name}/"), of_the_default)
        .route(&format!("/sites/{{site}}{BASE}/{name}/"), of_a_site)
}

/// Whether a path is one of these, whose callers are known by the gateway's tokens. The door leaves them to be judged
/// here.
pub(crate) fn is_ours(path: &str) -> bool {
    let below = |path: &str| {
        path.strip_prefix(BASE)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let of_a_site = || {
        let (_, rest) = path.strip_prefix("/sites/")?.split_once('/')?;
        path.get(path.len() - rest.len() - 1..)
    };
    below(path) || of_a_site().is_some_and(below)
}

/// What is below these paths and is none of them.
async fn beyond(request: Request) -> Refusal {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("Invalid URL ({method} {path})");
    Refusal::new(StatusCode::NOT_FOUND, message)
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = differences::refusal(&self.message);
        (self.status, [(header::CONTENT_TYPE, JSON)], body).into_response()
    }
}

/// An answer with a body of JSON.
fn answered(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// Whatever is refused below these paths is framed like the rest, the door's answers too.
pub(crate) async fn framed(request: Request, next: Next) -> Response {
    let ours = is_ours(request.uri().path());
    let answer = next.run(request).await;
    let status = answer.status();
    let framed = answer.headers().get(header::CONTENT_TYPE) == Some(&JSON);
    if !ours || framed || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let said = to_bytes(body, LARGEST_PROBLEM).await.unwrap_or_default();
    let said: Problem<'_> = serde_json::from_slice(&said).unwrap_or_default();
    let message = match (said.title, said.hint) {
        (Some(title), Some(hint)) => format!("{title}. {hint}"),
        (Some(title), None) => title.into_owned(),
        (None, _) => status
            .canonical_reason()
            .unwrap_or("The request was refused")
            .to_owned(),
    };
    let mut framed = Refusal::new(status, message).into_response();
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            framed.headers_mut().insert(name, value.clone());
        }
    }
    framed
}

/// What is said in a problem of ours.
#[derive(Default, Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    hint: Option<Cow<'a, str>>,
}

fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request of price sync was not answered, for its handler failed");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Lockstep failed").into_response()
}

#[cfg(test)]
mod tests;
