//! Leases: who works on a gateway, with a number that only grows.

use lockstep_core::site::GatewayUrl;

use crate::{Store, StoreError};

impl Store {
    /// Takes the gateway's lease and returns its fence number, greater than every one before, of any gateway. On
    /// SQLite the lease itself excludes nobody: take the [`crate::lock::GatewayLock`] first.
    pub async fn take_lease(
        &self,
        url: &GatewayUrl,
        holder: &str,
        now: i64,
    ) -> Result<i64, StoreError> {
        let (url, holder) = (url.as_str().to_owned(), holder.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                Ok(sqlx::query_scalar(
                    "INSERT INTO lease (url, holder, fence, taken_at)
                     VALUES ($1, $2, (SELECT COALESCE(MAX(fence), 0) + 1 FROM lease), $3)
                     ON CONFLICT (url) DO UPDATE
                     SET holder = excluded.holder, fence = excluded.fence, taken_at = excluded.taken_at
                     RETURNING fence",
                )
                .bind(url)
                .bind(holder)
                .bind(now)
                .fetch_one(db)
                .await?)
            })
        })
        .await
    }

    /// Gives the lease back, if it still is the one of this fence.
    pub async fn release_lease(&self, url: &GatewayUrl, fence: i64) -> Result<(), StoreError> {
        let url = url.as_str().to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE lease SET holder = NULL WHERE url = $1 AND fence = $2")
                    .bind(url)
                    .bind(fence)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Whether the gateway's lease still is the one of this fence.
    pub async fn lease_holds(&self, url: &GatewayUrl, fence: i64) -> Result<bool, StoreError> {
        let holds: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM lease WHERE url = $1 AND fence = $2 AND holder IS NOT NULL",
        )
        .bind(url.as_str())
        .bind(fence)
        .fetch_one(self.readers())
        .await?;
        Ok(holds > 0)
    }
}
