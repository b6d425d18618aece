//! What unattended runs tell: each thing once, again when it changes, and when it is over.

use std::time::Duration;

use lockstep_sim::Manner;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::add;
use super::place::{Answer, Asked, Place};
use crate::cluster;
use crate::prices::{in_the_shop, list_with, publish};
use crate::server::Server;
use crate::tester::Shell;
use crate::world::{mixed, start};

/// The kinds that were told since, with how.
fn told(place: &Place) -> Vec<(String, String)> {
    let text = |body: &Value, key: &str| body[key].as_str().expect(key).to_owned();
    let asked = place.asked();
    let bodies = asked.iter().map(|asked| asked.json());
    bodies
        .map(|body| (text(&body, "kind"), text(&body, "telling")))
        .collect()
}

fn pairs(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter()
        .map(|(kind, how)| (kind.as_str(), how.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_what_is_new_what_changed_and_what_is_over() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let place = Place::always(200, "").await;
    add(&shell, "webhook", &place.url(), &[]).await.is(0);

    // Somebody who looks needs no notice.
    shell.run(&["plan"]).await.is(2);
    assert!(place.asked().is_empty());

    shell.run(&["sync", "--unattended"]).await.is(3);
    let first = place.asked();
    let held = first
        .iter()
        .map(|asked| asked.json())
        .find(|body| body["kind"] == "held")
        .expect("held");
    assert_eq!(
        (&held["site"], &held["subject"]),
        (&"main".into(), &"models".into())
    );
    assert_eq!(held["telling"], "new");
    let count = held["items"].as_array().expect("items").len();
    assert_eq!(held["count"], count);
    let text = held["text"].as_str().expect("a text");
    assert!(text.contains("8 Cheap relay: Held: "), "{text}");
    assert!(
        first.iter().all(|asked| asked.json()["kind"] != "failed"),
        "one failure, one run"
    );

    shell.run(&["sync", "--unattended"]).await.is(3);
    let second = told(&place);
    assert_eq!(
        pairs(&second),
        [("failed", "new")],
        "the same failure twice"
    );

    shell.run(&["sync", "--unattended"]).await.is(3);
    assert_eq!(pairs(&told(&place)), [], "nothing is new");

    gateway.provider("grok").set_manner(Manner::Well);
    shell.run(&["sync", "--unattended"]).await;
    let over = told(&place);
    assert!(
        over.contains(&("failed".to_owned(), "recovered".to_owned())),
        "{over:?}"
    );
    let (log, _) = shell.json(&["notice", "log"]).await;
    let log = log["sent"].as_array().expect("a log");
    assert!(
        log.iter()
            .all(|sent| sent["arrived"] == true && sent["attempts"] == 1)
    );
    assert_eq!(log.len(), first.len() + 1 + over.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reached_nobody_is_told_by_the_next_run_and_the_run_is_what_it_was() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let bad = Answer(401, String::new(), String::new());
    let good = Answer(200, String::new(), String::new());
    let place = Place::answering(vec![bad, good]).await;
    add(&shell, "webhook", &place.url(), &["--only", "held"])
        .await
        .is(0);
    shell.run(&["plan"]).await.is(2);
    let said = shell.run(&["sync", "--unattended"]).await.is(3);
    said.says("The notice `held` did not reach there: HTTP status 401");
    // The log of the place was not taken, so that its second answer comes next.
    shell.run(&["sync", "--unattended"]).await.is(3);
    shell.run(&["sync", "--unattended"]).await.is(3);
    assert_eq!(pairs(&told(&place)), [("held", "new"), ("held", "new")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_tell_of_sources_costs_and_what_has_no_price() {
    let (gateway, shell) = in_the_shop().await;
    let place = Place::always(200, "").await;
    add(&shell, "webhook", &place.url(), &[]).await.is(0);
    let sync = ["sync", "prices", "--mode", "both", "--unattended"];
    shell.run(&sync).await;
    let bodies: Vec<Value> = place.asked().iter().map(|asked| asked.json()).collect();
    let of = |kind: &str| -> Vec<&str> {
        let body = bodies.iter().find(|body| body["kind"] == kind);
        let items = body.and_then(|body| body["items"].as_array());
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item["model"].as_str())
            .collect()
    };
    // The list asks 1.5 for `birch`, we ask 1, and nobody has looked yet.
    assert_eq!(of("price_moved"), ["birch"]);
    assert_eq!(of("below_cost"), ["birch"]);
    assert_eq!(of("unpriced"), ["cedar", "dune"]);
    let below = bodies.iter().find(|body| body["kind"] == "below_cost");
    let text = below.expect("told")["text"].as_str().expect("a text");
    assert!(
        text.contains("birch: $1.00 per million input tokens, and costs $1.50"),
        "{text}"
    );

    // The list agrees with us, and goes away one run after.
    publish(&gateway, "list", &list_with(1.0));
    shell.run(&sync).await;
    let over = told(&place);
    for kind in ["price_moved", "below_cost"] {
        assert!(
            over.contains(&(kind.to_owned(), "recovered".to_owned())),
            "{over:?}"
        );
    }
    gateway
        .provider("list")
        .set_page("/api/pricing", lockstep_sim::Page::html());
    let mut trouble = Vec::new();
    for _ in 0..3 {
        shell.run(&sync).await;
        trouble.push(told(&place));
    }
    let source = ("source_trouble".to_owned(), "new".to_owned());
    let times: Vec<bool> = trouble.iter().map(|told| told.contains(&source)).collect();
    assert_eq!(times, [false, true, false], "{trouble:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_never_answers_keeps_no_other_from_hearing() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let (dead, place) = (Place::that_hangs().await, Place::always(200, "").await);
    for (name, at) in [("dead", &dead), ("there", &place)] {
        let add = ["notice", "add", name, "webhook", "--stdin"];
        let more = ["--only", "held", "--allow-private", "127.0.0.0/8"];
        let add = [&add[..], &more].concat();
        shell.pipe(&add, &at.url()).await.is(0);
    }
    let server = Server::start(&shell).await.signed_in().await;
    let plan = json!({"subject": "models", "what": "all", "plan_only": true});
    let mut heard = Vec::new();
    for _ in 0..2 {
        let runs = "/api/v1/sites/main/runs";
        server.post(runs, &plan).await.is(202);
        heard.push(place.next().await.json()["telling"].clone());
        // What was held of it is answered, so the next run says something else.
        shell.run(&["held", "never", "8"]).await.is(0);
    }
    assert_eq!(heard, ["new", "changed"]);
    // It is given up after three tries, each of which waits for an answer: the other was told before.
    assert!(dead.given_up() < 3, "{}", dead.given_up());
    let asked = dead.asked();
    let about: Vec<Value> = asked
        .iter()
        .map(|asked| asked.json()["telling"].clone())
        .collect();
    assert!(about.iter().all(|telling| telling == "new"), "{about:?}");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_sends_what_another_process_did_not() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    // It answers nothing, and its only try ends with the process that is killed.
    let place = Place::that_hangs_at_first().await;
    add(&shell, "webhook", &place.url(), &["--only", "held"])
        .await
        .is(0);
    shell.run(&["plan"]).await.is(2);
    let server = Server::start(&shell).await.signed_in().await;
    let plan = json!({"subject": "models", "what": "all", "plan_only": true});
    server.post("/api/v1/sites/main/runs", &plan).await.is(202);
    let first = place.next().await;
    server.signal(Signal::KILL);
    drop(server);
    // As if the five minutes that it had for it were over.
    hurry(&shell).await;
    let server = Server::start(&shell).await.signed_in().await;
    let second = place.next().await;
    let delivery = |asked: &Asked| asked.header("x-lockstep-delivery").map(str::to_owned);
    assert_eq!(delivery(&second), delivery(&first), "it is the same notice");
    assert_eq!(second.json()["items"], first.json()["items"]);
    drop(server);
}

/// A server that is killed after its run has ended and before anything of that is stored to be told, for `keep` does not
/// let it; and another one once `let_go` does. Each thing is told once.
async fn killed_before_it_told(
    shell: &Shell,
    postgres: Option<&str>,
    keep: &[&'static str],
    let_go: &[&'static str],
) {
    let gateway = start(mixed()).await;
    shell.add_site("main", &gateway).await.is(0);
    let place = Place::always(200, "").await;
    add(shell, "webhook", &place.url(), &["--only", "held"])
        .await
        .is(0);
    let server = Server::start(shell).await.signed_in().await;
    let runs = "/api/v1/sites/main/runs";
    let plan = json!({"subject": "models", "what": "all", "plan_only": true});
    do_each(shell, postgres, keep).await;
    let run = server.post(runs, &plan).await.is(202).json()["run"].clone();
    let path = format!("{runs}/{}", run.as_str().expect("an id"));
    while server.get(&path).await.is(200).json()["state"] != "planned" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.signal(Signal::KILL);
    drop(server);
    do_each(shell, postgres, let_go).await;
    assert!(place.asked().is_empty(), "nothing was told of it");
    let server = Server::start(shell).await.signed_in().await;
    let first = place.next().await.json();
    assert_eq!((&first["run"], &first["kind"]), (&run, &json!("held")));
    // What the next run finds is the same, and nothing new to tell: it is told of after all that was before it.
    let next = loop {
        let answer = server.post(runs, &plan).await;
        // The lease of whoever was killed runs out first.
        if answer.status != 409 {
            break answer.is(202).json()["run"].clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let path = format!("{runs}/{}", next.as_str().expect("an id"));
    while server.get(&path).await.is(200).json()["state"] != "planned" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (said, status) = server.stop().await;
    assert!(status.success(), "{said}");
    assert_eq!(pairs(&told(&place)), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_server_is_killed_before_it_was_told_of_is_told_of_once() {
    let shell = Shell::new();
    let refuse = "CREATE TRIGGER nothing_told BEFORE INSERT ON notice_sent
                  BEGIN SELECT RAISE(ABORT, 'not now'); END";
    killed_before_it_told(&shell, None, &[refuse], &["DROP TRIGGER nothing_told"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_replica_that_is_killed_before_it_was_told_of_is_told_of_once() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let mut shell = Shell::new();
    shell.set("LOCKSTEP_DATABASE", &database.url);
    shell.set("LOCKSTEP_KEY_FILE", &database.key.display().to_string());
    shell.set("LOCKSTEP_LEASE_MS", "2000");
    let refuse = [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'not now'; END $$",
        "CREATE TRIGGER nothing_told BEFORE INSERT ON notice_sent
         FOR EACH ROW EXECUTE FUNCTION refuse()",
    ];
    let let_go = ["DROP TRIGGER nothing_told ON notice_sent"];
    killed_before_it_told(&shell, Some(&database.url), &refuse, &let_go).await;
}

/// Has the shell's database do something beside the program.
async fn do_each(shell: &Shell, postgres: Option<&str>, statements: &[&'static str]) {
    for statement in statements {
        if let Some(address) = postgres {
            let mut db = PgConnection::connect(address).await.expect("a database");
            sqlx::query(*statement)
                .execute(&mut db)
                .await
                .expect("done");
        } else {
            let options = SqliteConnectOptions::new().filename(shell.database());
            let mut db = options.connect().await.expect("a database");
            sqlx::query(*statement)
                .execute(&mut db)
                .await
                .expect("done");
            db.close().await.expect("closed");
        }
    }
}

/// Makes what was taken to be sent due.
async fn hurry(shell: &Shell) {
    let options = SqliteConnectOptions::new().filename(shell.database());
    let mut db = options.connect().await.expect("a database");
    let set = sqlx::query("UPDATE notice_sent SET due_at = 1 WHERE due_at IS NOT NULL");
    let set = set.execute(&mut db).await.expect("changed");
    assert_eq!(set.rows_affected(), 1, "something was taken");
    db.close().await.expect("closed");
}
