//! The database and its key: copied, refused, full, locked, not writable. No record, no change.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_sim::Gateway;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::tester::{LOCKSTEP, Shell};
use crate::world::{guarded, healthy, is_the_truth, lists, start, written};

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .expect("it opens")
}

fn key_of(database: &Path) -> PathBuf {
    PathBuf::from(format!("{}.key", database.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_opens_with_the_same_key_and_is_never_written_over() {
    let gateway = start(healthy()).await;
    let shell = Shell::with_site(&gateway).await;
    shell.run(&["plan"]).await.is(2);
    let copy = shell.path("copy.db");
    let name = copy.display().to_string();
    shell
        .run(&["backup", &name])
        .await
        .is(0)
        .says("The key file is not in it");
    shell
        .run(&["backup", &name])
        .await
        .is(1)
        .says("exists already");
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&copy), 0o600);
    let key = key_of(&shell.database());
    assert_eq!(mode(&key), 0o600);

    let with_key = [
        "--database",
        &name,
        "--key-file",
        &key.display().to_string(),
    ];
    let run = |args: &[&str]| {
        [args, &with_key[..]]
            .concat()
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let args = run(&["doctor"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    shell.run(&args).await.is(0).says("token: accepted");
    let args = run(&["apply", "--yes"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    shell.run(&args).await.is(0);
    assert_eq!(written(&gateway).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_key_refuses_and_leaves_the_database_as_it_is() {
    let gateway = start(healthy()).await;
    let shell = Shell::with_site(&gateway).await;
    let key = key_of(&shell.database());
    let right = std::fs::read(&key).expect("a key");
    gateway.clear_log();
    let before = std::fs::read(shell.database()).expect("a database");
    for wrong in [Some("ab".repeat(32)), Some("no key".to_owned()), None] {
        match &wrong {
            Some(text) => std::fs::write(&key, text).expect("written"),
            None => std::fs::remove_file(&key).expect("removed"),
        }
        for verb in [
            &["sync", "--yes"][..],
            &["site", "list"],
            &["runs"],
            &["doctor"],
        ] {
            shell.run(verb).await.is(1).says("key");
        }
        let after = std::fs::read(shell.database()).expect("a database");
        assert!(after == before, "the database changed under {wrong:?}");
        assert_eq!(
            key.exists(),
            wrong.is_some(),
            "no key is made where one is missing"
        );
    }
    assert!(gateway.log().is_empty());
    std::fs::write(&key, right).expect("written");
    shell.run(&["doctor"]).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_refused_and_not_touched() {
    let gateway = start(healthy()).await;
    let shell = Shell::with_site(&gateway).await;
    gateway.clear_log();
    let mut db = open(&shell.database()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9000, 'of a later day', 1, x'00', 0)",
    )
    .execute(&mut db)
    .await
    .expect("inserted");
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut db)
        .await
        .expect("in one file");
    db.close().await.expect("closed");
    let before = std::fs::read(shell.database()).expect("a database");
    for verb in [
        &["sync", "--yes"][..],
        &["runs"],
        &["backup", "copy.db"],
        &["undo", "--yes"],
    ] {
        shell.run(verb).await.is(1).says("a newer Lockstep made it");
    }
    assert!(std::fs::read(shell.database()).expect("a database") == before);
    assert!(gateway.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_of_ours_is_refused() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    std::fs::create_dir_all(shell.path("home")).expect("a folder");
    let other = format!("something else entirely. {}", "x".repeat(20_000));
    std::fs::write(shell.database(), &other).expect("written");
    shell
        .run(&["sync", "--yes"])
        .await
        .is(1)
        .says("not a database");
    assert_eq!(
        std::fs::read_to_string(shell.database()).expect("a file"),
        other
    );
    let nobody = "postgres://me:canary@127.0.0.1:1/lockstep";
    let told = shell.run(&["plan", "--database", nobody]).await.is(1);
    told.says("postgres://me@127.0.0.1:1/lockstep");
    assert!(gateway.log().is_empty());
}

/// A shell whose commands run as a user who is not root: root may write everywhere.
fn humble(shell: &mut Shell) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let program = shell.path("lockstep");
    std::fs::copy(LOCKSTEP, &program).expect("copied");
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(shell.path("."), open).expect("opened");
    let script = format!(
        "shift; exec setpriv --reuid 65534 --regid 65534 --clear-groups '{}' \"$@\"",
        program.display()
    );
    shell.wrap(["sh", "-c", &script, "sh"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_a_clear_error_and_nothing_is_sent() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    humble(&mut shell);
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    let (folder, database) = (shell.path("."), shell.database());
    mode(&folder, 0o555);
    shell
        .run(&["sync", "--yes"])
        .await
        .is(1)
        .says("cannot be written");
    mode(&folder, 0o777);
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    mode(&database, 0o400);
    for verb in [&["sync", "--yes"][..], &["apply", "--yes"], &["plan"]] {
        shell.run(verb).await.is(1).says("writable for this user");
    }
    assert!(
        gateway.log().is_empty(),
        "nothing is sent that could not be recorded"
    );
    // SQLite gave the files beside the database its mode.
    for file in std::fs::read_dir(shell.path("home")).expect("a folder") {
        let path = file.expect("a file").path();
        if path.is_file() {
            mode(&path, 0o600);
        }
    }
    shell.run(&["sync", "--yes"]).await.is(0);
    let nowhere = ["plan", "--database", "/proc/nowhere/lockstep.db"];
    shell.run(&nowhere).await.is(1).says("cannot be written");
}

/// What the gateway has was recorded before it was sent, whatever the database did meanwhile; and the next run puts
/// everything right.
async fn recovers(gateway: &Gateway, shell: &Shell, what: &str) {
    let (told, _) = shell.json(&["runs", "--limit", "1"]).await;
    let early = written(gateway);
    if !early.is_empty() {
        let cut_off = &told["runs"][0];
        assert!(
            cut_off["approved_by"].is_string(),
            "{what}: {early:?} were written, and nothing was recorded: {cut_off}"
        );
    }
    let (run, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(code, 0, "{what}: {run}");
    assert!(
        lists(gateway)
            .values()
            .all(|list| list.ends_with("brand-new")),
        "{what}"
    );
    let mut channels = written(gateway);
    channels.sort_unstable();
    assert_eq!(
        channels,
        (1..=12).collect::<Vec<i64>>(),
        "{what}: one effective write each"
    );
}

async fn twelve(seed: u64) -> (Gateway, Shell) {
    let gateway = start(guarded(lockstep_sim::spec::many(12, 12, seed))).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["sync", "--yes"]).await.is(0);
    for name in gateway.provider_names() {
        let provider = gateway.provider(&name);
        let mut models = provider.models();
        models.push("brand-new".to_owned());
        provider.set_models(models);
    }
    gateway.clear_log();
    (gateway, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_full_at_any_step_ends_the_run_before_anything_unrecorded_is_sent() {
    let mut failed = 0;
    let mut unwritten = 0;
    // The write-ahead log may grow to so many blocks of 512 bytes: from none to enough.
    for blocks in [4, 16, 48, 80, 112, 144, 176, 208, 240, 272, 400] {
        let (gateway, mut shell) = twelve(6).await;
        shell.run(&["runs"]).await.is(0);
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        shell.wrap(["dash", "-c", &limit, "sh"]);
        let said = shell.run(&["sync", "--yes"]).await;
        let what = format!("{blocks} blocks");
        if said.code() != 0 {
            failed += 1;
            unwritten += usize::from(written(&gateway).is_empty());
            let words = said.words();
            assert!(
                words.contains("database")
                    || words.contains("disk")
                    || words.contains("journal")
                    || words.contains("lock"),
                "{what}: {words}"
            );
        }
        shell.wrap([] as [&str; 0]);
        recovers(&gateway, &shell, &what).await;
    }
    assert!(
        failed >= 3 && unwritten >= 1,
        "{failed} failed, {unwritten} before a write"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_file_descriptors_are_no_half_run() {
    for limit in [12, 16, 24, 64] {
        let (gateway, mut shell) = twelve(7).await;
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        shell.wrap(["sh", "-c", &script, "sh"]);
        let said = shell.run(&["sync", "--yes"]).await;
        if limit == 64 {
            assert_eq!(said.code(), 0, "{}", said.words());
        }
        shell.wrap([] as [&str; 0]);
        recovers(&gateway, &shell, &format!("{limit} descriptors")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_for_a_moment_is_waited_for() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    let mut db = open(&shell.database()).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut db)
        .await
        .expect("locked");
    let mut process = shell.start(&["sync", "--yes", "--json"]);
    process.go().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(
        gateway.log().is_empty(),
        "nothing is asked before it can be recorded"
    );
    sqlx::query("ROLLBACK")
        .execute(&mut db)
        .await
        .expect("freed");
    db.close().await.expect("closed");
    let run = process.end().await.is(0).json();
    is_the_truth(&run, &gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_keeps_is_a_clear_error_and_nothing_is_sent() {
    let gateway = start(healthy()).await;
    let shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    gateway.clear_log();
    let mut db = open(&shell.database()).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut db)
        .await
        .expect("locked");
    let (told, code) = shell.json(&["sync", "--yes"]).await;
    assert_eq!(code, 1);
    let message = told["error"]["message"].as_str().expect("a message");
    assert!(message.contains("another process holds it"), "{message}");
    assert!(gateway.log().is_empty());
    sqlx::query("ROLLBACK")
        .execute(&mut db)
        .await
        .expect("freed");
    db.close().await.expect("closed");
    assert_eq!(
        shell.json(&["sync", "--yes"]).await.0["state"],
        json!("done")
    );
}
