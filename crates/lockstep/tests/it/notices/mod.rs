//! Notices as they arrive: what each vendor is sent, what its answers do, and what an unattended run tells.

mod mail;
pub(crate) mod place;
mod told;
mod vendors;

use crate::tester::{Said, Shell};
use place::Place;

/// A shell in which notices may go to this machine.
pub(crate) async fn add(shell: &Shell, vendor: &str, input: &str, more: &[&str]) -> Said {
    let add = ["notice", "add", "there", vendor, "--stdin"];
    let here = ["--allow-private", "127.0.0.0/8"];
    shell.pipe(&[&add[..], &here, more].concat(), input).await
}

/// What a test of the place says as JSON: whether it arrived, after how many tries, and why not.
pub(crate) async fn tested(shell: &Shell) -> (bool, u64, String) {
    let (told, code) = shell.json(&["notice", "test", "there"]).await;
    let test = &told["test"];
    let arrived = test["arrived"].as_bool().expect("a verdict");
    assert_eq!(code == 0, arrived, "{told}");
    let (log, _) = shell.json(&["notice", "log", "--limit", "1"]).await;
    let logged = &log["sent"][0];
    assert_eq!(logged["arrived"], arrived, "{log}");
    assert_eq!(logged["error"], test["error"]);
    assert_eq!(logged["attempts"], test["attempts"]);
    assert_eq!(
        (&logged["notice"], &logged["target"]),
        (&"test".into(), &"there".into())
    );
    let error = test["error"].as_str().unwrap_or_default().to_owned();
    (arrived, test["attempts"].as_u64().expect("tries"), error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_listed_by_its_host_alone_and_forgotten() {
    let place = Place::always(200, "").await;
    let shell = Shell::new();
    let secret = crate::canary::COMMON;
    let input = format!("{}/{}\n{secret}\n", place.url(), crate::canary::UNKNOWN);
    add(
        &shell,
        "webhook",
        &input,
        &["--only", "held", "--only", "failed"],
    )
    .await
    .is(0)
    .says("there (webhook at 127.0.0.1:");
    let (list, code) = shell.json(&["notice", "list"]).await;
    assert_eq!(code, 0);
    let listed = &list["targets"][0];
    assert_eq!(listed["host"], place.host());
    assert_eq!(listed["only"], serde_json::json!(["failed", "held"]));
    shell
        .run(&["notice", "list"])
        .await
        .is(0)
        .says("failed, held");
    add(&shell, "webhook", &input, &[])
        .await
        .is(1)
        .says("is taken already");
    shell.run(&["notice", "remove", "there"]).await.is(0);
    shell
        .run(&["notice", "test", "there"])
        .await
        .is(1)
        .says("`lockstep notice list` shows them");
    let (list, _) = shell.json(&["notice", "list"]).await;
    assert_eq!(list["targets"], serde_json::json!([]));
    assert!(place.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_comes_from_stdin_or_the_environment_and_is_checked() {
    let mut shell = Shell::new();
    shell
        .run(&["notice", "add", "there", "ntfy"])
        .await
        .is(1)
        .says("LOCKSTEP_NOTICE_URL");
    let secret = format!("ftp://host.example/{}", crate::canary::UNKNOWN);
    for (vendor, input, more, says) in [
        (
            "webhook",
            secret.as_str(),
            &[][..],
            "must begin with http:// or https://HOST",
        ),
        ("webhook", " \n", &[], "nothing came on stdin"),
        ("telegram", "1:A", &[], "needs --chat"),
        (
            "email",
            "smtp://mail.example",
            &["--from", "a@b.example"],
            "needs --to",
        ),
        (
            "email",
            "smtp://mail.example",
            &["--from", "nobody", "--to", "a@b.example"],
            "is no mail address",
        ),
        (
            "webhook",
            "https://host.example",
            &["--allow-private", "all"],
            "is not a network",
        ),
    ] {
        add(&shell, vendor, input, more).await.is(1).says(says);
    }
    shell.set("LOCKSTEP_NOTICE_URL", "https://ntfy.sh/mytopic");
    shell.set("LOCKSTEP_NOTICE_SECRET", crate::canary::COMMON);
    let add = shell.run(&["notice", "add", "there", "ntfy"]).await;
    add.is(0).says("there (ntfy at ntfy.sh)");
}
