//! What a page says of what was just done: a word in the address, and never what somebody wrote into it.

use super::frame::SayKind;
use super::words::Words;

/// The name in the address.
pub(super) const SAID: &str = "said";

/// What was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flash {
    Saved,
    Unchanged,
    SiteKept,
    SiteRemoved,
    SwitchedOff,
    NothingChosen,
    Started,
    Cancelling,
    Ended,
    PlanMoved,
    NoneSelected,
    NoneFailed,
    NothingHeld,
    PlaceAdded,
    Removed,
    PasswordChanged,
    Revoked,
    SignInsEnded,
}

impl Flash {
    const ALL: [Self; 18] = [
        Self::Saved,
        Self::Unchanged,
        Self::SiteKept,
        Self::SiteRemoved,
        Self::SwitchedOff,
        Self::NothingChosen,
        Self::Started,
        Self::Cancelling,
        Self::Ended,
        Self::PlanMoved,
        Self::NoneSelected,
        Self::NoneFailed,
        Self::NothingHeld,
        Self::PlaceAdded,
        Self::Removed,
        Self::PasswordChanged,
        Self::Revoked,
        Self::SignInsEnded,
    ];

    fn code(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Unchanged => "unchanged",
            Self::SiteKept => "site-kept",
            Self::SiteRemoved => "site-removed",
            Self::SwitchedOff => "switched-off",
            Self::NothingChosen => "nothing-chosen",
            Self::Started => "started",
            Self::Cancelling => "cancelling",
            Self::Ended => "ended",
            Self::PlanMoved => "plan-moved",
            Self::NoneSelected => "none-selected",
            Self::NoneFailed => "none-failed",
            Self::NothingHeld => "nothing-held",
            Self::PlaceAdded => "place-added",
            Self::Removed => "removed",
            Self::PasswordChanged => "password-changed",
            Self::Revoked => "revoked",
            Self::SignInsEnded => "sign-ins-ended",
        }
    }

    /// What the address says; a word that is not known says nothing.
    pub(super) fn of_query(query: &str) -> Option<Self> {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let (_, code) = pairs.find(|(name, _)| name == SAID)?;
        Self::ALL.into_iter().find(|flash| flash.code() == code)
    }

    /// The address of a page that says it.
    pub(crate) fn at(self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}{SAID}={}", self.code())
    }

    pub(super) fn kind(self) -> SayKind {
        match self {
            Self::Unchanged
            | Self::NothingChosen
            | Self::Cancelling
            | Self::PlanMoved
            | Self::NoneSelected
            | Self::NoneFailed
            | Self::NothingHeld => SayKind::Waits,
            _ => SayKind::Good,
        }
    }

    /// In words, with what comes next.
    pub(super) fn words(self, t: &Words) -> (&str, Option<&str>) {
        match self {
            Self::Saved => (&t.form.saved, None),
            Self::Unchanged => (&t.form.unchanged, None),
            Self::SiteKept => (&t.sites.kept, Some(&t.overview.no_run_hint)),
            Self::SiteRemoved => (&t.sites.removed, None),
            Self::SwitchedOff => (&t.schedule.switched_off, None),
            Self::NothingChosen => (&t.prices.review_none, None),
            Self::Started => (&t.models.started_said, None),
            Self::Cancelling => (&t.run.cancelling, None),
            Self::Ended => (&t.run.ended, None),
            Self::PlanMoved => (&t.models.plan_moved, None),
            Self::NoneSelected => (&t.models.none_selected, None),
            Self::NoneFailed => (&t.models.none_failed, None),
            Self::NothingHeld => (&t.models.held_none, None),
            Self::PlaceAdded => (&t.notices.added, Some(&t.notices.added_hint)),
            Self::Removed => (&t.form.removed, None),
            Self::PasswordChanged => (&t.tokens.changed, None),
            Self::Revoked => (&t.tokens.revoked, None),
            Self::SignInsEnded => (&t.tokens.ended, None),
        }
    }
}
