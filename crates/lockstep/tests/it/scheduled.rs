//! A server that ends in the middle of a run that a schedule began, by SIGTERM and by SIGKILL, and the next one: the work
//! is done, and done once.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::mpsc;
use std::time::Duration;

use lockstep_sim::{Gateway, Matcher, Page, Provider, When};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::canary;
use crate::prices::{in_the_shop, is_what_was_written, list, open, shop, source, tokens};
use crate::server::Server;
use crate::stopping::{CHANNELS, all_want_a_write};
use crate::tester::Shell;
use crate::world::{is_the_truth, start, written};

const SOON: Duration = Duration::from_secs(90);
const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::KILL];

/// Days go by: the schedule's tick is long due, and what sources say they have said for as long.
async fn days_go_by(shell: &Shell) {
    let options = SqliteConnectOptions::new().filename(shell.database());
    let mut database = options.connect().await.expect("the database");
    sqlx::raw_sql(
        "UPDATE schedule SET next_at = next_at - 172800000;
         UPDATE price_seen SET first_seen = first_seen - 172800000",
    )
    .execute(&mut database)
    .await
    .expect("moved");
}

/// Starts a server, which gets the signal at the n-th request of a kind, and waits for its end.
async fn ends_at(gateway: &Gateway, shell: &Shell, signal: Signal, matcher: Matcher, n: usize) {
    let (tell, told) = mpsc::channel::<i32>();
    gateway.on_match(matcher, n, When::BeforeApply, move |_| {
        let pid = told.recv().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it runs");
    });
    let server = Server::start(shell).await;
    tell.send(server.pid()).expect("the hook waits");
    let (said, status) = server.ended().await;
    if signal == Signal::KILL {
        assert_eq!(status.signal(), Some(9), "{said}");
    } else {
        assert!(status.success(), "{said}");
    }
}

/// The runs that the schedule began, oldest first, each in full.
async fn scheduled(shell: &Shell) -> Vec<Value> {
    let (told, _) = shell.json(&["runs", "--limit", "9"]).await;
    let mut runs = Vec::new();
    for run in told["runs"].as_array().expect("runs").iter().rev() {
        let id = run["run"].as_str().expect("an id");
        let (run, _) = shell.json(&["runs", id]).await;
        if run["actor"]
            .as_str()
            .is_some_and(|by| by.starts_with("schedule"))
        {
            runs.push(run);
        }
    }
    runs
}

/// A server goes on, until a run of the schedule is done, and is stopped.
async fn goes_on(shell: &Shell) -> Vec<Value> {
    let server = Server::start(shell).await;
    let done = async {
        loop {
            let runs = scheduled(shell).await;
            if runs.iter().any(|run| run["state"] == "done") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let done = tokio::time::timeout(SOON, done).await;
    if done.is_err() {
        let runs = scheduled(shell).await;
        panic!("nothing was done:\n{}\n{runs:#?}", server.said());
    }
    server.stop().await;
    // Another one finds nothing left to do.
    let server = Server::start(shell).await;
    server.stop().await;
    scheduled(shell).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_list_run_that_is_cut_off_is_done_once_by_the_next_server() {
    for signal in SIGNALS {
        let fetch = Matcher::get("/api/channel/fetch_models/");
        for (matcher, n) in [(fetch, 3), (Matcher::put("/api/channel/"), 3)] {
            let at = format!("{signal:?} at {matcher:?} {n}");
            let (gateway, shell) = all_want_a_write().await;
            shell.run(&["schedule", "set", "models"]).await.is(0);
            days_go_by(&shell).await;
            ends_at(&gateway, &shell, signal, matcher, n).await;
            let runs = goes_on(&shell).await;
            assert_eq!(runs.len(), 1, "{at}: the run itself goes on: {runs:#?}");
            assert_eq!(runs[0]["state"], "done", "{at}");
            assert_eq!(runs[0]["statistics"]["changed"], CHANNELS, "{at}");
            is_the_truth(&runs[0], &gateway);
            let mut channels = written(&gateway);
            channels.sort_unstable();
            let once: Vec<i64> = (1..).take(CHANNELS).collect();
            assert_eq!(channels, once, "{at}: every list is written once");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_price_run_that_is_cut_off_is_done_once_by_the_next_server() {
    for signal in SIGNALS {
        for (matcher, reads) in [
            (Matcher::get("/api/option/"), true),
            (Matcher::put("/api/option/"), false),
        ] {
            let at = format!("{signal:?} at {matcher:?}");
            let (gateway, shell) = in_the_shop().await;
            shell.run(&["plan", "prices"]).await.is(2);
            let set = ["schedule", "set", "prices", "--apply"];
            shell.run(&set).await.is(0);
            days_go_by(&shell).await;
            gateway.clear_log();
            ends_at(&gateway, &shell, signal, matcher, 1).await;
            let runs = goes_on(&shell).await;
            let states: Vec<&Value> = runs.iter().map(|run| &run["state"]).collect();
            if reads {
                // What the sources said is gone with the process, so they are asked again.
                assert_eq!(states, ["cancelled", "done"], "{at}");
            } else {
                assert_eq!(states, ["done"], "{at}");
            }
            let run = runs.last().expect("a run");
            assert!(
                run["statistics"]["changed"].as_u64() > Some(0),
                "{at}: {run:#}"
            );
            is_what_was_written(run, &gateway);
            assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0), "{at}");
            let mut keys: Vec<String> =
                gateway.option_writes().into_iter().map(|w| w.key).collect();
            let sent = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), sent, "{at}: each map is written once: {keys:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_price_run_is_let_in_by_the_token_that_is_stored_for_its_source() {
    let gateway = start(shop()).await;
    let prices = lockstep_sim::price::pricing_list(&list(), &[("default", 1.0)]);
    let page = Page::json(prices).token(canary::UNKNOWN).user("42");
    let club = Provider::new("club", ["x"]).page("/api/pricing", page);
    let club = gateway.add_provider(club);
    // At TRACE; whatever a server or a command says, and every file, is searched for the token.
    let shell = open(Shell::with_site(&gateway).await);
    let typed = source(&gateway, "club");
    let add = ["site", "source", "add", &typed, "--token-stdin"];
    let add = [&add[..], &["--token-user", "42"]].concat();
    shell.pipe(&add, canary::UNKNOWN).await.is(0);
    shell.run(&["plan", "prices"]).await.is(2);
    let set = ["schedule", "set", "prices", "--apply"];
    shell.run(&set).await.is(0);
    days_go_by(&shell).await;
    gateway.clear_log();
    let asked = club.requests("/api/pricing");

    let server = Server::start(&shell).await.signed_in().await;
    let run = async {
        loop {
            let runs = scheduled(&shell).await;
            match runs.into_iter().next() {
                Some(run) if !run["ended_at"].is_null() => return run,
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    let run = tokio::time::timeout(SOON, run).await.expect("it ends");
    assert_eq!(run["state"], "done", "{run:#}");
    assert_eq!(run["sources"][0]["state"], "ok", "{run:#}");
    is_what_was_written(&run, &gateway);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    assert!(club.requests("/api/pricing") > asked, "the tick asked it");
    let last = club.last_request("/api/pricing").expect("asked");
    let bearer = format!("Bearer {}", canary::UNKNOWN);
    assert_eq!(last.header("authorization"), Some(bearer.as_str()));
    // Everything that it tells of that is searched, too.
    let id = run["run"].as_str().expect("an id");
    for path in [
        format!("/api/v1/sites/main/runs/{id}"),
        format!("/api/v1/sites/main/runs/{id}/items"),
        format!("/api/v1/sites/main/runs/{id}/events"),
        "/api/v1/sites/main/sources".to_owned(),
        "/api/v1/sites/main/schedules".to_owned(),
        format!("/sites/main/history/{id}"),
        "/sites/main/prices/sources".to_owned(),
    ] {
        server.get(&path).await.is(200);
    }
    server.stop().await;
}
