//! No secret comes out of a server, whatever it is asked: not in what it says at TRACE, not in an answer, an event or a
//! metric, and not in the bytes of its database.

use http_body_util::BodyExt as _;
use hyper::Method;
use lockstep_sim::{Gateway, Page, Provider};
use serde_json::{Value, json};

use crate::canary;
use crate::cluster;
use crate::notices::place::Place;
use crate::server::{Server, link_in};
use crate::tester::Shell;
use crate::world::{healthy, priced, start};

const FIRST: &str = "Qa8FirstPasswordCanaryf2KzWm5";
const NEXT: &str = "Ue3NextPasswordCanaryk9RbXp7";
const WRONG: &str = "Lc6WrongPasswordCanaryz4TnVd8";
const SOURCE: &str = "Gm2SourceCanaryj7YhBw9QsEx4";
const SOURCE_KEY: &str = "Df5HeaderCanaryp3VuCk8ZaLr6";
const STORED: &str = "Wb5StoredSourceCanaryv8MxTd3KqZe7";
const STORED_NEXT: &str = "Hr2NextStoredCanaryc6PjLf9WsBn4";
const STORED_KEY: &str = "Ek9StoredHeaderCanaryu3GyQa5";
const NOTICE_PATH: &str = "Nb9NoticePathCanaryt6MwJx2";
const NOTICE: &str = "Xs4NoticeSecretCanaryh8PqGv3";
const DATABASE: &str = "Rk7DatabaseCanaryw5FyTc2";
const GUESSED: &str = "lst_Vj3GuessedTokenCanaryb6HsQn9DwKe2XtZm4";
const COOKIE: &str = "Zy8GuessedSessionCanaryn4LfRg7BvUa3";

/// A server, all that it answered, and all that must not be there.
struct Watched {
    server: Server,
    secrets: Vec<(&'static str, String)>,
    asked: usize,
    bytes: usize,
}

impl Watched {
    /// Asks, and searches the answer.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Value {
        let body = body.map(Value::to_string);
        self.ask_text(method, path, headers, body).await.1
    }

    async fn ask_text(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> (u16, Value) {
        let asked = format!("{method} {path}");
        let answer = self.server.send(method, path, headers, body).await;
        let status = answer.status().as_u16();
        let told = format!("{:?}", answer.headers());
        let mut bytes = Vec::new();
        // A stream of all events has no end.
        let mut body = answer.into_body();
        let reading = async {
            while let Some(frame) = body.frame().await {
                let frame = frame.expect("a whole body");
                bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..]));
            }
        };
        let _open = tokio::time::timeout(std::time::Duration::from_secs(3), reading).await;
        self.holds_none(&asked, told.as_bytes());
        self.holds_none(&asked, &bytes);
        self.asked += 1;
        self.bytes += bytes.len();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn holds_none(&self, what: &str, bytes: &[u8]) {
        assert_eq!(canary::found_of(bytes, &self.secrets), None, "{what}");
        assert_eq!(canary::found(bytes), None, "{what}");
    }

    /// Asks every route of the document in every method, with nothing, with something of another form, with what is no
    /// JSON, and with secrets where they do not belong.
    async fn every_route(&mut self, run: &str) {
        let document = self
            .ask(Method::GET, "/api/v1/openapi.json", &[], None)
            .await;
        let paths = document["paths"].as_object().expect("paths").clone();
        assert!(paths.len() > 30, "{}", paths.len());
        let misplaced = json!({
            "token": canary::ROOT, "password": WRONG, "link": GUESSED, "current": WRONG, "new": WRONG,
            "url": format!("http://admin:{WRONG}@127.0.0.1:9"), "user_id": "1", "name": "other",
        })
        .to_string();
        let broken = format!("{{\"token\":\"{WRONG}\",\"token\": {SOURCE}");
        for (path, methods) in paths {
            // These end the session; they have their turn at the end.
            if path.ends_with("/sign-out") {
                continue;
            }
            let path = path
                .replace("{site}", "main")
                .replace("{run}", run)
                .replace("{channel}", "1")
                .replace("{source}", "list")
                .replace("{target}", "there")
                .replace("{subject}", "models")
                .replace("{id}", "no-such-token");
            assert!(!path.contains('{'), "{path}");
            for method in methods.as_object().expect("methods").keys() {
                let method: Method = method.to_uppercase().parse().expect("a method");
                if method == Method::GET {
                    self.ask_text(method, &path, &[], None).await;
                    continue;
                }
                for body in ["{}", &misplaced, &broken] {
                    let body = Some(body.to_owned());
                    self.ask_text(method.clone(), &path, &[], body).await;
                }
            }
        }
    }

    /// Waits until a run has come to rest.
    async fn at_rest(&mut self, run: &str) -> Value {
        let path = format!("/api/v1/sites/main/runs/{run}");
        loop {
            let told = self.ask(Method::GET, &path, &[], None).await;
            let state = told["state"].as_str().expect("a state");
            if !["queued", "reading", "writing"].contains(&state) {
                return told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// What goes well: runs of both kinds, planned and written, and all that is told of them.
    async fn in_order(&mut self, gateway: &Gateway) -> String {
        let mut last = String::new();
        for (subject, plan_only) in [("prices", true), ("models", true), ("models", false)] {
            let wanted = json!({"subject": subject, "what": "all", "plan_only": plan_only});
            let path = "/api/v1/sites/main/runs";
            let mut begun = self.ask(Method::POST, path, &[], Some(&wanted)).await;
            while begun["code"] == "busy" {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                begun = self.ask(Method::POST, path, &[], Some(&wanted)).await;
            }
            let run = begun["run"].as_str();
            last = run.unwrap_or_else(|| panic!("{begun}")).to_owned();
            let told = self.at_rest(&last).await;
            if told["state"] == "planned" && subject == "models" {
                let yes = json!({"plan": told["plan"]});
                let path = format!("{path}/{last}/apply");
                self.ask(Method::POST, &path, &[], Some(&yes)).await;
                self.at_rest(&last).await;
            }
        }
        let (root, wrong) = (gateway.root_token(), canary::UNKNOWN);
        for token in [root, &format!("Bearer {root}"), wrong] {
            for user in ["1", "Bearer 1", wrong] {
                let headers = [
                    ("authorization", token),
                    ("new-api-user", user),
                    ("cookie", ""),
                ];
                let path = "/api/ratio_sync/channels";
                self.ask(Method::GET, path, &headers, None).await;
                let path = "/sites/main/api/ratio_sync/fetch";
                let body = json!({"channel_ids": [1, -100], "timeout": 1});
                self.ask(Method::POST, path, &headers, Some(&body)).await;
            }
        }
        last
    }

    /// What goes wrong at the door.
    async fn guesses(&mut self) {
        for path in ["/api/v1/sites", "/metrics", "/api/v1/events"] {
            for (name, value) in [
                ("authorization", format!("Bearer {GUESSED}")),
                ("authorization", format!("Basic {WRONG}")),
                ("authorization", WRONG.to_owned()),
                (
                    "cookie",
                    format!("lockstep={COOKIE}; __Host-lockstep={COOKIE}"),
                ),
            ] {
                // Without the cookie of whoever is signed in, unless it is what is guessed.
                let headers = [("cookie", ""), (name, &*value)];
                let (status, _) = self.ask_text(Method::GET, path, &headers, None).await;
                assert_eq!(status, 401, "{path} {name}");
            }
        }
        let password = json!({"password": WRONG});
        let path = "/api/v1/sign-in";
        self.ask(Method::POST, path, &[], Some(&password)).await;
        let changed = json!({"current": WRONG, "new": NEXT});
        let path = "/api/v1/password";
        self.ask(Method::POST, path, &[], Some(&changed)).await;
        let changed = json!({"current": FIRST, "new": NEXT});
        self.ask(Method::POST, path, &[], Some(&changed)).await;
    }
}

/// All of it on one database; answers what the server said, and what must not be in the database.
async fn all(shell: &mut Shell) -> Vec<(&'static str, String)> {
    let gateway = start(priced(healthy())).await;
    shell.set("CLUB_TOKEN", SOURCE);
    shell.set("CLUB_KEY", SOURCE_KEY);
    shell.set("LOCKSTEP_ALLOW_PRIVATE", "127.0.0.0/8");
    let place = Place::always(500, "no").await;
    let notice = format!("{}/{NOTICE_PATH}\n{NOTICE}\n", place.url());
    let add = [
        "notice",
        "add",
        "there",
        "webhook",
        "--stdin",
        "--allow-private",
        "127.0.0.0/8",
    ];
    let mut said = vec![shell.pipe(&add, &notice).await.is(0)];
    said.push(shell.run(&["notice", "test", "there"]).await);
    let server = Server::start(shell).await;
    let link = server.link().expect("a link");
    let mut watched = Watched {
        server,
        secrets: [
            ("first password", FIRST),
            ("next password", NEXT),
            ("wrong password", WRONG),
            ("source", SOURCE),
            ("source's header", SOURCE_KEY),
            ("stored source", STORED),
            ("source's next token", STORED_NEXT),
            ("stored header", STORED_KEY),
            ("notice's address", NOTICE_PATH),
            ("notice's secret", NOTICE),
            ("database's password", DATABASE),
            ("guessed token", GUESSED),
            ("guessed session", COOKIE),
        ]
        .map(|(name, secret)| (name, secret.to_owned()))
        .to_vec(),
        asked: 0,
        bytes: 0,
    };
    watched.server.as_page();
    let set = json!({"link": link, "password": FIRST});
    let signed_in = watched.server.post("/api/v1/sign-in/link", &set).await;
    let cookie = signed_in.is(200).cookie();
    watched.server.always("cookie", &cookie);
    let (_, session) = cookie.split_once('=').expect("a cookie");
    watched.secrets.push(("session", session.to_owned()));
    let new = json!({"name": "robot", "scopes": ["apply"]});
    let made = watched.server.post("/api/v1/tokens", &new).await.is(201);
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    watched.secrets.push(("token", token.clone()));

    let site = json!({"name": "main", "url": gateway.url(), "user_id": "1", "token": gateway.root_token(),
        "allow_private": ["127.0.0.0/8"]});
    let wrong =
        json!({"name": "other", "url": gateway.url(), "user_id": "1", "token": canary::UNKNOWN});
    watched
        .ask(Method::POST, "/api/v1/sites", &[], Some(&wrong))
        .await;
    let added = watched
        .ask(Method::POST, "/api/v1/sites", &[], Some(&site))
        .await;
    assert_eq!(added["name"], "main", "{added}");
    let list = crate::prices::source(&gateway, "list");
    for source in [
        format!("{list},token-env=CLUB_TOKEN,user-id=42,header=x-club:CLUB_KEY"),
        "http://127.0.0.1:9,name=gone,token-env=CLUB_TOKEN,user-id=1".to_owned(),
    ] {
        let add = ["site", "source", "add", &source, "--untested"];
        said.push(shell.run(&add).await.is(0));
    }
    // What is stored of a source is let out to that source alone.
    let club = Page::json("{}").token(STORED_NEXT).user("42");
    let club = Provider::new("club", ["x"]).page("/api/pricing", club);
    let club = gateway.add_provider(club).base_url().to_owned();
    let sources = "/api/v1/sites/main/sources";
    let mut new = json!({"source": format!("{club},name=kept,endpoint=/api/pricing"), "token": STORED,
        "user_id": "42", "headers": {"x-club": STORED_KEY}});
    let refused = watched.ask(Method::POST, sources, &[], Some(&new)).await;
    assert_eq!(refused["code"], "source_failed", "{refused}");
    new["untested"] = json!(true);
    let kept = watched.ask(Method::POST, sources, &[], Some(&new)).await;
    assert_eq!(kept["has_token"], true, "{kept}");
    let next = json!({"token": STORED_NEXT, "untested": true});
    let path = format!("{sources}/kept");
    let changed = watched.ask(Method::PATCH, &path, &[], Some(&next)).await;
    assert_eq!(changed["has_token"], true, "{changed}");
    let edit = [
        "site",
        "source",
        "edit",
        "kept",
        "--token-stdin",
        "--untested",
        "-vv",
    ];
    said.push(shell.pipe(&edit, STORED_NEXT).await.is(0));
    said.push(shell.run(&["site", "source", "list", "--json"]).await.is(0));
    said.push(shell.run(&["site", "source", "test", "kept", "-vv"]).await);
    for page in ["prices", "prices/sources"] {
        let path = format!("/sites/main/{page}");
        watched.ask_text(Method::GET, &path, &[], None).await;
    }
    let run = watched.in_order(&gateway).await;
    watched.every_route(&run).await;
    watched.guesses().await;
    watched.in_order(&gateway).await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("cookie", "")];
    let metrics = watched
        .ask_text(Method::GET, "/metrics", &headers, None)
        .await;
    assert_eq!(metrics.0, 200);
    watched
        .ask(Method::POST, "/api/v1/sign-out", &[], None)
        .await;
    for verb in [
        &["runs", "--json"][..],
        &["doctor", "--json"],
        &["site", "list", "--json"],
        &["site", "source", "list", "--json"],
        &["token", "list", "--json"],
        &["notice", "list", "--json"],
        &["notice", "log", "--json"],
        &["backup", "copy.db"],
    ] {
        said.push(shell.run(verb).await);
    }
    for said in &said {
        watched.holds_none(&said.typed, said.out.as_bytes());
        watched.holds_none(&said.typed, said.err.as_bytes());
    }
    assert!(!place.asked().is_empty(), "nothing was told");
    assert!(watched.asked > 150, "only {} were asked", watched.asked);
    println!("{} answers of {} bytes", watched.asked, watched.bytes);
    let secrets = watched.secrets.clone();
    let (told, status) = watched.server.stop().await;
    assert!(status.success(), "{status}");
    assert!(
        told.contains(" TRACE ") && told.contains(" DEBUG "),
        "the log is on"
    );
    println!("{} bytes of log", told.len());
    assert_eq!(canary::found_of(told.as_bytes(), &secrets), None, "the log");
    assert_eq!(canary::found(told.as_bytes()), None, "the log");
    // Who may sign in first is told once, on the terminal.
    assert_eq!(link_in(&told).as_deref(), Some(link.as_str()));
    assert_eq!(told.matches(&link).count(), 1);
    let mut secrets = secrets;
    secrets.push(("link", link));
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_of_a_server_on_a_file() {
    let mut shell = Shell::new();
    let secrets = all(&mut shell).await;
    let searched = canary::search_for(&shell.path(""), &secrets);
    println!("{searched} bytes of files");
    assert!(searched > 100_000, "{searched}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_of_a_server_on_postgresql() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let mut shell = Shell::new();
    let url = format!("{}&password={DATABASE}", database.url);
    shell.set("LOCKSTEP_DATABASE", &url);
    shell.set("LOCKSTEP_KEY_FILE", &database.key.display().to_string());
    let secrets = all(&mut shell).await;
    let dump = cluster::shared().expect("a cluster").dump(&database);
    assert!(dump.contains("COPY public.site "), "{dump}");
    println!("{} bytes of pg_dump", dump.len());
    assert_eq!(canary::found_of(dump.as_bytes(), &secrets), None, "pg_dump");
    assert_eq!(canary::found(dump.as_bytes()), None, "pg_dump");
    canary::search_for(&shell.path(""), &secrets);
}
