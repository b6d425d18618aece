//! Why something is not written: reasons as codes with arguments, and the answers to them.

macro_rules! codes {
    ($(#[$meta:meta])* $enum:ident { $($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $enum { $($(#[$doc])* $name),+ }

        impl $enum {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code, as stored and as printed in JSON.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The value of a stored code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// Why a change is held or skipped.
    ReasonCode {
        /// Held removals: the provider's list is empty.
        EmptyList = "empty_list",
        /// Held removals: some entries of the provider's list could not be read.
        PartialList = "partial_list",
        /// Held removals: the provider's list fell below half of its last good size.
        Shrunken = "shrunken_list",
        /// Held removals: more names would go than the limit lets pass.
        TooManyRemoved = "too_many_removed",
        /// Held removals: no other enabled channel would serve some of the names.
        LastServer = "last_server",
        /// Held removals: the names are missing for less than the time that an unattended removal asks for.
        SecondRead = "second_read",
        /// Held removals: too many providers would lose names in one run.
        RunBrake = "run_brake",
        /// Held additions: more names would come than the limit lets pass.
        TooManyAdded = "too_many_added",
        /// Held: the list would end up empty, which the gateway cannot store.
        WouldBeEmpty = "would_be_empty",
        /// Skipped: the policy excludes the channel.
        Excluded = "excluded",
        /// Skipped: the policy only reports.
        ReportOnly = "report_only",
        /// Skipped: the channel is disabled and only enabled ones were asked for.
        Disabled = "disabled",
        /// Skipped: it does not answer, and its type has no model list.
        NoModelList = "no_model_list",
        /// Skipped: it does not answer, and the gateway has disabled it.
        AutoDisabled = "auto_disabled",
        /// Skipped by undo: the list was empty before, which the gateway cannot store.
        EmptyBefore = "empty_before",
        /// Skipped by undo: another run took it back already.
        UndoneAlready = "undone_already",
        /// Skipped by undo: another run wrote something else there since.
        ChangedSince = "changed_since",
        /// Skipped: the channel is not on the gateway any more.
        Gone = "gone",
        /// Skipped: the run ended before its turn, or it was not chosen.
        NotWritten = "not_written",
        /// Held price: the value is no number, or one that cannot be reckoned with.
        NotANumber = "not_a_number",
        /// Held price: the value is below zero.
        Negative = "negative",
        /// Held price: from something to nothing, or from nothing to something.
        ZeroCrossing = "zero_crossing",
        /// Held price: 37.5, which gateways show for a model that nobody priced.
        Placeholder = "placeholder",
        /// Held price: more than ten times, or less than a tenth, of what it was.
        Tenfold = "tenfold",
        /// Held price: a thousand, or a million, times what it was or what others say: a slip of units.
        UnitSlip = "unit_slip",
        /// Held price: it would be billed in another way, per call instead of per token or the like.
        KindChange = "kind_change",
        /// Held price, unattended: it would fall by more than the limit, in percent.
        LargeFall = "large_fall",
        /// Held price, unattended: it would rise by more than the limit, in percent.
        LargeRise = "large_rise",
        /// Held price, unattended: the source says this value for less than the time asked for.
        FirstSeen = "first_seen",
        /// Held price, unattended: one source against two or more others that answered.
        LoneSource = "lone_source",
        /// Held price, unattended: too many models would change in one run.
        PriceBrake = "price_brake",
        /// Held price: the sellers of the name disagree and none is its maker.
        NoMajority = "no_majority",
        /// Held price: the gateway's map has an entry that is no number, and writing the map would make it free.
        UnwritableMap = "unwritable_map",
        /// Held price: the expression is not of the known grammar.
        UnknownExpression = "unknown_expression",
        /// Held price: nobody can tell what the expression costs; unattended always, else where that was known.
        UnknownCost = "unknown_cost",
        /// Held price: the source says nothing of the group in which one buys there.
        UnknownGroup = "unknown_group",
        /// Held price: the source has the model under a name that is only alike.
        NameMatch = "name_match",
        /// Skipped price: the gateway bills this model's output by a ratio of its own.
        LockedCompletion = "locked_completion",
        /// Skipped price: no source that answered has a usable one.
        NoSource = "no_source",
        /// Skipped price: locked by a person.
        Locked = "locked",
        /// Skipped price: ignored by a person.
        Ignored = "ignored",
    }
}

/// A reason: a code and its arguments, never a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What the reason is.
    pub code: ReasonCode,
    /// How many: names, or providers.
    pub count: Option<usize>,
    /// Out of how many.
    pub of: Option<usize>,
    /// The limit that was passed: names or percent, as the code says.
    pub limit: Option<usize>,
    /// The names it is about, where they are few enough to say.
    pub names: Vec<String>,
}

impl ReasonCode {
    /// Whether "always allow here" can be answered to it. An empty list is never a reason to remove, and the brake of
    /// a whole run is about the run, not about one channel.
    pub fn can_be_allowed(self) -> bool {
        !matches!(
            self,
            Self::EmptyList
                | Self::WouldBeEmpty
                | Self::RunBrake
                | Self::PriceBrake
                | Self::NoMajority
                // A yes to one name is no yes to the next one that is alike.
                | Self::NameMatch
                // Nor is one to an expression whose cost nobody can tell.
                | Self::UnknownCost
        ) && !self.never_passes()
    }

    /// Whether "apply anyway" can be answered to it: no list is ever made empty, and what is no price is never one.
    pub fn can_be_applied(self) -> bool {
        !matches!(self, Self::EmptyList | Self::WouldBeEmpty) && !self.never_passes()
    }

    /// Whether nobody's yes makes it pass: what would be written is no price.
    pub fn never_passes(self) -> bool {
        matches!(
            self,
            Self::NotANumber
                | Self::Negative
                | Self::UnwritableMap
                | Self::UnknownExpression
                | Self::UnknownGroup
        )
    }
}

impl Reason {
    /// A reason without arguments.
    pub fn plain(code: ReasonCode) -> Self {
        Self {
            code,
            count: None,
            of: None,
            limit: None,
            names: Vec::new(),
        }
    }

    /// A reason that counts.
    pub fn counted(code: ReasonCode, count: usize, of: usize, limit: usize) -> Self {
        Self {
            count: Some(count),
            of: Some(of),
            limit: Some(limit),
            ..Self::plain(code)
        }
    }

    /// A reason about some names.
    pub fn named(code: ReasonCode, names: Vec<String>) -> Self {
        Self {
            count: Some(names.len()),
            names,
            ..Self::plain(code)
        }
    }
}

codes! {
    /// The four answers to a hold.
    Answer {
        /// Write what is held, now.
        ApplyAnyway = "apply",
        /// Leave it as it is until the held change becomes another one.
        KeepUntilItChanges = "keep",
        /// Do not hold for this reason on this channel any more.
        AlwaysAllow = "allow",
        /// Never sync this channel.
        NeverSync = "never",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_price_is_never_let_pass_for_good_and_neither_is_another_name() {
        for code in ReasonCode::ALL {
            let allowed = code.can_be_allowed();
            assert!(!(allowed && code.never_passes()), "{}", code.code());
        }
        assert!(!ReasonCode::NameMatch.can_be_allowed());
        assert!(ReasonCode::LargeRise.can_be_allowed());
    }

    #[test]
    fn reason_codes_read_back() {
        for code in ReasonCode::ALL {
            assert_eq!(ReasonCode::from_code(code.code()), Some(*code));
        }
        for answer in Answer::ALL {
            assert_eq!(Answer::from_code(answer.code()), Some(*answer));
        }
    }
}
