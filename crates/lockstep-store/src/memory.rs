//! What is remembered of channels between runs.

use std::collections::HashMap;

use crate::sql::QueryBuilder;
use lockstep_core::models::memory::Memory;

use crate::blobs::{Blobs, ROWS_PER_STATEMENT};
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::wire::{self, MemoryRest};
use crate::{Store, StoreError, sites};

/// The query of memories with their texts, up to the site's id.
const SELECT: &str =
    "SELECT m.channel_id, m.settled_hash, m.data, s.text AS settled, l.text AS left_list
     FROM memory m
     LEFT JOIN blob s ON s.hash = m.settled_hash
     LEFT JOIN blob l ON l.hash = m.left_hash
     WHERE m.site_id = ";

fn from_row(row: &Row) -> Result<(i64, Memory), StoreError> {
    let columns = Columns::new(row, "memory", "channel_id");
    let settled = match columns.maybe_text("settled_hash")? {
        Some(_) => Some(wire::from_lines(&columns.text("settled")?)),
        None => None,
    };
    let left = wire::from_lines(&columns.text("left_list")?);
    let rest: MemoryRest = columns.json("data")?;
    Ok((columns.number("channel_id")?, rest.join(settled, left)))
}

impl Store {
    /// The memory of every channel of the site that has one, by channel id.
    pub async fn memories(&self, site_id: &str) -> Result<HashMap<i64, Memory>, StoreError> {
        let mut query = QueryBuilder::new(SELECT);
        query.push_bind(site_id);
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(from_row).collect()
    }

    /// The memory of those of the channels that have one, by channel id.
    pub async fn memories_of(
        &self,
        site_id: &str,
        channels: &[i64],
    ) -> Result<HashMap<i64, Memory>, StoreError> {
        let mut memories = HashMap::with_capacity(channels.len());
        for some in channels.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(SELECT);
            query.push_bind(site_id).push(" AND m.channel_id IN (");
            let mut ids = query.separated(", ");
            for id in some {
                ids.push_bind(id);
            }
            query.push(")");
            let query = query.build().persistent(false);
            for row in &query.fetch_all(self.readers()).await? {
                let (channel, memory) = from_row(row)?;
                memories.insert(channel, memory);
            }
        }
        Ok(memories)
    }

    /// Stores a channel's memory.
    pub async fn set_memory(
        &self,
        site_id: &str,
        channel_id: i64,
        memory: &Memory,
    ) -> Result<(), StoreError> {
        let (site_id, memory) = (site_id.to_owned(), memory.clone());
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                store(db, &site_id, vec![(channel_id, memory)]).await
            })
        })
        .await
    }
}

/// Stores memories of a site's channels. The long lists go to the texts, where an unchanged one is already.
pub(crate) async fn store(
    db: &mut Connection,
    site_id: &str,
    memories: Vec<(i64, Memory)>,
) -> Result<(), StoreError> {
    let mut blobs = Blobs::default();
    let rows: Vec<(i64, Option<String>, String, String)> = memories
        .into_iter()
        .map(|(channel_id, memory)| {
            let (settled, left, rest) = MemoryRest::split(memory);
            let settled = settled.map(|names| blobs.put(&wire::to_lines(&names)));
            let left = blobs.put(&wire::to_lines(&left));
            (channel_id, settled, left, wire::to_text(&rest))
        })
        .collect();
    blobs.store(db).await?;
    for some in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO memory (site_id, channel_id, settled_hash, left_hash, data) ",
        );
        insert.push_values(some, |mut row, (channel_id, settled, left, data)| {
            row.push_bind(site_id)
                .push_bind(channel_id)
                .push_bind(settled)
                .push_bind(left)
                .push_bind(data);
        });
        insert.push(
            " ON CONFLICT (site_id, channel_id) DO UPDATE SET settled_hash = excluded.settled_hash, \
             left_hash = excluded.left_hash, data = excluded.data",
        );
        insert.build().persistent(false).execute(&mut *db).await?;
    }
    Ok(())
}
