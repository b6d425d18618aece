//! The options of a source, and what of them arrives where: at the source, or at the proxy it is asked through.

use std::sync::{Arc, Mutex};

use lockstep_sim::{Page, Provider};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{list, of_model, open, shop, source};
use crate::canary;
use crate::tester::Shell;
use crate::world::start;

/// A proxy that writes down the heads of requests. It answers plain ones by itself, and refuses tunnels.
struct Proxy {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = heads.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, body) = (log.clone(), body.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let head = String::from_utf8(head).expect("a head is a text");
                    let tunnel = head.starts_with("CONNECT ");
                    log.lock().expect("the log").push(head);
                    let (status, body) = if tunnel {
                        ("403 Forbidden", String::new())
                    } else {
                        ("200 OK", body)
                    };
                    let length = body.len();
                    let reply = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                         Connection: close\r\n\r\n{body}"
                    );
                    // Whoever asked may be gone.
                    let _gone = stream.write_all(reply.as_bytes()).await;
                });
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("the log").clone()
    }

    /// The first lines of the requests, each once.
    fn asked(&self) -> Vec<String> {
        let heads = self.heads();
        let lines = heads.iter().filter_map(|head| head.lines().next());
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.dedup();
        lines
    }
}

/// A header of a request.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What a club's members see: its prices, and that some pay half.
fn for_members() -> String {
    lockstep_sim::price::pricing_list(&list(), &[("default", 1.0), ("vip", 0.5)])
}

/// A shell that knows the club's secrets. It looks for them in all that is said and in every file.
async fn member(gateway: &lockstep_sim::Gateway) -> Shell {
    let mut shell = open(Shell::with_site(gateway).await);
    shell.set("CLUB_TOKEN", canary::UNKNOWN);
    shell.set("CLUB_KEY", canary::COMMON);
    shell
}

const OPTIONS: &str = ",token-env=CLUB_TOKEN,user-id=42,header=x-club:CLUB_KEY,group=vip";

#[track_caller]
fn is_half(run: &Value) {
    let cedar = of_model(run, "cedar")[0];
    assert_eq!(cedar["formula"]["group"], 0.5, "{run:#}");
    assert_eq!(cedar["usd_new"]["input"], 1.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_credentials_arrive_there_and_nowhere_else() {
    let gateway = start(shop()).await;
    let page = Page::json(for_members()).token(canary::UNKNOWN).user("42");
    let club = gateway.add_provider(Provider::new("club", ["x"]).page("/api/pricing", page));
    let shell = member(&gateway).await;
    let typed = format!("{}{OPTIONS}", source(&gateway, "club"));
    let (run, _) = shell.json(&["plan", "prices", "--source", &typed]).await;
    is_half(&run);
    let plain = source(&gateway, "list");
    shell
        .run(&[
            "plan", "prices", "--source", &plain, "--source", &typed, "-vv",
        ])
        .await;
    shell.run(&["site", "source", "add", &typed]).await.is(0);
    let (told, _) = shell.json(&["site", "source", "list"]).await;
    let kept = told["sources"][0]["source"].as_str().expect("a source");
    for (_, option) in OPTIONS
        .match_indices(',')
        .map(|(at, _)| (at, &OPTIONS[at..]))
    {
        let option = option[1..].split(',').next().expect("an option");
        assert!(kept.contains(option), "{option} is kept as typed: {kept}");
    }
    shell.run(&["site", "source", "list"]).await.is(0);
    let (run, _) = shell.json(&["plan", "prices"]).await;
    is_half(&run);
    let asked = club.request_log();
    assert_eq!(asked.len(), 4);
    for asked in asked {
        let bearer = format!("Bearer {}", canary::UNKNOWN);
        assert_eq!(asked.header("Authorization"), Some(bearer.as_str()));
        assert_eq!(asked.header("New-Api-User"), Some("42"));
        assert_eq!(asked.header("x-club"), Some(canary::COMMON));
    }
    let others = gateway.provider("list").request_log();
    assert!(!others.is_empty(), "the other source was asked too");
    for asked in others {
        for name in ["Authorization", "New-Api-User", "x-club"] {
            assert_eq!(asked.header(name), None, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_a_proxy_is_asked_through_it_and_the_others_are_not() {
    let gateway = start(shop()).await;
    let proxy = Proxy::start(for_members()).await;
    let shell = member(&gateway).await;
    let typed = format!(
        "http://club.example:3000/shop,name=club,endpoint=/api/pricing,proxy={}{OPTIONS}",
        proxy.url
    );
    let (run, _) = shell.json(&["plan", "prices", "--source", &typed]).await;
    is_half(&run);
    let plain = source(&gateway, "list");
    shell.run(&["diff", &plain, &typed, "-vv"]).await.is(0);
    shell.run(&["site", "source", "add", &typed]).await.is(0);
    shell.json(&["site", "source", "list"]).await;
    let (told, code) = shell.json(&["site", "source", "test"]).await;
    assert_eq!((code, &told["sources"][0]["state"]), (0, &json!("ok")));
    let heads = proxy.heads();
    assert_eq!(
        heads.len(),
        4,
        "each command asked once: {:#?}",
        proxy.asked()
    );
    for head in &heads {
        let line = head.lines().next().expect("a line");
        assert_eq!(
            line,
            "GET http://club.example:3000/shop/api/pricing HTTP/1.1"
        );
        let bearer = format!("Bearer {}", canary::UNKNOWN);
        assert_eq!(header(head, "Authorization"), Some(bearer.as_str()));
        assert_eq!(header(head, "New-Api-User"), Some("42"));
        assert_eq!(header(head, "x-club"), Some(canary::COMMON));
        assert_eq!(header(head, "Proxy-Authorization"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_and_the_published_map_are_asked_at_their_own_addresses() {
    let gateway = start(shop()).await;
    let shell = open(Shell::with_site(&gateway).await);
    for (preset, host, url) in [
        (
            "official",
            "basellm.github.io",
            "https://basellm.github.io/llm-metadata/api/newapi/ratio_config-v1-base.json",
        ),
        ("models.dev", "models.dev", "https://models.dev/api.json"),
        (
            "litellm",
            "raw.githubusercontent.com",
            "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
        ),
    ] {
        let proxy = Proxy::start(String::new()).await;
        let typed = format!("{preset},proxy={}", proxy.url);
        let (told, code) = shell.json(&["diff", &typed]).await;
        assert_eq!(code, 1, "{told:#}");
        assert_eq!(told["data"]["sources"][0]["url"], url);
        assert_eq!(told["data"]["sources"][0]["state"], "failed");
        assert_eq!(proxy.asked(), [format!("CONNECT {host}:443 HTTP/1.1")]);
    }
}
