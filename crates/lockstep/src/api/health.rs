//! Whether the server is there, and whether it can work.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::server::App;
use crate::server::problem::{self, Problem};

/// Whoever watches over the server does not wait for long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The database answers too, and nobody told the server to stop.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Problem))
)]
async fn readyz(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if app.stop_token().is_cancelled() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "Lockstep is stopping",
        ));
    }
    let looked = tokio::time::timeout(PATIENCE, app.store().sites()).await;
    looked.map_err(|_| {
        tracing::warn!("the database did not answer within {PATIENCE:?}");
        problem::no_database()
    })??;
    Ok(Json(Health { status: "ok" }))
}
