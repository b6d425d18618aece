//! The engine and a session of it: one gateway, one pace, one run after the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockstep_core::change::{RunState, Subject};
use lockstep_core::models::policy::Policy;
use lockstep_core::pace::GATEWAY_CALLS;
use lockstep_core::settings::Settings;
use lockstep_core::site::GatewayUrl;
use lockstep_remote::gateway::{Connection, Gateway, GatewayKind, GatewayReader, TimeLimits};
use lockstep_remote::http::Client;
use lockstep_remote::pace::{Joint, Pacer};
use lockstep_store::leases::GatewayHold;
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::sites::Site;
use lockstep_store::steps::Requests;
use lockstep_store::{Store, StoreError};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::ahead::Ahead;
use crate::clock::Clock;
use crate::effective::Scope;
use crate::error::EngineError;
use crate::progress::Progress;

/// What every session shares.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) actor: String,
    limits: TimeLimits,
    paces: Paces,
}

/// The pace of each gateway, by its address: all sessions of this process share it.
type Paces = Arc<Mutex<HashMap<GatewayUrl, Joint>>>;

/// A site and the token for it.
#[derive(Clone, Debug)]
pub struct SiteAccess {
    /// The site as stored.
    pub site: Site,
    /// The admin's system access token. It is never stored by the engine.
    pub token: SecretString,
}

/// Which channels a run is about, and where its lists come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// All channels, asked now.
    All,
    /// These channels, asked now.
    Selected(Vec<i64>),
    /// The channels whose latest result failed, asked now.
    RetryFailed,
    /// What is held, on all channels or on these, from the lists as they were read.
    Held(Option<Vec<i64>>),
}

/// What a new run is to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which channels.
    pub source: Source,
    /// The settings, overrides of this run included.
    pub settings: Settings,
    /// A policy for this run alone.
    pub policy: Option<Policy>,
    /// Whether nobody looks: the stricter holds of a schedule.
    pub unattended: bool,
    /// Whether the settings are the site's own: what waits is then just what such a plan finds.
    pub own_settings: bool,
    /// Whether the run goes on to write what is ready, should it be interrupted before.
    pub go_on: bool,
    /// The price run that went before, so that new models have their prices when they go live.
    pub after: Option<String>,
    /// What providers answered just before, so that they need not be asked again.
    pub ahead: Ahead,
}

/// How a run is watched and ended early.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// How far it is.
    pub progress: Progress,
    /// Cancelled: writes under way are finished and journaled, then the run ends.
    pub cancel: CancellationToken,
    /// Cancelled before `cancel` is: the run does not end, for the process is about to, and another one, or the next,
    /// goes on with it.
    pub leave: CancellationToken,
}

impl Watch {
    /// Whether what is stopped now is to be gone on with elsewhere.
    pub(crate) fn leaves(&self) -> bool {
        self.leave.is_cancelled()
    }
}

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

/// A gateway that is held for what comes.
type Kept = Arc<Mutex<Option<Held>>>;

impl Engine {
    /// An engine over a store. `actor` is who the journal says did it.
    pub fn new(store: Store, client: Client, clock: Arc<dyn Clock>, actor: String) -> Self {
        Self {
            store,
            client,
            clock,
            actor,
            limits: TimeLimits::default(),
            paces: Paces::default(),
        }
    }

    /// An engine with an HTTP client of its own.
    pub fn start(store: Store, clock: Arc<dyn Clock>, actor: String) -> Result<Self, EngineError> {
        let client = Client::new().map_err(EngineError::Gateway)?;
        Ok(Self::new(store, client, clock, actor))
    }

    /// The same engine with other time limits for single requests.
    #[must_use]
    pub fn with_time_limits(mut self, limits: TimeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same engine for somebody else: `actor` is who the journal says did it.
    #[must_use]
    pub fn acting_as(&self, actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            ..self.clone()
        }
    }

    /// The store, for reading history and for settings.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a gateway for this process while something of it is changed here that a run would change too.
    pub async fn alone(&self, site: &Site) -> Result<GatewayHold, EngineError> {
        let held = self
            .store
            .hold_gateway(&site.url, &self.actor, self.now())
            .await;
        match held {
            Ok(hold) => Ok(hold),
            Err(StoreError::Busy { holder }) => Err(EngineError::Busy(holder)),
            Err(error) => Err(error.into()),
        }
    }

    /// Now, in Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Who the journal says did it.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// A place among those at work on a gateway, at the pace of the settings.
    fn pacer(&self, url: &GatewayUrl, settings: &Settings) -> Pacer {
        let pace = settings.fresh_pace(GATEWAY_CALLS);
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|_, joint| !joint.is_forgotten());
        match paces.get(url) {
            Some(joint) => joint.joined(pace),
            None => {
                let pacer = Pacer::new(pace);
                paces.insert(url.clone(), pacer.joint());
                pacer
            }
        }
    }

    /// Opens a session with a gateway. Nothing is sent yet. All sessions with one gateway share the count of what is sent:
    /// the strictest pace of those that are open holds.
    pub fn session(&self, access: SiteAccess, settings: &Settings) -> Session {
        let connection = Connection {
            url: access.site.url.clone(),
            token: access.token.clone(),
            user_id: access.site.user_id.clone(),
        };
        let pacer = self.pacer(&access.site.url, settings);
        let mut limits = self.limits;
        if let Some(write) = self.store.write_limit() {
            // A lease outlives a write that started under it.
            limits.write = limits.write.min(write);
        }
        Session {
            gateway: Gateway::new(connection, self.client.clone(), pacer).with_time_limits(limits),
            engine: self.clone(),
            access,
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
}

impl Session {
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

    /// Takes the gateway for this process until it is dropped; the number fences off whoever held it before.
    pub(crate) async fn hold(&self) -> Result<Held, EngineError> {
        if let Some(kept) = self.kept_hold().take() {
            return Ok(kept);
        }
        if let Some(held) = self.held_throughout().await? {
            return Ok(held);
        }
        let hold = self.engine.alone(&self.access.site).await?;
        self.cut.store(false, Ordering::SeqCst);
        self.last_fence.store(hold.fence(), Ordering::SeqCst);
        Ok(Held {
            fence: hold.fence(),
            _holding: Arc::new(Holding {
                hold: Some(hold),
                cut: self.cut.clone(),
            }),
        })
    }

    /// Takes the gateway for all that the session does until what is returned is dropped: nobody else has it between two
    /// runs.
    pub(crate) async fn throughout(&self) -> Result<Throughout, EngineError> {
        let held = self.hold().await?;
        *locked(&self.throughout) = Some(held);
        Ok(Throughout(self.throughout.clone()))
    }

    /// The gateway, if it is held throughout. Where that was lost meanwhile it is to be taken anew.
    async fn held_throughout(&self) -> Result<Option<Held>, EngineError> {
        let Some(held) = locked(&self.throughout).clone() else {
            return Ok(None);
        };
        let url = &self.access.site.url;
        if self.store().lease_holds(url, held.fence).await? {
            return Ok(Some(held));
        }
        drop(locked(&self.throughout).take());
        Ok(None)
    }

    /// The fence under which this session held the gateway last; 0 where it never did.
    pub(crate) fn last_fence(&self) -> i64 {
        self.last_fence.load(Ordering::SeqCst)
    }

    /// Lets go of a gateway that was kept for what does not come any more.
    pub(crate) fn let_go(&self) {
        drop(self.kept_hold().take());
    }

    /// Takes the gateway and keeps it for what comes next.
    pub(crate) async fn keep(&self) -> Result<(), EngineError> {
        let held = self.hold().await?;
        *self.kept_hold() = Some(held);
        Ok(())
    }

    /// Keeps the gateway for the write of what was planned, if somebody said yes to it before.
    pub(crate) fn keep_for_write(&self, run: &Run, held: Held) {
        let goes_on = run.state == RunState::Planned && run.go_on && run.approved_by.is_some();
        if goes_on {
            *self.kept_hold() = Some(held);
        }
    }

    fn kept_hold(&self) -> MutexGuard<'_, Option<Held>> {
        locked(&self.kept)
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

fn locked(kept: &Kept) -> MutexGuard<'_, Option<Held>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A gateway that this process holds until the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) fence: i64,
    _holding: Arc<Holding>,
}

#[derive(Debug)]
struct Holding {
    hold: Option<GatewayHold>,
    cut: Arc<AtomicBool>,
}

/// A session's gateway, held for all of its runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Throughout(Kept);

impl Drop for Throughout {
    fn drop(&mut self) {
        drop(locked(&self.0).take());
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.cut.load(Ordering::SeqCst)
            && let Some(hold) = self.hold.take()
        {
            hold.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockstep_core::settings::PaceMode;
    use lockstep_store::sites::NewSite;

    use super::*;
    use crate::clock::SystemClock;

    fn at(per_minute: u32, burst: u32) -> Settings {
        Settings {
            pace: PaceMode::Fixed,
            requests_per_minute: per_minute,
            burst,
            ..Settings::default()
        }
    }

    async fn site(engine: &Engine, name: &str, url: &str) -> SiteAccess {
        let new = NewSite {
            name: Some(name.to_owned()),
            url: GatewayUrl::parse(url).expect("an address"),
            user_id: "1".to_owned(),
            console_url: None,
            allow_private: Vec::new(),
            settings: Default::default(),
            token: None,
        };
        let site = engine.store().add_site(new, 1).await.expect("a site");
        let token = "token".into();
        SiteAccess { site, token }
    }

    #[tokio::test]
    async fn all_sessions_with_a_gateway_share_its_pace_and_the_strictest_holds() {
        let store = Store::open_temporary().await.expect("a store");
        let engine = Engine::start(store, Arc::new(SystemClock), "tests".into());
        let engine = engine.expect("an engine");
        let gateway = site(&engine, "main", "http://127.0.0.1:1").await;
        let elsewhere = site(&engine, "other", "http://127.0.0.1:2").await;
        let run = engine.session(gateway.clone(), &at(20, 5));
        let fetch = engine
            .acting_as("somebody else")
            .session(gateway.clone(), &at(120, 60));
        let apart = engine.session(elsewhere, &at(120, 60));
        assert_eq!(fetch.waiting_time(65), Duration::from_secs(180));
        assert_eq!(apart.waiting_time(65), Duration::from_millis(2_500));
        // What the gateway asks of one it asks of all, and nobody asks for it again.
        run.gateway.pacer().pause(Duration::from_secs(600), "GET /");
        assert!(fetch.gateway.pacer().waiting_until().is_some());
        assert!(apart.gateway.pacer().waiting_until().is_none());
        let later = engine.session(gateway, &at(120, 60));
        drop(run);
        assert_eq!(fetch.waiting_time(65), Duration::from_millis(2_500));
        assert!(later.gateway.pacer().waiting_until().is_some());
    }
}
