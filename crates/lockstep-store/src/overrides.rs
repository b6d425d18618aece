//! What single channels and providers have of their own beside their site's settings.

use std::collections::BTreeMap;

use lockstep_core::channel::Provider;
use lockstep_core::hash::Digest;
use lockstep_core::settings::Overrides;

use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::wire::{self, OverridesText};
use crate::{Store, StoreError, sites, sql};

impl Store {
    /// The overrides of the site's channels, by channel id.
    pub async fn channel_overrides(
        &self,
        site_id: &str,
    ) -> Result<BTreeMap<i64, Overrides>, StoreError> {
        let mut db = self.readers().acquire().await?;
        of_channels(&mut db, site_id).await
    }

    /// The overrides of the site's providers.
    pub async fn provider_overrides(
        &self,
        site_id: &str,
    ) -> Result<BTreeMap<Provider, Overrides>, StoreError> {
        let mut db = self.readers().acquire().await?;
        of_providers(&mut db, site_id).await
    }

    /// Stores a channel's overrides; empty ones are forgotten.
    pub async fn set_channel_overrides(
        &self,
        site_id: &str,
        channel_id: i64,
        overrides: &Overrides,
    ) -> Result<(), StoreError> {
        let site_id = site_id.to_owned();
        let data = stored(overrides);
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let set = match data {
                    Some(data) => sql::query(
                        "INSERT INTO channel_override (site_id, channel_id, data) VALUES ($1, $2, $3)
                         ON CONFLICT (site_id, channel_id) DO UPDATE SET data = excluded.data",
                    )
                    .bind(site_id)
                    .bind(channel_id)
                    .bind(data),
                    None => sql::query(
                        "DELETE FROM channel_override WHERE site_id = $1 AND channel_id = $2",
                    )
                    .bind(site_id)
                    .bind(channel_id),
                };
                set.execute(db).await?;
                Ok(())
            })
        })
        .await
    }

    /// Stores a provider's overrides; empty ones are forgotten.
    pub async fn set_provider_overrides(
        &self,
        site_id: &str,
        provider: &Provider,
        overrides: &Overrides,
    ) -> Result<(), StoreError> {
        let site_id = site_id.to_owned();
        let Provider { kind, base_url } = provider.clone();
        let data = stored(overrides);
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let set = match data {
                    Some(data) => sql::query(
                        "INSERT INTO provider_override (site_id, kind, base_url, data) VALUES ($1, $2, $3, $4)
                         ON CONFLICT (site_id, kind, base_url) DO UPDATE SET data = excluded.data",
                    )
                    .bind(site_id)
                    .bind(kind)
                    .bind(base_url)
                    .bind(data),
                    None => sql::query(
                        "DELETE FROM provider_override WHERE site_id = $1 AND kind = $2 AND base_url = $3",
                    )
                    .bind(site_id)
                    .bind(kind)
                    .bind(base_url),
                };
                set.execute(db).await?;
                Ok(())
            })
        })
        .await
    }

    /// A digest of the site's settings and all its overrides. A plan that was made under another one is no longer
    /// what was approved.
    pub async fn policy_hash(&self, site_id: &str) -> Result<Digest, StoreError> {
        // One transaction, or a change between two queries would give a digest of a policy that never was.
        let mut db = self.readers().begin().await?;
        let mut parts = sites::site(&mut db, site_id).await?.settings_as_parts();
        for (channel_id, overrides) in of_channels(&mut db, site_id).await? {
            let data = wire::to_text(&OverridesText::of(&overrides));
            parts.extend(["channel".to_owned(), channel_id.to_string(), data]);
        }
        for (provider, overrides) in of_providers(&mut db, site_id).await? {
            let data = wire::to_text(&OverridesText::of(&overrides));
            let Provider { kind, base_url } = provider;
            parts.extend(["provider".to_owned(), kind.to_string(), base_url, data]);
        }
        Ok(Digest::of(parts))
    }
}

fn stored(overrides: &Overrides) -> Option<String> {
    (*overrides != Overrides::default()).then(|| wire::to_text(&OverridesText::of(overrides)))
}

async fn of_channels(
    db: &mut Connection,
    site_id: &str,
) -> Result<BTreeMap<i64, Overrides>, StoreError> {
    let rows = sql::query("SELECT channel_id, data FROM channel_override WHERE site_id = $1")
        .bind(site_id)
        .fetch_all(db)
        .await?;
    let read = |row: &Row| {
        let columns = Columns::new(row, "channel_override", "channel_id");
        Ok((columns.number("channel_id")?, overrides(&columns)?))
    };
    rows.iter().map(read).collect()
}

async fn of_providers(
    db: &mut Connection,
    site_id: &str,
) -> Result<BTreeMap<Provider, Overrides>, StoreError> {
    let rows = sql::query("SELECT kind, base_url, data FROM provider_override WHERE site_id = $1")
        .bind(site_id)
        .fetch_all(db)
        .await?;
    let read = |row: &Row| {
        let columns = Columns::new(row, "provider_override", "base_url");
        let provider = Provider {
            kind: columns.number("kind")?,
            base_url: columns.text("base_url")?,
        };
        Ok((provider, overrides(&columns)?))
    };
    rows.iter().map(read).collect()
}

fn overrides(columns: &Columns<'_>) -> Result<Overrides, StoreError> {
    columns.read("data", |text| {
        wire::from_text::<OverridesText>(text).and_then(OverridesText::overrides)
    })
}
