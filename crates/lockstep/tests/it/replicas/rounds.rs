//! Rounds in which one replica is killed, another stands still for longer than its lease, and the database goes and comes.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use lockstep_sim::{Fault, Matcher, Rule, When};

use super::fleet::{Fleet, LEASE_MS, PATIENCE, REPLICAS, Started};
use crate::world::lists;

/// How many sites the fleet has; the first round is about all, the others about some.
const SITES: usize = 20;
/// How many sites a round is about: two a replica.
const FEW: usize = 2 * REPLICAS;
/// Fleets side by side: most of a round is waiting.
const FLEETS: usize = 4;
/// Rounds in all, over all fleets.
const ROUNDS: usize = 20;

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    rounds: usize,
    /// Rounds whose kill was at the request that it was laid for.
    killed: usize,
    /// Rounds in which a replica stood still with work of its own.
    paused: usize,
    restarts: usize,
    /// The longest time without a request in a run that was cut off: until somebody went on with it.
    taken_over: Duration,
}

impl Counted {
    fn and(self, other: Self) -> Self {
        Self {
            rounds: self.rounds + other.rounds,
            killed: self.killed + other.killed,
            paused: self.paused + other.paused,
            restarts: self.restarts + other.restarts,
            taken_over: self.taken_over.max(other.taken_over),
        }
    }
}

fn put() -> Matcher {
    Matcher::put("/api/channel/")
}

/// Who does what in a round.
#[derive(Clone, Copy, Debug)]
struct Cast {
    /// Is killed.
    victim: usize,
    /// Stands still.
    sleeper: usize,
    /// Nothing happens to it.
    other: usize,
    /// At which write of its run each of them is met, and on which side of its effect.
    k: usize,
    when: When,
    /// Whether the sleeper wakes while others go on with its run; else when that is over.
    early: bool,
    restart: bool,
}

impl Cast {
    fn of(round: usize) -> Self {
        Self {
            victim: round % REPLICAS,
            sleeper: (round + 1) % REPLICAS,
            other: (round + 2) % REPLICAS,
            k: 1 + round % 3,
            when: [When::BeforeApply, When::AfterApply][round / 2 % 2],
            early: round % 2 == 1,
            restart: round.is_multiple_of(4),
        }
    }
}

/// A round over some of the sites.
async fn round(fleet: &mut Fleet, cast: Cast, few: &[usize], counted: &mut Counted) {
    let what = format!("round {} of a fleet, {cast:?}", counted.rounds + 1);
    let mut new = BTreeMap::new();
    let mut old = BTreeMap::new();
    for at in few {
        let place = &mut fleet.places[*at];
        old.insert(*at, lists(&place.gateway));
        new.insert(*at, place.next_round());
        // Writes take as long as a gateway's do, so that there is a middle to be met in.
        let slow = Fault::Delay(Duration::from_millis(40));
        place.gateway.clear_faults();
        place.gateway.clear_triggers();
        place.gateway.fault(Rule::always(put(), slow));
    }
    // The first site of each of the two is where it is met. All its runs have begun before.
    let (dies, sleeps) = (few[cast.victim], few[cast.sleeper]);
    let head_start = Fault::Delay(Duration::from_millis(800));
    for at in [dies, sleeps] {
        let listing = Rule::once(Matcher::get("/api/channel/"), head_start.clone());
        fleet.places[at].gateway.fault(listing);
    }
    let (victim, sleeper) = (fleet.pid(cast.victim), fleet.pid(cast.sleeper));
    let mut started: Vec<Started> = Vec::new();
    for replica in [cast.victim, cast.sleeper, cast.other] {
        let own = few.iter().skip(replica).step_by(REPLICAS);
        started.extend(join_all(own.map(|at| fleet.sync(replica, *at))).await);
        if replica == cast.victim {
            let gateway = &fleet.places[dies].gateway;
            gateway.kill_at_put(victim, cast.k, cast.when);
        } else if replica == cast.sleeper {
            let gateway = &fleet.places[sleeps].gateway;
            gateway.pause_at(put(), sleeper, cast.k, cast.when);
        }
    }

    if cast.restart {
        let gateway = &fleet.places[few[cast.other]].gateway;
        let writes = |gateway: &lockstep_sim::Gateway| gateway.count("PUT", "/") > 0;
        assert!(gateway.until(PATIENCE, writes).await, "{what}");
        let cluster = fleet.cluster.clone();
        let restarting = move || {
            cluster.crash();
            cluster.run();
        };
        let restarted = tokio::task::spawn_blocking(restarting).await;
        restarted.expect("it is restarted");
        counted.restarts += 1;
    }
    until_killed(fleet, cast, dies, &started).await;
    for at in few {
        fleet.places[*at].is_old_or_new(&old[at], &new[at], &what);
    }
    let met_its_end = fleet.bury(cast.victim).await;
    counted.killed += usize::from(met_its_end);

    // What the sleeper had is gone on with by others while it sleeps.
    let own: Vec<&Started> = started
        .iter()
        .filter(|started| started.by == cast.sleeper)
        .collect();
    let met = own
        .iter()
        .find(|started| started.place == sleeps)
        .expect("begun");
    until(fleet, cast, met, || is_asleep(sleeper)).await;
    let asleep = is_asleep(sleeper);
    counted.paused += usize::from(asleep);
    if asleep && cast.early {
        let gateway = &fleet.places[sleeps].gateway;
        let before = gateway.log().len();
        until(fleet, cast, met, || gateway.log().len() > before).await;
    } else if asleep {
        for started in &own {
            let place = &fleet.places[started.place];
            fleet
                .until(cast.other, place, &started.run, &["done"])
                .await;
        }
    }
    fleet.places[sleeps].gateway.clear_triggers();
    fleet.places[sleeps].gateway.resume(sleeper);
    let mut ended = Vec::new();
    for started in &started {
        let place = &fleet.places[started.place];
        let told = fleet.until(cast.other, place, &started.run, &["done"]);
        ended.push(told.await);
    }
    if met_its_end {
        let log = fleet.places[dies].gateway.log();
        let gaps = log
            .windows(2)
            .map(|two| two[1].at.saturating_sub(two[0].at));
        counted.taken_over = gaps.fold(counted.taken_over, Duration::max);
    }
    fleet.until_idle(cast.sleeper).await;
    fleet.until_idle(cast.other).await;
    fleet.raise(cast.victim).await;
    for (started, told) in started.into_iter().zip(ended) {
        let place = &fleet.places[started.place];
        place.is_done_once(&told, &new[&started.place], &what);
        let runs = fleet.runs(cast.victim, place).await;
        assert_eq!(runs[0], started.run, "{what}: a second run began");
        fleet.events_are_whole(started, &what).await;
    }
    counted.rounds += 1;
}

/// Waits until the victim is dead, or its run is done without it.
async fn until_killed(fleet: &Fleet, cast: Cast, dies: usize, started: &[Started]) {
    let run = started.iter().find(|started| started.place == dies);
    let pid = fleet.pid(cast.victim);
    let dead = || matches!(state(pid), None | Some('Z' | 'X'));
    until(fleet, cast, run.expect("begun"), dead).await;
}

/// Waits until something is so, or the run is done before it could be.
async fn until(fleet: &Fleet, cast: Cast, run: &Started, so: impl Fn() -> bool) {
    let path = format!("{}/{}", fleet.places[run.place].runs(), run.run);
    let waiting = async {
        while !so() {
            let told = fleet.told(cast.other, &path).await;
            if told.is_some_and(|told| told["state"] == "done") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{cast:?}: nothing happens to {path}");
}

/// Whether the process stands still.
fn is_asleep(pid: u32) -> bool {
    state(pid) == Some('T')
}

/// The letter of the process's state; none where there is no such process.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(") ")?;
    after.chars().next()
}

/// The rounds of a fleet, from the n-th on, each over its few of the sites.
async fn rounds(sites: usize, first: usize, count: usize) -> Option<Counted> {
    let mut fleet = Fleet::start(sites).await?;
    let mut counted = Counted::default();
    for n in first..first + count {
        let few: Vec<usize> = if n == 0 {
            (0..sites).collect()
        } else {
            (0..FEW).map(|at| (n * FEW + at) % sites).collect()
        };
        round(&mut fleet, Cast::of(n), &few, &mut counted).await;
    }
    fleet.end().await;
    Some(counted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_to_one_of_three_every_run_is_done_once() {
    let all = ROUNDS * soak().min(10);
    let each = all / FLEETS;
    let mut fleets = tokio::task::JoinSet::new();
    for n in 0..FLEETS {
        let sites = if n == 0 { SITES } else { FEW };
        fleets.spawn(rounds(sites, n * each, each));
    }
    let mut counted = Counted::default();
    while let Some(fleet) = fleets.join_next().await {
        let Some(fleet) = fleet.expect("a fleet") else {
            return;
        };
        counted = counted.and(fleet);
    }
    println!("{counted:?}, leases of {LEASE_MS} ms");
    assert_eq!(counted.rounds, all);
    assert!(counted.killed * 2 > all, "{counted:?}");
    assert!(counted.paused * 2 > all, "{counted:?}");
    assert!(counted.restarts * 5 >= all, "{counted:?}");
    // That much is promised for leases of 30 seconds; these are much shorter.
    assert!(counted.taken_over < Duration::from_secs(60), "{counted:?}");
}

/// How many times the usual counts are asked for: `make soak` sets it.
fn soak() -> usize {
    std::env::var("LOCKSTEP_SOAK")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}
