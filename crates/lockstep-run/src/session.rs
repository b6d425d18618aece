//! A session with one gateway: its pace, its token, who said yes, and the gateway itself while it is held.

mod holding;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_core::change::Subject;
use lockstep_core::settings::Settings;
use lockstep_remote::gateway::{Gateway, GatewayKind, GatewayReader};
use lockstep_store::Store;
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::sites::Site;
use lockstep_store::steps::Requests;

pub(crate) use self::holding::Held;
use self::holding::Kept;
use crate::effective::Scope;
use crate::engine::{Engine, SiteAccess};
use crate::error::EngineError;

/// One gateway at one pace: the steps of a run share it.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) engine: Engine,
    pub(crate) access: SiteAccess,
    pub(crate) gateway: Gateway,
    told: Arc<Mutex<Requests>>,
    only_read: Arc<AtomicBool>,
    /// Whether a write was given up while it may be on its way.
    pub(crate) cut: Arc<AtomicBool>,
    /// The fence under which it held the gateway last.
    last_fence: Arc<AtomicI64>,
    /// The schedule's ticks that its runs come of, each with when it was taken.
    ticks: Vec<(Subject, i64)>,
    /// Whether somebody is told what its runs find.
    tells: bool,
    /// Who said yes to what will be planned.
    pub(crate) yes: Option<String>,
    /// The gateway, between a plan that somebody said yes to and its first write.
    kept: Kept,
    /// The gateway, for as long as several runs of the session follow each other.
    throughout: Kept,
}

impl Session {
    /// A session of an engine with a gateway, to which nothing was sent yet.
    pub(crate) fn new(engine: Engine, access: SiteAccess, gateway: Gateway) -> Self {
        Self {
            engine,
            access,
            gateway,
            told: Arc::default(),
            only_read: Arc::default(),
            cut: Arc::default(),
            last_fence: Arc::default(),
            ticks: Vec::new(),
            tells: false,
            yes: None,
            kept: Kept::default(),
            throughout: Kept::default(),
        }
    }

    /// The same session, for runs to which somebody said yes before they are planned: a schedule, or `--yes`. Whoever
    /// resumes such a run writes it, where it is to go on. Between its plan and its write the session keeps the gateway, so
    /// that nobody takes the run for an abandoned one.
    #[must_use]
    pub fn approved_ahead(mut self, by: &str) -> Self {
        self.yes = Some(by.to_owned());
        self
    }

    /// The same session, for runs of ticks that were taken at a time, in Unix milliseconds: a run and the end of its tick
    /// are stored together, so that no tick is lost and none runs twice.
    #[must_use]
    pub(crate) fn of_ticks(mut self, ticks: Vec<(Subject, i64)>) -> Self {
        self.ticks = ticks;
        self
    }

    /// The same session, for runs of which somebody is told as they come to rest.
    #[must_use]
    pub(crate) fn telling(mut self) -> Self {
        self.tells = true;
        self
    }

    /// Has what becomes of a run that is there already told, where what becomes of the session's own is.
    pub(crate) async fn tell_of(&self, run_id: &str) -> Result<(), EngineError> {
        if self.tells {
            self.store().tell_of_run(run_id).await?;
        }
        Ok(())
    }

    /// Makes a run, of its tick if it comes of one.
    pub(crate) async fn make_run(&self, mut new: NewRun) -> Result<Run, EngineError> {
        new.told |= self.tells;
        match self.tick(new.subject) {
            Some(at) => {
                let made = self.store().create_run_of_tick(new, at, self.now()).await?;
                made.ok_or_else(tick_is_gone)
            }
            None => Ok(self.store().create_run(new, self.now()).await?),
        }
    }

    /// Lets a run that was cut off be the one of its tick, if it comes of one.
    pub(crate) async fn take_tick_for(&self, run: &Run) -> Result<(), EngineError> {
        match self.tick(run.subject) {
            Some(at) if !self.store().continue_as_tick(run, at).await? => Err(tick_is_gone()),
            _ => Ok(()),
        }
    }

    fn tick(&self, subject: Subject) -> Option<i64> {
        let tick = self.ticks.iter().find(|(known, _)| *known == subject);
        tick.map(|(_, at)| *at)
    }

    /// The site that the session is with.
    pub fn site(&self) -> &Site {
        &self.access.site
    }

    /// Whether a reading found a gateway that is not recognised as New API: it is read, never written.
    pub fn only_reads(&self) -> bool {
        self.only_read.load(Ordering::Relaxed)
    }

    pub(crate) fn listed(&self, kind: GatewayKind) {
        let unknown = kind != GatewayKind::NewApi;
        self.only_read.store(unknown, Ordering::Relaxed);
    }

    pub(crate) fn store(&self) -> &Store {
        &self.engine.store
    }

    pub(crate) fn now(&self) -> i64 {
        self.engine.clock.now()
    }

    pub(crate) fn reader(&self) -> GatewayReader {
        GatewayReader::new(self.gateway.clone())
    }

    /// The requests since this was last asked: what the journal has not counted yet.
    pub(crate) fn requests(&self) -> Requests {
        let sent = self.gateway.requests();
        let now = Requests {
            reads: sent.reads,
            writes: sent.writes,
            throttled: sent.throttled,
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *told, now);
        Requests {
            reads: now.reads.saturating_sub(before.reads),
            writes: now.writes.saturating_sub(before.writes),
            throttled: now.throttled.saturating_sub(before.throttled),
        }
    }

    /// How long the pace alone takes for so many requests from a fresh start.
    pub fn waiting_time(&self, requests: usize) -> std::time::Duration {
        self.estimate(requests)
    }

    /// How long the pace alone takes for so many further requests.
    pub(crate) fn estimate(&self, requests: usize) -> std::time::Duration {
        self.gateway.pacer().estimate(requests)
    }

    /// The settings that a stored run was planned with, and what channels have of their own now.
    pub(crate) async fn scope_of(&self, run: &Run) -> Result<Scope, EngineError> {
        let mut settings = Settings::default();
        for (key, value) in &run.settings {
            settings.set(key, value)?;
        }
        let policy = match &run.policy_override {
            Some(text) => Some(lockstep_core::settings::parse_policy(text)?),
            None => None,
        };
        let site = &self.access.site.id;
        Ok(Scope {
            settings,
            policy,
            providers: self.store().provider_overrides(site).await?,
            channels: self.store().channel_overrides(site).await?,
        })
    }
}

/// Another process found the tick again while this one stood still.
fn tick_is_gone() -> EngineError {
    EngineError::Busy("another process, which has taken the tick".to_owned())
}
