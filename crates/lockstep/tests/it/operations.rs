//! The server as whoever runs it sees it: its health, its metrics and its log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hyper::Method;
use lockstep_sim::{Fault, Gateway, Matcher, Rule};
use serde_json::{Value, json};
use sqlx::Executor as _;
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::server::{Answer, Server, over};
use crate::stopping::all_want_a_write;
use crate::tester::Shell;
use crate::world::{mixed, start};

const PATIENCE: Duration = Duration::from_secs(60);
const RUNS: &str = "/api/v1/sites/main/runs";

/// The metrics that the documentation names, each with its labels.
fn documented() -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../../../../docs/operations.md");
    let rows = text.lines().filter(|line| line.starts_with("| `lockstep_"));
    let ticked = |cell: &str| {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').collect();
        (ticked(cells[1]).remove(0), ticked(cells[2]))
    };
    rows.map(row).collect()
}

/// The value of a metric with these labels.
fn value(metrics: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let line = metrics.lines().find(|line| {
        let named = line.strip_prefix(name);
        named.is_some_and(|rest| {
            let has = |(key, value): &(&str, &str)| rest.contains(&format!("{key}=\"{value}\""));
            (rest.starts_with('{') || rest.starts_with(' ')) && labels.iter().all(has)
        })
    });
    line?.rsplit(' ').next()?.parse().ok()
}

/// Begins a run about model lists and waits until it has come to rest.
async fn ran(server: &Server) -> Value {
    let all = json!({"subject": "models", "what": "all", "plan_only": true});
    let begun = server.post(RUNS, &all).await.is(202).json();
    let run = begun["run"].as_str().expect("an id");
    let resting = async {
        loop {
            let told = server.get(&format!("{RUNS}/{run}")).await.is(200).json();
            if !["queued", "reading", "writing"].contains(&told["state"].as_str().expect("a state"))
            {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let rested = tokio::time::timeout(PATIENCE, resting).await;
    rested.expect("the run comes to rest")
}

/// A token with a scope.
async fn token(shell: &Shell, scope: &str) -> String {
    let made = shell.run(&["token", "add", scope, "--scope", scope]).await;
    format!("Bearer {}", made.is(0).out.trim())
}

/// Asks as a program does.
async fn with(server: &Server, path: &str, bearer: &str) -> Answer {
    let headers = [("authorization", bearer), ("cookie", "")];
    server.ask(Method::GET, path, &headers, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_documentation_is_told_after_a_run_and_no_other() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let aside = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = aside.local_addr().expect("an address").to_string();
    drop(aside);
    let server = Server::start_with(&shell, &["--metrics-listen", &address]).await;
    let server = server.signed_in().await;
    let run = ran(&server).await;
    let read = token(&shell, "read").await;
    let metrics = with(&server, "/metrics", &read).await.is(200);
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let metrics = metrics.text();
    let documented = documented();
    assert!(documented.len() > 8, "{documented:?}");
    for (name, labels) in &documented {
        let labels: Vec<String> = labels.iter().map(|label| format!("{label}=\"")).collect();
        let told = metrics.lines().any(|line| {
            let rest = line.strip_prefix(name.as_str());
            let rest = rest.map(|rest| rest.strip_prefix("_bucket").unwrap_or(rest));
            rest.is_some_and(|rest| {
                rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
            })
        });
        assert!(told, "{name} {labels:?} is not in\n{metrics}");
    }
    let kinds = metrics.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let total = if kind == "counter" { "_total" } else { "" };
        Some(format!("{name}{total}"))
    });
    let undocumented: Vec<String> = kinds
        .filter(|name| !documented.contains_key(name))
        .collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");

    // They say what the run says.
    let main = [("site", "main"), ("subject", "models")];
    let statistics = &run["statistics"];
    for status in ["success", "failed", "held", "skipped"] {
        let labels = [main[0], main[1], ("status", status)];
        let told = value(&metrics, "lockstep_last_run_items", &labels).expect(status);
        assert_eq!(
            json!(told as u64),
            statistics[status],
            "{status}: {statistics}"
        );
    }
    let of = |name: &str| value(&metrics, name, &main).expect(name);
    assert_eq!(
        of("lockstep_held") as u64,
        statistics["held"].as_u64().expect("a number")
    );
    assert_eq!(of("lockstep_running"), 0.0);
    assert!(of("lockstep_last_run_end_timestamp_seconds") > 1.7e9);

    // Whoever may not look is not told, and the address of its own tells metrics and nothing else.
    with(&server, "/metrics", "").await.is(401);
    let narrow = token(&shell, "ratio-sync").await;
    with(&server, "/metrics", &narrow).await.is(403);
    let aside = async |path: &str| {
        let stream = TcpStream::connect(&address).await.expect("it listens");
        let host = [("host", address.as_str()), ("cookie", "")];
        let answer = over(stream, server.request(Method::GET, path, &host, None)).await;
        Answer::read(path.to_owned(), answer).await
    };
    let open = aside("/metrics").await.is(200).text();
    for name in documented.keys() {
        assert!(open.contains(name), "{name}");
    }
    for path in ["/", "/healthz", "/api/v1/sites", "/sign-in"] {
        aside(path).await.is(404);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_for_programs_is_an_object_a_line_and_what_a_job_does_has_its_run() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let args = [
        "--log-format",
        "json",
        "--insecure-http",
        "--listen",
        "0.0.0.0:0",
    ];
    let server = Server::start_with(&shell, &args).await.signed_in().await;
    let run = ran(&server).await;
    let run = run["run"].as_str().expect("an id");
    let (said, status) = server.stop().await;
    assert!(status.success(), "{said}");
    let (mut plain, mut of_run, mut levels) = (Vec::new(), 0, BTreeSet::new());
    for line in said.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            plain.push(line);
            continue;
        };
        for key in ["timestamp", "level", "target"] {
            assert!(event[key].is_string(), "{key}: {line}");
        }
        levels.insert(event["level"].as_str().unwrap_or("").to_owned());
        if event["span"]["name"] == "job" && event["span"].get("run").is_some() {
            assert_eq!(event["span"]["run"], run, "{line}");
            assert_eq!(event["span"]["site"], gateway.url(), "{line}");
            of_run += 1;
        }
    }
    // The link alone is none: it is a secret, and no log has it.
    assert!(
        plain.len() == 1 && plain[0].contains("/sign-in/link#"),
        "{plain:?}"
    );
    assert!(plain[0].contains("http://127.0.0.1:"), "{plain:?}");
    assert!(of_run > 0, "{said}");
    assert!(levels.contains("WARN"), "{levels:?}");
    for text in [
        "Lockstep listens on http://0.0.0.0:",
        "without https",
        "in the place of 127.0.0.1",
        "stopping after what is under way",
    ] {
        assert!(said.contains(text), "{text} is not in\n{said}");
    }
    // What keeps a server from being one is an event too.
    let refused = shell.run(&["serve", "--log-format", "json", "--listen", "0.0.0.0:0"]);
    let refused = refused.await.is(1);
    let told = refused.err.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        event["level"] == "ERROR" && event["message"].to_string().contains("--insecure-http")
    });
    assert!(told.collect::<Vec<_>>().contains(&true), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_server_logs_what_goes_wrong_and_nothing_else() {
    let gateway = start(mixed()).await;
    let mut shell = Shell::with_site(&gateway).await;
    shell.unset("LOCKSTEP_LOG");
    let server = Server::start_with(&shell, &["--quiet"]).await;
    let server = server.signed_in().await;
    ran(&server).await;
    gateway.fault(Rule::always(
        Matcher::get("/api/ratio_sync/channels"),
        Fault::Status(500),
    ));
    server
        .get("/sites/main/api/ratio_sync/channels")
        .await
        .is(500);
    server.until_says("the channels cannot be listed").await;
    let (said, _) = server.stop().await;
    assert!(said.contains(" WARN "), "{said}");
    for level in [" INFO ", " DEBUG ", " TRACE "] {
        assert!(!said.contains(level), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_in_full_says_that_all_that_is_done_unasked_is_looked_after() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let server = Server::start(&shell).await.signed_in().await;
    ran(&server).await;
    let looked = async {
        loop {
            let told = server.get("/api/v1/health").await.is(200).json();
            let workers = told["workers"].as_array().expect("workers").clone();
            assert_eq!(workers.len(), 4, "{told}");
            if workers.iter().all(|worker| worker["looked_at"].is_string()) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, looked).await;
    let told = told.expect("every loop looks");
    assert_eq!(told["sites"][0]["last_runs"][0]["state"], "planned");
    with(&server, "/api/v1/health", "").await.is(401);
    server.stop().await;
}

/// Asks for the health of a server as a container does.
async fn health(shell: &Shell, server: &Server, more: &[&str]) -> crate::tester::Said {
    let args = [&["health", "--listen", server.host()], more].concat();
    shell.run(&args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_slowly_is_alive_and_not_ready() {
    let (gateway, shell) = all_want_a_write().await;
    let server = Server::start(&shell).await.signed_in().await;
    health(&shell, &server, &[]).await.is(0);
    assert_eq!(server.get("/readyz").await.is(200).json()["status"], "ok");
    // The writes that are sent are waited for.
    gateway.fault(Rule::always(
        Matcher::put("/api/channel/"),
        Fault::Delay(Duration::from_secs(12)),
    ));
    let all = json!({"subject": "models", "what": "all", "plan_only": false});
    server.post(RUNS, &all).await.is(202);
    let written = |gateway: &Gateway| !gateway.writes().is_empty();
    assert!(
        gateway.until(PATIENCE, written).await,
        "a write is under way"
    );
    server.signal(rustix::process::Signal::TERM);
    server.until_says("stopping after what is under way").await;
    until_ready(&server, 503).await;
    let told = server.get("/readyz").await.is(503);
    assert_eq!(told.code(), "stopping");
    server.get("/healthz").await.is(200);
    health(&shell, &server, &[])
        .await
        .is(1)
        .says("answers with 503");
    let host = server.host().to_owned();
    let (_, status) = server.ended().await;
    assert!(status.success());
    let gone = shell.run(&["health", "--listen", &host]).await;
    gone.is(1).says("is `lockstep serve` running?");
}

/// Waits until it says that of itself.
async fn until_ready(server: &Server, status: u16) {
    let waiting = async {
        while server.get("/readyz").await.status.as_u16() != status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "/readyz does not answer {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_or_stuck_is_told_in_time_and_in_no_words_of_its_own() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await;
    let Some(cluster) = cluster.expect("a cluster") else {
        return;
    };
    let database = cluster.database().await;
    let mut shell = Shell::new();
    shell.set("LOCKSTEP_DATABASE", &database.url);
    shell.set("LOCKSTEP_KEY_FILE", &database.key.display().to_string());
    let server = Server::start(&shell).await;
    server.get("/readyz").await.is(200);
    let not_ready = async || {
        let told = server.get("/readyz").await.is(503);
        assert_eq!(told.code(), "database");
        assert_eq!(told.json()["title"], "the database is not available");
        health(&shell, &server, &[]).await.is(1);
        server.get("/healthz").await.is(200);
    };
    // Somebody else keeps what it wants to look at.
    let (_, name) = database.url.split_once("///").expect("an address");
    let name = name.split('?').next().expect("a name");
    let mut other = cluster.connect(name).await;
    let lock = "BEGIN; LOCK TABLE site IN ACCESS EXCLUSIVE MODE";
    other.execute(lock).await.expect("locked");
    not_ready().await;
    other.execute("ROLLBACK").await.expect("let go");
    until_ready(&server, 200).await;
    health(&shell, &server, &[]).await.is(0);
    drop(other);

    let cluster = tokio::task::spawn_blocking(move || {
        cluster.crash();
        cluster
    });
    let cluster = cluster.await.expect("it is gone");
    not_ready().await;
    // Whoever is nobody learns no more at the way in.
    let password = json!({"password": crate::server::PASSWORD});
    let page = [("sec-fetch-site", "same-origin")];
    let refused = server.ask(Method::POST, "/api/v1/sign-in", &page, Some(&password));
    let refused = refused.await.is(503);
    assert_eq!(refused.json()["title"], "the database is not available");
    server.until_says("the database is not available").await;
    cluster.run();
    until_ready(&server, 200).await;
    health(&shell, &server, &[]).await.is(0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_asks_a_server_with_a_certificate_by_https_whatever_name_is_in_it() {
    let shell = Shell::new();
    let certificate = rcgen::generate_simple_self_signed(["lockstep.example".to_owned()]);
    let certificate = certificate.expect("a certificate");
    std::fs::write(shell.path("cert.pem"), certificate.cert.pem()).expect("written");
    let key = certificate.signing_key.serialize_pem();
    std::fs::write(shell.path("key.pem"), key).expect("written");
    let args = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let server = Server::start_with(&shell, &args).await;
    health(&shell, &server, &["--tls-cert", "cert.pem"])
        .await
        .is(0);
    let config = shell.path("lockstep.toml").display().to_string();
    std::fs::write(
        &config,
        "[serve]\ntls-cert = \"cert.pem\"\ntls-key = \"key.pem\"\n",
    )
    .expect("written");
    health(&shell, &server, &["--config", &config]).await.is(0);
    health(&shell, &server, &[])
        .await
        .is(1)
        .says("does not answer by http")
        .says("--tls-cert");
    server.stop().await;
    let plain = Server::start(&shell).await;
    health(&shell, &plain, &["--tls-cert", "cert.pem"])
        .await
        .is(1)
        .says("does not answer by https");
    plain.stop().await;
}
