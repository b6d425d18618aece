//! Lists that somebody uploaded: kept for as long as their source is remembered.

use super::copies::{keep_body, remove_unused};
use super::sources;
use crate::columns::{Columns, big};
use crate::sql::Connection;
use crate::{Store, StoreError, sql};

/// A list as it was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The list, byte for byte.
    pub body: String,
    /// When it was uploaded, in Unix milliseconds.
    pub uploaded_at: i64,
    /// How many models it has.
    pub models: u64,
}

impl Store {
    /// The list that was uploaded for a source, by the source's id; `None` where none was.
    pub async fn upload(&self, source_id: &str) -> Result<Option<Upload>, StoreError> {
        let row = sql::query(
            "SELECT u.source_id, u.uploaded_at, u.models, b.text AS body
             FROM source_upload u LEFT JOIN source_body b ON b.hash = u.body_hash
             WHERE u.source_id = $1",
        )
        .bind(source_id)
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let columns = Columns::new(&row, "source_upload", "source_id");
        Ok(Some(Upload {
            body: columns.text("body")?,
            uploaded_at: columns.number("uploaded_at")?,
            models: columns.count("models")?,
        }))
    }

    /// Keeps a list for the site's source of the name in place of the one before. Where a `spec` is given, it takes the
    /// place of what was said about the source.
    pub async fn keep_upload(
        &self,
        site_id: &str,
        name: &str,
        upload: Upload,
        spec: Option<String>,
    ) -> Result<(), StoreError> {
        let (site_id, name) = (site_id.to_owned(), name.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let source = sources::of_name(db, &site_id, &name).await?;
                keep(db, &source.id, &upload).await?;
                if let Some(spec) = spec {
                    sql::query("UPDATE source SET spec = $2 WHERE id = $1")
                        .bind(&source.id)
                        .bind(spec)
                        .execute(&mut *db)
                        .await?;
                }
                remove_unused(db).await
            })
        })
        .await
    }
}

/// Keeps a list for a source.
pub(super) async fn keep(
    db: &mut Connection,
    source_id: &str,
    upload: &Upload,
) -> Result<(), StoreError> {
    let hash = keep_body(db, &upload.body).await?;
    sql::query(
        "INSERT INTO source_upload (source_id, body_hash, uploaded_at, models) VALUES ($1, $2, $3, $4)
         ON CONFLICT (source_id) DO UPDATE
         SET body_hash = excluded.body_hash, uploaded_at = excluded.uploaded_at, models = excluded.models",
    )
    .bind(source_id)
    .bind(hash.as_str())
    .bind(upload.uploaded_at)
    .bind(big(upload.models))
    .execute(db)
    .await?;
    Ok(())
}
