//! Images: whole maps as they were before a run's first write of them and as its last write left them, byte for byte.

use crate::blobs::Blobs;
use crate::columns::{Columns, big};
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sql};

/// One of the gateway's maps in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The key of the gateway's option.
    pub key: String,
    /// The text before the run's first write of it.
    pub before: String,
    /// The text as the run's last write left it, or was to leave it; `None` when that is not known.
    pub after: Option<String>,
    /// How many writes of the map were by others while the run wrote, by the gateway's own log: what they wrote between
    /// our last look and our write is gone, and both texts tell what.
    pub others: u64,
}

impl Store {
    /// The run's images, in the order of their keys.
    pub async fn images(&self, run_id: &str) -> Result<Vec<Image>, StoreError> {
        let rows = sql::query(
            "SELECT i.option_key, i.after_hash, i.others, b.text AS before_text, a.text AS after_text
             FROM image i
             LEFT JOIN blob b ON b.hash = i.before_hash
             LEFT JOIN blob a ON a.hash = i.after_hash
             WHERE i.run_id = $1 ORDER BY i.option_key",
        )
        .bind(run_id)
        .fetch_all(self.readers())
        .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "image", "option_key");
            Ok(Image {
                key: columns.text("option_key")?,
                before: columns.text("before_text")?,
                after: match columns.maybe_text("after_hash")? {
                    Some(_) => Some(columns.text("after_text")?),
                    None => None,
                },
                others: columns.count("others")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Stores an image; of one that is there the text before stays.
pub(crate) async fn store(
    db: &mut Connection,
    run_id: &str,
    image: &Image,
) -> Result<(), StoreError> {
    let mut blobs = Blobs::default();
    let before = blobs.put(&image.before);
    let after = image.after.as_ref().map(|text| blobs.put(text));
    blobs.store(db).await?;
    sql::query(
        "INSERT INTO image (run_id, option_key, before_hash, after_hash, others) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (run_id, option_key) DO UPDATE
         SET after_hash = COALESCE(excluded.after_hash, image.after_hash)",
    )
    .bind(run_id)
    .bind(&image.key)
    .bind(before)
    .bind(after)
    .bind(big(image.others))
    .execute(db)
    .await?;
    Ok(())
}

/// Stores how many writes were by others.
pub(crate) async fn set_others(
    db: &mut Connection,
    run_id: &str,
    key: &str,
    others: u64,
) -> Result<(), StoreError> {
    let set = sql::query("UPDATE image SET others = $3 WHERE run_id = $1 AND option_key = $2")
        .bind(run_id)
        .bind(key)
        .bind(big(others))
        .execute(db)
        .await?;
    if set.rows_affected() == 0 {
        return Err(StoreError::NotFound(format!(
            "image of {key} in run {run_id}"
        )));
    }
    Ok(())
}
