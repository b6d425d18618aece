//! Channels and what each has of its own: policy, kept names, rules; for one channel, or for all of a provider.

mod acts;
mod list;
mod one;

use axum::Router;
use axum::routing::{get, post};

use crate::server::App;

/// The pages of channels.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sites/{site}/channels", get(list::show))
        .route("/sites/{site}/channels.csv", get(list::csv))
        .route("/sites/{site}/channels.json", get(list::json))
        .route(
            "/sites/{site}/channels/{channel}",
            get(one::show).post(acts::save),
        )
        .route(
            "/sites/{site}/channels/{channel}/release",
            post(acts::release),
        )
}
