//! The state of a source after it was asked.

use crate::failure::{Failure, FailureKind};
use crate::hold::codes;

codes! {
    /// The state of a source, as shown and as printed in JSON.
    SourceState {
        /// Its list came and was read.
        Ok = "ok",
        /// No list came, or none that could be used.
        Failed = "failed",
        /// The site gives its prices to signed-in people only.
        NeedsSignIn = "needs_sign_in",
        /// A firewall's page came instead of the list.
        Firewall = "firewall",
        /// Something came that is no price list.
        NotAPriceList = "not_a_price_list",
        /// Some entries could not be read; the others are used.
        Partial = "partial",
        /// It has less than half of the models of its last good list, and is not believed.
        Shrunken = "shrunken",
        /// It is a price list without a price.
        Empty = "empty",
        /// It did not answer, and its last good list stands in.
        Stale = "stale",
        /// Its address is private and not allowed for this site.
        PrivateAddress = "private_address",
    }
}

impl SourceState {
    /// The state of a source whose list did not come.
    pub fn of_failure(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::RefusedAddress => Self::PrivateAddress,
            FailureKind::Unauthorized => Self::NeedsSignIn,
            FailureKind::Firewall => Self::Firewall,
            FailureKind::WrongAddress | FailureKind::NotRecognised => Self::NotAPriceList,
            _ => Self::Failed,
        }
    }

    /// The state of a source whose list was recognised: how many models have a price in it, how many entries should
    /// have been a price and could not be read, and how many models its last good list had.
    pub fn of_list(models: usize, unreadable: usize, last_good: Option<usize>) -> Self {
        let shrunken = last_good.is_some_and(|good| models.saturating_mul(2) < good);
        match (models, unreadable) {
            (0, 0) => Self::Empty,
            (0, _) => Self::Failed,
            _ if shrunken => Self::Shrunken,
            (_, 0) => Self::Ok,
            _ => Self::Partial,
        }
    }

    /// Whether prices of such a source may be planned. A list that stands in for a missing one is for looking at.
    pub fn is_believed(self) -> bool {
        matches!(self, Self::Ok | Self::Partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_judged_by_its_sizes() {
        for (models, unreadable, last_good, state) in [
            (10, 0, None, SourceState::Ok),
            (10, 0, Some(20), SourceState::Ok),
            (9, 0, Some(19), SourceState::Shrunken),
            (9, 3, Some(100), SourceState::Shrunken),
            (9, 3, Some(10), SourceState::Partial),
            (0, 0, None, SourceState::Empty),
            (0, 0, Some(10), SourceState::Empty),
            (0, 2, None, SourceState::Failed),
        ] {
            let told = SourceState::of_list(models, unreadable, last_good);
            assert_eq!(told, state, "{models} {unreadable} {last_good:?}");
            let sound = matches!(state, SourceState::Ok | SourceState::Partial);
            assert_eq!(told.is_believed(), sound);
        }
    }

    #[test]
    fn a_failure_tells_what_to_do_about_the_source() {
        for (kind, state) in [
            (FailureKind::Unauthorized, SourceState::NeedsSignIn),
            (FailureKind::Firewall, SourceState::Firewall),
            (FailureKind::RefusedAddress, SourceState::PrivateAddress),
            (FailureKind::WrongAddress, SourceState::NotAPriceList),
            (FailureKind::Timeout, SourceState::Failed),
            (FailureKind::RateLimited, SourceState::Failed),
        ] {
            assert_eq!(SourceState::of_failure(&Failure::new(kind, "")), state);
        }
    }

    #[test]
    fn state_codes_read_back() {
        for state in SourceState::ALL {
            assert_eq!(SourceState::from_code(state.code()), Some(*state));
        }
    }
}
