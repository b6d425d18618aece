//! kill -9 at chosen requests of the real program, and what the next `sync` makes of it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;

use lockstep_sim::spec::many;
use lockstep_sim::{Gateway, Matcher, When};
use serde_json::Value;

use crate::tester::Shell;
use crate::world::{Rounds, guarded, is_the_truth, lists, start};

const CHANNELS: usize = 12;
/// One listing, each provider once, one page again before the first write, then one write a channel.
const REQUESTS: usize = 1 + CHANNELS + 1 + CHANNELS;
const BOTH: [When; 2] = [When::BeforeApply, When::AfterApply];

/// A gateway whose channels all change in every round, and a shell that works on it.
struct Lane {
    gateway: Gateway,
    shell: Shell,
    rounds: Rounds,
    counted: Counted,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    kills: usize,
    /// Of these, at a write: its intent was stored, its outcome was not.
    at_writes: usize,
}

/// Where a process is killed.
#[derive(Clone, Copy, Debug)]
enum At {
    Request(usize, When),
    Write(usize, When),
}

impl Lane {
    async fn open(seed: u64) -> Self {
        let gateway = start(guarded(many(CHANNELS, 12, seed))).await;
        let shell = Shell::at(&gateway);
        shell.run(&["plan"]).await.is(2);
        shell.run(&["sync", "--yes"]).await.is(0);
        let rounds = Rounds::of(&gateway);
        Self {
            gateway,
            shell,
            rounds,
            counted: Counted::default(),
        }
    }

    /// All channels change. Answers what every list is to become.
    fn next_round(&mut self) -> BTreeMap<i64, String> {
        self.rounds.next(&self.gateway)
    }

    /// Runs a command until it is killed. Every list is then the old or the new one.
    async fn kill(&mut self, args: &[&str], at: At, new: &BTreeMap<i64, String>) {
        let old = lists(&self.gateway);
        let mut process = self.shell.start(args);
        match at {
            At::Request(k, when) => self.gateway.kill_at(process.pid, k, when),
            At::Write(k, when) => self.gateway.kill_at_put(process.pid, k, when),
        }
        process.go().await;
        let said = process.end().await;
        assert_eq!(
            said.status.signal(),
            Some(9),
            "{args:?} {at:?} was not killed\n{}\n{}",
            said.out,
            said.words()
        );
        self.counted.kills += 1;
        let last = self.gateway.log().pop().expect("a request");
        let writes = self.gateway.writes();
        let at_a_write = match at {
            At::Write(..) => true,
            At::Request(k, _) => k > REQUESTS - CHANNELS,
        };
        assert_eq!(at_a_write, !writes.is_empty(), "{at:?}: {last:?}");
        self.counted.at_writes += usize::from(at_a_write);
        for (id, now) in lists(&self.gateway) {
            assert!(
                now == old[&id] || now == new[&id],
                "channel {id} is neither old nor new after {at:?}: {now}"
            );
        }
    }

    /// The newest run as the journal has it.
    async fn newest(&self) -> Value {
        let (told, code) = self.shell.json(&["runs", "--limit", "1"]).await;
        assert_eq!(code, 0);
        told["runs"][0].clone()
    }

    /// Lets the next `sync` put things right: every list is the new one, each by one effective write, the run that
    /// was cut off has ended under its own id, and its journal says what the gateway's log says.
    async fn recover(&self, new: &BTreeMap<i64, String>, at: At) {
        let cut_off = self.newest().await;
        let id = cut_off["run"].as_str().expect("an id");
        let state = cut_off["state"].as_str().expect("a state");
        assert!(["reading", "writing"].contains(&state), "{at:?}: {cut_off}");

        let (last, code) = self.shell.json(&["sync", "--yes"]).await;
        assert_eq!(code, 0, "{at:?}: {last}");
        assert_eq!(&lists(&self.gateway), new, "{at:?}");
        for channel in new.keys() {
            let of_channel = |matcher: &lockstep_sim::Entry| matcher.channel == Some(*channel);
            let sent = self
                .gateway
                .writes()
                .iter()
                .filter(|e| of_channel(e))
                .count();
            let decided: Vec<bool> = self
                .gateway
                .writes()
                .iter()
                .filter(|entry| of_channel(entry))
                .filter_map(|entry| entry.write.as_ref().map(|write| write.effective))
                .collect();
            assert_eq!(decided, [true], "{at:?}: channel {channel} was written so");
            assert!(sent <= 3, "{at:?}: channel {channel} was sent {sent} times");
        }

        let (told, code) = self.shell.json(&["runs", id]).await;
        assert_eq!(code, 0);
        assert_eq!(told["state"], "done", "{at:?}: {told}");
        is_the_truth(&told, &self.gateway);
        assert_eq!(told["statistics"]["changed"], CHANNELS, "{at:?}");
        if state == "reading" {
            assert_eq!(
                last["run"], id,
                "{at:?}: a reading goes on under its own id"
            );
        } else {
            assert_eq!(last["statistics"]["unchanged"], CHANNELS, "{at:?}: {last}");
        }
        let (told, _) = self.shell.json(&["runs", "--limit", "4"]).await;
        for run in told["runs"].as_array().expect("runs") {
            let state = run["state"].as_str().expect("a state");
            assert!(
                ["planned", "done"].contains(&state),
                "{at:?} leaves a run {state}: {run}"
            );
        }
    }

    async fn sync_killed(&mut self, at: At) {
        let new = self.next_round();
        self.kill(&["sync", "--yes"], at, &new).await;
        self.recover(&new, at).await;
    }

    async fn apply_killed(&mut self, at: At) {
        let new = self.next_round();
        self.shell.run(&["plan"]).await.is(2);
        self.kill(&["apply", "--yes"], at, &new).await;
        self.recover(&new, at).await;
    }

    /// Whoever carries on is killed too.
    async fn killed_twice(&mut self, at: At, again: At) {
        let new = self.next_round();
        self.kill(&["sync", "--yes"], at, &new).await;
        self.kill(&["sync", "--yes"], again, &new).await;
        self.recover(&new, again).await;
    }

    /// An undo is killed, and then the undo of the undo.
    async fn undo_killed(&mut self, at: At) {
        let old = lists(&self.gateway);
        let new = self.next_round();
        self.shell.run(&["sync", "--yes"]).await.is(0);
        for given_back in [&old, &new] {
            self.gateway.clear_log();
            self.kill(&["undo", "--yes"], at, given_back).await;
            self.recover(given_back, at).await;
        }
    }
}

/// Every request of a sync, before and after its effect.
async fn every_request() -> Counted {
    let mut lane = Lane::open(1).await;
    for _ in 0..soak() {
        for k in 1..=REQUESTS {
            for when in BOTH {
                lane.sync_killed(At::Request(k, when)).await;
            }
        }
    }
    lane.counted
}

/// Writes of every kind of run, and those who carry on.
async fn every_kind_of_run() -> Counted {
    let mut lane = Lane::open(2).await;
    for when in BOTH.repeat(soak()) {
        for k in [1, 3, 6, 9, 12] {
            lane.apply_killed(At::Write(k, when)).await;
        }
        for k in [1, 4, 8, 12] {
            lane.undo_killed(At::Write(k, when)).await;
        }
        for again in BOTH {
            for k in [1, 2, 5] {
                lane.killed_twice(At::Write(k, when), At::Write(1, again))
                    .await;
            }
        }
    }
    lane.counted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_loses_nothing_and_repeats_nothing() {
    let (one, other) = tokio::join!(
        tokio::spawn(every_request()),
        tokio::spawn(every_kind_of_run())
    );
    let (one, other) = (one.expect("the first lane"), other.expect("the other lane"));
    let kills = one.kills + other.kills;
    let at_writes = one.at_writes + other.at_writes;
    println!("{kills} kills, {at_writes} of them between the intent of a write and its outcome");
    assert!(kills >= 100, "only {kills} kills");
    assert!(at_writes >= 30, "only {at_writes} kills at writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_a_plan_leaves_a_run_that_the_next_one_ends() {
    let gateway = start(crate::world::healthy()).await;
    let shell = Shell::at(&gateway);
    for k in 1..=4 {
        let mut process = shell.start(&["plan"]);
        gateway.kill_at_match(Matcher::any(), process.pid, k, When::AfterApply);
        process.go().await;
        assert_eq!(process.end().await.status.signal(), Some(9));
        let (left, _) = shell.json(&["runs", "--limit", "1"]).await;
        assert_eq!(left["runs"][0]["state"], "reading");
        // Another request: nobody comes back for what was asked before.
        let (other, code) = shell.json(&["plan", "--policy", "exact"]).await;
        assert_eq!((code, &other["state"]), (2, &"planned".into()));
        let (told, _) = shell
            .json(&["runs", left["runs"][0]["run"].as_str().expect("an id")])
            .await;
        assert_eq!(told["state"], "cancelled");
        assert_eq!(told["statistics"]["changed"], 0);
    }
    assert!(gateway.writes().is_empty());
}

/// How many times the usual counts are asked for: `make soak` sets it.
fn soak() -> usize {
    std::env::var("LOCKSTEP_SOAK")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}
