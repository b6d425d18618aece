//! The demo that stays: pages over weeks of made-up history, at one address that lets its bearer in.

use crate::server::Server;
use crate::tester::Shell;

#[tokio::test]
async fn the_demo_opens_on_weeks_of_history_at_one_address() {
    let shell = Shell::new();
    let mut server = Server::start_as("demo", &shell, &[]).await;
    server.until_says("Ctrl-C ends it").await;
    let said = server.said();
    let page = said
        .lines()
        .find_map(|line| line.trim().strip_prefix(&server.url))
        .expect("its address");
    // Whoever has not this address is nobody, and no other word opens it.
    let led = server.page("/").await.is(303);
    assert_eq!(led.header("location"), "/sign-in");
    for wrong in ["/sign-in/demo", "/sign-in/demo?key=", "/sign-in/demo?key=x"] {
        let led = server.page(wrong).await.is(303);
        assert_eq!(led.header("location"), "/sign-in");
    }
    let entered = server.page(page).await.is(303);
    assert_eq!(entered.header("location"), "/");
    server.always("cookie", &entered.cookie());
    server.page("/").await.is(200).says("demo");

    let runs = server
        .get("/api/v1/sites/demo/runs?limit=100")
        .await
        .is(200)
        .json();
    let runs = runs["runs"].as_array().expect("runs").clone();
    let of = |subject: &str, actor: &str| {
        let found = runs.iter().filter(|run| run["subject"] == subject);
        found.filter(|run| run["actor"] == actor).count()
    };
    assert_eq!((of("models", "admin"), of("prices", "admin")), (1, 1));
    assert_eq!(
        (of("models", "schedule"), of("prices", "schedule")),
        (15, 5)
    );
    let changed = |run: &&serde_json::Value| run["statistics"]["changed"] != 0;
    assert!(runs.iter().filter(changed).count() >= 8, "{runs:?}");
    let days =
        |run: &serde_json::Value| run["started_at"].as_str().expect("a time")[..10].to_owned();
    let days: std::collections::BTreeSet<String> = runs.iter().map(days).collect();
    assert!(days.len() > 15, "{days:?}");
    let (_, ended) = server.stop().await;
    assert!(ended.success());
    assert!(
        !shell.path("home").exists(),
        "the demo leaves nothing behind"
    );
}

#[tokio::test]
async fn the_way_into_the_demo_leads_nowhere_elsewhere() {
    let shell = Shell::new();
    let server = Server::start(&shell).await;
    let led = server.page("/sign-in/demo?key=").await.is(303);
    assert_eq!(led.header("location"), "/sign-in");
    assert!(led.headers.get("set-cookie").is_none());
    server.stop().await;
}
