//! One object that drives the engine as a person would, over a simulated gateway and a database file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::Answer;
use lockstep_core::models::policy::Policy;
use lockstep_core::prices::field::Field;
use lockstep_core::settings::{Gate, PaceMode, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_remote::gateway::TimeLimits;
use lockstep_run::clock::Clock;
use lockstep_run::review::Approval;
use lockstep_run::{Engine, EngineError, Request, Session, SiteAccess, Source, Watch, answer};
use lockstep_sim::{Channel, Gateway, Provider, Spec};
use lockstep_store::changes::ChangeRow;
use lockstep_store::holds::Hold;
use lockstep_store::runs::Run;
use lockstep_store::sites::{NewSite, Site};
use lockstep_store::{KeySource, Store};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
/// What is slow because the machine is busy is no failure; tests of silence set shorter limits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that stands still until a test moves it, and that a test can break.
#[derive(Debug)]
pub(crate) struct HandClock {
    now: AtomicI64,
    broken: AtomicBool,
}

impl HandClock {
    /// Whoever asks next what time it is panics.
    pub(crate) fn breaks(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, by: i64) {
        self.now.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> i64 {
        let broken = self.broken.swap(false, Ordering::SeqCst);
        assert!(!broken, "the clock broke");
        self.now.load(Ordering::SeqCst)
    }
}

/// What a test knows of that the oracle cannot know.
#[derive(Debug, Default)]
pub(crate) struct Expect {
    /// Something was cut off or never answered, so that one side counted a request that the other did not.
    pub(crate) other_counts: bool,
    /// Channels that somebody else edits.
    pub(crate) edited: BTreeSet<i64>,
    /// Channels that somebody else edits in the gap that nobody can see, between our last read and our write.
    pub(crate) edited_in_the_gap: BTreeSet<i64>,
    /// How many rows are applied although we had no effect: somebody had written just that, or the gateway lied.
    pub(crate) without_effect: usize,
    /// Whether runs may be left under way.
    pub(crate) unfinished: bool,
    /// Whether somebody else edits prices.
    pub(crate) other_admin: bool,
    /// Values that somebody else edits so close to our write that the edit is lost, or looks like a part of it.
    pub(crate) lost: BTreeSet<(String, Field)>,
    /// Whether the gateway's own prices are read by runs about model lists too.
    pub(crate) options_are_read: bool,
}

/// The tester. Every test ends it with `done`, which is where the oracle looks.
pub(crate) struct Tester {
    pub(crate) gateway: Gateway,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) settings: Settings,
    pub(crate) policy: Option<Policy>,
    pub(crate) unattended: bool,
    pub(crate) watch: Watch,
    pub(crate) expect: Expect,
    pub(crate) site: String,
    pub(crate) at_start: BTreeMap<i64, Channel>,
    pub(crate) options_at_start: BTreeMap<String, String>,
    /// Where prices come from, each as a person writes it.
    pub(crate) sources: Vec<String>,
    pub(crate) finished: bool,
    token: String,
    limits: TimeLimits,
    engine: Engine,
    folder: TempDir,
}

impl Tester {
    /// A tester whose site has the root user's token.
    pub(crate) async fn new(spec: Spec) -> Self {
        let gateway = Gateway::start(spec).await.expect("a gateway");
        let url = gateway.url();
        let token = gateway.root_token().to_owned();
        Self::of(gateway, &url, &token).await
    }

    /// A tester whose site has another address or another token.
    pub(crate) async fn of(gateway: Gateway, url: &str, token: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(HandClock {
            now: AtomicI64::new(1_795_000_000_000),
            broken: AtomicBool::new(false),
        });
        let limits = limits(PATIENCE);
        let engine = open(&folder, &clock, limits).await;
        let site = engine
            .store()
            .add_site(new_site("main", url), clock.now())
            .await
            .expect("a site");
        let at_start = gateway.channels().into_iter().map(|c| (c.id, c)).collect();
        Self {
            settings: Settings {
                pace: PaceMode::Unlimited,
                channel_timeout: Duration::from_secs(20),
                max_retries: 0,
                // Most tests are about lists alone; those of the gate set it.
                price_gate: Gate::Off,
                ..Settings::default()
            },
            policy: None,
            unattended: false,
            watch: Watch::default(),
            expect: Expect::default(),
            site: site.id,
            at_start,
            options_at_start: gateway.options(),
            sources: Vec::new(),
            finished: false,
            token: token.to_owned(),
            gateway,
            clock,
            limits,
            engine,
            folder,
        }
    }

    /// No guard stops anything but an empty list.
    pub(crate) fn without_guards(mut self) -> Self {
        let limits = &mut self.settings.limits;
        limits.removal_percent = 100;
        limits.removal_names = 9;
        limits.addition_names = 100_000;
        limits.shrink_percent = 0;
        limits.run_percent = 100;
        limits.second_read_ms = 0;
        self
    }

    /// A read or a write without an answer fails after this.
    pub(crate) fn patience(&mut self, time: Duration) {
        self.limits = limits(time);
        self.engine = self.engine.clone().with_time_limits(self.limits);
    }

    pub(crate) fn store(&self) -> &Store {
        self.engine.store()
    }

    /// A new engine over the same database file, as after a kill. That takes a moment: only within one process do the
    /// ids of one millisecond grow.
    pub(crate) async fn restart(&mut self) {
        self.clock.advance(1);
        self.engine = open(&self.folder, &self.clock, self.limits).await;
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// Another engine over the same database file, as another process has it.
    pub(crate) async fn another_engine(&self) -> Engine {
        open(&self.folder, &self.clock, self.limits).await
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn clock_now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) async fn stored_site(&self) -> Site {
        self.store().site(&self.site).await.expect("the site")
    }

    /// Another site in the same database, with a name of its own.
    pub(crate) async fn another_session(&self, url: &str) -> Session {
        let site = self
            .store()
            .add_site(new_site("another", url), self.clock.now())
            .await
            .expect("a site");
        self.session_with(site)
    }

    pub(crate) async fn session(&self) -> Session {
        self.session_with(self.stored_site().await)
    }

    fn session_with(&self, site: Site) -> Session {
        let access = SiteAccess {
            site,
            token: self.token.as_str().into(),
        };
        self.engine.session(access, &self.settings)
    }

    pub(crate) fn request(&self, source: Source, go_on: bool) -> Request {
        Request {
            source,
            settings: self.settings.clone(),
            policy: self.policy,
            unattended: self.unattended,
            own_settings: true,
            go_on,
            after: None,
            ahead: lockstep_run::Ahead::default(),
        }
    }

    pub(crate) async fn try_plan(&self, source: Source) -> Result<Run, EngineError> {
        let request = self.request(source, false);
        self.session().await.plan(&request, &self.watch).await
    }

    pub(crate) async fn plan(&self) -> Run {
        self.try_plan(Source::All).await.expect("a plan")
    }

    /// Plans and writes what is ready, as `sync` does.
    pub(crate) async fn go(&self, source: Source) -> Result<Run, EngineError> {
        let session = self.session().await;
        let request = self.request(source, true);
        go(&session, &request, &self.watch).await
    }

    pub(crate) async fn sync(&self) -> Run {
        self.go(Source::All).await.expect("a run")
    }

    /// Plans and writes in a task of its own, that can be aborted.
    pub(crate) async fn go_apart(&self, source: Source) -> JoinHandle<Result<Run, EngineError>> {
        let session = self.session().await;
        let request = self.request(source, true);
        let watch = self.watch.clone();
        tokio::spawn(async move { go(&session, &request, &watch).await })
    }

    pub(crate) async fn retry_failed(&self) -> Result<Run, EngineError> {
        self.go(Source::RetryFailed).await
    }

    pub(crate) async fn try_apply(&self, run: &Run) -> Result<Run, EngineError> {
        let session = self.session().await;
        session.write(&run.id, &approval(None), &self.watch).await
    }

    pub(crate) async fn apply(&self, run: &Run) -> Run {
        self.try_apply(run).await.expect("a run")
    }

    pub(crate) async fn apply_only(&self, run: &Run, only: &[i64]) -> Run {
        let session = self.session().await;
        let approval = approval(Some(only.to_vec()));
        session
            .write(&run.id, &approval, &self.watch)
            .await
            .expect("a run")
    }

    /// Writes what is held: plans from what was stored, then applies.
    pub(crate) async fn apply_held(&self) -> Result<Run, EngineError> {
        let run = self.try_plan(Source::Held(None)).await?;
        self.try_apply(&run).await
    }

    pub(crate) async fn try_undo(
        &self,
        run: &Run,
        only: Option<&[i64]>,
    ) -> Result<Run, EngineError> {
        let session = self.session().await;
        let undo = session.plan_undo(&run.id, only).await?;
        session.write(&undo.id, &approval(None), &self.watch).await
    }

    pub(crate) async fn undo(&self, run: &Run) -> Run {
        self.try_undo(run, None).await.expect("an undo")
    }

    pub(crate) async fn carry_on(&self) -> Vec<Run> {
        let session = self.session().await;
        session.carry_on(&self.watch).await.expect("carried on")
    }

    pub(crate) async fn answer(&self, channels: &[i64], with: Answer) -> Vec<Hold> {
        answer::answer(self.store(), &self.site, channels, with)
            .await
            .expect("an answer")
    }

    pub(crate) async fn holds(&self) -> Vec<Hold> {
        self.store().holds(&self.site).await.expect("holds")
    }

    pub(crate) async fn rows(&self, run: &Run) -> Vec<ChangeRow> {
        self.store().changes(&run.id).await.expect("rows")
    }

    pub(crate) async fn row(&self, run: &Run, channel: i64) -> ChangeRow {
        let row = self.store().change(&run.id, channel).await.expect("a row");
        row.unwrap_or_else(|| panic!("run {} has no row of channel {channel}", run.id))
    }

    /// The states of a run's rows in the order of channel ids.
    pub(crate) async fn states(&self, run: &Run) -> Vec<State> {
        let rows = self.rows(run).await;
        rows.into_iter().map(|row| row.state).collect()
    }

    /// The gateway's text of a channel's list.
    pub(crate) fn models(&self, channel: i64) -> String {
        self.gateway.channel(channel).expect("a channel").models
    }

    /// The provider of a channel of [`pairs`] offers these names, joined by commas, from now on.
    pub(crate) fn offers(&self, channel: i64, names: &str) {
        self.gateway
            .provider(&format!("p{channel}"))
            .set_models(split(names));
    }

    /// A second admin edits a channel.
    pub(crate) fn edit(&mut self, channel: i64, change: impl FnOnce(&mut Channel)) {
        self.expect.edited.insert(channel);
        assert!(self.gateway.edit_channel(channel, change), "no channel");
    }

    pub(crate) fn puts(&self) -> usize {
        self.gateway.count("PUT", "/")
    }

    pub(crate) fn fetches(&self) -> usize {
        self.gateway.count("GET", "/api/channel/fetch_models/")
    }

    /// How many requests there were at all.
    pub(crate) fn requests(&self) -> usize {
        self.gateway.log().len()
    }

    /// Statements that go past the store, as a broken disk or a meddling hand would.
    pub(crate) async fn sql(&self, statements: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("lockstep.db"));
        let mut connection = options.connect().await.expect("a connection");
        sqlx::raw_sql(statements)
            .execute(&mut connection)
            .await
            .expect("statements that run");
    }
}

impl Drop for Tester {
    fn drop(&mut self) {
        assert!(
            self.finished || std::thread::panicking(),
            "a test ended without asking the oracle: end it with `done`"
        );
    }
}

/// Plans and writes what is ready.
pub(crate) async fn go(
    session: &Session,
    request: &Request,
    watch: &Watch,
) -> Result<Run, EngineError> {
    let run = session.plan(request, watch).await?;
    if run.state == RunState::Planned {
        let at_once = Approval {
            rebases: true,
            ..approval(None)
        };
        session.write(&run.id, &at_once, watch).await
    } else {
        Ok(run)
    }
}

pub(crate) fn approval(only: Option<Vec<i64>>) -> Approval {
    Approval {
        only,
        by: "a test".to_owned(),
        rebases: false,
    }
}

async fn open(folder: &TempDir, clock: &Arc<HandClock>, limits: TimeLimits) -> Engine {
    let path = folder.path().join("lockstep.db");
    let store = Store::open(&path, KeySource::FileBeside)
        .await
        .expect("a store");
    Engine::start(store, Arc::clone(clock) as Arc<dyn Clock>, "tests".into())
        .expect("an engine")
        .with_time_limits(limits)
}

fn limits(time: Duration) -> TimeLimits {
    TimeLimits {
        read: time,
        write: time,
    }
}

fn new_site(name: &str, url: &str) -> NewSite {
    NewSite {
        name: Some(name.to_owned()),
        url: GatewayUrl::parse(url).expect("an address"),
        user_id: "1".to_owned(),
        console_url: None,
        allow_private: Vec::new(),
        settings: BTreeMap::new(),
        token: None,
    }
}

/// Channels 1, 2, … each with the text of its list and the names that its own provider offers, joined by commas.
pub(crate) fn pairs(lists: &[(&str, &str)]) -> Spec {
    let mut spec = Spec::new();
    for (id, (has, offered)) in (1..).zip(lists) {
        let name = format!("p{id}");
        spec = spec.provider(Provider::new(&name, split(offered))).channel(
            Channel::new(id, &format!("channel {id}"))
                .at(&name)
                .models(has),
        );
    }
    spec
}

/// So many channels of [`pairs`] that all lack one name.
pub(crate) fn lacking(channels: usize) -> Spec {
    pairs(&vec![("a,b", "a,b,c"); channels])
}

/// The names of a comma-joined text, sorted, as the gateway routes them.
pub(crate) fn set(text: &str) -> BTreeSet<String> {
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `count` names with a common beginning, joined by commas.
pub(crate) fn names(beginning: &str, count: usize) -> String {
    let names: Vec<String> = (0..count).map(|n| format!("{beginning}{n}")).collect();
    names.join(",")
}

fn split(names: &str) -> Vec<String> {
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// How many times the usual counts are asked for: `make soak` sets it.
pub(crate) fn soak() -> u32 {
    std::env::var("LOCKSTEP_SOAK")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}
