//! Version 1 of Lockstep's own API.

mod prices;
mod sites;
mod tokens;

use utoipa_axum::router::OpenApiRouter;

use crate::server::App;

/// The routes below `/api/v1`.
pub(crate) fn routes(_app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sites::routes())
        .merge(prices::routes())
        .merge(tokens::routes())
}
