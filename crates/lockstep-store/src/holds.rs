//! Holds: what waits for an answer, beyond the run that found it.

use lockstep_core::hash::Digest;
use lockstep_core::hold::Reason;

use crate::blobs::ROWS_PER_STATEMENT;
use crate::columns::Columns;
use crate::sql::{Connection, QueryBuilder, Row};
use crate::{Store, StoreError, change_rows, sql, wire};

/// What waits on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The gateway's channel id.
    pub channel_id: i64,
    /// The channel's name.
    pub channel_name: String,
    /// The run that last found it.
    pub run_id: String,
    /// Why it waits.
    pub reason: Reason,
    /// Names whose addition waits.
    pub held_add: Vec<String>,
    /// Names whose removal waits.
    pub held_remove: Vec<String>,
    /// Since when just this waits, in Unix milliseconds.
    pub since: i64,
    /// The digest of what is held, as "keep until it changes" remembers it.
    pub digest: Digest,
}

/// How much waits on a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldCounts {
    /// Channels of which something waits.
    pub channels: u64,
    /// Models whose price waits.
    pub models: u64,
}

impl Store {
    /// What waits on the site, in the order of channel ids.
    pub async fn holds(&self, site_id: &str) -> Result<Vec<Hold>, StoreError> {
        let rows = sql::query("SELECT * FROM hold WHERE site_id = $1 ORDER BY channel_id")
            .bind(site_id)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(hold).collect()
    }

    /// What waits on these channels of the site, in the order of their ids.
    pub async fn holds_of(&self, site_id: &str, channels: &[i64]) -> Result<Vec<Hold>, StoreError> {
        let mut found = Vec::new();
        for some in channels.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("SELECT * FROM hold WHERE site_id = ");
            query.push_bind(site_id).push(" AND channel_id IN (");
            let mut ids = query.separated(", ");
            for id in some {
                ids.push_bind(*id);
            }
            query.push(")");
            let query = query.build().persistent(false);
            for row in &query.fetch_all(self.readers()).await? {
                found.push(hold(row)?);
            }
        }
        found.sort_by_key(|hold| hold.channel_id);
        Ok(found)
    }

    /// How much waits on the site, without looking at what it is.
    pub async fn hold_counts(&self, site_id: &str) -> Result<HoldCounts, StoreError> {
        let row = sql::query(
            "SELECT (SELECT COUNT(*) FROM hold WHERE site_id = $1) AS channels, \
             (SELECT COUNT(*) FROM price_hold WHERE site_id = $1) AS models",
        )
        .bind(site_id)
        .fetch_one(self.readers())
        .await?;
        let columns = Columns::new(&row, "hold", "channels");
        Ok(HoldCounts {
            channels: columns.count("channels")?,
            models: columns.count("models")?,
        })
    }

    /// Forgets a channel's hold. Returns whether there was one.
    pub async fn delete_hold(&self, site_id: &str, channel_id: i64) -> Result<bool, StoreError> {
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let deleted = sql::query("DELETE FROM hold WHERE site_id = $1 AND channel_id = $2")
                    .bind(site_id)
                    .bind(channel_id)
                    .execute(db)
                    .await?;
                Ok(deleted.rows_affected() > 0)
            })
        })
        .await
    }
}

fn hold(row: &Row) -> Result<Hold, StoreError> {
    let columns = Columns::new(row, "hold", "channel_id");
    Ok(Hold {
        channel_id: columns.number("channel_id")?,
        channel_name: columns.text("channel_name")?,
        run_id: columns.text("run_id")?,
        reason: columns.read("reason", wire::reason_from_text)?,
        held_add: wire::from_lines(&columns.text("held_add")?),
        held_remove: wire::from_lines(&columns.text("held_remove")?),
        since: columns.number("since")?,
        digest: Digest::stored(columns.text("digest")?),
    })
}

/// Forgets the holds of channels that the run could read and that have none now. `everywhere`: the run is about all
/// channels, so what it has no row of is gone from the gateway.
pub(crate) async fn forget_passed(
    db: &mut Connection,
    run_id: &str,
    site_id: &str,
    everywhere: bool,
) -> Result<(), StoreError> {
    sql::query(
        "DELETE FROM hold WHERE site_id = $1 AND channel_id IN (
            SELECT channel_id FROM change
            WHERE run_id = $2 AND hold IS NULL AND failure IS NULL AND state <> 'unread')",
    )
    .bind(site_id)
    .bind(run_id)
    .execute(&mut *db)
    .await?;
    if everywhere {
        sql::query(
            "DELETE FROM hold WHERE site_id = $1
             AND channel_id NOT IN (SELECT channel_id FROM change WHERE run_id = $2)",
        )
        .bind(site_id)
        .bind(run_id)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Gives each channel that the run holds something on the hold of its row.
pub(crate) async fn keep_found(
    db: &mut Connection,
    run_id: &str,
    site_id: &str,
    now: i64,
) -> Result<(), StoreError> {
    for row in change_rows::held(db, run_id).await? {
        let Some(reason) = &row.hold else {
            continue;
        };
        let reason = wire::reason_to_text(reason);
        let digest = row.held_digest().unwrap_or_else(|| Digest::of([&reason]));
        sql::query(
            "INSERT INTO hold (site_id, channel_id, channel_name, run_id, reason, held_add, held_remove, since, digest)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (site_id, channel_id) DO UPDATE
             SET channel_name = excluded.channel_name, run_id = excluded.run_id, reason = excluded.reason,
                 held_add = excluded.held_add, held_remove = excluded.held_remove,
                 since = CASE WHEN hold.digest = excluded.digest THEN hold.since ELSE excluded.since END,
                 digest = excluded.digest",
        )
        .bind(site_id)
        .bind(row.channel_id)
        .bind(&row.channel_name)
        .bind(run_id)
        .bind(reason)
        .bind(wire::to_lines(&row.held_add))
        .bind(wire::to_lines(&row.held_remove))
        .bind(now)
        .bind(digest.as_str())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}
