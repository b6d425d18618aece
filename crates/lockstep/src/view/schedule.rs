//! A schedule as people and programs are told of it, with what came of its last tick.

use lockstep_core::change::Subject;
use lockstep_run::schedule::next_due;
use lockstep_store::runs::Run;
use lockstep_store::schedule::{LostTick, Rhythm, Schedule};
use lockstep_store::{Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::time;
use crate::words::en;

/// A schedule with what came of its last tick.
pub(crate) struct Told {
    pub(crate) subject: Subject,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) run: Option<Run>,
    pub(crate) lost: Option<LostTick>,
}

/// A schedule as JSON. What it has none of is null.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(crate) struct Form {
    /// `models` or `prices`.
    subject: &'static str,
    /// Whether runs begin by themselves.
    on: bool,
    /// Every so many hours.
    every_hours: Option<u8>,
    /// The cron line.
    cron: Option<String>,
    /// The time zone of the cron line.
    zone: Option<String>,
    /// `propose` or `apply`.
    mode: Option<&'static str>,
    /// By how many milliseconds a tick is put off at most.
    jitter_ms: Option<i64>,
    /// Who switched it on.
    by: Option<String>,
    /// When the next run begins, its jitter included; RFC 3339.
    next_at: Option<String>,
    /// When the last tick was taken; RFC 3339.
    last_at: Option<String>,
    /// The run that came of it.
    last_run: Option<LastRun>,
    /// The tick that no run came of, where no run came after it.
    lost: Option<Lost>,
}

/// The last run of a schedule.
#[derive(Debug, Serialize, ToSchema)]
struct LastRun {
    run: String,
    state: &'static str,
    /// RFC 3339.
    started_at: String,
    /// RFC 3339.
    ended_at: Option<String>,
}

/// A tick that no run came of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LostTick)]
struct Lost {
    /// The tick; RFC 3339.
    tick_at: String,
    /// Why, as a code.
    why: String,
    message: String,
    hint: String,
}

impl Told {
    /// What is known of the schedule of a subject.
    pub(crate) async fn of(
        store: &Store,
        site: &str,
        subject: Subject,
    ) -> Result<Self, StoreError> {
        let schedules = store.schedules(Some(site)).await?;
        let schedule = schedules.into_iter().find(|known| known.subject == subject);
        let last = schedule.as_ref().and_then(|known| known.last_run.as_ref());
        let run = match last {
            Some(id) => match store.run(id).await {
                Ok(run) => Some(run),
                Err(StoreError::NotFound(_)) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        // One that a run came after is history.
        let lost = store.lost_ticks(site, subject, 1).await?.pop();
        let lost = lost.filter(|lost| {
            schedule.is_some() && run.as_ref().is_none_or(|run| lost.at > run.started_at)
        });
        Ok(Self {
            subject,
            schedule,
            run,
            lost,
        })
    }

    /// The same as JSON.
    pub(crate) fn form(&self) -> Form {
        let schedule = self.schedule.as_ref();
        let plan = schedule.map(|schedule| &schedule.plan);
        let (every_hours, cron, zone) = match plan.map(|plan| &plan.rhythm) {
            Some(Rhythm::Every { hours }) => (Some(*hours), None, None),
            Some(Rhythm::Cron { line, zone }) => (None, Some(line.clone()), Some(zone.clone())),
            None => (None, None, None),
        };
        Form {
            subject: self.subject.code(),
            on: schedule.is_some(),
            every_hours,
            cron,
            zone,
            mode: plan.map(|plan| plan.mode.code()),
            jitter_ms: plan.map(|plan| plan.jitter_ms),
            by: plan.map(|plan| plan.by.clone()),
            next_at: schedule.and_then(next_due).map(time),
            last_at: schedule.and_then(|schedule| schedule.last_at).map(time),
            last_run: self.run.as_ref().map(|run| LastRun {
                run: run.id.clone(),
                state: run.state.code(),
                started_at: time(run.started_at),
                ended_at: run.ended_at.map(time),
            }),
            lost: self.lost.as_ref().map(|lost| {
                let said = en::lost_tick(lost);
                Lost {
                    tick_at: time(lost.tick),
                    why: lost.why.clone(),
                    message: said.message,
                    hint: said.hint,
                }
            }),
        }
    }
}
