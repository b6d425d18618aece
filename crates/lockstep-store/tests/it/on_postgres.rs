//! What holds on PostgreSQL alone: how it is opened, what its leases do as time passes, and what is left when it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use lockstep_core::change::State;
use lockstep_store::leases::LeaseTimes;
use lockstep_store::{KeySource, Location, Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::cluster::{self, Cluster, Database};
use crate::samples;
use crate::tester::{NONE, NOW, new_site, of, planned, reading, row, site, url};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A fresh store in the cluster of this program, if there is PostgreSQL.
pub(crate) async fn store() -> Option<Store> {
    let database = cluster::database().await?;
    Some(open(&database).await.expect("a store"))
}

/// How many bytes the store's texts take.
pub(crate) async fn size(store: &Store) -> u64 {
    if store.path().is_some() {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy.db");
        store.backup(&copy).await.expect("a copy");
        return std::fs::metadata(&copy).expect("a file").len();
    }
    let mut db = cluster::connect_to(store).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'",
    )
    .fetch_all(&mut db)
    .await
    .expect("tables");
    let mut size = 0;
    for table in tables {
        let sql = format!(
            "SELECT CAST(COALESCE(SUM(octet_length(CAST(t AS TEXT))), 0) AS BIGINT) FROM {table} t"
        );
        let bytes: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut db)
            .await
            .expect("a sum");
        size += u64::try_from(bytes).expect("a size");
    }
    size
}

async fn open(database: &Database) -> Result<Store, StoreError> {
    let location = Location::parse(&database.url)?;
    Store::open(location, KeySource::File(database.key.clone())).await
}

async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(&database.url)
        .await
        .expect("connects")
}

/// An empty database in a cluster that is shared.
async fn empty() -> Option<Database> {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let mut database = cluster::shared()?.empty_database().await;
    database.key = folder.join("lockstep.key");
    Some(database)
}

#[tokio::test]
async fn tables_and_key_are_made_once_and_the_key_is_the_same_for_all() {
    let Some(database) = empty().await else {
        return;
    };
    let (one, two) = tokio::join!(open(&database), open(&database));
    let (one, two) = (one.expect("a store"), two.expect("a store"));
    let mut new = new_site(Some("main"));
    new.token = Some(SecretString::from("a token"));
    let site = one.add_site(new, NOW).await.expect("a site");
    let token = two.token(&site.id).await.expect("asked").expect("a token");
    assert_eq!(token.expose_secret(), "a token");

    let right = std::fs::read(&database.key).expect("a key");
    let is_refused = async || {
        let refused = open(&database).await;
        assert!(
            matches!(refused, Err(StoreError::WrongKey { .. })),
            "{refused:?}"
        );
    };
    std::fs::write(&database.key, "0".repeat(64)).expect("another key");
    is_refused().await;
    std::fs::remove_file(&database.key).expect("removed");
    is_refused().await;
    assert!(
        !database.key.exists(),
        "no key is made up for a database that has one"
    );
    // Without a token too: another replica may be about to store one.
    one.set_token(&site.id, None).await.expect("forgotten");
    is_refused().await;
    std::fs::write(&database.key, right).expect("the key");
    open(&database).await.expect("opens again");

    let location = Location::parse(&database.url).expect("an address");
    let refused = Store::open(location, KeySource::FileBeside).await;
    assert!(
        matches!(refused, Err(StoreError::KeyFile { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_newer_schema_and_another_program_s_tables_are_refused_and_stay() {
    let Some(database) = empty().await else {
        return;
    };
    let mut db = connect(&database).await;
    db.execute("CREATE TABLE other (id TEXT)")
        .await
        .expect("a table");
    let refused = open(&database).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Open { .. }), "{refused}");
    assert!(!database.key.exists());
    db.execute("DROP TABLE other").await.expect("dropped");
    open(&database).await.expect("opens");
    db.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'later', TRUE, '', 0)",
    )
    .await
    .expect("a newer schema");
    let refused = open(&database).await.expect_err("refused");
    assert!(
        matches!(refused, StoreError::NewerSchema { found: 99, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn every_released_schema_is_upgraded_and_read() {
    for version in 1..=samples::ROWS.len() {
        let Some(database) = empty().await else {
            return;
        };
        let pool = PgPool::connect(&database.url).await.expect("connects");
        for (to, rows) in (1..).zip(&samples::ROWS[..version]) {
            MIGRATIONS.run_to(to, &pool).await.expect("the schema");
            sqlx::raw_sql(*rows).execute(&pool).await.expect("the rows");
        }
        pool.close().await;
        std::fs::write(&database.key, samples::KEY).expect("a key");
        let store = open(&database).await.expect("opens");
        let site = store.site_by_name("main").await.expect("a site");
        let token = store
            .token(&site.id)
            .await
            .expect("asked")
            .expect("a token");
        assert_eq!(token.expose_secret(), "sample token");
        let runs = store.runs(&site.id, 9, None).await.expect("runs");
        assert_eq!(runs.len(), version.min(2));
        assert_eq!(store.memories(&site.id).await.expect("memories").len(), 1);
        planned(&store, &site, vec![row(1, State::Ready)], NOW).await;
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_without_the_password() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let unknown = database
        .url
        .replace("/test_", "/nothing_")
        .replace('?', "?password=canary&");
    for url in [
        unknown.as_str(),
        "postgres://me:canary@127.0.0.1:1/lockstep",
    ] {
        let location = Location::parse(url).expect("an address");
        let refused = Store::open(location, KeySource::File(database.key.clone())).await;
        let refused = refused.expect_err("refused");
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
        let told = format!("{refused} {refused:?}");
        assert!(!told.contains("canary"), "{told}");
    }
    let store = open(&database).await.expect("a store");
    let refused = store.backup("copy.db".as_ref()).await.expect_err("refused");
    assert!(refused.to_string().contains("pg_dump"), "{refused}");
}

/// What comes of work that is polled so many times and then dropped, if it is done by then. However fast the machine is,
/// work that waits for an answer is not done at its first poll.
async fn dropped_after<T>(polls: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut polled = 0;
    std::future::poll_fn(|context| {
        polled += 1;
        let done = work.as_mut().poll(context).map(Some);
        if done.is_pending() && polled == polls {
            return Poll::Ready(None);
        }
        done
    })
    .await
}

#[tokio::test]
async fn four_hundred_cancelled_transactions_lose_nothing() {
    let Some(store) = store().await else { return };
    let site = site(&store).await;
    let mut cut = 0;
    for attempt in 0..400_u32 {
        let polls = 1 + attempt % 8;
        // One of a reader, which is dropped where it stands, and one of a writer, which goes on.
        let read = dropped_after(polls, store.runs(&site.id, 10, None)).await;
        let asked = dropped_after(polls, store.price_policy_hash(&site.id)).await;
        let write = dropped_after(polls, store.mark_first_write(&site.id)).await;
        cut += u32::from(read.is_none()) + u32::from(asked.is_none()) + u32::from(write.is_none());
        let name = format!("site {attempt}");
        let new = store
            .add_site(new_site(Some(&name)), NOW)
            .await
            .expect("a site");
        // A reader that was left in an old transaction would not see it.
        assert_eq!(store.site(&new.id).await.expect("read").name, Some(name));
        store.runs(&new.id, 10, None).await.expect("read");
    }
    assert!(cut > 100, "{cut} were dropped");
    let mut db = cluster::connect_to(&store).await;
    let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM site WHERE name LIKE 'site %'")
        .fetch_one(&mut db)
        .await
        .expect("a count");
    assert_eq!(there, 400);
}

#[tokio::test]
async fn replicas_write_one_after_the_other() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let (one, two) = (
        open(&database).await.expect("a store"),
        open(&database).await.expect("a store"),
    );
    let site = site(&one).await;
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
    let events = one.events(&run.id, 0).await.expect("events");
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=62).collect::<Vec<i64>>());
    // Calls to a host are counted over both.
    let takes = (0..20).map(|at| {
        let store = if at % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        tokio::spawn(async move { store.take_source_call("host", 0, 7, NOW + at).await })
    });
    let mut taken = 0;
    for take in takes.collect::<Vec<_>>() {
        taken += u32::from(take.await.expect("ends").expect("asked"));
    }
    assert_eq!(taken, 7);
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_writes_loses_nothing_that_was_told() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    const BATCH: i64 = 20;
    let database = cluster.database().await;
    let store = open(&database).await.expect("a store");
    let site = site(&store).await;
    let run = reading(&store, &site, 1, NOW).await;
    let told = Arc::new(AtomicU32::new(0));
    let writing = {
        let (store, run, told) = (store.clone(), run.clone(), told.clone());
        tokio::spawn(async move {
            for batch in 0.. {
                let ids = batch * BATCH..(batch + 1) * BATCH;
                let rows = ids.map(|id| of(&run, row(id, State::Same))).collect();
                match store.record_read(&run.id, 1, rows, Vec::new(), NONE).await {
                    Ok(()) => told.fetch_add(1, Ordering::SeqCst),
                    Err(error) => return error,
                };
            }
            unreachable!("it ends with an error")
        })
    };
    while told.load(Ordering::SeqCst) < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cluster.crash();
    let error = writing.await.expect("ends");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    cluster.run();
    cluster
        .connect("postgres")
        .await
        .close()
        .await
        .expect("up again");

    let rows = store
        .changes(&run.id)
        .await
        .expect("the same store reads on")
        .len();
    let events = store.events(&run.id, 0).await.expect("events").len();
    let told = told.load(Ordering::SeqCst) as usize;
    let batch = BATCH as usize;
    assert!(
        rows == told * batch || rows == (told + 1) * batch,
        "{rows} rows, {told} told"
    );
    assert_eq!(events, rows + 2, "each row has its event");
    store
        .add_requests(&run.id, 1, NONE)
        .await
        .expect("and writes");
}

/// Short times, yet long enough for a machine that is busy.
fn short() -> LeaseTimes {
    LeaseTimes::of(Duration::from_secs(3))
}

#[tokio::test]
async fn a_lease_is_renewed_while_it_is_held_and_runs_out_when_its_holder_is_gone() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let one = open(&database)
        .await
        .expect("a store")
        .with_lease_times(short());
    let two = open(&database)
        .await
        .expect("a store")
        .with_lease_times(short());
    let gateway = url("gateway.example");
    let hold = one.hold_gateway(&gateway, "one", NOW).await.expect("held");
    for _ in 0..10 {
        tokio::time::sleep(short().renew / 2).await;
        let busy = two.hold_gateway(&gateway, "two", NOW).await;
        assert!(matches!(busy, Err(StoreError::Busy { .. })), "{busy:?}");
    }
    assert!(
        one.lease_holds(&gateway, hold.fence())
            .await
            .expect("asked")
    );
    let first = hold.fence();
    hold.leave();
    let next = loop {
        let held = one.lease_holds(&gateway, first).await.expect("asked");
        match two.hold_gateway(&gateway, "two", NOW).await {
            Ok(next) => {
                assert!(!held, "it was the first one's just before");
                break next;
            }
            Err(StoreError::Busy { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(next.fence() > first);
    assert!(!one.lease_holds(&gateway, first).await.expect("asked"));
    assert!(
        two.lease_holds(&gateway, next.fence())
            .await
            .expect("asked")
    );
    // What the first one gives back now is not his any more.
    one.release_lease(&gateway, first)
        .await
        .expect("nothing to do");
    assert!(
        two.lease_holds(&gateway, next.fence())
            .await
            .expect("asked")
    );
}

#[tokio::test]
async fn whoever_comes_after_waits_for_a_write_of_the_one_before_however_long_his_own_may_take() {
    let Some(database) = cluster::database().await else {
        return;
    };
    const HOUR: Duration = Duration::from_secs(3_600);
    let with = async |write| {
        let times = LeaseTimes {
            write,
            ..LeaseTimes::of(10 * HOUR)
        };
        open(&database)
            .await
            .expect("a store")
            .with_lease_times(times)
    };
    let (slow, quick) = (with(HOUR).await, with(Duration::from_millis(1)).await);
    // A run of the site that nobody works on, as soon as nobody has the gateway.
    let site = site(&slow).await;
    reading(&slow, &site, 1, NOW).await;
    for (holder, next, minutes, free) in [
        (&slow, &quick, 1, false),
        (&slow, &quick, 59, false),
        (&slow, &quick, 61, true),
        (&quick, &slow, 1, true),
    ] {
        let held = holder.hold_gateway(&site.url, "one", NOW).await;
        held.expect("nobody has it").leave();
        // As if so many minutes had gone by since it ran out.
        let mut db = connect(&database).await;
        let ago = minutes * 60_000_i64;
        sqlx::query(
            "UPDATE lease SET expires_at = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - $1",
        )
        .bind(ago)
        .execute(&mut db)
        .await
        .expect("changed");
        let what = format!("{minutes} minutes after");
        let left = next.orphaned_runs().await.expect("asked").len();
        assert_eq!(left, usize::from(free), "{what}");
        let taken = next.hold_gateway(&site.url, "two", NOW).await;
        match taken {
            Ok(_) => assert!(free, "{what}"),
            Err(StoreError::Busy { .. }) => assert!(!free, "{what}"),
            Err(error) => panic!("{what}: {error}"),
        }
        db.execute("UPDATE lease SET holder = NULL")
            .await
            .expect("free again");
    }
}

#[tokio::test]
async fn of_many_who_want_a_gateway_one_has_it() {
    let Some(database) = cluster::database().await else {
        return;
    };
    let inside = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for number in 0..6_u32 {
        let store = open(&database)
            .await
            .expect("a store")
            .with_lease_times(short());
        let inside = inside.clone();
        tasks.push(tokio::spawn(async move {
            let gateway = url("gateway.example");
            let mut fences = Vec::new();
            while fences.len() < 5 {
                let Ok(hold) = store.hold_gateway(&gateway, &number.to_string(), NOW).await else {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    continue;
                };
                assert!(!inside.swap(true, Ordering::SeqCst), "two are inside");
                assert!(
                    store
                        .lease_holds(&gateway, hold.fence())
                        .await
                        .expect("asked")
                );
                fences.push(hold.fence());
                inside.store(false, Ordering::SeqCst);
            }
            fences
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        let fences = task.await.expect("ends");
        assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
        all.extend(fences);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 30, "each fence was given once");
}
