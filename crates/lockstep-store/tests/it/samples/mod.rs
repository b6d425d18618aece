//! Every released schema with rows in each table: it must open, and be read, for ever.

use lockstep_core::change::{RunState, State, Subject};
use lockstep_store::{KeySource, Store};
use secrecy::ExposeSecret as _;
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The key under which the samples' tokens were encrypted.
const KEY: &str = "5555555555555555555555555555555555555555555555555555555555555555";

#[tokio::test]
async fn a_database_of_schema_1_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lockstep.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.expect("a database");
    MIGRATIONS.run_to(1, &pool).await.expect("the schema");
    sqlx::raw_sql(include_str!("0001.sql"))
        .execute(&pool)
        .await
        .expect("the rows");
    pool.close().await;
    std::fs::write(path.with_file_name("lockstep.db.key"), KEY).expect("a key");

    let store = Store::open(&path, KeySource::FileBeside)
        .await
        .expect("opens");
    let site = store.site_by_name("main").await.expect("a site");
    assert!(site.is_default && site.first_write_done);
    assert_eq!(site.settings["policy"], "mirror");
    let token = store
        .token(&site.id)
        .await
        .expect("asked")
        .expect("a token");
    assert_eq!(token.expose_secret(), "sample token");
    assert_eq!(
        store.channel_overrides(&site.id).await.expect("read").len(),
        1
    );
    assert_eq!(
        store
            .provider_overrides(&site.id)
            .await
            .expect("read")
            .len(),
        1
    );

    let run = store
        .latest_run(&site.id, Subject::Models)
        .await
        .expect("asked")
        .expect("a run");
    assert_eq!(run.state, RunState::Partial);
    assert_eq!(
        run.failure.as_ref().map(|failure| failure.http_status),
        Some(Some(502))
    );
    let counts = store.runs(&site.id, 1, None).await.expect("runs")[0].1;
    assert_eq!((counts.total, counts.held, counts.success), (2, 1, 1));
    assert_eq!(counts, store.counts(&run.id).await.expect("counts"));
    let changes = store.changes(&run.id).await.expect("changes");
    assert_eq!(changes[0].state, State::Applied);
    assert_eq!(changes[0].before, "a,b");
    assert_eq!(changes[0].after.as_deref(), Some("a,b,c"));
    assert_eq!(
        changes[0].upstream.as_deref(),
        Some(["a", "b", "c"].map(String::from).as_slice())
    );
    assert_eq!(changes[1].held_remove, ["b"]);
    assert_eq!(changes[1].notes.len(), 4);
    assert_eq!(
        store.holds(&site.id).await.expect("holds")[0].held_remove,
        ["b"]
    );
    let memories = store.memories(&site.id).await.expect("memories");
    assert_eq!(memories[&1].settled.as_ref().map(Vec::len), Some(3));
    assert_eq!(memories[&1].failures, Some(("timeout".to_owned(), 2)));
    assert_eq!(store.events(&run.id, 0).await.expect("events").len(), 3);
    assert!(store.lease_holds(&site.url, 4).await.expect("asked"));
}
