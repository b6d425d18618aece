//! Schedules: their rhythm, their ticks, and why one was lost or not switched on.

use lockstep_core::change::Subject;
use lockstep_run::schedule::NotSwitched;
use lockstep_store::schedule::{LostTick, Mode, Rhythm};

use super::count;
use crate::words::Said;

/// A rhythm, as in "every 6 hours".
pub(crate) fn rhythm(rhythm: &Rhythm) -> String {
    match rhythm {
        Rhythm::Every { hours: 1 } => "every hour".to_owned(),
        Rhythm::Every { hours } => format!("every {}", count((*hours).into(), "hour", "hours")),
        Rhythm::Cron { line, zone } => format!("{line} ({zone})"),
    }
}

/// What a schedule's runs do.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Propose => "plans only",
        Mode::Apply => "writes",
    }
}

/// Why no run came of a tick.
pub(crate) fn lost_tick(lost: &LostTick) -> Said {
    missed(lost.subject, &lost.why, &lost.detail)
}

/// Why a run that nobody looks at did not do what it was to do.
pub(super) fn missed(subject: Subject, why: &str, detail: &str) -> Said {
    let (message, hint) = match why {
        "busy" => (
            format!("The gateway was busy for ten minutes ({detail})."),
            "Nothing to do: the next one comes.".to_owned(),
        ),
        "no_token" => (
            "The Admin Token is not stored for this gateway.".to_owned(),
            "Store it: `lockstep site edit NAME --token-stdin`.".to_owned(),
        ),
        "no_source" => (
            "No source of prices is remembered.".to_owned(),
            "Remember one: `lockstep site source add official`.".to_owned(),
        ),
        "secret" => (
            format!("A source of prices names {detail}, which is not set."),
            format!("Set {detail} where `lockstep serve` is started."),
        ),
        "settings" => (
            format!("A setting cannot be used: {detail}."),
            "Mend it: `lockstep site edit NAME --set KEY=VALUE`, the configuration file or the environment.".to_owned(),
        ),
        "schedule" => (
            format!("The schedule has no next time: {detail}."),
            format!("Set it anew: `lockstep schedule set {}`.", subject.code()),
        ),
        "refused" => (
            format!("The run ended without a write: {detail}."),
            "Nothing to do: the next one plans anew.".to_owned(),
        ),
        "interrupted" => (
            "The run was interrupted while it still read: its process was stopped or killed."
                .to_owned(),
            "Nothing to do: it is begun again.".to_owned(),
        ),
        _ => (
            format!("The run could not be begun: {detail}."),
            "Look at the gateway: `lockstep doctor`.".to_owned(),
        ),
    };
    Said::new(message, hint)
}

/// What to do where a schedule is not switched on.
pub(crate) fn not_switched(error: &NotSwitched) -> Option<String> {
    match error {
        NotSwitched::NotReviewed(subject) => Some(format!(
            "Look at a plan first: `lockstep plan {0}` shows one. Then `lockstep schedule set {0}` again.{1}",
            subject.code(),
            match subject {
                Subject::Models => " A plan of some channels is not enough, nor is one by --unattended.",
                Subject::Prices => "",
            }
        )),
        NotSwitched::NoSource => Some(
            "Remember one: `lockstep site source add official`; a schedule asks what is remembered.".to_owned(),
        ),
        NotSwitched::Bad(_) | NotSwitched::Store(_) => None,
    }
}
