//! Every route of the router's own list: who gets through the door, and what every answer says to browsers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use lockstep_run::Engine;
use lockstep_run::clock::SystemClock;
use lockstep_store::Store;
use secrecy::SecretString;
use serde_json::Value;
use tower::ServiceExt as _;

use super::door::secret;
use super::door::session::LASTING;
use super::routed::routed;
use super::{App, Options, router};
use crate::config::File;

const SESSION: &str = "the token of a session";
const TOKEN: &str = "lst_the token of a program";
const BASIC: &str = "Basic cHJveHk6cGFzc3dvcmQ=";
const HOST: &str = "127.0.0.1:7878";

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];
const SITES: [Option<&str>; 6] = [
    None,
    Some("same-origin"),
    Some("same-site"),
    Some("cross-site"),
    Some("none"),
    Some("something else"),
];
const ORIGINS: [Option<&str>; 5] = [
    None,
    Some("http://127.0.0.1:7878"),
    Some("https://127.0.0.1:7878"),
    Some("http://evil.example"),
    Some("null"),
];

/// Who a request says it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    Cookie,
    Token,
    /// A cookie that is right and a token that is not.
    CookieAndWrongToken,
    /// A cookie that is right, and the password of a proxy on the way.
    CookieAndBasic,
}

struct World {
    app: App,
    router: Router,
    paths: Vec<String>,
}

impl World {
    async fn new(options: Options) -> Self {
        let store = Store::open_temporary().await.expect("a store");
        store
            .set_password("admin", "$none", None, 0)
            .await
            .expect("a person");
        let engine = Engine::start(store, Arc::new(SystemClock), "tests".to_owned());
        let engine = engine.expect("an engine");
        let file = File::read(None).expect("no file");
        let app = App::new(engine, file, options);
        let new = lockstep_store::tokens::NewApiToken {
            name: "program".to_owned(),
            hash: secret::digest(&SecretString::from(TOKEN)),
            scopes: vec!["apply".to_owned()],
            created_by: "tests".to_owned(),
            expires_at: None,
        };
        app.store().add_api_token(new, 0).await.expect("a token");
        let router = router(&app);
        let paths = routed(&router);
        let paths: Vec<String> = paths.keys().map(|path| filled(path)).collect();
        for known in ["/", "/api/v1/sites", "/api/ratio_sync/1", "/static/1"] {
            assert!(paths.iter().any(|path| path == known), "{paths:?}");
        }
        Self { router, app, paths }
    }

    /// The session, also where a request before ended it.
    async fn session(&self) {
        let digest = secret::digest(&SecretString::from(SESSION));
        let store = self.app.store();
        if store.session(&digest).await.expect("asked").is_none() {
            let now = self.app.now();
            let added = store.add_session(&digest, "admin", LASTING, now).await;
            added.expect("a session");
        }
    }

    async fn ask(&self, method: &Method, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if method.is_safe() { "" } else { "{}" };
        let request = request.body(Body::from(body)).expect("a request");
        let answered = self.router.clone().oneshot(request);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), answered);
        let answer = waited.await.expect("it answers").expect("an answer");
        let (parts, body) = answer.into_parts();
        let mut code = None;
        if parts.status.is_client_error() || parts.status.is_server_error() {
            let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
            let problem: Option<Value> = serde_json::from_slice(&bytes).ok();
            code = problem.and_then(|problem| Some(problem["code"].as_str()?.to_owned()));
        }
        Got {
            status: parts.status,
            headers: parts.headers,
            code,
        }
    }
}

struct Got {
    status: StatusCode,
    headers: HeaderMap,
    code: Option<String>,
}

/// A path with something in its places.
fn filled(path: &str) -> String {
    let parts = path.split('/');
    let filled = parts.map(|part| if part.starts_with('{') { "1" } else { part });
    filled.collect::<Vec<_>>().join("/")
}

/// What anybody gets.
fn is_open(path: &str) -> bool {
    [
        "/healthz",
        "/readyz",
        "/sign-in",
        "/sign-in/link",
        "/sign-in/demo",
        "/language",
        "/api/v1/sign-in",
        "/api/v1/sign-in/link",
    ]
    .contains(&path)
        || path.starts_with("/static/")
}

/// What its own route lets in.
fn is_own(path: &str) -> bool {
    path.ends_with("/api/ratio_sync") || path.contains("/api/ratio_sync/")
}

/// Whether a page that is not ours asks in a person's name: told another way than the door does.
fn is_foreign(method: &Method, shown: Shown, open: bool, site: &str, origin: &str) -> bool {
    let person = matches!(shown, Shown::Cookie | Shown::CookieAndBasic);
    // At the way in a token counts for nothing.
    if matches!(shown, Shown::Token | Shown::CookieAndWrongToken) && !open {
        return false;
    }
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return person && !open && !["", "same-origin", "none"].contains(&site);
    }
    match site {
        "same-origin" => false,
        "" => match origin {
            "http://127.0.0.1:7878" => false,
            "" => person && !open,
            _ => true,
        },
        _ => true,
    }
}

#[tokio::test]
async fn every_route_by_every_method_from_every_page_is_answered_to_whom_it_is_for() {
    let world = World::new(Options::default()).await;
    let (mut through, mut kept_out) = (0, 0);
    for path in &world.paths {
        for method in &METHODS {
            for site in SITES {
                for origin in ORIGINS {
                    for shown in [
                        Shown::Nothing,
                        Shown::Cookie,
                        Shown::Token,
                        Shown::CookieAndWrongToken,
                        Shown::CookieAndBasic,
                    ] {
                        let cookie = format!("lockstep={SESSION}");
                        let bearer = format!("Bearer {TOKEN}");
                        let mut headers = vec![("host", HOST)];
                        if !method.is_safe() {
                            headers.push(("content-type", "application/json"));
                        }
                        headers.extend(site.map(|site| ("sec-fetch-site", site)));
                        headers.extend(origin.map(|origin| ("origin", origin)));
                        if !matches!(shown, Shown::Nothing | Shown::Token) {
                            world.session().await;
                            headers.push(("cookie", &cookie));
                        }
                        match shown {
                            Shown::Token => headers.push(("authorization", &bearer)),
                            Shown::CookieAndWrongToken => {
                                headers.push(("authorization", "Bearer lst_wrong"));
                            }
                            Shown::CookieAndBasic => headers.push(("authorization", BASIC)),
                            Shown::Nothing | Shown::Cookie => {}
                        }
                        let got = world.ask(method, path, &headers).await;
                        let case = format!("{method} {path} {site:?} {origin:?} {shown:?}");
                        let (site, origin) = (site.unwrap_or(""), origin.unwrap_or(""));
                        let foreign = is_foreign(method, shown, is_open(path), site, origin);
                        let known =
                            matches!(shown, Shown::Cookie | Shown::CookieAndBasic | Shown::Token);
                        dressed(&got.headers, &case, false);
                        // The answer to HEAD has no body to tell the code.
                        let refused = got.code.as_deref().unwrap_or(match got.status {
                            StatusCode::UNAUTHORIZED => "signed_out",
                            StatusCode::FORBIDDEN => "cross_site",
                            _ => "",
                        });
                        if foreign {
                            kept_out += 1;
                            assert_eq!(got.status, StatusCode::FORBIDDEN, "{case}");
                            assert_eq!(refused, "cross_site", "{case}");
                        } else if known || is_open(path) {
                            through += 1;
                            assert_ne!(got.code.as_deref(), Some("cross_site"), "{case}");
                            assert_ne!(got.code.as_deref(), Some("signed_out"), "{case}");
                            // What a person may and a token may not is a 403 that HEAD tells no code of.
                            if method == Method::HEAD {
                                assert_ne!(got.status, StatusCode::UNAUTHORIZED, "{case}");
                            }
                        } else if is_own(path) {
                            kept_out += 1;
                            assert!(got.status.is_client_error(), "{case}: {}", got.status);
                        } else {
                            kept_out += 1;
                            assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{case}");
                            assert_eq!(refused, "signed_out", "{case}");
                        }
                    }
                }
            }
        }
    }
    assert!(through > 1000 && kept_out > 1000, "{through} {kept_out}");
}

/// A page can have its own name lead here, and then writes whatever header it likes: only with a token does the name not
/// matter, and never at the way in.
#[tokio::test]
async fn under_another_name_nothing_but_health_answers_whatever_is_shown_unless_it_is_a_token() {
    let world = World::new(Options::default()).await;
    let bearer = format!("Bearer {TOKEN}");
    let basic_of_token = format!("Basic {TOKEN}");
    let mut answered = 0;
    for path in &world.paths {
        let health = path == "/healthz" || path == "/readyz";
        for method in [Method::GET, Method::POST] {
            for (shown, is_token) in [
                ("", false),
                (BASIC, false),
                (basic_of_token.as_str(), false),
                ("Bearer", is_own(path)),
                ("x", is_own(path)),
                ("lst_nobody", is_own(path)),
                ("Bearer lst_wrong", !is_open(path)),
                (bearer.as_str(), !is_open(path)),
            ] {
                let case = format!("{method} {path} {shown}");
                let mut headers = vec![("host", "evil.example")];
                if !shown.is_empty() {
                    headers.push(("authorization", shown));
                }
                let got = world.ask(&method, path, &headers).await;
                let misdirected = got.status == StatusCode::MISDIRECTED_REQUEST;
                assert_eq!(misdirected, !health && !is_token, "{case}: {}", got.status);
                if is_token && shown != bearer {
                    assert!(got.status.is_client_error(), "{case}: {}", got.status);
                }
                answered += usize::from(!misdirected);
            }
        }
    }
    assert!(answered > 200, "{answered}");
}

/// A path of a site with a plan that waits for its yes.
fn of_main(path: &str, run: &str) -> String {
    let part = |part| match part {
        "{site}" => "main",
        "{run}" => run,
        "{model}" => "gpt-5",
        "{subject}" => "models",
        part if part.starts_with('{') => "1",
        part => part,
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_only_looked_at_writes_to_a_gateway() {
    let spec = lockstep_sim::Spec::new()
        .provider(lockstep_sim::Provider::new("acme", ["gpt-5", "gpt-6"]))
        .channel(
            lockstep_sim::Channel::new(1, "Acme")
                .at("acme")
                .models("gpt-5"),
        );
    let gateway = lockstep_sim::Gateway::start(spec).await.expect("a gateway");
    let world = World::new(Options::default()).await;
    let bearer = format!("Bearer {TOKEN}");
    world.session().await;
    let cookie = format!("lockstep={SESSION}");
    let order = async |path: &str, body: Value| {
        let request = Request::post(path)
            .header("host", HOST)
            .header("cookie", &cookie)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        let answered = world.router.clone().oneshot(request.expect("a request"));
        let answer = answered.await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
        serde_json::from_slice::<Value>(&bytes.expect("a body")).expect("JSON")
    };
    let site = serde_json::json!({"name": "main", "url": gateway.url(), "user_id": "1",
        "token": gateway.root_token(), "settings": {"pace": "auto", "price-gate": "off"}});
    let site = order("/api/v1/sites", site).await;
    let plan = serde_json::json!({"subject": "models", "what": "all", "plan_only": true});
    let run = order("/api/v1/sites/main/runs", plan).await;
    let run = run["run"].as_str().expect("an id").to_owned();
    let planned = async || {
        let run = world.app.store().run(&run).await.expect("the run");
        run.state == lockstep_core::change::RunState::Planned
    };
    while !planned().await {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    gateway.clear_log();

    let mut answered = 0;
    for path in routed(&world.router).keys() {
        let path = of_main(path, &run);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            for who in [("cookie", &cookie), ("authorization", &bearer)] {
                world.session().await;
                let headers = [("host", HOST), (who.0, who.1.as_str())];
                let got = world.ask(&method, &path, &headers).await;
                answered += usize::from(got.status.is_success());
            }
        }
    }
    // What was begun behind a page is through, too.
    world.app.stop();
    world.app.jobs().stop().await;
    assert!(answered > 100, "{answered}");
    let asked = gateway.log();
    assert!(!asked.is_empty(), "nothing reached the gateway of {site}");
    assert!(gateway.writes().is_empty(), "{:?}", gateway.writes());
    assert!(planned().await, "nobody said yes");
}

/// What every answer says to browsers.
#[track_caller]
fn dressed(headers: &HeaderMap, case: &str, secure: bool) {
    let has = |name: &str| {
        let value = headers.get(name).map(|value| value.to_str());
        value.map_or("", |value| value.expect("text"))
    };
    let policy = has("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none';"),
        "{case}: {policy}"
    );
    for part in [
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(
            policy.split("; ").any(|has| has == part),
            "{case}: {policy}"
        );
    }
    assert!(!policy.contains("unsafe"), "{case}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(has(name), value, "{case}: {name}");
    }
    let https = if secure { "max-age=31536000" } else { "" };
    assert_eq!(has("strict-transport-security"), https, "{case}");
    assert_eq!(has("access-control-allow-origin"), "", "{case}");
}

#[tokio::test]
async fn over_https_every_answer_keeps_browsers_to_it() {
    let options = Options {
        public_url: Some("https://lockstep.example".to_owned()),
        ..Options::default()
    };
    let world = World::new(options).await;
    for path in world.paths.iter().map(String::as_str).chain(["/nothing"]) {
        for host in ["lockstep.example", "evil.example"] {
            let got = world.ask(&Method::GET, path, &[("host", host)]).await;
            dressed(&got.headers, path, true);
            let health = path == "/healthz" || path == "/readyz";
            let wrong = host == "evil.example" && !health;
            let misdirected = got.status == StatusCode::MISDIRECTED_REQUEST;
            assert_eq!(misdirected, wrong, "{path} {host}: {}", got.status);
        }
    }
    // The cookie has another name there, which a page over http cannot set.
    world.session().await;
    for (name, status) in [
        ("lockstep", StatusCode::UNAUTHORIZED),
        ("__Host-lockstep", StatusCode::OK),
    ] {
        let cookie = format!("{name}={SESSION}");
        let headers = [("host", "lockstep.example"), ("cookie", cookie.as_str())];
        let got = world.ask(&Method::GET, "/api/v1/session", &headers).await;
        assert_eq!(got.status, status, "{name}");
    }
}

#[tokio::test]
async fn a_part_of_a_page_leads_the_page_to_the_way_in_and_nowhere_else() {
    let world = World::new(Options::default()).await;
    for (page, way_in) in [
        ("http://127.0.0.1:7878/", "/sign-in"),
        (
            "http://127.0.0.1:7878/sites/main/models?show=failed&q=a%20b#table",
            "/sign-in?back=%2Fsites%2Fmain%2Fmodels%3Fshow%3Dfailed%26q%3Da%2520b",
        ),
        // Of an address elsewhere the path is taken, which is one of ours.
        ("https://evil.example/sites", "/sign-in?back=%2Fsites"),
        ("https://evil.example//evil.example/x", "/sign-in"),
        ("https://evil.example/\\evil.example", "/sign-in"),
        ("javascript:alert(1)", "/sign-in"),
        ("/sites/main/models", "/sign-in"),
        ("", "/sign-in"),
    ] {
        for accept in ["*/*", "text/html"] {
            let part = [
                ("host", HOST),
                ("accept", accept),
                ("hx-request", "true"),
                ("hx-current-url", page),
            ];
            let got = world.ask(&Method::GET, "/sites/main/models", &part).await;
            assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{page}");
            assert_eq!(got.headers["hx-redirect"], way_in, "{page}");
            dressed(&got.headers, page, false);
        }
    }
    // Without the page's address it leads to the overview.
    let part = [("host", HOST), ("hx-request", "true")];
    let got = world.ask(&Method::GET, "/", &part).await;
    assert_eq!(got.headers["hx-redirect"], "/sign-in");
    // Whoever is known is led nowhere.
    world.session().await;
    let cookie = format!("lockstep={SESSION}");
    let known = [
        ("host", HOST),
        ("hx-request", "true"),
        ("cookie", cookie.as_str()),
    ];
    let got = world.ask(&Method::GET, "/api/v1/session", &known).await;
    assert_eq!(got.status, StatusCode::OK);
    assert!(!got.headers.contains_key("hx-redirect"));
}

#[tokio::test]
async fn what_does_not_exist_is_kept_from_whoever_is_nobody_and_people_are_led_in() {
    let world = World::new(Options::default()).await;
    let nobody = [("host", HOST)];
    let got = world.ask(&Method::GET, "/nothing", &nobody).await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    assert_eq!(got.headers["www-authenticate"], "Bearer");
    assert!(!got.headers.contains_key("hx-redirect"));
    let browser = [("host", HOST), ("accept", "text/html,*/*;q=0.8")];
    let got = world.ask(&Method::GET, "/nothing", &browser).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    assert_eq!(got.headers["location"], "/sign-in?back=%2Fnothing");
    dressed(&got.headers, "redirect", false);
    let got = world.ask(&Method::POST, "/nothing", &browser).await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    world.session().await;
    let cookie = format!("lockstep={SESSION}");
    let person = [("host", HOST), ("cookie", cookie.as_str())];
    let got = world.ask(&Method::GET, "/nothing", &person).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    // Somebody followed a link from elsewhere to a page.
    let link = [
        ("host", HOST),
        ("cookie", cookie.as_str()),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    let got = world.ask(&Method::GET, "/api/v1/session", &link).await;
    assert_eq!(got.status, StatusCode::OK);
    for hosts in [&[][..], &[("host", HOST), ("host", "evil.example")]] {
        let got = world.ask(&Method::GET, "/sign-in", hosts).await;
        assert_eq!(got.status, StatusCode::MISDIRECTED_REQUEST, "{hosts:?}");
    }
}

#[tokio::test]
async fn a_body_over_the_most_is_refused_before_it_is_read_and_while_it_is() {
    let world = World::new(Options::default()).await;
    for (told, size, status) in [
        (true, super::door::BODY, StatusCode::BAD_REQUEST),
        (true, super::door::BODY + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (false, super::door::BODY, StatusCode::BAD_REQUEST),
        (false, super::door::BODY + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let text = " ".repeat(size);
        let body = match told {
            true => Body::from(text),
            false => Body::from_stream(futures_util::stream::iter(
                text.into_bytes()
                    .chunks(1000)
                    .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
                    .collect::<Vec<_>>(),
            )),
        };
        let request = Request::post("/api/v1/sign-in")
            .header("host", HOST)
            .header("content-type", "application/json");
        let request = request.body(body).expect("a request");
        let answer = world.router.clone().oneshot(request).await;
        assert_eq!(answer.expect("an answer").status(), status, "{told} {size}");
    }
}

#[tokio::test]
async fn a_list_that_is_too_long_is_read_to_its_end_and_answered_with_a_page_that_says_so() {
    let world = World::new(Options::default()).await;
    world.session().await;
    let cookie = format!("lockstep={SESSION}");
    let size = super::door::LIST + 1;
    for (accept, said) in [
        ("text/html,*/*;q=0.8", "This list is longer than 16 MiB"),
        ("application/json", "\"code\":\"too_large\""),
    ] {
        let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = read.clone();
        let parts = (0..size).step_by(1 << 20).map(move |at| {
            let part = vec![b' '; (1 << 20).min(size - at)];
            count.fetch_add(part.len(), std::sync::atomic::Ordering::Relaxed);
            Ok::<_, std::io::Error>(part)
        });
        let request = Request::post("/sites/main/prices/sources/upload")
            .header("host", HOST)
            .header("origin", format!("http://{HOST}"))
            .header("cookie", &cookie)
            .header("accept", accept)
            .header("content-type", "multipart/form-data; boundary=edge")
            .header("content-length", size);
        let body = Body::from_stream(futures_util::stream::iter(parts));
        let request = request.body(body).expect("a request");
        let answer = world.router.clone().oneshot(request).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
        let text = String::from_utf8(text.expect("a body").to_vec()).expect("UTF-8");
        assert!(text.contains(said), "{text}");
        let page = accept.starts_with("text/html");
        assert_eq!(
            text.contains("href=\"/sites/main/prices/sources\""),
            page,
            "{text}"
        );
        // A browser shows the answer only once it has sent all.
        let read = read.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(read == size, page, "{read}");
    }
}
