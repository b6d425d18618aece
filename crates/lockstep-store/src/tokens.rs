//! Tokens of programs. Only the digest of a token is known here.

use crate::columns::Columns;
use crate::error::taken;
use crate::sql::Row;
use crate::{Store, StoreError, sql};

/// A token of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// UUIDv7 text.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The codes of what it may.
    pub scopes: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When, in Unix milliseconds.
    pub created_at: i64,
    /// When it ends, in Unix milliseconds; `None` for never.
    pub expires_at: Option<i64>,
    /// When it was last used, in Unix milliseconds; not every use is written.
    pub seen_at: Option<i64>,
}

/// A token to keep.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// What people call it.
    pub name: String,
    /// The digest of the token.
    pub hash: String,
    /// The codes of what it may, each without spaces.
    pub scopes: Vec<String>,
    /// Who makes it.
    pub created_by: String,
    /// When it ends, in Unix milliseconds; `None` for never.
    pub expires_at: Option<i64>,
}

impl Store {
    /// Keeps a token. [`StoreError::Conflict`] when its name is taken.
    pub async fn add_api_token(&self, new: NewApiToken, now: i64) -> Result<ApiToken, StoreError> {
        let token = ApiToken {
            id: self.new_id(now),
            name: new.name,
            scopes: new.scopes,
            created_by: new.created_by,
            created_at: now,
            expires_at: new.expires_at,
            seen_at: None,
        };
        self.write(move |db| {
            Box::pin(async move {
                sql::query(
                    "INSERT INTO token (id, name, hash, scopes, created_by, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(&token.id)
                .bind(&token.name)
                .bind(new.hash)
                .bind(token.scopes.join(" "))
                .bind(&token.created_by)
                .bind(token.created_at)
                .bind(token.expires_at)
                .execute(db)
                .await
                .map_err(|error| taken(error, &token.name))?;
                Ok(token)
            })
        })
        .await
    }

    /// All tokens, by name.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let rows = sql::query("SELECT * FROM token ORDER BY name")
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// The token of a digest, whether or not its time is over.
    pub async fn api_token(&self, hash: &str) -> Result<Option<ApiToken>, StoreError> {
        let row = sql::query("SELECT * FROM token WHERE hash = $1")
            .bind(hash)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Remembers that the token was used.
    pub async fn touch_api_token(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sql::query("UPDATE token SET seen_at = $2 WHERE id = $1")
                    .bind(id)
                    .bind(now)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Ends a token by its id, and returns it as it was.
    pub async fn remove_api_token(&self, id: &str) -> Result<ApiToken, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let row = sql::query("DELETE FROM token WHERE id = $1 RETURNING *")
                    .bind(&id)
                    .fetch_optional(db)
                    .await?;
                row.as_ref()
                    .map(from_row)
                    .unwrap_or_else(|| Err(StoreError::NotFound(format!("token with the id {id}"))))
            })
        })
        .await
    }
}

fn from_row(row: &Row) -> Result<ApiToken, StoreError> {
    let columns = Columns::new(row, "token", "id");
    Ok(ApiToken {
        id: columns.text("id")?,
        name: columns.text("name")?,
        scopes: columns
            .text("scopes")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        created_by: columns.text("created_by")?,
        created_at: columns.number("created_at")?,
        expires_at: columns.maybe_number("expires_at")?,
        seen_at: columns.maybe_number("seen_at")?,
    })
}
