//! The last good copies of price lists, and the calls that a host counts.

use lockstep_core::hash::Digest;

use super::troubles;
use crate::columns::{Columns, big};
use crate::sql::Connection;
use crate::{Store, StoreError, sites, sql};

/// How long, in milliseconds, a copy is kept that nobody renewed: 30 days. Its source is gone, or as good as gone.
pub(super) const KEPT_MS: i64 = 30 * 86_400_000;

/// How long, in milliseconds, calls are remembered: a day, far longer than any host counts them.
const CALLS_KEPT_MS: i64 = 86_400_000;

/// A price list as it was last fetched whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCopy {
    /// The list, byte for byte.
    pub body: String,
    /// The tag by which the source tells whether it changed.
    pub etag: Option<String>,
    /// When it was fetched, or was told to be unchanged, in Unix milliseconds.
    pub fetched_at: i64,
    /// How many models it has.
    pub models: u64,
}

impl Store {
    /// The site's last good copy of a list; `key` is what its caller knows the list by.
    pub async fn source_copy(
        &self,
        site_id: &str,
        key: &str,
    ) -> Result<Option<SourceCopy>, StoreError> {
        let row = sql::query(
            "SELECT c.source_key, c.etag, c.fetched_at, c.models, b.text AS body
             FROM source_copy c LEFT JOIN source_body b ON b.hash = c.body_hash
             WHERE c.site_id = $1 AND c.source_key = $2",
        )
        .bind(site_id)
        .bind(key)
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let columns = Columns::new(&row, "source_copy", "source_key");
        Ok(Some(SourceCopy {
            body: columns.text("body")?,
            etag: columns.maybe_text("etag")?,
            fetched_at: columns.number("fetched_at")?,
            models: columns.count("models")?,
        }))
    }

    /// Keeps a copy in place of the one before. Copies that nobody renewed for 30 days are forgotten.
    pub async fn keep_copy(
        &self,
        site_id: &str,
        key: &str,
        copy: SourceCopy,
    ) -> Result<(), StoreError> {
        let (site_id, key) = (site_id.to_owned(), key.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let hash = keep_body(db, &copy.body).await?;
                sql::query(
                    "INSERT INTO source_copy (site_id, source_key, body_hash, etag, fetched_at, models)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (site_id, source_key) DO UPDATE
                     SET body_hash = excluded.body_hash, etag = excluded.etag,
                         fetched_at = excluded.fetched_at, models = excluded.models",
                )
                .bind(&site_id)
                .bind(&key)
                .bind(hash.as_str())
                .bind(&copy.etag)
                .bind(copy.fetched_at)
                .bind(big(copy.models))
                .execute(&mut *db)
                .await?;
                troubles::forget(db, &site_id, &key).await?;
                sql::query("DELETE FROM source_copy WHERE site_id = $1 AND fetched_at < $2")
                    .bind(&site_id)
                    .bind(copy.fetched_at.saturating_sub(KEPT_MS))
                    .execute(&mut *db)
                    .await?;
                remove_unused(db).await
            })
        })
        .await
    }

    /// When the host was called after `since`, oldest first, in Unix milliseconds.
    pub async fn source_calls(&self, host: &str, since: i64) -> Result<Vec<i64>, StoreError> {
        Ok(
            sql::query_scalar("SELECT at FROM source_call WHERE host = $1 AND at > $2 ORDER BY at")
                .bind(host)
                .bind(since)
                .fetch_all(self.readers())
                .await?,
        )
    }

    /// Takes one of the `most` calls that the host may get after `since`: records it as made at `at` and returns true,
    /// or returns false when there is none left. Several processes never take more between them. Calls that are older
    /// than a day are forgotten, and one that lies further ahead than the window is long was left by a clock that ran
    /// ahead: it counts as made now, so that it shuts nobody out for longer.
    pub async fn take_source_call(
        &self,
        host: &str,
        since: i64,
        most: u32,
        at: i64,
    ) -> Result<bool, StoreError> {
        let host = host.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sql::query("DELETE FROM source_call WHERE at < $1")
                    .bind(at.saturating_sub(CALLS_KEPT_MS))
                    .execute(&mut *db)
                    .await?;
                sql::query("UPDATE source_call SET at = $2 WHERE host = $1 AND at > $3")
                    .bind(&host)
                    .bind(at)
                    .bind(at.saturating_add(at.saturating_sub(since)))
                    .execute(&mut *db)
                    .await?;
                let taken = sql::query(
                    "INSERT INTO source_call (host, at) SELECT $1, $2
                     WHERE (SELECT COUNT(*) FROM source_call WHERE host = $1 AND at > $3) < $4",
                )
                .bind(&host)
                .bind(at)
                .bind(since)
                .bind(i64::from(most))
                .execute(db)
                .await?;
                Ok(taken.rows_affected() > 0)
            })
        })
        .await
    }
}

/// Stores a list, if it is not there yet, and tells its digest.
pub(super) async fn keep_body(db: &mut Connection, body: &str) -> Result<Digest, StoreError> {
    let hash = Digest::of([body]);
    sql::query(
        "INSERT INTO source_body (hash, text) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
    )
    .bind(hash.as_str())
    .bind(body)
    .execute(db)
    .await?;
    Ok(hash)
}

/// Removes the bodies that no copy and no upload has any more.
pub(crate) async fn remove_unused(db: &mut Connection) -> Result<(), StoreError> {
    sql::query(
        "DELETE FROM source_body
         WHERE hash NOT IN (SELECT body_hash FROM source_copy)
           AND hash NOT IN (SELECT body_hash FROM source_upload)",
    )
    .execute(db)
    .await?;
    Ok(())
}
