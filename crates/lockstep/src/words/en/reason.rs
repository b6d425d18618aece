//! Why something is held, skipped, kept or left out, in words.

use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::plan::Note;

use super::{names, price};
use crate::view::table::short;
use crate::words::Said;

/// Why something is held or skipped, and what can be done.
pub(crate) fn reason(reason: &Reason) -> Said {
    let count = reason.count.unwrap_or(0);
    let of = reason.of.unwrap_or(0);
    let limit = reason.limit.unwrap_or(0);
    let answer = "If it is right: `lockstep apply --held --only ID`. Else `lockstep held keep|allow|never ID`.";
    match reason.code {
        ReasonCode::EmptyList => Said::new(
            "Held: the provider's list is empty; nothing is removed",
            "Check the channel's key and base URL in the console; an empty list is never written.",
        ),
        ReasonCode::PartialList => Said::new(
            format!(
                "Held: {count} of {of} entries of the provider's list cannot be read; nothing is removed"
            ),
            answer,
        ),
        ReasonCode::Shrunken => Said::new(
            format!(
                "Held: the provider lists {count} models, last time {of} (below {limit} %); nothing is removed"
            ),
            answer,
        ),
        ReasonCode::TooManyRemoved => Said::new(
            if of >= 10 {
                format!("Held: {count} of {of} models would be removed (limit {limit} %)")
            } else {
                format!("Held: {count} of {of} models would be removed (limit {limit} names)")
            },
            answer,
        ),
        ReasonCode::LastServer => Said::new(
            format!(
                "Held: no other enabled channel serves {}",
                names(&reason.names, 3)
            ),
            answer,
        ),
        ReasonCode::SecondRead => Said::new(
            format!(
                "Held: {} missing for less than the time an unattended removal waits",
                were(count)
            ),
            "The next unattended run removes them if they are still missing then.",
        ),
        ReasonCode::RunBrake => Said::new(
            format!(
                "Held: {count} of {of} providers would lose models in one run (limit {limit} %)"
            ),
            "Look for a common cause (a proxy, a network). If it is right: `lockstep apply --held`.",
        ),
        ReasonCode::TooManyAdded => Said::new(
            format!(
                "Held: {count} models would be added to {of} (limit {limit} names and half of the list)"
            ),
            "If the list is curated: `lockstep channel set ID --policy prune-only` or `--allow NAME`. If all are wanted: `lockstep apply --held --only ID`.",
        ),
        ReasonCode::WouldBeEmpty => Said::new(
            "Held: the list would end up empty, which the gateway cannot store",
            "Check rules and allow-list: `lockstep channel show ID`.",
        ),
        ReasonCode::Excluded => Said::new(
            "Skipped: the policy excludes this channel",
            "`lockstep channel set ID --policy mirror` syncs it again.",
        ),
        ReasonCode::ReportOnly => Said::new(
            "Skipped: the policy only reports",
            "`lockstep channel set ID --policy mirror` lets it be written.",
        ),
        ReasonCode::Disabled => Said::new(
            "Skipped: the channel is disabled and only enabled ones were asked for",
            "Leave out --enabled-only to sync it too.",
        ),
        ReasonCode::NoModelList => Said::new(
            "Skipped: it does not answer, and its type has no model list",
            "Nothing to do; its list stays as it is.",
        ),
        ReasonCode::AutoDisabled => Said::new(
            "Skipped: it does not answer, and the gateway has disabled it",
            "Mend or delete the channel in the console.",
        ),
        ReasonCode::EmptyBefore => Said::new(
            "Cannot be undone: its list was empty before, and the gateway cannot store an empty list",
            "Take the models out in the console, or disable the channel.",
        ),
        ReasonCode::UndoneAlready => Said::new(
            format!("Undone already, by run {}", run(reason)),
            "Nothing to do; undo that run to have it back.",
        ),
        ReasonCode::ChangedSince => Said::new(
            format!("Cannot be undone: run {} changed it since", run(reason)),
            "Undo that run first, or change it in the console.",
        ),
        ReasonCode::Gone => Said::new(
            "Skipped: the channel is not on the gateway any more",
            "Nothing to do.",
        ),
        ReasonCode::NotWritten => Said::new(
            "Skipped: not written in this run",
            "Plan again, or `lockstep sync`.",
        ),
        code => price::reason(code, reason),
    }
}

/// The run that a reason is about.
fn run(reason: &Reason) -> &str {
    reason.names.first().map_or("", |id| short(id))
}

fn were(count: usize) -> String {
    if count == 1 {
        "1 name is".to_owned()
    } else {
        format!("{count} names are")
    }
}

/// Why a name stays.
pub(crate) fn kept(why: Kept) -> &'static str {
    match why {
        Kept::Pinned => "always kept",
        Kept::Alias => "alias",
        Kept::DeadAlias => "alias, but its target is gone",
        Kept::Yours => "yours: added by hand",
        Kept::Held => "removal held",
        Kept::Policy => "the policy removes nothing",
        Kept::Answered => "kept until it changes",
    }
}

/// Why a fetched name is not listed.
pub(crate) fn dropped(why: Dropped) -> &'static str {
    match why {
        Dropped::NotAllowed => "not in the allow-list",
        Dropped::NotIncluded => "no include rule matches",
        Dropped::Excluded => "an exclude rule matches",
        Dropped::AliasTarget => "only the target of an alias",
        Dropped::TakenOut => "yours: taken out by hand",
        Dropped::Unwritable => "the gateway cannot store such a name",
        Dropped::Unpriced => "no price yet",
        Dropped::Held => "addition held",
        Dropped::Policy => "the policy adds nothing",
        Dropped::Answered => "kept out until it changes",
    }
}

/// A note on a channel.
pub(crate) fn note(note: &Note) -> String {
    match note {
        Note::Renamed(from, to) => format!("renamed by case: {from} -> {to}"),
        Note::BrokenMapping => "model_mapping is not readable JSON; it counts as none".to_owned(),
        Note::LastServer(gone) => format!("last enabled channel for {}", names(gone, 3)),
        Note::OfferNeverSync(count) => {
            format!("failed {count} times alike; `lockstep held never ID` leaves it out")
        }
    }
}
