//! The configuration file, and what wins over what.

use serde_json::{Value, json};

use crate::canary;
use crate::tester::Shell;
use crate::world::{healthy, item, start};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_a_file_that_is_in_order() {
    let shell = Shell::new();
    let example = shell.run(&["config", "example"]).await.is(0);
    let path = shell.path("lockstep.toml").display().to_string();
    std::fs::write(&path, &example.out).expect("written");
    shell
        .run(&["config", "check", "--config", &path])
        .await
        .is(0)
        .says("is in order");
    let (told, code) = shell.json(&["config", "check", "--config", &path]).await;
    assert_eq!((code, told), (0, json!({"config": path, "valid": true})));
    let (told, _) = shell.json(&["config", "example"]).await;
    assert_eq!(
        told["example"].as_str().map(str::trim_end),
        Some(example.out.trim_end())
    );
    assert!(!shell.path("home").exists(), "no database is made for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_a_file_is_told_with_its_line() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    let path = shell.path("lockstep.toml").display().to_string();
    shell.set("LOCKSTEP_CONFIG", &path);
    for (text, says) in [
        (
            "# mine\n[sync]\nconcurrency = 9\n\npace = \"warp\"\n",
            &[
                "line 3: concurrency is 9; it can be 1 to 8",
                "line 5: pace is `warp`",
            ][..],
        ),
        ("[sync]\nspeed = 1\n", &["line 2", "speed"]),
        ("site = \"main\"\n[snyc]\n", &["line 2", "snyc"]),
        ("[sync]\nkeep = [1]\n", &["line 2", "list of texts"]),
        ("site = main\n", &["line 1"]),
    ] {
        std::fs::write(&path, text).expect("written");
        for verb in [&["config", "check"][..], &["sync", "--yes"]] {
            let mut said = shell.run(verb).await.is(1);
            for what in says {
                said = said.says(what);
            }
        }
    }
    std::fs::remove_file(&path).expect("removed");
    shell
        .run(&["config", "check"])
        .await
        .is(1)
        .says("cannot be read");
    shell.unset("LOCKSTEP_CONFIG");
    shell
        .run(&["config", "check"])
        .await
        .is(1)
        .says("which file?");
    assert!(gateway.log().is_empty());
}

/// What a policy makes of the healthy gateway, where channel 1 would gain a name and channel 3 lose one.
fn policy(run: &Value) -> &'static str {
    let status = |id| item(run, id)["status"].as_str().expect("a status");
    match (status(1), status(3)) {
        ("planned", "planned") => "mirror",
        ("planned", "success") => "add-only",
        ("success", "planned") => "prune-only",
        ("skipped", "skipped") => "report-only",
        other => panic!("which policy is {other:?}?"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_wins_over_the_environment_that_over_the_file_and_that_over_what_is_stored() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::with_site(&gateway).await;
    let path = shell.path("lockstep.toml").display().to_string();
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(policy(&run), "mirror");
    shell
        .run(&["site", "edit", "main", "--policy", "report-only"])
        .await
        .is(0);
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(policy(&run), "report-only");
    std::fs::write(&path, "[sync]\npolicy = \"add-only\"\n").expect("written");
    shell.set("LOCKSTEP_CONFIG", &path);
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(policy(&run), "add-only");
    shell.set("LOCKSTEP_POLICY", "prune-only");
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(policy(&run), "prune-only");
    let (run, _) = shell.json(&["plan", "--policy", "mirror"]).await;
    assert_eq!(policy(&run), "mirror");
    shell.set("LOCKSTEP_POLICY", "");
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(policy(&run), "add-only", "a blank variable says nothing");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_that_of_the_flag_the_environment_the_file_or_the_data_folder() {
    let mut shell = Shell::new();
    let config = shell.path("lockstep.toml").display().to_string();
    let file = shell.path("file.db");
    std::fs::write(&config, format!("database = \"{}\"\n", file.display())).expect("written");
    let flag = shell.path("flag.db");
    let typed = [
        "site",
        "list",
        "--config",
        &config,
        "--database",
        &flag.display().to_string(),
    ];
    shell.run(&typed).await.is(0);
    assert!(flag.exists() && !shell.database().exists() && !file.exists());
    shell
        .run(&["site", "list", "--config", &config])
        .await
        .is(0);
    assert!(shell.database().exists() && !file.exists());
    shell.unset("LOCKSTEP_DATABASE");
    shell
        .run(&["site", "list", "--config", &config])
        .await
        .is(0);
    assert!(file.exists());
    let data = shell.path("home").join(".local/share/lockstep/lockstep.db");
    assert!(!data.exists());
    shell.run(&["site", "list"]).await.is(0);
    assert!(data.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_names_the_gateway_and_then_the_environment_the_file_and_the_default() {
    let gateways = [
        start(healthy()).await,
        start(healthy()).await,
        start(healthy()).await,
    ];
    let mut shell = Shell::with_site(&gateways[0]).await;
    shell.add_site("second", &gateways[1]).await.is(0);
    let asked = |shell: &Shell, more: &[&str]| {
        for gateway in &gateways {
            gateway.clear_log();
        }
        let args: Vec<String> = ["plan"]
            .iter()
            .chain(more)
            .map(|text| (*text).to_owned())
            .collect();
        let command = shell
            .command(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .output();
        let gateways = &gateways;
        async move {
            command.await.expect("it ran");
            gateways
                .iter()
                .map(|gateway| !gateway.log().is_empty())
                .collect::<Vec<_>>()
        }
    };
    let (first, second, third) = (
        [true, false, false],
        [false, true, false],
        [false, false, true],
    );
    assert_eq!(asked(&shell, &[]).await, first);
    let path = shell.path("lockstep.toml").display().to_string();
    std::fs::write(&path, "site = \"second\"\n").expect("written");
    shell.set("LOCKSTEP_CONFIG", &path);
    assert_eq!(asked(&shell, &[]).await, second);
    shell.set("LOCKSTEP_SITE", "main");
    assert_eq!(asked(&shell, &[]).await, first);
    assert_eq!(asked(&shell, &["--site", "second"]).await, second);
    let url = gateways[2].url();
    shell.set("LOCKSTEP_TOKEN", canary::ROOT);
    assert_eq!(
        asked(&shell, &["--url", &url, "--user-id", "1"]).await,
        third
    );
    shell.unset("LOCKSTEP_SITE");
    shell.set("LOCKSTEP_URL", &url);
    shell.set("LOCKSTEP_USER_ID", "1");
    assert_eq!(asked(&shell, &[]).await, third);
    assert_eq!(asked(&shell, &["--site", "main"]).await, first);
    shell.set("LOCKSTEP_SITE", "main");
    shell.run(&["plan"]).await.is(1).says("name two gateways");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_environment_for_one_gateway_is_not_sent_to_another() {
    let (stored, other) = (start(healthy()).await, start(healthy()).await);
    let mut shell = Shell::with_site(&stored).await;
    shell.set("LOCKSTEP_URL", &other.url());
    shell.set("LOCKSTEP_USER_ID", "7");
    shell.set("LOCKSTEP_TOKEN", canary::UNKNOWN);
    stored.clear_log();
    for verb in [
        &["plan", "--site", "main"][..],
        &["site", "test"],
        &["site", "test", "main"],
    ] {
        let code = shell.run(verb).await.code();
        assert_ne!(code, 1, "{verb:?}");
    }
    // The status page is open to everybody; all else was asked with the stored token.
    let strangers = stored
        .log()
        .into_iter()
        .filter(|entry| entry.role.is_none() && entry.status != Some(200));
    assert_eq!(strangers.count(), 0);
    assert!(other.log().is_empty());
    // Without an address beside it the token of the environment is meant for the site that is named.
    shell.unset("LOCKSTEP_URL");
    shell
        .run(&["plan", "--site", "main"])
        .await
        .is(1)
        .says("401");
}
