//! What a request says, read so that every mistake of it is answered as a problem.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::server::App;
use crate::server::problem::Problem;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A JSON body with a secret in it. What is wrong with one is not said word for word, for that would say the secret.
pub(crate) struct SecretBody<T>(pub(crate) T);

/// The part of the address after `?`.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// The parts of the address that vary.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bytes = json(request, app).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            // The message names the line and column, and never a value but of a code that is none.
            Problem::new(
                StatusCode::BAD_REQUEST,
                "bad_json",
                format!("the body cannot be taken: {error}"),
            )
            .hint("GET /api/v1/docs shows what the body can be.")
        })
    }
}

impl<T: DeserializeOwned> FromRequest<App> for SecretBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bytes = json(request, app).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| {
            let title = "the body is not as it should be";
            Problem::new(StatusCode::BAD_REQUEST, "bad_json", title)
                .hint("GET /api/v1/docs shows what the body can be.")
        })
    }
}

/// The bytes of a body that is said to be JSON.
async fn json(request: Request, app: &App) -> Result<Bytes, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .map(|kind| kind.split(';').next().unwrap_or("").trim().to_lowercase());
    if kind.as_deref() != Some("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "the body is not said to be JSON",
        )
        .hint("Send the header `Content-Type: application/json`."));
    }
    let read = Bytes::from_request(request, app).await;
    read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the body is too large",
        ),
        _ => Problem::bad_request("the body could not be read"),
    })
}

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, app).await;
        read.map(|query| Self(query.0)).map_err(|rejection| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "bad_query",
                format!(
                    "the part of the address after `?` cannot be taken: {}",
                    cause(&rejection)
                ),
            )
        })
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, app).await;
        read.map(|path| Self(path.0)).map_err(|rejection| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "bad_path",
                format!("the address cannot be taken: {}", rejection.body_text()),
            )
        })
    }
}

/// The innermost reason, which says what is wrong and not just that something is.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The time that a field of a request names, in Unix milliseconds: RFC 3339, in any zone.
pub(crate) fn moment(name: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        Problem::bad_request(format!("`{name}` is no time"))
            .hint("Write it as 2026-08-01T06:30:00Z.")
    })?;
    Ok(Some(at.as_millisecond()))
}
