//! `lockstep schedule`: switched on after a first review, shown, switched off.

use serde_json::{Value, json};

use crate::tester::Shell;
use crate::world::{mixed, priced, start};

async fn shell() -> (lockstep_sim::Gateway, Shell) {
    let gateway = start(priced(mixed())).await;
    let mut shell = Shell::with_site(&gateway).await;
    shell.set("LOCKSTEP_ALLOW_PRIVATE", "127.0.0.0/8");
    shell.set("TZ", "America/New_York");
    (gateway, shell)
}

async fn shown(shell: &Shell, subject: usize) -> Value {
    let (told, code) = shell.json(&["schedule", "show"]).await;
    assert_eq!(code, 0);
    told["schedules"][subject].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_by_itself_until_a_first_plan_was_looked_at() {
    let (gateway, shell) = shell().await;
    shell
        .run(&["schedule", "show"])
        .await
        .is(0)
        .says("models off")
        .says("prices off");
    let set = ["schedule", "set", "models"];
    let refused = shell.run(&set).await.is(1);
    refused
        .says("no plan of models was reviewed on this gateway yet")
        .says("`lockstep plan models` shows one");
    let proposing = [&set[..], &["--propose"]].concat();
    shell.run(&proposing).await.is(1);
    // A plan of some channels is no review, nor is one that nobody looked at.
    shell.run(&["plan", "--channel", "1"]).await;
    shell.run(&["sync", "--unattended"]).await;
    shell.run(&set).await.is(1);
    assert_eq!(shown(&shell, 0).await["on"], false);
    shell.run(&["plan"]).await;
    shell
        .run(&set)
        .await
        .is(0)
        .says("models run every 6 hours (writes), next at");
    let models = shown(&shell, 0).await;
    assert_eq!(models["on"], true);
    assert_eq!(
        (&models["every_hours"], &models["mode"]),
        (&json!(6), &json!("apply"))
    );
    assert_eq!(models["jitter_ms"], 600_000);
    assert_eq!(
        (&models["last_run"], &models["lost"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        gateway.writes().is_empty(),
        "switching it on writes nothing"
    );
    shell.run(&["schedule", "off", "models"]).await.is(0);
    assert_eq!(shown(&shell, 0).await["on"], false);
    let (again, code) = shell.json(&["schedule", "off", "models"]).await;
    assert_eq!((&again["was_on"], code), (&json!(false), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_propose_by_a_cron_line_in_its_zone_and_ask_what_is_remembered() {
    let (gateway, mut shell) = shell().await;
    let list = gateway.provider("list").base_url().to_owned();
    let set = [
        "schedule",
        "set",
        "prices",
        "--cron",
        "30 2 * * *",
        "--zone",
        "Europe/Paris",
    ];
    let review = ["plan", "prices", "--source", &list];
    shell.run(&review).await;
    shell
        .run(&set)
        .await
        .is(1)
        .says("no source of prices is remembered for this site")
        .says("lockstep site source add");
    shell.set("MARKET_KEY", "a secret of the market");
    let source = format!("{list},token-env=MARKET_KEY,user-id=1");
    let add = ["site", "source", "add", &source, "--untested"];
    shell.run(&add).await.is(0);
    let (told, code) = shell.json(&set).await;
    assert_eq!(code, 0, "{told:#}");
    let schedule = &told["schedule"];
    assert_eq!(
        (&schedule["mode"], &schedule["cron"]),
        (&json!("propose"), &json!("30 2 * * *"))
    );
    assert_eq!(
        (&schedule["zone"], &schedule["every_hours"]),
        (&json!("Europe/Paris"), &Value::Null)
    );
    assert_eq!(&shown(&shell, 1).await, schedule);
    // The secret that a source names is not stored, so whoever runs it must have it.
    shell.unset("MARKET_KEY");
    let apply = [&set[..], &["--apply"]].concat();
    shell
        .run(&apply)
        .await
        .is(0)
        .says("A source of prices names MARKET_KEY, which is not set.")
        .says("prices run 30 2 * * * (Europe/Paris) (writes)");
    let after = shown(&shell, 1).await;
    assert_eq!(after["mode"], "apply");
    assert_eq!(after["next_at"], schedule["next_at"], "it is not put off");
    // Its time is told in its own zone and in UTC.
    let shown = shell.run(&["schedule", "show"]).await.is(0);
    let zoned = shown.out.contains("CET") || shown.out.contains("CEST");
    assert!(zoned, "{}", shown.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_cannot_be_is_refused_in_words() {
    let (_gateway, shell) = shell().await;
    shell.run(&["plan"]).await;
    for (args, words) in [
        (&["--every", "25h"][..], "it can be 1h to 24h"),
        (&["--every", "0h"], "it can be 1h to 24h"),
        (&["--cron", "0 3 * * *"], "--zone"),
        (&["--zone", "UTC"], "--cron"),
        (
            &["--cron", "0 3 * *", "--zone", "UTC"],
            "it has five fields",
        ),
        (
            &["--cron", "* * * * *", "--zone", "UTC"],
            "more than once in 15 minutes",
        ),
        (&["--cron", "0 0 30 2 *", "--zone", "UTC"], "never comes"),
        (
            &["--cron", "0 3 * * *", "--zone", "Paris"],
            "there is no time zone `Paris`",
        ),
        (
            &["--every", "1h", "--jitter", "40m"],
            "can be put off by at most half the time",
        ),
        (
            &["--every", "6h", "--propose", "--apply"],
            "cannot be used with",
        ),
    ] {
        let said = shell
            .run(&[&["schedule", "set", "models"], args].concat())
            .await;
        said.is(1).says(words);
    }
    assert_eq!(shown(&shell, 0).await["on"], false);
}
