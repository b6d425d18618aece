//! What a site can be: every mistake by its field.

use axum::http::StatusCode;

use crate::connecting::Bad;
use crate::server::problem::{Mistake, Problem};

pub(super) fn wrong_site(mistakes: Vec<Mistake>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad_site",
        "the site cannot be taken as it was given",
    )
    .hint("`errors` has every mistake.")
    .mistakes(mistakes)
}

/// Every mistake by its field.
pub(super) fn told(bad: Vec<Bad>) -> Vec<Mistake> {
    let told = |bad: &Bad| Mistake {
        field: bad.field().to_owned(),
        message: bad.message(),
    };
    bad.iter().map(told).collect()
}
