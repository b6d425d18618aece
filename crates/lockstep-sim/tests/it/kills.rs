//! Signals to a real process at exact points of the conversation.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use lockstep_sim::{Channel, Gateway, Matcher, Spec, When};

use crate::client::{call, put_models};

fn sleeper() -> Child {
    Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("sleep is installed")
}

async fn gateway() -> Gateway {
    Gateway::start(Spec::new().channel(Channel::new(1, "one").models("a")))
        .await
        .expect("it starts")
}

#[tokio::test]
async fn a_kill_before_applying_leaves_no_effect() {
    let gateway = gateway().await;
    let mut child = sleeper();
    gateway.kill_at_put(child.id(), 2, When::BeforeApply);
    assert_eq!(put_models(&gateway, 1, "b").await.status(), 200);
    call(&gateway, "GET", "/api/status", "").await;
    let seen = put_models(&gateway, 1, "c").await;
    assert!(seen.was_reset() && seen.bytes.is_empty());
    assert_eq!(child.wait().expect("it ended").signal(), Some(9));
    assert_eq!(gateway.channel(1).expect("there").models, "b");
    assert_eq!(gateway.effective_writes().len(), 1);
}

#[tokio::test]
async fn a_kill_after_applying_leaves_the_effect_and_no_answer() {
    let gateway = gateway().await;
    let mut child = sleeper();
    gateway.kill_at(child.id(), 1, When::AfterApply);
    let seen = put_models(&gateway, 1, "b").await;
    assert!(seen.was_reset() && seen.bytes.is_empty());
    assert_eq!(child.wait().expect("it ended").signal(), Some(9));
    let log = gateway.log();
    assert_eq!(log[0].status, None);
    assert!(
        log[0]
            .write
            .as_ref()
            .is_some_and(|write| write.effective && write.after == "b")
    );
}

#[tokio::test]
async fn a_paused_process_stands_still_until_it_is_resumed() {
    let gateway = gateway().await;
    let mut child = sleeper();
    let state = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        stat.rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next())
    };
    gateway.pause_at(
        Matcher::get("/api/status"),
        child.id(),
        1,
        When::BeforeApply,
    );
    assert_eq!(call(&gateway, "GET", "/api/status", "").await.status(), 200);
    for _ in 0..100 {
        if state(child.id()) == Some('T') {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(state(child.id()), Some('T'));
    gateway.resume(child.id());
    for _ in 0..100 {
        if state(child.id()) != Some('T') {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_ne!(state(child.id()), Some('T'));
    child.kill().expect("it can be ended");
    child.wait().expect("it ended");
}
