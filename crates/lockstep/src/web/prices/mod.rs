//! The price sync: how prices differ, what is chosen of that, its review, and where prices come from.

mod acts;
mod asked;
mod cells;
mod choice;
mod files;
mod held;
mod page;
mod review;
mod review_acts;
mod review_rows;
mod rows;
mod servers;
mod sources;
mod sources_acts;
mod sources_form;
mod sources_upload;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::file::files;
use super::frame::{Frame, Here};
use super::place;
use crate::server::App;
use crate::server::door::LIST;

pub(super) use cells::{model_id, money, short};
pub(super) use files::exports_of;
pub(super) use page::{Working, begun, working};
pub(super) use review::led_to;
pub(super) use review_rows::{Item, limits, standing};
pub(super) use rows::costs;
pub(super) use servers::Servers;

/// The pages of prices.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sites/{site}/prices", get(page::show))
        .route("/sites/{site}/prices/working", get(acts::working))
        .route("/sites/{site}/prices/fetch", post(acts::fetch))
        .route("/sites/{site}/prices/review", post(acts::review))
        .route("/sites/{site}/prices/answers", post(acts::answer))
        .route(
            "/sites/{site}/prices/held",
            get(held::show).post(held::answer),
        )
        .merge(files("/sites/{site}/prices/held", get(held::files)))
        .route("/sites/{site}/prices/runs/{run}", get(review::show))
        .merge(files(
            "/sites/{site}/prices/runs/{run}/models",
            get(files::files),
        ))
        .route(
            "/sites/{site}/prices/runs/{run}/apply",
            post(review_acts::apply),
        )
        .route(
            "/sites/{site}/prices/runs/{run}/again",
            post(review_acts::again),
        )
        .route(
            "/sites/{site}/prices/runs/{run}/undo",
            post(review_acts::undo),
        )
        .route("/sites/{site}/prices/sources", get(sources::show))
        .route("/sites/{site}/prices/sources/add", post(sources_acts::add))
        .route(
            "/sites/{site}/prices/sources/access",
            post(sources_acts::access),
        )
        .route(
            "/sites/{site}/prices/sources/edit",
            post(sources_acts::edit),
        )
        .route(
            "/sites/{site}/prices/sources/upload",
            post(sources_upload::upload).layer(DefaultBodyLimit::max(LIST)),
        )
        .route(
            "/sites/{site}/prices/sources/test",
            post(sources_acts::test),
        )
        .route(
            "/sites/{site}/prices/sources/accept",
            post(sources_acts::accept),
        )
        .route(
            "/sites/{site}/prices/sources/change",
            post(sources_acts::change),
        )
        .route(
            "/sites/{site}/prices/sources/allow",
            post(sources_acts::allow),
        )
}

/// The address of a page below the prices of the site.
pub(super) fn below(f: &Frame, parts: &[&str]) -> String {
    format!("{}{}", f.href(Here::Prices), place::path(parts))
}
