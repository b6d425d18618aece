//! How a server stops in the middle of a run, and what the next one goes on with.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::Method;
use lockstep_sim::spec::many;
use lockstep_sim::{Fault, Gateway, Matcher, Rule};
use serde_json::{Value, json};

use crate::server::Server;
use crate::tester::Shell;
use crate::world::{guarded, is_the_truth, start, written};

const RUNS: &str = "/api/v1/sites/main/runs";
pub(crate) const CHANNELS: usize = 12;
const SOON: Duration = Duration::from_secs(60);

/// A gateway whose channels all want a write, of which a first plan was seen.
pub(crate) async fn all_want_a_write() -> (Gateway, Shell) {
    let gateway = start(guarded(many(CHANNELS, 12, 7))).await;
    for name in gateway.provider_names() {
        let provider = gateway.provider(&name);
        let mut models = provider.models();
        models.push("brand-new".to_owned());
        provider.set_models(models);
    }
    let shell = Shell::with_site(&gateway).await;
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    (gateway, shell)
}

async fn until_ended(server: &Server, run: &str) -> Value {
    let ended = async {
        loop {
            let told = server.get(&format!("{RUNS}/{run}")).await.json();
            if !told["ended_at"].is_null() {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = tokio::time::timeout(SOON, ended).await;
    ended.expect("the run ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_write_under_way_and_the_next_start_goes_on_with_the_run() {
    let (gateway, shell) = all_want_a_write().await;
    let server = Server::start(&shell).await.signed_in().await;
    // Long enough for a copy to be made while the first of them wait at the gateway.
    gateway.fault(Rule::always(
        Matcher::put("/api/channel/"),
        Fault::Delay(Duration::from_secs(3)),
    ));
    let all = json!({"subject": "models", "what": "all", "plan_only": false});
    let begun = server.post(RUNS, &all).await.is(202).json();
    let run = begun["run"].as_str().expect("an id").to_owned();
    let events = format!("{RUNS}/{run}/events");
    let listening = server.send(Method::GET, &events, &[], None).await;
    let sent = gateway
        .until(SOON, |gateway| gateway.writes().len() >= 2)
        .await;
    assert!(sent, "writes are under way");
    // A copy that is made meanwhile is whole.
    let copy = shell.path("copy.db").display().to_string();
    shell.run(&["backup", &copy]).await.is(0);
    let (said, status) = server.stop().await;
    assert!(status.success(), "{said}");

    let heard = listening.into_body().collect().await;
    let heard = heard.expect("the stream ends as a stream does").to_bytes();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("id: 1\n"), "{heard}");
    assert!(
        !heard.contains("event: end"),
        "the run is not over: {heard}"
    );

    // Every write that arrived is journaled, for it was waited for.
    let before = gateway.effective_writes().len();
    assert!((1..CHANNELS).contains(&before), "{before} were written");
    let (told, _) = shell.json(&["runs", &run]).await;
    assert_eq!(told["state"], "writing", "{told}");
    assert_eq!(told["statistics"]["changed"], before);
    let key = format!("{}.key", shell.database().display());
    let of_copy = ["runs", "--database", &copy, "--key-file", &key];
    let (copied, code) = shell.json(&of_copy).await;
    assert_eq!(code, 0, "{copied}");
    assert_eq!(
        (&copied["runs"][0]["run"], &copied["runs"][0]["state"]),
        (&json!(run), &json!("writing"))
    );

    gateway.clear_faults();
    let server = Server::start(&shell).await.signed_in().await;
    let ended = until_ended(&server, &run).await;
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(ended["statistics"]["changed"], CHANNELS);
    is_the_truth(&ended, &gateway);
    let mut channels = written(&gateway);
    channels.sort_unstable();
    let once: Vec<i64> = (1..).take(CHANNELS).collect();
    assert_eq!(channels, once, "every list is written once");
    assert_eq!(gateway.writes().len(), CHANNELS, "and sent once");
    let runs = server.get(RUNS).await.json();
    assert_eq!(runs["runs"][0]["run"], json!(run), "no run came after it");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_file_is_refused_with_words() {
    let shell = Shell::new();
    let server = Server::start(&shell).await;
    shell
        .run(&["serve", "--listen", "127.0.0.1:0"])
        .await
        .is(1)
        .says("another `lockstep serve` has this database open")
        .says("--database postgres://");
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop().await;
    // The lock goes with its holder.
    Server::start(&shell).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flag_environment_and_file_say_where_a_server_listens_in_this_order() {
    let mut shell = Shell::new();
    // Whoever is told to listen where somebody listens already says where that is.
    let taken = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (of_file, of_environment) = (taken(), taken());
    let address =
        |taken: &std::net::TcpListener| taken.local_addr().expect("an address").to_string();
    let path = shell.path("lockstep.toml").display().to_string();
    let file = format!(
        "[serve]\nlisten = \"{}\"\npublic-url = \"https://of-the-file.example\"\n",
        address(&of_file)
    );
    std::fs::write(&path, file).expect("written");
    shell.set("LOCKSTEP_CONFIG", &path);
    shell
        .run(&["config", "check"])
        .await
        .is(0)
        .says("is in order");
    let refused = shell.run(&["serve"]).await.is(1);
    refused.says(&format!("{} cannot be listened on", address(&of_file)));
    shell.set("LOCKSTEP_LISTEN", &address(&of_environment));
    let refused = shell.run(&["serve"]).await.is(1);
    refused.says(&format!(
        "{} cannot be listened on",
        address(&of_environment)
    ));
    // The flag wins; what nobody else says is the file's.
    let server = Server::start_with(&shell, &["--public-url", "http://localhost:7878"]).await;
    assert_eq!(server.url, "http://localhost:7878");
    server.stop().await;
    let server = Server::start(&shell).await;
    assert_eq!(server.url, "https://of-the-file.example");
    server.stop().await;
    shell.set("LOCKSTEP_TLS_CERT", &path);
    let alone = shell.run(&["serve", "--listen", "127.0.0.1:0"]).await.is(1);
    alone.says("--tls-cert and --tls-key belong together");
}
