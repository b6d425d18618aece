//! What the store can fail with. Each message says what happened, the likely cause and what to do.

use std::path::PathBuf;

use lockstep_core::change::{RunState, Subject};
use thiserror::Error;

/// A failure of the store. Unless a variant says otherwise, nothing was recorded.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database file cannot be opened as Lockstep's.
    #[error("cannot open the database {}: {reason}", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The database was made by a newer Lockstep. The file was not touched.
    #[error(
        "the database has schema {found}, this Lockstep knows {known}: a newer Lockstep made it; \
         run that version, or restore the copy from before it was upgraded (of a file, one lies beside it)"
    )]
    NewerSchema {
        /// The schema version of the file.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The key does not open the tokens in the database. The database was not touched.
    #[error(
        "the key {} does not open the tokens in the database {}: it is another database's, or it was lost; \
         put the right key file back (without it, remove the database and add the sites again)",
        key.display(), database.display()
    )]
    WrongKey {
        /// The database file.
        database: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The key file cannot be read or written, or does not hold a key.
    #[error("cannot use the key file {}: {reason}", path.display())]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The disk is full.
    #[error(
        "the database cannot be written, for the disk is full: free some space and run again; \
         nothing is sent to a gateway while nothing can be recorded"
    )]
    Full,
    /// The database cannot be reached or written just now.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A stored value is none that this program writes.
    #[error(
        "the database is inconsistent: {table}.{column} of {row} holds a value that Lockstep does not write; \
         was the file edited by hand? Restore a backup, or remove that row"
    )]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
    },
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// The name is taken already.
    #[error("the name `{0}` is taken already: choose another one")]
    Conflict(String),
    /// The start of an id fits several runs.
    #[error("`{prefix}` is the start of {matches} run ids: give more of it")]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// How many runs it fits.
        matches: usize,
    },
    /// The run was taken over by another holder, whose fence is newer.
    #[error(
        "run {run} is in other hands: fence {stored} is in force, this was fence {given}; \
         another process continued it, this one must stop"
    )]
    Fenced {
        /// The run.
        run: String,
        /// The fence that is in force.
        stored: i64,
        /// The fence that was given.
        given: i64,
    },
    /// The run is not in a state that allows the step.
    #[error("run {run} is {}: that step is for a run that is {wanted}", state.code())]
    WrongState {
        /// The run.
        run: String,
        /// Its state.
        state: RunState,
        /// The states that the step is for, in words.
        wanted: &'static str,
    },
    /// The run is about something else than the step.
    #[error(
        "run {run} is about {}: that step is for a run about {}",
        subject.code(), wanted.code()
    )]
    WrongSubject {
        /// The run.
        run: String,
        /// What it is about.
        subject: Subject,
        /// What the step is about.
        wanted: Subject,
    },
    /// Another process works on the gateway.
    #[error("another process works on this gateway ({holder}): wait until it ends, or stop it")]
    Busy {
        /// Who holds the lock: the process id and what it is about.
        holder: String,
    },
    /// Only a file can be copied here.
    #[error(
        "a database on a PostgreSQL server is not copied by Lockstep: `pg_dump --format=custom --file={} ADDRESS` does; \
         keep the key file with it",
        .0.display()
    )]
    OnServer(PathBuf),
    /// A backup is never written over an existing file.
    #[error("{} exists already: give another name for the backup", .0.display())]
    Exists(PathBuf),
    /// The database answered something else than expected.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let meaning = match &error {
            sqlx::Error::Database(told) => {
                let meaning = match told.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                    Some(_) => crate::sqlite::meaning,
                    None => crate::postgres::meaning,
                };
                told.code().and_then(|code| meaning(&code))
            }
            sqlx::Error::PoolTimedOut => Some(Self::Unavailable(
                "all connections are busy; wait until the work that is under way ends".to_owned(),
            )),
            sqlx::Error::Io(cause) => Some(Self::Unavailable(format!(
                "{cause}; look whether the disk, or the server, is there"
            ))),
            sqlx::Error::Tls(cause) => Some(Self::Unavailable(format!(
                "no trusted connection ({cause}); look at sslmode and sslrootcert in its address"
            ))),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
                Some(Self::Unavailable(error.to_string()))
            }
            _ => None,
        };
        meaning.unwrap_or(Self::Database(error))
    }
}

/// That a name is taken, where that is what went wrong.
pub(crate) fn taken(error: sqlx::Error, name: &str) -> StoreError {
    match &error {
        sqlx::Error::Database(told) if told.is_unique_violation() => {
            StoreError::Conflict(name.to_owned())
        }
        _ => error.into(),
    }
}
