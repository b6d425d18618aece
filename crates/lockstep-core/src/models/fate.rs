//! The fate of single names: why one stays, why one does not come.

use crate::hold::codes;

codes! {
    /// Why a name stays in the list although the provider, after rules, does not have it.
    Kept {
        /// Always kept, by setting.
        Pinned = "pinned",
        /// An alias whose target the provider serves.
        Alias = "alias",
        /// An alias whose target is gone: it stays, and is flagged.
        DeadAlias = "dead_alias",
        /// Added by hand.
        Yours = "yours",
        /// Its removal is held.
        Held = "held",
        /// The policy removes nothing.
        Policy = "policy",
        /// "Keep until it changes" was answered.
        Answered = "answered",
    }
}

codes! {
    /// Why a fetched name is not in the list.
    Dropped {
        /// Not in the allow-list.
        NotAllowed = "not_allowed",
        /// No include pattern matches.
        NotIncluded = "not_included",
        /// An exclude pattern matches.
        Excluded = "excluded",
        /// Only the target of an alias.
        AliasTarget = "alias_target",
        /// Taken out by hand.
        TakenOut = "taken_out",
        /// The gateway's list cannot hold such a name.
        Unwritable = "unwritable",
        /// It has no price yet.
        Unpriced = "unpriced",
        /// Its addition is held.
        Held = "held",
        /// The policy adds nothing.
        Policy = "policy",
        /// "Keep until it changes" was answered.
        Answered = "answered",
    }
}
