//! What later runs made of what a run wrote: whether it was taken back, or written over.

use std::collections::BTreeMap;

use lockstep_core::prices::field::Field;

use crate::columns::Columns;
use crate::{Store, StoreError, sql};

/// The last write of something that an earlier run had written, where it left something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The run that wrote it.
    pub run_id: String,
    /// Whether it is, since then, as it was before the earlier run.
    pub as_before: bool,
}

impl Store {
    /// The channels that a run wrote, or may have written, and that a later write left otherwise than the run did.
    pub async fn lists_since(&self, run_id: &str) -> Result<BTreeMap<i64, Since>, StoreError> {
        let rows = sql::query(
            "SELECT c.channel_id, c.run_id, c.after_hash AS now, m.before_hash AS was, m.after_hash AS left_as
             FROM change m JOIN change c
             ON c.site_id = m.site_id AND c.channel_id = m.channel_id AND c.subject = m.subject
             WHERE m.run_id = $1 AND m.state IN ('applied', 'unverified', 'failed') AND c.state = 'applied'
             AND (COALESCE(c.finished_at, c.read_at), c.run_id) > (COALESCE(m.finished_at, m.read_at), m.run_id)
             ORDER BY COALESCE(c.finished_at, c.read_at), c.run_id",
        )
        .bind(run_id)
        .fetch_all(self.readers())
        .await?;
        let mut since = BTreeMap::new();
        for row in &rows {
            let columns = Columns::new(row, "change", "channel_id");
            let text = |column| columns.maybe_text(column);
            let (now, was, left) = (text("now")?, text("was")?, text("left_as")?);
            let channel: i64 = columns.number("channel_id")?;
            settle(
                &mut since,
                channel,
                columns.text("run_id")?,
                &now,
                &was,
                &left,
            );
        }
        Ok(since)
    }

    /// The same of the prices that a run wrote, value by value.
    pub async fn prices_since(
        &self,
        run_id: &str,
    ) -> Result<BTreeMap<(String, Field), Since>, StoreError> {
        let rows = sql::query(
            "SELECT c.model, c.field, c.run_id, c.new_value AS now, c.new_hash AS now_hash,
             m.old_value AS was, m.old_hash AS was_hash, m.new_value AS left_as, m.new_hash AS left_hash
             FROM price_change m JOIN price_change c
             ON c.site_id = m.site_id AND c.model = m.model AND c.field = m.field
             WHERE m.run_id = $1 AND m.state IN ('applied', 'unverified') AND c.state = 'applied'
             AND (COALESCE(c.finished_at, c.read_at), c.run_id) > (COALESCE(m.finished_at, m.read_at), m.run_id)
             ORDER BY COALESCE(c.finished_at, c.read_at), c.run_id",
        )
        .bind(run_id)
        .fetch_all(self.readers())
        .await?;
        let mut since = BTreeMap::new();
        for row in &rows {
            let columns = Columns::new(row, "price_change", "model");
            let value = |short, hash| -> Result<_, StoreError> {
                Ok((columns.maybe_text(short)?, columns.maybe_text(hash)?))
            };
            let (now, was) = (value("now", "now_hash")?, value("was", "was_hash")?);
            let left = value("left_as", "left_hash")?;
            let key = (
                columns.text("model")?,
                columns.read("field", Field::from_code)?,
            );
            settle(&mut since, key, columns.text("run_id")?, &now, &was, &left);
        }
        Ok(since)
    }
}

/// Writes come oldest first, so the last word stays. One that left the same as the earlier run is as if nothing was since.
fn settle<K: Ord, T: PartialEq>(
    since: &mut BTreeMap<K, Since>,
    key: K,
    run_id: String,
    now: &T,
    was: &T,
    left: &T,
) {
    if now == left {
        since.remove(&key);
        return;
    }
    let as_before = now == was;
    since.insert(key, Since { run_id, as_before });
}
