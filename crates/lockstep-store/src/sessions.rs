//! Sessions: who is signed in. Of a sign-in token only the digest is known here.

use crate::columns::Columns;
use crate::sql::Row;
use crate::{Store, StoreError, sql};

/// One sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who signed in.
    pub person: String,
    /// When, in Unix milliseconds.
    pub created_at: i64,
    /// When it was last used, in Unix milliseconds; not every use is written.
    pub seen_at: i64,
}

/// A session in the list of all, with the digest of its token, by which it is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSession {
    /// The digest of its token.
    pub hash: String,
    /// The session.
    pub session: Session,
}

/// How long a session lasts, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// Without use.
    pub idle: i64,
    /// In all.
    pub total: i64,
}

impl Session {
    /// Whether it still holds.
    pub fn holds(&self, lasting: Lasting, now: i64) -> bool {
        now - self.seen_at < lasting.idle && now - self.created_at < lasting.total
    }
}

impl Store {
    /// Keeps a new session by the digest of its token; sessions that are over go.
    pub async fn add_session(
        &self,
        hash: &str,
        person: &str,
        lasting: Lasting,
        now: i64,
    ) -> Result<(), StoreError> {
        let (hash, person) = (hash.to_owned(), person.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sql::query("DELETE FROM session WHERE seen_at <= $1 OR created_at <= $2")
                    .bind(now - lasting.idle)
                    .bind(now - lasting.total)
                    .execute(&mut *db)
                    .await?;
                sql::query(
                    "INSERT INTO session (hash, person, created_at, seen_at) VALUES ($1, $2, $3, $3)",
                )
                .bind(hash)
                .bind(person)
                .bind(now)
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The session of a digest, whether or not it is over.
    pub async fn session(&self, hash: &str) -> Result<Option<Session>, StoreError> {
        let row = sql::query("SELECT person, created_at, seen_at FROM session WHERE hash = $1")
            .bind(hash)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// All sessions, the last used one first, whether or not they are over.
    pub async fn sessions(&self) -> Result<Vec<ListedSession>, StoreError> {
        let rows = sql::query("SELECT * FROM session ORDER BY seen_at DESC, hash")
            .fetch_all(self.readers())
            .await?;
        let read = |row: &Row| {
            Ok(ListedSession {
                hash: Columns::new(row, "session", "person").text("hash")?,
                session: from_row(row)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Remembers that the session was used.
    pub async fn touch_session(&self, hash: &str, now: i64) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sql::query("UPDATE session SET seen_at = $2 WHERE hash = $1 AND seen_at < $2")
                    .bind(hash)
                    .bind(now)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Ends a session.
    pub async fn remove_session(&self, hash: &str) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sql::query("DELETE FROM session WHERE hash = $1")
                    .bind(hash)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Ends all sessions of a person but the one of a digest. Returns how many that were.
    pub async fn remove_other_sessions(&self, person: &str, but: &str) -> Result<u64, StoreError> {
        let (person, but) = (person.to_owned(), but.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let gone = sql::query("DELETE FROM session WHERE person = $1 AND hash <> $2")
                    .bind(person)
                    .bind(but)
                    .execute(db)
                    .await?;
                Ok(gone.rows_affected())
            })
        })
        .await
    }
}

fn from_row(row: &Row) -> Result<Session, StoreError> {
    let columns = Columns::new(row, "session", "person");
    Ok(Session {
        person: columns.text("person")?,
        created_at: columns.number("created_at")?,
        seen_at: columns.number("seen_at")?,
    })
}
