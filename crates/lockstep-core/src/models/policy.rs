//! What a channel's list is to become.

use crate::hold::codes;

codes! {
    /// The policy of a site, a provider or a channel; the narrower one wins.
    Policy {
        /// The provider's list after rules; once settled, only what the provider changed since is applied,
        /// so that hand edits stay.
        Mirror = "mirror",
        /// The provider's list after rules, whatever was edited by hand.
        Exact = "exact",
        /// As mirror, but never loses names.
        AddOnly = "add-only",
        /// As mirror, but never gains names.
        PruneOnly = "prune-only",
        /// Reported, never written.
        ReportOnly = "report-only",
        /// Left alone.
        Exclude = "exclude",
    }
}

impl Policy {
    /// Whether names may be added.
    pub fn adds(self) -> bool {
        !matches!(self, Self::PruneOnly | Self::Exclude)
    }

    /// Whether names may be removed.
    pub fn removes(self) -> bool {
        !matches!(self, Self::AddOnly | Self::Exclude)
    }
}
