use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use lockstep_core::site::GatewayUrl;
use lockstep_run::Engine;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_sim::{Gateway, Spec};
use lockstep_store::Store;
use lockstep_store::sites::NewSite;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{is_ours, routes};
use crate::config::File;
use crate::server::caller::{Caller, Scope, Who};
use crate::server::{App, Options};

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

/// Somebody whom the door let in, with these scopes.
fn caller(who: Who, scopes: &[Scope]) -> Caller {
    Caller {
        who,
        scopes: scopes.to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_ours_need_the_scope_and_people_the_gateways_token() {
    let gateway = Gateway::start(Spec::new()).await.expect("it starts");
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
    let router = routes().split_for_parts().0.with_state(app);
    let token = || Who::Token {
        id: "t".to_owned(),
        name: "tests".to_owned(),
    };
    let person = || Who::Person {
        name: "admin".to_owned(),
        session: "s".to_owned(),
    };
    for (who, scopes, shows, path, status) in [
        (token(), &[Scope::RatioSync][..], None, "/sites/main", 200),
        (token(), &[Scope::RatioSync], None, "/sites/nowhere", 404),
        // The gateway's token helps nobody who came as somebody else.
        (
            token(),
            &[Scope::Apply],
            Some(gateway.root_token()),
            "/sites/main",
            403,
        ),
        (person(), &[Scope::Apply], None, "/sites/main", 403),
        (
            person(),
            &[Scope::Apply],
            Some(gateway.root_token()),
            "/sites/main",
            200,
        ),
    ] {
        let mut request = Request::get(format!("{path}/api/ratio_sync/channels"));
        if let Some(token) = shows {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let told = format!("{who:?} {scopes:?} {path}");
        let router = router.clone().layer(Extension(caller(who, scopes)));
        let request = request.body(Body::empty()).expect("a request");
        let answer = router.oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), status, "{told}");
        let body = to_bytes(answer.into_body(), usize::MAX)
            .await
            .expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["success"], status == 200, "{told}");
    }
    let whose = gateway.count("GET", "/api/user/self");
    assert_eq!(whose, 1, "a token of ours is not shown to the gateway");
}
