//! The pages: rendered here, complete without JavaScript but for live progress.

mod access;
mod assets;
mod channels;
mod file;
mod flash;
mod form;
pub(crate) mod frame;
mod gateway;
mod history;
mod live;
mod models;
mod notices;
mod overview;
mod place;
mod prices;
pub(crate) mod refusal;
mod settings;
mod sign_in;
mod sites;
mod spark;
mod table;
#[cfg(test)]
mod tests;
mod unpriced;
mod when;
pub(crate) mod words;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::api::v1::hub::Hub;
use crate::server::App;
use crate::server::caller::signed_out as nobody;
use crate::server::door;
use crate::server::problem::Problem;
use refusal::Refusal;

/// What htmx says of its requests: that they are its own, and the address of the page that they come from.
const PART: &str = "hx-request";
const PAGE_OF_PART: &str = "hx-current-url";
/// What has htmx lead the whole page elsewhere.
pub(crate) const LEADS: &str = "hx-redirect";

/// All pages and their files.
pub(crate) fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route(
            door::SIGN_IN,
            get(sign_in::show).post(sign_in::enter_by_password),
        )
        .route(
            door::LINK,
            get(sign_in::show_link).post(sign_in::enter_by_link),
        )
        .route(door::DEMO, get(sign_in::enter_demo))
        .route("/sign-out", post(sign_in::leave))
        .route(door::LANGUAGE, post(sign_in::choose_language))
        .route("/go", get(sites::go))
        .route(sites::ADD, get(sites::show_add).post(sites::add))
        .route(
            "/sites/{site}/settings",
            get(settings::show).post(settings::save),
        )
        .route("/sites/{site}/default", post(sites::make_default))
        .route("/sites/{site}/remove", post(sites::remove))
        .merge(channels::routes())
        .merge(prices::routes())
        .merge(unpriced::routes())
        .merge(history::routes())
        .merge(notices::routes())
        .merge(access::routes())
        .route("/sites/{site}/models", get(models::show))
        .merge(file::files("/sites/{site}/models", get(models::files)))
        .route("/sites/{site}/models/run", post(models::run))
        .route("/sites/{site}/models/apply", post(models::apply))
        .route("/sites/{site}/models/answer", post(models::answer))
        .route("/sites/{site}/models/provider", post(models::set_policy))
        .route("/sites/{site}/runs/{run}/live", get(live::stream))
        .route("/sites/{site}/runs/{run}/cancel", post(live::cancel))
        .route("/static/{name}", get(assets::serve))
        .layer(middleware::from_fn(in_words))
        .layer(Extension(models::Listings::default()))
        .layer(Extension(Hub::new(app.clone())))
}

/// There is no such page, told as whoever asks wants it told.
pub(crate) async fn not_found(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if wants_page(&parts) {
        Refusal::NotFound.page(frame::language(&parts))
    } else {
        Problem::not_found("page").into_response()
    }
}

/// Somebody sent a form whose sign-in has ended: the page says so and leads to the way in, and from there back.
pub(crate) fn signed_out(parts: &Parts) -> Response {
    let from = parts.headers.get(header::REFERER);
    let from = from.and_then(|from| url::Url::parse(from.to_str().ok()?).ok());
    // The state of a table is in the address of its page. Only the path and the query are taken of that, never its host.
    let back = from.map(|from| frame::without_said(from.path(), from.query().unwrap_or_default()));
    let back = back.as_deref().map_or("/", place::back);
    let way_in = door::way_in(&back.parse().unwrap_or_default());
    refusal::signed_out(frame::language(parts), &way_in, nobody().status())
}

/// Where a script that asked for a part of a page leads that page, for its sign-in has ended: to the way in, and from there
/// back to where the page was. What the script says of that place counts as far as it is a page of ours.
pub(crate) fn way_in_of_part(parts: &Parts) -> Option<String> {
    parts.headers.get(PART)?;
    let page = parts.headers.get(PAGE_OF_PART);
    let page = page.and_then(|page| url::Url::parse(page.to_str().ok()?).ok());
    let page =
        page.map(|page| page[url::Position::BeforePath..url::Position::AfterQuery].to_owned());
    let back = place::back(page.as_deref().unwrap_or_default());
    Some(door::way_in(&back.parse().unwrap_or_default()))
}

/// Somebody uploads a list that is longer than any that is taken: the page says so and leads back.
pub(crate) fn list_too_long(parts: &Parts) -> Response {
    let sources = parts.uri.path().trim_end_matches("/upload");
    refusal::list_too_long(frame::language(parts), sources)
}

/// Whether a page is asked for.
pub(crate) fn wants_page(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT);
    accept.is_some_and(|text| text.to_str().is_ok_and(|text| text.contains("text/html")))
}

/// Makes a refusal into a page in the language of the request.
async fn in_words(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let lang = frame::language(&parts);
    let answer = next.run(Request::from_parts(parts, body)).await;
    match answer.extensions().get::<Arc<Refusal>>() {
        Some(refusal) => refusal.page(lang),
        None => answer,
    }
}
