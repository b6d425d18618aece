//! Prices and model lists in one go, and the price page asked afterwards.

use axum::http::Method;
use lockstep_sim::{Gateway, Price, Provider};
use lockstep_store::sites::SiteEdit;
use serde_json::{Value, json};

use super::tester::{Tester, healthy};

const RUNS: &str = "/api/v1/sites/main/runs";

/// A gateway that charges for one model, serves another for nothing, and is about to get a third; a list prices all.
async fn shop(source: bool) -> (Gateway, Tester) {
    let gpt = Price::tokens("gpt-5", 1.25, 10.0);
    let priced = [
        gpt.clone(),
        Price::tokens("gpt-5-mini", 0.25, 2.0),
        Price::tokens("gpt-5-nano", 0.05, 0.4),
    ];
    let list = Provider::new("list", Vec::<String>::new()).pricing_list(&priced);
    let spec = healthy().prices(&[gpt]).provider(list);
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let store = tester.app.store();
    let site = store.site_by_name("main").await.expect("the site");
    let edit = SiteEdit {
        allow_private: Some(vec!["127.0.0.0/8".to_owned()]),
        ..SiteEdit::default()
    };
    store.edit_site(&site.id, edit).await.expect("edited");
    if source {
        let url = gateway.provider("list").base_url().to_owned();
        let source = format!("{url},name=list,endpoint=/api/pricing");
        let added = store.add_source(&site.id, "list", &source).await;
        added.expect("a source");
    }
    (gateway, tester)
}

fn id(run: &Value) -> &str {
    run["run"].as_str().expect("an id")
}

/// Begins both and waits until both are at rest: what was answered, and both runs in full.
async fn both(tester: &Tester, body: Value) -> (Value, Value, Value) {
    let begun = tester.post(RUNS, body).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let rest = &["planned", "done", "partial", "failed", "cancelled"];
    let prices = tester.until(id(&begun.body["prices"]), rest).await;
    let models = tester.until(id(&begun.body["models"]), rest).await;
    (begun.body, prices, models)
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_written_before_the_lists_that_need_them() {
    let (gateway, tester) = shop(true).await;
    let plan = json!({"what": "all", "plan_only": true});
    let (begun, prices, models) = both(&tester, plan).await;
    assert_eq!(begun["models"]["parent"], prices["run"]);
    assert_eq!(models["parent"], prices["run"]);
    assert_eq!(
        (&prices["subject"], &models["subject"]),
        (&json!("prices"), &json!("models"))
    );
    for run in [&prices, &models] {
        assert_eq!(run["state"], "planned", "{run}");
    }
    assert!(
        gateway.effective_writes().is_empty(),
        "a plan writes nothing"
    );

    let sync = json!({"what": "all", "plan_only": false, "verify": true});
    let (_, prices, models) = both(&tester, sync).await;
    for run in [&prices, &models] {
        assert_eq!(run["state"], "done", "{run}");
    }
    assert_eq!(models["parent"], prices["run"]);
    let priced: Vec<&str> = prices["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["model"].as_str())
        .collect();
    assert!(
        priced.contains(&"gpt-5-nano"),
        "what is about to come: {priced:?}"
    );
    let written: Vec<Option<i64>> = gateway
        .effective_writes()
        .into_iter()
        .filter_map(|entry| entry.write)
        .map(|write| write.channel)
        .collect();
    let first = written.iter().position(Option::is_some).expect("lists");
    assert!(first > 0, "prices come first: {written:?}");
    assert!(
        written[first..].iter().all(Option::is_some),
        "and lists after all of them: {written:?}"
    );
    let listed = gateway.channel(1).expect("the channel").models;
    assert!(listed.contains("gpt-5-nano"), "{listed}");
    // The page shows what is served: the model that came later is not among it.
    assert_eq!(prices["verified"]["state"], "as_written", "{prices}");
    assert_eq!(prices["verified"]["not_shown"], json!(["gpt-5-nano"]));
    assert_eq!(prices["verified"]["otherwise"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_begun_once_for_one_key_and_without_a_source_lists_alone() {
    let (_gateway, tester) = shop(true).await;
    let body = json!({"what": "all", "plan_only": true});
    let ask = || {
        let key = [("idempotency-key", "k")];
        let (tester, body) = (&tester, body.clone());
        async move { tester.send(Method::POST, RUNS, Some(body), &key).await }
    };
    let (first, again) = (ask().await, ask().await);
    assert_eq!(first.body, again.body);
    for subject in ["prices", "models"] {
        tester.until(id(&first.body[subject]), &["planned"]).await;
    }
    let runs = tester.get(RUNS).await.body["runs"].clone();
    assert_eq!(runs.as_array().map(Vec::len), Some(2));

    let (_gateway, tester) = shop(false).await;
    let begun = tester.post(RUNS, body).await;
    assert_eq!(
        (begun.status.as_u16(), &begun.body["prices"]),
        (202, &Value::Null)
    );
    tester.until(id(&begun.body["models"]), &["planned"]).await;
}

#[tokio::test]
async fn what_is_for_one_subject_is_refused_without_one() {
    let (_gateway, tester) = shop(false).await;
    for body in [
        json!({"what": "retry-failed", "plan_only": true}),
        json!({"what": "selected", "channels": [1], "plan_only": true}),
        json!({"what": "all", "models": ["gpt-5"], "plan_only": true}),
        json!({"subject": "models", "what": "all", "plan_only": false, "verify": true}),
    ] {
        let refused = tester.post(RUNS, body.clone()).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.body);
    }
    assert_eq!(tester.get(RUNS).await.body["runs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_page_is_asked_only_where_that_is_wanted() {
    for (verify, state) in [(false, Value::Null), (true, json!("as_written"))] {
        let (_gateway, tester) = shop(true).await;
        let planned = tester
            .run(json!({"subject": "prices", "what": "all", "plan_only": true}))
            .await;
        let path = format!("{RUNS}/{}/apply", id(&planned));
        let yes = json!({"plan": planned["plan"], "verify": verify});
        let applied = tester.post(&path, yes).await;
        assert_eq!(applied.status, 202, "{}", applied.body);
        let done = tester.until(id(&planned), &["done"]).await;
        assert_eq!(done["verified"]["state"], state, "{done}");
    }
}
