//! People who may sign in, and the links that set a password.

use crate::columns::Columns;
use crate::sqlite::{Connection, Row};
use crate::{Store, StoreError};

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// When the password was last set, in Unix milliseconds.
    pub changed_at: i64,
}

impl Store {
    /// Everybody who may sign in, by name.
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        let rows = sqlx::query("SELECT name, changed_at FROM person ORDER BY name")
            .fetch_all(self.readers())
            .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "person", "name");
            Ok(Person {
                name: columns.text("name")?,
                changed_at: columns.number("changed_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The stored password of a person: an Argon2id text.
    pub async fn password(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(
            sqlx::query_scalar("SELECT password FROM person WHERE name = $1")
                .bind(name)
                .fetch_optional(self.readers())
                .await?,
        )
    }

    /// Sets a person's password, an Argon2id text; the person is made when there is none of the name. All sessions of
    /// the person end but the one of the digest `but`.
    pub async fn set_password(
        &self,
        name: &str,
        password: &str,
        but: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        let (name, password) = (name.to_owned(), password.to_owned());
        let but = but.unwrap_or_default().to_owned();
        self.write(move |db| Box::pin(async move { set(db, &name, &password, &but, now).await }))
            .await
    }

    /// Keeps the digest of a new link that sets a password until a time, in Unix milliseconds. Links that were not
    /// used in time go.
    pub async fn add_link(&self, hash: &str, expires_at: i64, now: i64) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("DELETE FROM sign_in_link WHERE expires_at <= $1")
                    .bind(now)
                    .execute(&mut *db)
                    .await?;
                sqlx::query("INSERT INTO sign_in_link (hash, expires_at) VALUES ($1, $2)")
                    .bind(hash)
                    .bind(expires_at)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Whether the link of the digest can be used now.
    pub async fn link_holds(&self, hash: &str, now: i64) -> Result<bool, StoreError> {
        let links: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM sign_in_link WHERE hash = $1 AND expires_at > $2",
        )
        .bind(hash)
        .bind(now)
        .fetch_one(self.readers())
        .await?;
        Ok(links > 0)
    }

    /// Uses the link of the digest up: sets the password, ends all sessions of the person and forgets every other
    /// link. `false`, and nothing is done, when there is no such link or its time is over.
    pub async fn use_link(
        &self,
        hash: &str,
        name: &str,
        password: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (hash, name, password) = (hash.to_owned(), name.to_owned(), password.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let used =
                    sqlx::query("DELETE FROM sign_in_link WHERE hash = $1 AND expires_at > $2")
                        .bind(hash)
                        .bind(now)
                        .execute(&mut *db)
                        .await?;
                if used.rows_affected() == 0 {
                    return Ok(false);
                }
                sqlx::query("DELETE FROM sign_in_link")
                    .execute(&mut *db)
                    .await?;
                set(db, &name, &password, "", now).await?;
                Ok(true)
            })
        })
        .await
    }
}

async fn set(
    db: &mut Connection,
    name: &str,
    password: &str,
    but: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO person (name, password, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET password = excluded.password, changed_at = excluded.changed_at",
    )
    .bind(name)
    .bind(password)
    .bind(now)
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM session WHERE person = $1 AND hash <> $2")
        .bind(name)
        .bind(but)
        .execute(db)
        .await?;
    Ok(())
}
