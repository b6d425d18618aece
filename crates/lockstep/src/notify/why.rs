//! Why a notice did not arrive: a code with what belongs to it, so that each reader is told in his words.

use lockstep_core::failure::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

/// Why a notice, or a test, did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Why {
    /// The cause.
    pub(crate) cause: Cause,
    /// The HTTP status, or the vendor's own number of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<i64>,
    /// What was said of it, in one line and without anything secret.
    #[serde(default)]
    pub(crate) detail: String,
}

/// What keeps a notice from arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// The address is in a private network that nobody allowed.
    PrivateAddress,
    /// The place leads to another address, which is not followed.
    Redirected,
    /// No answer in time.
    Timeout,
    /// Nothing answers at the address.
    Unreachable,
    /// The certificate was refused.
    Tls,
    /// The answer was too large to be read.
    TooLarge,
    /// The address cannot be used.
    WrongAddress,
    /// The request failed in another way.
    Broken,
    /// The place answered with an HTTP status that is no success.
    Status,
    /// The vendor answered with an error of its own.
    Code,
    /// The vendor said no without a number.
    Refused,
    /// What answered is not what the place is said to be; the detail is its code.
    NotItsAnswer,
    /// The mail server, or the library that speaks to it, said no.
    Mail,
    /// The mail could not be made.
    NoMail,
    /// All tries together found no end; the number is how many seconds that were.
    NoEnd,
    /// Sending was cut off each time.
    CutOff,
    /// The site that the notice is about is gone.
    SiteGone,
    /// What is stored of the place cannot be read.
    Unreadable,
    /// Told in words by an earlier version.
    Told,
}

impl Cause {
    /// Every cause.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 19] = [
        Self::PrivateAddress,
        Self::Redirected,
        Self::Timeout,
        Self::Unreachable,
        Self::Tls,
        Self::TooLarge,
        Self::WrongAddress,
        Self::Broken,
        Self::Status,
        Self::Code,
        Self::Refused,
        Self::NotItsAnswer,
        Self::Mail,
        Self::NoMail,
        Self::NoEnd,
        Self::CutOff,
        Self::SiteGone,
        Self::Unreadable,
        Self::Told,
    ];
}

impl Why {
    /// A cause with nothing to it.
    pub(super) fn new(cause: Cause) -> Self {
        Self {
            cause,
            number: None,
            detail: String::new(),
        }
    }

    /// A cause with what was said of it.
    pub(super) fn said(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::new(cause)
        }
    }

    /// The same with a number.
    #[must_use]
    pub(super) fn number(mut self, number: impl Into<i64>) -> Self {
        self.number = Some(number.into());
        self
    }

    /// What a request failed of that nobody answered.
    pub(super) fn of(failure: &Failure) -> Self {
        let cause = match failure.kind {
            FailureKind::RefusedAddress => Cause::PrivateAddress,
            FailureKind::Redirected => Cause::Redirected,
            FailureKind::Timeout => Cause::Timeout,
            FailureKind::Unreachable => Cause::Unreachable,
            FailureKind::Tls => Cause::Tls,
            FailureKind::TooLarge => Cause::TooLarge,
            FailureKind::WrongAddress => Cause::WrongAddress,
            _ => Cause::Broken,
        };
        let mut why = Self::said(cause, failure.detail.clone());
        why.number = failure.http_status.map(i64::from);
        why
    }

    /// As it is stored.
    pub(super) fn to_stored(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What is stored. Earlier versions stored words.
    pub(crate) fn read(stored: &str) -> Self {
        serde_json::from_str(stored).unwrap_or_else(|_| Self::said(Cause::Told, stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_reads_back_and_what_was_stored_in_words_stays_readable() {
        for cause in Cause::ALL {
            for why in [
                Why::new(cause),
                Why::said(cause, "connection refused").number(503),
            ] {
                assert_eq!(Why::read(&why.to_stored()), why);
            }
        }
        for words in ["HTTP status 404", "{}", "", "3"] {
            assert_eq!(Why::read(words), Why::said(Cause::Told, words));
        }
    }
}
