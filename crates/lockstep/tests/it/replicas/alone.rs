//! One server on a file, killed at every request of a run, and started again.

use std::time::Duration;

use hyper::Method;
use lockstep_sim::When;
use serde_json::{Value, json};

use super::fleet::PATIENCE;
use super::follow::{Told, send};
use super::place::Place;
use crate::server::Server;
use crate::tester::Shell;
use crate::world::lists;

/// The n-th site that [`Place::new`] makes with most channels.
const LARGE: usize = 2;

struct Alone {
    shell: Shell,
    place: Place,
    token: String,
    server: Server,
}

impl Alone {
    async fn open() -> Self {
        let mut shell = Shell::new();
        shell.set("LOCKSTEP_LOG", "info");
        let mut place = Place::new(LARGE).await;
        shell.add_site(&place.site, &place.gateway).await.is(0);
        place.next_round();
        shell.run(&["plan"]).await.is(2);
        shell.run(&["sync", "--yes"]).await.is(0);
        let token = shell.run(&["token", "add", "robot", "--scope", "apply"]);
        let token = token.await.is(0).out.trim().to_owned();
        let server = serve(&shell, &token).await;
        Self {
            shell,
            place,
            token,
            server,
        }
    }

    async fn runs(&self) -> Vec<Value> {
        let listed = self.server.get(&self.place.runs()).await.is(200).json();
        listed["runs"].as_array().expect("runs").clone()
    }

    /// A run that is killed at its k-th request.
    async fn killed_at(&mut self, k: usize, when: When) {
        let what = format!("request {k}, {when:?}");
        let before = self.runs().await.len();
        let old = lists(&self.place.gateway);
        let new = self.place.next_round();
        let pid = u32::try_from(self.server.pid()).expect("an id");
        self.place.gateway.kill_at(pid, k, when);
        let sync = json!({"subject": "models", "what": "all", "plan_only": false});
        let sync = Some(sync.to_string());
        let request = self
            .server
            .request(Method::POST, &self.place.runs(), &[], sync);
        // It may be killed before it answers.
        if let Some((status, _)) = send(self.server.host(), request).await {
            assert_eq!(status, 202, "{what}");
        }
        let server = &mut self.server;
        let dying = async {
            while !server.is_dead() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let dead = tokio::time::timeout(PATIENCE, dying).await;
        assert!(dead.is_ok(), "{what}: it was not killed");
        self.place.is_old_or_new(&old, &new, &what);
        self.server = serve(&self.shell, &self.token).await;
        let run = self.ended(&what).await;
        self.place.is_done_once(&run, &new, &what);
        assert_eq!(self.runs().await.len(), before + 1, "{what}");
        let id = run["run"].as_str().expect("an id");
        let events = format!("{}/{id}/events", self.place.runs());
        let mut told = Told::default();
        told.hear(&self.server.get(&events).await.is(200).body);
        let whole: Vec<u64> = (1..=told.numbers.len() as u64).collect();
        assert_eq!(told.numbers, whole, "{what}");
        assert!(told.over && whole.len() > self.place.channels, "{what}");
    }

    /// The newest run, once it is over.
    async fn ended(&self, what: &str) -> Value {
        let waiting = async {
            loop {
                let newest = self.runs().await.swap_remove(0);
                if !newest["ended_at"].is_null() {
                    let id = newest["run"].as_str().expect("an id").to_owned();
                    let path = format!("{}/{id}", self.place.runs());
                    return self.server.get(&path).await.is(200).json();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, waiting).await;
        ended.unwrap_or_else(|_| panic!("{what}: it is not gone on with\n{}", self.server.said()))
    }
}

async fn serve(shell: &Shell, token: &str) -> Server {
    let mut server = Server::start(shell).await;
    server.always("authorization", &format!("Bearer {token}"));
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_goes_on_with_its_run_under_its_own_id() {
    let mut alone = Alone::open().await;
    let mut kills = 0;
    // One listing, each provider once, one page again before the first write, then one write a channel.
    let requests = 1 + alone.place.channels + 1 + alone.place.channels;
    for k in 1..=requests {
        for when in [When::BeforeApply, When::AfterApply] {
            alone.killed_at(k, when).await;
            kills += 1;
        }
    }
    println!("{kills} kills of a server on a file");
    assert!(kills >= 10, "only {kills} kills");
    let (said, status) = alone.server.stop().await;
    assert!(status.success(), "{said}");
}
