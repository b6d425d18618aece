//! The pages: rendered here, complete without JavaScript but for live progress.

mod assets;
pub(crate) mod frame;
pub(crate) mod refusal;
pub(crate) mod words;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;

use crate::server::App;
use refusal::Refusal;

/// All pages and their files.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/static/{name}", get(assets::serve))
        .layer(middleware::from_fn(in_words))
}

/// Makes a refusal into a page in the language of the request.
async fn in_words(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let lang = frame::language(&parts);
    let answer = next.run(Request::from_parts(parts, body)).await;
    match answer.extensions().get::<std::sync::Arc<Refusal>>() {
        Some(refusal) => refusal.page(lang),
        None => answer,
    }
}
