//! Tables as files: one handler serves both forms of a file, told apart by the ending of its address.

use std::convert::Infallible;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::MethodRouter;

use crate::api::v1::export::Form;
use crate::server::App;

/// The form that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Csv,
    Json,
}

impl Ending {
    /// How the file is written: with these columns, or with its rows under this key.
    pub(super) fn form(self, columns: &'static [&'static str], key: &'static str) -> Form {
        match self {
            Self::Csv => Form::Csv(columns),
            Self::Json => Form::Json(key),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ending {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let is_csv = parts.uri.path().ends_with(".csv");
        Ok(if is_csv { Self::Csv } else { Self::Json })
    }
}

/// The routes of a table's files: its address with either ending.
pub(super) fn files(table: &str, handler: MethodRouter<App>) -> Router<App> {
    Router::new()
        .route(&format!("{table}.csv"), handler.clone())
        .route(&format!("{table}.json"), handler)
}
