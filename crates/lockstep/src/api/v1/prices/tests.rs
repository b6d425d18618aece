//! The routes about prices, over a simulated gateway, for somebody whom the door let in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use axum::response::Response;
use axum::{Extension, Router};
use lockstep_core::prices::usd::Usd;
use lockstep_core::site::GatewayUrl;
use lockstep_run::Engine;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_sim::price::pricing_list;
use lockstep_sim::{Channel, Gateway, Page, Price, Provider, Spec};
use lockstep_store::Store;
use lockstep_store::sites::NewSite;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::config::File;
use crate::server::Options;
use crate::server::caller::{Caller, Scope, Who};
use crate::view::prices::Money;

/// A gateway that serves four models and charges for two, and a list that agrees on one of them.
struct Shop {
    gateway: Gateway,
    app: App,
    router: Router,
}

/// What was answered.
struct Answer {
    status: u16,
    body: Value,
}

fn charged() -> [Price; 2] {
    [
        Price::tokens("amber", 2.0, 8.0),
        Price::tokens("birch", 1.0, 4.0),
    ]
}

fn list() -> Vec<Price> {
    vec![
        Price::tokens("amber", 2.0, 8.0),
        Price::tokens("birch", 1.5, 6.0),
        Price::tokens("cedar", 3.0, 15.0),
        Price::per_call("dune", 0.04),
    ]
}

/// A clock that is set forward.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl Ahead {
    fn minutes(&self, more: i64) {
        self.0.fetch_add(more * 60_000, Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn now(&self) -> i64 {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }
}

impl Shop {
    async fn open() -> Self {
        Self::with_clock(Arc::new(SystemClock)).await
    }

    async fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let spec = Spec::new()
            .provider(Provider::new("acme", ["amber", "birch", "cedar", "dune"]))
            .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&list()))
            .provider(
                Provider::new("page", Vec::<String>::new()).page("/api/pricing", Page::html()),
            )
            .channel(
                Channel::new(1, "Acme")
                    .at("acme")
                    .models("amber,birch,cedar,dune"),
            )
            .prices(&charged());
        let gateway = Gateway::start(spec).await.expect("it starts");
        let store = Store::open_temporary().await.expect("a store");
        let site = NewSite {
            name: Some("main".to_owned()),
            url: GatewayUrl::parse(&gateway.url()).expect("an address"),
            user_id: "1".to_owned(),
            console_url: None,
            allow_private: vec!["127.0.0.0/8".to_owned()],
            settings: BTreeMap::from([("pace".to_owned(), "auto".to_owned())]),
            token: Some(gateway.root_token().into()),
        };
        store
            .add_site(site, SystemClock.now())
            .await
            .expect("added");
        let engine = Engine::start(store, clock, "tests".to_owned());
        let app = App::new(
            engine.expect("an engine"),
            File::default(),
            Options::default(),
        );
        let (router, _) = routes().split_for_parts();
        let router = router.with_state(app.clone());
        Self {
            gateway,
            app,
            router,
        }
    }

    /// Asks as somebody with a scope, and reads what is answered.
    async fn ask(&self, scope: Scope, method: &str, path: &str, body: Option<Value>) -> Answer {
        let answer = self.send(scope, method, path, body).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        Answer {
            status: head.status.as_u16(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    async fn send(&self, scope: Scope, method: &str, path: &str, body: Option<Value>) -> Response {
        let caller = Caller {
            who: Who::Token {
                id: "t".to_owned(),
                name: "tests".to_owned(),
            },
            scopes: vec![scope],
        };
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let router = self.router.clone().layer(Extension(caller));
        let answer = router.oneshot(request.body(body).expect("a request")).await;
        answer.expect("an answer")
    }

    /// A file's lines, the heading first.
    async fn lines(&self, path: &str) -> Vec<Vec<String>> {
        let answer = self.send(Scope::Read, "GET", path, None).await;
        assert_eq!(
            answer.headers()[header::CONTENT_TYPE],
            "text/csv; charset=utf-8"
        );
        let bytes = to_bytes(answer.into_body(), usize::MAX).await;
        let bytes = bytes.expect("whole");
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(&*bytes);
        let lines = reader.records().map(|line| {
            let line = line.expect("a line");
            line.iter().map(str::to_owned).collect()
        });
        lines.collect()
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Scope::Read, "GET", path, None).await.is(200)
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Scope::Apply, "POST", path, Some(body)).await
    }

    fn source(&self, provider: &str) -> String {
        let url = self.gateway.provider(provider).base_url().to_owned();
        format!("{url},name={provider},endpoint=/api/pricing")
    }

    async fn remember(&self, provider: &str) {
        let source = json!({"source": self.source(provider)});
        self.post("/sites/main/sources", source).await.is(201);
    }
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }
}

/// The models and fields of a page of differences.
fn rows(page: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let rows = page["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| (text(&row["model"]), text(&row["field"])))
        .collect()
}

#[test]
fn sums_are_told_without_the_tail_of_their_making() {
    let usd = Usd {
        input: Some(0.1 * 3.0),
        ..Usd::default()
    };
    assert_eq!(Money::from(&usd).input, Some(0.3));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_tested_kept_moved_and_forgotten() {
    let shop = Shop::open().await;
    shop.remember("list").await;
    let page = json!({"source": shop.source("page")});
    let refused = shop.post("/sites/main/sources", page.clone()).await.is(409);
    assert_eq!(refused["code"], "source_failed");
    let again = json!({"source": shop.source("list")});
    assert_eq!(
        shop.post("/sites/main/sources", again).await.is(409)["code"],
        "conflict"
    );
    let untested = json!({"source": page["source"], "untested": true});
    let kept = shop.post("/sites/main/sources", untested).await.is(201);
    assert_eq!(
        (&kept["name"], &kept["position"]),
        (&json!("page"), &json!(2))
    );
    let test = shop
        .post("/sites/main/sources/test", json!({}))
        .await
        .is(200);
    let states: Vec<&Value> = test["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .map(|one| &one["state"])
        .collect();
    assert_eq!(states, ["ok", "not_a_price_list"]);
    let one = shop
        .post("/sites/main/sources/test", json!({"name": "page"}))
        .await
        .is(200);
    assert_eq!(one["sources"].as_array().map(Vec::len), Some(1));
    let place = shop
        .ask(
            Scope::Apply,
            "PUT",
            "/sites/main/sources/page/position",
            Some(json!({"position": 1})),
        )
        .await
        .is(200);
    assert_eq!(place["sources"][0]["name"], "page");
    shop.ask(
        Scope::Apply,
        "PUT",
        "/sites/main/sources/page/position",
        Some(json!({"position": 0})),
    )
    .await
    .is(400);
    shop.ask(Scope::Apply, "DELETE", "/sites/main/sources/page", None)
        .await
        .is(204);
    shop.ask(Scope::Apply, "DELETE", "/sites/main/sources/page", None)
        .await
        .is(404);
    let left = shop.get("/sites/main/sources").await;
    assert_eq!(left["sources"].as_array().map(Vec::len), Some(1));
    shop.ask(
        Scope::Plan,
        "POST",
        "/sites/main/sources",
        Some(json!({"source": "official"})),
    )
    .await
    .is(403);
    shop.ask(Scope::Read, "GET", "/sites/nowhere/sources", None)
        .await
        .is(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_make_the_server_read_its_files_or_send_its_secrets() {
    let shop = Shop::open().await;
    for source in [
        "file:/etc/passwd",
        "https://prices.example,token-env=HOME",
        "https://prices.example,header=X-Key:HOME",
    ] {
        let new = json!({"source": source, "untested": true});
        let refused = shop.post("/sites/main/sources", new).await.is(403);
        assert_eq!(refused["code"], "source_reaches_in", "{source}");
    }
    let nonsense = json!({"source": "nonsense"});
    shop.post("/sites/main/sources", nonsense).await.is(400);
    assert_eq!(shop.get("/sites/main/sources").await["sources"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_filtered_sorted_and_paged() {
    let shop = Shop::open().await;
    let none = shop.get("/sites/main/differences").await;
    assert_eq!(
        (&none["total"], &none["read_at"]),
        (&json!(0), &Value::Null)
    );
    let nothing = shop
        .ask(Scope::Plan, "POST", "/sites/main/differences/refresh", None)
        .await;
    assert_eq!(nothing.is(409)["code"], "no_source");
    shop.remember("list").await;
    shop.ask(Scope::Read, "POST", "/sites/main/differences/refresh", None)
        .await
        .is(403);
    let fresh = shop
        .ask(Scope::Plan, "POST", "/sites/main/differences/refresh", None)
        .await
        .is(200);
    assert_eq!(fresh["sources"][0]["state"], "ok");
    let asked = shop.gateway.provider("list").requests("/api/pricing");
    let all = shop.get("/sites/main/differences").await;
    assert_eq!(all["total"], fresh["total"]);
    assert_eq!(
        rows(&all)[0],
        ("birch".to_owned(), "model_ratio".to_owned())
    );
    let birch = &all["rows"][0];
    assert_eq!(
        (&birch["current"], &birch["usd"]["input"]),
        (&json!(0.5), &json!(1.0))
    );
    let said = &birch["sources"][0];
    assert_eq!(
        (&said["source"], &said["value"], &said["same"]),
        (&json!("list"), &json!(0.75), &json!(false))
    );
    assert_eq!(
        (&said["change"], &said["usd"]["output"]),
        (&json!("dearer"), &json!(6.0))
    );
    for (query, models) in [
        ("change=dearer", vec!["birch"]),
        ("change=cheaper", vec![]),
        ("change=new&field=model_price", vec!["dune"]),
        ("field=model_ratio", vec!["birch", "cedar"]),
        ("field=model_ratio&sort=-model", vec!["cedar", "birch"]),
        (
            "field=model_ratio&source=list&page=2&limit=1",
            vec!["cedar"],
        ),
        ("search=UNE", vec!["dune"]),
        ("reason=placeholder", vec![]),
    ] {
        let page = shop.get(&format!("/sites/main/differences?{query}")).await;
        let found: Vec<String> = rows(&page).into_iter().map(|(model, _)| model).collect();
        assert_eq!(found, models, "{query}");
    }
    for query in [
        "field=price",
        "reason=why",
        "change=up",
        "sort=x",
        "page=0",
        "limit=501",
        "limit=0",
        "what=x",
    ] {
        shop.ask(
            Scope::Read,
            "GET",
            &format!("/sites/main/differences?{query}"),
            None,
        )
        .await
        .is(400);
    }
    shop.ask(Scope::Read, "GET", "/sites/main/differences?source=x", None)
        .await
        .is(404);
    assert_eq!(
        shop.gateway.provider("list").requests("/api/pricing"),
        asked,
        "looking asks no source"
    );
    assert!(shop.gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_is_there_for_a_server_that_begins_anew() {
    let shop = Shop::open().await;
    shop.remember("list").await;
    shop.ask(Scope::Plan, "POST", "/sites/main/differences/refresh", None)
        .await
        .is(200);
    let before = shop.get("/sites/main/differences").await;
    let page = Page::json(pricing_list(&charged(), &[("default", 1.0)]));
    shop.gateway.provider("list").set_page("/api/pricing", page);
    let anew = Shop {
        router: routes().split_for_parts().0.with_state(shop.app.clone()),
        ..shop
    };
    let after = anew.get("/sites/main/differences").await;
    assert_eq!(after["rows"], before["rows"]);
    anew.ask(Scope::Plan, "POST", "/sites/main/differences/refresh", None)
        .await
        .is(200);
    assert_eq!(anew.get("/sites/main/differences").await["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_given_listed_and_taken_back() {
    let shop = Shop::open().await;
    let path = "/sites/main/prices/answers";
    let decide = |answer: &str, models: &[&str]| json!({"answer": answer, "models": models});
    assert_eq!(
        shop.post(path, decide("lock", &[])).await.is(400)["code"],
        "empty_selection"
    );
    let mut one = decide("lock", &["amber"]);
    one["field"] = json!("cache_ratio");
    shop.post(path, one.clone()).await.is(200);
    shop.post(path, decide("ignore", &["dune"])).await.is(200);
    let kinds = shop
        .post(path, decide("keep_kind", &["birch"]))
        .await
        .is(200);
    let told: Vec<(&Value, &Value, &Value)> = kinds["answers"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|one| (&one["model"], &one["answer"], &one["by"]))
        .collect();
    let by = json!("tests (token)");
    let (amber, birch, dune) = (json!("amber"), json!("birch"), json!("dune"));
    let (lock, keep_kind, ignore) = (json!("lock"), json!("keep_kind"), json!("ignore"));
    assert_eq!(
        told,
        [
            (&amber, &lock, &by),
            (&birch, &keep_kind, &by),
            (&dune, &ignore, &by)
        ]
    );
    assert_eq!(kinds["answers"][1]["kind"], "per_token");
    assert_eq!(
        shop.post(path, decide("keep_kind", &["cedar"]))
            .await
            .is(409)["code"],
        "no_price"
    );
    one["answer"] = json!("ignore");
    shop.post(path, one).await.is(400);
    shop.post(path, decide("unlock", &["amber", "cedar"]))
        .await
        .is(404);
    let left = shop
        .post(path, decide("unlock", &["amber", "birch"]))
        .await
        .is(200);
    assert_eq!(left["answers"].as_array().map(Vec::len), Some(1));
    assert_eq!(shop.get(path).await, left);
    shop.ask(Scope::Plan, "POST", path, Some(decide("lock", &["amber"])))
        .await
        .is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unpriced_are_told_with_who_serves_them() {
    let shop = Shop::open().await;
    let told = shop.get("/sites/main/prices/unpriced").await;
    let one = |model: &str| json!({"model": model, "channels": [1], "waits_on": [], "billed": "refused", "proposal": null, "proposals": []});
    assert_eq!(
        told,
        json!({"unpriced": [one("cedar"), one("dune")], "run": null})
    );
    let ignore = json!({"answer": "ignore", "models": ["dune"]});
    shop.post("/sites/main/prices/answers", ignore)
        .await
        .is(200);
    let told = shop.get("/sites/main/prices/unpriced").await;
    assert_eq!(told["unpriced"], json!([one("cedar")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_proposes_and_what_was_written_is_told() {
    use lockstep_run::Watch;
    use lockstep_run::prices::plan::PriceRequest;
    use lockstep_run::prices::review::PriceApproval;

    use crate::api::orders::{Reached, site};
    use crate::ordering::Asked;

    let shop = Shop::open().await;
    shop.remember("list").await;
    shop.ask(Scope::Plan, "POST", "/sites/main/differences/refresh", None)
        .await
        .is(200);
    let main = site(&shop.app, "main").await.expect("the site");
    let reached = Reached::of(&shop.app, main).await.expect("reached");
    let session = reached.session(&shop.app, "tests");
    let mut settings = reached.settings.clone();
    settings.set("price-mode", "both").expect("a mode");
    let collecting = reached
        .collecting(&[Asked::typed(&shop.source("list"))])
        .expect("read");
    let request = PriceRequest {
        whole: true,
        ..PriceRequest::new(collecting, settings, false)
    };
    let run = session
        .plan_prices(&request, &Watch::default())
        .await
        .expect("planned");
    let page = shop.get("/sites/main/differences?field=model_ratio").await;
    assert_eq!(page["run"], json!(run.id));
    let birch = &page["rows"][0];
    assert_eq!(
        (&birch["model"], &birch["proposal"]["value"]),
        (&json!("birch"), &json!(0.75))
    );
    assert_eq!(birch["proposal"]["source"], "list");
    let unpriced = shop.get("/sites/main/prices/unpriced").await;
    assert_eq!(unpriced["unpriced"][0]["proposal"]["usd"]["input"], 3.0);
    let dune = json!([{
        "source": "list", "alike": null, "values": {"model_price": 0.04},
        "usd": {"input": null, "output": null, "cache_read": null, "cache_write": null, "per_call": 0.04},
    }]);
    assert_eq!(unpriced["unpriced"][1]["proposals"], dune);
    assert_eq!(
        shop.get("/sites/main/prices/history?model=birch").await["written"],
        json!([])
    );
    let approval = PriceApproval {
        only: Some(vec!["birch".to_owned()]),
        by: "tests".to_owned(),
        rebases: false,
    };
    session
        .write_prices(&run.id, &approval, &Watch::default())
        .await
        .expect("written");
    let history = shop.get("/sites/main/prices/history?model=birch").await;
    let written = history["written"].as_array().expect("written");
    assert!(
        written
            .iter()
            .any(|one| one["field"] == "model_ratio" && one["new"] == 0.75 && one["old"] == 0.5),
        "{history:#}"
    );
    // What was written is no difference any more, though nobody asked the sources again.
    let models: Vec<String> = rows(&shop.get("/sites/main/differences").await)
        .into_iter()
        .map(|(model, _)| model)
        .collect();
    assert!(!models.contains(&"birch".to_owned()), "{models:?}");
    let channel = shop.get("/sites/main/channels/1/history?limit=3").await;
    assert_eq!(channel, json!({"channel_id": 1, "changes": []}));
    shop.ask(Scope::Read, "GET", "/sites/main/prices/history", None)
        .await
        .is(400);
    shop.ask(
        Scope::Read,
        "GET",
        "/sites/main/prices/history?model=birch&limit=501",
        None,
    )
    .await
    .is(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_table_is_shown_with_its_age_while_another_one_is_made() {
    let clock = Arc::new(Ahead::default());
    let shop = Shop::with_clock(clock.clone()).await;
    shop.remember("list").await;
    shop.ask(Scope::Plan, "POST", "/sites/main/differences/refresh", None)
        .await
        .is(200);
    let path = "/sites/main/differences";
    let first = shop.get(path).await;
    assert_eq!(first["refreshing"], false);
    clock.minutes(11);
    let old = shop.get(path).await;
    assert_eq!(
        (&old["read_at"], &old["refreshing"], &old["rows"]),
        (&first["read_at"], &json!(true), &first["rows"])
    );
    let made = async {
        loop {
            let now = shop.get(path).await;
            if now["refreshing"] == false {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    let made = tokio::time::timeout(std::time::Duration::from_secs(60), made).await;
    let made = made.expect("another table");
    assert_ne!(made["read_at"], first["read_at"]);
    assert_eq!(made["rows"], first["rows"]);
    // A gateway that is gone: what is there is shown for a while, and then what is wrong.
    shop.gateway.stop();
    clock.minutes(11);
    assert_eq!(shop.get(path).await["refreshing"], true);
    clock.minutes(20);
    shop.ask(Scope::Read, "GET", path, None).await.is(502);
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_and_the_unpriced_are_files_by_the_filter_of_their_lists() {
    let shop = Shop::open().await;
    let none = shop.lines("/sites/main/differences.csv").await;
    assert_eq!(none.len(), 1, "the heading alone");
    shop.remember("list").await;
    shop.ask(Scope::Plan, "POST", "/sites/main/differences/refresh", None)
        .await
        .is(200);
    for filter in ["", "?field=model_ratio", "?sort=-model&limit=1&page=2"] {
        let list = format!(
            "/sites/main/differences{}",
            filter.replace("&limit=1&page=2", "")
        );
        let listed = shop.get(&list).await;
        let file = shop
            .lines(&format!("/sites/main/differences.csv{filter}"))
            .await;
        let told: Vec<(String, String)> = file[1..]
            .iter()
            .map(|line| (line[0].clone(), line[1].clone()))
            .collect();
        assert_eq!(told, rows(&listed), "{filter}");
        let whole = shop
            .get(&format!("/sites/main/differences.json{filter}"))
            .await;
        assert_eq!(whole["rows"], listed["rows"], "{filter}");
    }
    let birch = shop
        .lines("/sites/main/differences.csv?search=birch&field=model_ratio")
        .await;
    let cell = |name: &str| {
        let place = birch[0].iter().position(|column| column == name);
        birch[1][place.expect("a column")].as_str()
    };
    assert_eq!(
        (
            cell("current"),
            cell("said.source"),
            cell("said.value"),
            cell("said.change")
        ),
        ("0.5", "list", "0.75", "dearer")
    );
    let unpriced = shop.lines("/sites/main/prices/unpriced.csv").await;
    let models: Vec<&str> = unpriced[1..].iter().map(|line| line[0].as_str()).collect();
    assert_eq!(models, ["cedar", "dune"]);
    assert_eq!(unpriced[1][1], "1");
}
