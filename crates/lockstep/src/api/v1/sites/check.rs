//! What a site can be: every mistake by its field.

use axum::http::StatusCode;
use lockstep_core::prices::source::parse_cidr;
use lockstep_core::site::GatewayUrl;
use secrecy::SecretString;

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

pub(super) fn named(mistakes: &mut Vec<Mistake>, name: &str) {
    if name.trim().is_empty() || name.trim() != name || name == "test" {
        mistake(
            mistakes,
            "name",
            "a name has no blanks at its ends, is not empty, and is not `test`",
        );
    }
}

pub(super) fn address(mistakes: &mut Vec<Mistake>, url: &str) -> Option<GatewayUrl> {
    match GatewayUrl::parse(url) {
        Ok(url) => Some(url),
        Err(error) => {
            mistake(mistakes, "url", error.to_string());
            None
        }
    }
}

/// The gateway's user ids are numbers.
pub(super) fn user_id(mistakes: &mut Vec<Mistake>, text: &str) {
    if text.parse::<u64>().is_err() {
        let message = "the user id is the number shown under User Management";
        mistake(mistakes, "user_id", message);
    }
}

pub(super) fn networks(mistakes: &mut Vec<Mistake>, texts: &[String]) {
    for text in texts {
        if let Err(error) = parse_cidr(text.trim()) {
            mistake(mistakes, "allow_private", error.to_string());
        }
    }
}

pub(super) fn token(mistakes: &mut Vec<Mistake>, text: Option<&str>) -> Option<SecretString> {
    let text = text?.trim();
    // What no header can carry would fail later, in words that are about something else.
    let sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !sendable {
        let message = "the token is the system access token of the gateway's Personal Settings, without blanks";
        mistake(mistakes, "token", message);
        return None;
    }
    Some(SecretString::from(text))
}

fn mistake(mistakes: &mut Vec<Mistake>, field: &str, message: impl Into<String>) {
    mistakes.push(Mistake {
        field: field.to_owned(),
        message: message.into(),
    });
}
