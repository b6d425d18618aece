//! The door of the server: who is let in, and how.

use serde_json::json;

use crate::server::{PASSWORD, Server};
use crate::tester::Shell;

#[tokio::test]
async fn the_link_in_the_terminal_sets_the_password_once_and_signs_in() {
    let shell = Shell::new();
    let mut server = Server::start(&shell).await;
    server.as_page();
    let link = server.link().expect("a link in the terminal");
    assert_eq!(link.len(), 43, "256 bits");
    server.get("/api/v1/sites").await.is(401);

    let short = json!({"link": link, "password": "too short"});
    let refused = server.post("/api/v1/sign-in/link", &short).await.is(400);
    assert_eq!(refused.code(), "unfit_password");
    let long = json!({"link": link, "password": "x".repeat(1001)});
    server.post("/api/v1/sign-in/link", &long).await.is(400);
    let body = json!({"link": link, "password": PASSWORD});
    let answer = server.post("/api/v1/sign-in/link", &body).await.is(200);
    assert_eq!(answer.json()["name"], "admin");
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("lockstep="), "{cookie}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.split("; ").any(|has| has == part), "{cookie}");
    }
    assert!(
        !cookie.contains("Secure") && !cookie.contains("Domain"),
        "{cookie}"
    );

    let again = server.post("/api/v1/sign-in/link", &body).await.is(401);
    assert_eq!(again.code(), "link_over");
    let cookie = answer.cookie();
    server.always("cookie", &cookie);
    server.get("/api/v1/sites").await.is(200);
    let session = server.get("/api/v1/session").await.is(200).json();
    assert_eq!(session["name"], "admin");

    let wrong = json!({"password": "another password"});
    let refused = server.post("/api/v1/sign-in", &wrong).await.is(401);
    assert_eq!(refused.code(), "wrong_password");
    let right = json!({"name": "admin", "password": PASSWORD});
    let answer = server.post("/api/v1/sign-in", &right).await.is(200);
    assert_ne!(answer.cookie(), cookie, "each session has its own token");
    let nobody = json!({"name": "nobody", "password": PASSWORD});
    let refused = server.post("/api/v1/sign-in", &nobody).await.is(401);
    assert_eq!(refused.code(), "wrong_password");

    // Signing out ends this session and leaves the other one.
    let out = server.post("/api/v1/sign-out", &json!({})).await.is(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    server.get("/api/v1/session").await.is(401);
    server.always("cookie", &answer.cookie());
    server.get("/api/v1/session").await.is(200);

    let (_, status) = server.stop().await;
    assert!(status.success());
    let server = Server::start(&shell).await;
    assert_eq!(server.link(), None, "somebody can sign in already");
    let server = server.signed_in().await;
    server.get("/api/v1/session").await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn tokens_are_shown_once_and_do_what_their_scopes_say_until_they_are_removed() {
    let shell = Shell::new();
    let server = Server::start(&shell).await.signed_in().await;
    let new = json!({"name": "dashboard", "scopes": ["read"]});
    let made = server.post("/api/v1/tokens", &new).await.is(201).json();
    let token = made["token"].as_str().expect("shown once").to_owned();
    assert!(
        token.starts_with("lst_") && token.len() == 47,
        "{}",
        token.len()
    );
    let taken = server.post("/api/v1/tokens", &new).await.is(409);
    assert_eq!(taken.code(), "conflict");
    for bad in [
        json!({"name": "", "scopes": ["read"]}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["root"]}),
        json!({"name": "x", "scopes": ["read"], "expires_at": 5}),
        json!({"name": "x", "scopes": ["read"], "expires_at": "tomorrow"}),
        json!({"name": "x", "scopes": ["read"], "expires_at": "1970-01-01T00:00:05Z"}),
    ] {
        server.post("/api/v1/tokens", &bad).await.is(400);
    }

    let bearer = format!("Bearer {token}");
    let as_token = async |path: &str| {
        let headers = [("authorization", bearer.as_str()), ("cookie", "")];
        server.ask(hyper::Method::GET, path, &headers, None).await
    };
    let session = as_token("/api/v1/session").await.is(200).json();
    assert_eq!(session["kind"], "token");
    assert_eq!(session["scopes"], json!(["read"]));
    as_token("/api/v1/sites").await.is(200);
    let refused = as_token("/api/v1/tokens").await.is(403);
    assert_eq!(refused.code(), "scope");
    let listed = server.get("/api/v1/tokens").await.is(200).json();
    let listed = &listed["tokens"][0];
    assert_eq!(listed.get("token"), None);
    for at in ["created_at", "last_used_at"] {
        let at = listed[at].as_str().expect("a time");
        let at: Result<jiff::Timestamp, _> = at.parse();
        assert!(at.is_ok(), "{listed}");
    }
    assert_eq!(listed.get("expires_at"), None, "it ends never");
    // A time is taken in any zone and told in UTC, to the millisecond.
    let short =
        json!({"name": "short", "scopes": ["read"], "expires_at": "2999-01-31T01:30:00.25+01:00"});
    let short = server.post("/api/v1/tokens", &short).await.is(201).json();
    assert_eq!(short["expires_at"], "2999-01-31T00:30:00.25Z");
    let id = short["id"].as_str().expect("an id");
    server.delete(&format!("/api/v1/tokens/{id}")).await.is(204);

    // A token wins over a cookie: one that is none is nobody, whatever the cookie says.
    let headers = [("authorization", "Bearer lst_nothing")];
    let other = server.ask(hyper::Method::GET, "/api/v1/sites", &headers, None);
    other.await.is(401);

    for other in [
        server.put("/api/v1/tokens", &new).await,
        server.patch("/api/v1/tokens", &new).await,
    ] {
        assert_eq!(other.is(405).code(), "wrong_method");
    }
    let id = made["id"].as_str().expect("an id");
    server.delete(&format!("/api/v1/tokens/{id}")).await.is(204);
    server.delete(&format!("/api/v1/tokens/{id}")).await.is(404);
    as_token("/api/v1/sites").await.is(401);
    server.stop().await;
}
