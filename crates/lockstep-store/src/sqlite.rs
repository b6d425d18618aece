//! All that is SQLite's own: how a file is opened, looked at and copied, and what its errors mean.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::StoreError;

pub(crate) type Db = sqlx::Sqlite;
pub(crate) type Connection = sqlx::SqliteConnection;
pub(crate) type Pool = SqlitePool;
pub(crate) type Row = sqlx::sqlite::SqliteRow;

/// The schema's migrations, in the program itself.
pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// A write takes its lock at the start: one that begins as a reader can find itself unable to go on.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

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
pub(crate) async fn writer(path: &Path) -> Result<Pool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_with(options(path))
        .await
}

/// Connections that can only read.
pub(crate) fn readers(path: &Path) -> Pool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_lazy_with(options(path).pragma("query_only", "ON"))
}

/// What a look at a database file found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The schema's version; `None` for a file without tables.
    pub(crate) version: Option<i64>,
    /// The stored proof of the key.
    pub(crate) proof: Option<String>,
    /// Whether anything is encrypted: a site's token, or where notices go.
    pub(crate) tokens: bool,
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

async fn found(db: &mut Connection, path: &Path) -> Result<Found, StoreError> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
            .fetch_all(&mut *db)
            .await?;
    if tables.is_empty() {
        return Ok(Found::default());
    }
    let has = |name: &str| tables.iter().any(|table| table == name);
    if !has("_sqlx_migrations") {
        return Err(StoreError::Open {
            path: path.to_owned(),
            reason: "it is another program's database; give Lockstep a file of its own".to_owned(),
        });
    }
    let mut found = Found {
        version: sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
            .fetch_one(&mut *db)
            .await?,
        ..Found::default()
    };
    if has("meta") && has("site") {
        found.proof = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(crate::open::PROOF)
            .fetch_optional(&mut *db)
            .await?;
        let tokens: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM site WHERE token IS NOT NULL")
            .fetch_one(&mut *db)
            .await?;
        let has_targets: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = 'notice_target'")
                .fetch_one(&mut *db)
                .await?;
        let targets: i64 = match has_targets {
            0 => 0,
            _ => {
                sqlx::query_scalar("SELECT COUNT(*) FROM notice_target")
                    .fetch_one(&mut *db)
                    .await?
            }
        };
        found.tokens = tokens + targets > 0;
    }
    Ok(found)
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
