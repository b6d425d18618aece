//! All that is PostgreSQL's own: how it is connected to and looked at, and what its errors mean.
//!
//! Writers queue behind one lock, so that there is one at a time in the whole database, as there is on SQLite: what is
//! shown of one holds of the other. Leases are apart from it, for they must not wait for somebody's long write.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use crate::StoreError;
use crate::open::Found;

/// The schema's migrations, in the program itself.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// What is read in one transaction is of one moment.
pub(crate) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A write begins by waiting for the one before it. The number is that of the writers' lock: "lockstep" in bytes.
pub(crate) const BEGIN_WRITE: &str = "BEGIN; SELECT pg_advisory_xact_lock(7813573191660758384)";

/// One process at a time makes or upgrades the tables: the next number.
const LOCK_OPENING: &str = "SELECT pg_advisory_lock(7813573191660758385)";

/// Takes the lease of gateway `$1` for holder `$2` from whoever has it, for `$3` milliseconds. A write of his may take `$4`.
pub(crate) const SEIZE_LEASE: &str =
    "INSERT INTO lease (url, holder, fence, taken_at, expires_at, write_ms)
     SELECT $1, $2, (SELECT COALESCE(MAX(fence), 0) + 1 FROM lease), now.ms, now.ms + $3, $4
     FROM (SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS ms) now
     ON CONFLICT (url) DO UPDATE
     SET holder = excluded.holder, fence = excluded.fence, taken_at = excluded.taken_at,
         expires_at = excluded.expires_at, write_ms = excluded.write_ms
     RETURNING fence";

/// Takes the lease of gateway `$1` for holder `$2`, for `$3` milliseconds, if it was given back, or ran out so long ago as
/// a write of its holder may take: one that began just before is over by then. A write of the new one may take `$4`, and so
/// may that of a holder who did not say.
pub(crate) const TAKE_LEASE: &str =
    "INSERT INTO lease (url, holder, fence, taken_at, expires_at, write_ms)
     SELECT $1, $2, (SELECT COALESCE(MAX(fence), 0) + 1 FROM lease), now.ms, now.ms + $3, $4
     FROM (SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS ms) now
     ON CONFLICT (url) DO UPDATE
     SET holder = excluded.holder, fence = excluded.fence, taken_at = excluded.taken_at,
         expires_at = excluded.expires_at, write_ms = excluded.write_ms
     WHERE lease.holder IS NULL OR lease.expires_at IS NULL
         OR lease.expires_at + COALESCE(lease.write_ms, excluded.write_ms) <= excluded.taken_at
     RETURNING fence";

/// Renews the lease of gateway `$1` that is the one of fence `$2`, for `$3` milliseconds.
pub(crate) const RENEW_LEASE: &str = "UPDATE lease
     SET expires_at = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + $3
     WHERE url = $1 AND fence = $2 AND holder IS NOT NULL";

/// Whether the lease of gateway `$1` is the one of fence `$2` and holds for `$3` milliseconds more.
pub(crate) const LEASE_HOLDS: &str =
    "SELECT COUNT(*) FROM lease WHERE url = $1 AND fence = $2 AND holder IS NOT NULL
     AND expires_at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + $3";

/// The gateways whose lease somebody has, or had less long ago than a write of his may take: `$1` milliseconds where he did
/// not say.
pub(crate) const HELD_GATEWAYS: &str =
    "SELECT url FROM lease WHERE holder IS NOT NULL AND expires_at IS NOT NULL
     AND expires_at + COALESCE(write_ms, $1) > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// How long a task waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(30);

/// Readers at once.
const READERS: u32 = 8;

/// Writers at once. One of a process is in the writers' queue, the others wait in the process: should it stand still, the
/// queue waits for one transaction of its, not for one after the other.
const WRITERS: u32 = 1;

/// Connections for leases alone.
const LEASES: u32 = 2;

/// What the server does for a process that stands still, so that the others need not wait for it: a transaction that
/// does nothing is ended, a wait for a lock too. And it does not remark upon each connection that comes back without a
/// transaction, as all of them should.
const LIMITS: [(&str, &str); 4] = [
    ("client_min_messages", "error"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "30s"),
    ("statement_timeout", "60s"),
];

/// The pools of one database.
pub(crate) struct Pools {
    pub(crate) readers: PgPool,
    pub(crate) writer: PgPool,
    pub(crate) leases: PgPool,
}

/// The pools of a database. Nothing is connected yet.
pub(crate) fn pools(options: &PgConnectOptions) -> Pools {
    let limited = options.clone().options(LIMITS);
    let reading = limited
        .clone()
        .options([("default_transaction_read_only", "on")]);
    Pools {
        readers: pool(READERS).connect_lazy_with(reading),
        writer: pool(WRITERS).connect_lazy_with(limited.clone()),
        leases: pool(LEASES).connect_lazy_with(limited),
    }
}

/// A connection that may take its time, to upgrade the tables with.
pub(crate) fn unhurried(options: &PgConnectOptions) -> PgPool {
    pool(1).connect_lazy_with(options.clone())
}

/// A pool whose connections come back without a transaction: a `begin` that was dropped half-way leaves one behind
/// (transact-rs/sqlx#4385), and what is done in it later would be lost.
fn pool(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE)
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.execute("ROLLBACK").await?;
                Ok(true)
            })
        })
}

/// Waits until no other process opens the database; the lock goes with the connection.
pub(crate) async fn alone(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    db.execute(LOCK_OPENING).await?;
    Ok(())
}

/// Looks at a database without changing it. `shown` is its address without the password.
pub(crate) async fn look(db: &mut PgConnection, shown: &str) -> Result<Found, StoreError> {
    let refused = |reason: &str| StoreError::Open {
        path: shown.into(),
        reason: reason.to_owned(),
    };
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(&mut *db)
        .await?;
    if encoding != "UTF8" {
        return Err(refused(
            "it does not store UTF-8; make it with `CREATE DATABASE lockstep ENCODING 'UTF8' TEMPLATE template0`",
        ));
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()",
    )
    .fetch_all(&mut *db)
    .await?;
    if tables.is_empty() {
        return Ok(Found::default());
    }
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        return Err(refused(
            "it is another program's database; give Lockstep one of its own",
        ));
    }
    Ok(Found::read(db.into(), &tables).await?)
}

/// What a code of PostgreSQL means, where it means more than a fault of ours. The first two letters are the class.
pub(crate) fn meaning(code: &str) -> Option<StoreError> {
    let unavailable = |text: &str| Some(StoreError::Unavailable(text.to_owned()));
    match code {
        "53100" => return Some(StoreError::Full),
        "25006" => {
            return unavailable(
                "it cannot be written, for it is a standby or set to be read only; give the address of the primary",
            );
        }
        "28P01" | "28000" => {
            return unavailable(
                "it refuses the user or the password; look at the database's address",
            );
        }
        "3D000" => return unavailable("there is no such database; `createdb` makes it"),
        "42501" => {
            return unavailable(
                "the user may not do that there; make the user the owner of the database",
            );
        }
        "53300" => {
            return unavailable(
                "it has too many connections; raise max_connections, or run fewer replicas",
            );
        }
        "55P03" | "57014" => {
            return unavailable(
                "something was waited for too long; look whether a database tool has a transaction open",
            );
        }
        "25P03" => return unavailable("this process stood still for too long and was let go"),
        _ => {}
    }
    match code.get(..2) {
        Some("08" | "57") => {
            unavailable("it is shutting down or not ready; start it and try again")
        }
        Some("53" | "58") => unavailable("it lacks memory, disk or files; look at its log"),
        _ => None,
    }
}
