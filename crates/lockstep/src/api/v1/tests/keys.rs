//! Requests with an `Idempotency-Key`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Extension, Router, middleware};
use lockstep_core::hash::Digest;
use lockstep_run::Source;
use lockstep_run::jobs::{Go, Order};
use lockstep_sim::Gateway;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use super::super::idempotency::once;
use super::tester::{Tester, healthy, person, whole};
use crate::api::orders;
use crate::server::caller::Scope;
use crate::server::door::LIST;
use crate::server::problem::Problem;

const RUNS: &str = "/api/v1/sites/main/runs";

#[tokio::test]
async fn a_run_that_is_asked_for_twice_is_started_once() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let body = json!({"subject": "models", "what": "all", "plan_only": true});
    let ask = async |body: Value, key: &str| {
        let headers = [("idempotency-key", key)];
        tester.send(Method::POST, RUNS, Some(body), &headers).await
    };
    let first = ask(body.clone(), "k1").await;
    assert_eq!(first.status, 202);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = ask(body.clone(), "k1").await;
    assert_eq!(again.status, 202);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.body, first.body);
    assert_eq!(
        again.headers[header::LOCATION],
        first.headers[header::LOCATION]
    );
    let mut other = body.clone();
    other["plan_only"] = json!(false);
    let reused = ask(other, "k1").await;
    assert_eq!(
        (reused.status.as_u16(), &reused.body["code"]),
        (422, &json!("key_reused"))
    );
    tester
        .until(first.body["run"].as_str().expect("an id"), &["planned"])
        .await;
    assert_eq!(
        tester.get(RUNS).await.body["runs"].as_array().map(Vec::len),
        Some(1)
    );
    // A key is its caller's: somebody else's same word is another key.
    let planner = Tester::over(tester.app.clone(), Scope::Plan).await;
    let theirs = planner
        .send(Method::POST, RUNS, Some(body), &[("idempotency-key", "k1")])
        .await;
    assert_ne!(theirs.body["run"], first.body["run"]);
    // Answers that refuse are answers too.
    let wrong = json!({"subject": "models", "what": "selected", "plan_only": true});
    assert_eq!(ask(wrong.clone(), "k2").await.status, 400);
    let again = ask(wrong, "k2").await;
    assert_eq!(again.status, 400);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.body["code"], "empty_selection");
}

#[tokio::test]
async fn a_request_that_is_still_being_done_is_not_done_again() {
    let tester = Tester::new().await;
    let sent = json!({"name": "x"});
    let digest = |path: &str| {
        let sent = sent.to_string();
        Digest::of([b"PATCH".as_slice(), path.as_bytes(), sent.as_bytes()])
    };
    let path = "/api/v1/sites/main";
    let now = tester.app.now();
    for (key, at, code) in [
        ("now", now, "still_doing"),
        ("then", now - 3_600_000, "outcome_unknown"),
    ] {
        let store = tester.app.store();
        store
            .begin_request(&tester.caller.key(), key, &digest(path), at)
            .await
            .expect("it is begun");
        let answer = tester
            .send(
                Method::PATCH,
                path,
                Some(sent.clone()),
                &[("idempotency-key", key)],
            )
            .await;
        assert_eq!(answer.status, 409);
        assert_eq!(answer.body["code"], code);
        assert_eq!(
            answer.headers.contains_key(header::RETRY_AFTER),
            key == "now"
        );
    }
    let long = "k".repeat(201);
    let refused = tester
        .send(
            Method::PATCH,
            path,
            Some(sent),
            &[("idempotency-key", &long)],
        )
        .await;
    assert_eq!(refused.status, 400);
}

/// A route that counts how often it was reached and answers as its path says.
async fn counting() -> (Router, Arc<AtomicUsize>, Arc<Notify>) {
    let app = Tester::new().await.app;
    let (reached, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let answer = {
        let (reached, gate) = (reached.clone(), gate.clone());
        move |request: Request<Body>| async move {
            let count = reached.fetch_add(1, Ordering::SeqCst) + 1;
            match request.uri().path() {
                "/fails" => StatusCode::BAD_GATEWAY.into_response(),
                "/busy" => StatusCode::CONFLICT.into_response(),
                "/often" => StatusCode::TOO_MANY_REQUESTS.into_response(),
                "/frees" if count == 1 => StatusCode::CONFLICT.into_response(),
                "/long" => "x".repeat((1 << 20) + 1).into_response(),
                "/secret" => ([(header::CACHE_CONTROL, "no-store")], "secret").into_response(),
                "/slow" => {
                    gate.notified().await;
                    count.to_string().into_response()
                }
                _ => count.to_string().into_response(),
            }
        }
    };
    let router = Router::new()
        .fallback_service(any(answer))
        .layer(middleware::from_fn_with_state(app, once))
        .layer(Extension(person()));
    (router, reached, gate)
}

async fn send(router: &Router, method: Method, path: &str, key: &str) -> Response {
    send_body(router, method, path, key, Body::empty()).await
}

async fn send_body(router: &Router, method: Method, path: &str, key: &str, body: Body) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("idempotency-key", key)
        .body(body)
        .expect("a request");
    router.clone().oneshot(request).await.expect("an answer")
}

#[tokio::test]
async fn what_came_to_nothing_may_be_sent_again_and_what_is_not_kept_is_not_done_again() {
    let (router, reached, _) = counting().await;
    let count = || reached.swap(0, Ordering::SeqCst);
    for (path, statuses, times) in [
        ("/fine", [200, 200, 200], 1),
        ("/fails", [502, 502, 502], 3),
        ("/busy", [409, 409, 409], 3),
        ("/often", [429, 429, 429], 3),
        ("/frees", [409, 200, 200], 2),
        ("/long", [200, 409, 409], 1),
        ("/secret", [200, 409, 409], 1),
    ] {
        for status in statuses {
            let answer = send(&router, Method::POST, path, path).await;
            assert_eq!(answer.status(), status, "{path}");
            if status == 409 && ["/long", "/secret"].contains(&path) {
                let body = whole(answer).await;
                let problem: Value = serde_json::from_slice(&body).expect("JSON");
                assert_eq!(problem["code"], "answered_once");
            }
        }
        assert_eq!(count(), times, "{path}");
    }
    for _ in 0..2 {
        assert_eq!(
            send(&router, Method::GET, "/looks", "k").await.status(),
            200
        );
    }
    assert_eq!(count(), 2, "looking is done as often as asked");
    assert_eq!(
        send(&router, Method::DELETE, "/fine", "/fine")
            .await
            .status(),
        422
    );
}

#[tokio::test]
async fn a_whole_price_list_is_taken_with_a_key_and_known_again() {
    let (router, reached, _) = counting().await;
    let list = "x".repeat(LIST);
    let mut other = list.clone();
    other.replace_range(LIST - 1.., "y");
    for (list, status) in [(&list, 200), (&list, 200), (&other, 422)] {
        let body = Body::from(list.clone());
        let answer = send_body(&router, Method::PUT, "/fine", "k", body).await;
        assert_eq!(answer.status(), status);
    }
    assert_eq!(reached.load(Ordering::SeqCst), 1);
    let more = Body::from("x".repeat(LIST + 1));
    let refused = send_body(&router, Method::PUT, "/fine", "more", more).await;
    assert_eq!(refused.status(), 413);
}

#[tokio::test]
async fn a_request_whose_sender_went_away_is_done_and_its_answer_waits() {
    let (router, reached, gate) = counting().await;
    let gone = tokio::spawn({
        let router = router.clone();
        async move { send(&router, Method::POST, "/slow", "k").await }
    });
    while reached.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    assert!(gone.await.is_err());
    let waits = send(&router, Method::POST, "/slow", "k").await;
    assert_eq!(waits.status(), 409);
    gate.notify_one();
    let answer = loop {
        let answer = send(&router, Method::POST, "/slow", "k").await;
        if answer.status() != 409 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer.headers()["idempotency-replayed"], "true");
    assert_eq!(whole(answer).await, "1");
    assert_eq!(reached.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_began_before_its_answer_failed_is_begun_once() {
    let gateway = Gateway::start(healthy()).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let (app, caller) = (tester.app.clone(), tester.caller.clone());
    let begin = move || {
        let (app, caller) = (app.clone(), caller.clone());
        async move {
            let site = orders::site(&app, "main").await?;
            let laid = orders::settings(&app, &site, &BTreeMap::new())?;
            let access = orders::access(&app, site).await?;
            let request = orders::models(Source::All, &laid, false);
            let order = Order::Models(Box::new(request), Go::Plans);
            orders::start(&app, &caller, access, laid.settings, order, false).await?;
            // The run is there, and then the database fails, say.
            Err::<(), _>(Problem::internal())
        }
    };
    let router = Router::new()
        .fallback_service(any(begin))
        .layer(middleware::from_fn_with_state(tester.app.clone(), once))
        .layer(Extension(person()));
    let first = send(&router, Method::POST, "/begins", "k").await;
    assert_eq!(first.status(), 500);
    let runs = async || tester.get(RUNS).await.body["runs"].clone();
    let begun = runs().await;
    let id = begun[0]["run"].as_str().expect("a run").to_owned();
    for _ in 0..2 {
        let again = send(&router, Method::POST, "/begins", "k").await;
        assert_eq!(again.status(), 202);
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        let place = again.headers()[header::LOCATION].to_str().expect("a text");
        assert!(place.ends_with(&id), "{place}");
        let body: Value = serde_json::from_slice(&whole(again).await).expect("JSON");
        assert_eq!(body["run"], json!(id));
    }
    tester.until(&id, &["planned"]).await;
    assert_eq!(runs().await.as_array().map(Vec::len), Some(1));
}
