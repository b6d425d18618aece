//! A change: what would be, or was, written to one target, and how far it got.

use crate::hold::{Reason, codes};

/// What is to happen to one part of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing would change.
    Same,
    /// May be written once approved.
    Apply,
    /// Waits for an answer.
    Hold(Reason),
    /// Is left alone, and that is no failure.
    Skip(Reason),
}

impl Verdict {
    /// The reason of a held verdict.
    pub fn held(&self) -> Option<&Reason> {
        match self {
            Self::Hold(reason) => Some(reason),
            Self::Same | Self::Apply | Self::Skip(_) => None,
        }
    }
}

codes! {
    /// How far a change got.
    State {
        /// Nothing to change.
        Same = "same",
        /// Left alone by policy or for want of a list.
        Skipped = "skipped",
        /// All of it waits for an answer.
        Held = "held",
        /// Its provider's list could not be read.
        Unread = "unread",
        /// At least one part may be written once approved.
        Ready = "ready",
        /// Approved: this is the intent of a write.
        Approved = "approved",
        /// Written and read back.
        Applied = "applied",
        /// The base moved and the change no longer is what was approved; nothing was written.
        Moved = "moved",
        /// The write failed; nothing was written, as far as could be read back.
        Failed = "failed",
        /// The write may have arrived; reading back did not tell.
        Unverified = "unverified",
        /// Approved, or ready, but its run ended before its turn.
        Dropped = "dropped",
    }
}

codes! {
    /// How far a run got.
    RunState {
        /// Waits for its site.
        Queued = "queued",
        /// Reads channels and asks providers.
        Reading = "reading",
        /// Planned; waits for approval.
        Planned = "planned",
        /// Writes what was approved.
        Writing = "writing",
        /// Ended, nothing failed; holds may wait.
        Done = "done",
        /// Ended, something failed or moved and something succeeded.
        Partial = "partial",
        /// Ended, nothing succeeded, or no plan could be made.
        Failed = "failed",
        /// Ended by a person before it was through.
        Cancelled = "cancelled",
    }
}

impl RunState {
    /// Whether the run is over.
    pub fn ended(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Partial | Self::Failed | Self::Cancelled
        )
    }
}

codes! {
    /// What a run is about.
    Subject {
        /// The channels' model lists.
        Models = "models",
        /// The price maps.
        Prices = "prices",
    }
}
