//! Notices: what a run found that somebody should hear of, told once, again when it changes, and taken back when it
//! is over.
//!
//! A run is told by kinds. Of each kind there is one list of findings for a site and a subject, and its digest is what
//! "has changed" means.

mod finding;
mod settle;

pub use finding::{About, Finding, What, digest};
pub use settle::{Known, Looked, Notice, Settled, Telling, Told, settle};

use crate::hold::codes;

codes! {
    /// What a notice is about.
    NoticeKind {
        /// Something failed: a channel, a price, or the run as a whole.
        Failed = "failed",
        /// Something waits for an answer.
        Held = "held",
        /// Something was written.
        Changed = "changed",
        /// A source of prices gave no list that can be believed.
        SourceTrouble = "source_trouble",
        /// A source asks another price than the gateway, and nothing was written.
        PriceMoved = "price_moved",
        /// A served model, or one that is about to be, has no price.
        Unpriced = "unpriced",
        /// The gateway sells a model for less than its source asks at our cost.
        BelowCost = "below_cost",
        /// A run that nobody looks at did not begin when its time came, or was not allowed to write.
        Missed = "missed",
    }
}

impl NoticeKind {
    /// Whether it is something that happened, and not something that lasts: it is told each time, and never taken back.
    pub fn is_event(self) -> bool {
        self == Self::Changed
    }

    /// Whether a single finding of it waits for a second run that finds the same: what fails alone often passes. A run
    /// that failed as a whole waits for none, for while it does nothing is looked at.
    pub fn waits_for_a_second(self) -> bool {
        matches!(self, Self::Failed | Self::SourceTrouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_codes_read_back() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::from_code(kind.code()), Some(*kind));
        }
    }
}
