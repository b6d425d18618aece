//! What a second look found: ways in which something could have been written, forgotten or passed unseen.

use serde_json::json;

use crate::tester::Shell;
use crate::world::{healthy, item, list, lists, mixed, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_apply_takes_the_newest_run_or_nothing() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["apply", "--yes"]).await.is(0);
    shell.run(&["undo"]).await.is(2);
    shell.run(&["undo", "--yes"]).await.is(0);
    let before = lists(&gateway);
    shell
        .run(&["apply", "--yes"])
        .await
        .is(1)
        .says("waits for nothing");
    assert_eq!(
        lists(&gateway),
        before,
        "the unanswered undo is not written"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_only_of_what_is_not_ready_leaves_the_run_as_it_was() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell
        .run(&["apply", "--only", "4", "--yes"])
        .await
        .is(1)
        .says("nothing is ready");
    assert!(gateway.writes().is_empty());
    let (run, _) = shell.json(&["apply", "--yes"]).await;
    assert_eq!(item(&run, 1)["status"], json!("success"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_a_run_is_kept_beside_what_is_set() {
    let gateway = start(healthy()).await;
    let shell = Shell::with_site(&gateway).await;
    shell
        .run(&["site", "edit", "main", "--keep", "gamma-9"])
        .await
        .is(0);
    let (run, _) = shell.json(&["plan", "--keep", "other"]).await;
    assert_eq!(item(&run, 3)["removed"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_a_plan_are_no_flags_of_an_apply() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    let said = shell
        .run(&["apply", "--keep", "gamma-9", "--yes"])
        .await
        .is(1);
    assert!(said.err.contains("--keep"), "{}", said.err);
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_added_after_ad_hoc_use_keeps_its_memory() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["apply", "--yes"]).await.is(0);
    shell.run(&["undo", "--yes"]).await.is(0);
    shell.run(&["plan"]).await.is(0);
    for name in ["LOCKSTEP_URL", "LOCKSTEP_USER_ID", "LOCKSTEP_TOKEN"] {
        shell.unset(name);
    }
    shell.add_site("main", &gateway).await.is(0);
    let (run, code) = shell.json(&["plan"]).await;
    assert_eq!(code, 0, "what was undone stays out: {run}");
    let (sites, _) = shell.json(&["site", "list"]).await;
    assert_eq!(sites["sites"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_under_other_settings_forgets_no_hold() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    let (held, _) = shell.json(&["held"]).await;
    for flags in [
        &["--policy", "report-only"][..],
        &["--limit-removal", "100%"],
        &["--policy", "add-only"],
    ] {
        let plan = [&["plan"][..], flags].concat();
        shell.run(&plan).await;
        let (now, code) = shell.json(&["held"]).await;
        assert_eq!(code, 2);
        assert_eq!(
            now["held"].as_array().map(Vec::len),
            held["held"].as_array().map(Vec::len),
            "after {flags:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_cannot_be_allowed_for_good() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell
        .run(&["held", "allow", "4"])
        .await
        .is(1)
        .says("cannot be allowed for good");
    shell.run(&["held", "keep", "4"]).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_having_looked_is_no_review() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    for _ in 0..2 {
        shell.run(&["sync", "--unattended"]).await.is(2);
    }
    shell.run(&["plan", "--channel", "1"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(2);
    assert!(gateway.writes().is_empty());
    shell.run(&["sync", "--yes"]).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pace_at_all_is_refused_on_a_gateway() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell
        .run(&["plan", "--pace", "unlimited"])
        .await
        .is(1)
        .says("fixed or auto");
    assert!(gateway.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_environments_gateway_is_not_sent_to_another() {
    let one = start(healthy()).await;
    let other = start(healthy()).await;
    let shell = Shell::at(&one);
    let url = other.url();
    shell
        .run(&["plan", "--url", &url, "--user-id", "1"])
        .await
        .is(1)
        .says("Admin Token");
    assert!(other.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_gone_is_no_failure_any_more() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.remove_channel(5);
    let (run, _) = shell.json(&["plan", "--retry-failed"]).await;
    assert_eq!(item(&run, 5)["skip"]["reason"], json!("gone"));
    shell
        .run(&["plan", "--retry-failed"])
        .await
        .is(1)
        .says("no channel's latest result is a failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_plan_after_a_newer_sync_reports_nothing_it_did_not_write() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    let (plan, _) = shell.json(&["plan"]).await;
    shell.run(&["sync", "--yes"]).await.is(0);
    gateway.clear_log();
    let id = plan["run"].as_str().expect("an id");
    let (run, code) = shell.json(&["apply", id, "--yes"]).await;
    assert_eq!(code, 0);
    assert_eq!(run["statistics"]["changed"], json!(0));
    assert!(gateway.writes().is_empty());
    let (shown, _) = shell.json(&["channel", "show", "1"]).await;
    assert_eq!(shown["yours"], json!({"added": [], "taken_out": []}));
    assert_eq!(list(&gateway, 1), "gpt-5,gpt-5-mini,gpt-5-nano");
}
