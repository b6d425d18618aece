//! All that is SQLite's own: how a file is opened, looked at and copied, and what its errors mean.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::StoreError;
use crate::open::Found;

/// The schema's migrations, in the program itself.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// What is read in one transaction is of one moment.
pub(crate) const BEGIN_READ: &str = "BEGIN";

/// A write takes its lock at the start: one that begins as a reader can find itself unable to go on.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Takes the lease of gateway `$1` for holder `$2` at `$3`. The lock of the gateway's file was taken before, so nobody
/// else can have it.
pub(crate) const TAKE_LEASE: &str = "INSERT INTO lease (url, holder, fence, taken_at)
     VALUES ($1, $2, (SELECT COALESCE(MAX(fence), 0) + 1 FROM lease), $3)
     ON CONFLICT (url) DO UPDATE
     SET holder = excluded.holder, fence = excluded.fence, taken_at = excluded.taken_at
     RETURNING fence";

/// Whether the lease of gateway `$1` is the one of fence `$2`.
pub(crate) const LEASE_HOLDS: &str =
    "SELECT COUNT(*) FROM lease WHERE url = $1 AND fence = $2 AND holder IS NOT NULL";

/// How long a process waits for another one's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// How long a task waits for a connection: longer than one busy wait, so that the busy one is the error told.
const ACQUIRE: Duration = Duration::from_secs(60);

/// Readers at once. They never wait for a writer.
const READERS: u32 = 4;

/// How a file is opened to work with it.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

/// One connection that writes, for SQLite has one writer at a time: tasks queue here instead of in busy waits.
pub(crate) async fn writer(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_with(options(path))
        .await
}

/// Connections that can only read.
pub(crate) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_lazy_with(options(path).pragma("query_only", "ON"))
}

/// Looks at a database without being able to change it.
pub(crate) async fn look(path: &Path) -> Result<Found, StoreError> {
    let mut db = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .disable_statement_logging()
        .connect()
        .await?;
    let found = found(&mut db, path).await;
    db.close().await?;
    found
}

async fn found(db: &mut SqliteConnection, path: &Path) -> Result<Found, StoreError> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
            .fetch_all(&mut *db)
            .await?;
    if tables.is_empty() {
        return Ok(Found::default());
    }
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        return Err(StoreError::Open {
            path: path.to_owned(),
            reason: "it is another program's database; give Lockstep a file of its own".to_owned(),
        });
    }
    Ok(Found::read(db.into(), &tables).await?)
}

/// Copies the database, complete at one moment, to a new file that only its owner can read. Writers go on meanwhile.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    // SQLite takes an empty file for none, so the file has its mode before the first byte is in it.
    create_private(to).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists(to.to_owned()),
        _ => StoreError::Unavailable(format!("{} cannot be written ({error})", to.display())),
    })?;
    let copied = copy_into(from, to).await;
    if copied.is_err() {
        // The copy is incomplete, and it is ours.
        let _ = fs::remove_file(to);
    }
    copied
}

async fn copy_into(from: &Path, to: &Path) -> Result<(), StoreError> {
    let name = to.to_str().ok_or_else(|| {
        StoreError::Unavailable(format!("{} is not a readable file name", to.display()))
    })?;
    let mut db = SqliteConnectOptions::new()
        .filename(from)
        .busy_timeout(BUSY)
        .disable_statement_logging()
        .connect()
        .await?;
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(name)
        .execute(&mut db)
        .await;
    db.close().await?;
    copied?;
    fs::File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| {
            StoreError::Unavailable(format!("{} cannot be written ({error})", to.display()))
        })
}

/// Makes an empty file that only its owner can read and that was not there.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Takes from others what an earlier umask may have given them. The files beside the database follow its mode.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    let present = fs::metadata(path)?.permissions().mode();
    if present & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(present & 0o700))
}

/// What a result code of SQLite means, where it means more than a fault of ours. The low byte is the kind.
pub(crate) fn meaning(code: &str) -> Option<StoreError> {
    let code: i32 = code.parse().ok()?;
    let unavailable = |text: &str| Some(StoreError::Unavailable(text.to_owned()));
    match code & 0xff {
        5 | 6 => unavailable(
            "another process holds it for longer than 10 seconds; \
             look whether a second Lockstep or a database tool has it open",
        ),
        8 => {
            unavailable("it cannot be written; make the file and its folder writable for this user")
        }
        10 => unavailable(
            "the disk failed to read or write it; look at the system's log and the disk",
        ),
        11 => unavailable("the file is damaged; restore a backup"),
        13 => Some(StoreError::Full),
        14 => unavailable(
            "the file cannot be opened; look whether its folder exists and is writable for this user",
        ),
        26 => unavailable(
            "the file is not a database; give Lockstep another one, or restore a backup",
        ),
        _ => None,
    }
}
