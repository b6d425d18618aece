//! What is true of every route.

use std::collections::BTreeSet;

use axum::http::{Method, header};
use serde_json::{Value, json};

use super::super::openapi::document;
use super::tester::{Tester, whole};
use crate::api::ratio_sync;
use crate::server::caller::Scope;
use crate::server::routed::routed;

#[tokio::test]
async fn the_document_is_openapi_3_1_and_has_every_route() {
    let tester = Tester::new().await;
    let told = tester.get("/api/v1/openapi.json").await;
    assert_eq!(told.body["openapi"], "3.1.0");
    let paths = told.body["paths"].as_object().expect("paths");
    let (router, _) = crate::api::routes(&tester.app).split_for_parts();
    let routed = routed(&router);
    for (path, methods) in &routed {
        // What the gateway's own API has no description of is answered as it answers it.
        if !paths.contains_key(path) && ratio_sync::is_ours(path) {
            continue;
        }
        let item = paths
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not described"));
        let described: BTreeSet<String> = item
            .as_object()
            .expect("methods")
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let mut methods = methods
            .clone()
            .unwrap_or_else(|| panic!("{path} takes any method"));
        methods.remove("HEAD");
        assert_eq!(methods, described, "{path}");
    }
    for path in paths.keys() {
        assert!(routed.contains_key(path), "{path} is not there");
    }
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("methods") {
            let named = format!("{method} {path}");
            let summary = operation["summary"].as_str().unwrap_or("");
            assert!(!summary.is_empty(), "{named} says nothing of itself");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let said = parameter["description"].as_str().unwrap_or("");
                assert!(!said.is_empty(), "{named}: {}", parameter["name"]);
            }
            let problem = &operation["responses"]["default"]["content"];
            if path.starts_with("/api/v1") {
                let problem = &problem["application/problem+json"]["schema"];
                assert_eq!(problem["$ref"], "#/components/schemas/Problem", "{named}");
            }
        }
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let tester = Tester::new().await;
    let document = document(&tester.app);
    let mut places = Vec::new();
    references(document, &mut places);
    assert!(places.len() > 50);
    for place in places {
        let pointer = place.strip_prefix('#').expect("in this document");
        assert!(document.pointer(pointer).is_some(), "{place}");
    }
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .expect("schemas")
    {
        let whole = json!({"allOf": [schema], "components": document["components"]});
        jsonschema::meta::validate(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn references(value: &Value, places: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(place)) = object.get("$ref") {
                places.push(place.clone());
            }
            object.values().for_each(|value| references(value, places));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, places)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_has_every_route_and_nothing_from_elsewhere() {
    let tester = Tester::new().await;
    let answer = tester.raw(Method::GET, "/api/v1/docs", vec![], &[]).await;
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    let page = String::from_utf8(whole(answer).await.to_vec()).expect("a text");
    for word in ["<script", "<link", "src=", "http://", "https://", "<style"] {
        assert!(!page.contains(word), "{word}");
    }
    let document = document(&tester.app);
    for path in document["paths"].as_object().expect("paths").keys() {
        assert!(page.contains(path), "{path}");
    }
}

/// Method, path, body and headers of a request; status and code of its answer.
type Case<'a> = (
    Method,
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    u16,
    &'a str,
);

#[tokio::test]
async fn every_rejection_is_a_problem() {
    let tester = Tester::new().await;
    let json = &[("content-type", "application/json")];
    let sites = "/api/v1/sites";
    let cases: Vec<Case<'_>> = vec![
        (Method::GET, "/api/v1/nothing", "", &[], 404, "not_found"),
        (
            Method::GET,
            "/api/v1/sites/nobody",
            "",
            &[],
            404,
            "not_found",
        ),
        (
            Method::GET,
            "/api/v1/sites/nobody/runs",
            "",
            &[],
            404,
            "not_found",
        ),
        (Method::PUT, sites, "", &[], 405, "wrong_method"),
        (Method::POST, sites, "{}", &[], 415, "not_json"),
        (
            Method::POST,
            sites,
            "{}",
            &[("content-type", "text/plain")],
            415,
            "not_json",
        ),
        (
            Method::POST,
            sites,
            "{\n \"name\": }",
            json,
            400,
            "bad_json",
        ),
        (
            Method::POST,
            sites,
            "{\"nmae\": \"x\"}",
            json,
            400,
            "bad_json",
        ),
        (
            Method::GET,
            "/api/v1/sites/x/channels?limit=0",
            "",
            &[],
            400,
            "bad_query",
        ),
        (
            Method::GET,
            "/api/v1/sites/x/runs?subjet=models",
            "",
            &[],
            400,
            "bad_query",
        ),
        (
            Method::GET,
            "/api/v1/sites/x/channels/one",
            "",
            &[],
            400,
            "bad_path",
        ),
        (
            Method::GET,
            "/api/v1/events?after=x",
            "",
            &[],
            400,
            "bad_request",
        ),
    ];
    for (method, path, body, headers, status, code) in cases {
        let named = format!("{method} {path} {body}");
        let answer = tester.raw(method, path, body.into(), headers).await;
        assert_eq!(answer.status(), status, "{named}");
        assert_eq!(
            answer.headers()[header::CONTENT_TYPE],
            "application/problem+json",
            "{named}"
        );
        if status == 405 {
            let allow = answer.headers()[header::ALLOW].to_str().expect("a text");
            assert!(allow.contains("POST"), "{allow}");
        }
        let problem: Value = serde_json::from_slice(&whole(answer).await).expect("JSON");
        assert_eq!(problem["code"], code, "{named}: {problem}");
        assert_eq!(problem["status"], status, "{named}");
        assert_eq!(problem["type"], format!("urn:lockstep:{code}"), "{named}");
        if body.contains('\n') {
            let title = problem["title"].as_str().expect("a title");
            assert!(title.contains("line 2 column"), "{title}");
        }
    }
}

#[tokio::test]
async fn who_may_only_look_changes_nothing_and_who_plans_writes_nothing() {
    let gateway = lockstep_sim::Gateway::start(super::tester::healthy())
        .await
        .expect("a gateway");
    let owner = Tester::with_site(&gateway).await;
    let reader = Tester::over(owner.app.clone(), Scope::Read).await;
    let planner = Tester::over(owner.app.clone(), Scope::Plan).await;
    let run = |plan_only: bool| json!({"subject": "models", "what": "all", "plan_only": plan_only});
    let runs = "/api/v1/sites/main/runs";
    assert_eq!(reader.post(runs, run(true)).await.status, 403);
    assert_eq!(planner.post(runs, run(false)).await.status, 403);
    assert_eq!(reader.get(runs).await.body["runs"], json!([]));
    let name = json!({"name": "other"});
    for tester in [&reader, &planner] {
        let refused = tester
            .send(Method::PATCH, "/api/v1/sites/main", Some(name.clone()), &[])
            .await;
        assert_eq!(refused.status, 403);
        assert_eq!(refused.body["code"], "scope");
    }
    let planned = planner.run(run(true)).await;
    assert_eq!(planned["state"], "planned");
    assert!(gateway.effective_writes().is_empty());
}
