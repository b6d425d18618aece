//! Where a site's prices come from, in the order in which they are preferred.

use std::collections::BTreeMap;

use lockstep_core::hash::Digest;

use super::access::{self, HEADER, SourceAccess, TOKEN};
use super::uploads::{self, Upload};
use super::{answers, copies};
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, seal, sites, sql};

/// One source of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSource {
    /// Its id, which no other source ever has: one that is remembered again under its name gets another.
    pub id: String,
    /// Its name, unique in the site.
    pub name: String,
    /// What it is, as text. No secret is in it: a token is named by its variable, or stored apart.
    pub spec: String,
    /// Its place in the order of preference: 0, 1, 2 without gaps.
    pub position: u32,
    /// The user of that site whom the stored token belongs to.
    pub user_id: Option<String>,
    /// Whether an access token is stored; [`Store::source_access`] reads it.
    pub has_token: bool,
    /// The names of the stored headers.
    pub headers: Vec<String>,
    /// What was uploaded for it; [`Store::upload`] reads the list.
    pub uploaded: Option<Uploaded>,
}

/// What is known of an uploaded list without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// When it was uploaded, in Unix milliseconds.
    pub at: i64,
    /// How many models it has.
    pub models: u64,
}

/// A source to remember.
#[derive(Clone, Debug)]
pub struct NewSource {
    /// Its id, of [`NewSource::id`]: what was fetched for it while it was tried is found by it later.
    pub id: String,
    /// Its name, unique in the site.
    pub name: String,
    /// What it is, as text, without a secret.
    pub spec: String,
    /// What it is sent to be let in. Tokens and headers are stored encrypted.
    pub access: SourceAccess,
    /// The list that was uploaded for it.
    pub upload: Option<Upload>,
}

impl NewSource {
    /// A source that is sent nothing, with a new id.
    pub fn open(name: &str, spec: &str) -> Self {
        Self {
            id: Self::id(),
            name: name.to_owned(),
            spec: spec.to_owned(),
            access: SourceAccess::default(),
            upload: None,
        }
    }

    /// An id that no source ever had.
    pub fn id() -> String {
        seal::random_name()
    }
}

impl Store {
    /// The site's sources in the order of preference.
    pub async fn sources(&self, site_id: &str) -> Result<Vec<StoredSource>, StoreError> {
        let mut db = self.readers().acquire().await?;
        of_site(&mut db, site_id).await
    }

    /// Adds a source that is sent nothing behind the others. [`StoreError::Conflict`] when the site has one of the name.
    pub async fn add_source(
        &self,
        site_id: &str,
        name: &str,
        spec: &str,
    ) -> Result<StoredSource, StoreError> {
        self.remember_source(site_id, NewSource::open(name, spec))
            .await
    }

    /// Adds a source behind the others, with what lets us into it. [`StoreError::Conflict`] when the site has one of the
    /// name.
    pub async fn remember_source(
        &self,
        site_id: &str,
        new: NewSource,
    ) -> Result<StoredSource, StoreError> {
        let sealed = self.sealed_access(&new.id, &new.access)?;
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let all = of_site(db, &site_id).await?;
                if all.iter().any(|source| source.name == new.name) {
                    return Err(StoreError::Conflict(new.name));
                }
                let position = i64::try_from(all.len()).unwrap_or(i64::MAX);
                sql::query(
                    "INSERT INTO source (site_id, name, position, spec, id, user_id)
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(&site_id)
                .bind(&new.name)
                .bind(position)
                .bind(&new.spec)
                .bind(&new.id)
                .bind(&new.access.user_id)
                .execute(&mut *db)
                .await?;
                access::store(db, &new.id, sealed).await?;
                if let Some(upload) = &new.upload {
                    uploads::keep(db, &new.id, upload).await?;
                }
                of_name(db, &site_id, &new.name).await
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
                order(db, &all).await
            })
        })
        .await
    }

    /// Removes a source with its secrets, its uploaded list, and what was seen of it: another one of the same name is
    /// another source.
    pub async fn remove_source(&self, site_id: &str, name: &str) -> Result<(), StoreError> {
        let (site_id, name) = (site_id.to_owned(), name.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let mut all = of_site(db, &site_id).await?;
                let gone = taken_out(&mut all, &name)?;
                sql::query("DELETE FROM source WHERE id = $1")
                    .bind(&gone.id)
                    .execute(&mut *db)
                    .await?;
                sql::query("DELETE FROM price_seen WHERE site_id = $1 AND source = $2")
                    .bind(&site_id)
                    .bind(&name)
                    .execute(&mut *db)
                    .await?;
                copies::remove_unused(db).await?;
                order(db, &all).await
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
        for source in of_site(&mut db, site_id).await? {
            parts.extend(["source".to_owned(), source.name, source.spec]);
            // Another user may be shown other prices.
            let user = source.user_id.map(|user| ["user".to_owned(), user]);
            parts.extend(user.into_iter().flatten());
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
    at.map(|at| all.remove(at)).ok_or_else(|| not_found(name))
}

/// That the site has no such source.
pub(super) fn not_found(name: &str) -> StoreError {
    StoreError::NotFound(format!("source `{name}`"))
}

/// The site's source of a name.
pub(super) async fn of_name(
    db: &mut Connection,
    site_id: &str,
    name: &str,
) -> Result<StoredSource, StoreError> {
    taken_out(&mut of_site(db, site_id).await?, name)
}

async fn of_site(db: &mut Connection, site_id: &str) -> Result<Vec<StoredSource>, StoreError> {
    let mut secrets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let rows = sql::query(
        "SELECT s.id, x.name FROM source s JOIN source_secret x ON x.source_id = s.id
         WHERE s.site_id = $1 ORDER BY x.name",
    )
    .bind(site_id)
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        let columns = Columns::new(row, "source_secret", "name");
        let of = secrets.entry(columns.text("id")?).or_default();
        of.push(columns.text("name")?);
    }
    let rows = sql::query(
        "SELECT s.id, s.name, s.spec, s.position, s.user_id, u.uploaded_at, u.models
         FROM source s LEFT JOIN source_upload u ON u.source_id = s.id
         WHERE s.site_id = $1 ORDER BY s.position",
    )
    .bind(site_id)
    .fetch_all(db)
    .await?;
    let read = |row: &Row| {
        let columns = Columns::new(row, "source", "name");
        let id = columns.text("id")?;
        let names = secrets.get(&id).map_or(&[][..], Vec::as_slice);
        let headers = names.iter().filter_map(|name| name.strip_prefix(HEADER));
        let uploaded = match columns.maybe_number("uploaded_at")? {
            Some(at) => Some(Uploaded {
                at,
                models: columns.count("models")?,
            }),
            None => None,
        };
        Ok(StoredSource {
            name: columns.text("name")?,
            spec: columns.text("spec")?,
            position: columns.count("position")?,
            user_id: columns.maybe_text("user_id")?,
            has_token: names.iter().any(|name| name == TOKEN),
            headers: headers.map(str::to_owned).collect(),
            uploaded,
            id,
        })
    };
    rows.iter().map(read).collect()
}

/// Gives the sources the places in which they stand here.
async fn order(db: &mut Connection, all: &[StoredSource]) -> Result<(), StoreError> {
    for (position, source) in (0i64..).zip(all) {
        sql::query("UPDATE source SET position = $2 WHERE id = $1")
            .bind(&source.id)
            .bind(position)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
