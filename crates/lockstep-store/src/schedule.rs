//! Schedules: when a subject of a site runs by itself, and who takes which tick.

mod lost;

use lockstep_core::change::Subject;
use lockstep_core::site::GatewayUrl;
use serde::{Deserialize, Serialize};

use crate::columns::Columns;
use crate::runs::{NewRun, Run};
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, runs, sites, sql, wire};

pub use lost::LostTick;
pub(crate) use lost::forget_lost_ticks;

/// When a schedule's ticks come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Every so many hours, 1 to 24.
    Every {
        /// The hours.
        hours: u8,
    },
    /// By a cron line of five fields, in a time zone.
    Cron {
        /// The line.
        line: String,
        /// The zone's IANA name.
        zone: String,
    },
}

/// How far a scheduled run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It plans, and what it plans waits for somebody.
    Propose,
    /// It writes what no guard holds.
    Apply,
}

impl Mode {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Apply => "apply",
        }
    }

    /// The mode of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Propose, Self::Apply]
            .into_iter()
            .find(|mode| mode.code() == code)
    }
}

/// What was switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// When its ticks come.
    pub rhythm: Rhythm,
    /// How far its runs go.
    pub mode: Mode,
    /// By how many milliseconds a tick is put off at most.
    pub jitter_ms: i64,
    /// What ticks of a rhythm in hours are counted from, in Unix milliseconds: when it was switched on.
    pub since: i64,
    /// Who switched it on.
    pub by: String,
}

/// The schedule of one subject of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The site's id.
    pub site_id: String,
    /// What runs.
    pub subject: Subject,
    /// When, and how far.
    pub plan: Plan,
    /// The next tick, before its jitter, in Unix milliseconds; `None` when none will come.
    pub next_at: Option<i64>,
    /// When its last tick was taken.
    pub last_at: Option<i64>,
    /// The run that came of it last.
    pub last_run: Option<String>,
}

/// A tick to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it is about.
    pub subject: Subject,
    /// The tick.
    pub tick: i64,
    /// The tick after it that still comes; `None` when there is none.
    pub next: Option<i64>,
    /// When the tick before was taken, so that this one can be given back.
    pub last_at: Option<i64>,
    /// The run of the tick before: while the schedule has that one, none came of this tick.
    pub last_run: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PlanText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hours: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    mode: String,
    jitter_ms: i64,
    since: i64,
    by: String,
}

impl Store {
    /// The schedules of a site, or of all, in the order of sites and subjects.
    pub async fn schedules(&self, site_id: Option<&str>) -> Result<Vec<Schedule>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM schedule WHERE ($1 IS NULL OR site_id = $1) ORDER BY site_id, subject",
        )
        .bind(site_id)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// Switches a schedule on, or changes it. What its last tick was is kept.
    pub async fn set_schedule(
        &self,
        site_id: &str,
        subject: Subject,
        plan: &Plan,
        next_at: i64,
    ) -> Result<(), StoreError> {
        let (site_id, data) = (site_id.to_owned(), to_text(plan));
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                sql::query(
                    "INSERT INTO schedule (site_id, subject, data, next_at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (site_id, subject) DO UPDATE
                     SET data = excluded.data, next_at = excluded.next_at",
                )
                .bind(site_id)
                .bind(subject.code())
                .bind(data)
                .bind(next_at)
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Switches a schedule off. Returns whether it was on.
    pub async fn remove_schedule(
        &self,
        site_id: &str,
        subject: Subject,
    ) -> Result<bool, StoreError> {
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let removed =
                    sql::query("DELETE FROM schedule WHERE site_id = $1 AND subject = $2")
                        .bind(site_id)
                        .bind(subject.code())
                        .execute(db)
                        .await?;
                Ok(removed.rows_affected() > 0)
            })
        })
        .await
    }

    /// Takes ticks of a site, and returns the subjects whose tick was still there: of several processes that see the
    /// same tick, one gets it.
    pub async fn claim_ticks(
        &self,
        site_id: &str,
        claims: Vec<Claim>,
        now: i64,
    ) -> Result<Vec<Subject>, StoreError> {
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let mut taken = Vec::new();
                for claim in claims {
                    let moved = move_tick(db, &site_id, &claim, Some(now)).await?;
                    if moved {
                        taken.push(claim.subject);
                    }
                }
                Ok(taken)
            })
        })
        .await
    }

    /// Gives a tick back that was taken at a time, so that it is due again. Returns whether the schedule was still as it
    /// was left: not where a run came of the tick.
    pub async fn give_back_tick(
        &self,
        site_id: &str,
        claim: Claim,
        taken_at: i64,
    ) -> Result<bool, StoreError> {
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let back = sql::query(
                    "UPDATE schedule SET next_at = $3, last_at = $4
                     WHERE site_id = $1 AND subject = $2 AND last_at = $5
                     AND next_at IS NOT DISTINCT FROM $6 AND last_run IS NOT DISTINCT FROM $7",
                )
                .bind(site_id)
                .bind(claim.subject.code())
                .bind(claim.tick)
                .bind(claim.last_at)
                .bind(taken_at)
                .bind(claim.next)
                .bind(claim.last_run)
                .execute(db)
                .await?;
                Ok(back.rows_affected() > 0)
            })
        })
        .await
    }

    /// Moves a schedule on from a tick that never was, for the clock had been wrong. Returns whether it still had that.
    pub async fn skip_tick(&self, site_id: &str, claim: Claim) -> Result<bool, StoreError> {
        let site_id = site_id.to_owned();
        self.write(move |db| Box::pin(async move { move_tick(db, &site_id, &claim, None).await }))
            .await
    }

    /// Makes a run of a tick that was taken at a time: both or neither. `None` where the tick is no longer the caller's.
    pub async fn create_run_of_tick(
        &self,
        new: NewRun,
        taken_at: i64,
        now: i64,
    ) -> Result<Option<Run>, StoreError> {
        let id = self.new_id(now);
        self.write(move |db| {
            Box::pin(async move {
                let (site, subject) = (new.site_id.clone(), new.subject);
                if !begin_tick(db, &site, subject, taken_at, &id, now).await? {
                    return Ok(None);
                }
                runs::create(db, id, new, now).await.map(Some)
            })
        })
        .await
    }

    /// Lets a run that is there already be the one of a tick that was taken at a time. Returns whether the tick was still
    /// the caller's.
    pub async fn continue_as_tick(&self, run: &Run, taken_at: i64) -> Result<bool, StoreError> {
        let run = run.clone();
        self.write(move |db| {
            Box::pin(async move {
                let (site, id) = (&run.site_id, &run.id);
                begin_tick(db, site, run.subject, taken_at, id, run.started_at).await
            })
        })
        .await
    }

    /// The schedules whose tick was taken before a time and came to nothing: there is no run, nothing was told of it, and
    /// nobody holds the gateway. Whoever took it is gone.
    pub async fn unbegun_ticks(&self, before: i64) -> Result<Vec<Schedule>, StoreError> {
        let rows = sql::query(
            "SELECT schedule.*, site.url AS url FROM schedule
             JOIN site ON site.id = schedule.site_id
             LEFT JOIN run ON run.id = schedule.last_run
             WHERE schedule.last_at < $1
             AND (schedule.last_run IS NULL OR run.started_at < schedule.last_at)
             AND NOT EXISTS (SELECT 1 FROM deed WHERE deed.site_id = schedule.site_id
                             AND deed.kind = $2 || schedule.subject AND deed.at >= schedule.last_at)
             ORDER BY schedule.site_id, schedule.subject",
        )
        .bind(before)
        .bind(format!("{}_", lost::TICK_LOST))
        .fetch_all(self.readers())
        .await?;
        let mut unbegun = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::new(row, "schedule", "site_id");
            let url = columns.read("url", |url| GatewayUrl::parse(url).ok())?;
            unbegun.push((url, from_row(row)?));
        }
        if unbegun.is_empty() {
            return Ok(Vec::new());
        }
        let held = self
            .held_gateways(unbegun.iter().map(|(url, _)| url))
            .await?;
        unbegun.retain(|(url, _)| !held.contains(url));
        Ok(unbegun.into_iter().map(|(_, schedule)| schedule).collect())
    }

    /// Makes the tick that a schedule's last one was due again, at once. Returns whether the schedule was still as it is
    /// given: of several processes one does it.
    pub async fn tick_again(&self, schedule: &Schedule) -> Result<bool, StoreError> {
        let schedule = schedule.clone();
        self.write(move |db| Box::pin(async move { again(db, &schedule).await }))
            .await
    }
}

/// Makes the tick of which the run came due again, if the run came of one.
pub(crate) async fn again_for_run(db: &mut Connection, run_id: &str) -> Result<bool, StoreError> {
    let row = sql::query("SELECT * FROM schedule WHERE last_run = $1")
        .bind(run_id)
        .fetch_optional(&mut *db)
        .await?;
    match row {
        Some(row) => again(db, &from_row(&row)?).await,
        None => Ok(false),
    }
}

/// Makes the last tick of a schedule due again, its jitter over, if the schedule is still as it is given.
async fn again(db: &mut Connection, schedule: &Schedule) -> Result<bool, StoreError> {
    let Some(taken_at) = schedule.last_at else {
        return Ok(false);
    };
    let due = sql::query(
        "UPDATE schedule SET next_at = $3, last_at = NULL
         WHERE site_id = $1 AND subject = $2 AND last_at = $4 AND last_run IS NOT DISTINCT FROM $5",
    )
    .bind(&schedule.site_id)
    .bind(schedule.subject.code())
    .bind(taken_at.saturating_sub(schedule.plan.jitter_ms))
    .bind(taken_at)
    .bind(&schedule.last_run)
    .execute(db)
    .await?;
    Ok(due.rows_affected() > 0)
}

/// Notes the run of a tick that was taken at a time. A run never looks older than its tick, whatever the clock did.
async fn begin_tick(
    db: &mut Connection,
    site_id: &str,
    subject: Subject,
    taken_at: i64,
    run_id: &str,
    started_at: i64,
) -> Result<bool, StoreError> {
    let begun = sql::query(
        "UPDATE schedule SET last_run = $4, last_at = $5
         WHERE site_id = $1 AND subject = $2 AND last_at = $3",
    )
    .bind(site_id)
    .bind(subject.code())
    .bind(taken_at)
    .bind(run_id)
    .bind(taken_at.min(started_at))
    .execute(db)
    .await?;
    Ok(begun.rows_affected() > 0)
}

/// Moves a schedule on from the tick that it has, if it still has that.
async fn move_tick(
    db: &mut Connection,
    site_id: &str,
    claim: &Claim,
    last_at: Option<i64>,
) -> Result<bool, StoreError> {
    let moved = sql::query(
        "UPDATE schedule SET next_at = $4, last_at = $5
         WHERE site_id = $1 AND subject = $2 AND next_at = $3",
    )
    .bind(site_id)
    .bind(claim.subject.code())
    .bind(claim.tick)
    .bind(claim.next)
    .bind(last_at)
    .execute(db)
    .await?;
    Ok(moved.rows_affected() > 0)
}

fn to_text(plan: &Plan) -> String {
    let Plan {
        rhythm,
        mode,
        jitter_ms,
        since,
        by,
    } = plan.clone();
    let (hours, cron, zone) = match rhythm {
        Rhythm::Every { hours } => (Some(hours), None, None),
        Rhythm::Cron { line, zone } => (None, Some(line), Some(zone)),
    };
    wire::to_text(&PlanText {
        hours,
        cron,
        zone,
        mode: mode.code().to_owned(),
        jitter_ms,
        since,
        by,
    })
}

fn from_text(text: &str) -> Option<Plan> {
    let text: PlanText = wire::from_text(text)?;
    let rhythm = match (text.hours, text.cron, text.zone) {
        (Some(hours), None, None) => Rhythm::Every { hours },
        (None, Some(line), Some(zone)) => Rhythm::Cron { line, zone },
        _ => return None,
    };
    Some(Plan {
        rhythm,
        mode: Mode::from_code(&text.mode)?,
        jitter_ms: text.jitter_ms,
        since: text.since,
        by: text.by,
    })
}

fn from_row(row: &Row) -> Result<Schedule, StoreError> {
    let columns = Columns::new(row, "schedule", "site_id");
    Ok(Schedule {
        site_id: columns.text("site_id")?,
        subject: columns.read("subject", Subject::from_code)?,
        plan: columns.read("data", from_text)?,
        next_at: columns.maybe_number("next_at")?,
        last_at: columns.maybe_number("last_at")?,
        last_run: columns.maybe_text("last_run")?,
    })
}
