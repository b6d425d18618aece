//! Three servers on one PostgreSQL, and the sites that they share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::follow::{Hosts, attempt, follow};
use super::place::Place;
use crate::cluster::Cluster;
use crate::server::Server;
use crate::tester::Shell;

/// How many replicas there are.
pub(crate) const REPLICAS: usize = 3;

/// How long leases hold here, in milliseconds; a write may take half of that, and who comes after waits so long.
pub(crate) const LEASE_MS: u64 = 2_000;

/// Nothing takes longer; what would hang fails instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Servers on a database of their own.
pub(crate) struct Fleet {
    replicas: Vec<Option<Server>>,
    hosts: Hosts,
    pub(crate) places: Vec<Place>,
    pub(crate) cluster: Arc<Cluster>,
    token: String,
    shell: Shell,
}

/// A run that was started, and whoever follows it.
pub(crate) struct Started {
    pub(crate) place: usize,
    /// The replica that was asked to.
    pub(crate) by: usize,
    pub(crate) run: String,
    follower: tokio::task::JoinHandle<Vec<u64>>,
}

impl Fleet {
    /// Starts three replicas, adds the sites, and lets each be reviewed once. `None` where there is no PostgreSQL.
    pub(crate) async fn start(sites: usize) -> Option<Self> {
        let cluster = tokio::task::spawn_blocking(Cluster::start).await;
        let cluster = Arc::new(cluster.expect("a cluster")?);
        let database = cluster.database().await;
        let mut shell = Shell::new();
        shell.set("LOCKSTEP_DATABASE", &database.url);
        shell.set("LOCKSTEP_KEY_FILE", &database.key.display().to_string());
        shell.set("LOCKSTEP_LEASE_MS", &LEASE_MS.to_string());
        shell.set("LOCKSTEP_LOG", "info");
        let mut places = Vec::new();
        for n in 0..sites {
            let place = Place::new(n).await;
            shell.add_site(&place.site, &place.gateway).await.is(0);
            places.push(place);
        }
        let token = shell.run(&["token", "add", "robot", "--scope", "apply"]);
        let token = token.await.is(0).out.trim().to_owned();
        let mut fleet = Self {
            replicas: (0..REPLICAS).map(|_| None).collect(),
            hosts: Arc::new(Mutex::new(vec![String::new(); REPLICAS])),
            places,
            cluster,
            token,
            shell,
        };
        for n in 0..REPLICAS {
            fleet.raise(n).await;
        }
        fleet.review().await;
        Some(fleet)
    }

    /// Starts the n-th replica, which is not there.
    pub(crate) async fn raise(&mut self, n: usize) {
        let mut server = Server::start(&self.shell).await;
        server.always("authorization", &format!("Bearer {}", self.token));
        let host = server.host().to_owned();
        self.hosts.lock().expect("whole")[n] = host;
        self.replicas[n] = Some(server);
    }

    pub(crate) fn replica(&self, n: usize) -> &Server {
        self.replicas[n].as_ref().expect("it runs")
    }

    /// The n-th replica's process.
    pub(crate) fn pid(&self, n: usize) -> u32 {
        u32::try_from(self.replica(n).pid()).expect("an id")
    }

    /// Ends the n-th replica as `kill -9` does, if it is not dead by now, and tells whether it was.
    pub(crate) async fn bury(&mut self, n: usize) -> bool {
        self.hosts.lock().expect("whole")[n].clear();
        let mut server = self.replicas[n].take().expect("it ran");
        let was = server.is_dead();
        if !was {
            server.signal(Signal::KILL);
        }
        was
    }

    /// Stops the n-th replica as a service manager does. Whatever it works on it leaves to the others.
    pub(crate) async fn stop(&mut self, n: usize) {
        self.hosts.lock().expect("whole")[n].clear();
        let server = self.replicas[n].take().expect("it ran");
        let (said, status) = server.stop().await;
        assert!(status.success(), "{status}\n{said}");
    }

    /// The first plan of every site is looked at and said yes to.
    async fn review(&mut self) {
        for place in &mut self.places {
            place.next_round();
        }
        let reviewed = self.places.iter().map(async |place| {
            let server = self.replica(0);
            let plan = json!({"subject": "models", "what": "all", "plan_only": true});
            let run = server.post(&place.runs(), &plan).await.is(202).json();
            let run = run["run"].as_str().expect("an id").to_owned();
            let planned = self.until(0, place, &run, &["planned"]).await;
            let yes = json!({"plan": planned["plan"]});
            let path = format!("{}/{run}/apply", place.runs());
            // Others look now and then whether the plan is still worked on, and have the gateway while they do.
            loop {
                let answer = server.post(&path, &yes).await;
                if answer.status != 409 || answer.code() != "busy" {
                    answer.is(202);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            self.until(0, place, &run, &["done"]).await;
        });
        join_all(reviewed).await;
    }

    /// Starts a run of a site over the n-th replica, and follows it, first over the next one.
    pub(crate) async fn sync(&self, n: usize, place: usize) -> Started {
        let runs = self.places[place].runs();
        let sync = json!({"subject": "models", "what": "all", "plan_only": false});
        let run = self.replica(n).post(&runs, &sync).await.is(202).json();
        let run = run["run"].as_str().expect("an id").to_owned();
        let events = format!("{runs}/{run}/events");
        let following = follow(self.hosts.clone(), n + 1, events, self.token.clone());
        Started {
            place,
            by: n,
            run,
            follower: tokio::spawn(following),
        }
    }

    /// The run as the n-th replica tells it, or nothing while it cannot.
    pub(crate) async fn told(&self, n: usize, path: &str) -> Option<Value> {
        let host = self.hosts.lock().expect("whole")[n].clone();
        let (status, body) = attempt(&host, path, &self.token, None).await?;
        if status != 200 {
            return None;
        }
        let body = body.collect().await.ok()?.to_bytes();
        Some(serde_json::from_slice(&body).expect("JSON"))
    }

    /// Waits until a run is in one of these states, as the n-th replica tells it.
    pub(crate) async fn until(&self, n: usize, place: &Place, run: &str, states: &[&str]) -> Value {
        let path = format!("{}/{run}", place.runs());
        let mut last = Value::Null;
        let waiting = async {
            loop {
                if let Some(told) = self.told(n, &path).await {
                    if states.iter().any(|state| told["state"] == *state) {
                        return told;
                    }
                    last = told;
                    assert!(last["ended_at"].is_null(), "{}: {last}", place.site);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| {
            let said: Vec<String> = self.replicas.iter().flatten().map(Server::said).collect();
            panic!(
                "{}: {run} does not come to be {states:?}: {last}\n{}",
                place.site,
                said.join("\n----\n")
            )
        })
    }

    /// Waits until the n-th replica answers, and works on nothing.
    pub(crate) async fn until_idle(&self, n: usize) {
        let mut last = String::new();
        let waiting = async {
            loop {
                let host = self.hosts.lock().expect("whole")[n].clone();
                let metrics = attempt(&host, "/metrics", &self.token, None).await;
                last = format!("{:?}", metrics.as_ref().map(|(status, _)| status));
                if let Some((200, body)) = metrics
                    && let Ok(body) = body.collect().await
                {
                    let text = String::from_utf8(body.to_bytes().to_vec()).expect("a text");
                    let running = |line: &&str| line.starts_with("lockstep_running{");
                    let lines: Vec<&str> = text.lines().filter(running).collect();
                    assert!(!lines.is_empty(), "{text}");
                    if lines.iter().all(|line| line.ends_with(" 0")) {
                        return;
                    }
                    last = lines.join("\n");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            waited.is_ok(),
            "replica {n} does not come to rest:\n{last}\n{}\n{}",
            std::fs::read_to_string(format!("/proc/{}/stat", self.pid(n))).unwrap_or_default(),
            self.replica(n).said()
        );
    }

    /// The ids of a site's runs, newest first.
    pub(crate) async fn runs(&self, n: usize, place: &Place) -> Vec<String> {
        let listed = self.replica(n).get(&place.runs()).await.is(200).json();
        let runs = listed["runs"].as_array().expect("runs").iter();
        runs.map(|run| run["run"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// The events of a run that ended are the same over every replica, numbered without a gap, and whoever followed it
    /// heard each once.
    pub(crate) async fn events_are_whole(&self, started: Started, what: &str) {
        let place = &self.places[started.place];
        let path = format!("{}/{}/events", place.runs(), started.run);
        let mut first: Option<String> = None;
        for replica in self.replicas.iter().flatten() {
            let answer = replica.get(&path).await.is(200);
            let text = String::from_utf8(answer.body.to_vec()).expect("a text");
            let first = first.get_or_insert_with(|| text.clone());
            assert_eq!(*first, text, "{what}: {}", place.site);
        }
        let text = first.expect("a replica");
        let mut told = super::follow::Told::default();
        told.hear(text.as_bytes());
        assert!(told.over, "{what}: {text}");
        let whole: Vec<u64> = (1..=told.numbers.len() as u64).collect();
        assert_eq!(told.numbers, whole, "{what}: {}", place.site);
        assert!(whole.len() > place.channels, "{what}: {text}");
        let heard = tokio::time::timeout(PATIENCE, started.follower).await;
        let heard = heard.expect("it ends").expect("it followed");
        assert_eq!(heard, whole, "{what}: heard of {}", place.site);
    }

    /// Ends all, and searches what they said.
    pub(crate) async fn end(mut self) {
        for n in 0..REPLICAS {
            if self.replicas[n].is_some() {
                self.stop(n).await;
            }
        }
    }
}
