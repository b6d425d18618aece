//! What each source said of each model and since when, and the prices that were last accepted.

use std::collections::BTreeMap;

use crate::sql::QueryBuilder;
use lockstep_core::hash::Digest;
use lockstep_core::prices::values::Values;

use crate::blobs::ROWS_PER_STATEMENT;
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sites, sql, wire};

/// What a source says of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The digest of what it says.
    pub digest: Digest,
    /// Since when it says just this, in Unix milliseconds.
    pub first_seen: i64,
}

impl Store {
    /// What the source was last seen to say, by model.
    pub async fn price_seen(
        &self,
        site_id: &str,
        source: &str,
    ) -> Result<BTreeMap<String, Seen>, StoreError> {
        let rows = sql::query(
            "SELECT model, digest, first_seen FROM price_seen WHERE site_id = $1 AND source = $2",
        )
        .bind(site_id)
        .bind(source)
        .fetch_all(self.readers())
        .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "price_seen", "model");
            let seen = Seen {
                digest: Digest::stored(columns.text("digest")?),
                first_seen: columns.number("first_seen")?,
            };
            Ok((columns.text("model")?, seen))
        };
        rows.iter().map(read).collect()
    }

    /// Notes what the source says now. A model of which it says the same as before keeps its time; one that is not
    /// named stays as it was.
    pub async fn note_seen(
        &self,
        site_id: &str,
        source: &str,
        models: Vec<(String, Digest)>,
        now: i64,
    ) -> Result<(), StoreError> {
        let (site_id, source) = (site_id.to_owned(), source.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                for some in models.chunks(ROWS_PER_STATEMENT) {
                    let mut insert = QueryBuilder::new(
                        "INSERT INTO price_seen (site_id, source, model, digest, first_seen) ",
                    );
                    insert.push_values(some, |mut row, (model, digest)| {
                        row.push_bind(&site_id)
                            .push_bind(&source)
                            .push_bind(model)
                            .push_bind(digest.as_str())
                            .push_bind(now);
                    });
                    insert.push(
                        " ON CONFLICT (site_id, source, model) DO UPDATE \
                         SET digest = excluded.digest, first_seen = excluded.first_seen \
                         WHERE price_seen.digest <> excluded.digest",
                    );
                    insert.build().persistent(false).execute(&mut *db).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The values of each model that were last accepted: written by us, or found and left.
    pub async fn accepted(&self, site_id: &str) -> Result<BTreeMap<String, Values>, StoreError> {
        let rows = sql::query("SELECT model, data FROM price_accepted WHERE site_id = $1")
            .bind(site_id)
            .fetch_all(self.readers())
            .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "price_accepted", "model");
            let values = columns.read("data", wire::values_from_text)?;
            Ok((columns.text("model")?, values))
        };
        rows.iter().map(read).collect()
    }

    /// Accepts the values of models; of a model without any, nothing is remembered.
    pub async fn set_accepted(
        &self,
        site_id: &str,
        models: Vec<(String, Values)>,
        now: i64,
    ) -> Result<(), StoreError> {
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                accept(db, &site_id, &models, now).await
            })
        })
        .await
    }
}

/// Stores the accepted values of models and forgets those of models that have none now.
pub(crate) async fn accept(
    db: &mut Connection,
    site_id: &str,
    models: &[(String, Values)],
    now: i64,
) -> Result<(), StoreError> {
    for some in models.chunks(ROWS_PER_STATEMENT) {
        let mut insert =
            QueryBuilder::new("INSERT INTO price_accepted (site_id, model, data, accepted_at) ");
        insert.push_values(some, |mut row, (model, values)| {
            row.push_bind(site_id)
                .push_bind(model)
                .push_bind(wire::values_to_text(values))
                .push_bind(now);
        });
        insert.push(
            " ON CONFLICT (site_id, model) DO UPDATE \
             SET data = excluded.data, accepted_at = excluded.accepted_at",
        );
        insert.build().persistent(false).execute(&mut *db).await?;
    }
    for (model, _) in models.iter().filter(|(_, values)| values.is_empty()) {
        sql::query("DELETE FROM price_accepted WHERE site_id = $1 AND model = $2 AND data = '{}'")
            .bind(site_id)
            .bind(model)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
