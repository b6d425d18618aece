//! What transport errors mean: their kind, and whether anything can have reached the other side.

use std::error::Error;
use std::io;

use lockstep_core::failure::{Failure, FailureKind};

use super::{CONNECT_TIMEOUT, Refused};

/// A request that got no reply.
#[derive(Debug)]
pub(crate) struct NoReply {
    /// What went wrong, in words that may still hold secrets.
    pub(crate) failure: Failure,
    /// Whether it is certain that nothing of the request was written.
    pub(crate) surely_not_sent: bool,
}

impl NoReply {
    /// Trouble after which nobody knows whether the request arrived.
    pub(crate) fn perhaps_sent(kind: FailureKind, text: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(kind, text),
            surely_not_sent: false,
        }
    }

    /// Trouble before the request was sent.
    pub(crate) fn not_sent(kind: FailureKind, text: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(kind, text),
            surely_not_sent: true,
        }
    }

    /// The meaning of a transport error.
    pub(crate) fn from_reqwest(error: reqwest::Error) -> Self {
        // The client calls a refusal a connect error, which is worth a retry. It never is.
        if let Some(refused) = find::<Refused>(&error) {
            return Self::not_sent(FailureKind::RefusedAddress, refused.to_string());
        }
        if let Some(tls) = find::<rustls::Error>(&error)
            && error.is_connect()
        {
            return Self::not_sent(FailureKind::Tls, tls.to_string());
        }
        if error.is_connect() {
            let text = if error.is_timeout() {
                format!("no connection within {CONNECT_TIMEOUT:?}")
            } else {
                root_cause(&error)
            };
            return Self::not_sent(FailureKind::Unreachable, text);
        }
        if error.is_builder() {
            return Self::not_sent(FailureKind::WrongAddress, root_cause(&error));
        }
        let kind = if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse_too_large) {
            FailureKind::TooLarge
        } else {
            FailureKind::Broken
        };
        Self::perhaps_sent(kind, root_cause(&error))
    }
}

/// The innermost error's words; the outer ones only repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The first error of a type in the chain, also inside an I/O error, which hides what it wraps from `source`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        next = wrapped.or_else(|| error.source());
    }
    None
}
