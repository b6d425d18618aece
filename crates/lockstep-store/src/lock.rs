//! The lock that lets one process at a time work on a gateway.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use lockstep_core::hash::Digest;
use lockstep_core::site::GatewayUrl;

use crate::{Store, StoreError, open};

/// How often, and with what pauses, a lock is tried that nobody owns up to.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(25);

/// A gateway that is ours until this is dropped. The system frees it when the process is killed. The file stays, for
/// removing it would let two processes lock two files of one name.
#[derive(Debug)]
pub struct GatewayLock {
    file: File,
}

impl GatewayLock {
    /// Takes the lock, or says who has it ([`StoreError::Busy`]). `holder` is for that message, the run's id say;
    /// the process id is added. Databases of one folder share their locks.
    pub fn try_take(store: &Store, url: &GatewayUrl, holder: &str) -> Result<Self, StoreError> {
        Self::take_or_ask(store, url, holder)?.map_err(|holder| StoreError::Busy {
            holder: holder.unwrap_or_else(|| "it has not said which".to_owned()),
        })
    }

    /// As [`Self::try_take`]. Whoever has the lock and does not say so has only just taken it, looks whether it is taken,
    /// or lets it go: that is waited for.
    pub(crate) async fn take(
        store: &Store,
        url: &GatewayUrl,
        holder: &str,
    ) -> Result<Self, StoreError> {
        for _ in 0..TRIES {
            match Self::take_or_ask(store, url, holder)? {
                Ok(lock) => return Ok(lock),
                Err(Some(holder)) => return Err(StoreError::Busy { holder }),
                Err(None) => tokio::time::sleep(PAUSE).await,
            }
        }
        Self::try_take(store, url, holder)
    }

    /// Takes the lock, or gives the words of whoever has it.
    fn take_or_ask(
        store: &Store,
        url: &GatewayUrl,
        holder: &str,
    ) -> Result<Result<Self, Option<String>>, StoreError> {
        let mut file = lock_of(store, url)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(holder_of(&mut file))),
            Err(TryLockError::Error(error)) => return Err(not_local(&error)),
        }
        let mut lock = Self { file };
        // The words are only for a message: without them the lock still holds.
        if let Err(error) = lock.say(&format!("process {}, {holder}", std::process::id())) {
            tracing::debug!(%error, "a lock file says nothing of its holder");
        }
        Ok(Ok(lock))
    }

    /// Whether somebody has the lock. Who takes it at the same moment may be told that it is taken.
    pub(crate) fn is_taken(store: &Store, url: &GatewayUrl) -> Result<bool, StoreError> {
        match lock_of(store, url)?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(not_local(&error)),
        }
    }

    fn say(&mut self, holder: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(holder.as_bytes())
    }
}

impl Drop for GatewayLock {
    fn drop(&mut self) {
        // An empty file names nobody who is gone. Closing the file frees the lock.
        let _ = self.file.set_len(0);
    }
}

/// The file that stands for a gateway.
fn lock_of(store: &Store, url: &GatewayUrl) -> Result<File, StoreError> {
    let Some(database) = store.path() else {
        return Err(StoreError::Unavailable(
            "a gateway is locked by a file only where the database is one".to_owned(),
        ));
    };
    let digest = Digest::of([url.as_str()]);
    let name = digest.as_str().get(..16).unwrap_or(digest.as_str());
    open::lock_file(database, &format!("{name}.lock"))
}

fn not_local(error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!(
        "the lock of the gateway cannot be taken ({error}); the database must be on a local disk"
    ))
}

/// The right to serve a database that is a file: of several servers on one, each would take the other's runs for
/// those of a process that is gone.
#[derive(Debug)]
pub struct ServeLock {
    _file: Option<File>,
}

impl ServeLock {
    /// Takes it, or says that somebody has it ([`StoreError::Busy`]). A database server lets any number serve.
    pub fn try_take(store: &Store) -> Result<Self, StoreError> {
        let Some(database) = store.path() else {
            return Ok(Self { _file: None });
        };
        let mut file = open::lock_file(database, "serve.lock")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Busy {
                    holder: holder_of(&mut file).unwrap_or_else(|| "another server".to_owned()),
                });
            }
            Err(TryLockError::Error(error)) => return Err(not_local(&error)),
        }
        let said = file
            .set_len(0)
            .and_then(|()| file.write_all(format!("process {}", std::process::id()).as_bytes()));
        if let Err(error) = said {
            tracing::debug!(%error, "a lock file says nothing of its holder");
        }
        Ok(Self { _file: Some(file) })
    }
}

fn holder_of(file: &mut File) -> Option<String> {
    let mut holder = String::new();
    match file.read_to_string(&mut holder) {
        Ok(_) if !holder.is_empty() => Some(holder),
        _ => None,
    }
}
