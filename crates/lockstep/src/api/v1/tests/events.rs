//! Events as listeners get them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::{Method, header};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use lockstep_sim::{Fault, Gateway, Matcher, Rule};
use lockstep_store::StoreError;
use lockstep_store::events::{Event, EventKind};
use serde_json::{Value, json};

use super::super::events::Listener as Told;
use super::super::feed::{Batch, Feed};
use super::super::hub::{Hub, Topic};
use super::tester::{Tester, healthy, person};
use crate::server::caller::Who;
use crate::server::door::staying::Staying;

const RUNS: &str = "/api/v1/sites/main/runs";
const PATIENCE: Duration = Duration::from_secs(60);

/// What a listener got: the id, if it has one, the kind and the data.
#[derive(Clone, Debug, PartialEq)]
struct Got {
    id: Option<String>,
    kind: String,
    data: Value,
}

struct Listener {
    stream: BodyDataStream,
    text: String,
}

impl Listener {
    async fn at(tester: &Tester, path: &str, last: Option<&str>) -> Self {
        let headers: Vec<(&str, &str)> = last.map(|id| ("last-event-id", id)).into_iter().collect();
        let answer = tester.raw(Method::GET, path, vec![], &headers).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            stream: answer.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next event; `None` once the stream ends.
    async fn next(&mut self) -> Option<Got> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                if event.starts_with(':') {
                    continue;
                }
                let data = field("data: ").expect("data");
                return Some(Got {
                    id: field("id: "),
                    kind: field("event: ").expect("a kind"),
                    data: serde_json::from_str(&data).expect("JSON"),
                });
            }
            let chunk = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            let chunk = chunk.expect("something comes")?.expect("it is read");
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("a text"));
        }
    }

    /// All that has an id, and the end; until the stream ends.
    async fn all(mut self) -> Vec<Got> {
        let mut got = Vec::new();
        while let Some(event) = self.next().await {
            if event.kind != "progress" {
                got.push(event);
            }
        }
        got
    }
}

async fn planned(tester: &Tester) -> Value {
    let body = json!({"subject": "models", "what": "all", "plan_only": true});
    tester.run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_what_was_and_what_happens_and_the_end() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let run = planned(&tester).await;
    let path = format!("{RUNS}/{}", run["run"].as_str().expect("an id"));
    let events = format!("{path}/events");
    let mut first = Listener::at(&tester, &events, None).await;
    let mut before = Vec::new();
    // What was: up to the plan. The listener is there when the run goes on.
    while before
        .last()
        .is_none_or(|got: &Got| got.data["state"] != "planned")
    {
        before.push(first.next().await.expect("an event"));
    }
    let yes = json!({"plan": run["plan"]});
    assert_eq!(tester.post(&format!("{path}/apply"), yes).await.status, 202);
    let mut heard = before.clone();
    heard.extend(first.all().await);
    let end = heard.pop().expect("the end");
    assert_eq!((end.kind.as_str(), &end.id), ("end", &None));
    let ids: Vec<i64> = heard
        .iter()
        .map(|got| got.id.as_ref().expect("an id").parse().expect("a number"))
        .collect();
    let whole: Vec<i64> = (1..=i64::try_from(heard.len()).expect("few")).collect();
    assert_eq!(ids, whole, "each once, in order, without a gap");
    let last = heard.last().expect("events");
    assert_eq!(
        (last.kind.as_str(), &last.data["state"]),
        ("run_state", &json!("done"))
    );
    assert!(
        heard
            .iter()
            .any(|got| got.kind == "item" && got.data["channel_id"] == 1)
    );
    assert!(heard.iter().all(|got| got.data["run"] == run["run"]));
    // Whoever comes later hears the same, from where he was.
    let all = Listener::at(&tester, &events, None).await.all().await;
    assert_eq!(all[..all.len() - 1], heard[..]);
    let rest = Listener::at(&tester, &events, Some("3")).await.all().await;
    assert_eq!(rest[..rest.len() - 1], heard[3..]);
    let rest = Listener::at(&tester, &format!("{events}?after=3"), None).await;
    assert_eq!(rest.all().await.len(), heard.len() - 3 + 1);
    let seen = heard.len().to_string();
    let nothing = Listener::at(&tester, &events, Some(&seen))
        .await
        .all()
        .await;
    assert_eq!(nothing.len(), 1, "the end alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_to_all_hears_every_run_and_goes_on_where_he_was() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let before = planned(&tester).await;
    let mut listener = Listener::at(&tester, "/api/v1/events", None).await;
    let run = planned(&tester).await;
    let mut heard = Vec::new();
    while heard
        .last()
        .is_none_or(|got: &Got| got.data["state"] != "planned")
    {
        let got = listener.next().await.expect("an event");
        assert_ne!(got.data["run"], before["run"], "that was before");
        if got.kind != "progress" {
            heard.push(got);
        }
    }
    let seqs: Vec<i64> = heard
        .iter()
        .filter_map(|got| got.data["seq"].as_i64())
        .collect();
    assert!(seqs.is_sorted() && seqs.first() == Some(&1), "{seqs:?}");
    drop(listener);
    let third = planned(&tester).await;
    let middle = heard[2].id.clone().expect("an id");
    let mut listener = Listener::at(&tester, "/api/v1/events", Some(&middle)).await;
    let mut rest = Vec::new();
    loop {
        let got = listener.next().await.expect("an event");
        let last = got.data["run"] == third["run"] && got.data["state"] == "planned";
        if got.kind != "progress" {
            rest.push(got);
        }
        if last {
            break;
        }
    }
    let of = |run: &Value| -> Vec<Value> {
        let some = rest.iter().filter(|got| got.data["run"] == run["run"]);
        some.map(|got| got.data["seq"].clone()).collect()
    };
    let missed: Vec<Value> = heard[3..]
        .iter()
        .map(|got| got.data["seq"].clone())
        .collect();
    assert_eq!(of(&run), missed);
    assert_eq!(of(&third).first(), Some(&json!(1)));
    assert!(of(&before).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_gateway_asks_for_is_heard_with_what_waits_for_it() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let list = Matcher::get("/api/channel/");
    gateway.fault(Rule::once(list, Fault::too_many("1")));
    let mut all = Listener::at(&tester, "/api/v1/events", None).await;
    let run = planned(&tester).await;
    let heard = loop {
        let got = all.next().await.expect("an event");
        if got.kind == "throttled" {
            break got;
        }
    };
    assert!(heard.id.is_some(), "it is stored");
    assert_eq!(heard.data["run"], run["run"]);
    let request = heard.data["request"].as_str().expect("a request");
    assert!(request.starts_with("GET /api/channel/"), "{request}");
    let wait = heard.data["wait_ms"].as_i64().expect("a time");
    assert!((1..=1_000).contains(&wait), "{wait}");
    let path = format!("{RUNS}/{}/events", run["run"].as_str().expect("an id"));
    let mut of_run = Listener::at(&tester, &path, None).await;
    let again = loop {
        let got = of_run.next().await.expect("an event");
        if got.kind == "throttled" {
            break got;
        }
    };
    assert_eq!(again.data, heard.data);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_listeners_hear_the_same_and_all_end_when_the_server_stops() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let run = planned(&tester).await;
    let path = format!("{RUNS}/{}", run["run"].as_str().expect("an id"));
    let events = format!("{path}/events");
    let mut listeners = Vec::new();
    for _ in 0..200 {
        listeners.push(Listener::at(&tester, &events, None).await);
    }
    let all = Listener::at(&tester, "/api/v1/events", None).await;
    let yes = json!({"plan": run["plan"]});
    assert_eq!(tester.post(&format!("{path}/apply"), yes).await.status, 202);
    let mut first: Option<Vec<Got>> = None;
    for listener in listeners {
        let heard = listener.all().await;
        assert_eq!(heard.last().map(|got| got.kind.as_str()), Some("end"));
        let first = first.get_or_insert_with(|| heard.clone());
        assert_eq!(*first, heard);
    }
    let run = planned(&tester).await;
    let path = format!("{RUNS}/{}/events", run["run"].as_str().expect("an id"));
    let waiting = Listener::at(&tester, &path, None).await;
    tester.app.stop();
    let heard = waiting.all().await;
    assert!(
        heard.iter().all(|got| got.kind != "end"),
        "that run is not over"
    );
    all.all().await;
}

/// A history without an end, ten events at a time.
#[derive(Default)]
struct Endless(AtomicI64);

impl Endless {
    fn ten(&self, after: i64) -> BoxFuture<'_, Result<Batch, StoreError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let event = |number| Event {
            run_id: "r".to_owned(),
            seq: number,
            at: 0,
            kind: EventKind::Throttled,
            data: "{}".to_owned(),
            feed: number,
        };
        let events = (after + 1..=after + 10).map(event).collect();
        std::future::ready(Ok(Batch { events, more: true })).boxed()
    }
}

impl Feed for Endless {
    fn of_run<'a>(&'a self, _: &'a str, after: i64) -> BoxFuture<'a, Result<Batch, StoreError>> {
        self.ten(after)
    }

    fn end(&self) -> BoxFuture<'_, Result<i64, StoreError>> {
        std::future::ready(Ok(i64::MAX)).boxed()
    }

    fn of_all(&self, after: i64) -> BoxFuture<'_, Result<Batch, StoreError>> {
        self.ten(after)
    }
}

#[tokio::test]
async fn of_a_long_history_no_more_is_read_than_the_listener_takes() {
    let tester = Tester::new().await;
    for topic in [Topic::All, Topic::Run("r".to_owned())] {
        let feed = Arc::new(Endless::default());
        let hub = Hub::over(tester.app.clone(), feed.clone());
        let staying = Staying::new(&tester.app, tester.caller.clone(), PATIENCE);
        let mut listener = Told::new(&tester.app, hub, topic, 0, staying);
        for _ in 0..25 {
            let told = tokio::time::timeout(PATIENCE, listener.next()).await;
            assert!(told.expect("it comes").is_some());
        }
        assert_eq!(feed.0.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_token_or_session_is_ended_hears_nothing_more() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let run = planned(&tester).await;
    let store = tester.app.store();
    store
        .set_password("admin", "$none", None, 0)
        .await
        .expect("a person");
    let added = store.add_session(
        "s",
        "admin",
        crate::server::door::session::LASTING,
        tester.app.now(),
    );
    added.await.expect("a session");
    let person = Tester::with_caller(tester.app.clone(), person());
    let of_run = format!("{RUNS}/{}/events", run["run"].as_str().expect("an id"));
    let Who::Token { id, .. } = &tester.caller.who else {
        panic!("a token");
    };
    let listeners = [
        Listener::at(&tester, "/api/v1/events", None).await,
        Listener::at(&tester, &of_run, None).await,
    ];
    let mine = Listener::at(&person, "/api/v1/events", None).await;
    let token = format!("/api/v1/tokens/{id}");
    let removed = person.send(Method::DELETE, &token, None, &[]).await;
    assert_eq!(removed.status, 204);
    for listener in listeners {
        let heard = listener.all().await;
        assert!(heard.iter().all(|got| got.kind != "end"), "{heard:?}");
    }
    let left = person
        .send(Method::POST, "/api/v1/sign-out", None, &[])
        .await;
    assert_eq!(left.status, 204);
    assert!(mine.all().await.is_empty());
}
