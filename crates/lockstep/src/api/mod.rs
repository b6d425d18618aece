//! The HTTP API: one folder a version, one file a noun.

pub(crate) mod extract;
mod health;
pub(crate) mod metrics;
pub(crate) mod orders;
pub(crate) mod ratio_sync;
mod signin;
mod together;
pub(crate) mod v1;

use utoipa_axum::router::OpenApiRouter;

use crate::server::App;

/// All routes, with what they say of themselves.
pub(crate) fn routes(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(ratio_sync::routes())
        .nest("/api/v1", signin::routes())
        .nest("/api/v1", v1::routes(app))
}
