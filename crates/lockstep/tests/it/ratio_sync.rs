//! New API's price sync over HTTP, against a running server.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lockstep_sim::{Channel, Fault, Gateway, Matcher, Page, Provider, Rule, Spec};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, JoinSet};

use crate::canary;
use crate::prices::recordings::{is_as_recorded, recordings, replayed};
use crate::prices::{list, open, shop};
use crate::tester::Shell;
use crate::world::start;

const CHANNELS: &str = "/api/ratio_sync/channels";
const FETCH: &str = "/api/ratio_sync/fetch";
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs over a shell's database.
struct Server {
    child: Child,
    address: String,
    /// All that it says, once it has ended.
    said: JoinHandle<String>,
}

/// What was answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    async fn start(shell: &Shell, args: &[&str]) -> Self {
        let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
        let mut child = shell
            .command(&args)
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut said = String::new();
        let address = loop {
            let line = lines.next_line().await.expect("text");
            let line = line.unwrap_or_else(|| panic!("the server ended\n{said}"));
            said.push_str(&line);
            if let Some(address) = line.strip_prefix("Lockstep listens on http://") {
                break address.to_owned();
            }
        };
        let said = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                said.push_str(&line);
                said.push('\n');
            }
            said
        });
        Self {
            child,
            address,
            said,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends one request as it stands and reads what is answered.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(&self.address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("sent");
        // A request that is refused early may not be read to its end.
        let _closed = stream.write_all(body).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        read.unwrap_or_else(|_| panic!("{method} {path} is not answered"))
            .expect("an answer");
        let text = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(!head.contains("chunked"), "{head}");
        Answer {
            status: head[9..12].parse().expect("a status"),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// Asks as the gateway's root.
    async fn root(&self, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", canary::ROOT);
        let headers = [("Authorization", &*bearer), ("New-Api-User", "1")];
        self.send(method, path, &headers, body.as_bytes()).await
    }

    /// Asks for the channels with this token and this user.
    async fn with(&self, token: &str, user: &str) -> Answer {
        let headers = [("Authorization", token), ("New-Api-User", user)];
        self.send("GET", CHANNELS, &headers, b"").await
    }

    /// Tells it to stop; nothing that it said has a token in it.
    async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, Signal::TERM).expect("it is told");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.expect("it ends").expect("it ended").success());
        let said = self.said.await.expect("read");
        assert_eq!(canary::found(said.as_bytes()), None);
    }
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        assert!(
            self.head.contains("content-type: application/json"),
            "{}",
            self.head
        );
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(canary::found(self.body.as_bytes()), None);
        body
    }

    /// Refused, as the gateway frames it.
    #[track_caller]
    fn refused(self, status: u16) -> String {
        let body = self.is(status);
        let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["message", "success"], "{body}");
        assert_eq!(body["success"], false);
        let message = body["message"].as_str().expect("a message");
        assert!(message.is_ascii() && message.len() > 5, "{body}");
        message.to_owned()
    }
}

/// The shop with its list at two more channels: 1 is the gateway's own provider, 2 publishes ratios as a New API does.
fn shops() -> Spec {
    shop()
        .provider(Provider::new("relay", ["amber"]).ratio_config(&list()))
        .channel(Channel::new(2, "Relay").at("relay").models("amber"))
}

/// A server over a shop that is its default site.
async fn served(args: &[&str]) -> (Gateway, Shell, Server) {
    let gateway = start(shops()).await;
    let shell = open(Shell::with_site(&gateway).await);
    shell
        .run(&["site", "edit", "main", "--default"])
        .await
        .is(0);
    let server = Server::start(&shell, args).await;
    gateway.clear_log();
    (gateway, shell, server)
}

/// How often the gateway was asked whose a token is.
fn asked(gateway: &Gateway) -> usize {
    gateway.count("GET", "/api/user/self")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channels_are_listed_as_documented() {
    let (gateway, _shell, server) = served(&[]).await;
    for path in [
        CHANNELS.to_owned(),
        format!("{CHANNELS}/"),
        format!("/sites/main{CHANNELS}"),
        format!("/sites/main{CHANNELS}/"),
    ] {
        let told = server.root("GET", &path, "").await.is(200);
        assert_eq!(
            (&told["success"], &told["message"]),
            (&json!(true), &json!(""))
        );
        let relay = gateway.provider("relay").base_url().to_owned();
        let channels = told["data"].as_array().expect("channels");
        assert_eq!(channels.len(), 4, "{told:#}");
        let relay = json!({"id": 2, "name": "Relay", "base_url": relay, "status": 1, "type": 1});
        assert!(channels.contains(&relay), "{told:#}");
        let preset = json!({
            "id": -100, "name": "Official Ratio Preset", "base_url": "https://basellm.github.io",
            "status": 1, "type": 0,
        });
        assert_eq!(channels[2], preset);
        assert_eq!(
            (&channels[3]["id"], &channels[3]["base_url"]),
            (&json!(-101), &json!("https://models.dev"))
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_fetched_by_ids_and_from_whole_upstreams() {
    let (gateway, _shell, server) = served(&[]).await;
    let url = gateway.provider("relay").base_url().to_owned();
    let by_id = json!({"channel_ids": [2, 99], "timeout": 10});
    let own = json!({
        "channel_ids": [1],
        "upstreams": [{"name": "自定义源", "base_url": url}],
        "timeout": 15,
    });
    for (request, name) in [(by_id, "Relay(2)"), (own, "自定义源")] {
        for path in [
            FETCH.to_owned(),
            format!("{FETCH}/"),
            format!("/sites/main{FETCH}"),
        ] {
            let told = server
                .root("POST", &path, &request.to_string())
                .await
                .is(200);
            assert_eq!(told["success"], true, "{told:#}");
            let data = &told["data"];
            assert_eq!(
                data["differences"]["birch"]["model_ratio"],
                json!({"current": 0.5, "upstreams": {name: 0.75}, "confidence": {name: true}})
            );
            assert_eq!(
                data["test_results"],
                json!([{"name": name, "status": "success"}])
            );
            assert_eq!(data["usd"]["birch"]["sources"][name]["output"], 6.0);
        }
    }
    // Where no endpoint is named it is the documented one, and no source is sent a token.
    assert!(gateway.provider("relay").requests("/api/ratio_config") > 0);
    let nobody = server.root("POST", FETCH, r#"{"channel_ids":[99]}"#).await;
    assert_eq!(nobody.refused(200), "No valid upstream Channels");
    assert!(gateway.writes().is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_request_has_the_recorded_answer_over_http() {
    let Some(recordings) = recordings() else {
        return;
    };
    assert!(recordings.len() >= 11, "{:?}", recordings.keys());
    let shell = open(Shell::new());
    let mut requests = Vec::new();
    for (number, recording) in recordings {
        let (gateway, request) = replayed(&recording).await;
        shell.add_site(&format!("r{number}"), &gateway).await.is(0);
        requests.push((number, recording, gateway, request));
    }
    let server = Server::start(&shell, &[]).await;
    for (number, recording, gateway, request) in &requests {
        let path = format!("/sites/r{number}{FETCH}");
        let told = server.root("POST", &path, request).await.is(200);
        is_as_recorded(*number, &told, recording);
        assert!(gateway.writes().is_empty(), "{number} wrote");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_gateways_root_is_let_in() {
    let (gateway, _shell, server) = served(&[]).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let root = bearer(canary::ROOT);
    for (token, user) in [
        (&*root, "1"),
        (&root, "Bearer 1"),
        (canary::ROOT, "1"),
        (&format!("bearer  {}", canary::ROOT), "bearer 1"),
    ] {
        assert_eq!(server.with(token, user).await.is(200)["success"], true);
    }
    assert!(
        server
            .with(&bearer(canary::ADMIN), "2")
            .await
            .refused(403)
            .contains("root")
    );
    server.with(&bearer(canary::COMMON), "3").await.refused(403);
    server
        .with(&bearer(canary::UNKNOWN), "1")
        .await
        .refused(401);
    // Who says that he is somebody else, or nobody, is not let in, whatever his token.
    for user in ["2", "root", "", "Bearer", "1 2"] {
        server.with(&root, user).await.refused(401);
    }
    for token in ["", "Bearer", "Bearer ", "Basic cm9vdDpyb290"] {
        server.with(token, "1").await.refused(401);
    }
    server.send("GET", CHANNELS, &[], b"").await.refused(401);
    let twice = [("Authorization", &*root), ("Authorization", &root)];
    server.send("GET", CHANNELS, &twice, b"").await.refused(401);
    let body = server.send("POST", FETCH, &[], b"{").await;
    body.refused(401);
    // A site that is not there looks like a token that is not known.
    let nowhere = server
        .root("GET", &format!("/sites/nowhere{CHANNELS}"), "")
        .await;
    nowhere.refused(401);
    assert!(gateway.writes().is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_asked_once_a_minute_whose_a_token_is() {
    let (gateway, _shell, server) = served(&[]).await;
    let (root, admin) = (
        format!("Bearer {}", canary::ROOT),
        format!("Bearer {}", canary::ADMIN),
    );
    for (token, user, status, asks) in [
        (&*root, "1", 200, 1),
        (canary::ROOT, "Bearer 1", 200, 1),
        (&admin, "2", 403, 2),
        (&admin, "2", 403, 2),
        (canary::UNKNOWN, "1", 401, 3),
        (canary::UNKNOWN, "1", 401, 3),
    ] {
        server.with(token, user).await.is(status);
        assert_eq!(asked(&gateway), asks, "{status}");
    }
    // All who come at once are one question, and one reading of the lists.
    let before = gateway.provider("relay").requests("/api/ratio_config");
    gateway.fault(Rule::always(
        Matcher::get("/api/option"),
        Fault::Delay(Duration::from_millis(500)),
    ));
    let request = r#"{"channel_ids":[2]}"#;
    let all = (0..10).map(|_| server.root("POST", FETCH, request));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.is(200)["success"], true);
    }
    let fetched = gateway.provider("relay").requests("/api/ratio_config") - before;
    assert!(fetched < 10, "{fetched} fetches for ten requests");
    assert_eq!(asked(&gateway), 3);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_gateway_is_told_and_not_remembered() {
    let (gateway, _shell, server) = served(&[]).await;
    let broken = Rule::always(Matcher::get("/api/user/self"), Fault::Status(502)).times(2);
    gateway.fault(broken);
    for _ in 0..2 {
        let message = server.root("GET", CHANNELS, "").await.refused(503);
        assert!(message.contains("could not be asked"), "{message}");
    }
    server.root("GET", CHANNELS, "").await.is(200);
    // Later ones are known, whatever the gateway says of itself; what it does not list is told as documented.
    gateway.fault(Rule::always(
        Matcher::get("/api/ratio_sync/channels"),
        Fault::Status(500),
    ));
    let list = server.root("GET", CHANNELS, "").await.refused(500);
    assert_eq!(list, "Failed to retrieve Channel list");
    let fetch = server.root("POST", FETCH, r#"{"channel_ids":[2]}"#).await;
    assert_eq!(fetch.refused(500), "Failed to retrieve Channel list");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eleventh_unknown_token_of_a_minute_is_not_asked_for() {
    let (gateway, _shell, server) = served(&["--trusted-proxy", "127.0.0.0/8"]).await;
    let from = |token: String, address: &'static str| {
        let server = &server;
        async move {
            let headers = [
                ("Authorization", &*token),
                ("New-Api-User", "1"),
                ("X-Forwarded-For", address),
            ];
            server.send("GET", CHANNELS, &headers, b"").await
        }
    };
    for number in 0..10 {
        let answer = from(format!("Bearer guess-{number}"), "192.0.2.7").await;
        answer.refused(401);
    }
    from("Bearer guess-10".to_owned(), "192.0.2.7")
        .await
        .refused(429);
    // What was told of a token is told again, and others have a count of their own.
    from("Bearer guess-3".to_owned(), "192.0.2.7")
        .await
        .refused(401);
    from("Bearer guess-10".to_owned(), "192.0.2.8")
        .await
        .refused(401);
    from(format!("Bearer {}", canary::ROOT), "192.0.2.8")
        .await
        .is(200);
    assert_eq!(asked(&gateway), 12);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_is_framed_as_the_gateway_frames_it() {
    let (_gateway, _shell, server) = served(&[]).await;
    for body in [
        "",
        "[",
        "[]",
        r#"{"channel_ids":"1"}"#,
        r#"{"timeout":"soon"}"#,
        "{\"a\":\"\u{1}\"}",
    ] {
        server.root("POST", FETCH, body).await.refused(400);
    }
    let bearer = format!("Bearer {}", canary::ROOT);
    let headers = [("Authorization", &*bearer), ("New-Api-User", "1")];
    server
        .send("POST", FETCH, &headers, b"{\"name\":\"\xff\"}")
        .await
        .refused(400);
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20));
    server
        .send("POST", FETCH, &headers, large.as_bytes())
        .await
        .refused(413);
    for (method, path) in [
        ("GET", "/api/ratio_sync"),
        ("GET", "/api/ratio_sync/"),
        ("GET", "/api/ratio_sync/nothing"),
        ("GET", "/sites/main/api/ratio_sync/nothing"),
        ("POST", "/sites/main/api/ratio_sync/fetch/more"),
    ] {
        server.root(method, path, "").await.refused(404);
    }
    for (method, path, allowed) in [
        ("POST", CHANNELS, "allow: get,head"),
        ("DELETE", CHANNELS, "allow: get,head"),
        ("GET", FETCH, "allow: post"),
        ("PUT", "/sites/main/api/ratio_sync/fetch", "allow: post"),
    ] {
        let answer = server.root(method, path, "").await;
        assert!(answer.head.contains(allowed), "{}", answer.head);
        answer.refused(405);
    }
    // What the body says it is, is not insisted on.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
    ] {
        let headers = [headers[0], headers[1], ("Content-Type", kind)];
        let answer = server.send("POST", FETCH, &headers, b"{}").await;
        assert_eq!(answer.refused(200), "No valid upstream Channels");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_silent_is_waited_for_as_long_as_was_asked() {
    let (gateway, _shell, server) = served(&[]).await;
    let silence = Fault::Silence(Duration::from_secs(60));
    let silent = Provider::new("silent", ["x"]).fault(Rule::always(Matcher::any(), silence));
    gateway.add_provider(silent);
    gateway.add_provider(Provider::new("page", ["x"]).page("/api/pricing", Page::html()));
    let upstream = |name: &str| {
        let url = gateway.provider(name).base_url().to_owned();
        json!({"name": name, "base_url": url, "endpoint": "/api/pricing"})
    };
    let request = json!({"upstreams": [upstream("silent"), upstream("page")], "timeout": 1});
    let told = server
        .root("POST", FETCH, &request.to_string())
        .await
        .is(200);
    // All have failed, and still it is an answer, as the gateway's own is.
    assert_eq!(
        (&told["success"], &told["data"]["differences"]),
        (&json!(true), &json!({}))
    );
    let results = told["data"]["test_results"].as_array().expect("results");
    let errors: Vec<&str> = results
        .iter()
        .filter_map(|result| result["error"].as_str())
        .collect();
    assert!(errors[0].contains("within 1s"), "{told:#}");
    assert_eq!(errors.len(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_ours_with_the_scope_is_let_in_and_no_other() {
    let (gateway, shell, server) = served(&[]).await;
    let mut tokens = Vec::new();
    for scope in ["ratio-sync", "apply"] {
        let args = ["token", "add", scope, "--scope", scope];
        let (made, code) = shell.json(&args).await;
        assert_eq!(code, 0, "{made}");
        tokens.push(
            made["token"]["token"]
                .as_str()
                .expect("shown once")
                .to_owned(),
        );
    }
    let bearer = |token: &str| format!("Bearer {token}");
    server.with(&bearer(&tokens[0]), "1").await.is(200);
    server.with(&tokens[0], "Bearer 7").await.is(200);
    server.with(&bearer(&tokens[1]), "1").await.refused(403);
    // A token of ours that is not known is not shown to the gateway.
    server.with("Bearer lst_nobody", "1").await.refused(401);
    assert_eq!(asked(&gateway), 0);
    server.stop().await;
}

/// What a program prints that was given this on its stdin; `None` where there is no such program.
async fn printed(program: &str, args: &[String], input: &str) -> Option<Value> {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut child) = child else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{program} is missing, and CI must have it"
        );
        println!("there is no {program}: its requests are not sent");
        return None;
    };
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("it ends").expect("it ended");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}\n{out}\n{err}");
    Some(serde_json::from_str(&out).unwrap_or_else(|_| panic!("{program} printed {out}\n{err}")))
}

/// Whether the official preset is among those that were asked. It is in the internet, so that what it says, or whether it is
/// reached at all, is its own affair.
#[track_caller]
fn asked_the_preset(told: &Value, asked: bool) {
    let results = told["data"]["test_results"].as_array().expect("results");
    let preset = results
        .iter()
        .find(|result| result["name"] == "Official Ratio Preset(-100)");
    assert_eq!(preset.is_some(), asked, "{told:#}");
    if let Some(preset) = preset {
        let status = preset["status"].as_str().expect("a status");
        assert!(["success", "error"].contains(&status), "{preset}");
        assert_eq!(status == "error", preset["error"].is_string(), "{preset}");
    }
}

/// The documented requests as curl is given them.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_requests_work_with_curl() {
    let (gateway, _shell, server) = served(&[]).await;
    let url = server.url();
    let upstream = gateway.provider("relay").base_url().to_owned();
    let by_id = r#"{"channel_ids": [1, 2, -100], "timeout": 10}"#.to_owned();
    let own = format!(
        r#"{{"upstreams": [{{"name": "自定义源", "base_url": "{upstream}", "endpoint": "/api/ratio_config"}}], "timeout": 15}}"#
    );
    let headers = format!(
        "header = \"Content-Type: application/json\"\nheader = \"Authorization: Bearer {}\"\nheader = \"New-Api-User: Bearer 1\"\n",
        canary::ROOT
    );
    let curl = |args: &[&str]| {
        let quiet = ["--silent", "--show-error", "--compressed", "--config", "-"];
        let args: Vec<String> = [&quiet, args]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let headers = headers.clone();
        async move { printed("curl", &args, &headers).await }
    };
    let Some(channels) = curl(&["--request", "GET", &format!("{url}{CHANNELS}")]).await else {
        return;
    };
    assert_eq!(channels["data"][2]["name"], "Official Ratio Preset");
    for (body, name) in [(by_id, "Relay(2)"), (own, "自定义源")] {
        let fetch = format!("{url}{FETCH}");
        let told = curl(&["--request", "POST", &fetch, "--data", &body]).await;
        let told = told.expect("curl is there");
        asked_the_preset(&told, name == "Relay(2)");
        let upstreams = &told["data"]["differences"]["birch"]["model_ratio"]["upstreams"];
        assert_eq!(upstreams, &json!({name: 0.75}), "{told:#}");
    }
    server.stop().await;
}

/// The documentation's own scripts, as they stand there but for the token, the user, and the address that is an example.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_scripts_run() {
    let file = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/seeds/ratio-sync-api.md"
    ));
    let Ok(text) = std::fs::read_to_string(file) else {
        println!("{} is absent: no script is run", file.display());
        return;
    };
    let (gateway, _shell, server) = served(&[]).await;
    let upstream = gateway.provider("relay").base_url().to_owned();
    let scripts: Vec<&str> = text
        .split("```")
        .map(str::trim)
        .filter(|block| block.starts_with("const response"))
        .collect();
    assert_eq!(scripts.len(), 3);
    let mut told = BTreeMap::new();
    for (place, script) in scripts.into_iter().enumerate() {
        let script = script
            .replace("your_root_token", canary::ROOT)
            .replace("your_user_id", "1")
            .replace("https://example.com", &upstream);
        let whole = format!(
            "const there = globalThis.fetch;\nglobalThis.fetch = (path, options) => there({:?} + path, options);\n{script}\nconsole.log(JSON.stringify(data));\n",
            server.url()
        );
        let args = ["--input-type=module", "-"].map(str::to_owned);
        let Some(data) = printed("node", &args, &whole).await else {
            return;
        };
        assert_eq!(data["success"], true, "{data:#}");
        told.insert(place, data);
    }
    assert_eq!(told[&0]["data"][2]["id"], -100);
    for (place, name) in [(1, "Relay(2)"), (2, "自定义源")] {
        asked_the_preset(&told[&place], place == 1);
        let upstreams = &told[&place]["data"]["differences"]["birch"]["model_ratio"]["upstreams"];
        assert_eq!(upstreams, &json!({name: 0.75}), "{:#}", told[&place]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_its_fetch_with_it() {
    let (gateway, _shell, server) = served(&[]).await;
    let silence = Fault::Silence(Duration::from_secs(120));
    gateway
        .add_provider(Provider::new("silent", ["x"]).fault(Rule::always(Matcher::any(), silence)));
    let url = gateway.provider("silent").base_url().to_owned();
    let mut gone = JoinSet::new();
    // More than go on at once: were they not ended, the next would wait for two minutes.
    for number in 0..6 {
        let body = json!({"upstreams": [{"name": number.to_string(), "base_url": url, "endpoint": "/x"}], "timeout": 120});
        let (address, body) = (server.address.clone(), body.to_string());
        gone.spawn(async move {
            let mut stream = TcpStream::connect(&address).await.expect("it listens");
            let head = format!(
                "POST {FETCH} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nNew-Api-User: 1\r\nContent-Length: {}\r\n\r\n{body}",
                canary::ROOT,
                body.len()
            );
            stream.write_all(head.as_bytes()).await.expect("sent");
            stream
        });
    }
    let streams = gone.join_all().await;
    let begun = async {
        while gateway.provider("silent").requests("/x") < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun)
        .await
        .expect("they are asked");
    drop(streams);
    let told = server
        .root("POST", FETCH, r#"{"channel_ids":[2]}"#)
        .await
        .is(200);
    assert_eq!(told["success"], true);
    server.stop().await;
}
