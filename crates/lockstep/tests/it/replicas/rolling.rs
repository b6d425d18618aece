//! A rolling restart: each replica in its turn is stopped as a service manager does, and started again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use lockstep_sim::{Fault, Matcher, Rule};

use super::fleet::{Fleet, PATIENCE, REPLICAS, Started};

/// Two sites a replica.
const SITES: usize = 2 * REPLICAS;

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_cancels_nothing_and_every_run_is_done_once() {
    let Some(mut fleet) = Fleet::start(SITES).await else {
        return;
    };
    let mut new = BTreeMap::new();
    for at in 0..SITES {
        let place = &mut fleet.places[at];
        new.insert(at, place.next_round());
        let slow = Fault::Delay(Duration::from_millis(300));
        place
            .gateway
            .fault(Rule::always(Matcher::put("/api/channel/"), slow));
    }
    let mut started: Vec<Started> = Vec::new();
    let mut left = 0;
    for n in 0..REPLICAS {
        // Each stops with two runs of its own under way, and perhaps some of the one before it.
        let own = [n, n + REPLICAS];
        started.extend(join_all(own.map(|at| fleet.sync(n, at))).await);
        let gateway = &fleet.places[n].gateway;
        let under_way = |gateway: &lockstep_sim::Gateway| gateway.count("PUT", "/") > 0;
        assert!(gateway.until(PATIENCE, under_way).await);
        fleet.stop(n).await;
        let other = (n + 1) % REPLICAS;
        for at in own {
            let run = started.iter().find(|started| started.place == at);
            let path = format!("{}/{}", fleet.places[at].runs(), run.expect("begun").run);
            let told = fleet.told(other, &path).await.expect("a run");
            left += usize::from(told["ended_at"].is_null());
        }
        fleet.raise(n).await;
    }
    assert!(left > 0, "no run was left to another replica");
    for started in started {
        let place = &fleet.places[started.place];
        let told = fleet.until(0, place, &started.run, &["done"]).await;
        place.is_done_once(&told, &new[&started.place], "a rolling restart");
        assert_eq!(fleet.runs(1, place).await[0], started.run);
        fleet.events_are_whole(started, "a rolling restart").await;
    }
    println!("{left} runs were left to another replica");
    fleet.end().await;
}
