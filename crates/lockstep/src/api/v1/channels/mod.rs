//! Channels: what is known of them from the latest runs, and what they have of their own.

mod look;
pub(crate) mod own;
pub(crate) mod rules;

use std::collections::{BTreeMap, HashMap};

use axum::http::StatusCode;
use lockstep_core::change::Subject;
use lockstep_core::channel::Provider as Behind;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::Rules;
use lockstep_core::settings::Overrides;
use lockstep_store::changes::ChangeRow;
use lockstep_store::listing::ChannelHead;
use lockstep_store::sites::Site;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::orders;
use crate::server::App;
use crate::server::problem::Problem;

/// So many runs are looked at for channels that the newest ones do not have.
const RUNS: u32 = 50;

/// A provider's address and type.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Address {
    /// The channel type of the gateway.
    #[serde(rename = "type")]
    kind: i64,
    /// The address in lower case; blank for the type's built-in one.
    base_url: String,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(look::routes())
        .merge(own::routes())
        .merge(rules::routes())
}

/// What holds for channels beside what single runs are given.
pub(crate) struct Scope {
    pub(crate) policy: Policy,
    pub(crate) site: Rules,
    pub(crate) providers: BTreeMap<Behind, Overrides>,
    pub(crate) channels: BTreeMap<i64, Overrides>,
}

impl Scope {
    pub(crate) async fn of(app: &App, site: &Site) -> Result<Self, Problem> {
        let settings = orders::settings(app, site, &BTreeMap::new())?.settings;
        Ok(Self {
            policy: settings.policy,
            site: settings.rules,
            providers: app.store().provider_overrides(&site.id).await?,
            channels: app.store().channel_overrides(&site.id).await?,
        })
    }

    /// The policy that holds for a channel.
    pub(crate) fn policy_of(&self, head: &ChannelHead) -> Policy {
        let own = self.channels.get(&head.channel_id);
        let provider = self.providers.get(&head.provider);
        own.and_then(|own| own.policy)
            .or_else(|| provider.and_then(|own| own.policy))
            .unwrap_or(self.policy)
    }
}

/// The channels of the last full run, each with its latest result.
pub(crate) async fn latest(app: &App, site: &Site) -> Result<BTreeMap<i64, ChannelHead>, Problem> {
    let store = app.store();
    let mut latest: BTreeMap<i64, ChannelHead> = BTreeMap::new();
    for (run, _) in store.runs(&site.id, RUNS, None).await? {
        if run.subject != Subject::Models {
            continue;
        }
        for head in store.channel_heads(&run.id, None).await? {
            latest.entry(head.channel_id).or_insert(head);
        }
        if run.selection.is_none() && run.planned_at.is_some() {
            break;
        }
    }
    Ok(latest)
}

/// The latest result of a channel.
pub(crate) async fn known(app: &App, site: &Site, channel: i64) -> Result<ChangeRow, Problem> {
    let history = app.store().channel_history(&site.id, channel, 1).await?;
    history.into_iter().next().ok_or_else(|| unread(channel))
}

/// What is remembered of a channel.
pub(crate) async fn memory(app: &App, site: &Site, channel: i64) -> Result<Memory, Problem> {
    let mut memories: HashMap<_, _> = app.store().memories_of(&site.id, &[channel]).await?;
    Ok(memories.remove(&channel).unwrap_or_default())
}

fn unread(channel: i64) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("no list of channel {channel} was read yet"),
    )
    .hint("A run reads it; GET /api/v1/sites/{site}/channels lists those that were read.")
}

/// An address as providers are told apart by it.
fn address(text: &str) -> String {
    text.trim().trim_end_matches('/').to_lowercase()
}

impl Address {
    fn of(provider: Behind) -> Self {
        Self {
            kind: provider.kind,
            base_url: provider.base_url,
        }
    }
}
