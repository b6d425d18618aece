//! The header `Idempotency-Key`: a request that starts or writes something is done once, however often it is sent.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use lockstep_core::hash::Digest;
use lockstep_store::StoreError;
use lockstep_store::idempotency::{Answer, Begun};
use serde::{Deserialize, Serialize};

use super::runs;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::door;
use crate::server::problem::Problem;

/// The header that names a request.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key, in bytes.
const LONGEST_KEY: usize = 200;
/// The largest answer that is kept, in bytes: 1 MiB.
const LARGEST: usize = 1 << 20;
/// When a request that is still not answered is given up, in milliseconds: whoever did it is gone by then.
const GIVEN_UP_MS: i64 = 600_000;

/// What is kept of a request that was done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    /// Its answer.
    Answer {
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<String>,
        body: String,
    },
    /// It began this, and its answer never came: the answer is made anew.
    Began(Began),
}

/// The runs that a request began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Began {
    /// The site's id.
    pub(crate) site: String,
    /// The runs' ids.
    pub(crate) runs: Vec<String>,
    /// Whether both were asked for: the last is then the one about model lists, and the one before it about prices.
    #[serde(default)]
    pub(crate) both: bool,
}

/// The request with a key that is being done.
#[derive(Clone)]
struct Doing {
    caller: String,
    key: String,
    began: Arc<OnceLock<Began>>,
}

tokio::task_local! {
    static DOING: Doing;
}

/// Binds the runs that a request began to its key, if it has one: from here on, whatever becomes of its answer, and of this
/// process, the next try begins no other.
pub(crate) async fn began(app: &App, began: Began) -> Result<(), StoreError> {
    let Ok(doing) = DOING.try_with(Doing::clone) else {
        return Ok(());
    };
    // Also where it cannot be stored now: the end of the request tries again.
    let _first = doing.began.set(began.clone());
    bind(app, &doing, began).await
}

/// Does a request with a key once: the answer to the first is the answer to all of them, for a day.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let writes = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    let Some(key) = request.headers().get(KEY).filter(|_| writes).cloned() else {
        return next.run(request).await;
    };
    // Without a caller the route itself says so, and nothing is begun.
    let Some(caller) = request.extensions().get::<Caller>().map(Caller::key) else {
        return next.run(request).await;
    };
    match keyed(app, caller, &key, request, next).await {
        Ok(answer) => answer,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(
    app: App,
    caller: String,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = key
        .to_str()
        .ok()
        .filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY)
        .ok_or_else(|| {
            Problem::bad_request(format!(
                "`Idempotency-Key` is a text of 1 to {LONGEST_KEY} letters, digits and signs"
            ))
        })?
        .to_owned();
    let (mut parts, body) = request.into_parts();
    // The door has read it whole and knows how long it may be.
    let body = to_bytes(body, door::LIST).await.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is too large",
        )
    })?;
    let address = parts
        .extensions
        .get::<OriginalUri>()
        .map_or_else(|| parts.uri.to_string(), |uri| uri.0.to_string());
    let (method, hashed) = (parts.method.clone(), body.clone());
    // A whole price list takes a while, and the threads here have others to serve.
    let digest = tokio::task::spawn_blocking(move || {
        let method = method.as_str().as_bytes();
        Digest::of([method, address.as_bytes(), hashed.as_ref()])
    });
    let digest = digest.await.map_err(|_| Problem::internal())?;
    let store = app.store().clone();
    match store
        .begin_request(&caller, &key, &digest, app.now())
        .await?
    {
        Begun::Now => {}
        Begun::Done(answer) => return replayed(&app, answer).await,
        Begun::Before(at) => return Err(unfinished(app.now().saturating_sub(at))),
        Begun::Another => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key_reused",
                "this Idempotency-Key was given to another request",
            )
            .hint("Use a new key for a new request."));
        }
    }
    parts.headers.remove(KEY);
    // It is done to its end even when the caller goes away: its answer is what the next try gets.
    let work = tokio::spawn(async move {
        let doing = Doing {
            caller,
            key,
            began: Arc::default(),
        };
        let request = Request::from_parts(parts, Body::from(body));
        let answer = DOING.scope(doing.clone(), next.run(request)).await;
        keep(&app, doing, answer).await
    });
    match work.await {
        Ok(answer) => answer,
        Err(stopped) => match stopped.try_into_panic() {
            // The request is not forgotten: nobody knows how far it got.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Problem::internal()),
        },
    }
}

/// Keeps an answer, or forgets a request that came to nothing.
async fn keep(app: &App, doing: Doing, answer: Response) -> Result<Response, Problem> {
    let (caller, key) = (&doing.caller, &doing.key);
    let (parts, body) = answer.into_parts();
    let text = |name| {
        let value = parts.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let kind = text(header::CONTENT_TYPE);
    let location = text(header::LOCATION);
    let secret = text(header::CACHE_CONTROL).is_some_and(|control| control.contains("no-store"));
    if parts.status.is_server_error() || passes(parts.status) {
        match doing.began.get() {
            Some(began) => bind(app, &doing, began.clone()).await?,
            None => app.store().forget_request(caller, key).await?,
        }
        return Ok(Response::from_parts(parts, body));
    }
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Problem::internal())?;
    let kept = (!secret && body.len() <= LARGEST)
        .then(|| String::from_utf8(body.to_vec()).ok())
        .flatten()
        .and_then(|body| {
            let kept = Kept::Answer {
                kind,
                location,
                body,
            };
            serde_json::to_string(&kept).ok()
        });
    let answer = Answer {
        status: parts.status.as_u16(),
        body: kept,
    };
    app.store().keep_answer(caller, key, answer).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Whether an answer says "not now": what stands in the way passes, and with it what was asked for may be done.
fn passes(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
}

async fn bind(app: &App, doing: &Doing, began: Began) -> Result<(), StoreError> {
    let answer = Answer {
        status: StatusCode::ACCEPTED.as_u16(),
        body: serde_json::to_string(&Kept::Began(began)).ok(),
    };
    let store = app.store();
    store.keep_answer(&doing.caller, &doing.key, answer).await
}

async fn replayed(app: &App, answer: Answer) -> Result<Response, Problem> {
    let Some(kept) = answer.body else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "answered_once",
            format!(
                "this request was done and answered with {}; its answer is not kept, for it is too long or secret",
                answer.status
            ),
        )
        .hint("Ask for what came of it; do not send it again."));
    };
    let (kind, location, body) =
        match serde_json::from_str(&kept).map_err(|_| Problem::internal())? {
            Kept::Answer {
                kind,
                location,
                body,
            } => (kind, location, body),
            Kept::Began(began) => {
                let mut response = runs::told(app, &began).await?.into_response();
                let headers = response.headers_mut();
                headers.insert(REPLAYED, HeaderValue::from_static("true"));
                return Ok(response);
            }
        };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).map_err(|_| Problem::internal())?;
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in [(header::CONTENT_TYPE, kind), (header::LOCATION, location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// The answer while the first of these requests is not done.
fn unfinished(age: i64) -> Problem {
    if age < GIVEN_UP_MS {
        return Problem::new(
            StatusCode::CONFLICT,
            "still_doing",
            "the first request with this Idempotency-Key is still being done",
        )
        .hint("Send it again in a moment.")
        .retry_after(1);
    }
    Problem::new(
        StatusCode::CONFLICT,
        "outcome_unknown",
        "the first request with this Idempotency-Key was begun and never answered; Lockstep was ended meanwhile",
    )
    .hint("Look whether it was done, for instance in the list of runs; then use a new key.")
}
