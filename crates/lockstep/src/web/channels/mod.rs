//! Channels and what each has of its own: policy, kept names, rules; for one channel, or for all of a provider.

mod acts;
mod list;
mod one;

use axum::Router;
use axum::routing::{get, post};

use super::file::files;
use crate::server::App;

/// The pages of channels.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sites/{site}/channels", get(list::show))
        .merge(files("/sites/{site}/channels", get(list::files)))
        .route(
            "/sites/{site}/channels/{channel}",
            get(one::show).post(acts::save),
        )
        .route(
            "/sites/{site}/channels/{channel}/release",
            post(acts::release),
        )
}
