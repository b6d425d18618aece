//! How long people stay signed in, how passwords are set, and that nothing of it is to be read anywhere.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hyper::Method;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::canary;
use crate::server::{PASSWORD, Server, link_in};
use crate::tester::Shell;

const HOUR: i64 = 3_600_000;

async fn database(shell: &Shell) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(shell.database());
    options.connect().await.expect("a database")
}

/// Moves what the database says of all sessions into the past.
async fn age(shell: &Shell, created: i64, seen: i64) {
    let mut db = database(shell).await;
    sqlx::query("UPDATE session SET created_at = created_at - $1, seen_at = seen_at - $2")
        .bind(created)
        .bind(seen)
        .execute(&mut db)
        .await
        .expect("older");
    db.close().await.expect("closed");
}

async fn count(shell: &Shell, query: &'static str) -> i64 {
    let mut db = database(shell).await;
    let count = sqlx::query_scalar(query).fetch_one(&mut db).await;
    db.close().await.expect("closed");
    count.expect("a count")
}

#[tokio::test]
async fn a_session_ends_after_12_hours_without_use_and_after_7_days_in_all() {
    let shell = Shell::new();
    let mut server = Server::start(&shell).await.signed_in().await;
    server.get("/api/v1/session").await.is(200);
    // A use is written down, so that the hours count from then.
    for _ in 0..3 {
        age(&shell, 11 * HOUR, 11 * HOUR).await;
        server.get("/api/v1/session").await.is(200);
    }
    age(&shell, 12 * HOUR, 12 * HOUR).await;
    server.get("/api/v1/session").await.is(401);

    server.never("cookie");
    let mut server = server.signed_in_again().await;
    age(&shell, 7 * 24 * HOUR - HOUR, 0).await;
    server.get("/api/v1/session").await.is(200);
    age(&shell, HOUR, 0).await;
    server.get("/api/v1/session").await.is(401);
    // What is over goes with the next sign-in.
    server.never("cookie");
    let server = server.signed_in_again().await;
    assert_eq!(count(&shell, "SELECT COUNT(*) FROM session").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn another_password_ends_all_other_sessions_and_asks_for_the_present_one() {
    const NEXT: &str = "the next password";
    let shell = Shell::new();
    let mut server = Server::start(&shell).await.signed_in().await;
    let here = json!({ "password": PASSWORD });
    let other = server.post("/api/v1/sign-in", &here).await.is(200).cookie();

    let wrong = json!({"current": "not this one", "new": NEXT});
    let refused = server.post("/api/v1/password", &wrong).await.is(401);
    assert_eq!(refused.code(), "wrong_password");
    let short = json!({"current": PASSWORD, "new": "short"});
    let refused = server.post("/api/v1/password", &short).await.is(400);
    assert_eq!(refused.code(), "unfit_password");
    let change = json!({"current": PASSWORD, "new": NEXT});
    server.post("/api/v1/password", &change).await.is(204);
    server.get("/api/v1/session").await.is(200);
    server.always("cookie", &other);
    server.get("/api/v1/session").await.is(401);
    server.never("cookie");
    server.post("/api/v1/sign-in", &here).await.is(401);
    let next = json!({ "password": NEXT });
    server.post("/api/v1/sign-in", &next).await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn a_reset_link_replaces_the_password_and_all_sessions_when_it_is_used() {
    let shell = Shell::new();
    let server = Server::start(&shell).await.signed_in().await;
    let said = shell.run(&["password", "reset"]).await.is(0);
    let alone = link_in(&said.out).expect("a link");
    assert!(said.out.starts_with("/sign-in/link#"), "{}", said.out);
    let typed = [
        "password",
        "reset",
        "--public-url",
        "https://lockstep.example/",
    ];
    let (object, code) = shell.json(&typed).await;
    assert_eq!(code, 0);
    let link = object["link"].as_str().expect("a link");
    assert!(
        link.starts_with("https://lockstep.example/sign-in/link#"),
        "{link}"
    );
    let link = link_in(link).expect("a token");
    assert_ne!(link, alone);

    // Until it is used, everything is as it was.
    server.get("/api/v1/session").await.is(200);
    let used = json!({"link": link, "password": "set by the link"});
    server.post("/api/v1/sign-in/link", &used).await.is(200);
    server.get("/api/v1/session").await.is(401);
    let old = json!({ "password": PASSWORD });
    server.post("/api/v1/sign-in", &old).await.is(401);
    let new = json!({"password": "set by the link"});
    server.post("/api/v1/sign-in", &new).await.is(200);
    // The other link went with it.
    let other = json!({"link": alone, "password": "set by the other"});
    server.post("/api/v1/sign-in/link", &other).await.is(401);
    server.stop().await;
}

#[tokio::test]
async fn a_link_holds_for_a_day_and_each_start_without_anybody_makes_another() {
    let shell = Shell::new();
    let server = Server::start(&shell).await;
    let first = server.link().expect("a link");
    server.stop().await;
    let mut db = database(&shell).await;
    sqlx::query("UPDATE sign_in_link SET expires_at = expires_at - 86400000")
        .execute(&mut db)
        .await
        .expect("a day later");
    db.close().await.expect("closed");
    let mut server = Server::start(&shell).await;
    server.as_page();
    let second = server.link().expect("another link");
    assert_ne!(first, second);
    let over = json!({"link": first, "password": PASSWORD});
    server.post("/api/v1/sign-in/link", &over).await.is(401);
    let good = json!({"link": second, "password": PASSWORD});
    server.post("/api/v1/sign-in/link", &good).await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn the_password_of_a_file_is_taken_at_the_start_where_it_differs() {
    const FILES: &str = "the password of the file";
    let mut shell = Shell::new();
    let file = shell.path("password");
    std::fs::write(&file, format!("{FILES}\n")).expect("written");
    let mode = |file: &Path, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file, permissions).expect("set");
    };
    mode(&file, 0o600);
    shell.set("LOCKSTEP_ADMIN_PASSWORD_FILE", &file.display().to_string());

    let mut server = Server::start(&shell).await;
    assert_eq!(server.link(), None);
    assert!(!server.said().contains("others on this machine"));
    server.as_page();
    let body = json!({ "password": FILES });
    let cookie = server.post("/api/v1/sign-in", &body).await.is(200).cookie();
    server.stop().await;
    // Nothing differs: the session goes on.
    mode(&file, 0o644);
    let mut server = Server::start(&shell).await;
    assert!(server.said().contains("others on this machine"));
    server.as_page();
    server.always("cookie", &cookie);
    server.get("/api/v1/session").await.is(200);
    server.stop().await;
    std::fs::write(&file, "the next password of the file").expect("written");
    let mut server = Server::start(&shell).await;
    server.always("cookie", &cookie);
    server.get("/api/v1/session").await.is(401);
    server.post("/api/v1/sign-in", &body).await.is(401);
    server.stop().await;

    for (text, why) in [("short", "at least 12 characters"), ("", "at least 12")] {
        std::fs::write(&file, text).expect("written");
        let said = shell.run(&["serve", "--listen", "127.0.0.1:0"]).await;
        said.is(1).says(why);
    }
    std::fs::remove_file(&file).expect("removed");
    let said = shell.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    said.is(1).says("cannot be read");
}

#[tokio::test]
async fn tokens_made_on_the_command_line_work_until_they_end() {
    let shell = Shell::new();
    let server = Server::start(&shell).await.signed_in().await;
    let add = [
        "token",
        "add",
        "sync",
        "--scope",
        "read,plan",
        "--expires",
        "90d",
    ];
    let said = shell.run(&add).await.is(0);
    let token = said.out.trim().to_owned();
    assert!(token.starts_with("lst_"), "{token}");
    let bearer = format!("Bearer {token}");
    let as_token = async |status: u16| {
        let headers = [("authorization", bearer.as_str()), ("cookie", "")];
        let answer = server.ask(Method::GET, "/api/v1/session", &headers, None);
        answer.await.is(status)
    };
    let session = as_token(200).await.json();
    assert_eq!(session["scopes"], json!(["read", "plan"]));
    shell
        .run(&add)
        .await
        .is(1)
        .says("there is a token `sync` already");
    shell.run(&["token", "add", "x"]).await.is(1);
    let wrong = ["token", "add", "x", "--scope", "read", "--expires", "soon"];
    shell.run(&wrong).await.is(1).says("90d");

    let (object, _) = shell.json(&["token", "list"]).await;
    let listed = &object["tokens"][0];
    assert_eq!(listed["expires_soon"], false);
    assert!(listed["last_used_at"].is_string(), "{listed}");
    assert!(!object.to_string().contains(&token));
    let mut db = database(&shell).await;
    sqlx::query("UPDATE token SET expires_at = expires_at - $1")
        .bind(89 * 24 * HOUR)
        .execute(&mut db)
        .await
        .expect("nearer its end");
    shell.run(&["token", "list"]).await.is(0).says("(soon)");
    let listed = server.get("/api/v1/tokens").await.is(200).json();
    assert_eq!(listed["tokens"][0]["expires_soon"], true);
    as_token(200).await;
    sqlx::query("UPDATE token SET expires_at = expires_at - $1")
        .bind(24 * HOUR)
        .execute(&mut db)
        .await
        .expect("over");
    db.close().await.expect("closed");
    as_token(401).await;
    shell.run(&["token", "list"]).await.is(0).says("(over)");
    shell.run(&["token", "remove", "sync"]).await.is(0);
    shell
        .run(&["token", "remove", "sync"])
        .await
        .is(1)
        .says("there is no token");
    server.stop().await;
}

#[tokio::test]
async fn no_password_and_no_token_is_to_be_read_anywhere_but_where_it_is_shown() {
    const NEXT: &str = "Xk8NextCanaryPasswordq4TmRz";
    let shell = Shell::new();
    let mut server = Server::start(&shell).await;
    server.as_page();
    let link = server.link().expect("a link");
    let first = "Vb3FirstCanaryPasswordw9LpHs";
    let body = json!({"link": link, "password": first});
    let answer = server.post("/api/v1/sign-in/link", &body).await.is(200);
    let session = answer.cookie();
    server.always("cookie", &session);
    let new = json!({"name": "program", "scopes": ["apply"]});
    let made = server.post("/api/v1/tokens", &new).await.is(201).json();
    let token = made["token"].as_str().expect("shown once").to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let sites = server.ask(Method::GET, "/api/v1/sites", &headers, None);
    sites.await.is(200);
    let change = json!({"current": first, "new": NEXT});
    server.post("/api/v1/password", &change).await.is(204);
    // What is refused is told without what was sent: a password in the wrong place, or as a number.
    let mut answers = Vec::new();
    for (path, body) in [
        ("/api/v1/sign-in", json!({"password": [NEXT]})),
        ("/api/v1/sign-in", json!({"password": {NEXT: 1}})),
        ("/api/v1/sign-in", json!({NEXT: "password"})),
        ("/api/v1/sign-in", json!({"name": NEXT, "password": "x"})),
        (
            "/api/v1/sign-in/link",
            json!({"link": token, "password": NEXT}),
        ),
        ("/api/v1/password", json!({"current": NEXT, "new": "short"})),
    ] {
        let answer = server.post(path, &body).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        answers.push(answer.body);
    }
    shell.run(&["password", "reset"]).await.is(0);
    let listed = shell.run(&["token", "list", "--json", "-vvv"]).await;
    let listed = listed.is(0);
    let (said, _) = server.stop().await;
    assert!(said.contains("a sign-in was refused"), "the log is on");

    let value = |cookie: &str| {
        let (_, value) = cookie.split_once('=').expect("a cookie");
        value.to_owned()
    };
    let secrets = [
        ("first password", first.to_owned()),
        ("next password", NEXT.to_owned()),
        ("session", value(&session)),
        ("token", token),
    ];
    assert_eq!(canary::found_of(said.as_bytes(), &secrets), None);
    let listed = format!("{}{}", listed.out, listed.err);
    assert_eq!(canary::found_of(listed.as_bytes(), &secrets), None);
    for answer in answers {
        assert_eq!(canary::found_of(&answer, &secrets), None);
    }
    let mut stored = secrets.to_vec();
    stored.push(("link", link.clone()));
    let searched = canary::search_for(&shell.path(""), &stored);
    assert!(searched > 10_000, "{searched}");
    // The link is in the terminal once, and not in the log.
    assert_eq!(said.matches(&link).count(), 1);

    let deeds = count(
        &shell,
        "SELECT COUNT(*) FROM deed WHERE kind IN ('password', 'token_added', 'password_link')",
    );
    assert_eq!(deeds.await, 4, "who did what is noted");
}
