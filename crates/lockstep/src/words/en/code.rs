//! What states, policies and answers are called.

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::hold::Answer;
use lockstep_core::models::policy::Policy;

use crate::words::Label;

/// How far a change got.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Same => "In step",
        State::Skipped => "Skipped",
        State::Held => "Held",
        State::Unread => "Not read",
        State::Ready => "Ready",
        State::Approved => "Being written",
        State::Applied => "Changed",
        State::Moved => "Moved",
        State::Failed => "Failed",
        State::Unverified => "Not confirmed",
        State::Dropped => "Not written",
    }
}

/// How far a run got.
pub(crate) fn run_state(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "Waits its turn",
        RunState::Reading => "Reading",
        RunState::Planned => "Planned",
        RunState::Writing => "Writing",
        RunState::Done => "Done",
        RunState::Partial => "Done in part",
        RunState::Failed => "Failed",
        RunState::Cancelled => "Cancelled",
    }
}

/// What a run is about.
pub(crate) fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Models => "Model lists",
        Subject::Prices => "Prices",
    }
}

/// What started a run; a word that is not known is shown as it is stored.
pub(crate) fn trigger(code: &str) -> &str {
    match code {
        "plan" => "Preview",
        "sync" => "Run All",
        "selected" => "Run Selected",
        "retry-failed" => "Retry Failed Only",
        "apply-held" => "Apply what was held",
        "undo" => "Undo",
        "unpriced" => "Unpriced models",
        "review" => "Chosen prices",
        "schedule" => "Schedule",
        other => other,
    }
}

/// A policy, and what it does.
pub(crate) fn policy(policy: Policy) -> Label {
    match policy {
        Policy::Mirror => Label {
            label: "Mirror",
            text: "What the provider adds and removes is followed; what was edited by hand stays.",
        },
        Policy::Exact => Label {
            label: "Exact",
            text: "The provider's list after rules, whatever was edited by hand.",
        },
        Policy::AddOnly => Label {
            label: "Add only",
            text: "As mirror, but never loses names.",
        },
        Policy::PruneOnly => Label {
            label: "Prune only",
            text: "As mirror, but never gains names: for curated lists.",
        },
        Policy::ReportOnly => Label {
            label: "Report only",
            text: "Differences are shown and never written.",
        },
        Policy::Exclude => Label {
            label: "Exclude",
            text: "The channel is left alone.",
        },
    }
}

/// An answer to a hold, and what it does.
pub(crate) fn answer(answer: Answer) -> Label {
    match answer {
        Answer::ApplyAnyway => Label {
            label: "Apply anyway",
            text: "Writes what is held, this once.",
        },
        Answer::KeepUntilItChanges => Label {
            label: "Keep until it changes",
            text: "Leaves the channel as it is until the held change becomes another one.",
        },
        Answer::AlwaysAllow => Label {
            label: "Always allow here",
            text: "This reason does not hold this channel any more.",
        },
        Answer::NeverSync => Label {
            label: "Never sync this channel",
            text: "Sets its policy to exclude.",
        },
    }
}
