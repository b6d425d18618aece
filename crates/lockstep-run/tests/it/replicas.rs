//! Several engines on one PostgreSQL, as on several machines: whoever is left brings to its end what another one began.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_core::settings::{Gate, PaceMode, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_run::Ahead;
use lockstep_run::clock::SystemClock;
use lockstep_run::{Engine, EngineError, Request, Session, SiteAccess, Source, Watch};
use lockstep_sim::{Fault, Gateway, Matcher, Rule, When};
use lockstep_store::leases::LeaseTimes;
use lockstep_store::runs::Run;
use lockstep_store::sites::{NewSite, Site};
use lockstep_store::{KeySource, Location, Store};
use tokio::task::{AbortHandle, JoinHandle};

use crate::cluster::{self, Cluster, Database};
use crate::tester::{go, lacking};

const CHANNELS: usize = 4;

/// How long it takes at most until a run is taken over, many times over.
const PATIENCE: Duration = Duration::from_secs(120);

/// A gateway with its site.
struct Place {
    gateway: Gateway,
    site: Site,
}

impl Place {
    async fn new(store: &Store, name: &str) -> Self {
        let gateway = Gateway::start(lacking(CHANNELS)).await.expect("a gateway");
        let new = NewSite {
            name: Some(name.to_owned()),
            url: GatewayUrl::parse(&gateway.url()).expect("an address"),
            user_id: "1".to_owned(),
            console_url: None,
            allow_private: Vec::new(),
            settings: [].into(),
            token: None,
        };
        let site = store.add_site(new, 0).await.expect("a site");
        Self { gateway, site }
    }

    fn session(&self, engine: &Engine) -> Session {
        let access = SiteAccess {
            site: self.site.clone(),
            token: self.gateway.root_token().into(),
        };
        engine.session(access, &settings()).approved_ahead("a test")
    }

    /// Syncs in a task of its own.
    fn go_apart(&self, engine: &Engine) -> JoinHandle<Result<Run, EngineError>> {
        let session = self.session(engine);
        tokio::spawn(async move { go(&session, &request(), &Watch::default()).await })
    }

    /// Syncs, and is cut off at the n-th request of a kind.
    async fn cut_off(&self, engine: &Engine, matcher: Matcher, n: usize, when: When) {
        let (tell, told) = mpsc::channel::<AbortHandle>();
        self.gateway.on_match(matcher, n, when, move |_| {
            told.recv().expect("the task").abort();
        });
        let task = self.go_apart(engine);
        tell.send(task.abort_handle()).expect("a hook");
        let ended = task.await;
        assert!(
            ended.is_err_and(|error| error.is_cancelled()),
            "it ran to its end"
        );
    }

    /// Everything was written once, by the one run that there is.
    async fn is_done_once(&self, store: &Store) {
        let runs = store.runs(&self.site.id, 9, None).await.expect("runs");
        let states: Vec<RunState> = runs.iter().map(|(run, _)| run.state).collect();
        assert_eq!(states, [RunState::Done], "{}", self.site.url);
        assert_eq!(self.gateway.effective_writes().len(), CHANNELS);
        for channel in self.gateway.channels() {
            assert_eq!(channel.models, "a,b,c");
        }
    }
}

fn settings() -> Settings {
    Settings {
        pace: PaceMode::Unlimited,
        max_retries: 0,
        price_gate: Gate::Off,
        concurrency: 1,
        ..Settings::default()
    }
}

fn request() -> Request {
    Request {
        source: Source::All,
        settings: settings(),
        policy: None,
        unattended: false,
        own_settings: true,
        go_on: true,
        after: None,
        ahead: Ahead::default(),
    }
}

/// An engine with connections of its own.
async fn engine(database: &Database) -> Engine {
    engine_with(database, LeaseTimes::of(Duration::from_secs(3))).await
}

async fn engine_with(database: &Database, times: LeaseTimes) -> Engine {
    let location = Location::parse(&database.url).expect("an address");
    let store = Store::open(location, KeySource::File(database.key.clone())).await;
    let store = store.expect("a store").with_lease_times(times);
    Engine::start(store, Arc::new(SystemClock), "tests".into()).expect("an engine")
}

/// Resumes what nobody works on until nothing is left: what a server's worker does.
async fn take_over(engine: &Engine, places: &[Place]) -> usize {
    let mut resumed = 0;
    let all = async {
        loop {
            for run in engine.store().orphaned_runs().await.expect("runs") {
                let place = places.iter().find(|place| place.site.id == run.site_id);
                let session = place.expect("a place").session(engine);
                match session.resume(&run.id, &Watch::default()).await {
                    Ok(_) => resumed += 1,
                    Err(EngineError::Busy(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            let mut left = 0;
            for place in places {
                let runs = engine.store().unfinished_runs(&place.site.id).await;
                left += runs.expect("runs").len();
            }
            if left == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("all runs end");
    resumed
}

fn fetch() -> Matcher {
    Matcher::get("/api/channel/fetch_models/")
}

fn put() -> Matcher {
    Matcher::put("/api/channel/")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_of_three_began_the_others_bring_to_its_end_once() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let (one, two, three) = (
        engine(&database).await,
        engine(&database).await,
        engine(&database).await,
    );
    let mut places = Vec::new();
    for at in 0..7 {
        places.push(Place::new(one.store(), &format!("site {at}")).await);
    }
    // One machine is lost: while it reads, with a write under way, and with a write that nobody heard back of.
    places[0].cut_off(&one, fetch(), 2, When::BeforeApply).await;
    places[1].cut_off(&one, put(), 2, When::BeforeApply).await;
    places[2].cut_off(&one, put(), 3, When::AfterApply).await;
    // The others have work of their own, and both find what is left.
    let own: Vec<_> = places[3..]
        .iter()
        .zip([&two, &three, &two, &three])
        .map(|(place, engine)| place.go_apart(engine))
        .collect();
    let (by_two, by_three) = tokio::join!(take_over(&two, &places), take_over(&three, &places));
    for run in own {
        assert_eq!(
            run.await.expect("ends").expect("a run").state,
            RunState::Done
        );
    }
    assert!(
        by_two + by_three >= 3,
        "{by_two} and {by_three} were resumed"
    );
    for place in &places {
        place.is_done_once(two.store()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_sync_one_gateway_at_once_write_it_once() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let first = engine(&database).await;
    let place = Place::new(first.store(), "main").await;
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(place.go_apart(&engine(&database).await));
    }
    let mut done = 0;
    for task in tasks {
        match task.await.expect("ends") {
            Ok(run) if run.state == RunState::Done => done += 1,
            // Between plan and write somebody else may have had it.
            Ok(run) => panic!("{:?}", run.state),
            Err(EngineError::Busy(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(done > 0 || place.gateway.effective_writes().is_empty());
    assert!(place.gateway.effective_writes().len() <= CHANNELS);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_once_the_database_is_gone_and_all_is_done_once_when_it_is_back() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let database = cluster.database().await;
    let (one, two) = (engine(&database).await, engine(&database).await);
    let place = Place::new(one.store(), "main").await;
    let slow = Fault::Delay(Duration::from_millis(1_000));
    place.gateway.fault(Rule::once(put(), slow).after(1));
    let task = place.go_apart(&one);
    let under_way = |gateway: &Gateway| gateway.count("PUT", "/api/channel/") > 1;
    assert!(place.gateway.until(PATIENCE, under_way).await);
    cluster.crash();
    let ended = task.await.expect("ends");
    assert!(ended.is_err(), "{ended:?}");
    assert_eq!(place.gateway.count("PUT", "/api/channel/"), 2);
    cluster.run();
    drop(cluster.connect("postgres").await);
    let places = [place];
    assert!(take_over(&two, &places).await > 0);
    places[0].is_done_once(two.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_process_that_stood_still_past_its_lease_only_what_was_sent_before_comes_late() {
    let Some(database) = cluster::database().await else {
        return;
    };
    // Nothing here waits for a lease to run out, so none does while the machine is slow.
    let times = LeaseTimes::of(Duration::from_secs(600));
    let (one, two) = (
        engine_with(&database, times).await,
        engine_with(&database, times).await,
    );
    let place = Place::new(one.store(), "main").await;
    let (tell, told) = mpsc::channel::<()>();
    place
        .gateway
        .on_match(put(), 2, When::BeforeApply, move |_| {
            tokio::task::block_in_place(|| told.recv().expect("a word"));
        });
    let task = place.go_apart(&one);
    let sent = |gateway: &Gateway| gateway.count("PUT", "/api/channel/") > 1;
    assert!(place.gateway.until(PATIENCE, sent).await);
    // Its second write is on its way, and its lease runs out. Another one does all that is left.
    let mut db = cluster::connect_to(one.store()).await;
    sqlx::query("UPDATE lease SET expires_at = 0")
        .execute(&mut db)
        .await
        .expect("it has run out");
    let places = [place];
    assert_eq!(take_over(&two, &places).await, 1);
    let place = &places[0];
    place.is_done_once(two.store()).await;
    let before = place.gateway.writes().len();
    assert_eq!(before, CHANNELS + 1, "each by one, and one that is late");
    tell.send(()).expect("the hook waits");
    let ended = task.await.expect("ends");
    assert!(ended.is_err(), "{ended:?}");
    // The late one said the same once more, and nothing came after it.
    let writes = place.gateway.writes();
    assert_eq!(writes.len(), before);
    let late = writes[1].write.as_ref().expect("it was applied");
    assert_eq!((late.after.as_str(), late.effective), ("a,b,c", false));
    place.is_done_once(two.store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_early_when_another_process_asks_it_to() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let (one, two) = (engine(&database).await, engine(&database).await);
    let place = Place::new(one.store(), "main").await;
    let slow = Fault::Delay(Duration::from_millis(1_000));
    place.gateway.fault(Rule::always(put(), slow));
    let task = place.go_apart(&one);
    let under_way = |gateway: &Gateway| gateway.count("PUT", "/api/channel/") > 0;
    assert!(place.gateway.until(PATIENCE, under_way).await);
    let runs = two
        .store()
        .unfinished_runs(&place.site.id)
        .await
        .expect("runs");
    assert!(
        two.store()
            .ask_to_cancel(&runs[0].id, "ann")
            .await
            .expect("asked")
    );
    let run = task.await.expect("ends").expect("a run");
    assert_eq!(run.state, RunState::Cancelled);
    let writes = place.gateway.effective_writes().len();
    assert!(writes > 0 && writes < CHANNELS, "{writes} writes");
}
