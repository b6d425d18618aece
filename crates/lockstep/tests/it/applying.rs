//! Apply: what was shown is written, once, and nothing else.

use serde_json::{Value, json};

use crate::tester::Shell;
use crate::world::{healthy, is_the_truth, item, list, lists, mixed, names, start, written};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_stops_for_a_review_once_and_apply_then_writes_it() {
    let gateway = start(healthy()).await;
    let shell = Shell::with_site(&gateway).await;
    let said = shell.run(&["sync", "--yes"]).await.is(2);
    assert!(
        said.words().contains("first run on this gateway"),
        "{}",
        said.words()
    );
    assert!(gateway.writes().is_empty());

    gateway.clear_log();
    let (run, code) = shell.json(&["apply", "--yes"]).await;
    assert_eq!((code, &run["state"]), (0, &json!("done")));
    is_the_truth(&run, &gateway);
    assert_eq!(
        gateway.count("GET", "/api/channel/fetch_models"),
        0,
        "apply asks no provider"
    );
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-mini,gpt-5-nano");

    gateway
        .provider("acme")
        .set_models(["gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-pro"]);
    shell.run(&["sync", "--yes"]).await.is(0);
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-mini,gpt-5-nano,gpt-5-pro");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_and_a_yes_everything_that_writes_shows_and_writes_nothing() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    let before = lists(&gateway);
    for _ in 0..2 {
        let said = shell
            .run(&["sync"])
            .await
            .is(2)
            .says("nobody could be asked");
        assert!(said.out.contains("+1 gpt-5-nano"), "{}", said.out);
    }
    shell
        .run(&["apply"])
        .await
        .is(2)
        .says("nobody could be asked");
    let (run, code) = shell.json(&["apply"]).await;
    assert_eq!((code, &run["state"]), (2, &json!("planned")));
    assert!(gateway.writes().is_empty());
    assert_eq!(lists(&gateway), before);

    shell.run(&["apply", "--yes"]).await.is(0);
    gateway.clear_log();
    shell
        .run(&["undo"])
        .await
        .is(2)
        .says("nobody could be asked");
    assert!(gateway.writes().is_empty());
    let (run, code) = shell.json(&["apply", "--yes"]).await;
    assert_eq!((code, &run["trigger"]), (0, &json!("undo")));
    assert_eq!(lists(&gateway), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_writes_only_the_channels_that_are_named_by_id_or_name() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell
        .run(&["apply", "--yes", "--only", "Nobody"])
        .await
        .is(1)
        .says("no channel of this run");
    assert!(gateway.writes().is_empty());
    let (run, code) = shell.json(&["apply", "--yes", "--only", "Acme"]).await;
    assert_eq!(code, 3);
    assert_eq!(written(&gateway), [1]);
    assert_eq!(item(&run, 3)["skip"]["reason"], "not_written");
    shell.run(&["plan"]).await.is(2);
    shell.run(&["apply", "--yes", "--only", "3"]).await.is(3);
    assert_eq!(written(&gateway), [1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_two_channels_have_is_refused() {
    let gateway = start(healthy()).await;
    gateway.edit_channel(3, |channel| channel.name = "Acme".to_owned());
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell
        .run(&["apply", "--yes", "--only", "Acme"])
        .await
        .is(1)
        .says("use the id");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_named_by_its_id_or_a_unique_start_of_it_and_written_once() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    let (first, _) = shell.json(&["plan"]).await;
    let (second, _) = shell.json(&["plan"]).await;
    let id = |run: &Value| run["run"].as_str().expect("an id").to_owned();
    let (first, second) = (id(&first), id(&second));
    shell
        .run(&["apply", "0", "--yes"])
        .await
        .is(1)
        .says("give more of it");
    shell
        .run(&["apply", "ffff", "--yes"])
        .await
        .is(1)
        .says("no run");
    assert!(gateway.writes().is_empty());
    let (run, _) = shell.json(&["apply", &first[..30], "--yes"]).await;
    assert_eq!(id(&run), first);
    shell
        .run(&["apply", &first, "--yes"])
        .await
        .is(1)
        .says("only a planned run");
    // The other plan wants what is there by now: found, not written again.
    shell.run(&["apply", &second, "--yes"]).await.is(0);
    assert_eq!(written(&gateway).len(), 2);
    assert_eq!(gateway.writes().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_made_under_other_policies_is_refused() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell
        .run(&["channel", "set", "1", "--policy", "prune-only"])
        .await
        .is(0);
    shell
        .run(&["apply", "--yes"])
        .await
        .is(1)
        .says("policies or rules changed");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_somebody_edits_between_plan_and_apply_is_not_overwritten() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(0);
    gateway.provider("acme").set_models(["gpt-5", "gpt-5-mini"]);
    gateway.provider("gamma").set_models(names("gamma", 8));
    shell.run(&["plan"]).await.is(2);
    let edited = format!("{},mine", names("gamma", 9).join(","));
    gateway.edit_channel(3, |channel| channel.models.clone_from(&edited));
    gateway.clear_log();
    let (run, code) = shell.json(&["apply", "--yes"]).await;
    assert_eq!(code, 3);
    assert_eq!(item(&run, 3)["error"]["kind"], "moved");
    assert_eq!(list(&gateway, 3), edited);
    assert_eq!(written(&gateway), [1]);
    is_the_truth(&run, &gateway);
}
