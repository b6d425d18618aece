//! The worker: looks which ticks are due, takes them, and begins their runs. Its loop is trivial; a step is a function.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lockstep_core::change::Subject;
use lockstep_core::settings::Settings;
use lockstep_store::schedule::{Claim, Schedule};
use lockstep_store::sites::Site;
use lockstep_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::keep::keep_history;
use super::lost::Lost;
use super::tick::{Ticks, due};
use crate::broken::{Broken, unbroken};
use crate::clock::Clock;
use crate::jobs::{Go, Job, Jobs};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

/// The worker looks at least this often, for others may have changed a schedule; in milliseconds.
pub const LOOKS_EVERY: i64 = 20 * SECOND;
/// Whoever takes a tick makes its run, or holds its gateway, within this, in milliseconds. Should he be slower, no harm is
/// done: a tick that was found by somebody else makes no run any more.
pub const BEGINS_WITHIN: i64 = 30 * SECOND;
/// A gateway that is busy is tried again after this, in milliseconds.
pub const TRIES_EVERY: i64 = 30 * SECOND;
/// A gateway that is busy for so long loses the tick, in milliseconds.
pub const TRIES_FOR: i64 = 10 * MINUTE;

/// Says what a scheduled run does: the token, the settings and the sources are known to whoever starts the worker.
pub trait Orders: Send + Sync + 'static {
    /// The settings that hold for a site.
    ///
    /// # Errors
    ///
    /// [`Lost::Settings`] where they cannot be read.
    fn settings(&self, site: &Site) -> Result<Settings, Lost>;

    /// An unattended run of the subject: an [`Order::Models`](crate::jobs::Order) over all channels, or an `Order::Prices` over the sources
    /// that the site remembers.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    fn job(
        &self,
        site: Site,
        subject: Subject,
        go: Go,
        by: String,
    ) -> BoxFuture<'_, Result<Job, Lost>>;
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was due. The worker looks again at this time, in Unix milliseconds.
    Nothing {
        /// When.
        wake_at: i64,
    },
    /// Runs were begun; they go on behind.
    Began {
        /// The site's id.
        site: String,
        /// What of it: of both, prices go first.
        subjects: Vec<Subject>,
    },
    /// Another process took the tick.
    Taken {
        /// The site's id.
        site: String,
    },
    /// The site's run before is still under way here; it is tried again.
    Waits {
        /// The site's id.
        site: String,
    },
    /// The tick was given up, and that was recorded.
    GaveUp {
        /// The site's id.
        site: String,
        /// Why.
        why: Lost,
    },
    /// The clock had been far ahead when the last tick was taken, so the next one is reckoned anew.
    Realigned {
        /// The site's id.
        site: String,
        /// What of it.
        subject: Subject,
    },
    /// A tick that was taken and of which nothing came is due again: whoever took it is gone.
    Found {
        /// The site's id.
        site: String,
        /// What of it.
        subject: Subject,
    },
    /// What is too old is being forgotten, as it is once a day.
    Keeping,
    /// The database failed; the next step tries again.
    Failed(String),
}

/// Begins scheduled runs. Clones share their work.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    jobs: Jobs,
    orders: Box<dyn Orders>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Sites whose scheduled runs are under way here.
    working: BTreeSet<String>,
    /// Sites that were busy when a tick was due.
    busy: BTreeMap<String, Busy>,
    /// When history was last kept.
    kept_at: Option<i64>,
    /// When a step was last begun by [`Worker::run`].
    looked_at: Option<i64>,
}

#[derive(Clone, Debug)]
struct Busy {
    since: i64,
    again_at: i64,
    holder: String,
}

/// A tick that is due.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) schedule: Schedule,
    pub(super) claim: Claim,
    /// When it was taken, in Unix milliseconds.
    pub(super) taken_at: i64,
}

impl Worker {
    /// A worker that has done nothing yet.
    pub fn new(jobs: Jobs, orders: impl Orders, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            jobs,
            orders: Box::new(orders),
            clock,
            tasks: TaskTracker::new(),
            state: Mutex::default(),
        }))
    }

    /// Steps until it is told to stop, then waits for what it began to be through. The runs themselves are ended early by
    /// [`Jobs::stop`].
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now = self.0.clock.now();
            self.lock().looked_at = Some(now);
            let step = unbroken("a look at the schedules", self.step(now)).await;
            let step = step.unwrap_or_else(|Broken| Outcome::Failed("it broke".to_owned()));
            let pause = match step {
                Outcome::Nothing { wake_at } => {
                    wake_at.saturating_sub(now).clamp(SECOND, LOOKS_EVERY)
                }
                Outcome::Failed(error) => {
                    tracing::warn!(error, "the schedules could not be looked at");
                    LOOKS_EVERY
                }
                other => {
                    tracing::info!(?other, "a schedule's tick");
                    0
                }
            };
            let pause = Duration::from_millis(u64::try_from(pause).unwrap_or(0));
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.idle().await;
    }

    /// When the schedules were last looked at by [`Self::run`], in Unix milliseconds: never longer ago than a minute while
    /// it runs, however long it is until something is due.
    pub fn looked_at(&self) -> Option<i64> {
        self.lock().looked_at
    }

    /// Returns when nothing that was begun is under way.
    pub async fn idle(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.tasks.reopen();
    }

    /// Looks at the schedules at a time, in Unix milliseconds, and does the first thing that is due.
    pub async fn step(&self, now: i64) -> Outcome {
        match self.try_step(now).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    async fn try_step(&self, now: i64) -> Result<Outcome, StoreError> {
        if self.history_is_due(now) {
            let worker = self.clone();
            self.0.tasks.spawn(async move {
                if let Err(error) = keep_history(&worker, now).await {
                    tracing::warn!(%error, "old history could not be forgotten");
                }
            });
            return Ok(Outcome::Keeping);
        }
        if let Some(found) = self.find_unbegun(now).await? {
            return Ok(found);
        }
        let schedules = self.store().schedules(None).await?;
        if let Some(ahead) = schedules.iter().find(|known| was_ahead(known, now)) {
            return self.realign(ahead, now).await;
        }
        let mut wake_at = now + LOOKS_EVERY;
        let mut first: Option<(i64, &Schedule)> = None;
        for schedule in &schedules {
            let Some(tick) = schedule.next_at else {
                continue;
            };
            let at = due(&schedule.site_id, tick, schedule.plan.jitter_ms);
            let again = self
                .lock()
                .busy
                .get(&schedule.site_id)
                .map(|busy| busy.again_at);
            // A clock that was set back must not put a further try off.
            let at = at.max(again.unwrap_or(i64::MIN).min(now + TRIES_EVERY));
            if at > now {
                wake_at = wake_at.min(at);
            } else if first.is_none_or(|(earliest, _)| at < earliest) {
                first = Some((at, schedule));
            }
        }
        let Some((_, first)) = first else {
            return Ok(Outcome::Nothing { wake_at });
        };
        // What is due with it goes with it: another subject of the site that is due too, or has the same tick.
        let with = |known: &&Schedule| {
            known.site_id == first.site_id
                && known.next_at.is_some_and(|tick| {
                    Some(tick) == first.next_at
                        || due(&known.site_id, tick, known.plan.jitter_ms) <= now
                })
        };
        let together: Vec<Schedule> = schedules.iter().filter(with).cloned().collect();
        self.begin(first.site_id.clone(), together, now).await
    }

    /// Finds a tick that a process took and began nothing of, for it was killed or the database failed it.
    async fn find_unbegun(&self, now: i64) -> Result<Option<Outcome>, StoreError> {
        for schedule in self.store().unbegun_ticks(now - BEGINS_WITHIN).await? {
            let site = schedule.site_id.clone();
            let here = self.lock().working.contains(&site);
            if !here && self.store().tick_again(&schedule).await? {
                let subject = schedule.subject;
                return Ok(Some(Outcome::Found { site, subject }));
            }
        }
        Ok(None)
    }

    /// Takes the ticks and begins their runs.
    async fn begin(
        &self,
        site: String,
        schedules: Vec<Schedule>,
        now: i64,
    ) -> Result<Outcome, StoreError> {
        if self.lock().working.contains(&site) {
            let holder = "the scheduled run before".to_owned();
            let Some(busy) = self.is_busy(&site, holder, now) else {
                return Ok(Outcome::Waits { site });
            };
            let mut lost = false;
            for schedule in schedules {
                let claimed = self.claim(&schedule, now).await?;
                if let Some(Ok(claimed)) = claimed {
                    lost = true;
                    self.lose(&claimed, &busy, now).await?;
                }
            }
            self.is_free(&site);
            return Ok(if lost {
                Outcome::GaveUp { site, why: busy }
            } else {
                Outcome::Taken { site }
            });
        }
        let mut taken = Vec::new();
        let mut why = None;
        for schedule in schedules {
            match self.claim(&schedule, now).await? {
                Some(Ok(due)) => taken.push(due),
                Some(Err(lost)) => why = Some(lost),
                None => {}
            }
        }
        if taken.is_empty() {
            return Ok(match why {
                Some(why) => Outcome::GaveUp { site, why },
                None => Outcome::Taken { site },
            });
        }
        let subjects = taken.iter().map(|due| due.claim.subject).rev().collect();
        self.lock().working.insert(site.clone());
        let (worker, at) = (self.clone(), site.clone());
        self.0.tasks.spawn(async move {
            // Whatever ends the work, the site is free again.
            let _working = Working(worker.clone(), at.clone());
            let dues = taken.clone();
            let done = match unbroken("a schedule's tick", worker.carry_out(&at, taken)).await {
                Ok(done) => done,
                Err(Broken) => worker.lose_broken(&dues).await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "what came of a tick could not be recorded");
            }
        });
        Ok(Outcome::Began { site, subjects })
    }

    /// Takes one tick: `None` where another process has it, and why where the schedule cannot go on.
    async fn claim(
        &self,
        schedule: &Schedule,
        now: i64,
    ) -> Result<Option<Result<Due, Lost>>, StoreError> {
        let Some(tick) = schedule.next_at else {
            return Ok(None);
        };
        // However many ticks were missed, one is run.
        let (next, why) = match after(schedule, now.max(tick)).await {
            Ok(next) => (Some(next), None),
            Err(error) => (None, Some(Lost::Schedule(error))),
        };
        let claim = Claim {
            subject: schedule.subject,
            tick,
            next,
            last_at: schedule.last_at,
            last_run: schedule.last_run.clone(),
        };
        let taken = self
            .store()
            .claim_ticks(&schedule.site_id, vec![claim.clone()], now)
            .await?;
        if taken.is_empty() {
            return Ok(None);
        }
        let due = Due {
            schedule: schedule.clone(),
            claim,
            taken_at: now,
        };
        if let Some(why) = why {
            self.lose(&due, &why, now).await?;
            return Ok(Some(Err(why)));
        }
        Ok(Some(Ok(due)))
    }

    /// Notes that a site is busy. Where it was for too long, that is why its tick is lost.
    pub(super) fn is_busy(&self, site_id: &str, holder: String, now: i64) -> Option<Lost> {
        let mut state = self.lock();
        let busy = state
            .busy
            .entry(site_id.to_owned())
            .or_insert_with(|| Busy {
                since: now,
                again_at: now,
                holder: holder.clone(),
            });
        busy.holder = holder;
        busy.again_at = now + TRIES_EVERY;
        // A clock that was set back begins anew.
        busy.since = busy.since.min(now);
        (now - busy.since >= TRIES_FOR).then(|| Lost::Busy(busy.holder.clone()))
    }

    /// The next tick of a site that is busy has its own ten minutes.
    pub(super) fn is_free(&self, site_id: &str) {
        self.lock().busy.remove(site_id);
    }

    async fn realign(&self, schedule: &Schedule, now: i64) -> Result<Outcome, StoreError> {
        let site = schedule.site_id.clone();
        let subject = schedule.subject;
        let mut plan = schedule.plan.clone();
        // Ticks in hours are counted from then, and what is counted from a wrong time is as good as from any other.
        plan.since = plan.since.min(now);
        let aligned = Schedule {
            plan,
            ..schedule.clone()
        };
        let next = after(&aligned, now).await.ok();
        let taken = match schedule.next_at {
            None => false,
            Some(tick) => {
                let claim = Claim {
                    subject,
                    tick,
                    next,
                    last_at: None,
                    last_run: None,
                };
                self.store().skip_tick(&site, claim).await?
            }
        };
        if let (true, Some(next)) = (taken, next)
            && aligned.plan != schedule.plan
        {
            let store = self.store();
            store
                .set_schedule(&site, subject, &aligned.plan, next)
                .await?;
        }
        Ok(if taken {
            Outcome::Realigned { site, subject }
        } else {
            Outcome::Taken { site }
        })
    }

    /// Once a day, by this process's own count.
    fn history_is_due(&self, now: i64) -> bool {
        let mut state = self.lock();
        let due = state
            .kept_at
            .is_none_or(|at| now - at >= DAY || now < at - DAY);
        if due {
            state.kept_at = Some(now);
        }
        due
    }

    pub(super) fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    pub(super) fn orders(&self) -> &dyn Orders {
        &*self.0.orders
    }

    pub(super) fn now(&self) -> i64 {
        self.0.clock.now()
    }

    pub(super) fn store(&self) -> &Store {
        self.0.jobs.engine().store()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A site's place among those that are worked on.
struct Working(Worker, String);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.lock().working.remove(&self.1);
    }
}

/// Whether the clock has been set back by more than a day since the schedule was last touched, so that it must have been
/// wrong: ticks up to then would be waited for. Less than a day is waited for, for nothing runs twice.
fn was_ahead(schedule: &Schedule, now: i64) -> bool {
    let touched = schedule
        .last_at
        .unwrap_or(i64::MIN)
        .max(schedule.plan.since);
    schedule.next_at.is_some() && touched > now.saturating_add(DAY)
}

/// The schedule's first tick after a moment. A cron line may take long, so others are not made to wait for it.
async fn after(schedule: &Schedule, moment: i64) -> Result<i64, String> {
    let plan = schedule.plan.clone();
    tokio::task::spawn_blocking(move || Ticks::of(&plan)?.after(moment))
        .await
        .map_err(|stopped| stopped.to_string())?
        .map_err(|bad| bad.to_string())
}
