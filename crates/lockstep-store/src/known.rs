//! Channels as their newest results have them, a page at a time: whoever looks at fifty takes no ten thousand.

use std::collections::BTreeMap;

use lockstep_core::channel::Provider;

use crate::blobs::ROWS_PER_STATEMENT;
use crate::columns::Columns;
use crate::listing::{ChannelHead, channel_head, like};
use crate::sql::QueryBuilder;
use crate::{Store, StoreError};

/// Which channels of a site are meant.
#[derive(Clone, Debug, Default)]
pub struct KnownFilter {
    /// Only those that have settings of their own.
    pub own: bool,
    /// Part of the channel's name or of its provider's address, or its id. Case is ignored; empty for all.
    pub search: String,
}

/// Which page of them, in which order.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownPage {
    /// The order.
    pub order: KnownOrder,
    /// Whether it is turned round.
    pub backwards: bool,
    /// How many come before the page.
    pub skip: usize,
    /// The most of the page.
    pub limit: u32,
}

/// An order of channels. Those alike are in the order of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KnownOrder {
    /// By the id.
    #[default]
    Id,
    /// By the name.
    Name,
    /// By the provider's address and type.
    Provider,
}

impl KnownPage {
    /// The first of all, by their ids.
    pub fn first(limit: u32) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

impl Store {
    /// A page of the channels that were read since the last run over all of them.
    pub async fn known_channels(
        &self,
        site_id: &str,
        filter: &KnownFilter,
        page: KnownPage,
    ) -> Result<Vec<ChannelHead>, StoreError> {
        let mut query = self.newest(site_id).await?;
        query.push(
            "SELECT run_id, channel_id, channel_name, provider_kind, provider_url, state, \
             CAST(CASE WHEN hold IS NULL THEN 0 ELSE 1 END AS BIGINT) AS held FROM latest c WHERE newest = 1",
        );
        push_filter(&mut query, site_id, filter);
        let turned = if page.backwards { " DESC" } else { "" };
        query.push(" ORDER BY ");
        let columns: &[&str] = match page.order {
            KnownOrder::Id => &[],
            KnownOrder::Name => &["LOWER(c.channel_name)"],
            KnownOrder::Provider => &["c.provider_url", "c.provider_kind"],
        };
        for column in columns {
            query.push(column).push(turned).push(", ");
        }
        query.push("c.channel_id").push(turned);
        query.push(" LIMIT ").push_bind(i64::from(page.limit));
        let skip = i64::try_from(page.skip).unwrap_or(i64::MAX);
        query.push(" OFFSET ").push_bind(skip);
        let rows = query.build().persistent(false);
        let rows = rows.fetch_all(self.readers()).await?;
        rows.iter().map(channel_head).collect()
    }

    /// How many channels are meant.
    pub async fn count_known(
        &self,
        site_id: &str,
        filter: &KnownFilter,
    ) -> Result<u64, StoreError> {
        let mut query = self.newest(site_id).await?;
        query.push("SELECT COUNT(*) AS channels FROM latest c WHERE newest = 1");
        push_filter(&mut query, site_id, filter);
        self.counted(query).await
    }

    /// How many channels the provider has.
    pub async fn count_of_provider(
        &self,
        site_id: &str,
        provider: &Provider,
    ) -> Result<u64, StoreError> {
        let mut query = self.newest(site_id).await?;
        query.push(
            "SELECT COUNT(*) AS channels FROM latest c WHERE newest = 1 AND c.provider_kind = ",
        );
        query.push_bind(provider.kind);
        query.push(" AND c.provider_url = ");
        query.push_bind(provider.base_url.clone());
        self.counted(query).await
    }

    /// The names of these channels by their ids; of those that were not read there is none.
    pub async fn channel_names(
        &self,
        site_id: &str,
        channels: &[i64],
    ) -> Result<BTreeMap<i64, String>, StoreError> {
        let mut names = BTreeMap::new();
        for some in channels.chunks(ROWS_PER_STATEMENT) {
            let mut query = self.newest(site_id).await?;
            query.push("SELECT channel_id, channel_name FROM latest c WHERE newest = 1");
            query.push(" AND c.channel_id IN (");
            let mut ids = query.separated(", ");
            for id in some {
                ids.push_bind(*id);
            }
            query.push(")");
            let rows = query.build().persistent(false);
            for row in &rows.fetch_all(self.readers()).await? {
                let columns = Columns::new(row, "change", "channel_id");
                names.insert(columns.number("channel_id")?, columns.text("channel_name")?);
            }
        }
        Ok(names)
    }

    /// The rows since the last run over all channels, of which the newest of each channel has `newest = 1`.
    async fn newest(&self, site_id: &str) -> Result<QueryBuilder, StoreError> {
        let since = self.last_full_run(site_id).await?.unwrap_or_default();
        self.latest(site_id, &since).await
    }

    async fn counted(&self, query: QueryBuilder) -> Result<u64, StoreError> {
        let query = query.build().persistent(false);
        let row = query.fetch_one(self.readers()).await?;
        Columns::new(&row, "change", "channels").count("channels")
    }
}

fn push_filter(query: &mut QueryBuilder, site_id: &str, filter: &KnownFilter) {
    if filter.own {
        query.push(
            " AND c.channel_id IN (SELECT o.channel_id FROM channel_override o WHERE o.site_id = ",
        );
        query.push_bind(site_id).push(")");
    }
    if filter.search.is_empty() {
        return;
    }
    let part = like(&filter.search);
    query.push(" AND (LOWER(c.channel_name) LIKE ");
    query.push_bind(part.clone());
    query.push(" ESCAPE '\\' OR c.provider_url LIKE ");
    query.push_bind(part);
    query.push(" ESCAPE '\\' OR CAST(c.channel_id AS TEXT) = ");
    query.push_bind(filter.search.clone());
    query.push(")");
}
