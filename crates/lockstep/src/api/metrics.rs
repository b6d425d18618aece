//! Metrics for Prometheus: here for a caller who may look, or on an address of their own.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::server::App;
use crate::server::caller::Reader;
use crate::server::problem::Problem;

/// The media type of Prometheus' text format with its end marked.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The same on an address of its own, where nobody is asked who he is.
pub(crate) fn open() -> Router<App> {
    Router::new().route("/metrics", get(told))
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"), (status = "default", body = Problem))
)]
async fn metrics(state: State<App>, _: Reader) -> Result<Response, Problem> {
    told(state).await
}

async fn told(State(app): State<App>) -> Result<Response, Problem> {
    let text = crate::server::metrics::text(&app).await?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}
