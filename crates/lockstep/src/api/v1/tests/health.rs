//! `GET /api/v1/health`.

use axum::http::Method;
use lockstep_sim::{Fault, Gateway, Matcher, Rule};
use serde_json::{Value, json};

use super::tester::{Tester, mixed};
use crate::notify;
use crate::server::caller::Scope;

const HEALTH: &str = "/api/v1/health";

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_the_database_the_workers_and_how_each_site_is() {
    let gateway = Gateway::start(mixed()).await.expect("a gateway");
    let tester = Tester::new().await;
    let reader = Tester::over(tester.app.clone(), Scope::Read).await;
    let told = reader.get(HEALTH).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["sites"], json!([]));
    assert_eq!(told.body["database"]["kind"], "sqlite");
    assert_eq!(told.body["stopping"], false);
    let workers = told.body["workers"].as_array().expect("workers");
    let names: Vec<&str> = workers
        .iter()
        .filter_map(|worker| worker["name"].as_str())
        .collect();
    assert_eq!(names, ["schedules", "left_runs", "findings", "notices"]);
    // Nothing is done unasked here, and that is told.
    assert!(workers.iter().all(|worker| worker["looked_at"].is_null()));

    tester.add_site("main", &gateway).await;
    let plan = json!({"subject": "models", "what": "all", "plan_only": true});
    let run = tester.run(plan.clone()).await;
    let path = "/api/v1/sites/main/schedules/models";
    let on = tester.send(Method::PUT, path, Some(json!({})), &[]).await;
    assert_eq!(on.status, 200, "{}", on.body);
    let told = reader.get(HEALTH).await.body;
    let site = &told["sites"][0];
    assert_eq!(site["name"], "main");
    assert_eq!(site["schedules"][0], on.body);
    assert!(site["schedules"][0]["next_at"].is_string(), "{site}");
    assert_eq!(site["schedules"][1]["on"], false);
    let last = site["last_runs"].as_array().expect("runs");
    assert_eq!(last.len(), 1, "{site}");
    for key in ["run", "state", "statistics"] {
        assert_eq!(last[0][key], run[key], "{key}");
    }
    assert_eq!(site["held"], 1);
    assert_eq!(site["troubles"], json!([]), "nothing was settled yet");

    // What runs find is kept while somebody is to be told of it.
    let place = json!({"name": "ops", "kind": "webhook", "url": "http://127.0.0.1:9/hook"});
    let place = tester.post("/api/v1/notices/targets", place).await;
    assert_eq!(place.status, 201, "{}", place.body);
    // The gateway goes away, and the next run finds that.
    gateway.fault(Rule::always(Matcher::any(), Fault::Status(401)));
    let failed = tester.run(plan).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    let id = failed["run"].as_str().expect("an id");
    let settled = notify::after_run(tester.app.engine(), id).await;
    settled.expect("settled");
    let told = reader.get(HEALTH).await.body;
    let site = &told["sites"][0];
    assert_eq!(site["last_runs"][0]["run"], failed["run"]);
    let troubles = site["troubles"].as_array().expect("troubles");
    let failures: Vec<&Value> = troubles
        .iter()
        .filter(|trouble| trouble["kind"] == "failed")
        .collect();
    assert_eq!(failures.len(), 1, "{site}");
    assert_eq!(failures[0]["subject"], "models");
    assert!(!told.to_string().contains(gateway.root_token()));

    let narrow = Tester::over(tester.app.clone(), Scope::RatioSync).await;
    assert_eq!(narrow.get(HEALTH).await.status, 403);
}
