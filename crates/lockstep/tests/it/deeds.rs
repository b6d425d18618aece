//! Who did what beside runs: what is typed is noted as what is asked over HTTP is.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::notices::add;
use crate::notices::place::Place;
use crate::server::Server;
use crate::tester::Shell;
use crate::world::{mixed, priced, start};

/// Every deed, oldest first: who, what, about a site or not, and what belongs to it.
async fn deeds(shell: &Shell) -> Vec<(String, String, bool, Value)> {
    let options = SqliteConnectOptions::new().filename(shell.database());
    let mut db = options.connect().await.expect("a database");
    let rows: Vec<(String, String, Option<String>, String)> =
        sqlx::query_as("SELECT actor, kind, site_id, data FROM deed ORDER BY id")
            .fetch_all(&mut db)
            .await
            .expect("deeds");
    db.close().await.expect("closed");
    let read = |(actor, kind, site, data): (_, _, Option<String>, String)| {
        let data = serde_json::from_str(&data).expect("JSON");
        (actor, kind, site.is_some(), data)
    };
    rows.into_iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_is_noted_with_who_typed_it() {
    let gateway = start(priced(mixed())).await;
    let mut shell = Shell::new();
    shell.set("LOCKSTEP_ALLOW_PRIVATE", "127.0.0.0/8");
    shell.set("USER", "ann");
    shell.add_site("main", &gateway).await.is(0);
    shell.run(&["plan", "models"]).await;
    let edit = ["site", "edit", "main", "--set", "burst=9", "--reset"];
    let edit = [&edit[..], &["concurrency", "--default", "--user-id", "1"]].concat();
    shell.run(&edit).await.is(0);
    let source = "https://prices.example,name=list";
    let source = ["site", "source", "add", source, "--untested"];
    shell.run(&source).await.is(0);
    shell.run(&["site", "source", "remove", "list"]).await.is(0);
    let own = ["channel", "set", "1", "--keep", "mine"];
    shell.run(&own).await.is(0);
    // What changes nothing is no deed.
    shell.run(&own).await.is(0);
    let provider = gateway.provider("beta").base_url().to_owned();
    let set = ["channel", "set", "--provider", &provider];
    let set = [&set[..], &["--policy", "add-only"]].concat();
    shell.run(&set).await.is(0);
    let lock = ["price", "lock", "amber", "--field", "model_ratio"];
    shell.run(&lock).await.is(0);
    shell.run(&["price", "ignore", "birch"]).await.is(0);
    shell.run(&["price", "unlock", "amber"]).await.is(0);
    shell.run(&["held", "never", "8"]).await.is(0);
    shell.run(&["schedule", "set", "models"]).await.is(0);
    shell.run(&["schedule", "off", "models"]).await.is(0);
    shell.run(&["schedule", "off", "models"]).await.is(0);
    let place = Place::always(200, "").await;
    add(&shell, "webhook", &place.url(), &[]).await.is(0);
    shell.run(&["notice", "remove", "there"]).await.is(0);
    let token = ["token", "add", "script", "--scope", "read"];
    shell.run(&token).await.is(0);
    shell.run(&["token", "remove", "script"]).await.is(0);
    shell.run(&["password", "reset"]).await.is(0);
    // What is refused is none either.
    shell.run(&["price", "unlock", "amber"]).await.is(1);
    shell.run(&["site", "remove", "main", "--yes"]).await.is(0);

    let deeds = deeds(&shell).await;
    for (actor, kind, of_site, _) in &deeds {
        assert_eq!(actor, "ann (command line)", "{kind}");
        let aside = ["notice_target_added", "notice_target_removed"];
        let aside = aside.contains(&kind.as_str());
        let aside = aside || kind.starts_with("token") || kind.starts_with("password");
        assert_eq!(*of_site, !aside, "{kind}");
    }
    let own = |policy: Value, keep: Value| json!({"policy": policy, "keep": keep, "allow": [], "include": [], "exclude": [], "always_allowed": []});
    let told: Vec<(&str, Value)> = deeds
        .iter()
        .map(|(_, kind, _, data)| (kind.as_str(), data.clone()))
        .filter(|(kind, _)| *kind != "schedule_set")
        .collect();
    let url = gateway.url();
    let wanted = [
        ("site_added", json!({"name": "main", "url": url})),
        ("site_changed", json!({"changed": ["user_id"]})),
        (
            "settings_changed",
            json!({"settings": {"burst": "9", "concurrency": null}}),
        ),
        ("site_default", json!({})),
        ("source_added", json!({"name": "list"})),
        ("source_removed", json!({"name": "list"})),
        (
            "channel_set",
            json!({"channel": 1, "own": own(Value::Null, json!(["mine"]))}),
        ),
        (
            "provider_set",
            json!({"base_url": provider, "type": null, "own": own(json!("add-only"), json!([]))}),
        ),
        (
            "prices_answered",
            json!({"answer": "lock", "models": ["amber"], "field": "model_ratio"}),
        ),
        (
            "prices_answered",
            json!({"answer": "ignore", "models": ["birch"], "field": null}),
        ),
        (
            "prices_answered",
            json!({"answer": "unlock", "models": ["amber"], "field": null}),
        ),
        (
            "holds_answered",
            json!({"answer": "never", "channels": [8], "models": []}),
        ),
        ("schedule_off", json!({"subject": "models"})),
        (
            "notice_target_added",
            json!({"name": "there", "kind": "webhook", "host": place.host()}),
        ),
        ("notice_target_removed", json!({"name": "there"})),
        (
            "token_added",
            json!({"name": "script", "scopes": ["read"], "expires_at": null}),
        ),
        ("token_removed", json!({"name": "script"})),
        ("password_link", json!({})),
        ("site_removed", json!({"name": "main", "url": url})),
    ];
    for (told, wanted) in told.iter().zip(&wanted) {
        assert_eq!(told, wanted);
    }
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    let set = deeds.iter().find(|(_, kind, ..)| kind == "schedule_set");
    let (.., data) = set.expect("the schedule");
    assert_eq!(data["schedule"]["every_hours"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_what_was_typed() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let server = Server::start(&shell).await.signed_in().await;
    shell
        .run(&["channel", "set", "1", "--keep", "mine"])
        .await
        .is(0);
    let told = server.get("/api/v1/deeds?site=main&limit=1").await;
    let told = told.is(200).json();
    assert_eq!(told["deeds"][0]["kind"], "channel_set");
    assert_eq!(told["deeds"][0]["data"]["channel"], 1);
}
