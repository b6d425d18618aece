//! Reasons and failures as JSON.

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use serde::{Deserialize, Serialize};

use super::{from_text, to_text};

#[derive(Serialize, Deserialize)]
struct ReasonText {
    code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
}

/// A reason as JSON.
pub(crate) fn reason_to_text(reason: &Reason) -> String {
    let Reason {
        code,
        count,
        of,
        limit,
        names,
    } = reason.clone();
    to_text(&ReasonText {
        code: code.code().to_owned(),
        count,
        of,
        limit,
        names,
    })
}

/// The reason of a JSON text.
pub(crate) fn reason_from_text(text: &str) -> Option<Reason> {
    let ReasonText {
        code,
        count,
        of,
        limit,
        names,
    } = from_text(text)?;
    Some(Reason {
        code: ReasonCode::from_code(&code)?,
        count,
        of,
        limit,
        names,
    })
}

#[derive(Serialize, Deserialize)]
struct FailureText {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    detail: String,
}

/// A failure as JSON.
pub(crate) fn failure_to_text(failure: &Failure) -> String {
    let Failure {
        kind,
        http_status,
        detail,
    } = failure.clone();
    to_text(&FailureText {
        kind: kind.code().to_owned(),
        status: http_status,
        detail,
    })
}

/// The failure of a JSON text.
pub(crate) fn failure_from_text(text: &str) -> Option<Failure> {
    let FailureText {
        kind,
        status,
        detail,
    } = from_text(text)?;
    Some(Failure {
        kind: FailureKind::from_code(&kind)?,
        http_status: status,
        detail,
    })
}
