//! Where a site's prices come from, in the order in which they are preferred.

use lockstep_core::hash::Digest;

use super::answers;
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sites, sql};

/// One source of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSource {
    /// Its name, unique in the site.
    pub name: String,
    /// What it is, as text. No secret is in it: a token is named by its variable.
    pub spec: String,
    /// Its place in the order of preference: 0, 1, 2 without gaps.
    pub position: u32,
}

impl Store {
    /// The site's sources in the order of preference.
    pub async fn sources(&self, site_id: &str) -> Result<Vec<StoredSource>, StoreError> {
        let mut db = self.readers().acquire().await?;
        of_site(&mut db, site_id).await
    }

    /// Adds a source behind the others. [`StoreError::Conflict`] when the site has one of the name.
    pub async fn add_source(
        &self,
        site_id: &str,
        name: &str,
        spec: &str,
    ) -> Result<StoredSource, StoreError> {
        let (site_id, name, spec) = (site_id.to_owned(), name.to_owned(), spec.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let mut all = of_site(db, &site_id).await?;
                if all.iter().any(|source| source.name == name) {
                    return Err(StoreError::Conflict(name));
                }
                let position = u32::try_from(all.len()).unwrap_or(u32::MAX);
                let source = StoredSource {
                    name,
                    spec,
                    position,
                };
                all.push(source.clone());
                store(db, &site_id, &all).await?;
                Ok(source)
            })
        })
        .await
    }

    /// Moves a source to a place in the order of preference, 0 being the first and any place behind the last one the
    /// last; the others keep their order.
    pub async fn move_source(
        &self,
        site_id: &str,
        name: &str,
        position: u32,
    ) -> Result<(), StoreError> {
        let (site_id, name) = (site_id.to_owned(), name.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let mut all = of_site(db, &site_id).await?;
                let moved = taken_out(&mut all, &name)?;
                let to = usize::try_from(position).unwrap_or(usize::MAX);
                all.insert(to.min(all.len()), moved);
                store(db, &site_id, &all).await
            })
        })
        .await
    }

    /// Removes a source, and what was seen of it: another one of the same name is another source.
    pub async fn remove_source(&self, site_id: &str, name: &str) -> Result<(), StoreError> {
        let (site_id, name) = (site_id.to_owned(), name.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let mut all = of_site(db, &site_id).await?;
                taken_out(&mut all, &name)?;
                sql::query("DELETE FROM price_seen WHERE site_id = $1 AND source = $2")
                    .bind(&site_id)
                    .bind(&name)
                    .execute(&mut *db)
                    .await?;
                store(db, &site_id, &all).await
            })
        })
        .await
    }

    /// A digest of all that price plans rest on beside prices: the site's settings, its sources in their order, and the
    /// answers that are remembered. A plan that was made under another one is no longer what was approved.
    pub async fn price_policy_hash(&self, site_id: &str) -> Result<Digest, StoreError> {
        // One transaction, or a change between two queries would give a digest of a policy that never was.
        let mut db = self.readers().begin().await?;
        let mut parts = sites::site(&mut db, site_id).await?.settings_as_parts();
        for StoredSource { name, spec, .. } in of_site(&mut db, site_id).await? {
            parts.extend(["source".to_owned(), name, spec]);
        }
        for answer in answers::of_site(&mut db, site_id).await? {
            parts.push("answer".to_owned());
            parts.extend(answers::policy(&answer));
        }
        Ok(Digest::of(parts))
    }
}

/// Takes the source of a name out of the list.
fn taken_out(all: &mut Vec<StoredSource>, name: &str) -> Result<StoredSource, StoreError> {
    let at = all.iter().position(|source| source.name == name);
    at.map(|at| all.remove(at))
        .ok_or_else(|| StoreError::NotFound(format!("source `{name}`")))
}

async fn of_site(db: &mut Connection, site_id: &str) -> Result<Vec<StoredSource>, StoreError> {
    let rows = sql::query("SELECT * FROM source WHERE site_id = $1 ORDER BY position")
        .bind(site_id)
        .fetch_all(db)
        .await?;
    let read = |row: &Row| {
        let columns = Columns::new(row, "source", "name");
        Ok(StoredSource {
            name: columns.text("name")?,
            spec: columns.text("spec")?,
            position: columns.count("position")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Stores the site's sources in this order, and no others.
async fn store(db: &mut Connection, site_id: &str, all: &[StoredSource]) -> Result<(), StoreError> {
    sql::query("DELETE FROM source WHERE site_id = $1")
        .bind(site_id)
        .execute(&mut *db)
        .await?;
    for (position, source) in (0i64..).zip(all) {
        sql::query("INSERT INTO source (site_id, name, position, spec) VALUES ($1, $2, $3, $4)")
            .bind(site_id)
            .bind(&source.name)
            .bind(position)
            .bind(&source.spec)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
