//! What was done, and what channels have of their own.

use serde_json::{Value, json};

use crate::tester::Shell;
use crate::world::{healthy, is_the_truth, item, items, list, mixed, start, texts};

fn runs(told: &Value) -> Vec<&Value> {
    told["runs"].as_array().expect("runs").iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_newest_first_and_filtered() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    let (none, code) = shell.json(&["runs"]).await;
    assert_eq!((code, none), (0, json!({"runs": []})));
    shell.run(&["runs"]).await.is(0).says("No run yet");
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(3);
    shell.run(&["sync", "--yes", "--channel", "2"]).await.is(0);
    shell.run(&["undo", "--yes"]).await.is(0);
    let listed = |told: &Value| -> Vec<String> {
        runs(told)
            .iter()
            .map(|run| run["trigger"].as_str().expect("a trigger").to_owned())
            .collect()
    };
    for (filter, expected) in [
        (&[][..], &["undo", "selected", "sync", "plan"][..]),
        (&["--limit", "2"], &["undo", "selected"]),
        (&["--failed"], &["sync", "plan"]),
        (&["--failed", "--limit", "1"], &["sync"]),
        (&["--changed"], &["undo", "sync"]),
        (&["--held"], &["sync", "plan"]),
        (&["--search", "GPT-5-NANO"], &["undo", "sync", "plan"]),
        (&["--search", "status code: 401"], &["sync", "plan"]),
        (&["--search", "beta"], &["selected", "sync", "plan"]),
        (&["--search", "no such thing"], &[]),
    ] {
        let (told, code) = shell.json(&[&["runs"], filter].concat()).await;
        assert_eq!(code, 0);
        assert_eq!(listed(&told), expected, "{filter:?}");
    }
    let human = shell.run(&["runs"]).await.is(0);
    assert_eq!(human.out.lines().count(), 5, "{}", human.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_is_shown_in_full_and_its_filters_leave_the_statistics_alone() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    let (run, _) = shell.json(&["sync", "--yes"]).await;
    let id = run["run"].as_str().expect("an id");
    let (again, code) = shell.json(&["runs", id]).await;
    assert_eq!((code, &again), (0, &run), "the same run, told later");
    is_the_truth(&again, &gateway);
    for (filter, expected) in [
        (&["--failed"][..], &[5][..]),
        (&["--changed"], &[1, 3]),
        (&["--held"], &[4, 7, 8]),
        (&["--failed", "--changed"], &[1, 3, 5]),
        (&["--search", "gamma"], &[3]),
        (&["--search", "7"], &[7]),
        (&["--held", "--search", "old-5"], &[8]),
    ] {
        let (told, _) = shell.json(&[&["runs", id], filter].concat()).await;
        let ids: Vec<i64> = items(&told)
            .iter()
            .filter_map(|item| item["channel_id"].as_i64())
            .collect();
        assert_eq!(ids, expected, "{filter:?}");
        assert_eq!(told["statistics"], run["statistics"], "{filter:?}");
    }
    shell
        .run(&["runs", &id[..30]])
        .await
        .is(0)
        .says("approved")
        .says("--yes")
        .says("8 channels, 2 changed");
    shell.run(&["runs", "zz"]).await.is(1).says("no run");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_names_who_asked_and_who_approved() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    shell.set("USER", "mira");
    shell.run(&["plan"]).await.is(2);
    shell.unset("USER");
    shell.run(&["apply", "--yes"]).await.is(0);
    let (told, _) = shell.json(&["runs"]).await;
    assert_eq!(told["runs"][0]["actor"], "mira (command line)");
    shell.set("USER", "noor");
    gateway.provider("acme").set_models(["gpt-5", "gpt-5-mini"]);
    shell.run(&["sync", "--unattended"]).await;
    let (told, _) = shell.json(&["runs"]).await;
    assert_eq!(told["runs"][0]["actor"], "noor (command line)");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_listed_with_their_latest_result() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell
        .run(&["channel", "list"])
        .await
        .is(0)
        .says("No channel was read yet");
    shell
        .run(&["channel", "show", "1"])
        .await
        .is(1)
        .says("was not read yet");
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes", "--channel", "1"]).await.is(0);
    let (told, code) = shell.json(&["channel", "list"]).await;
    assert_eq!(code, 0);
    let statuses: Vec<&str> = told["channels"]
        .as_array()
        .expect("channels")
        .iter()
        .filter_map(|channel| channel["status"].as_str())
        .collect();
    assert_eq!(
        statuses,
        [
            "success", "success", "planned", "held", "failed", "skipped", "held", "held"
        ]
    );
    assert_eq!(
        texts(&told["channels"][0]["models"]),
        ["gpt-5", "gpt-5-mini", "gpt-5-nano"]
    );
    let (told, _) = shell.json(&["channel", "show", "1"]).await;
    assert_eq!(told["history"][0]["state"], "applied");
    assert_eq!(told["history"][0]["added"], json!(["gpt-5-nano"]));
    assert_eq!(told["history"].as_array().map(Vec::len), Some(2));
    shell
        .run(&["channel", "show", "8"])
        .await
        .is(0)
        .says("would be removed")
        .says("Cheap relay");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_channel_has_of_its_own_holds_for_it_alone() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    let set = [
        "channel",
        "set",
        "3",
        "--keep",
        "gamma-9",
        "--exclude",
        "regex:^x",
        "--policy",
        "exact",
    ];
    let (told, code) = shell.json(&set).await;
    assert_eq!((code, &told["set"]), (0, &json!("channel 3")));
    let own = json!({
        "policy": "exact", "keep": ["gamma-9"], "allow": [], "include": [],
        "exclude": ["regex:^x"], "always_allowed": [],
    });
    assert_eq!(told["own"], own);
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(
        item(&run, 3)["kept"],
        json!([{"name": "gamma-9", "why": "pinned"}])
    );
    assert_eq!(item(&run, 1)["status"], "planned");
    let (told, _) = shell.json(&["channel", "list"]).await;
    assert_eq!(told["channels"][2]["own"], own);
    shell
        .run(&["channel", "set", "3", "--keep", "", "--policy", ""])
        .await
        .is(0)
        .says("exclude regex:^x");
    shell
        .run(&["channel", "set", "3", "--reset"])
        .await
        .is(0)
        .says("nothing of its own");
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(item(&run, 3)["removed"], json!(["gamma-9"]));
    shell
        .run(&["channel", "set", "3", "--policy", "some"])
        .await
        .is(1)
        .says("mirror, exact");
    shell
        .run(&["channel", "set", "--policy", "exact"])
        .await
        .is(1);
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_has_of_its_own_holds_for_all_its_channels() {
    let gateway =
        start(healthy().channel(crate::world::channel(9, "Acme 2", "acme", &["gpt-5"]))).await;
    let shell = Shell::at(&gateway);
    let url = gateway.provider("acme").base_url().to_owned();
    let set = [
        "channel",
        "set",
        "--provider",
        &format!("{url}/"),
        "--exclude",
        "*-nano",
    ];
    shell.run(&set).await.is(1).says("no channel was read at");
    shell.run(&["plan"]).await.is(2);
    shell.run(&set).await.is(0).says("all channels of");
    let (run, _) = shell.json(&["plan"]).await;
    assert_eq!(item(&run, 1)["status"], "success");
    assert_eq!(item(&run, 9)["added"], json!(["gpt-5-mini"]));
    assert_eq!(item(&run, 3)["status"], "planned");
    shell
        .run(&["channel", "list"])
        .await
        .is(0)
        .says("(provider)");
    shell
        .run(&["channel", "set", "1", "--provider", &url])
        .await
        .is(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_by_hand_stays_until_it_is_released() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(0);
    gateway.edit_channel(1, |channel| {
        channel.models = "gpt-5,gpt-5-nano,mine".to_owned()
    });
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(code, 0);
    assert_eq!(
        item(&run, 1)["kept"],
        json!([{"name": "mine", "why": "yours"}])
    );
    assert_eq!(
        item(&run, 1)["dropped"],
        json!([{"name": "gpt-5-mini", "why": "taken_out"}])
    );
    let (told, _) = shell.json(&["channel", "show", "1"]).await;
    assert_eq!(
        told["yours"],
        json!({"added": ["mine"], "taken_out": ["gpt-5-mini"]})
    );
    shell
        .run(&["channel", "show", "1"])
        .await
        .is(0)
        .says("yours, added by hand: mine");
    shell
        .run(&["channel", "set", "1", "--release", "gpt-9"])
        .await
        .is(1)
        .says("is not yours");
    shell
        .run(&[
            "channel",
            "set",
            "1",
            "--release",
            "mine",
            "--release",
            "gpt-5-mini",
        ])
        .await
        .is(0);
    shell.run(&["sync", "--yes"]).await.is(0);
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-nano,gpt-5-mini");
}
