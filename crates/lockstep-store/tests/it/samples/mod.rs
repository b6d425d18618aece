//! Every released schema with rows in each table: it must open, and be read, for ever.

use std::path::Path;

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::notices::Telling;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Kind;
use lockstep_store::prices::access::SourceEdit;
use lockstep_store::prices::verified::{Otherwise, Page, Verified};
use lockstep_store::steps::Holds;
use lockstep_store::{KeySource, Store, prices};
use secrecy::ExposeSecret as _;
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;

use crate::tester::{NOW, held_price, planned_prices, price_run};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The key under which the samples' tokens were encrypted.
pub(crate) const KEY: &str = "5555555555555555555555555555555555555555555555555555555555555555";

/// The rows that each schema brought.
pub(crate) const ROWS: [&str; 8] = [
    include_str!("0001.sql"),
    include_str!("0002.sql"),
    include_str!("0003.sql"),
    include_str!("0004.sql"),
    include_str!("0005.sql"),
    include_str!("0006.sql"),
    include_str!("0007.sql"),
    include_str!("0008.sql"),
];

/// A database of a released schema with rows in each table, opened by this program.
async fn opened(folder: &Path, version: usize) -> Store {
    let path = folder.join("lockstep.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.expect("a database");
    for (to, rows) in (1..).zip(&ROWS[..version]) {
        MIGRATIONS.run_to(to, &pool).await.expect("the schema");
        sqlx::raw_sql(*rows).execute(&pool).await.expect("the rows");
    }
    pool.close().await;
    std::fs::write(path.with_file_name("lockstep.db.key"), KEY).expect("a key");
    Store::open(&path, KeySource::FileBeside)
        .await
        .expect("opens")
}

/// The statements of a migration without what one database alone needs.
fn plain(sql: &str) -> String {
    let lines = sql.lines().filter(|line| !line.starts_with("-- "));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.replace(" COLLATE \"C\"", "")
        .replace(") WITHOUT ROWID;", ");")
}

#[test]
fn both_databases_have_the_same_tables() {
    for (sqlite, postgres) in [
        (
            include_str!("../../../migrations/sqlite/0001_first.sql"),
            include_str!("../../../migrations/postgres/0001_first.sql"),
        ),
        (
            include_str!("../../../migrations/sqlite/0002_prices.sql"),
            include_str!("../../../migrations/postgres/0002_prices.sql"),
        ),
        (
            include_str!("../../../migrations/sqlite/0003_server.sql"),
            include_str!("../../../migrations/postgres/0003_server.sql"),
        ),
        (
            include_str!("../../../migrations/sqlite/0004_verified.sql"),
            include_str!("../../../migrations/postgres/0004_verified.sql"),
        ),
        (
            include_str!("../../../migrations/sqlite/0005_outbox.sql"),
            include_str!("../../../migrations/postgres/0005_outbox.sql"),
        ),
        (
            include_str!("../../../migrations/sqlite/0006_sources.sql"),
            include_str!("../../../migrations/postgres/0006_sources.sql"),
        ),
        (
            include_str!("../../../migrations/sqlite/0007_settled.sql"),
            include_str!("../../../migrations/postgres/0007_settled.sql"),
        ),
        (
            include_str!("../../../migrations/sqlite/0008_lease_times.sql"),
            include_str!("../../../migrations/postgres/0008_lease_times.sql"),
        ),
    ] {
        assert_eq!(plain(sqlite), plain(postgres));
    }
}

#[tokio::test]
async fn every_schema_has_its_sample() {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    assert_eq!(newest, i64::try_from(ROWS.len()).ok());
}

#[tokio::test]
async fn a_database_of_schema_1_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 1).await;
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

    // As it was lies beside it, and what it could not hold before it can hold now.
    let copy = format!("lockstep.db.before-{}", ROWS.len());
    assert!(folder.path().join(copy).exists());
    let rows = vec![held_price("a", "9")];
    let run = planned_prices(&store, price_run(&site), rows, Holds::Renew, NOW).await;
    assert_eq!(store.counts(&run.id).await.expect("counts").held, 1);
    assert_eq!(store.price_holds(&site.id).await.expect("holds").len(), 1);
}

#[tokio::test]
async fn a_database_of_schema_2_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 2).await;
    let site = store.site_by_name("main").await.expect("a site");
    let (run, counts) = store.runs(&site.id, 1, None).await.expect("runs").remove(0);
    assert_eq!((run.id.as_str(), run.subject), ("r2", Subject::Prices));
    assert_eq!((counts.total, counts.changed, counts.held), (2, 1, 1));
    let rows = store.price_rows("r2").await.expect("rows");
    assert_eq!(counts, prices::counts(&rows));
    let fields: Vec<Field> = rows.iter().map(|row| row.field).collect();
    assert_eq!(
        fields,
        [Field::ModelRatio, Field::CacheRatio, Field::BillingExpr]
    );
    assert_eq!(rows[0].usd_new.and_then(|usd| usd.cache_write), Some(5.0));
    assert_eq!(rows[2].old, None);
    assert_eq!(rows[2].new.as_deref(), Some("p * 2 + c * 8"));
    assert_eq!(rows[2].usd_new.and_then(|usd| usd.per_call), Some(0.04));
    assert_eq!(rows[2].detail.formula, [("recharge".to_owned(), 7.2)]);
    assert_eq!(rows[2].detail.kind_new, Some(Kind::Expression));
    let images = store.images("r2").await.expect("images");
    assert_eq!(images[1].before, "{\"a\": 1.50}");
    assert_eq!(images[1].after.as_deref(), Some("{\"a\": 2}"));
    assert_eq!(
        store.price_holds(&site.id).await.expect("holds")[0].model,
        "b"
    );
    let answers = store.price_answers(&site.id).await.expect("answers");
    let kinds: Vec<&str> = answers.iter().map(|answer| answer.kind.code()).collect();
    assert_eq!(kinds, ["lock", "keep_kind", "ignore", "keep", "allow"]);
    let sources = store.sources(&site.id).await.expect("sources");
    assert_eq!((sources.len(), sources[1].name.as_str()), (2, "mine"));
    let copy = store.source_copy(&site.id, "key").await.expect("asked");
    assert_eq!(copy.map(|copy| copy.models), Some(7));
    let calls = store.source_calls("mine.example", 0).await.expect("asked");
    assert_eq!(calls.len(), 1);
    let seen = store.price_seen(&site.id, "official").await.expect("seen");
    assert_eq!(seen["a"].first_seen, 1_790_000_000_010);
    let accepted = store.accepted(&site.id).await.expect("accepted");
    assert_eq!(accepted["a"].kind(), Some(Kind::Expression));
}

#[tokio::test]
async fn a_database_of_schema_3_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 3).await;
    let asked = store.cancel_asked("r2").await.expect("asked");
    assert_eq!(asked.as_deref(), Some("ann"));
    assert_eq!(store.events_end().await.expect("the end"), 7);
    let events = store.events_since(0, 9).await.expect("events");
    assert_eq!((events.len(), events[0].feed), (1, 7));
    // Events of before have no place in the feed, and new ones come after all.
    let site = store.site_by_name("main").await.expect("a site");
    planned_prices(&store, price_run(&site), Vec::new(), Holds::Leave, NOW).await;
    let events = store.events_since(7, 9).await.expect("events");
    assert_eq!(events.first().map(|event| event.feed), Some(8));
    assert!(store.lease_holds(&site.url, 5).await.expect("asked"));
}

#[tokio::test]
async fn a_database_of_schema_4_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 4).await;
    let page = Page::Read(Verified {
        otherwise: vec![Otherwise {
            model: "a".to_owned(),
            field: Field::ModelRatio,
            written: Some("2".to_owned()),
            shown: "1".to_owned(),
        }],
        shown: 1,
        not_shown: vec!["b".to_owned()],
    });
    assert_eq!(store.page("r2").await.expect("asked"), Some(page.clone()));
    let unread = Page::Unread(Failure::new(FailureKind::Timeout, "late"));
    for kept in [unread, page] {
        store.keep_page("r2", &kept).await.expect("kept");
        assert_eq!(store.page("r2").await.expect("asked"), Some(kept));
    }
    assert_eq!(store.page("r1").await.expect("asked"), None);
}

#[tokio::test]
async fn a_database_of_schema_5_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 5).await;
    let sent = store.notices_sent(9).await.expect("sent");
    let due: Vec<Option<i64>> = sent.iter().map(|sent| sent.due_at).collect();
    // What an older schema had taken on to send is over, however it ended.
    assert_eq!(due, [Some(1_790_000_000_060), None]);
    let targets = store.targets_to_tell(NOW * 2).await.expect("targets");
    assert_eq!(targets.len(), 1);
    let taken = store.take_notice("ops", NOW * 2, NOW * 3).await;
    let taken = taken.expect("asked").expect("it is due");
    assert_eq!((taken.id.as_str(), taken.attempts), ("n2", 1));
    assert_eq!(taken.notice.telling, Telling::New);
    assert_eq!(taken.notice.findings.len(), 1);
}

#[tokio::test]
async fn a_database_of_schema_6_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 6).await;
    let site = store.site_by_name("main").await.expect("a site");
    let sources = store.sources(&site.id).await.expect("sources");
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["official", "mine", "lists"]);
    assert!(sources[1].has_token && !sources[0].has_token);
    assert_eq!(sources[1].headers, ["x-key"]);
    let access = store.source_access(&sources[1]).await.expect("opened");
    assert_eq!(access.user_id.as_deref(), Some("7"));
    let token = access.token.expect("a token");
    assert_eq!(token.expose_secret(), "sample source token");
    assert_eq!(access.headers[0].1.expose_secret(), "sample header");
    let upload = store.upload("u1").await.expect("asked").expect("a list");
    assert_eq!((upload.models, upload.uploaded_at), (3, 1_790_000_000_070));
    let trouble = store.source_trouble(&site.id, "https://mine.example").await;
    let trouble = trouble.expect("asked").expect("one");
    assert_eq!(trouble.state, "needs_sign_in");
    // Sources that an older schema knew by their names alone are let in by a token, too.
    let edit = SourceEdit {
        token: Some(Some("another".into())),
        ..SourceEdit::default()
    };
    let edited = store.edit_source(&site.id, "official", edit).await;
    assert!(edited.expect("edited").has_token);
}

#[tokio::test]
async fn a_database_of_schema_7_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 7).await;
    let unsettled = store.unsettled_runs().await.expect("asked");
    let ids: Vec<&str> = unsettled.iter().map(|run| run.id.as_str()).collect();
    // Nobody is told of those that an older schema had.
    assert_eq!(ids, ["r2"]);
}

#[tokio::test]
async fn a_database_of_schema_8_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = opened(folder.path(), 8).await;
    let site = store.site_by_name("main").await.expect("a site");
    assert!(store.lease_holds(&site.url, 5).await.expect("asked"));
}

#[tokio::test]
async fn an_upgrade_that_breaks_off_leaves_the_schema_before_whole_and_is_made_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = 6;
    let path = folder.path().join("lockstep.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options.clone())
        .await
        .expect("a database");
    for (to, rows) in (1..).zip(&ROWS[..before]) {
        MIGRATIONS.run_to(to, &pool).await.expect("the schema");
        sqlx::raw_sql(*rows).execute(&pool).await.expect("the rows");
    }
    // Its second statement finds that its name is taken; its first one was done by then.
    let taken = "CREATE TABLE run_unsettled (name TEXT)";
    sqlx::query(taken).execute(&pool).await.expect("a table");
    pool.close().await;
    std::fs::write(path.with_file_name("lockstep.db.key"), KEY).expect("a key");
    let broken = Store::open(&path, KeySource::FileBeside).await;
    assert!(broken.is_err());
    let copy = format!("lockstep.db.before-{}", ROWS.len());
    let copy = folder.path().join(copy);
    assert!(copy.exists(), "as it was lies beside it");

    let pool = SqlitePool::connect_with(options).await.expect("a database");
    let version: i64 = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&pool)
        .await
        .expect("a version");
    assert_eq!(usize::try_from(version), Ok(before));
    let half: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM pragma_table_info('run') WHERE name = 'settled_as'",
    )
    .fetch_one(&pool)
    .await
    .expect("a count");
    assert_eq!(half, 0, "no half of it is there");
    sqlx::query("DROP TABLE run_unsettled")
        .execute(&pool)
        .await
        .expect("free again");
    pool.close().await;
    let store = Store::open(&path, KeySource::FileBeside)
        .await
        .expect("opens");
    let site = store.site_by_name("main").await.expect("a site");
    assert_eq!(store.runs(&site.id, 9, None).await.expect("runs").len(), 2);
}

#[tokio::test]
async fn the_sqlite_within_is_one_that_keeps_what_its_log_is_reset_over() {
    let pool = SqlitePool::connect("sqlite::memory:").await;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&pool.expect("a database"))
        .await
        .expect("a version");
    let numbers: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().expect("a number"))
        .collect();
    assert!(numbers >= vec![3, 51, 3], "{version}");
}
