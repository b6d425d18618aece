//! `lockstep site`: added only after a look at it, changed, forgotten.

use serde_json::json;

use crate::canary;
use crate::tester::{Said, Shell};
use crate::world::{healthy, spec, start};

async fn add(shell: &Shell, name: &str, url: &str, token: &str, more: &[&str]) -> Said {
    let add = [
        "site",
        "add",
        name,
        "--url",
        url,
        "--user-id",
        "1",
        "--token-stdin",
    ];
    shell.pipe(&[&add[..], more].concat(), token).await
}

async fn names(shell: &Shell) -> Vec<String> {
    let (told, code) = shell.json(&["site", "list"]).await;
    assert_eq!(code, 0);
    let sites = told["sites"].as_array().expect("sites");
    sites
        .iter()
        .map(|site| site["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_kept_only_when_its_address_token_and_role_are_good() {
    let gateway = start(healthy()).await;
    let behind = start(spec().prefix("/gate")).await;
    let url = gateway.url();
    let page = format!("http://{}", behind.addr());
    let shell = Shell::new();
    for (url, token, what) in [
        (url.as_str(), canary::UNKNOWN, "401 Unauthorized"),
        (&url, canary::COMMON, "the token's role is too low"),
        ("http://127.0.0.1:1", canary::ROOT, "does not answer"),
        (&page, canary::ROOT, "Wrong address: a page came back"),
        (
            "ftp://127.0.0.1",
            canary::ROOT,
            "must begin with http: or https:",
        ),
        ("127.0.0.1", canary::ROOT, "is not an address"),
        (&url, "  ", "nothing came on stdin"),
    ] {
        add(&shell, "main", url, token, &[]).await.is(1).says(what);
        assert!(names(&shell).await.is_empty(), "kept although: {what}");
    }
    let missing = ["site", "add", "main", "--url", &url, "--user-id", "1"];
    shell
        .run(&missing)
        .await
        .is(1)
        .says("Configuration missing: the Admin Token");
    let named = ["site", "add", "main", "--url", &url, "--user-id", "root"];
    shell.run(&named).await.is(1).says("User Management");

    add(&shell, "main", &url, canary::ADMIN, &[])
        .await
        .is(0)
        .says("is kept");
    assert_eq!(names(&shell).await, ["main"]);
    add(&shell, "main", &url, canary::ROOT, &[])
        .await
        .is(1)
        .says("already");
    assert!(gateway.writes().is_empty() && behind.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_test_says_each_finding_as_json() {
    let gateway = start(healthy()).await;
    let shell = Shell::new();
    let said = add(&shell, "main", &gateway.url(), canary::UNKNOWN, &["--json"]).await;
    let told = said.is(1).json();
    assert_eq!(told["ok"], false);
    let levels: Vec<&str> = told["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["level"].as_str())
        .collect();
    assert_eq!(levels.last(), Some(&"wrong"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untested_site_is_kept_and_the_doctor_finds_what_is_wrong() {
    let shell = Shell::new();
    add(
        &shell,
        "main",
        "http://127.0.0.1:1/",
        canary::ROOT,
        &["--untested"],
    )
    .await
    .is(0);
    shell.run(&["doctor"]).await.is(1).says("does not answer");
    shell
        .run(&["site", "test", "main"])
        .await
        .is(1)
        .says("does not answer");
    shell
        .run(&["plan"])
        .await
        .is(1)
        .says("The gateway does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_the_environment_is_stored_and_serves_without_it() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::new();
    shell.set("LOCKSTEP_TOKEN", gateway.root_token());
    let url = gateway.url();
    let add = ["site", "add", "main", "--url", &url, "--user-id", "1"];
    shell.run(&add).await.is(0);
    shell.unset("LOCKSTEP_TOKEN");
    shell.run(&["plan"]).await.is(2);
    let roles: Vec<_> = gateway
        .log()
        .iter()
        .filter_map(|entry| entry.role)
        .collect();
    assert!(
        roles.iter().all(|role| *role == 100) && roles.len() > 3,
        "{roles:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let gateway = start(healthy()).await;
    let url = gateway.url();
    let shell = Shell::new();
    let settings = [
        "--untested",
        "--policy",
        "add-only",
        "--console-url",
        "https://console.example",
    ];
    add(&shell, "main", &url, canary::UNKNOWN, &settings)
        .await
        .is(0);
    shell.run(&["doctor"]).await.is(1).says("401");

    let edit = |args: &'static [&'static str]| [&["site", "edit", "main"], args].concat();
    shell
        .pipe(&edit(&["--token-stdin"]), gateway.root_token())
        .await
        .is(0);
    shell.run(&["doctor"]).await.is(0);
    shell
        .run(&edit(&["--concurrency", "3", "--keep", "a", "--keep", "b"]))
        .await
        .is(0);
    let (told, _) = shell.json(&["site", "list"]).await;
    assert_eq!(
        told["sites"][0],
        json!({
            "name": "main", "url": url, "user_id": "1", "console_url": "https://console.example",
            "default": true, "allow_private": [], "has_token": true,
            "settings": {"policy": "add-only", "concurrency": "3", "keep": "a\nb"},
        })
    );
    shell
        .run(&edit(&["--concurrency", "9"]))
        .await
        .is(1)
        .says("1 to 8");
    shell
        .run(&edit(&["--reset", "speed"]))
        .await
        .is(1)
        .says("no setting `speed`");
    let cleared = edit(&[
        "--reset",
        "concurrency",
        "--reset",
        "keep",
        "--console-url",
        "",
    ]);
    shell.run(&cleared).await.is(0);
    let renamed = edit(&["--rename", "first", "--user-id", "2"]);
    let told = shell
        .run(&[&renamed[..], &["--json"]].concat())
        .await
        .is(0)
        .json();
    assert_eq!(told["site"]["settings"], json!({"policy": "add-only"}));
    assert_eq!(told["site"]["name"], "first");
    assert_eq!(told["site"]["user_id"], "2");
    assert_eq!(told["site"]["console_url"], json!(null));
    shell
        .run(&["site", "edit", "main", "--default"])
        .await
        .is(1);
    shell
        .run(&["doctor", "--site", "first"])
        .await
        .is(0)
        .says("the token is user 1's");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_sites_the_default_one_is_meant() {
    let (one, other) = (start(healthy()).await, start(healthy()).await);
    let shell = Shell::with_site(&one).await;
    shell.add_site("other", &other).await.is(0);
    let asked = |gateway: &lockstep_sim::Gateway| gateway.count("GET", "/api/channel/fetch_models");
    shell.run(&["plan"]).await.is(2);
    assert_eq!((asked(&one), asked(&other)), (3, 0));
    shell.run(&["plan", "--site", "other"]).await.is(2);
    assert_eq!((asked(&one), asked(&other)), (3, 3));
    shell
        .run(&["site", "edit", "other", "--default"])
        .await
        .is(0);
    shell.run(&["plan"]).await.is(2);
    assert_eq!((asked(&one), asked(&other)), (3, 6));
    shell
        .run(&["plan", "--site", "third"])
        .await
        .is(1)
        .says("no site `third`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_forgotten_with_its_history_only_after_a_yes() {
    let gateway = start(healthy()).await;
    let shell = Shell::with_site(&gateway).await;
    shell.run(&["plan"]).await.is(2);
    shell
        .run(&["site", "remove", "main"])
        .await
        .is(2)
        .says("Nothing was removed");
    assert_eq!(names(&shell).await, ["main"]);
    let told = shell
        .run(&["site", "remove", "main", "--json"])
        .await
        .is(2)
        .json();
    assert_eq!(told["site"]["name"], "main");
    shell
        .run(&["site", "remove", "main", "--yes"])
        .await
        .is(0)
        .says("is forgotten");
    assert!(names(&shell).await.is_empty());
    shell
        .run(&["runs"])
        .await
        .is(1)
        .says("Configuration missing: no gateway");
    shell.run(&["site", "remove", "main", "--yes"]).await.is(1);
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_a_run_are_not_made_a_sites_settings() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::new();
    shell.set("LOCKSTEP_POLICY", "report-only");
    shell.add_site("main", &gateway).await.is(0);
    shell
        .run(&["site", "edit", "main", "--burst", "6"])
        .await
        .is(0);
    let (told, _) = shell.json(&["site", "list"]).await;
    assert_eq!(told["sites"][0]["settings"], json!({"burst": "6"}));
}
