//! Sessions: who is signed in. Of a sign-in token only the digest is known here.

use crate::columns::Columns;
use crate::{Store, StoreError};

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
                sqlx::query("DELETE FROM session WHERE seen_at <= $1 OR created_at <= $2")
                    .bind(now - lasting.idle)
                    .bind(now - lasting.total)
                    .execute(&mut *db)
                    .await?;
                sqlx::query(
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
        let row = sqlx::query("SELECT person, created_at, seen_at FROM session WHERE hash = $1")
            .bind(hash)
            .fetch_optional(self.readers())
            .await?;
        row.map(|row| {
            let columns = Columns::new(&row, "session", "person");
            Ok(Session {
                person: columns.text("person")?,
                created_at: columns.number("created_at")?,
                seen_at: columns.number("seen_at")?,
            })
        })
        .transpose()
    }

    /// Remembers that the session was used.
    pub async fn touch_session(&self, hash: &str, now: i64) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE session SET seen_at = $2 WHERE hash = $1 AND seen_at < $2")
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
                sqlx::query("DELETE FROM session WHERE hash = $1")
                    .bind(hash)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}
