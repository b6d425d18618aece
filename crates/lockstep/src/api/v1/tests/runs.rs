//! Runs, channels and holds.

use axum::http::{Method, header};
use lockstep_sim::{Gateway, Price, Provider};
use serde_json::{Value, json};

use super::tester::{Tester, healthy, mixed};

const RUNS: &str = "/api/v1/sites/main/runs";

async fn start(spec: lockstep_sim::Spec) -> (Gateway, Tester) {
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    (gateway, tester)
}

fn all(plan_only: bool) -> Value {
    json!({"subject": "models", "what": "all", "plan_only": plan_only})
}

fn id(run: &Value) -> &str {
    run["run"].as_str().expect("an id")
}

fn list(gateway: &Gateway, channel: i64) -> String {
    gateway.channel(channel).expect("the channel").models
}

#[tokio::test]
async fn a_run_is_planned_seen_applied_and_taken_back() {
    let (gateway, tester) = start(healthy()).await;
    let begun = tester.post(RUNS, all(false)).await;
    assert_eq!(begun.status, 202);
    let place = begun.headers[header::LOCATION].to_str().expect("a place");
    assert!(place.ends_with(id(&begun.body)), "{place}");
    let planned = tester.until(id(&begun.body), &["planned"]).await;
    assert!(
        gateway.effective_writes().is_empty(),
        "the first plan of a gateway stops"
    );
    assert_eq!(tester.get(place).await.body["run"], planned["run"]);
    assert_eq!(planned["actor"], "robot (token)");
    let apply = format!("{RUNS}/{}/apply", id(&planned));
    let other = tester.post(&apply, json!({"plan": "0".repeat(64)})).await;
    assert_eq!(
        (other.status.as_u16(), &other.body["code"]),
        (409, &json!("plan_changed"))
    );
    let unnamed = tester
        .post(
            &apply,
            json!({"plan": planned["plan"], "only": {"channels": []}}),
        )
        .await;
    assert_eq!(unnamed.body["code"], "empty_selection");
    let same = tester
        .post(
            &apply,
            json!({"plan": planned["plan"], "only": {"channels": [2]}}),
        )
        .await;
    assert_eq!(same.body["code"], "nothing_to_do", "{}", same.body);
    let yes = tester.post(&apply, json!({"plan": planned["plan"]})).await;
    assert_eq!(yes.status, 202, "{}", yes.body);
    let done = tester.until(id(&planned), &["done"]).await;
    assert_eq!(done["approved_by"], "robot (token)");
    assert_eq!(done["statistics"]["changed"], 2);
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-mini,gpt-5-nano");
    let again = tester.post(&apply, json!({"plan": planned["plan"]})).await;
    assert_eq!(again.body["code"], "not_planned");
    let undo = format!("{RUNS}/{}/undo", id(&planned));
    let only = json!({"plan_only": false, "only": {"channels": [1]}});
    let back = tester.post(&undo, only).await;
    assert_eq!(back.status, 202, "{}", back.body);
    let back = tester.until(id(&back.body), &["done"]).await;
    assert_eq!(back["parent"], planned["run"]);
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-mini");
}

#[tokio::test]
async fn an_empty_selection_is_refused_and_never_taken_for_all() {
    let (gateway, tester) = start(healthy()).await;
    for (body, code) in [
        (
            json!({"subject": "models", "what": "selected", "plan_only": true}),
            "empty_selection",
        ),
        (
            json!({"subject": "models", "what": "selected", "channels": [], "plan_only": true}),
            "empty_selection",
        ),
        (
            json!({"subject": "prices", "what": "selected", "models": [], "plan_only": true}),
            "empty_selection",
        ),
        (
            json!({"subject": "models", "what": "all", "channels": [1], "plan_only": true}),
            "bad_request",
        ),
        (
            json!({"subject": "models", "what": "selected", "models": ["x"], "plan_only": true}),
            "bad_request",
        ),
        (
            json!({"subject": "prices", "what": "retry-failed", "plan_only": true}),
            "bad_request",
        ),
        (
            json!({"subject": "prices", "what": "all", "plan_only": true}),
            "no_source",
        ),
        (json!({"subject": "models", "what": "all"}), "bad_json"),
    ] {
        let refused = tester.post(RUNS, body.clone()).await;
        assert_eq!(refused.body["code"], code, "{body}");
    }
    let wrong = json!({"subject": "models", "what": "all", "plan_only": true, "settings": {"burst": 0, "x": 1}});
    let refused = tester.post(RUNS, wrong).await;
    assert_eq!(refused.body["errors"].as_array().map(Vec::len), Some(2));
    assert_eq!(tester.get(RUNS).await.body["runs"], json!([]));
    drop(gateway);
}

#[tokio::test]
async fn some_channels_are_selected_and_what_failed_is_tried_again() {
    let (_gateway, tester) = start(mixed()).await;
    let some =
        json!({"subject": "models", "what": "selected", "channels": [3, 1, 3], "plan_only": true});
    let some = tester.run(some).await;
    assert_eq!(some["statistics"]["total"], 2);
    let missing =
        json!({"subject": "models", "what": "selected", "channels": [99], "plan_only": true});
    let missing = tester.run(missing).await;
    assert_eq!(
        (&missing["state"], &missing["error"]["kind"]),
        (&json!("failed"), &json!("gone"))
    );
    let whole = tester.run(all(true)).await;
    assert_eq!(whole["statistics"]["failed"], 1);
    let path = format!("{RUNS}/{}/retry", id(&whole));
    let again = tester.post(&path, json!({"plan_only": true})).await;
    let again = tester
        .until(id(&again.body), &["planned", "failed", "done"])
        .await;
    assert_eq!(again["items"][0]["channel_id"], 5);
    assert_eq!(again["statistics"]["total"], 1);
    let failed = json!({"subject": "models", "what": "retry-failed", "plan_only": true});
    assert_eq!(tester.run(failed).await["trigger"], "retry-failed");
    let nothing = format!("{RUNS}/{}/retry", id(&some));
    let nothing = tester.post(&nothing, json!({"plan_only": true})).await;
    assert_eq!(nothing.body["code"], "nothing_to_do");
}

#[tokio::test]
async fn runs_and_their_items_are_found_sorted_and_paged() {
    let (_gateway, tester) = start(mixed()).await;
    let first = tester.run(all(true)).await;
    let some = json!({"subject": "models", "what": "selected", "channels": [2], "plan_only": true});
    let second = tester.run(some).await;
    let ids = |told: &Value| -> Vec<String> {
        let runs = told["runs"].as_array().expect("runs").iter();
        runs.map(|run| id(run).to_owned()).collect()
    };
    let page = tester.get(&format!("{RUNS}?limit=1")).await.body;
    assert_eq!(ids(&page), [id(&second)]);
    let next = page["next"].as_str().expect("a next page");
    let page = tester
        .get(&format!("{RUNS}?limit=1&cursor={next}"))
        .await
        .body;
    assert_eq!(ids(&page), [id(&first)]);
    assert_eq!(page["next"], Value::Null);
    for (query, wanted) in [
        ("search=cheap", vec![id(&first)]),
        ("search=BETA", vec![id(&second), id(&first)]),
        ("search=100%25", vec![]),
        ("state=planned&trigger=plan", vec![id(&first)]),
        ("state=reading,writing", vec![]),
        ("trigger=selected", vec![id(&second)]),
        ("subject=prices", vec![]),
        ("from=2100-01-01T00:00:00Z", vec![]),
        (
            "to=2100-01-01T00:00:00Z&subject=models",
            vec![id(&second), id(&first)],
        ),
    ] {
        let told = tester.get(&format!("{RUNS}?{query}")).await.body;
        assert_eq!(ids(&told), wanted, "{query}");
    }
    let items = format!("{RUNS}/{}/items", id(&first));
    let channels = |told: &Value| -> Vec<i64> {
        let items = told["items"].as_array().expect("items").iter();
        items
            .filter_map(|item| item["channel_id"].as_i64())
            .collect()
    };
    for (query, wanted) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("?order=desc&limit=2", vec![5, 4]),
        ("?order=desc&limit=2&cursor=2", vec![3, 2]),
        ("?status=failed,held", vec![4, 5]),
        ("?sort=name", vec![1, 2, 4, 3, 5]),
        ("?sort=status&order=desc&limit=1", vec![3]),
        ("?search=gpt-5-nano", vec![1]),
        ("?search=relay", vec![4]),
    ] {
        let told = tester.get(&format!("{items}{query}")).await.body;
        assert_eq!(channels(&told), wanted, "{query}");
    }
    assert_eq!(tester.get(&format!("{items}?status=sad")).await.status, 400);
    let elsewhere = Gateway::start(healthy()).await.expect("a gateway");
    tester.add_site("other", &elsewhere).await;
    let foreign = format!("/api/v1/sites/other/runs/{}", id(&first));
    assert_eq!(tester.get(&foreign).await.status, 404);
}

#[tokio::test]
async fn holds_are_answered_in_four_ways() {
    let (gateway, tester) = start(mixed()).await;
    tester.run(all(true)).await;
    let holds = "/api/v1/sites/main/holds";
    let told = tester.get(holds).await.body;
    assert_eq!(told["channels"][0]["channel_id"], 4);
    let path = format!("{holds}/answer");
    for (body, status, code) in [
        (json!({"answer": "keep"}), 400, "empty_selection"),
        (
            json!({"answer": "keep", "channels": [4], "models": ["x"]}),
            400,
            "bad_request",
        ),
        (
            json!({"answer": "keep", "channels": [1, 4]}),
            409,
            "not_held",
        ),
        (json!({"answer": "maybe", "channels": [4]}), 400, "bad_json"),
    ] {
        let refused = tester.post(&path, body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (status, &json!(code))
        );
    }
    let kept = tester
        .post(&path, json!({"answer": "keep", "channels": [4]}))
        .await;
    assert_eq!(kept.status, 200, "{}", kept.body);
    assert_eq!(tester.get(holds).await.body["channels"], json!([]));
    tester.run(all(true)).await;
    assert_eq!(
        tester.get(holds).await.body["channels"],
        json!([]),
        "the answer holds"
    );
    let never = json!({"policy": "exclude"});
    let channel = "/api/v1/sites/main/channels/4";
    let set = tester.send(Method::PUT, channel, Some(never), &[]).await;
    assert_eq!(set.body["policy"], "exclude");
    assert_eq!(list(&gateway, 4).split(',').count(), 6);
}

#[tokio::test]
async fn what_is_held_is_written_on_a_yes() {
    let (gateway, tester) = start(mixed()).await;
    tester.run(all(true)).await;
    let path = "/api/v1/sites/main/holds/answer";
    let begun = tester
        .post(path, json!({"answer": "apply", "channels": [4]}))
        .await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let done = tester.until(id(&begun.body), &["done"]).await;
    assert_eq!(done["trigger"], "apply-held");
    assert_eq!(list(&gateway, 4), "old-0");
}

#[tokio::test]
async fn channels_tell_what_is_known_and_rules_are_tried_before_they_are_set() {
    let (gateway, tester) = start(healthy()).await;
    assert_eq!(
        tester.get("/api/v1/sites/main/channels").await.body["total"],
        0
    );
    let planned = tester.run(all(true)).await;
    let apply = format!("{RUNS}/{}/apply", id(&planned));
    tester.post(&apply, json!({"plan": planned["plan"]})).await;
    tester.until(id(&planned), &["done"]).await;
    let found = tester
        .get("/api/v1/sites/main/channels?search=gamma&limit=1")
        .await
        .body;
    assert_eq!(found["total"], 1);
    assert_eq!(found["channels"][0]["id"], 3);
    let channel = "/api/v1/sites/main/channels/1";
    let rules = json!({"exclude": ["*-nano"]});
    let tried = tester
        .post(&format!("{channel}/preview"), rules.clone())
        .await
        .body;
    assert_eq!(
        tried["refused"],
        json!([{"name": "gpt-5-nano", "why": "excluded"}])
    );
    assert_eq!(tried["loses"], json!(["gpt-5-nano"]));
    assert_eq!(tried["passes"], json!(["gpt-5", "gpt-5-mini"]));
    let bad =
        json!({"policy": "mirrror", "include": ["regex:("], "always_allowed": ["empty_list"]});
    let refused = tester.send(Method::PUT, channel, Some(bad), &[]).await;
    assert_eq!(
        refused.body["errors"].as_array().map(Vec::len),
        Some(3),
        "{}",
        refused.body
    );
    let set = tester
        .send(Method::PUT, channel, Some(rules.clone()), &[])
        .await;
    assert_eq!(set.body["own"]["exclude"], json!(["*-nano"]));
    assert_eq!(
        tester
            .send(
                Method::PUT,
                "/api/v1/sites/main/channels/77",
                Some(rules),
                &[]
            )
            .await
            .status,
        404
    );
    let providers = tester.get("/api/v1/sites/main/providers").await.body;
    let provider = &providers["providers"][0];
    let own = json!({"base_url": provider["base_url"], "own": {"policy": "add-only"}});
    let told = tester
        .send(Method::PUT, "/api/v1/sites/main/providers", Some(own), &[])
        .await;
    assert_eq!(
        told.body["providers"][0]["own"]["policy"], "add-only",
        "{}",
        told.body
    );
    // A name that somebody adds by hand is his until he gives it back.
    let edited = gateway.edit_channel(2, |channel| {
        channel.models = "claude-opus,claude-sonnet,mine".to_owned();
    });
    assert!(edited);
    tester.run(all(false)).await;
    let two = "/api/v1/sites/main/channels/2";
    assert_eq!(
        tester.get(two).await.body["yours"]["added"],
        json!(["mine"])
    );
    let release = format!("{two}/release");
    assert_eq!(
        tester.post(&release, json!({"names": []})).await.status,
        400
    );
    assert_eq!(
        tester
            .post(&release, json!({"names": ["mine", "other"]}))
            .await
            .status,
        400
    );
    assert_eq!(
        tester.get(two).await.body["yours"]["added"],
        json!(["mine"])
    );
    let released = tester.post(&release, json!({"names": ["mine"]})).await;
    assert_eq!(
        released.body["yours"]["added"],
        json!([]),
        "{}",
        released.body
    );
}

#[tokio::test]
async fn a_gateway_in_other_hands_is_busy_and_says_whose() {
    let (_gateway, tester) = start(healthy()).await;
    let planned = tester.run(all(true)).await;
    let site = tester
        .app
        .store()
        .site_by_name("main")
        .await
        .expect("the site");
    let held = tester
        .app
        .engine()
        .acting_as("somebody else")
        .alone(&site)
        .await
        .expect("it is free");
    let apply = format!("{RUNS}/{}/apply", id(&planned));
    for (path, body) in [
        (RUNS, all(true)),
        (apply.as_str(), json!({"plan": planned["plan"]})),
    ] {
        let busy = tester.post(path, body).await;
        assert_eq!(busy.status, 409, "{}", busy.body);
        assert_eq!(busy.body["code"], "busy");
        let title = busy.body["title"].as_str().expect("a title");
        assert!(title.contains("somebody else"), "{title}");
    }
    drop(held);
    let cancel = format!("{RUNS}/{}/cancel", id(&planned));
    assert_eq!(
        tester.post(&cancel, Value::Null).await.body["code"],
        "not_running"
    );
}

#[tokio::test]
async fn a_price_run_is_told_as_the_command_line_tells_it() {
    let gpt = Price::tokens("gpt-5", 1.25, 10.0);
    let priced = [gpt.clone(), Price::tokens("gpt-5-mini", 0.25, 2.0)];
    let spec = healthy()
        .prices(&[gpt])
        .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&priced));
    let (gateway, tester) = start(spec).await;
    let site = tester
        .app
        .store()
        .site_by_name("main")
        .await
        .expect("the site");
    let url = gateway.provider("list").base_url().to_owned();
    let source = format!("{url},name=list,endpoint=/api/pricing");
    let edit = lockstep_store::sites::SiteEdit {
        allow_private: Some(vec!["127.0.0.0/8".to_owned()]),
        ..Default::default()
    };
    tester
        .app
        .store()
        .edit_site(&site.id, edit)
        .await
        .expect("edited");
    tester
        .app
        .store()
        .add_source(&site.id, "list", &source)
        .await
        .expect("a source");
    let planned = tester
        .run(json!({"subject": "prices", "what": "all", "plan_only": true}))
        .await;
    assert_eq!(planned["subject"], "prices");
    assert_eq!(planned["state"], "planned", "{planned}");
    let path = format!("{RUNS}/{}", id(&planned));
    let items = tester
        .get(&format!("{path}/items?search=mini&status=planned"))
        .await
        .body;
    assert_eq!(items["total"], 1);
    assert!(
        items["items"]
            .as_array()
            .is_some_and(|rows| rows.iter().all(|row| row["model"] == "gpt-5-mini"))
    );
    assert_eq!(
        tester.get(&format!("{path}/items?sort=id")).await.status,
        400
    );
    let yes = json!({"plan": planned["plan"], "only": {"models": ["gpt-5-mini"]}});
    let yes = tester.post(&format!("{path}/apply"), yes).await;
    assert_eq!(yes.status, 202, "{}", yes.body);
    let done = tester.until(id(&planned), &["done", "partial"]).await;
    assert_eq!(done["statistics"]["changed"], 1, "{done}");
}
