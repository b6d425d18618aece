//! Sources that want a sign-in, and lists that are uploaded.

use axum::http::Method;
use lockstep_sim::price::pricing_list;
use lockstep_sim::{Gateway, Page, Price, Provider};
use lockstep_store::sites::SiteEdit;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::tester::{Answer, Tester, healthy, whole};
use crate::server::caller::Scope;

const SOURCES: &str = "/api/v1/sites/main/sources";
const TOKEN: &str = "a token of the club";
const NEXT: &str = "another-token-of-the-club";

/// A gateway, and a club that shows its prices to its member 7 alone.
async fn club(token: &str) -> (Gateway, Tester) {
    let list = pricing_list(&[Price::tokens("gpt-5", 3.0, 9.0)], &[("default", 1.0)]);
    let page = Page::json(list).token(token).user("7");
    let club = Provider::new("club", Vec::<String>::new()).page("/api/pricing", page);
    let spec = healthy()
        .prices(&[Price::tokens("gpt-5", 1.0, 3.0)])
        .provider(club);
    let gateway = Gateway::start(spec).await.expect("a gateway");
    let tester = Tester::with_site(&gateway).await;
    let store = tester.app.store();
    let site = store.site_by_name("main").await.expect("the site");
    let edit = SiteEdit {
        allow_private: Some(vec!["127.0.0.0/8".to_owned()]),
        ..SiteEdit::default()
    };
    store.edit_site(&site.id, edit).await.expect("edited");
    (gateway, tester)
}

/// The club as a source, with what is sent to be let in.
fn member(gateway: &Gateway, more: Value) -> Value {
    let url = gateway.provider("club").base_url().to_owned();
    let mut new = json!({"source": format!("{url},name=club,endpoint=/api/pricing")});
    let object = new.as_object_mut().expect("an object");
    object.extend(more.as_object().expect("an object").clone());
    new
}

async fn change(tester: &Tester, body: Value) -> Answer {
    let path = format!("{SOURCES}/club");
    tester.send(Method::PATCH, &path, Some(body), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_wants_a_sign_in_is_tested_kept_and_asked_with_its_token() {
    let (gateway, tester) = club(NEXT).await;
    // Nothing is kept that the club does not let in, and the answer says why.
    let refused = tester.post(SOURCES, member(&gateway, json!({}))).await;
    assert_eq!(refused.body["code"], "source_failed", "{}", refused.body);
    let wrong = json!({"token": "mistyped", "user_id": "7"});
    let refused = tester.post(SOURCES, member(&gateway, wrong)).await;
    let title = refused.body["title"].as_str().expect("a title");
    assert!(title.contains("did not take the token"), "{title}");
    assert!(!title.contains("mistyped"), "{title}");
    let right = json!({"token": NEXT, "user_id": "7", "headers": {"X-Club": "gold"}});
    let kept = tester.post(SOURCES, member(&gateway, right)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    assert_eq!(kept.body["has_token"], true);
    assert_eq!(kept.body["user_id"], "7");
    assert_eq!(kept.body["headers"], json!(["x-club"]));
    let listed = tester.get(SOURCES).await.body;
    assert_eq!(listed["sources"][0], kept.body);
    assert!(!format!("{} {listed}", kept.body).contains(NEXT));
    assert!(!listed.to_string().contains("gold"));

    // Whoever asks later is let in by what is stored: a test, and a run, which finds it as a schedule's does.
    let told = tester.post(&format!("{SOURCES}/test"), json!({})).await;
    assert_eq!(told.body["sources"][0]["state"], "ok", "{}", told.body);
    let plan = json!({"subject": "prices", "what": "all", "plan_only": true});
    let run = tester.run(plan).await;
    assert_eq!(run["sources"][0]["state"], "ok", "{run}");
    let club = gateway.provider("club");
    let asked = club.last_request("/api/pricing").expect("asked");
    let bearer = format!("Bearer {NEXT}");
    assert_eq!(asked.header("authorization"), Some(bearer.as_str()));
    assert_eq!(asked.header("x-club"), Some("gold"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_token_is_replaced_and_forgotten() {
    let (gateway, tester) = club(NEXT).await;
    let untested = json!({"token": "old", "user_id": "7", "untested": true});
    let kept = tester.post(SOURCES, member(&gateway, untested)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    let refused = change(&tester, json!({"token": "still-wrong"})).await;
    assert_eq!(refused.body["code"], "source_failed");
    let changed = change(&tester, json!({"token": NEXT})).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let store = tester.app.store();
    let site = store.site_by_name("main").await.expect("the site");
    let source = store.sources(&site.id).await.expect("sources").remove(0);
    let access = store.source_access(&source).await.expect("opened");
    let token = access.token.expect("a token");
    assert_eq!(token.expose_secret(), NEXT);
    assert_eq!(access.user_id.as_deref(), Some("7"), "it stays");
    let forgotten = json!({"token": "", "user_id": "", "untested": true});
    let changed = change(&tester, forgotten).await;
    assert_eq!(changed.body["has_token"], false);
    assert_eq!(changed.body["user_id"], Value::Null);
    let nothing = change(&tester, json!({})).await;
    assert_eq!(nothing.status, 400);
    let alone = change(&tester, json!({"user_id": "7", "untested": true})).await;
    assert_eq!(alone.body["errors"][0]["field"], "user_id");
    let deeds = tester
        .get("/api/v1/deeds?kind=source_changed&site=main")
        .await;
    let changed: Vec<&Value> = deeds.body["deeds"]
        .as_array()
        .expect("deeds")
        .iter()
        .map(|deed| &deed["data"]["changed"])
        .collect();
    assert_eq!(changed, [&json!(["token", "user_id"]), &json!(["token"])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_let_anybody_in_is_refused_by_its_field_and_not_repeated() {
    let (gateway, tester) = club(TOKEN).await;
    for (more, field) in [
        (json!({"token": "sk-canary", "user_id": "7"}), "token"),
        (json!({"token": "ca nary"}), "token"),
        (json!({"token": "canary", "user_id": "me"}), "user_id"),
        (json!({"user_id": "7"}), "user_id"),
        (json!({"headers": {"Host": "canary"}}), "headers"),
        (json!({"headers": {"x-a": "cana\u{7}ry"}}), "headers"),
    ] {
        let refused = tester.post(SOURCES, member(&gateway, more.clone())).await;
        assert_eq!(refused.status, 400, "{more}");
        assert_eq!(refused.body["errors"][0]["field"], field, "{more}");
        assert!(!refused.body.to_string().contains("canary"), "{more}");
    }
    let key = member(&gateway, json!({"token": "sk-canary"}));
    let refused = tester.post(SOURCES, key).await.body;
    let said = refused["errors"][0]["message"].as_str().expect("a text");
    assert!(said.contains("system access token"), "{said}");
    let preset = json!({"source": "official", "token": "canary", "untested": true});
    let refused = tester.post(SOURCES, preset).await;
    assert_eq!(refused.body["errors"][0]["field"], "token");
    let odd = tester
        .post(SOURCES, json!({"source": 1, "token": "canary"}))
        .await;
    assert_eq!(odd.status, 400);
    assert!(!odd.body.to_string().contains("canary"), "{}", odd.body);
    let none = tester.get(SOURCES).await.body;
    assert_eq!(none["sources"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_uploaded_replaced_and_planned_from() {
    let (_gateway, tester) = club(TOKEN).await;
    let put = async |path: &str, body: String| {
        let path = format!("{SOURCES}/{path}");
        let json = [("content-type", "application/json")];
        let answer = tester
            .raw(Method::PUT, &path, body.into_bytes(), &json)
            .await;
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_slice(&whole(answer).await).expect("JSON");
        (status, body)
    };
    let list =
        |input: f64| pricing_list(&[Price::tokens("gpt-5", input, 9.0)], &[("default", 1.0)]);
    for (body, says) in [
        (String::new(), "the list is not kept"),
        ("<html>".to_owned(), "the list is not kept"),
        ("{\"data\":[\n{\"model_name\" \"x\"}]}".to_owned(), "line 2"),
        ("{\"data\":[]}".to_owned(), "lists no price"),
    ] {
        let (status, refused) = put("ours/list", body).await;
        assert_eq!((status, &refused["code"]), (400, &json!("bad_list")));
        let title = refused["title"].as_str().expect("a title");
        assert!(title.contains(says), "{title}");
    }
    let (status, refused) = put("ours/list?multiplier=-1", list(2.0)).await;
    assert_eq!((status, &refused["code"]), (400, &json!("bad_source")));
    let (status, kept) = put("ours/list?multiplier=2", list(2.0)).await;
    assert_eq!(status, 201, "{kept}");
    assert_eq!(kept["source"], "upload:ours,multiplier=2");
    assert_eq!(kept["uploaded"]["models"], 1);
    let asked = format!("{SOURCES}/test");
    let told = tester.post(&asked, json!({"name": "ours"})).await.body;
    assert_eq!(told["sources"][0]["state"], "ok", "{told}");
    let input = async || {
        let differences = "/api/v1/sites/main/differences?field=model_ratio";
        let told = tester.get(differences).await.body;
        told["rows"][0]["sources"][0]["value"].clone()
    };
    // Nothing was fetched, and it is there.
    assert_eq!(input().await, json!(1));
    let (status, next) = put("ours/list", list(4.0)).await;
    assert_eq!((status, &next["source"]), (200, &kept["source"]));
    assert_eq!(input().await, json!(2), "the newer list counts at once");
    let plan = json!({"subject": "prices", "what": "all", "plan_only": true,
        "settings": {"price-mode": "both"}});
    let run = tester.run(plan).await;
    assert_eq!(run["sources"][0]["state"], "ok", "{run}");

    // What is fetched takes no list, and a list is not added by its name alone.
    let plain = json!({"source": "http://127.0.0.1:9,name=plain", "untested": true});
    assert_eq!(tester.post(SOURCES, plain).await.status, 201);
    let (status, refused) = put("plain/list", list(1.0)).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_uploaded")));
    let named = json!({"source": "upload:theirs", "untested": true});
    assert_eq!(tester.post(SOURCES, named).await.status, 403);
    let path = format!("{SOURCES}/ours");
    let gone = tester.send(Method::DELETE, &path, None, &[]).await;
    assert_eq!(gone.status, 204);
    let left = tester.get(SOURCES).await.body;
    assert_eq!(left["sources"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_never_gave_a_list_says_why_and_when() {
    let (gateway, tester) = club(TOKEN).await;
    let untested = member(&gateway, json!({"untested": true}));
    assert_eq!(tester.post(SOURCES, untested).await.status, 201);
    let told = async || {
        let told = tester.get("/api/v1/sites/main/differences").await.body;
        told["sources"][0].clone()
    };
    let before = told().await;
    assert_eq!(before["tried_at"], Value::Null, "nobody asked it yet");
    let refresh = "/api/v1/sites/main/differences/refresh";
    let asked = tester.post(refresh, Value::Null).await.body;
    assert_eq!(asked["sources"][0]["state"], "needs_sign_in");
    // Another source makes the table anew, without asking anybody.
    let other = json!({"source": "http://127.0.0.1:9,name=other", "untested": true});
    assert_eq!(tester.post(SOURCES, other).await.status, 201);
    let after = told().await;
    assert_eq!(after["state"], "needs_sign_in", "{after}");
    assert!(after["tried_at"].is_string(), "{after}");
    let message = after["message"].as_str().expect("a text");
    assert!(
        message.contains("401") && !message.contains("not fetched yet"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_good_list_stays_stale_until_one_comes_again() {
    let (gateway, tester) = club(NEXT).await;
    let right = json!({"token": NEXT, "user_id": "7"});
    let kept = tester.post(SOURCES, member(&gateway, right)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    // Another source makes the table anew, without asking anybody.
    let anew = async |name: &str| {
        let other = json!({"source": format!("http://127.0.0.1:9,name={name}"), "untested": true});
        assert_eq!(tester.post(SOURCES, other).await.status, 201);
        let told = tester.get("/api/v1/sites/main/differences").await.body;
        told["sources"][0].clone()
    };
    assert_eq!(anew("one").await["state"], "ok");
    // A sign-in that is only tried tells nothing of the one that is stored.
    let refused = change(&tester, json!({"token": "mistyped"})).await;
    assert_eq!(refused.body["code"], "source_failed");
    assert_eq!(anew("two").await["state"], "ok");
    let refresh = async || {
        let path = "/api/v1/sites/main/differences/refresh";
        tester.post(path, Value::Null).await.body["sources"][0].clone()
    };
    let club = gateway.provider("club");
    club.set_page("/api/pricing", Page::new(404, "text/plain", "gone"));
    assert_eq!(refresh().await["state"], "stale");
    let since = anew("three").await;
    assert_eq!(since["state"], "stale", "{since}");
    let message = since["message"].as_str().expect("a text");
    assert!(message.contains("404"), "{message}");
    let list = pricing_list(&[Price::tokens("gpt-5", 3.0, 9.0)], &[("default", 1.0)]);
    club.set_page("/api/pricing", Page::json(list));
    assert_eq!(refresh().await["state"], "ok");
    assert_eq!(anew("four").await["state"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_does_not_go_beside_a_stored_header_that_would_be_sent_instead() {
    let (gateway, tester) = club(NEXT).await;
    let headers = json!({"headers": {"Authorization": "Basic x"}, "untested": true});
    let kept = tester.post(SOURCES, member(&gateway, headers)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    let refused = change(&tester, json!({"token": NEXT, "untested": true})).await;
    assert_eq!(
        refused.body["errors"][0]["field"], "headers",
        "{}",
        refused.body
    );
    let both = json!({"token": NEXT, "headers": {}, "untested": true});
    assert_eq!(change(&tester, both).await.body["has_token"], true);
    // A name that stands for a route could not be asked for.
    let named = json!({"source": "http://127.0.0.1:9,name=test", "untested": true});
    assert_eq!(tester.post(SOURCES, named).await.body["code"], "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_has_shrunk_is_taken_once_whoever_may_write_says_so() {
    let (gateway, tester) = club(TOKEN).await;
    let publish = |names: &[&str]| {
        let prices: Vec<Price> = names
            .iter()
            .map(|name| Price::tokens(name, 3.0, 9.0))
            .collect();
        let page = Page::json(pricing_list(&prices, &[("default", 1.0)]));
        gateway.provider("club").set_page("/api/pricing", page);
    };
    publish(&["gpt-5", "gpt-5-mini", "claude-opus"]);
    let kept = tester.post(SOURCES, member(&gateway, json!({}))).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    let accept = format!("{SOURCES}/club/accept");
    let nothing = tester.post(&accept, Value::Null).await;
    assert_eq!(nothing.status, 200, "{}", nothing.body);
    assert_eq!(nothing.body["accepted"], false);
    assert_eq!(nothing.body["source"]["state"], "ok");

    publish(&["gpt-5"]);
    let state = async || {
        let told = tester.post(&format!("{SOURCES}/test"), json!({})).await;
        told.body["sources"][0]["state"].clone()
    };
    assert_eq!(state().await, "shrunken");
    assert_eq!(state().await, "shrunken", "however often it comes");
    let planner = Tester::over(tester.app.clone(), Scope::Plan).await;
    assert_eq!(planner.post(&accept, Value::Null).await.status, 403);
    let once = async || {
        let key = [("idempotency-key", "once")];
        tester
            .send(Method::POST, &accept, Some(Value::Null), &key)
            .await
    };
    let taken = once().await;
    assert_eq!(taken.status, 200, "{}", taken.body);
    assert_eq!(taken.body["accepted"], true);
    assert_eq!(taken.body["models_before"], 3);
    assert_eq!(taken.body["source"]["models"], 1);
    // What is shown of it is made anew, without anybody asking for that.
    let shown = tester.get("/api/v1/sites/main/differences").await.body;
    assert_eq!(shown["sources"][0]["state"], "ok", "{shown}");
    let again = once().await;
    assert_eq!(again.body, taken.body);
    assert!(again.headers.contains_key("idempotency-replayed"));
    assert_eq!(state().await, "ok");
    let nobody = format!("{SOURCES}/nobody/accept");
    assert_eq!(tester.post(&nobody, Value::Null).await.status, 404);
    let deeds = "/api/v1/deeds?kind=source_accepted&site=main";
    let deeds = tester.get(deeds).await.body;
    assert_eq!(deeds["deeds"].as_array().map(Vec::len), Some(1), "{deeds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_source_is_asked_and_what_it_costs_is_changed_without_forgetting_it() {
    let (gateway, tester) = club(NEXT).await;
    let right = json!({"token": NEXT, "user_id": "7"});
    let kept = tester.post(SOURCES, member(&gateway, right)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    let url = gateway.provider("club").base_url().to_owned();
    let costs = json!({"multiplier": "2", "recharge": "0.5", "group": "vip"});
    let changed = change(&tester, costs).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let is = format!("{url},name=club,endpoint=/api/pricing,multiplier=2,recharge=0.5,group=vip");
    assert_eq!(changed.body["source"], is);
    assert_eq!(changed.body["has_token"], true);
    let wrong = json!({"multiplier": "0", "endpoint": "/a b", "untested": true});
    let refused = change(&tester, wrong).await;
    assert_eq!(refused.status, 400);
    let fields = refused.body["errors"].as_array().expect("errors").iter();
    let fields: Vec<&Value> = fields.map(|mistake| &mistake["field"]).collect();
    assert_eq!(fields, ["endpoint", "multiplier"]);
    // Another page of it is asked before it is kept, and the token goes to no other host.
    let refused = change(&tester, json!({"endpoint": "/nowhere"})).await;
    assert_eq!(refused.body["code"], "source_failed", "{}", refused.body);
    let elsewhere = json!({"endpoint": "https://elsewhere.example/list", "untested": true});
    let refused = change(&tester, elsewhere).await;
    assert_eq!(refused.body["errors"][0]["field"], "token");
    let emptied = json!({"multiplier": "", "recharge": "", "group": ""});
    let changed = change(&tester, emptied).await;
    assert_eq!(
        changed.body["source"],
        format!("{url},name=club,endpoint=/api/pricing")
    );
    let told = tester.post(&format!("{SOURCES}/test"), json!({})).await;
    assert_eq!(told.body["sources"][0]["state"], "ok", "{}", told.body);
}
