//! Price sources: what is asked, how often, how many at once, and what every answer is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lockstep_core::failure::FailureKind as Kind;
use lockstep_core::prices::source::{CALLS, Endpoint, SourceSpec, SourceState, Target, parse_cidr};
use lockstep_remote::http::{AddressPolicy, GuardedClient, LARGEST_BODY};
use lockstep_remote::sources::{Access, Ask, Fetched, Fetcher, Options, Page};
use lockstep_sim::{Fault, Matcher, Rule, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::calls::Few;
use crate::server::{Answer, CANARY, Server, ok, reply};

const MINUTE: Duration = Duration::from_secs(60);

/// A fetcher that may call this machine.
fn fetcher(options: Options) -> Fetcher {
    counting(options, Few::new())
}

/// One that shares the count of its calls.
fn counting(options: Options, calls: Arc<Few>) -> Fetcher {
    let local = parse_cidr("127.0.0.1").expect("a network");
    let client = GuardedClient::new(AddressPolicy::new(vec![local], &[])).expect("a client");
    Fetcher::new(client, options, calls)
}

fn patient() -> Fetcher {
    fetcher(Options {
        time_limit: MINUTE,
        ..Options::default()
    })
}

fn within(millis: u64) -> Fetcher {
    fetcher(Options {
        time_limit: Duration::from_millis(millis),
        ..Options::default()
    })
}

fn ask(server: &Server, endpoint: &str) -> Ask {
    named(server, 1, endpoint)
}

fn named(server: &Server, id: i64, endpoint: &str) -> Ask {
    let base = format!("http://127.0.0.1:{}", server.port);
    Ask::new(Target::of_upstream(id, "A", &base, endpoint).expect("a target"))
}

async fn fetch(fetcher: &Fetcher, ask: Ask) -> Fetched {
    let mut fetched = fetcher.fetch_all(vec![ask]).await;
    fetched.pop().expect("an answer")
}

fn paths(server: &Server) -> Vec<String> {
    let requests = server.requests();
    requests.into_iter().map(|request| request.path).collect()
}

/// The path of a page's address.
fn path_of(page: &Page) -> &str {
    let rest = page.url.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("")
}

const LIST: &str = r#"{"model_ratio":{"a":1}}"#;

/// A site that answers its two lists with these replies.
async fn site(config: Vec<u8>, pricing: Vec<u8>) -> Server {
    Server::start(move |request| {
        Answer::Bytes(match request.path.as_str() {
            "/api/ratio_config" => config.clone(),
            "/api/pricing" => pricing.clone(),
            _ => reply(404, &[], ""),
        })
    })
    .await
}

#[tokio::test]
async fn the_price_list_is_asked_for_where_the_ratios_are_not_to_be_had() {
    let refused = r#"{"success":false,"message":"off"}"#;
    for (first, falls_back) in [
        (reply(403, &[], refused), true),
        (reply(404, &[], r#"{"error":{}}"#), true),
        (reply(401, &[], refused), true),
        (reply(200, &[], "<!doctype html>"), true),
        (ok(LIST), false),
        (reply(400, &[], ""), true),
    ] {
        let server = site(first.clone(), ok("[]")).await;
        let fetched = fetch(&patient(), ask(&server, "")).await;
        let page = fetched.page.expect("a page");
        let told = String::from_utf8_lossy(&first).into_owned();
        let expected = if falls_back {
            "/api/pricing"
        } else {
            "/api/ratio_config"
        };
        assert_eq!(path_of(&page), expected, "{told}");
        assert_eq!(fetched.attempts, 1 + u32::from(falls_back));
        assert!(fetched.pricing.is_none());
    }
    let sick = site(reply(500, &[], ""), ok("[]")).await;
    let failure = fetch(&patient(), ask(&sick, "")).await.page;
    assert_eq!(failure.expect_err("sick").kind, Kind::ServerError);
    assert_eq!(paths(&sick), ["/api/ratio_config"; 3]);
}

#[tokio::test]
async fn both_lists_are_asked_for_where_that_is_wanted() {
    let options = Options {
        both: true,
        time_limit: MINUTE,
        ..Options::default()
    };
    let server = site(ok(LIST), ok("[]")).await;
    let fetched = fetch(&fetcher(options), ask(&server, "")).await;
    assert_eq!(fetched.page.as_ref().map(path_of), Ok("/api/ratio_config"));
    let pricing = fetched.pricing.expect("asked for");
    assert_eq!(pricing.as_ref().map(path_of), Ok("/api/pricing"));

    let server = site(ok(LIST), reply(404, &[], "")).await;
    let fetched = fetch(&fetcher(options), ask(&server, "")).await;
    assert!(fetched.page.is_ok());
    let pricing = fetched.pricing.expect("asked for");
    assert_eq!(pricing.expect_err("none").kind, Kind::NotFound);

    let server = site(reply(403, &[], "{}"), ok("[]")).await;
    let fetched = fetch(&fetcher(options), ask(&server, "")).await;
    assert_eq!(fetched.page.as_ref().map(path_of), Ok("/api/pricing"));
    assert!(fetched.pricing.is_none());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn fifty_channels_of_one_site_are_one_fetch() {
    let server = Server::always(ok(LIST)).await;
    let mut asks: Vec<Ask> = (1..=50)
        .map(|id| named(&server, id, "/api/pricing"))
        .collect();
    let fetched = patient().fetch_all(asks.clone()).await;
    assert_eq!(server.requests().len(), 1);
    let ids: Vec<i64> = fetched.iter().map(|fetched| fetched.target.id).collect();
    assert_eq!(ids, (1..=50).collect::<Vec<_>>());
    let body = |fetched: &Fetched| Arc::clone(&fetched.page.as_ref().expect("a page").body);
    let first = body(fetched.first().expect("fifty"));
    assert!(
        fetched
            .iter()
            .all(|fetched| Arc::ptr_eq(&first, &body(fetched)))
    );

    // Another endpoint, credential or proxy is another fetch.
    asks.push(named(&server, 51, "/api/ratio_config"));
    let mut own = named(&server, 52, "/api/pricing");
    own.access.token = Some("token-a".into());
    asks.push(own.clone());
    asks.push(own.clone());
    own.access.token = Some("token-b".into());
    asks.push(own);
    patient().fetch_all(asks).await;
    assert_eq!(server.requests().len(), 1 + 4);
}

/// A listener that takes its time and notes how many requests it, and all that share `all`, had at once.
async fn gauged(own: Arc<Gauge>, all: Arc<Gauge>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (own, all) = (Arc::clone(&own), Arc::clone(&all));
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                own.enter();
                all.enter();
                tokio::time::sleep(Duration::from_millis(80)).await;
                own.leave();
                all.leave();
                let _ = stream.write_all(&ok(LIST)).await;
            });
        }
    });
    port
}

#[derive(Debug, Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn eight_sources_at_once_and_two_of_one_host() {
    let all = Arc::new(Gauge::default());
    let mut hosts = Vec::new();
    let mut asks = Vec::new();
    for _ in 0..6 {
        let own = Arc::new(Gauge::default());
        let port = gauged(Arc::clone(&own), Arc::clone(&all)).await;
        hosts.push(own);
        for page in 0..4 {
            let base = format!("http://127.0.0.1:{port}/{page}");
            let target = Target::of_upstream(1, "A", &base, "/p").expect("a target");
            asks.push(Ask::new(target));
        }
    }
    let fetched = patient().fetch_all(asks).await;
    assert!(fetched.iter().all(|fetched| fetched.page.is_ok()));
    assert_eq!(all.most(), 8);
    for host in hosts {
        assert_eq!(host.most(), 2);
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times_and_a_refusal_once() {
    for (status, tries, kind) in [
        (500, 3, Kind::ServerError),
        (503, 3, Kind::ServerError),
        (429, 3, Kind::RateLimited),
        (400, 1, Kind::Rejected),
        (401, 1, Kind::Unauthorized),
        (404, 1, Kind::NotFound),
        (410, 1, Kind::NotFound),
    ] {
        let server = Server::always(reply(status, &[], "")).await;
        let fetched = fetch(&patient(), ask(&server, "/p")).await;
        let failure = fetched.page.expect_err("a failure");
        assert_eq!((failure.kind, failure.http_status), (kind, Some(status)));
        assert_eq!(server.requests().len(), tries, "{status}");
        assert_eq!(usize::try_from(fetched.attempts), Ok(tries), "{status}");
    }
    let server = Server::script(vec![reply(502, &[], ""), ok(LIST)]).await;
    let fetched = fetch(&patient(), ask(&server, "/p")).await;
    assert!(fetched.page.is_ok());
    assert_eq!(fetched.attempts, 2);
    let server = Server::start(|_| Answer::Close).await;
    let fetched = fetch(&patient(), ask(&server, "/p")).await;
    assert_eq!(fetched.page.expect_err("broken").kind, Kind::Broken);
    assert_eq!(fetched.attempts, 3);
}

#[tokio::test]
async fn a_wait_that_was_asked_for_is_kept_or_the_source_is_given_up() {
    let wait = reply(429, &[("Retry-After", "1")], "");
    let server = Server::script(vec![wait, ok(LIST)]).await;
    let fetched = fetch(&patient(), ask(&server, "/p")).await;
    assert!(fetched.page.is_ok());
    assert!(fetched.took >= Duration::from_secs(1));

    let server = Server::always(reply(429, &[("Retry-After", "180")], "")).await;
    let fetched = fetch(&within(5_000), ask(&server, "/p")).await;
    let failure = fetched.page.expect_err("limited");
    assert_eq!(
        failure.detail,
        "429 Too Many Requests, and asks to wait 180s"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_time_limit_is_over_all_tries_and_ends_a_drip() {
    let drip = Server::start(|_| {
        let whole = ok(&format!("\"{}\"", "x".repeat(10_000)));
        let (head, body) = whole.split_at(100);
        Answer::Drip(head.to_vec(), body.to_vec())
    })
    .await;
    let silent = Server::start(|_| Answer::Silence).await;
    for server in [&drip, &silent] {
        let fetched = fetch(&within(500), ask(server, "/p")).await;
        let failure = fetched.page.expect_err("too slow");
        assert_eq!(failure.kind, Kind::Timeout);
        let told = "Connection Timeout: no complete answer within 500ms";
        assert_eq!(failure.detail, told);
        assert_eq!(fetched.attempts, 1);
        assert_eq!(SourceState::of_failure(&failure), SourceState::Failed);
    }
    // A first list that came is not lost with the second.
    let half = Server::start(|request| match request.path.as_str() {
        "/api/ratio_config" => Answer::Bytes(ok(LIST)),
        _ => Answer::Silence,
    })
    .await;
    let options = Options {
        both: true,
        time_limit: Duration::from_millis(500),
        ..Options::default()
    };
    let fetched = fetch(&fetcher(options), ask(&half, "")).await;
    assert!(fetched.page.is_ok());
    let pricing = fetched.pricing.expect("asked for");
    assert_eq!(pricing.expect_err("silent").kind, Kind::Timeout);
}

#[tokio::test]
async fn a_black_hole_among_twenty_sources_keeps_nobody_waiting() {
    let hole = Server::start(|_| Answer::Silence).await;
    let sound = Server::always(ok(LIST)).await;
    let mut asks = vec![ask(&hole, "/p"), ask(&hole, "/q"), ask(&hole, "/r")];
    for id in 0..17 {
        asks.push(ask(&sound, &format!("/{id}")));
    }
    let mut fetching = within(1_000).start(asks);
    let mut order = Vec::new();
    while let Some((place, fetched)) = fetching.next().await {
        assert_eq!(fetched.page.is_ok(), place > 2, "{place}");
        order.push(place);
    }
    assert_eq!(order.len(), 20);
    // All who answer come before the first who does not, although the holes were asked first.
    let late: Vec<_> = order.split_off(17);
    assert!(late.iter().all(|place| *place <= 2), "{late:?}");
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let server = Server::start(|request| {
        Answer::Bytes(match request.header("if-none-match") {
            Some("\"one\"") => reply(304, &[("ETag", "\"one\"")], ""),
            _ => reply(200, &[("ETag", "\"one\"")], LIST),
        })
    })
    .await;
    let first = fetch(&patient(), ask(&server, "/p"))
        .await
        .page
        .expect("a page");
    assert_eq!(first.etag.as_deref(), Some("\"one\""));
    assert!(!first.from_copy);
    let mut again = ask(&server, "/p");
    again.copies = vec![first.clone()];
    let second = fetch(&patient(), again.clone()).await.page.expect("a page");
    assert!(second.from_copy);
    assert!(Arc::ptr_eq(&first.body, &second.body));

    // Another page's tag says nothing about this one.
    again.target.endpoint = Endpoint::Path("/q".to_owned());
    let other = fetch(&patient(), again).await.page.expect("a page");
    assert!(!other.from_copy);
    let tags: Vec<bool> = server
        .requests()
        .iter()
        .map(|request| request.header("if-none-match").is_some())
        .collect();
    assert_eq!(tags, [false, true, false]);
}

#[tokio::test]
async fn the_ratios_of_one_host_are_asked_for_eighteen_times_in_twenty_minutes() {
    let server = Server::always(ok(LIST)).await;
    let calls = Few::new();
    let options = Options {
        time_limit: MINUTE,
        ..Options::default()
    };
    let fetcher = counting(options, Arc::clone(&calls));
    let mut failures = Vec::new();
    for _ in 0..20 {
        let fetched = fetch(&fetcher, ask(&server, "")).await;
        failures.extend(fetched.page.err());
    }
    assert_eq!(server.requests().len(), CALLS as usize);
    assert_eq!(failures.len(), 2);
    for failure in &failures {
        assert_eq!(failure.kind, Kind::RateLimited);
        assert!(failure.detail.contains("free again in 7 s"), "{failure:?}");
    }
    // The price list is not counted, and what was counted outlives the fetcher.
    let pricing = fetch(&fetcher, ask(&server, "/api/pricing")).await;
    assert!(pricing.page.is_ok());
    assert_eq!(calls.taken(), CALLS);
    let next = counting(Options::default(), calls);
    let fetched = fetch(&next, ask(&server, "/api/ratio_config")).await;
    assert_eq!(fetched.page.expect_err("counted").kind, Kind::RateLimited);
    assert_eq!(fetched.attempts, 0);
}

#[tokio::test]
async fn all_lists_of_a_fetch_together_have_a_bound() {
    const EACH: usize = 1000;
    let server = Server::always(reply(200, &[], padded(EACH))).await;
    let options = |most_bytes| Options {
        time_limit: MINUTE,
        at_once: 1,
        per_host: 1,
        most_bytes,
        ..Options::default()
    };
    let asks = |count: i64| -> Vec<Ask> {
        let one = |id| named(&server, id, &format!("/p{id}"));
        (1..=count).map(one).collect()
    };
    let all = fetcher(options(5 * EACH)).fetch_all(asks(5)).await;
    assert!(all.iter().all(|fetched| fetched.page.is_ok()));
    // Each fetch has the whole bound, and one that reaches it asks nobody any more.
    let fetcher = fetcher(options(5 * EACH - 1));
    for _ in 0..2 {
        let before = server.requests().len();
        let all = fetcher.fetch_all(asks(9)).await;
        let (came, failed): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.page.is_ok());
        assert_eq!((came.len(), failed.len()), (4, 5));
        for one in failed {
            let failure = one.page.as_ref().expect_err("beyond the bound");
            assert_eq!(failure.kind, Kind::TooLarge);
            assert!(failure.detail.contains("4999 bytes"), "{failure:?}");
        }
        assert_eq!(server.requests().len() - before, 5);
    }
    // Those that share one fetch share its list too.
    let same = vec![named(&server, 1, "/p"), named(&server, 2, "/p")];
    let shared = fetcher.fetch_all(same).await;
    assert!(shared.iter().all(|fetched| fetched.page.is_ok()));
}

/// A list of exactly so many bytes.
fn padded(bytes: usize) -> String {
    let frame = r#"{"model_ratio":{"":1}}"#.len();
    format!(r#"{{"model_ratio":{{"{}":1}}}}"#, "x".repeat(bytes - frame))
}

#[tokio::test]
async fn the_largest_list_passes_and_one_byte_more_is_refused() {
    for (bytes, kind) in [
        (LARGEST_BODY - 100_000, None),
        (LARGEST_BODY, None),
        (LARGEST_BODY + 1, Some(Kind::TooLarge)),
    ] {
        let server = Server::always(reply(200, &[], padded(bytes))).await;
        let fetched = fetch(&patient(), ask(&server, "/p")).await;
        if let Ok(page) = &fetched.page {
            assert_eq!(page.body.len(), bytes);
        }
        assert_eq!(fetched.page.err().map(|failure| failure.kind), kind);
        assert_eq!(server.requests().len(), 1, "a refusal is not tried again");
    }
}

#[tokio::test]
async fn bombs_and_broken_replies_of_a_source_are_bounded() {
    for (fault, kind) in [
        (Fault::GzipBomb(1 << 30), Kind::TooLarge),
        (Fault::BrotliBomb(1 << 30), Kind::TooLarge),
        (Fault::ManyHeaders(150), Kind::TooLarge),
        (Fault::LongHeader(1_000_000), Kind::TooLarge),
        (Fault::UnknownEncoding, Kind::Broken),
        (Fault::InvalidUtf8, Kind::Broken),
        (Fault::ContentLengthTooLong, Kind::Broken),
        (Fault::ChunkedWithoutEnd, Kind::Broken),
        (Fault::ResetBeforeRead, Kind::Broken),
        (Fault::ResetMidReply, Kind::Broken),
        (Fault::Silence(MINUTE), Kind::Timeout),
        (Fault::Drip(Duration::from_millis(100)), Kind::Timeout),
        (Fault::Status(504), Kind::ServerError),
        (Fault::FirewallPage, Kind::Firewall),
        (Fault::Html, Kind::WrongAddress),
        (
            Fault::redirect(302, "http://169.254.169.254/"),
            Kind::RefusedAddress,
        ),
    ] {
        let name = fault.name();
        let gateway = lockstep_sim::Gateway::start(Spec::new())
            .await
            .expect("a gateway");
        gateway.fault(Rule::always(Matcher::get("/api/pricing"), fault));
        let target = Target::of_upstream(1, "A", &gateway.url(), "/api/pricing");
        let options = Options {
            time_limit: match kind {
                Kind::Timeout => Duration::from_millis(500),
                _ => MINUTE,
            },
            tries: 1,
            ..Options::default()
        };
        let fetched = fetch(&fetcher(options), Ask::new(target.expect("a target"))).await;
        let failure = fetched.page.expect_err(name);
        assert_eq!(failure.kind, kind, "{name}: {failure:?}");
    }
}

#[tokio::test]
async fn a_simulated_gateway_gives_its_ratios_once_it_publishes_them() {
    let gateway = lockstep_sim::Gateway::start(Spec::new())
        .await
        .expect("a gateway");
    let source = || Ask::new(Target::of_upstream(1, "A", &gateway.url(), "").expect("a target"));
    let page = fetch(&patient(), source()).await.page.expect("a page");
    assert_eq!(path_of(&page), "/api/pricing");
    gateway.set_option("ExposeRatioEnabled", "true");
    let page = fetch(&patient(), source()).await.page.expect("a page");
    assert_eq!(path_of(&page), "/api/ratio_config");
}

#[tokio::test]
async fn a_byte_order_mark_is_left_to_the_decoder() {
    let server = Server::always(reply(200, &[], "\u{feff}{}")).await;
    let page = fetch(&patient(), ask(&server, "/p")).await.page;
    assert_eq!(page.expect("a page").body.as_str(), "\u{feff}{}");
}

#[tokio::test]
async fn a_credential_goes_to_its_own_source_alone_and_shows_up_nowhere() {
    let hidden = CANARY.replace("token", "to\u{202e}ken");
    let echo = format!(r#"{{"success":false,"message":"bad \u001b[31m{CANARY} {hidden}"}}"#);
    let server = Server::always(reply(403, &[], echo)).await;
    let mut own = ask(&server, "/own");
    own.access = Access {
        token: Some(CANARY.into()),
        user_id: Some("7".to_owned()),
        headers: vec![("x-key".to_owned(), CANARY.into())],
    };
    let shown = format!("{own:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    let fetched = patient().fetch_all(vec![own, ask(&server, "/other")]).await;
    let failure = fetched.first().expect("two").page.clone();
    let detail = failure.expect_err("refused").detail;
    assert!(
        !detail.contains(CANARY) && !detail.contains('\u{1b}'),
        "{detail}"
    );
    for request in server.requests() {
        let sent = format!("{request:?}");
        assert_eq!(sent.contains(CANARY), request.path == "/own", "{sent}");
    }
}

#[tokio::test]
async fn a_file_is_read_within_the_same_bounds() {
    let folder = std::env::temp_dir().join(format!("lockstep-sources-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let read = |name: &'static str, bytes: Vec<u8>| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        file_at(path.display().to_string())
    };
    let page = read("good.json", LIST.into()).await.expect("a page");
    assert_eq!(page.body.as_str(), LIST);
    let large = read("large.json", padded(LARGEST_BODY + 1).into()).await;
    assert_eq!(large, Err(Kind::TooLarge));
    let whole = read("whole.json", padded(LARGEST_BODY).into()).await;
    assert!(whole.is_ok());
    let broken = read("broken.json", b"{\"\xff\"}".to_vec()).await;
    assert_eq!(broken, Err(Kind::Broken));
    let missing = file_at(folder.join("none").display().to_string()).await;
    assert_eq!(missing, Err(Kind::NotFound));
    for no_file in [folder.display().to_string(), "/dev/zero".to_owned()] {
        assert_eq!(file_at(no_file).await, Err(Kind::NotFound));
    }
    std::fs::remove_dir_all(&folder).expect("it goes");
}

async fn file_at(path: String) -> Result<Page, Kind> {
    let spec: SourceSpec = format!("file:{path}").parse().expect("a source");
    let target = spec.target(|_| None).expect("a target");
    let fetched = fetch(&patient(), Ask::new(target)).await;
    fetched.page.map_err(|failure| failure.kind)
}
