//! The store itself: its handle, its transactions and its backup.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::timestamp::context::ContextV7;
use uuid::{Timestamp, Uuid};

use crate::deeds::{self, NewDeed};
use crate::leases::LeaseTimes;
use crate::seal::{self, Seal};
use crate::sql::{Connection, Pool};
use crate::{KeySource, Location, StoreError, open, postgres, sqlite};

/// What Lockstep remembers. Clones share one database; several processes may too.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    times: LeaseTimes,
    noting: Noting,
}

/// What the next write notes, with its id.
type Noting = Option<Arc<Mutex<Option<(String, NewDeed)>>>>;

struct Inner {
    location: Location,
    readers: Pool,
    writer: Pool,
    leases: Pool,
    // Leases that are being given back.
    releases: Mutex<Vec<JoinHandle<()>>>,
    seal: Seal,
    // Ids of one process grow even within a millisecond and when the clock is set back.
    ids: Mutex<ContextV7>,
    // Last, so that the files go after the connections.
    _temporary: Option<Temporary>,
}

/// How long a transaction on a server may take: one that went away without a word would be waited for for hours.
const WRITE_LIMIT: Duration = Duration::from_secs(90);

/// The error of a server that does not answer.
pub(crate) fn no_answer() -> StoreError {
    StoreError::Unavailable(
        "the server does not answer; look whether it runs and can be reached".to_owned(),
    )
}

/// The work of one transaction.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

impl Store {
    /// Opens the database; a file, its folder and its key are made when there are none, and so are the tables on a
    /// server.
    pub async fn open(location: impl Into<Location>, key: KeySource) -> Result<Self, StoreError> {
        Self::open_with(location.into(), key, None).await
    }

    /// A store of its own in the system's folder for temporary files, removed with its last clone: for a demo.
    pub async fn open_temporary() -> Result<Self, StoreError> {
        let folder = std::env::temp_dir().join(format!("lockstep-{}", seal::random_name()));
        open::create_folder(&folder)?;
        let path = folder.join("lockstep.db");
        Self::open_with(path.into(), KeySource::FileBeside, Some(Temporary(folder))).await
    }

    async fn open_with(
        location: Location,
        key: KeySource,
        temporary: Option<Temporary>,
    ) -> Result<Self, StoreError> {
        // A caller that goes away must not leave a database half made.
        uncut(async move {
            let (seal, readers, writer, leases) = match &location {
                Location::File(path) => {
                    let (seal, writer) = open::prepare(path, &key, &sqlite::MIGRATIONS).await?;
                    let readers = Pool::Sqlite(sqlite::readers(path));
                    (seal, readers, writer.clone(), writer)
                }
                Location::Postgres(server) => {
                    let (seal, pools) =
                        open::prepare_server(server, &key, &postgres::MIGRATIONS).await?;
                    let pool = Pool::Postgres;
                    let (readers, writer) = (pool(pools.readers), pool(pools.writer));
                    (seal, readers, writer, pool(pools.leases))
                }
            };
            let inner = Inner {
                location,
                readers,
                writer,
                leases,
                releases: Mutex::default(),
                seal,
                ids: Mutex::new(ContextV7::new()),
                _temporary: temporary,
            };
            Ok(Self {
                inner: Arc::new(inner),
                times: LeaseTimes::default(),
                noting: None,
            })
        })
        .await
    }

    /// The same store with other times for its leases. Every process on one database must have the same.
    #[must_use]
    pub fn with_lease_times(mut self, times: LeaseTimes) -> Self {
        self.times = times;
        self
    }

    /// How long a write to a gateway may take at most; `None` where no lease limits it.
    pub fn write_limit(&self) -> Option<Duration> {
        self.inner
            .location
            .file()
            .is_none()
            .then_some(self.times.write)
    }

    /// How long its leases hold.
    pub fn lease_times(&self) -> LeaseTimes {
        self.times
    }

    /// Writes a copy of the database, complete at one moment, to a file that must not exist. Its mode is 600. The key
    /// is not part of it. A database on a server is copied by its own tools: [`StoreError::OnServer`].
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let Some(from) = self.path() else {
            return Err(StoreError::OnServer(to.to_owned()));
        };
        let (from, to) = (from.to_owned(), to.to_owned());
        uncut(async move { sqlite::copy(&from, &to).await }).await
    }

    /// Ends the use of the database by this and all clones: waits for the write under way and for leases that are being
    /// given back, and folds the log into the file. Without it the same happens in the background when the last clone is
    /// dropped; but where the program ends at once, a lease is then not given back and runs out only later.
    pub async fn close(&self) {
        self.released().await;
        self.inner.writer.close().await;
        self.inner.leases.close().await;
        self.inner.readers.close().await;
    }

    /// The database file; `None` for a database on a server.
    pub fn path(&self) -> Option<&Path> {
        self.inner.location.file()
    }

    /// Where the database is.
    pub fn location(&self) -> &Location {
        &self.inner.location
    }

    /// Waits for the leases that are being given back.
    pub(crate) async fn released(&self) {
        let releases = std::mem::take(&mut *self.releases());
        for release in releases {
            // One that panicked gave nothing back, and its lease runs out.
            let _ = release.await;
        }
    }

    /// Remembers that a lease is being given back.
    pub(crate) fn releasing(&self, release: JoinHandle<()>) {
        let mut releases = self.releases();
        releases.retain(|release| !release.is_finished());
        releases.push(release);
    }

    fn releases(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.inner
            .releases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections for leases, which must not wait for writes.
    pub(crate) fn leases(&self) -> &Pool {
        &self.inner.leases
    }

    /// Connections to read with.
    pub(crate) fn readers(&self) -> &Pool {
        &self.inner.readers
    }

    /// The cipher of tokens.
    pub(crate) fn seal(&self) -> &Seal {
        &self.inner.seal
    }

    /// A new id: UUIDv7 of the time, in Unix milliseconds.
    pub(crate) fn new_id(&self, now: i64) -> String {
        let now = u64::try_from(now).unwrap_or(0);
        let nanos = u32::try_from(now % 1000).unwrap_or(0) * 1_000_000;
        Uuid::new_v7(Timestamp::from_unix(&self.inner.ids, now / 1000, nanos)).to_string()
    }

    /// The same store, whose next write notes a deed under this id.
    pub(crate) fn with_deed(&self, id: String, deed: NewDeed) -> Self {
        Self {
            noting: Some(Arc::new(Mutex::new(Some((id, deed))))),
            ..self.clone()
        }
    }

    /// What the write that begins now is to note.
    fn noted(&self) -> Option<(String, NewDeed)> {
        let noting = self.noting.as_ref()?;
        noting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Does the work in one transaction, which takes its lock at once. It goes on to its end when the caller is
    /// dropped: nobody sees half of it, and an answer that was not awaited still stands.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> Work<'c, T> + Send + 'static,
    {
        let (writer, noted) = (self.inner.writer.clone(), self.noted());
        uncut(async move {
            let write = async {
                let mut transaction = writer.begin_write().await?;
                let value = work(&mut transaction).await?;
                if let Some((id, deed)) = noted {
                    deeds::insert(&mut transaction, &id, deed).await?;
                }
                transaction.commit().await?;
                Ok(value)
            };
            match &writer {
                Pool::Sqlite(_) => write.await,
                Pool::Postgres(_) => tokio::time::timeout(WRITE_LIMIT, write)
                    .await
                    .unwrap_or_else(|_| Err(no_answer())),
            }
        })
        .await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.inner.location)
    }
}

/// Runs the work to its end, whether or not anybody still waits for it.
async fn uncut<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(stopped) => Err(StoreError::Unavailable(format!(
                "the program is ending ({stopped})"
            ))),
        },
    }
}

/// A folder that goes with its owner.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "a temporary folder stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{query, query_scalar};

    #[tokio::test]
    async fn a_full_disk_is_told_as_one_and_half_a_transaction_is_not_kept() {
        let store = Store::open_temporary().await.expect("a store");
        // SQLite can be given a disk of any size.
        store
            .write(|db| {
                Box::pin(async move {
                    query("PRAGMA max_page_count = 1").execute(db).await?;
                    Ok(())
                })
            })
            .await
            .expect("a limit");
        let text = "x".repeat(1 << 20);
        let full = store
            .write(move |db| {
                Box::pin(async move {
                    query("INSERT INTO meta (name, value) VALUES ('small', '')")
                        .execute(&mut *db)
                        .await?;
                    query("INSERT INTO meta (name, value) VALUES ('large', $1)")
                        .bind(text)
                        .execute(db)
                        .await?;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
        let rows: i64 = query_scalar("SELECT COUNT(*) FROM meta WHERE name IN ('small', 'large')")
            .fetch_one(store.readers())
            .await
            .expect("a count");
        assert_eq!(rows, 0);
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let store = Store::open_temporary().await.expect("a store");
        let refused = query("DELETE FROM meta").execute(store.readers()).await;
        let refused = StoreError::from(refused.err().expect("refused"));
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    }

    #[tokio::test]
    async fn a_temporary_store_goes_with_its_last_clone() {
        let store = Store::open_temporary().await.expect("a store");
        let path = store.path().expect("a file").to_owned();
        let clone = store.clone();
        drop(store);
        assert!(path.exists());
        drop(clone);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn ids_grow_even_when_the_clock_is_set_back() {
        let store = Store::open_temporary().await.expect("a store");
        let ids = [5_000, 5_000, 4_000, 6_000, 0].map(|now| store.new_id(now));
        assert!(ids.is_sorted(), "{ids:?}");
    }
}
