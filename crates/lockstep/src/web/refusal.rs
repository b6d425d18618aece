//! Pages that say what went wrong, and the way on.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use lockstep_run::EngineError;
use lockstep_store::StoreError;

use super::assets;
use super::words::{Lang, Words};
use crate::server::problem::Problem;
use crate::words::Said;

/// Why a page is not shown.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such page.
    NotFound,
    /// No site is stored yet.
    NoSite,
    /// What the API would answer.
    Problem(Problem),
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    t: &'a Words,
    lang: Lang,
    title: &'a str,
    hint: Option<&'a str>,
    /// Where it goes on, and what that is called.
    way_on: (&'a str, &'a str),
}

impl ErrorPage<'_> {
    fn asset(&self, name: &str) -> String {
        assets::address(name)
    }
}

impl Refusal {
    /// The page in a language.
    pub(crate) fn page(&self, lang: Lang) -> Response {
        let t = lang.words();
        let (status, said) = match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                Said {
                    message: t.error.not_found.clone(),
                    hint: t.error.not_found_hint.clone(),
                },
            ),
            Self::NoSite => return Redirect::to("/").into_response(),
            Self::Problem(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
                return Redirect::to("/sign-in").into_response();
            }
            Self::Problem(problem) => (problem.status(), problem.words(lang)),
        };
        let Said { message, hint } = &said;
        let page = ErrorPage {
            t,
            lang,
            title: message,
            hint: (!hint.is_empty()).then_some(hint),
            way_on: ("/", &t.error.way_on),
        };
        (status, html(&page)).into_response()
    }
}

/// The sign-in has ended, and something was to be done.
pub(super) fn signed_out(lang: Lang, way_in: &str, status: StatusCode) -> Response {
    let t = lang.words();
    let page = ErrorPage {
        t,
        lang,
        title: &t.error.signed_out,
        hint: Some(&t.error.signed_out_hint),
        way_on: (way_in, &t.sign_in.title),
    };
    (status, html(&page)).into_response()
}

/// A list is longer than any that is taken. Nothing of it was kept, so the way leads back to the page of sources.
pub(super) fn list_too_long(lang: Lang, sources: &str) -> Response {
    let t = lang.words();
    let page = ErrorPage {
        t,
        lang,
        title: &t.sources.list_too_long,
        hint: Some(&t.sources.list_too_long_hint),
        way_on: (sources, &t.sources.title),
    };
    (StatusCode::PAYLOAD_TOO_LARGE, html(&page)).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // The language is known only to the request; the layer around the pages makes this one into a page.
        let mut answer = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        answer.extensions_mut().insert(std::sync::Arc::new(self));
        answer
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Problem(error.into())
    }
}

/// A template as an answer. What cannot be rendered is a fault of ours.
pub(crate) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => ([(header::VARY, "Accept-Language, Cookie")], Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Problem::internal().into_response()
        }
    }
}
