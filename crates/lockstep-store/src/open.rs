//! Opening a database: everything that can be wrong is found out before the file is touched.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};

use crate::location::Server;
use crate::postgres::Pools;
use crate::seal::Seal;
use crate::sql::{Pool, Target, query, query_scalar};
use crate::store::no_answer;
use crate::{KeySource, StoreError, key, postgres, sqlite};

/// The name of the value in `meta` that proves the key, and the place that it is bound to.
pub(crate) const PROOF: &str = "key_proof";

/// How long a server may take to answer a new connection.
const CONNECT: Duration = Duration::from_secs(30);

/// What is encrypted as the proof.
const PROVEN: &str = "lockstep";

/// What a look at a database found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The schema's version; `None` where there are no tables.
    pub(crate) version: Option<i64>,
    /// The stored proof of the key.
    pub(crate) proof: Option<String>,
    /// Whether anything is encrypted: the token of a site, where notices go, what lets us into a source.
    pub(crate) secrets: bool,
}

impl Found {
    /// Looks at a database that has these tables.
    pub(crate) async fn read(mut on: Target<'_>, tables: &[String]) -> Result<Self, sqlx::Error> {
        let has = |name: &str| tables.iter().any(|table| table == name);
        let version: Option<i64> = query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
            .fetch_one(on.again())
            .await?;
        let mut found = Self {
            version,
            ..Self::default()
        };
        if has("meta") && has("site") {
            found.proof = query_scalar("SELECT value FROM meta WHERE name = $1")
                .bind(PROOF)
                .fetch_optional(on.again())
                .await?;
            let tokens: i64 = query_scalar("SELECT COUNT(*) FROM site WHERE token IS NOT NULL")
                .fetch_one(on.again())
                .await?;
            found.secrets = tokens > 0;
        }
        if has("notice_target") {
            let targets: i64 = query_scalar("SELECT COUNT(*) FROM notice_target")
                .fetch_one(on.again())
                .await?;
            found.secrets |= targets > 0;
        }
        if has("source_secret") {
            let secrets: i64 = query_scalar("SELECT COUNT(*) FROM source_secret")
                .fetch_one(on.again())
                .await?;
            found.secrets |= secrets > 0;
        }
        Ok(found)
    }
}

/// Brings the file to the newest of the migrations and returns the seal for its tokens and the connection that writes.
pub(crate) async fn prepare(
    path: &Path,
    source: &KeySource,
    migrations: &Migrator,
) -> Result<(Seal, Pool), StoreError> {
    let folder = folder(path);
    create_folder(&folder)?;
    let _alone = alone(path).await?;
    let exists = fs::metadata(path).is_ok_and(|file| file.len() > 0);
    let found = if exists {
        sqlite::look(path).await?
    } else {
        Found::default()
    };
    let known = known(migrations);
    if let Some(found) = found.version
        && found > known
    {
        return Err(StoreError::NewerSchema { found, known });
    }
    let seal = the_seal(path, &source.file(path), &found)?;
    match found.version {
        None if !exists => match sqlite::create_private(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(not_writable(path, &error));
            }
            _ => {}
        },
        Some(version) if version < known => copy_before(path, known).await?,
        _ => {}
    }
    if let Err(error) = sqlite::make_private(path) {
        tracing::warn!(path = %path.display(), %error, "others may read the database file");
    }
    let writer = sqlite::writer(path).await?;
    migrations
        .run(&writer)
        .await
        .map_err(|error| not_migrated(path, error))?;
    let writer = Pool::Sqlite(writer);
    prove(&writer, &seal, &found).await?;
    Ok((seal, writer))
}

/// As [`prepare`], of a database on a server. Nothing is copied before it is upgraded. All replicas have the same key: where
/// one was stored, no other is taken, and none is made.
pub(crate) async fn prepare_server(
    server: &Server,
    source: &KeySource,
    migrations: &Migrator,
) -> Result<(Seal, Pools), StoreError> {
    let shown = Path::new(server.shown());
    let KeySource::File(file) = source else {
        return Err(StoreError::KeyFile {
            path: "".into(),
            reason: "a database on a server has no place beside it; \
                     name the key file with --key-file or LOCKSTEP_KEY_FILE, the same for every replica"
                .to_owned(),
        });
    };
    let mut db = match tokio::time::timeout(CONNECT, server.options().connect()).await {
        Ok(Ok(db)) => db,
        Ok(Err(error)) => return Err(not_reached(server, error.into())),
        Err(_) => return Err(not_reached(server, no_answer())),
    };
    postgres::alone(&mut db).await?;
    let mut found = postgres::look(&mut db, server.shown()).await?;
    let known = known(migrations);
    if let Some(version) = found.version
        && version > known
    {
        return Err(StoreError::NewerSchema {
            found: version,
            known,
        });
    }
    found.secrets |= found.proof.is_some();
    let seal = the_seal(shown, file, &found)?;
    let unhurried = postgres::unhurried(server.options());
    migrations
        .run(&unhurried)
        .await
        .map_err(|error| not_migrated(shown, error))?;
    unhurried.close().await;
    let pools = postgres::pools(server.options());
    prove(&Pool::Postgres(pools.writer.clone()), &seal, &found).await?;
    // The lock of those who open goes with it.
    db.close().await?;
    Ok((seal, pools))
}

/// The error with the address of the server in it.
fn not_reached(server: &Server, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(reason) => {
            StoreError::Unavailable(format!("{}: {reason}", server.shown()))
        }
        other => other,
    }
}

/// The schema version that the migrations lead to.
fn known(migrations: &Migrator) -> i64 {
    migrations
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

/// The seal of the key file, which is made when neither it nor anything to open is there yet.
fn the_seal(path: &Path, file: &Path, found: &Found) -> Result<Seal, StoreError> {
    let wrong = || StoreError::WrongKey {
        database: path.to_owned(),
        key: file.to_owned(),
    };
    let Some(seal) = key::read(file)? else {
        return if found.secrets {
            Err(wrong())
        } else {
            create_folder(&folder(file))?;
            key::create(file)
        };
    };
    if found.secrets && !proves(&seal, found) {
        return Err(wrong());
    }
    Ok(seal)
}

fn proves(seal: &Seal, found: &Found) -> bool {
    found
        .proof
        .as_deref()
        .and_then(|proof| seal.open(proof, PROOF))
        .is_some_and(|text| text == PROVEN)
}

fn not_migrated(path: &Path, error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => StoreError::Open {
            path: path.to_owned(),
            reason: format!(
                "its schema is none of a released Lockstep ({other}); restore a backup"
            ),
        },
    }
}

/// Finds out that the database can be written, and stores the proof of the key.
async fn prove(writer: &Pool, seal: &Seal, found: &Found) -> Result<(), StoreError> {
    let mut write = writer.begin_write().await?;
    // SQLite says that a file is read-only when something is to be written, not before. This removes nothing.
    query("DELETE FROM meta WHERE name = ''")
        .execute(&mut write)
        .await?;
    if !proves(seal, found) {
        query(
            "INSERT INTO meta (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(PROOF)
        .bind(seal.close(PROVEN, PROOF))
        .execute(&mut write)
        .await?;
    }
    Ok(write.commit().await?)
}

/// Copies the database beside itself as it was before it is brought to `version`.
async fn copy_before(path: &Path, version: i64) -> Result<(), StoreError> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-{version}{ending}"));
        PathBuf::from(name)
    };
    let (draft, copy) = (beside(".part"), beside(""));
    // A draft is left where an earlier attempt was killed.
    let _ = fs::remove_file(&draft);
    sqlite::copy(path, &draft).await?;
    fs::rename(&draft, &copy).map_err(|error| not_writable(&copy, &error))
}

/// The folder of a file.
pub(crate) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes a folder that only its owner can enter, unless it is there.
pub(crate) fn create_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| not_writable(path, &error))
}

/// Opens a lock file beside the database, in a folder of its own.
pub(crate) fn lock_file(database: &Path, name: &str) -> Result<File, StoreError> {
    let folder = folder(database).join("locks");
    create_folder(&folder)?;
    let path = folder.join(name);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| not_writable(&path, &error))
}

/// Waits until no other process is opening the database. Two that start together would each make a key.
async fn alone(path: &Path) -> Result<File, StoreError> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let file = lock_file(path, &format!("{}.opening", name.unwrap_or_default()))?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    match locked {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(not_writable(path, &error)),
        Err(stopped) => Err(StoreError::Unavailable(stopped.to_string())),
    }
}

fn not_writable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!(
        "{} cannot be written ({error}); make it writable for this user",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sqlx::SqlSafeStr as _;
    use sqlx::migrate::{Migration, MigrationType};

    use super::*;
    use crate::sqlite::MIGRATIONS;

    fn newer() -> Migrator {
        let mut migrations: Vec<Migration> = MIGRATIONS.iter().cloned().collect();
        let sql = "ALTER TABLE site ADD COLUMN note TEXT".into_sql_str();
        let version = known(&MIGRATIONS) + 1;
        migrations.push(Migration::new(
            version,
            "a note".into(),
            MigrationType::Simple,
            sql,
            false,
        ));
        Migrator::with_migrations(migrations)
    }

    async fn opened(path: &Path, migrations: &Migrator) -> Result<Seal, StoreError> {
        let (seal, writer) = prepare(path, &KeySource::FileBeside, migrations).await?;
        writer.close().await;
        Ok(seal)
    }

    #[tokio::test]
    async fn an_older_database_is_copied_before_it_is_upgraded_and_then_refused_by_the_older_program()
     {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lockstep.db");
        opened(&path, &MIGRATIONS).await.expect("a new database");
        opened(&path, &newer()).await.expect("an upgrade");

        let version = known(&MIGRATIONS) + 1;
        let copy = folder.path().join(format!("lockstep.db.before-{version}"));
        assert_eq!(
            fs::metadata(&copy).expect("a copy").permissions().mode() & 0o777,
            0o600
        );
        let found = sqlite::look(&copy).await.expect("a database");
        assert_eq!(found.version, Some(known(&MIGRATIONS)));

        let before = fs::read(&path).expect("bytes");
        let refused = opened(&path, &MIGRATIONS).await.err().expect("refused");
        assert!(
            matches!(refused, StoreError::NewerSchema { found, known } if found == known + 1),
            "{refused}"
        );
        assert!(
            fs::read(&path).expect("bytes") == before,
            "the file changed"
        );
        opened(&path, &newer()).await.expect("still whole");
    }

    #[tokio::test]
    async fn a_migration_that_fails_leaves_the_database_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lockstep.db");
        opened(&path, &MIGRATIONS).await.expect("a new database");
        let mut migrations: Vec<Migration> = MIGRATIONS.iter().cloned().collect();
        let sql = "CREATE TABLE half (id TEXT); CREATE TABLE site (id TEXT)".into_sql_str();
        let version = known(&MIGRATIONS) + 1;
        migrations.push(Migration::new(
            version,
            "half".into(),
            MigrationType::Simple,
            sql,
            false,
        ));
        opened(&path, &Migrator::with_migrations(migrations))
            .await
            .err()
            .expect("fails");
        opened(&path, &newer())
            .await
            .expect("nothing of the half is there");
        let found = sqlite::look(&path).await.expect("a database");
        assert_eq!(found.version, Some(version));
    }
}
