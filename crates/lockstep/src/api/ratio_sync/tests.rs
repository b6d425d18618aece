use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use lockstep_core::site::GatewayUrl;
use lockstep_run::Engine;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_sim::{Gateway, Spec};
use lockstep_store::Store;
use lockstep_store::sites::NewSite;
use lockstep_store::tokens::NewApiToken;
use secrecy::SecretString;
use serde_json::Value;
use tower::ServiceExt as _;

use super::is_ours;
use crate::config::File;
use crate::server::door::{secret, session};
use crate::server::{App, Options, router};

#[test]
fn the_paths_are_known_with_and_without_a_site() {
    for path in [
        "/api/ratio_sync",
        "/api/ratio_sync/channels",
        "/api/ratio_sync/fetch/",
        "/api/ratio_sync/nothing",
        "/sites/main/api/ratio_sync/fetch",
        "/sites/a%20b/api/ratio_sync/channels",
    ] {
        assert!(is_ours(path), "{path}");
    }
    for path in [
        "/",
        "/api/v1/sites",
        "/api/ratio_synced",
        "/api/ratio_syncs/fetch",
        "/sites/main",
        "/sites/main/api/v1/runs",
        "/sites//x/api/ratio_sync/fetch",
        "/x/api/ratio_sync/fetch",
        "/sites/a/b/api/ratio_sync/fetch",
    ] {
        assert!(!is_ours(path), "{path}");
    }
}

/// A server that knows the gateway as `main`, and all that it answers.
async fn served(gateway: &Gateway) -> (App, Router) {
    let store = Store::open_temporary().await.expect("a store");
    let site = NewSite {
        name: Some("main".to_owned()),
        url: GatewayUrl::parse(&gateway.url()).expect("an address"),
        user_id: "1".to_owned(),
        console_url: None,
        allow_private: Vec::new(),
        settings: BTreeMap::new(),
        token: Some(gateway.root_token().into()),
    };
    store
        .add_site(site, SystemClock.now())
        .await
        .expect("added");
    let engine = Engine::start(store, Arc::new(SystemClock), "tests".to_owned());
    let app = App::new(
        engine.expect("an engine"),
        File::default(),
        Options::default(),
    );
    let router = router(&app);
    (app, router)
}

/// Asks for the channels of a site, and holds the answer to what it is refused or not.
async fn ask(router: &Router, site: &str, headers: &[(&str, &str)], status: u16) {
    let mut request = Request::get(format!("/sites/{site}/api/ratio_sync/channels"));
    for (name, value) in [("host", "127.0.0.1:7878")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), status, "{site} {headers:?}");
    let body = to_bytes(answer.into_body(), usize::MAX).await;
    let body: Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
    assert_eq!(body["success"], status == 200, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_ours_needs_the_scope_and_helps_nobody_who_shows_the_gateways_beside_it() {
    let gateway = Gateway::start(Spec::new()).await.expect("it starts");
    let (app, router) = served(&gateway).await;
    for scope in ["ratio-sync", "apply"] {
        let new = NewApiToken {
            name: scope.to_owned(),
            hash: secret::digest(&SecretString::from(format!("lst_{scope}"))),
            scopes: vec![scope.to_owned()],
            created_by: "tests".to_owned(),
            expires_at: None,
        };
        app.store().add_api_token(new, 0).await.expect("a token");
    }
    for (shows, site, status) in [
        ("Bearer lst_ratio-sync", "main", 200),
        ("lst_ratio-sync", "main", 200),
        ("Bearer lst_ratio-sync", "nowhere", 404),
        ("Bearer lst_apply", "main", 403),
        ("lst_apply", "main", 403),
        ("Bearer lst_nobody", "main", 401),
    ] {
        ask(&router, site, &[("authorization", shows)], status).await;
    }
    let whose = gateway.count("GET", "/api/user/self");
    assert_eq!(whose, 0, "a token of ours is not shown to the gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_signed_in_may_and_a_page_of_others_in_his_name_may_not() {
    let gateway = Gateway::start(Spec::new()).await.expect("it starts");
    let (app, router) = served(&gateway).await;
    let store = app.store();
    store
        .set_password("admin", "$none", None, 0)
        .await
        .expect("a person");
    let digest = secret::digest(&SecretString::from("signed-in"));
    store
        .add_session(&digest, "admin", session::LASTING, app.now())
        .await
        .expect("a session");
    let cookie = ("cookie", "lockstep=signed-in");
    ask(&router, "main", &[cookie], 200).await;
    ask(&router, "nowhere", &[cookie], 404).await;
    ask(&router, "main", &[("cookie", "lockstep=else")], 401).await;
    let elsewhere = ("sec-fetch-site", "cross-site");
    ask(&router, "main", &[cookie, elsewhere], 403).await;
    // The password of a proxy on the way is no token, and the gateway is not shown it.
    let basic = ("authorization", "Basic cHJveHk6cGFzc3dvcmQ=");
    ask(&router, "main", &[cookie, basic], 200).await;
    ask(&router, "main", &[basic], 401).await;
    assert_eq!(gateway.count("GET", "/api/user/self"), 0);
    // Whoever shows a token is who the token says, whatever his browser shows beside it.
    let root = format!("Bearer {}", gateway.root_token());
    ask(&router, "main", &[cookie, ("authorization", &root)], 200).await;
    ask(&router, "main", &[cookie, ("authorization", "wrong")], 401).await;
    assert_eq!(gateway.count("GET", "/api/user/self"), 2);
}
