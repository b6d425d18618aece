//! Switching a schedule on: what is asked for, what is refused, what is stored.

use std::time::Duration;

use lockstep_core::change::Subject;
use lockstep_store::schedule::{Mode, Plan, Rhythm, Schedule};
use lockstep_store::sites::Site;
use lockstep_store::{Store, StoreError};
use thiserror::Error;

use super::tick::{Ticks, due};

/// The rhythm of a schedule for which none is named.
pub const DEFAULT_RHYTHM: Rhythm = Rhythm::Every { hours: 6 };

/// Ticks are put off by a tenth of the time between them, and by no more than this, in milliseconds.
const JITTER: i64 = 600_000;

/// A schedule as somebody asks for it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// When its ticks come.
    pub rhythm: Rhythm,
    /// How far its runs go; `None`: runs about model lists write, runs about prices propose.
    pub mode: Option<Mode>,
    /// By how much ticks are put off at most; `None`: a tenth of the time between them, at most ten minutes.
    pub jitter: Option<Duration>,
}

/// Why a rhythm cannot be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadSchedule {
    /// The hours are out of range.
    #[error("every {0} hours is not possible; it can be every 1 to 24 hours")]
    Hours(u32),
    /// The cron line cannot be read.
    #[error(
        "the cron line `{line}` cannot be read ({why}); it has five fields, as in `0 3 * * *` for each day at 03:00"
    )]
    Line {
        /// The line, cut where it is long.
        line: String,
        /// What the reader says.
        why: String,
    },
    /// The zone is unknown.
    #[error("there is no time zone `{0}`; zones have names such as Europe/Berlin or UTC")]
    Zone(String),
    /// No tick comes.
    #[error("the cron line `{0}` never comes; look at its day and month")]
    Never(String),
    /// Ticks come too close.
    #[error(
        "the cron line `{0}` comes more than once in 15 minutes; that is more than a gateway should be asked"
    )]
    TooOften(String),
    /// The jitter is longer than half the time between ticks, or than an hour.
    #[error(
        "a tick can be put off by at most half the time to the next one, and an hour; {0} s is more"
    )]
    Jitter(u64),
}

/// Why a schedule was not switched on.
#[derive(Debug, Error)]
pub enum NotSwitched {
    /// The rhythm cannot be.
    #[error(transparent)]
    Bad(#[from] BadSchedule),
    /// Nobody looked at a plan of that site and subject yet.
    #[error("no plan of {} was reviewed on this gateway yet, and a schedule runs with nobody looking", .0.code())]
    NotReviewed(Subject),
    /// There is nothing that prices could come from.
    #[error("no source of prices is remembered for this site")]
    NoSource,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Switches a schedule on, or changes it. The rhythm is looked at once, off the thread that others wait for. The same
/// rhythm keeps its next tick, and of a site's two rhythms in hours the second is counted from where the first is, so that
/// ticks meet and prices go before lists.
///
/// # Errors
///
/// [`NotSwitched`] says what to do.
pub async fn switch_on(
    store: &Store,
    site: &Site,
    subject: Subject,
    wish: Wish,
    by: &str,
    now: i64,
) -> Result<Schedule, NotSwitched> {
    let all_channels = subject == Subject::Models;
    let stored = store.schedules(Some(&site.id)).await?;
    let before = stored.iter().find(|known| known.subject == subject);
    let other = stored.iter().find(|known| known.subject != subject);
    let same = before.filter(|known| known.plan.rhythm == wish.rhythm);
    let in_hours = other.filter(|known| matches!(known.plan.rhythm, Rhythm::Every { .. }));
    let since = same.or(in_hours).map_or(now, |known| known.plan.since);
    let looked_at = wish.clone();
    let (first, jitter_ms) = tokio::task::spawn_blocking(move || look(&looked_at, since, now))
        .await
        .map_err(|stopped| StoreError::Unavailable(stopped.to_string()))??;
    if !store
        .has_been_planned(&site.id, subject, all_channels)
        .await?
    {
        return Err(NotSwitched::NotReviewed(subject));
    }
    if subject == Subject::Prices && store.sources(&site.id).await?.is_empty() {
        return Err(NotSwitched::NoSource);
    }
    let plan = Plan {
        rhythm: wish.rhythm,
        mode: wish.mode.unwrap_or(match subject {
            Subject::Models => Mode::Apply,
            Subject::Prices => Mode::Propose,
        }),
        jitter_ms,
        since,
        by: by.to_owned(),
    };
    let next = same.and_then(|known| known.next_at).unwrap_or(first);
    store.set_schedule(&site.id, subject, &plan, next).await?;
    Ok(Schedule {
        site_id: site.id.clone(),
        subject,
        plan,
        next_at: Some(next),
        last_at: before.and_then(|known| known.last_at),
        last_run: before.and_then(|known| known.last_run.clone()),
    })
}

/// Whether a rhythm can be, looked at off the thread that others wait for.
///
/// # Errors
///
/// [`BadSchedule`] says what is wrong with it.
pub async fn check(rhythm: &Rhythm, now: i64) -> Result<(), NotSwitched> {
    let rhythm = rhythm.clone();
    tokio::task::spawn_blocking(move || Ticks::new(&rhythm, now)?.looked_at(now))
        .await
        .map_err(|stopped| StoreError::Unavailable(stopped.to_string()))??;
    Ok(())
}

/// When the schedule runs next, its jitter included, in Unix milliseconds. Nothing is reckoned but the jitter.
pub fn next_due(schedule: &Schedule) -> Option<i64> {
    let tick = schedule.next_at?;
    Some(due(&schedule.site_id, tick, schedule.plan.jitter_ms))
}

/// The first tick of a wish and its jitter, in milliseconds.
fn look(wish: &Wish, since: i64, now: i64) -> Result<(i64, i64), BadSchedule> {
    let (first, between) = Ticks::new(&wish.rhythm, since)?.looked_at(now)?;
    let jitter_ms = match wish.jitter {
        None => (between / 10).min(JITTER),
        Some(jitter) => {
            let most = (between / 2).min(3_600_000);
            i64::try_from(jitter.as_millis())
                .ok()
                .filter(|jitter| *jitter <= most)
                .ok_or(BadSchedule::Jitter(jitter.as_secs()))?
        }
    };
    Ok((first, jitter_ms))
}
