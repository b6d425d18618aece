//! What is held, the four answers to it, and undo.

use lockstep_sim::Manner;
use serde_json::json;

use crate::tester::Shell;
use crate::world::{healthy, is_the_truth, item, list, lists, mixed, names, start, texts, written};

/// The ids that wait, by `lockstep held`.
async fn waiting(shell: &Shell) -> Vec<i64> {
    let (told, code) = shell.json(&["held"]).await;
    let ids: Vec<i64> = told["held"]
        .as_array()
        .expect("holds")
        .iter()
        .map(|hold| hold["channel_id"].as_i64().expect("an id"))
        .collect();
    assert_eq!(code, if ids.is_empty() { 0 } else { 2 });
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_listed_with_its_reason_and_its_names() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    let (told, code) = shell.json(&["held"]).await;
    assert_eq!(code, 2);
    let cheap = &told["held"][2];
    assert_eq!(
        (&cheap["channel_id"], &cheap["channel_name"]),
        (&json!(8), &json!("Cheap relay"))
    );
    assert_eq!(cheap["hold"]["reason"], "too_many_removed");
    assert_eq!(
        (texts(&cheap["remove"]).len(), texts(&cheap["add"]).len()),
        (5, 0)
    );
    shell
        .run(&["held"])
        .await
        .is(2)
        .says("5 of 6 models would be removed (limit 3 names)");
    shell
        .run(&["held", "keep", "1"])
        .await
        .is(1)
        .says("nothing is held on channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_held_writes_what_a_guard_held_but_never_an_empty_list() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    let asked = gateway.count("GET", "/api/channel/fetch_models");
    let (run, code) = shell.json(&["apply", "--held"]).await;
    assert_eq!((code, &run["state"]), (2, &json!("planned")));
    assert!(gateway.writes().is_empty());
    let (run, code) = shell
        .json(&["apply", "--held", "--only", "Cheap relay", "--yes"])
        .await;
    assert_eq!((code, &run["trigger"]), (0, &json!("apply-held")));
    assert_eq!(list(&gateway, 8), "old-0");
    assert_eq!(written(&gateway), [8]);
    let (run, code) = shell.json(&["apply", "--held", "--yes"]).await;
    assert_eq!(code, 2);
    assert_eq!(item(&run, 4)["hold"]["reason"], "empty_list");
    assert_eq!(list(&gateway, 7).split(',').count(), 28);
    assert_eq!(list(&gateway, 4), "kimi-k2,moonshot-v1");
    assert_eq!(written(&gateway), [8, 7]);
    assert_eq!(
        gateway.count("GET", "/api/channel/fetch_models"),
        asked,
        "nobody is asked again"
    );
    assert_eq!(waiting(&shell).await, [4]);
    shell
        .run(&["apply", "--held", "--only", "8", "--yes"])
        .await
        .is(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_lets_a_hold_rest_until_it_becomes_another_one() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["held", "keep", "8", "7"]).await.is(0);
    assert_eq!(waiting(&shell).await, [4]);
    let (run, _) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(item(&run, 8)["status"], "success");
    assert_eq!(item(&run, 8)["kept"][0]["why"], "answered");
    assert_eq!(item(&run, 7)["dropped"][0]["why"], "answered");
    gateway.provider("cheap").set_models(names("old", 2));
    let (run, _) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(item(&run, 8)["hold"]["reason"], "too_many_removed");
    assert_eq!(waiting(&shell).await, [4, 8]);
    assert!(!written(&gateway).contains(&8));
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_lets_the_reason_pass_on_this_channel_from_now_on() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    let (told, code) = shell.json(&["held", "allow", "8"]).await;
    assert_eq!(
        (code, told),
        (0, json!({"answer": "allow", "channels": [8]}))
    );
    shell.run(&["sync", "--yes", "--channel", "8"]).await.is(0);
    assert_eq!(list(&gateway, 8), "old-0");
    let (told, _) = shell.json(&["channel", "show", "8"]).await;
    assert_eq!(told["own"]["always_allowed"], json!(["too_many_removed"]));
    shell.run(&["sync", "--yes", "--channel", "4"]).await.is(2);
    assert_eq!(written(&gateway), [8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn never_leaves_a_channel_out_until_it_is_taken_back() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["held", "never", "8", "5"]).await.is(0);
    assert_eq!(waiting(&shell).await, [4, 7]);
    gateway.clear_log();
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(code, 2);
    assert_eq!(item(&run, 8)["skip"]["reason"], "excluded");
    assert_eq!(item(&run, 5)["skip"]["reason"], "excluded");
    assert!(
        gateway
            .log()
            .iter()
            .all(|entry| !matches!(entry.channel, Some(5 | 8)))
    );
    shell
        .run(&["channel", "set", "8", "--policy", "mirror"])
        .await
        .is(0);
    let (run, _) = shell.json(&["plan", "--channel", "8"]).await;
    assert_eq!(item(&run, 8)["status"], "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_then_undo_gives_back_the_gateways_bytes() {
    let gateway = start(mixed()).await;
    for (id, text) in [
        (1, " gpt-5 ,gpt-5-mini,,gpt-5"),
        (3, "gamma-9, gamma-0,gamma-1,gamma-2"),
    ] {
        gateway.edit_channel(id, |channel| channel.models = text.to_owned());
    }
    let before = gateway.channels();
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["apply", "--yes"]).await;
    shell
        .run(&["apply", "--held", "--yes", "--only", "7"])
        .await
        .is(0);
    assert_ne!(gateway.channels(), before);
    let (undone, code) = shell.json(&["undo", "--yes"]).await;
    assert_eq!((code, &undone["trigger"]), (0, &json!("undo")));
    let (runs, _) = shell.json(&["runs", "--changed"]).await;
    let parents: Vec<_> = runs["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| run["run"].clone())
        .collect();
    assert_eq!(undone["parent"], parents[1]);
    shell
        .run(&["undo", parents[2].as_str().expect("an id"), "--yes"])
        .await
        .is(0);
    assert!(
        gateway.channels() == before,
        "other bytes: {:?}",
        lists(&gateway)
    );
    // What was taken back stays so: a sync does not do it again by itself.
    gateway.clear_log();
    shell
        .run(&["sync", "--yes", "--channel", "1", "--channel", "7"])
        .await;
    assert!(
        gateway.channels() == before,
        "other bytes: {:?}",
        lists(&gateway)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_takes_back_only_the_channels_that_are_named() {
    let gateway = start(healthy()).await;
    let before = lists(&gateway);
    let shell = Shell::at(&gateway);
    let (plan, _) = shell.json(&["plan"]).await;
    let run = plan["run"].as_str().expect("an id");
    shell
        .run(&["undo", run, "--yes"])
        .await
        .is(1)
        .says("changed nothing that could be undone");
    shell.run(&["apply", "--yes"]).await.is(0);
    let after = lists(&gateway);
    gateway.clear_log();
    shell.run(&["undo", "--yes", "--only", "Beta"]).await.is(1);
    assert!(gateway.writes().is_empty());
    let (told, code) = shell.json(&["undo", run, "--yes", "--only", "Acme"]).await;
    assert_eq!(code, 0);
    is_the_truth(&told, &gateway);
    assert_eq!(written(&gateway), [1]);
    assert_eq!(
        (list(&gateway, 1), list(&gateway, 3)),
        (before[&1].clone(), after[&3].clone())
    );
    shell
        .run(&["undo", run, "--yes", "--only", "3"])
        .await
        .is(0);
    assert_eq!(lists(&gateway), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_leaves_what_somebody_edited_since() {
    let gateway = start(healthy()).await;
    let before = lists(&gateway);
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["apply", "--yes"]).await.is(0);
    gateway.edit_channel(1, |channel| channel.models.push_str(",mine"));
    gateway.clear_log();
    let (told, code) = shell.json(&["undo", "--yes"]).await;
    assert_eq!(code, 3);
    assert_eq!(item(&told, 1)["error"]["kind"], "moved");
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-mini,gpt-5-nano,mine");
    assert_eq!(list(&gateway, 3), before[&3]);
    assert_eq!(gateway.writes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_provider_takes_nothing_away_however_it_is_sick() {
    for manner in [
        Manner::Empty,
        Manner::ErrorIn200,
        Manner::Html,
        Manner::WantsOtherKey,
        Manner::NoList,
        Manner::Truncated,
    ] {
        let gateway = start(healthy()).await;
        let mut shell = Shell::at(&gateway);
        shell.set("LOCKSTEP_MAX_RETRIES", "0");
        shell.run(&["plan"]).await.is(2);
        gateway.provider("gamma").set_manner(manner.clone());
        let before = list(&gateway, 3);
        let (run, _) = shell.json(&["sync", "--yes", "--channel", "3"]).await;
        assert!(
            ["held", "failed"].contains(&item(&run, 3)["status"].as_str().expect("a status")),
            "{manner:?}: {run}"
        );
        assert_eq!(list(&gateway, 3), before, "{manner:?}");
        assert!(gateway.writes().is_empty(), "{manner:?}");
    }
}
