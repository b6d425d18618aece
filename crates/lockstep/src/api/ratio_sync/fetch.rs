//! `POST /api/ratio_sync/fetch`: how the gateway's prices differ from those of others.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use futures_util::FutureExt as _;
use lockstep_run::EngineError;
use lockstep_run::prices::collect::Collecting;
use lockstep_run::prices::compare::compare;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::channels::NO_LIST;
use super::{Desk, Refusal, answered, slashed, who};
use crate::api::orders::Reached;
use crate::api::together::Together;
use crate::differences::{NO_UPSTREAM, answer, wanted};
use crate::seed::FetchBody;
use crate::server::App;
use crate::words::en;

/// The largest request, in bytes: thousands of sources.
const LARGEST: usize = 1 << 20;
/// How many fetches go on at once; each holds the lists of its sources.
const AT_ONCE: usize = 4;

/// The fetches under way.
pub(super) struct Fetches {
    turns: Arc<Semaphore>,
    /// By the site's id and the request's text.
    together: Together<(String, String), Result<Bytes, Refusal>>,
}

impl Default for Fetches {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            together: Together::default(),
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    let described = OpenApiRouter::new()
        .routes(routes!(of_the_default))
        .routes(routes!(of_a_site));
    slashed(described, "fetch", post(of_the_default), post(of_a_site))
}

/// How the prices of the default site differ from those of its channels or of others.
#[utoipa::path(
    post,
    path = "/api/ratio_sync/fetch",
    tag = "price sync",
    request_body = FetchBody,
    responses((status = 200, description = "As New API answers it", body = Object))
)]
async fn of_the_default(
    State(app): State<App>,
    Extension(desk): Extension<Arc<Desk>>,
    request: Request,
) -> Result<Response, Refusal> {
    fetch(app, &desk, None, request).await
}

/// How the prices of a site differ from those of its channels or of others.
#[utoipa::path(
    post,
    path = "/sites/{site}/api/ratio_sync/fetch",
    tag = "price sync",
    params(("site" = String, Path, description = "The site's name")),
    request_body = FetchBody,
    responses((status = 200, description = "As New API answers it", body = Object))
)]
async fn of_a_site(
    State(app): State<App>,
    Extension(desk): Extension<Arc<Desk>>,
    Path(site): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    fetch(app, &desk, Some(&site), request).await
}

async fn fetch(
    app: App,
    desk: &Desk,
    site: Option<&str>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let (site, caller) = who::let_in(&app, desk, site, &parts).await?;
    let unreadable = |why: String| Refusal::new(StatusCode::BAD_REQUEST, why);
    let bytes = to_bytes(body, LARGEST)
        .await
        .map_err(|_| unreadable("The request did not come whole".into()))?;
    let text = String::from_utf8(bytes.into())
        .map_err(|_| unreadable("The request is not UTF-8 text".into()))?;
    let body = FetchBody::parse(&text).map_err(|error| unreadable(format!("{error:#}")))?;
    let key = (site.id.clone(), text);
    let reached = Reached::of(&app, site)
        .await
        .map_err(|problem| Refusal::new(StatusCode::OK, problem.title()))?;
    let turns = Arc::clone(&desk.fetches.turns);
    let work = || fetched(app, reached, caller, body, turns).boxed();
    desk.fetches.together.run(key, work).await.map(answered)
}

async fn fetched(
    app: App,
    reached: Reached,
    caller: String,
    body: FetchBody,
    turns: Arc<Semaphore>,
) -> Result<Bytes, Refusal> {
    let nobody = || Refusal::new(StatusCode::OK, NO_UPSTREAM);
    let failed = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Lockstep failed");
    let collecting = Collecting {
        wanted: wanted(&body),
        time_limit: Duration::from_secs(body.timeout()),
        allow: reached.allow.clone(),
        max_retries: reached.settings.max_retries,
    };
    if collecting.wanted.is_empty() {
        return Err(nobody());
    }
    let turn = turns.acquire_owned().await.map_err(|_| failed())?;
    let session = reached.session(&app, &caller);
    let collected = async {
        let collected = session.collect(&collecting).await;
        collected.map_err(|error| match error {
            EngineError::Gateway(failure) => {
                tracing::warn!(kind = failure.kind.code(), "the channels cannot be listed");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, NO_LIST)
            }
            error => {
                tracing::error!(%error, "a fetch failed");
                failed()
            }
        })
    };
    let local = async {
        let local = session.local_prices(collecting.max_retries).await;
        local.map_err(|error| match error {
            EngineError::Gateway(failure) => {
                let said = en::price_failure(&failure);
                Refusal::new(StatusCode::OK, format!("{} {}", said.message, said.hint))
            }
            error => {
                tracing::error!(%error, "a fetch failed");
                failed()
            }
        })
    };
    // Both at once: neither needs the other, and the gateway answers while its sources do.
    let (collected, local) = tokio::try_join!(collected, local)?;
    if collected.is_empty() {
        return Err(nobody());
    }
    // Comparing computes for long, and the threads here have others to serve.
    let compared = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let compared = compare(&local, &collected);
        let told: Vec<_> = compared
            .sources
            .iter()
            .map(|source| source.told())
            .collect();
        Bytes::from(answer(&compared, &local, &told))
    });
    compared.await.map_err(|_| failed())
}
