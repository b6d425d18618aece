//! When ticks come: every so many hours, or by a cron line in its time zone. Time is an argument.
//!
//! An odd cron line takes hundreds of milliseconds for one tick, so nothing here is called while a request waits: the
//! next tick is stored.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lockstep_core::hash::Digest;
use lockstep_store::schedule::{Plan, Rhythm};

use super::spec::BadSchedule;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Ticks of a cron line do not come closer than this, in milliseconds.
pub const CLOSEST: i64 = 15 * MINUTE;

/// For so long after its first tick a cron line is looked at when it is set, in milliseconds.
const LOOKED_AT: i64 = 48 * HOUR;

/// The ticks of a plan.
#[derive(Clone)]
pub struct Ticks(Kind);

#[derive(Clone)]
enum Kind {
    Every {
        interval: i64,
        since: i64,
    },
    Cron {
        line: String,
        cron: Box<Cron>,
        zone: TimeZone,
    },
}

impl Ticks {
    /// The ticks of a plan.
    ///
    /// # Errors
    ///
    /// [`BadSchedule`] for hours out of range, a line that cannot be read, an unknown zone.
    pub fn of(plan: &Plan) -> Result<Self, BadSchedule> {
        Self::new(&plan.rhythm, plan.since)
    }

    /// The ticks of a rhythm; those in hours are counted from `since`, in Unix milliseconds.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn new(rhythm: &Rhythm, since: i64) -> Result<Self, BadSchedule> {
        Ok(Self(match rhythm {
            Rhythm::Every { hours } if (1..=24).contains(hours) => Kind::Every {
                interval: i64::from(*hours) * HOUR,
                since,
            },
            Rhythm::Every { hours } => return Err(BadSchedule::Hours((*hours).into())),
            Rhythm::Cron { line, zone } => Kind::Cron {
                cron: Box::new(read(line)?),
                zone: TimeZone::get(zone).map_err(|_| BadSchedule::Zone(zone.clone()))?,
                line: line.clone(),
            },
        }))
    }

    /// The first tick after a moment, both in Unix milliseconds. A time that the clocks skip comes at the end of the gap,
    /// one that they show twice comes once; what comes every so many minutes or hours keeps its pace.
    ///
    /// # Errors
    ///
    /// [`BadSchedule::Never`] when none comes any more.
    pub fn after(&self, moment: i64) -> Result<i64, BadSchedule> {
        match &self.0 {
            Kind::Every { interval, since } => {
                let passed = moment.saturating_sub(*since).div_euclid(*interval);
                let next = (passed + 1).saturating_mul(*interval);
                Ok(since.saturating_add(next))
            }
            Kind::Cron { line, cron, zone } => {
                let never = || BadSchedule::Never(line.clone());
                let moment = Timestamp::from_millisecond(moment).map_err(|_| never())?;
                let from = Zoned::new(moment, zone.clone());
                let next = cron
                    .find_next_occurrence(&from, false)
                    .map_err(|_| never())?;
                Ok(next.timestamp().as_millisecond())
            }
        }
    }

    /// The first tick after a moment, and the smallest time between two of the ticks that soon follow it. This is the one
    /// look at a new rhythm.
    ///
    /// # Errors
    ///
    /// [`BadSchedule::Never`], and [`BadSchedule::TooOften`] when ticks come closer than [`CLOSEST`].
    pub(crate) fn looked_at(&self, now: i64) -> Result<(i64, i64), BadSchedule> {
        let first = self.after(now)?;
        let line = match &self.0 {
            Kind::Every { interval, .. } => return Ok((first, *interval)),
            Kind::Cron { line, .. } => line,
        };
        let (mut tick, mut smallest) = (first, i64::MAX);
        while tick - first < LOOKED_AT {
            // A line may have a last tick.
            let Ok(next) = self.after(tick) else { break };
            smallest = smallest.min(next - tick);
            if smallest < CLOSEST {
                return Err(BadSchedule::TooOften(line.clone()));
            }
            tick = next;
        }
        Ok((first, smallest))
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Every { interval, since } => write!(f, "Ticks(every {interval} ms from {since})"),
            Kind::Cron { line, .. } => write!(f, "Ticks({line})"),
        }
    }
}

/// When a tick is run: a little later, so that not all who run one at the full hour ask at once. The same site and tick
/// are always put off by the same part of the most.
pub fn due(site_id: &str, tick: i64, jitter_ms: i64) -> i64 {
    let digest = Digest::of([site_id, &tick.to_string()]);
    let part = digest.as_str().get(..8).unwrap_or_default();
    let part = i64::from(u32::from_str_radix(part, 16).unwrap_or(0));
    let most = jitter_ms.clamp(0, HOUR);
    tick.saturating_add(most * part / i64::from(u32::MAX))
}

fn read(line: &str) -> Result<Cron, BadSchedule> {
    let bad = |why: String| BadSchedule::Line {
        line: line.chars().take(80).collect(),
        why,
    };
    if line.len() > 200 {
        return Err(bad("it is too long".to_owned()));
    }
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(line)
        .map_err(|error| bad(error.to_string()))
}
