//! Nothing of the inside is called, however it is written, resolved or redirected to.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockstep_core::failure::FailureKind as Kind;
use lockstep_core::prices::source::{Cidr, Endpoint, Target, parse_cidr};
use lockstep_core::site::GatewayUrl;
use lockstep_remote::http::{AddressPolicy, GuardedClient, Looking, Lookup, MOST_REDIRECTS};
use lockstep_remote::sources::{Access, Ask, Fetched, Fetcher, Options};

use crate::calls::Few;
use crate::server::{Answer, CANARY, Server, ok, reply};

/// A resolver that gives each answer once, and the last one again and again.
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let address = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|all| all.iter().map(address).collect());
        Arc::new(Self {
            answers: Mutex::new(answers.collect()),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("no poison").len()
    }
}

impl Lookup for Scripted {
    fn lookup(&self, name: &str) -> Looking {
        self.asked.lock().expect("no poison").push(name.to_owned());
        let mut answers = self.answers.lock().expect("no poison");
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no answer")) })
    }
}

fn networks(allow: &[&str]) -> Vec<Cidr> {
    let read = |text: &&str| parse_cidr(text).expect("a network");
    allow.iter().map(read).collect()
}

fn policy(allow: &[&str]) -> AddressPolicy {
    AddressPolicy::new(networks(allow), &[])
}

fn fetcher(client: GuardedClient) -> Fetcher {
    let options = Options {
        time_limit: Duration::from_secs(5),
        ..Options::default()
    };
    Fetcher::new(client, options, Few::new())
}

fn guarded(allow: &[&str]) -> Fetcher {
    fetcher(GuardedClient::new(policy(allow)).expect("a client"))
}

fn resolved(allow: &[&str], answers: &Arc<Scripted>) -> Fetcher {
    let lookup: Arc<dyn Lookup> = Arc::<Scripted>::clone(answers);
    fetcher(GuardedClient::with_lookup(policy(allow), lookup).expect("a client"))
}

/// A source that is exactly this address.
fn source(url: &str) -> Ask {
    Ask::new(Target::of_upstream(1, "A", "http://base.example", url).expect("a target"))
}

async fn fetch(fetcher: &Fetcher, ask: Ask) -> Fetched {
    let mut fetched = fetcher.fetch_all(vec![ask]).await;
    fetched.pop().expect("an answer")
}

/// The kind of failure; `None` is a page.
async fn kind(fetcher: &Fetcher, url: &str) -> Option<Kind> {
    let fetched = fetch(fetcher, source(url)).await;
    fetched.page.err().map(|failure| failure.kind)
}

/// Every range, and whether the address before it and the one after it are public.
const RANGES: &[(&str, bool, bool)] = &[
    ("0.0.0.0/8", true, true),
    ("10.0.0.0/8", true, true),
    ("100.64.0.0/10", true, true),
    ("127.0.0.0/8", true, true),
    ("169.254.0.0/16", true, true),
    ("172.16.0.0/12", true, true),
    ("192.0.0.0/24", true, true),
    ("192.0.2.0/24", true, true),
    ("192.31.196.0/24", true, true),
    ("192.52.193.0/24", true, true),
    ("192.88.99.0/24", true, true),
    ("192.168.0.0/16", true, true),
    ("192.175.48.0/24", true, true),
    ("198.18.0.0/15", true, true),
    ("198.51.100.0/24", true, true),
    ("203.0.113.0/24", true, true),
    ("224.0.0.0/4", true, false),
    ("240.0.0.0/4", false, true),
    ("168.63.129.16/32", true, true),
    ("::/8", true, false),
    ("100::/64", false, false),
    ("100:0:0:1::/64", false, true),
    ("2001::/23", true, true),
    ("2001:db8::/32", true, true),
    ("2002::/16", true, true),
    ("2620:4f:8000::/48", true, true),
    ("3fff::/20", true, true),
    ("5f00::/16", true, true),
    ("fc00::/7", true, true),
    ("fe80::/10", true, false),
    ("fec0::/10", false, false),
    ("ff00::/8", false, true),
];

/// The address one step up or down; `None` past the end of the numbers.
fn beside(address: IpAddr, up: bool) -> Option<IpAddr> {
    match address {
        IpAddr::V4(four) => {
            let number = u32::from(four);
            let next = if up {
                number.checked_add(1)
            } else {
                number.checked_sub(1)
            };
            next.map(|number| IpAddr::V4(Ipv4Addr::from(number)))
        }
        IpAddr::V6(six) => {
            let number = u128::from(six);
            let next = if up {
                number.checked_add(1)
            } else {
                number.checked_sub(1)
            };
            next.map(|number| IpAddr::V6(Ipv6Addr::from(number)))
        }
    }
}

#[test]
fn every_special_range_is_refused_up_to_its_edges_and_not_one_address_further() {
    let policy = policy(&[]);
    for (range, before, after) in RANGES {
        let range: Cidr = range.parse().expect("a range");
        let (first, last) = (range.network(), range.broadcast());
        for inside in [first, last] {
            assert!(policy.judge(inside).is_err(), "{inside} of {range}");
        }
        for (outside, public) in [(beside(first, false), before), (beside(last, true), after)] {
            if let Some(outside) = outside {
                let passes = policy.judge(outside).is_ok();
                assert_eq!(passes, *public, "{outside} beside {range}");
            }
        }
    }
}

#[test]
fn ipv4_inside_ipv6_is_judged_as_what_it_reaches() {
    let nothing = policy(&[]);
    let everything = policy(&["0.0.0.0/0", "::/0"]);
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    for public in [
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2606:4700::1111",
        "2a00::a9fe:a9fe",
    ] {
        assert!(nothing.judge(address(public)).is_ok(), "{public}");
    }
    for private in [
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "2002:0a00:0001::",
        "2002:7f00:0001::1",
        "2001:0:a00:1::",
        "::10.0.0.1",
        "::ffff:0:10.0.0.1",
    ] {
        assert!(nothing.judge(address(private)).is_err(), "{private}");
    }
    // Not even where everything is allowed: link-local and metadata, plain or carried.
    for never in [
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fe80::1",
        "febf:ffff::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:1:1::5601:5601",
        "2001:db8::5efe:169.254.169.254",
        "::ffff:100.100.100.200",
    ] {
        assert!(everything.judge(address(never)).is_err(), "{never}");
    }
    for allowed in [
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "127.0.0.1",
        "::1",
        "fd00::1",
        "0.0.0.0",
    ] {
        assert!(everything.judge(address(allowed)).is_ok(), "{allowed}");
    }
    // What is allowed as IPv4 is not allowed behind a translator.
    assert!(
        policy(&["10.0.0.0/8"])
            .judge(address("64:ff9b::10.0.0.1"))
            .is_err()
    );
}

/// Ways to write this machine's own address. `PORT` is the listener's.
const SPELLINGS: &[&str] = &[
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.00.000.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.1:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7F.1:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://0x7f.0x0.0x0.0x1:PORT/",
    "http://0177.0x0.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://00000000177.0.0.1:PORT/",
    "http://127.0.0.1%2e:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://127｡0｡0｡1:PORT/",
    "http://１２７.0.0.1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏:PORT/",
    "http://0x7f。1:PORT/",
    "http://12\u{ad}7.0.0.1:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://127.0\n.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http://\\127.0.0.1:PORT/",
    "HtTp://127.0.0.1:PORT/",
    " http://127.0.0.1:PORT/",
    "http://127.255.255.254:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://00:PORT/",
    "http://0x0:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "http://[::]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::7f00:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::FFFF:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[::1%25lo]:PORT/",
    "http://[fe80::1%25eth0]:PORT/",
    "http://user@127.0.0.1:PORT/",
    "http://user:password@127.0.0.1:PORT/",
    "http://prices.example@127.0.0.1:PORT/",
    "http://prices.example:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@prices.example/",
    "http://127.0.0.1:PORT\\@prices.example/",
    "http://localhost:PORT/",
    "http://localhost.:PORT/",
    "http://LOCALHOST:PORT/",
    "http://ｌｏｃａｌｈｏｓｔ:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://loc\u{ad}alhost:PORT/",
    "http://%6cocalhost:PORT/",
];

#[tokio::test]
async fn no_spelling_of_this_machine_reaches_a_listener() {
    assert!(SPELLINGS.len() >= 60);
    let server = Server::always(ok("{}")).await;
    // Names are this machine's too, on whatever machine the test runs.
    let names = Scripted::new(&[&["127.0.0.1"]]);
    let nothing = resolved(&[], &names);
    let open = policy(&["127.0.0.0/8", "0.0.0.0/8", "::/96"]);
    let lookup: Arc<dyn Lookup> = names;
    let open = GuardedClient::with_lookup(open, lookup).expect("a client");
    let once = Options {
        tries: 1,
        time_limit: Duration::from_millis(500),
        ..Options::default()
    };
    let open = Fetcher::new(open, once, Few::new());
    let mut reached = 0;
    for spelling in SPELLINGS {
        let url = spelling.replace("PORT", &server.port.to_string());
        // As it is, read by nothing but the client's own parser.
        let mut ask = source("");
        ask.target.endpoint = Endpoint::Absolute(url);
        let failure = fetch(&nothing, ask.clone()).await.page.expect_err(spelling);
        assert!(
            matches!(failure.kind, Kind::RefusedAddress | Kind::WrongAddress),
            "{spelling}: {failure:?}"
        );
        assert_eq!(server.requests().len(), reached, "{spelling} reached it");
        // The same spelling does reach it where it is allowed, so that this test can fail.
        let _ = fetch(&open, ask).await;
        reached = server.requests().len();
    }
    assert!(
        reached >= 30,
        "only {reached} of the spellings mean anything"
    );
}

#[tokio::test]
async fn a_refusal_is_final_and_says_which_address_it_was() {
    let fetched = fetch(&guarded(&[]), source("http://10.1.2.3/p")).await;
    let failure = fetched.page.expect_err("private");
    assert_eq!(failure.kind, Kind::RefusedAddress);
    assert_eq!(
        failure.detail,
        "10.1.2.3 is in 10.0.0.0/8 (private, RFC 1918)"
    );
    assert_eq!(fetched.attempts, 0);

    let names = Scripted::new(&[&["10.1.2.3"]]);
    let fetched = fetch(&resolved(&[], &names), source("http://prices.example/p")).await;
    let failure = fetched.page.expect_err("private");
    assert_eq!(failure.kind, Kind::RefusedAddress);
    let told = "prices.example: 10.1.2.3 is in 10.0.0.0/8 (private, RFC 1918)";
    assert_eq!(failure.detail, told);
    assert_eq!(names.asked(), 1, "a refusal is not tried again");
}

#[tokio::test]
async fn what_is_checked_is_what_is_dialled() {
    let server = Server::always(ok("{}")).await;
    let url = format!("http://prices.example:{}/p", server.port);
    // The second answer would be refused; there is no second question.
    let names = Scripted::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    assert_eq!(kind(&resolved(&["127.0.0.1"], &names), &url).await, None);
    assert_eq!((names.asked(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_name_that_moves_inside_after_its_first_answer_is_refused() {
    let server = Server::always(ok("{}")).await;
    let url = format!("http://prices.example:{}/p", server.port);
    // Nobody listens at the first address, so that it is asked again, and then the name means us.
    let names = Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let told = kind(&resolved(&["127.0.0.2"], &names), &url).await;
    assert_eq!(told, Some(Kind::RefusedAddress));
    assert_eq!((names.asked(), server.requests().len()), (2, 0));
}

#[tokio::test]
async fn one_bad_answer_among_good_ones_refuses_the_name() {
    let server = Server::always(ok("{}")).await;
    let url = format!("http://prices.example:{}/p", server.port);
    for answer in [
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "169.254.169.254"],
        ["127.0.0.1", "::1"],
        ["127.0.0.1", "::ffff:192.168.0.1"],
    ] {
        let names = Scripted::new(&[&answer]);
        let told = kind(&resolved(&["127.0.0.1"], &names), &url).await;
        assert_eq!(told, Some(Kind::RefusedAddress), "{answer:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn redirects_to_the_inside_are_not_followed() {
    let inside = Server::always(ok("{}")).await;
    let port = inside.port;
    for location in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/".to_owned(),
        "http://2852039166/latest/".to_owned(),
        "//169.254.169.254/".to_owned(),
        format!("http://127.0.0.2:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let server = Server::always(reply(status, &[("Location", &location)], "")).await;
            let url = format!("http://127.0.0.1:{}/p", server.port);
            // Everything of the inside but this one address is closed, and what is never called stays so.
            let names = Scripted::new(&[&["127.0.0.3"]]);
            let told = kind(&resolved(&["127.0.0.1"], &names), &url).await;
            assert_eq!(told, Some(Kind::RefusedAddress), "{location}");
            assert_eq!(server.requests().len(), 1, "{location}");
        }
    }
    assert!(inside.requests().is_empty());
}

#[tokio::test]
async fn no_credential_goes_along_with_a_redirect() {
    let other = Server::always(ok("{}")).await;
    let elsewhere = format!("http://127.0.0.1:{}/list", other.port);
    for location in [elsewhere.as_str(), "/moved"] {
        let to = location.to_owned();
        let server = Server::start(move |request| {
            Answer::Bytes(match request.path.as_str() {
                "/p" => reply(302, &[("Location", &to)], ""),
                _ => ok("{}"),
            })
        })
        .await;
        let mut ask = source(&format!("http://127.0.0.1:{}/p", server.port));
        ask.access = Access {
            token: Some(CANARY.into()),
            user_id: Some("7".to_owned()),
            headers: vec![("x-api-key".to_owned(), CANARY.into())],
        };
        let fetched = fetch(&guarded(&["127.0.0.1"]), ask).await;
        assert!(fetched.page.is_ok(), "{:?}", fetched.page);
        let requests = server.requests();
        let first = requests.first().expect("a request");
        let bearer = format!("Bearer {CANARY}");
        assert_eq!(first.header("authorization"), Some(bearer.as_str()));
        assert_eq!(first.header("new-api-user"), Some("7"));
        assert_eq!(first.header("x-api-key"), Some(CANARY));
        let later: Vec<_> = requests
            .into_iter()
            .skip(1)
            .chain(other.requests())
            .collect();
        assert!(!later.is_empty());
        for request in later {
            let sent = format!("{request:?}");
            assert!(!sent.contains(CANARY), "{sent}");
            assert_eq!(request.header("new-api-user"), None);
        }
    }
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_not_in_circles() {
    for (hops, passes) in [(MOST_REDIRECTS, true), (MOST_REDIRECTS + 1, false)] {
        let server = Server::start(move |request| {
            let at: usize = request.path.trim_matches('/').parse().unwrap_or(0);
            let next = format!("/{}", at + 1);
            Answer::Bytes(match at < hops {
                true => reply(307, &[("Location", &next)], ""),
                false => ok("{}"),
            })
        })
        .await;
        let url = format!("http://127.0.0.1:{}/0", server.port);
        let told = kind(&guarded(&["127.0.0.1"]), &url).await;
        assert_eq!(told.is_none(), passes, "{hops}: {told:?}");
        assert_eq!(server.requests().len(), MOST_REDIRECTS + 1);
    }
}

#[tokio::test]
async fn a_trusted_site_is_called_at_its_own_port_and_by_nobodys_redirect() {
    let site = Server::always(ok("{}")).await;
    let beside = Server::always(ok("{}")).await;
    let own = format!("http://127.0.0.1:{}", site.port);
    let trusted = GatewayUrl::parse(&own).expect("an address");
    let policy = AddressPolicy::new(Vec::new(), std::slice::from_ref(&trusted));
    let nothing = fetcher(GuardedClient::new(policy).expect("a client"));
    assert_eq!(kind(&nothing, &format!("{own}/p")).await, None);
    let port = format!("http://127.0.0.1:{}/p", beside.port);
    assert_eq!(kind(&nothing, &port).await, Some(Kind::RefusedAddress));
    assert!(beside.requests().is_empty());

    // Both are trusted, and still neither may send us to the other.
    let back = format!("{own}/api/user/token");
    let sender = Server::always(reply(302, &[("Location", &back)], "")).await;
    let url = format!("http://127.0.0.1:{}", sender.port);
    let both = [trusted, GatewayUrl::parse(&url).expect("an address")];
    let policy = AddressPolicy::new(Vec::new(), &both);
    let fetcher = fetcher(GuardedClient::new(policy).expect("a client"));
    assert_eq!(
        kind(&fetcher, &format!("{url}/p")).await,
        Some(Kind::RefusedAddress)
    );
    assert_eq!((site.requests().len(), sender.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_trusted_site_that_redirects_to_itself_is_followed() {
    let site = Server::start(|request| {
        Answer::Bytes(match request.path.as_str() {
            "/p" => reply(301, &[("Location", "/p/")], ""),
            _ => ok("{}"),
        })
    })
    .await;
    let own = format!("http://127.0.0.1:{}", site.port);
    let trusted = [GatewayUrl::parse(&own).expect("an address")];
    let policy = AddressPolicy::new(Vec::new(), &trusted);
    let fetcher = fetcher(GuardedClient::new(policy).expect("a client"));
    assert_eq!(kind(&fetcher, &format!("{own}/p")).await, None);
}

#[tokio::test]
async fn a_trusted_name_may_be_inside_but_not_where_nothing_is_called() {
    let site = Server::always(ok("{}")).await;
    let own = format!("http://gateway.internal:{}", site.port);
    let trusted = [GatewayUrl::parse(&own).expect("an address")];
    for (answer, told) in [
        ("127.0.0.1", None),
        ("169.254.169.254", Some(Kind::RefusedAddress)),
    ] {
        let policy = AddressPolicy::new(Vec::new(), &trusted);
        let names: Arc<dyn Lookup> = Scripted::new(&[&[answer]]);
        let fetcher = fetcher(GuardedClient::with_lookup(policy, names).expect("a client"));
        assert_eq!(kind(&fetcher, &format!("{own}/p")).await, told, "{answer}");
    }
    assert_eq!(site.requests().len(), 1);
}

#[tokio::test]
async fn a_proxy_is_judged_like_any_address_and_does_not_open_the_inside() {
    let proxy = Server::always(ok("{}")).await;
    let through = |target: &str, fetcher: Fetcher| {
        let mut ask = source(target);
        ask.proxy = Some(format!("http://127.0.0.1:{}", proxy.port));
        async move {
            let fetched = fetch(&fetcher, ask).await;
            fetched.page.err().map(|failure| failure.kind)
        }
    };
    let refused = Some(Kind::RefusedAddress);
    assert_eq!(
        through("http://prices.example/p", guarded(&[])).await,
        refused
    );
    for target in [
        "http://10.0.0.1/p",
        "http://169.254.169.254/p",
        "http://127.0.0.2/p",
        "http://localhost/p",
        "http://a.localhost./p",
        "http://metadata.google.internal/p",
    ] {
        let told = through(target, guarded(&["127.0.0.1"])).await;
        assert_eq!(told, refused, "{target}");
    }
    assert!(proxy.requests().is_empty());
    let told = through("http://prices.example/p", guarded(&["127.0.0.1"])).await;
    assert_eq!(told, None);
    let requests = proxy.requests();
    let path = requests.first().map(|request| request.path.as_str());
    assert_eq!(path, Some("http://prices.example/p"));
}

/// Where the second process of the next test finds its source.
const TARGET: &str = "LOCKSTEP_TEST_SOURCE";

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    if let Ok(url) = std::env::var(TARGET) {
        assert_eq!(kind(&guarded(&["127.0.0.1"]), &url).await, None);
        return;
    }
    let proxy = Server::always(reply(502, &[], "")).await;
    let server = Server::always(ok("{}")).await;
    let own = std::env::current_exe().expect("this test's binary");
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let mut again = Command::new(own);
    again.args(["--exact", "guarded::a_proxy_of_the_environment_is_not_used"]);
    again.env(TARGET, format!("http://127.0.0.1:{}/p", server.port));
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "all_proxy",
        "ALL_PROXY",
    ] {
        again.env(name, &address);
    }
    again.env_remove("no_proxy").env_remove("NO_PROXY");
    let ended = tokio::task::spawn_blocking(move || again.output());
    let ended = ended.await.expect("no panic").expect("it runs");
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    assert_eq!((server.requests().len(), proxy.requests().len()), (1, 0));
}
