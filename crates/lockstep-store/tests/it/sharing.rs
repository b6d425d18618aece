//! Several processes on one file, and one that is killed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use lockstep_core::change::State;
use lockstep_store::lock::GatewayLock;
use lockstep_store::{KeySource, Store, StoreError};

use crate::tester::{NONE, NOW, new_site, of, reading, row, site, url};

/// Names the database to the test that runs as another process.
const DATABASE: &str = "LOCKSTEP_STORE_TEST_DATABASE";

/// How many rows the other process records at a time.
const BATCH: i64 = 50;

async fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, KeySource::FileBeside).await
}

#[tokio::test]
async fn two_handles_share_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let (one, two) = tokio::join!(open(&path), open(&path));
    let (one, two) = (one.expect("a store"), two.expect("a store"));
    let site = site(&one).await;
    assert_eq!(two.site_by_name("main").await.expect("found"), site);
    let run = reading(&one, &site, 1, NOW).await;
    let writes = (0..60).map(|id| {
        let store = if id % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        let rows = vec![of(&run, row(id, State::Same))];
        let run = run.id.clone();
        tokio::spawn(async move { store.record_read(&run, 1, rows, Vec::new(), NONE).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("ends").expect("recorded");
    }
    assert_eq!(two.changes(&run.id).await.expect("changes").len(), 60);
    let events = one.events(&run.id, 0).await.expect("events");
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=62).collect::<Vec<i64>>());
}

#[tokio::test]
async fn one_holder_has_the_gateway_until_it_lets_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let (one, two) = (
        open(&path).await.expect("a store"),
        open(&path).await.expect("a store"),
    );
    let gateway = url("gateway.example");
    let lock = GatewayLock::try_take(&one, &gateway, "run 12").expect("taken");
    for store in [&one, &two] {
        let busy = GatewayLock::try_take(store, &gateway, "run 13").expect_err("busy");
        let words = format!("process {}, run 12", std::process::id());
        assert!(
            matches!(&busy, StoreError::Busy { holder } if *holder == words),
            "{busy}"
        );
    }
    GatewayLock::try_take(&two, &url("other.example"), "run 14").expect("another gateway");
    drop(lock);
    GatewayLock::try_take(&two, &gateway, "run 13").expect("taken");
}

/// Starts the same test in a process of its own, which then plays the other part: it finds `DATABASE` set. The
/// program is copied beside the database, so that another user can run it wherever it was built.
fn other_process(name: &str, database: &Path, user: Option<u32>) -> Child {
    let program = database.with_file_name("other");
    if !program.exists() {
        let this = std::env::current_exe().expect("this program");
        fs::copy(this, &program).expect("copied");
    }
    let mut command = Command::new(program);
    command
        .args(["--exact", name, "--nocapture"])
        .env(DATABASE, database);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.spawn().expect("another process")
}

fn database() -> Option<std::path::PathBuf> {
    std::env::var_os(DATABASE).map(Into::into)
}

async fn record_until_killed(path: &Path) {
    let store = open(path).await.expect("a store");
    let _lock = GatewayLock::try_take(&store, &url("gateway.example"), "a run").expect("taken");
    let site = store.site_by_name("main").await.expect("a site");
    let run = reading(&store, &site, 1, NOW).await;
    for batch in 0.. {
        let ids = batch * BATCH..(batch + 1) * BATCH;
        let rows = ids.map(|id| of(&run, row(id, State::Same))).collect();
        store
            .record_read(&run.id, 1, rows, Vec::new(), NONE)
            .await
            .expect("recorded");
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_transactions_and_a_free_gateway() {
    if let Some(path) = database() {
        return record_until_killed(&path).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let store = open(&path).await.expect("a store");
    let site = site(&store).await;
    for _ in 0..5 {
        let mut other = other_process(
            "sharing::a_killed_process_leaves_whole_transactions_and_a_free_gateway",
            &path,
            None,
        );
        let run = loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(
                other.try_wait().expect("asked").is_none(),
                "the other process ended"
            );
            let unfinished = store.unfinished_runs(&site.id).await.expect("asked");
            if let Some(run) = unfinished.into_iter().next()
                && store.counts(&run.id).await.expect("counts").total > 2 * BATCH as u64
            {
                break run;
            }
        };
        let busy = GatewayLock::try_take(&store, &url("gateway.example"), "another run");
        assert!(matches!(busy, Err(StoreError::Busy { .. })), "{busy:?}");
        other.kill().expect("killed");
        other.wait().expect("gone");

        GatewayLock::try_take(&store, &url("gateway.example"), "another run").expect("free");
        let rows = store.changes(&run.id).await.expect("changes").len() as i64;
        let events = store.events(&run.id, 0).await.expect("events").len() as i64;
        assert_eq!(rows % BATCH, 0, "a batch is whole");
        assert_eq!(events, rows + 2, "each row has its event");
        let state = lockstep_core::change::RunState::Failed;
        store
            .end_run(&run.id, 1, state, None, NONE, NOW)
            .await
            .expect("ended");
    }
}

async fn find_it_cannot_be_written(path: &Path) {
    let refused = open(path).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(
        refused.to_string().contains("writable for this user"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_read_only_file_is_told_when_it_is_opened() {
    if let Some(path) = database() {
        return find_it_cannot_be_written(&path).await;
    }
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let store = open(&path).await.expect("a store");
    store.add_site(new_site(None), NOW).await.expect("a site");
    store.close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("read-only");
    let before = fs::read(&path).expect("bytes");
    // Root may write what is read-only, so root has nobody try.
    let root = fs::OpenOptions::new().write(true).open(&path).is_ok();
    if root {
        let mut all = vec![folder.path().to_owned()];
        let entries = fs::read_dir(folder.path()).expect("a folder");
        all.extend(entries.map(|entry| entry.expect("an entry").path()));
        all.push(folder.path().join("locks/lockstep.db.opening"));
        for file in all {
            chown(file, Some(NOBODY), Some(NOBODY)).expect("given to nobody");
        }
    }
    let mut other = other_process(
        "sharing::a_read_only_file_is_told_when_it_is_opened",
        &path,
        root.then_some(NOBODY),
    );
    assert!(other.wait().expect("ends").success());
    assert!(
        fs::read(&path).expect("bytes") == before,
        "the file changed"
    );
}
