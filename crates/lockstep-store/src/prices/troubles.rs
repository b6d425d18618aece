//! Why no list came: what was last wrong at an address that gave no good one since.

use crate::columns::Columns;
use crate::prices::copies::KEPT_MS;
use crate::sql::Connection;
use crate::{Store, StoreError, sites, sql};

/// What was wrong at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrouble {
    /// The code of the state that its source was in.
    pub state: String,
    /// A short technical detail without secrets.
    pub detail: String,
    /// When it was asked, in Unix milliseconds.
    pub at: i64,
}

impl Store {
    /// What was last wrong with a list of the site; `None` where nothing is known to be. `key` is what its caller knows
    /// the list by, as with [`Store::source_copy`].
    pub async fn source_trouble(
        &self,
        site_id: &str,
        key: &str,
    ) -> Result<Option<SourceTrouble>, StoreError> {
        let row = sql::query("SELECT * FROM source_trouble WHERE site_id = $1 AND source_key = $2")
            .bind(site_id)
            .bind(key)
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let columns = Columns::new(&row, "source_trouble", "source_key");
        Ok(Some(SourceTrouble {
            state: columns.text("state")?,
            detail: columns.text("detail")?,
            at: columns.number("at")?,
        }))
    }

    /// Keeps what was wrong with a list in place of what was before. [`Store::keep_copy`] under the same key ends it;
    /// what nobody met again for 30 days is forgotten.
    pub async fn keep_trouble(
        &self,
        site_id: &str,
        key: &str,
        trouble: SourceTrouble,
    ) -> Result<(), StoreError> {
        let (site_id, key) = (site_id.to_owned(), key.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let SourceTrouble { state, detail, at } = trouble;
                sql::query(
                    "INSERT INTO source_trouble (site_id, source_key, state, detail, at)
                     VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (site_id, source_key) DO UPDATE
                     SET state = excluded.state, detail = excluded.detail, at = excluded.at",
                )
                .bind(&site_id)
                .bind(&key)
                .bind(state)
                .bind(detail)
                .bind(at)
                .execute(&mut *db)
                .await?;
                sql::query("DELETE FROM source_trouble WHERE site_id = $1 AND at < $2")
                    .bind(&site_id)
                    .bind(at.saturating_sub(KEPT_MS))
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

/// Nothing is wrong with a list any more.
pub(super) async fn forget(
    db: &mut Connection,
    site_id: &str,
    key: &str,
) -> Result<(), StoreError> {
    sql::query("DELETE FROM source_trouble WHERE site_id = $1 AND source_key = $2")
        .bind(site_id)
        .bind(key)
        .execute(db)
        .await?;
    Ok(())
}
