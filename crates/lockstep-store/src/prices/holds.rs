//! Price holds: what waits for an answer, beyond the run that found it. A model has one, for one held field holds it.

use crate::sql::QueryBuilder;
use lockstep_core::hash::Digest;
use lockstep_core::hold::Reason;
use sqlx::AssertSqlSafe;

use super::{held_digest, rows};
use crate::blobs::ROWS_PER_STATEMENT;
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sql, wire};

/// What waits on one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceHold {
    /// The site's id.
    pub site_id: String,
    /// The model.
    pub model: String,
    /// The run that last found it.
    pub run_id: String,
    /// Why it waits: the reason of its first held field.
    pub reason: Reason,
    /// The digest of what is held, as [`held_digest`] makes it.
    pub digest: Digest,
    /// Since when just this waits, in Unix milliseconds.
    pub since: i64,
    /// The source that its first held field was chosen from.
    pub source: Option<String>,
}

impl Store {
    /// What waits on the site's prices, in the order of the models.
    pub async fn price_holds(&self, site_id: &str) -> Result<Vec<PriceHold>, StoreError> {
        let rows = sql::query("SELECT * FROM price_hold WHERE site_id = $1 ORDER BY model")
            .bind(site_id)
            .fetch_all(self.readers())
            .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "price_hold", "model");
            Ok(PriceHold {
                site_id: columns.text("site_id")?,
                model: columns.text("model")?,
                run_id: columns.text("run_id")?,
                reason: columns.read("reason", wire::reason_from_text)?,
                digest: Digest::stored(columns.text("digest")?),
                since: columns.number("since")?,
                source: columns.maybe_text("source")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets a model's hold. Returns whether there was one.
    pub async fn delete_price_hold(&self, site_id: &str, model: &str) -> Result<bool, StoreError> {
        let (site_id, model) = (site_id.to_owned(), model.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let deleted =
                    sql::query("DELETE FROM price_hold WHERE site_id = $1 AND model = $2")
                        .bind(site_id)
                        .bind(model)
                        .execute(db)
                        .await?;
                Ok(deleted.rows_affected() > 0)
            })
        })
        .await
    }
}

/// Forgets the holds of models that the run could read and that have none now. `everywhere`: the run is about all
/// models, so nothing waits on those that it has no row of.
pub(crate) async fn forget_passed(
    db: &mut Connection,
    run_id: &str,
    site_id: &str,
    everywhere: bool,
) -> Result<(), StoreError> {
    sql::query(
        "DELETE FROM price_hold WHERE site_id = $1
         AND model IN (SELECT model FROM price_change WHERE run_id = $2)
         AND model NOT IN (
            SELECT model FROM price_change
            WHERE run_id = $2 AND (hold IS NOT NULL OR failure IS NOT NULL OR state = 'unread'))",
    )
    .bind(site_id)
    .bind(run_id)
    .execute(&mut *db)
    .await?;
    if everywhere {
        sql::query(
            "DELETE FROM price_hold WHERE site_id = $1
             AND model NOT IN (SELECT model FROM price_change WHERE run_id = $2)",
        )
        .bind(site_id)
        .bind(run_id)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Gives each model of which the run holds something its hold.
pub(crate) async fn keep_found(
    db: &mut Connection,
    run_id: &str,
    site_id: &str,
    now: i64,
) -> Result<(), StoreError> {
    let found = found(db, run_id).await?;
    for some in found.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO price_hold (site_id, model, run_id, reason, digest, since, source) ",
        );
        insert.push_values(some, |mut row, hold| {
            row.push_bind(site_id)
                .push_bind(&hold.model)
                .push_bind(run_id)
                .push_bind(wire::reason_to_text(&hold.reason))
                .push_bind(hold.digest.as_str())
                .push_bind(now)
                .push_bind(&hold.source);
        });
        insert.push(
            " ON CONFLICT (site_id, model) DO UPDATE \
             SET run_id = excluded.run_id, reason = excluded.reason, source = excluded.source, \
                 since = CASE WHEN price_hold.digest = excluded.digest THEN price_hold.since ELSE excluded.since END, \
                 digest = excluded.digest",
        );
        insert.build().persistent(false).execute(&mut *db).await?;
    }
    Ok(())
}

/// What of a model the run holds.
struct Found {
    model: String,
    reason: Reason,
    digest: Digest,
    source: Option<String>,
}

async fn found(db: &mut Connection, run_id: &str) -> Result<Vec<Found>, StoreError> {
    // All rows of a held model: what is held is all that is proposed for it.
    let sql = rows::select(
        "c.run_id = $1 AND c.model IN (SELECT model FROM price_change WHERE run_id = $1 AND hold IS NOT NULL)",
    );
    let all = sql::query(AssertSqlSafe(sql))
        .bind(run_id)
        .fetch_all(db)
        .await?;
    let rows = rows::in_order(&all)?;
    let of = |rows: &[super::PriceRow]| {
        let first = rows.iter().find(|row| row.hold.is_some())?;
        Some(Found {
            model: first.model.clone(),
            reason: first.hold.clone()?,
            digest: held_digest(rows)?,
            source: first.source.clone(),
        })
    };
    let models = rows.chunk_by(|one, next| one.model == next.model);
    Ok(models.filter_map(of).collect())
}
