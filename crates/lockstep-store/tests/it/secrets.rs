//! A token is nowhere to be read but in the answer to whoever asks for it.

use std::fs;

use lockstep_store::notices::NewNoticeTarget;
use lockstep_store::prices::access::{SourceAccess, SourceEdit};
use lockstep_store::prices::sources::NewSource;
use lockstep_store::{KeySource, Store, StoreError};
use secrecy::SecretString;

use crate::tester::{NOW, new_site};

const CANARY: &str = "canary-7f3c9a51-token";

#[tokio::test]
async fn a_token_is_in_no_byte_of_any_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let store = Store::open(&path, KeySource::FileBeside)
        .await
        .expect("a store");
    let mut new = new_site(Some("main"));
    new.token = Some(SecretString::from(CANARY));
    assert!(!format!("{new:?}").contains(CANARY));
    let site = store.add_site(new, NOW).await.expect("a site");
    store
        .set_token(&site.id, Some(SecretString::from(CANARY)))
        .await
        .expect("set");
    let target = NewNoticeTarget {
        name: "bot".to_owned(),
        kind: "telegram".to_owned(),
        kinds: Vec::new(),
        secret: SecretString::from(CANARY),
    };
    assert!(!format!("{target:?}").contains(CANARY));
    let target = store.add_notice_target(target, NOW).await.expect("added");
    let secret = store.notice_secret(&target.id).await.expect("asked");
    assert!(!format!("{target:?} {secret:?}").contains(CANARY));
    let mut source = NewSource::open("club", "https://club.example");
    source.access = SourceAccess {
        token: Some(SecretString::from(CANARY)),
        user_id: Some("7".to_owned()),
        headers: vec![("x-key".to_owned(), SecretString::from(CANARY))],
    };
    assert!(!format!("{source:?}").contains(CANARY));
    let source = store.remember_source(&site.id, source).await;
    let source = source.expect("remembered");
    let edit = SourceEdit {
        token: Some(Some(SecretString::from(CANARY))),
        ..SourceEdit::default()
    };
    assert!(!format!("{edit:?}").contains(CANARY));
    let edited = store.edit_source(&site.id, "club", edit).await;
    edited.expect("changed");
    let access = store.source_access(&source).await.expect("opened");
    assert!(!format!("{source:?} {access:?}").contains(CANARY));
    store
        .backup(&folder.path().join("copy.db"))
        .await
        .expect("a backup");
    let token = store.token(&site.id).await.expect("asked");
    assert!(!format!("{site:?} {store:?} {token:?}").contains(CANARY));

    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut read = 0;
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let file = entry.expect("an entry").path();
        if file.is_file() {
            let bytes = fs::read(&file).expect("a file");
            for secret in [CANARY, &hex] {
                let found = bytes
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!found, "{}", file.display());
            }
            read += 1;
        }
    }
    assert!(read >= 5, "database, log, index, key and copy");
}

#[tokio::test]
async fn a_token_moved_to_another_row_does_not_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let store = Store::open(&path, KeySource::FileBeside)
        .await
        .expect("a store");
    let mut new = new_site(Some("main"));
    new.token = Some(SecretString::from(CANARY));
    store.add_site(new, NOW).await.expect("a site");
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("opens");
    sqlx::query("UPDATE site SET token = (SELECT token FROM site WHERE name = 'main')")
        .execute(&pool)
        .await
        .expect("edited by hand");
    let refused = store.token(&other.id).await.expect_err("refused");
    assert!(refused.to_string().contains("site.token"), "{refused}");
}

#[tokio::test]
async fn a_notice_target_opens_in_no_other_row_and_with_no_other_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let store = Store::open(&path, KeySource::FileBeside)
        .await
        .expect("a store");
    let new = |name: &str| NewNoticeTarget {
        name: name.to_owned(),
        kind: "ntfy".to_owned(),
        kinds: Vec::new(),
        secret: SecretString::from(CANARY),
    };
    store.add_notice_target(new("one"), NOW).await.expect("one");
    let two = store.add_notice_target(new("two"), NOW).await;
    let two = two.expect("two");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("opens");
    sqlx::query(
        "UPDATE notice_target SET sealed = (SELECT sealed FROM notice_target WHERE name = 'one')",
    )
    .execute(&pool)
    .await
    .expect("edited by hand");
    let refused = store.notice_secret(&two.id).await.expect_err("refused");
    let text = refused.to_string();
    assert!(text.contains("notice_target.sealed"), "{text}");
    pool.close().await;
    store.close().await;
    // No site has a token here, and yet the key is needed.
    let other = folder.path().join("other");
    fs::write(&other, "00".repeat(32)).expect("a key");
    let wrong = Store::open(&path, KeySource::File(other)).await;
    let wrong = wrong.expect_err("refused");
    assert!(matches!(wrong, StoreError::WrongKey { .. }), "{wrong}");
}

#[tokio::test]
async fn a_sources_token_needs_the_key_and_opens_for_no_other_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let store = Store::open(&path, KeySource::FileBeside)
        .await
        .expect("a store");
    let site = store
        .add_site(new_site(Some("main")), NOW)
        .await
        .expect("a site");
    for name in ["one", "two"] {
        let mut new = NewSource::open(name, "https://club.example");
        new.access.token = Some(SecretString::from(CANARY));
        let added = store.remember_source(&site.id, new).await;
        added.expect("remembered");
    }
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("opens");
    for (is_there, edit) in [
        // What stands in another's row, and a row that was given to another, are the same theft.
        (
            true,
            "UPDATE source_secret SET sealed = (SELECT sealed FROM source_secret x JOIN source s ON s.id = x.source_id
             WHERE s.name = 'one')",
        ),
        (
            false,
            "DELETE FROM source_secret WHERE source_id = (SELECT id FROM source WHERE name = 'two')",
        ),
        (
            true,
            "UPDATE source_secret SET source_id = (SELECT id FROM source WHERE name = 'two')",
        ),
    ] {
        let edited = sqlx::query(edit).execute(&pool).await;
        assert!(edited.expect("edited by hand").rows_affected() > 0);
        let sources = store.sources(&site.id).await.expect("sources");
        let two = &sources[1];
        assert_eq!(two.has_token, is_there, "{edit}");
        if is_there {
            let refused = store.source_access(two).await.expect_err("refused");
            let text = refused.to_string();
            assert!(text.contains("source_secret.sealed"), "{text}");
            assert!(!text.contains(CANARY));
        }
    }
    pool.close().await;
    store.close().await;
    // No site has a token here, and yet the key is needed.
    let other = folder.path().join("other");
    fs::write(&other, "00".repeat(32)).expect("a key");
    let wrong = Store::open(&path, KeySource::File(other)).await;
    let wrong = wrong.expect_err("refused");
    assert!(matches!(wrong, StoreError::WrongKey { .. }), "{wrong}");
}
