//! Deeds: who did what beside runs.

use serde_json::Value;

use crate::columns::Columns;
use crate::sql::{Connection, QueryBuilder, Row};
use crate::{Store, StoreError, sql, wire};

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// UUIDv7 text; later ones are greater.
    pub id: String,
    /// The site that it is about, where it is about one.
    pub site_id: Option<String>,
    /// When, in Unix milliseconds.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What, as a code.
    pub kind: String,
    /// The rest, a JSON object. Never a secret.
    pub data: Value,
}

/// A deed to note.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDeed {
    /// The site that it is about, where it is about one.
    pub site_id: Option<String>,
    /// When, in Unix milliseconds.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What, as a code.
    pub kind: String,
    /// The rest, a JSON object. Never a secret.
    pub data: Value,
}

/// Which deeds.
#[derive(Clone, Debug, Default)]
pub struct DeedFilter {
    /// Only those about this site.
    pub site_id: Option<String>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those before this one, by id: the last of the page before.
    pub before: Option<String>,
}

impl Store {
    /// Notes what somebody did, and returns its id. `data` is a JSON object without secrets.
    pub async fn note_deed(
        &self,
        site_id: Option<&str>,
        actor: &str,
        kind: &str,
        data: &Value,
        now: i64,
    ) -> Result<String, StoreError> {
        let id = self.new_id(now);
        let deed = NewDeed {
            site_id: site_id.map(str::to_owned),
            at: now,
            actor: actor.to_owned(),
            kind: kind.to_owned(),
            data: data.clone(),
        };
        self.write(move |db| {
            Box::pin(async move {
                insert(db, &id, deed).await?;
                Ok(id)
            })
        })
        .await
    }

    /// The same store, whose next write notes the deed, in one transaction with what it does: either both are there or
    /// neither. A write that fails notes nothing, and no write after the first does.
    #[must_use]
    pub fn noting(&self, deed: NewDeed) -> Self {
        let id = self.new_id(deed.at);
        self.with_deed(id, deed)
    }

    /// What was done, newest first, at most `most`.
    pub async fn deeds(&self, filter: &DeedFilter, most: u32) -> Result<Vec<Deed>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM deed WHERE 1 = 1");
        if let Some(site_id) = &filter.site_id {
            query.push(" AND site_id = ").push_bind(site_id);
        }
        if let Some(kind) = &filter.kind {
            query.push(" AND kind = ").push_bind(kind);
        }
        if let Some(before) = &filter.before {
            query.push(" AND id < ").push_bind(before);
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(most));
        let rows = query.build().fetch_all(self.readers()).await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "deed", "id");
            Ok(Deed {
                id: columns.text("id")?,
                site_id: columns.maybe_text("site_id")?,
                at: columns.number("at")?,
                actor: columns.text("actor")?,
                kind: columns.text("kind")?,
                data: columns.read("data", wire::from_text)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets what was done before a time, in Unix milliseconds. Returns how much that was.
    pub async fn forget_deeds(&self, before: i64) -> Result<u64, StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                let gone = sql::query("DELETE FROM deed WHERE at < $1")
                    .bind(before)
                    .execute(db)
                    .await?;
                Ok(gone.rows_affected())
            })
        })
        .await
    }
}

/// Notes a deed within a transaction.
pub(crate) async fn insert(db: &mut Connection, id: &str, deed: NewDeed) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO deed (id, site_id, at, actor, kind, data) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id)
    .bind(deed.site_id)
    .bind(deed.at)
    .bind(deed.actor)
    .bind(deed.kind)
    .bind(deed.data.to_string())
    .execute(db)
    .await?;
    Ok(())
}
