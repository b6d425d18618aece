//! Many gateways at once: one that is sick keeps no other waiting.

use std::sync::Arc;
use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_core::settings::{Gate, PaceMode, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_remote::gateway::TimeLimits;
use lockstep_run::Ahead;
use lockstep_run::clock::SystemClock;
use lockstep_run::jobs::{Go, Job, Jobs, Order};
use lockstep_run::{Engine, Request, SiteAccess, Source};
use lockstep_sim::Gateway;
use lockstep_store::Store;
use lockstep_store::sites::NewSite;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::tester::lacking;

/// How many gateways there are in all.
const SITES: usize = 50;

/// The start of an answer of which a byte comes now and then.
const DRIP: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";

/// A plan of all channels of a gateway that is added under a name.
async fn job(store: &Store, name: &str, url: &str, token: &str) -> Job {
    let settings = Settings {
        pace: PaceMode::Unlimited,
        max_retries: 0,
        price_gate: Gate::Off,
        ..Settings::default()
    };
    let new = NewSite {
        name: Some(name.to_owned()),
        url: GatewayUrl::parse(url).expect("an address"),
        user_id: "1".to_owned(),
        console_url: None,
        allow_private: Vec::new(),
        settings: [].into(),
        token: None,
    };
    let request = Request {
        source: Source::All,
        settings: settings.clone(),
        policy: None,
        unattended: false,
        own_settings: true,
        go_on: false,
        after: None,
        ahead: Ahead::default(),
    };
    Job {
        access: SiteAccess {
            site: store.add_site(new, 0).await.expect("a site"),
            token: token.into(),
        },
        settings,
        actor: "tests".to_owned(),
        order: Order::Models(Box::new(request), Go::Plans),
        verify: false,
    }
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, format!("127.0.0.1:{}", address.port()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_a_drip_a_closed_port_and_a_wrong_protocol_keep_no_other_site_waiting() {
    let store = Store::open_temporary().await.expect("a store");
    let engine = Engine::start(store.clone(), Arc::new(SystemClock), "tests".to_owned());
    // However slow the machine is, the drip outlasts all others.
    let limits = TimeLimits {
        read: Duration::from_secs(3_600),
        ..TimeLimits::default()
    };
    let jobs = Jobs::new(engine.expect("an engine").with_time_limits(limits));

    // Takes connections and never says anything.
    let (_hole, hole) = listener().await;
    let (dripping, drip) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = dripping.accept().await {
            tokio::spawn(async move {
                // What comes before it was asked for is no answer.
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let mut going = stream.write_all(DRIP.as_bytes()).await;
                while going.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    going = stream.write_all(b" ").await;
                }
            });
        }
    });
    let (closing, closed) = listener().await;
    drop(closing);
    let plain = Gateway::start(lacking(1)).await.expect("a gateway");
    let wrong = plain.url().replace("http://", "https://");
    let mut slow = Vec::new();
    for (name, host) in [("hole", hole), ("drip", drip)] {
        let job = job(&store, name, &format!("http://{host}"), "token").await;
        slow.push(jobs.start(job).await.expect("it begins"));
    }
    let mut sick = Vec::new();
    for (name, url) in [("closed", format!("http://{closed}")), ("wrong", wrong)] {
        let job = job(&store, name, &url, "token").await;
        sick.push(jobs.finish(job).await.expect("it ends").state);
    }
    assert_eq!(sick, [RunState::Failed, RunState::Failed]);

    let mut healthy = JoinSet::new();
    let mut gateways = Vec::new();
    for n in 0..SITES - slow.len() - sick.len() {
        let gateway = Gateway::start(lacking(1)).await.expect("a gateway");
        let url = gateway.url();
        let job = job(&store, &format!("site {n}"), &url, gateway.root_token()).await;
        let jobs = jobs.clone();
        healthy.spawn(async move { jobs.finish(job).await });
        gateways.push(gateway);
    }
    while let Some(ended) = healthy.join_next().await {
        let run = ended.expect("ends").expect("a run");
        assert_eq!(run.state, RunState::Planned, "{}", run.site_url);
    }
    // All others are through while the drip still comes. What never says anything is given up sooner or later.
    let dripping = store.run(&slow[1]).await.expect("the run");
    assert_eq!(dripping.state, RunState::Reading, "{:?}", dripping.failure);
    assert!(jobs.running(&dripping.id).is_some());
    let hole = store.run(&slow[0]).await.expect("the run");
    assert_ne!(hole.state, RunState::Planned);
    jobs.stop().await;
}
