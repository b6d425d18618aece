//! plan and sync: what is shown, what is written, and the exit status.

use lockstep_sim::{Fault, Manner, Matcher, Rule};
use serde_json::{Value, json};

use crate::canary;
use crate::tester::Shell;
use crate::world::{healthy, is_the_truth, item, lists, mixed, spec, start, texts, written};

fn statistics(run: &Value) -> [u64; 8] {
    [
        "total",
        "success",
        "failed",
        "held",
        "skipped",
        "planned",
        "changed",
        "unchanged",
    ]
    .map(|name| run["statistics"][name].as_u64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn ad_hoc_use_needs_an_address_a_user_id_and_a_token_and_no_stored_site() {
    let gateway = start(healthy()).await;
    let url = gateway.url();
    let mut shell = Shell::new();
    shell
        .run(&["plan"])
        .await
        .is(1)
        .says("Configuration missing: no gateway");
    shell.set("LOCKSTEP_TOKEN", gateway.root_token());
    shell
        .run(&["plan", "--url", &url])
        .await
        .is(1)
        .says("--user-id");
    shell
        .run(&["plan", "--url", &url, "--user-id", "1"])
        .await
        .is(2);
    // The address is known by now, however it is written.
    let (runs, code) = shell.json(&["runs", "--url", &format!("{url}/")]).await;
    assert_eq!((code, runs["runs"].as_array().map(Vec::len)), (0, Some(1)));
    shell.run(&["sync", "--yes", "--url", &url]).await.is(0);
    assert_eq!(written(&gateway).len(), 2);
    let (told, _) = shell.json(&["site", "list"]).await;
    assert_eq!(told["sites"][0]["has_token"], false);
    shell.unset("LOCKSTEP_TOKEN");
    shell
        .run(&["plan", "--url", &url])
        .await
        .is(1)
        .says("LOCKSTEP_TOKEN");
    shell.run(&["runs", "--url", &url]).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_every_outcome_and_writes_nothing() {
    let gateway = start(mixed()).await;
    let shell = Shell::with_site(&gateway).await;
    let (run, code) = shell.json(&["plan"]).await;
    assert_eq!(code, 2);
    assert_eq!(
        (&run["state"], &run["trigger"]),
        (&json!("planned"), &json!("plan"))
    );
    assert_eq!(run["site"], "main");
    assert_eq!(statistics(&run), [8, 1, 1, 3, 1, 2, 0, 1]);
    assert_eq!(item(&run, 1)["added"], json!(["gpt-5-nano"]));
    assert_eq!(item(&run, 3)["removed"], json!(["gamma-9"]));
    assert_eq!(item(&run, 4)["hold"]["reason"], "empty_list");
    assert_eq!(
        item(&run, 4)["new_models"],
        json!(["kimi-k2", "moonshot-v1"])
    );
    assert_eq!(item(&run, 5)["error"]["kind"], "provider_status");
    assert_eq!(item(&run, 5)["http_status"], 401);
    assert_eq!(item(&run, 6)["skip"]["reason"], "no_model_list");
    assert_eq!(item(&run, 7)["hold"]["reason"], "too_many_added");
    assert_eq!(item(&run, 8)["hold"]["reason"], "too_many_removed");
    let human = shell.run(&["plan"]).await.is(2).says("lockstep apply");
    for word in [
        "+1 gpt-5-nano",
        "-1 gamma-9",
        "gateway with status",
        "Gamma 伽玛",
        "8 channels, 2 to write",
    ] {
        assert!(
            human.out.contains(word),
            "{word:?} is not in\n{}",
            human.out
        );
    }
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_gateway_in_order_ends_with_0() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(0);
    shell.run(&["plan"]).await.is(0);
    shell.run(&["plan", "--channel", "2"]).await.is(0);
    assert_eq!(written(&gateway).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_in_part_ends_with_3_and_tells_what_happened() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!((code, &run["state"]), (3, &json!("partial")));
    assert_eq!(statistics(&run), [8, 3, 1, 3, 1, 0, 2, 1]);
    is_the_truth(&run, &gateway);
    let requests = gateway.log();
    let reads = requests.iter().filter(|entry| !entry.is_write()).count();
    assert_eq!(
        run["requests"],
        json!({"reads": reads, "writes": 2, "throttled": 0})
    );
    // One listing, each provider once, one page again, and a write each.
    assert_eq!((reads, requests.len()), (1 + 8 + 1, 1 + 8 + 1 + 2));
    shell
        .run(&["sync", "--yes"])
        .await
        .is(3)
        .says("renew it in the console");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_refuses_us_as_a_whole_ends_with_1_and_says_what_to_do() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    shell.set("LOCKSTEP_MAX_RETRIES", "0");
    for (fault, kind, words) in [
        (Fault::Status(401), "unauthorized", "401 Unauthorized"),
        (Fault::Status(403), "forbidden", "role is too low"),
        (
            Fault::FirewallPage,
            "firewall",
            "Allow this machine's address",
        ),
        (Fault::Status(500), "server_error", "500 Server error"),
        (Fault::Html, "wrong_address", "Wrong address"),
        (Fault::EmptyObject, "not_recognised", ""),
        (
            Fault::redirect(302, "http://127.0.0.1:1/"),
            "redirected",
            "redirect",
        ),
    ] {
        let listing = || Matcher::get("/api/channel/");
        gateway.fault(Rule::always(listing(), fault.clone()));
        let (run, code) = shell.json(&["plan"]).await;
        assert_eq!(code, 1, "{fault:?}: {run}");
        assert_eq!(run["state"], "failed", "{fault:?}");
        if !words.is_empty() {
            assert_eq!(run["error"]["kind"], kind, "{fault:?}: {run}");
            shell.run(&["sync", "--yes"]).await.is(1).says(words);
        }
        assert_eq!(run["items"], json!([]));
        gateway.clear_faults();
    }
    shell.set("LOCKSTEP_TOKEN", canary::UNKNOWN);
    shell.run(&["plan"]).await.is(1).says("--token-stdin");
    shell.set("LOCKSTEP_TOKEN", canary::COMMON);
    shell.run(&["plan"]).await.is(1).says("role is too low");
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_token_is_enough_for_the_whole_main_job() {
    let gateway = start(healthy()).await;
    let before = lists(&gateway);
    let mut shell = Shell::at(&gateway);
    shell.set("LOCKSTEP_TOKEN", gateway.admin_token());
    shell.set("LOCKSTEP_USER_ID", "2");
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(0);
    shell.run(&["undo", "--yes"]).await.is(0);
    assert_eq!(lists(&gateway), before);
    assert!(gateway.writes().iter().all(|entry| entry.role == Some(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_on_new_counts_only_what_the_run_before_did_not_tell() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan", "--channel", "2"]).await.is(0);
    let sync = ["sync", "--yes", "--fail-on", "new"];
    // What was seen of one channel is no review of all.
    shell.run(&sync).await.is(2);
    shell.run(&["apply", "--yes"]).await.is(3);
    shell.run(&sync).await.is(0);
    shell.run(&["sync", "--yes"]).await.is(3);
    gateway.provider("beta").set_manner(Manner::WantsOtherKey);
    shell.run(&sync).await.is(3);
    shell.run(&sync).await.is(0);
    gateway.provider("beta").set_manner(Manner::Empty);
    shell.run(&sync).await.is(2);
    shell.run(&sync).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_failed_asks_only_the_channels_whose_latest_result_failed() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(3);
    // A single run in between hides nothing.
    shell.run(&["sync", "--yes", "--channel", "2"]).await.is(0);
    gateway.provider("grok").set_manner(Manner::Well);
    gateway.clear_log();
    let (run, code) = shell.json(&["sync", "--yes", "--retry-failed"]).await;
    assert_eq!((code, &run["trigger"]), (0, &json!("retry-failed")));
    assert_eq!(gateway.count("GET", "/api/channel/fetch_models"), 1);
    assert_eq!(written(&gateway), [5]);
    is_the_truth(&run, &gateway);
    shell
        .run(&["sync", "--yes", "--retry-failed"])
        .await
        .is(1)
        .says("no channel's latest result is a failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_channels_are_the_only_ones_asked_and_unknown_ones_are_refused() {
    let gateway = start(mixed()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    let (run, code) = shell
        .json(&[
            "sync",
            "--yes",
            "--channel",
            "3",
            "--channel",
            "2",
            "--channel",
            "3",
        ])
        .await;
    assert_eq!((code, statistics(&run)[0]), (0, 2));
    assert_eq!(gateway.count("GET", "/api/channel/fetch_models"), 2);
    assert_eq!(written(&gateway), [3]);
    shell
        .run(&["sync", "--yes", "--channel", "99"])
        .await
        .is(1)
        .says("the gateway has no channel 99");
    assert_eq!(written(&gateway), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_run_come_from_its_flags() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    let plan = |flags: &'static [&'static str]| [&["plan"], flags].concat();
    let (run, _) = shell.json(&plan(&["--keep", "gamma-9"])).await;
    assert_eq!(
        item(&run, 3)["kept"],
        json!([{"name": "gamma-9", "why": "pinned"}])
    );
    let (run, _) = shell.json(&plan(&["--exclude", "*-nano"])).await;
    assert_eq!(
        item(&run, 1)["dropped"],
        json!([{"name": "gpt-5-nano", "why": "excluded"}])
    );
    let (run, _) = shell.json(&plan(&["--include", "regex:^g"])).await;
    assert_eq!(texts(&item(&run, 1)["added"]), ["gpt-5-nano"]);
    assert_eq!(item(&run, 2)["hold"]["reason"], "would_be_empty");
    let (run, _) = shell.json(&plan(&["--limit-removal", "5%"])).await;
    assert_eq!(item(&run, 3)["hold"]["reason"], "too_many_removed");
    let (run, _) = shell.json(&plan(&["--policy", "report-only"])).await;
    assert_eq!(item(&run, 1)["skip"]["reason"], "report_only");
    gateway.edit_channel(1, |channel| channel.status = 2);
    let (run, _) = shell.json(&plan(&["--enabled-only"])).await;
    assert_eq!(item(&run, 1)["skip"]["reason"], "disabled");
    assert_eq!(item(&run, 1)["attempts"], 0);
    for (flags, says) in [
        (
            &["--concurrency", "9"][..],
            "concurrency is 9; it can be 1 to 8",
        ),
        (&["--requests-per-minute", "0"], "it can be 1 to 120"),
        (&["--burst", "61"], "it can be 1 to 60"),
        (&["--max-retries", "6"], "it can be 0 to 5"),
        (&["--pace", "warp"], "it can be fixed or auto"),
        (&["--policy", "all"], "mirror, exact"),
        (&["--include", "regex:("], "include"),
        (&["--channel-timeout", "0s"], "channel-timeout"),
    ] {
        let args = [&["plan"], flags].concat();
        shell.run(&args).await.is(1).says(says);
    }
    let said = shell
        .run(&plan(&["--concurrency", "5", "--policy", "report-only"]))
        .await
        .is(0);
    assert!(
        said.words().contains("outside the recommended 1 to 3"),
        "{}",
        said.words()
    );
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unattended_run_holds_removals_that_were_not_missing_long_enough() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    let (run, code) = shell.json(&["sync", "--unattended"]).await;
    assert_eq!(code, 2);
    assert_eq!(item(&run, 3)["hold"]["reason"], "second_read");
    assert_eq!(written(&gateway), [1]);
    shell.run(&["sync", "--unattended", "--yes"]).await.is(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_channels_has_nothing_to_do() {
    let gateway = start(spec()).await;
    let shell = Shell::at(&gateway);
    let (run, code) = shell.json(&["plan"]).await;
    assert_eq!((code, statistics(&run)), (0, [0; 8]));
    shell.run(&["sync", "--yes"]).await.is(0);
    shell
        .run(&["undo", "--yes"])
        .await
        .is(1)
        .says("no run has changed anything");
    assert!(gateway.writes().is_empty());
}
