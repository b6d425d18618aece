//! Sites: the gateways that Lockstep knows, with their settings and their encrypted tokens.

use std::collections::BTreeMap;

use lockstep_core::site::GatewayUrl;
use secrecy::SecretString;

use crate::columns::Columns;
use crate::error::taken;
use crate::prices::copies;
use crate::seal::SecretColumn;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, blobs, sql, wire};

/// Where tokens are.
const TOKEN: SecretColumn = SecretColumn {
    table: "site",
    column: "token",
    select: "SELECT token FROM site WHERE id = $1",
    secret: "token",
    row: "site",
};

/// One gateway as it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// UUIDv7 text.
    pub id: String,
    /// The name that people use; `None` for a site known by its address only.
    pub name: Option<String>,
    /// The gateway's address.
    pub url: GatewayUrl,
    /// The gateway's user id that the token belongs to.
    pub user_id: String,
    /// The address of the gateway's console for people, where it is another one.
    pub console_url: Option<String>,
    /// Whether it is meant when no site is named.
    pub is_default: bool,
    /// Address ranges (CIDR) that may be called although they are private.
    pub allow_private: Vec<String>,
    /// The settings that were set, by key. What is not in it has its default.
    pub settings: BTreeMap<String, String>,
    /// Whether a first write was made and read back, so that later ones need not go one by one.
    pub first_write_done: bool,
    /// When it was added, in Unix milliseconds.
    pub created_at: i64,
    /// Whether a token is stored.
    pub has_token: bool,
}

impl Site {
    /// The settings as parts of a policy's digest.
    pub(crate) fn settings_as_parts(self) -> Vec<String> {
        let setting = |(key, value)| ["setting".to_owned(), key, value];
        self.settings.into_iter().flat_map(setting).collect()
    }
}

/// A site to add.
#[derive(Debug)]
pub struct NewSite {
    /// Its name, or `None` for one that is known by its address only.
    pub name: Option<String>,
    /// The gateway's address.
    pub url: GatewayUrl,
    /// The gateway's user id that the token belongs to.
    pub user_id: String,
    /// The address of the gateway's console for people, where it is another one.
    pub console_url: Option<String>,
    /// Address ranges (CIDR) that may be called although they are private.
    pub allow_private: Vec<String>,
    /// The settings to set, by key.
    pub settings: BTreeMap<String, String>,
    /// The token of an admin.
    pub token: Option<SecretString>,
}

/// What to change on a site; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct SiteEdit {
    /// Its name.
    pub name: Option<String>,
    /// The gateway's address. Another one makes the next write a first write again.
    pub url: Option<GatewayUrl>,
    /// The gateway's user id.
    pub user_id: Option<String>,
    /// The console's address, or `Some(None)` to forget it.
    pub console_url: Option<Option<String>>,
    /// Whether it is the default; at most one site is.
    pub is_default: Option<bool>,
    /// The private address ranges, all of them.
    pub allow_private: Option<Vec<String>>,
    /// Single settings: a value sets one, `None` forgets it, those not named stay.
    pub settings: Option<BTreeMap<String, Option<String>>>,
}

impl Store {
    /// Adds a site. [`StoreError::Conflict`] when its name is taken.
    pub async fn add_site(&self, new: NewSite, now: i64) -> Result<Site, StoreError> {
        let id = self.new_id(now);
        let token = match &new.token {
            Some(token) => Some(self.sealed(&TOKEN, &id, token)?),
            None => None,
        };
        self.write(move |db| {
            Box::pin(async move {
                sql::query(
                    "INSERT INTO site (id, name, url, user_id, console_url, is_default, allow_private, settings,
                                       first_write_done, created_at, token)
                     VALUES ($1, $2, $3, $4, $5, 0, $6, $7, 0, $8, $9)",
                )
                .bind(&id)
                .bind(&new.name)
                .bind(new.url.as_str())
                .bind(&new.user_id)
                .bind(&new.console_url)
                .bind(wire::to_text(&new.allow_private))
                .bind(wire::to_text(&new.settings))
                .bind(now)
                .bind(token)
                .execute(&mut *db)
                .await
                .map_err(|error| taken(error, new.name.as_deref().unwrap_or(new.url.as_str())))?;
                site(db, &id).await
            })
        })
        .await
    }

    /// All sites: the named ones by name, then the others by address.
    pub async fn sites(&self) -> Result<Vec<Site>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM site ORDER BY CASE WHEN name IS NULL THEN 1 ELSE 0 END, name, url",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// The site of an id.
    pub async fn site(&self, id: &str) -> Result<Site, StoreError> {
        let mut db = self.readers().acquire().await?;
        site(&mut db, id).await
    }

    /// The site of a name.
    pub async fn site_by_name(&self, name: &str) -> Result<Site, StoreError> {
        let row = sql::query("SELECT * FROM site WHERE name = $1")
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref()
            .map(from_row)
            .unwrap_or_else(|| Err(StoreError::NotFound(format!("site `{name}`"))))
    }

    /// The nameless site of an address; it is made, without user id and token, when there is none.
    pub async fn site_for_url(&self, url: &GatewayUrl, now: i64) -> Result<Site, StoreError> {
        let id = self.new_id(now);
        let url = url.clone();
        self.write(move |db| {
            Box::pin(async move {
                sql::query(
                    "INSERT INTO site (id, url, user_id, is_default, allow_private, settings, first_write_done, created_at)
                     VALUES ($1, $2, '', 0, '[]', '{}', 0, $3)
                     ON CONFLICT (url) WHERE name IS NULL DO NOTHING",
                )
                .bind(id)
                .bind(url.as_str())
                .bind(now)
                .execute(&mut *db)
                .await?;
                let row = sql::query("SELECT * FROM site WHERE name IS NULL AND url = $1")
                    .bind(url.as_str())
                    .fetch_one(db)
                    .await?;
                from_row(&row)
            })
        })
        .await
    }

    /// The site that is meant when none is named: the default one, or else the only named one.
    pub async fn default_site(&self) -> Result<Option<Site>, StoreError> {
        let mut sites = self.sites().await?;
        sites.retain(|site| site.name.is_some() || site.is_default);
        if let Some(at) = sites.iter().position(|site| site.is_default) {
            return Ok(Some(sites.swap_remove(at)));
        }
        Ok(if sites.len() == 1 { sites.pop() } else { None })
    }

    /// Changes a site and returns it as it is then.
    pub async fn edit_site(&self, id: &str, edit: SiteEdit) -> Result<Site, StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let mut site = site(db, &id).await?;
                let SiteEdit {
                    name,
                    url,
                    user_id,
                    console_url,
                    is_default,
                    allow_private,
                    settings,
                } = edit;
                site.name = name.or(site.name);
                if let Some(url) = url
                    && url != site.url
                {
                    site.url = url;
                    // It may be another gateway, with other manners.
                    site.first_write_done = false;
                }
                site.user_id = user_id.unwrap_or(site.user_id);
                site.console_url = console_url.unwrap_or(site.console_url);
                site.is_default = is_default.unwrap_or(site.is_default);
                site.allow_private = allow_private.unwrap_or(site.allow_private);
                for (key, value) in settings.unwrap_or_default() {
                    match value {
                        Some(value) => site.settings.insert(key, value),
                        None => site.settings.remove(&key),
                    };
                }
                if site.is_default {
                    sql::query("UPDATE site SET is_default = 0 WHERE is_default = 1 AND id <> $1")
                        .bind(&site.id)
                        .execute(&mut *db)
                        .await?;
                }
                store(db, &site).await?;
                Ok(site)
            })
        })
        .await
    }

    /// Removes a site with its runs, holds, memory, sources and token.
    pub async fn remove_site(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let removed = sql::query("DELETE FROM site WHERE id = $1")
                    .bind(&id)
                    .execute(&mut *db)
                    .await?;
                TOKEN.there_was(removed.rows_affected(), &id)?;
                copies::remove_unused(db).await?;
                blobs::remove_unused(db).await
            })
        })
        .await
    }

    /// The site's token, decrypted.
    pub async fn token(&self, id: &str) -> Result<Option<SecretString>, StoreError> {
        self.opened(&TOKEN, id).await
    }

    /// Stores a token in place of the present one, or forgets it.
    pub async fn set_token(&self, id: &str, token: Option<SecretString>) -> Result<(), StoreError> {
        let sealed = match &token {
            Some(token) => Some(self.sealed(&TOKEN, id, token)?),
            None => None,
        };
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let set = sql::query("UPDATE site SET token = $2 WHERE id = $1")
                    .bind(&id)
                    .bind(sealed)
                    .execute(db)
                    .await?;
                TOKEN.there_was(set.rows_affected(), &id)
            })
        })
        .await
    }

    /// Remembers that the site's first write was made and read back.
    pub async fn mark_first_write(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let marked = sql::query("UPDATE site SET first_write_done = 1 WHERE id = $1")
                    .bind(&id)
                    .execute(db)
                    .await?;
                TOKEN.there_was(marked.rows_affected(), &id)
            })
        })
        .await
    }
}

pub(crate) async fn site(db: &mut Connection, id: &str) -> Result<Site, StoreError> {
    let row = sql::query("SELECT * FROM site WHERE id = $1")
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.as_ref()
        .map(from_row)
        .unwrap_or_else(|| Err(TOKEN.not_found(id)))
}

async fn store(db: &mut Connection, site: &Site) -> Result<(), StoreError> {
    sql::query(
        "UPDATE site SET name = $2, url = $3, user_id = $4, console_url = $5, is_default = $6,
                         allow_private = $7, settings = $8, first_write_done = $9
         WHERE id = $1",
    )
    .bind(&site.id)
    .bind(&site.name)
    .bind(site.url.as_str())
    .bind(&site.user_id)
    .bind(&site.console_url)
    .bind(i64::from(site.is_default))
    .bind(wire::to_text(&site.allow_private))
    .bind(wire::to_text(&site.settings))
    .bind(i64::from(site.first_write_done))
    .execute(db)
    .await
    .map_err(|error| taken(error, site.name.as_deref().unwrap_or(site.url.as_str())))?;
    Ok(())
}

fn from_row(row: &Row) -> Result<Site, StoreError> {
    let columns = Columns::new(row, "site", "id");
    Ok(Site {
        id: columns.text("id")?,
        name: columns.maybe_text("name")?,
        url: columns.read("url", |text| GatewayUrl::parse(text).ok())?,
        user_id: columns.text("user_id")?,
        console_url: columns.maybe_text("console_url")?,
        is_default: columns.flag("is_default")?,
        allow_private: columns.json("allow_private")?,
        settings: columns.json("settings")?,
        first_write_done: columns.flag("first_write_done")?,
        created_at: columns.number("created_at")?,
        has_token: columns.maybe_text("token")?.is_some(),
    })
}
