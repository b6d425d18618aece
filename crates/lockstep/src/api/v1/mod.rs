//! Version 1 of Lockstep's own API.

pub(crate) mod channels;
pub(crate) mod deeds;
mod events;
pub(crate) mod export;
mod feed;
mod health;
mod holds;
pub(crate) mod hub;
pub(crate) mod idempotency;
mod notices;
mod openapi;
mod page;
mod paging;
pub(crate) mod prices;
pub(crate) mod runs;
mod schedules;
mod settings;
mod sites;
#[cfg(test)]
mod tests;
mod tokens;

use axum::{Extension, middleware};
use utoipa_axum::router::OpenApiRouter;

use crate::server::App;
use hub::Hub;

/// The routes below `/api/v1`.
pub(crate) fn routes(app: &App) -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sites::routes())
        .merge(settings::routes())
        .merge(channels::routes())
        .merge(runs::routes())
        .merge(holds::routes())
        .merge(prices::routes())
        .merge(events::routes())
        .merge(schedules::routes())
        .merge(notices::routes())
        .merge(tokens::routes())
        .merge(deeds::routes())
        .merge(health::routes())
        .merge(openapi::routes())
        .layer(Extension(Hub::new(app.clone())))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            idempotency::once,
        ))
}
