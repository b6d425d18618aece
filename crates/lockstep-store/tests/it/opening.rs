//! Files: what is made, with which mode, and what is refused untouched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lockstep_store::{KeySource, Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::tester::{NOW, new_site};

async fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, KeySource::FileBeside).await
}

/// Makes a database with one token and closes it.
async fn with_a_token(path: &Path) {
    let store = open(path).await.expect("a store");
    let mut new = new_site(Some("main"));
    new.token = Some(SecretString::from("a token"));
    store.add_site(new, NOW).await.expect("a site");
    store.close().await;
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// All bytes of the database, without those that wait in the log.
fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

#[tokio::test]
async fn folder_database_and_key_are_made_for_their_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/folder/lockstep.db");
    let store = open(&path).await.expect("a store");
    store.add_site(new_site(None), NOW).await.expect("a site");
    assert_eq!(store.path(), Some(path.as_path()));
    assert_eq!(mode(path.parent().expect("a folder")), 0o700);
    for file in [
        "lockstep.db",
        "lockstep.db.key",
        "lockstep.db-wal",
        "lockstep.db-shm",
    ] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
    let key = fs::read_to_string(path.with_file_name("lockstep.db.key")).expect("a key");
    assert_eq!(key.trim().len(), 64);
    assert!(key.trim().bytes().all(|digit| digit.is_ascii_hexdigit()));
}

#[tokio::test]
async fn a_database_is_opened_again_with_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    with_a_token(&path).await;
    let elsewhere = folder.path().join("elsewhere.key");
    fs::rename(path.with_file_name("lockstep.db.key"), &elsewhere).expect("moved");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    let store = Store::open(&path, KeySource::File(elsewhere))
        .await
        .expect("a store");
    let site = store.site_by_name("main").await.expect("a site");
    let token = store
        .token(&site.id)
        .await
        .expect("asked")
        .expect("a token");
    assert_eq!(token.expose_secret(), "a token");
    assert_eq!(mode(&path), 0o600);
    assert!(!path.with_file_name("lockstep.db.key").exists());
}

#[tokio::test]
async fn a_wrong_or_lost_key_is_refused_and_the_file_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    with_a_token(&path).await;
    let key = path.with_file_name("lockstep.db.key");
    let (right, before) = (fs::read(&key).expect("a key"), bytes(&path));
    let is_refused = async || {
        let refused = open(&path).await;
        assert!(
            matches!(refused, Err(StoreError::WrongKey { .. })),
            "{refused:?}"
        );
        assert!(bytes(&path) == before, "the file changed");
    };
    fs::write(&key, "0".repeat(64)).expect("another key");
    is_refused().await;
    fs::remove_file(&key).expect("removed");
    is_refused().await;
    assert!(
        !key.exists(),
        "no key is made up for a database that has one"
    );
    fs::write(&key, "not a key").expect("no key");
    let refused = open(&path).await;
    assert!(
        matches!(refused, Err(StoreError::KeyFile { .. })),
        "{refused:?}"
    );
    assert!(bytes(&path) == before, "the file changed");
    fs::write(&key, right).expect("the key");
    open(&path).await.expect("opens again");
}

#[tokio::test]
async fn what_a_killed_process_left_in_the_log_is_seen_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let store = open(&path).await.expect("a store");
    let mut new = new_site(Some("main"));
    new.token = Some(SecretString::from("a token"));
    let site = store.add_site(new, NOW).await.expect("a site");
    // The files as they would be found if the process were killed now.
    let left = folder.path().join("left");
    fs::create_dir(&left).expect("a folder");
    for file in ["lockstep.db", "lockstep.db-wal", "lockstep.db.key"] {
        fs::copy(path.with_file_name(file), left.join(file)).expect("a copy");
    }
    let path = left.join("lockstep.db");
    let (key, log) = (left.join("lockstep.db.key"), left.join("lockstep.db-wal"));
    let (right, before) = (fs::read(&key).expect("a key"), (bytes(&path), bytes(&log)));
    fs::write(&key, "0".repeat(64)).expect("another key");
    let refused = open(&path).await;
    assert!(
        matches!(refused, Err(StoreError::WrongKey { .. })),
        "{refused:?}"
    );
    assert!((bytes(&path), bytes(&log)) == before, "the files changed");
    fs::write(&key, right).expect("the key");
    let found = open(&path).await.expect("opens");
    assert_eq!(found.site_by_name("main").await.expect("a site"), site);
    assert!(found.token(&site.id).await.expect("asked").is_some());
}

#[tokio::test]
async fn a_key_that_no_token_needs_may_be_another_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    drop(open(&path).await.expect("a store"));
    fs::remove_file(path.with_file_name("lockstep.db.key")).expect("removed");
    with_a_token(&path).await;
    open(&path).await.expect("opens with the new key");
}

#[tokio::test]
async fn what_is_not_lockstep_s_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("text.db");
    fs::write(
        &text,
        "not a database, but long enough to look like one".repeat(40),
    )
    .expect("a file");
    let before = bytes(&text);
    let refused = open(&text).await.expect_err("refused");
    assert!(refused.to_string().contains("not a database"), "{refused}");
    assert!(bytes(&text) == before, "the file changed");
    assert!(!text.with_file_name("text.db.key").exists());

    let other = folder.path().join("other.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&other)
        .create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options)
        .await
        .expect("a database");
    sqlx::query("CREATE TABLE other (id TEXT)")
        .execute(&pool)
        .await
        .expect("a table");
    pool.close().await;
    let before = bytes(&other);
    let refused = open(&other).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Open { .. }), "{refused}");
    assert!(bytes(&other) == before, "the file changed");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "").expect("a file");
    let refused = open(&folder.path().join("file/lockstep.db"))
        .await
        .expect_err("refused");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
}

#[tokio::test]
async fn a_backup_opens_and_overwrites_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    with_a_token(&path).await;
    let store = open(&path).await.expect("a store");
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.expect("a backup");
    assert_eq!(mode(&copy), 0o600);
    let before = bytes(&copy);
    let again = store.backup(&copy).await;
    assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
    assert!(bytes(&copy) == before, "the file changed");
    let nowhere = store.backup(&folder.path().join("none/copy.db")).await;
    assert!(
        matches!(nowhere, Err(StoreError::Unavailable(_))),
        "{nowhere:?}"
    );

    let key = KeySource::File(path.with_file_name("lockstep.db.key"));
    let copied = Store::open(&copy, key).await.expect("the backup");
    assert_eq!(
        copied.sites().await.expect("sites"),
        store.sites().await.expect("sites")
    );
}
