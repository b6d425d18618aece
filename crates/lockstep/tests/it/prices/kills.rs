//! kill -9 at every request of a price run of the real program, and what the next `sync` makes of it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;

use lockstep_sim::{
    Billing, Channel, EffectivePrice, Gateway, Price, Provider, Rates, When, price,
};
use serde_json::Value;

use super::{open, publish, remember};
use crate::schema::is_a_price_run;
use crate::tester::Shell;
use crate::world::{spec, start};

const MODELS: [&str; 5] = ["calls", "flips", "switches", "tiers", "tokens"];
const SYNC: [&str; 5] = ["sync", "prices", "--mode", "both", "--yes"];

/// What the source says in turn: every model changes each time, two of them the way they are billed.
fn prices(round: usize) -> Vec<Price> {
    let even = round.is_multiple_of(2);
    let expr = if even {
        "p * 2 + c * 8"
    } else {
        "p * 3 + c * 9"
    };
    let expr = format!("tier(\"base\", {expr})");
    let tokens = |model| Price::tokens(model, 2.0, 8.0).cache_read(0.2);
    vec![
        Price::per_call("calls", if even { 0.04 } else { 0.05 }),
        if even {
            tokens("flips")
        } else {
            Price::per_call("flips", 0.01)
        },
        if even {
            Price::expression("switches", &expr)
        } else {
            tokens("switches")
        },
        Price::expression("tiers", &expr),
        if even {
            tokens("tokens")
        } else {
            Price::tokens("tokens", 3.0, 9.0).cache_read(0.6)
        },
    ]
}

/// What a gateway bills that has these prices and nothing else.
fn bills(prices: &[Price]) -> BTreeMap<String, EffectivePrice> {
    Billing::new(&price::options(prices)).prices(MODELS)
}

/// Whether a model is billed in one of two ways. Its ratios are in maps of their own, which no gateway writes at once:
/// each of them is that of one way or of the other.
fn is_one_of(now: &EffectivePrice, ways: [&EffectivePrice; 2]) -> bool {
    let EffectivePrice::PerToken(now) = now else {
        return ways.contains(&now);
    };
    let rates: Vec<_> = ways
        .into_iter()
        .filter_map(|way| match way {
            EffectivePrice::PerToken(rates) => Some(rates),
            _ => None,
        })
        .collect();
    let of = |ratio: fn(&Rates) -> f64| rates.iter().any(|way| ratio(way) == ratio(now));
    of(|rates| rates.ratio)
        && of(|rates| rates.completion)
        && of(|rates| rates.cache)
        && of(|rates| rates.create_cache)
        && !now.placeholder
}

/// A gateway with a source whose prices all change in every round.
struct Lane {
    gateway: Gateway,
    shell: Shell,
    round: usize,
}

impl Lane {
    async fn open() -> Self {
        let gateway = start(
            spec()
                .provider(Provider::new("acme", MODELS))
                .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&prices(0)))
                .channel(Channel::new(1, "Acme").at("acme").models(&MODELS.join(",")))
                .prices(&prices(0)),
        )
        .await;
        let shell = open(Shell::with_site(&gateway).await);
        remember(&shell, &gateway, "list").await;
        publish(&gateway, "list", &prices(1));
        shell.run(&["plan", "prices", "--mode", "both"]).await.is(2);
        shell
            .run(&["held", "allow", "flips", "switches"])
            .await
            .is(0);
        shell.run(&SYNC).await.is(0);
        Self {
            gateway,
            shell,
            round: 1,
        }
    }

    /// The source says something else now. Answers what every model is billed and what it is to be.
    fn next_round(&mut self) -> [BTreeMap<String, EffectivePrice>; 2] {
        let old = bills(&prices(self.round));
        self.round += 1;
        let new = prices(self.round);
        publish(&self.gateway, "list", &new);
        self.gateway.clear_log();
        assert_eq!(self.gateway.billing().prices(MODELS), old);
        [old, bills(&new)]
    }

    /// How many requests a run that nobody kills takes.
    async fn requests(&mut self) -> usize {
        self.next_round();
        self.shell.run(&SYNC).await.is(0);
        self.gateway.log().len()
    }

    async fn newest(&self) -> Value {
        let (told, code) = self.shell.json(&["runs", "--limit", "1"]).await;
        assert_eq!(code, 0);
        told["runs"][0].clone()
    }

    /// Kills a run at a request; answers whether it was at a write or after one.
    async fn kill(&mut self, args: &[&str], k: usize, when: When) -> bool {
        let mut process = self.shell.start(args);
        self.gateway.kill_at(process.pid, k, when);
        process.go().await;
        let said = process.end().await;
        assert_eq!(said.status.signal(), Some(9), "{k} {when:?}: {}", said.out);
        !self.gateway.writes().is_empty()
    }

    /// Plays all writes since the round began from what was there then: after each of them every model is billed as
    /// before or as it was to be.
    fn never_between(
        &self,
        texts: &BTreeMap<String, String>,
        [old, new]: &[BTreeMap<String, EffectivePrice>; 2],
        at: &str,
    ) {
        let mut billing = Billing::new(texts);
        for write in self.gateway.option_writes() {
            if write.effective {
                billing.write(&write.key, &write.sent).expect("a good text");
            }
            for (model, now) in billing.prices(MODELS) {
                assert!(
                    is_one_of(&now, [&old[&model], &new[&model]]),
                    "{at}: {model} is {now:?} after {}",
                    write.key
                );
            }
        }
        assert_eq!(
            billing.prices(MODELS),
            self.gateway.billing().prices(MODELS)
        );
    }

    /// Every text that was written had its effect once.
    fn written_once(&self, at: &str) {
        let mut sent: BTreeMap<(String, String), Vec<bool>> = BTreeMap::new();
        for write in self.gateway.option_writes() {
            let text = (write.key, write.sent);
            sent.entry(text).or_default().push(write.effective);
        }
        for ((key, _), effects) in sent {
            let count = effects.iter().filter(|effective| **effective).count();
            assert_eq!(count, 1, "{at}: {key} was written {effects:?}");
            assert!(effects.len() <= 3, "{at}: {key} was sent {effects:?}");
        }
    }

    /// Lets the next `sync` put things right, and holds history to what happened.
    async fn recover(&self, new: &BTreeMap<String, EffectivePrice>, at: &str) {
        let cut_off = self.newest().await;
        let id = cut_off["run"].as_str().expect("an id");
        let state = cut_off["state"].as_str().expect("a state");
        assert!(["reading", "writing"].contains(&state), "{at}: {cut_off}");
        let (last, code) = self.shell.json(&SYNC).await;
        assert_eq!(code, 0, "{at}: {last:#}");
        assert_eq!(&self.gateway.billing().prices(MODELS), new, "{at}");
        self.written_once(at);

        let (told, code) = self.shell.json(&["runs", id]).await;
        assert_eq!(code, 0);
        is_a_price_run(&told);
        let wrote = if state == "reading" {
            assert_eq!(told["state"], "cancelled", "{at}");
            assert_eq!(told["statistics"]["changed"], 0, "{at}");
            &last
        } else {
            assert_eq!(told["state"], "done", "{at}: {told:#}");
            assert_eq!(
                last["statistics"]["unchanged"],
                MODELS.len(),
                "{at}: {last:#}"
            );
            &told
        };
        assert_eq!(
            wrote["statistics"]["changed"],
            MODELS.len(),
            "{at}: {wrote:#}"
        );
        super::is_there(wrote, &self.gateway);
        let (told, _) = self.shell.json(&["runs", "--limit", "4"]).await;
        for run in told["runs"].as_array().expect("runs") {
            let state = run["state"].as_str().expect("a state");
            assert!(
                ["planned", "done", "cancelled"].contains(&state),
                "{at}: {run}"
            );
        }
    }

    async fn sync_killed(&mut self, k: usize, when: When) -> bool {
        let at = format!("request {k} {when:?}");
        let texts = self.gateway.price_texts();
        let bills = self.next_round();
        let wrote = self.kill(&SYNC, k, when).await;
        self.never_between(&texts, &bills, &at);
        self.recover(&bills[1], &at).await;
        self.never_between(&texts, &bills, &at);
        wrote
    }

    /// Whoever carries on is killed too.
    async fn killed_twice(&mut self, k: usize, when: When) {
        let at = format!("request {k} {when:?}, and again");
        let texts = self.gateway.price_texts();
        let bills = self.next_round();
        self.kill(&SYNC, k, when).await;
        self.kill(&SYNC, 4, when).await;
        self.never_between(&texts, &bills, &at);
        self.recover(&bills[1], &at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_request_of_a_price_run_leaves_every_model_with_a_price_it_had_or_was_to_get()
{
    let mut lane = Lane::open().await;
    let requests = lane.requests().await;
    let mut kills = 0;
    let mut after_writes = 0;
    for when in [When::BeforeApply, When::AfterApply] {
        for k in 1..=requests {
            after_writes += usize::from(lane.sync_killed(k, when).await);
            kills += 1;
        }
    }
    // Early enough that there is something left to carry on with, twice.
    for k in [requests / 2, requests / 2 + 2] {
        for when in [When::BeforeApply, When::AfterApply] {
            lane.killed_twice(k, when).await;
            kills += 2;
        }
    }
    println!("{kills} kills, {after_writes} of them at a write or after one");
    assert!(kills >= 30, "only {kills} kills");
    assert!(after_writes >= 20, "only {after_writes} at writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_killed_is_carried_on() {
    let mut lane = Lane::open().await;
    let mut k = 3;
    let [old, new] = lane.next_round();
    lane.shell.run(&SYNC).await.is(0);
    for when in [When::BeforeApply, When::AfterApply] {
        for back in [&old, &new] {
            let texts = lane.gateway.price_texts();
            let now = lane.gateway.billing().prices(MODELS);
            lane.gateway.clear_log();
            k += 1;
            let at = format!("undo, request {k} {when:?}");
            lane.kill(&["undo", "--yes"], k, when).await;
            lane.never_between(&texts, &[now.clone(), back.clone()], &at);
            let id = lane.newest().await["run"]
                .as_str()
                .expect("an id")
                .to_owned();
            let (run, code) = lane.shell.json(&["apply", "--yes"]).await;
            assert_eq!(
                (code, run["run"].as_str()),
                (0, Some(id.as_str())),
                "{at}: {run:#}"
            );
            assert_eq!(&lane.gateway.billing().prices(MODELS), back, "{at}");
            lane.written_once(&at);
        }
    }
}
