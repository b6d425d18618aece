//! Channels as the latest runs saw them.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use lockstep_store::changes::ChangeRow;
use lockstep_store::listing::ChannelHead;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::own::Own;
use super::{Address, Scope, address, latest, memory, unread};
use crate::api::extract::{Path, Query};
use crate::api::orders;
use crate::api::v1::paging::{Limit, page};
use crate::server::App;
use crate::server::caller::Reader;
use crate::server::problem::Problem;
use crate::view::json as form;

/// So many results of a channel are told.
const HISTORY: u32 = 10;

/// A channel as it was last read.
#[derive(Debug, Serialize, ToSchema)]
struct Channel {
    id: i64,
    name: String,
    provider: Address,
    /// The policy that holds for it.
    policy: &'static str,
    /// What it has of its own.
    own: Own,
    /// The status in the latest run that had it: `success`, `failed`, `held`, `skipped` or `planned`.
    status: &'static str,
    /// That run.
    run: String,
}

/// Channels.
#[derive(Debug, Serialize, ToSchema)]
struct Channels {
    channels: Vec<Channel>,
    /// How many there are on all pages.
    total: usize,
    /// The cursor of the next page; `null` on the last.
    next: Option<String>,
}

/// A channel in full.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelInFull {
    #[serde(flatten)]
    channel: Channel,
    /// What its provider has of its own.
    provider_own: Own,
    /// The names that it has, as last read or written.
    models: Vec<String>,
    /// The provider's names as last fetched; `null` where the latest run could not.
    upstream_models: Option<Vec<String>>,
    /// What was edited by hand and therefore stays.
    yours: Yours,
    /// The latest results, newest first.
    history: Vec<Result_>,
}

/// Hand edits.
#[derive(Debug, Serialize, ToSchema)]
struct Yours {
    /// Names added by hand, which stay.
    added: BTreeSet<String>,
    /// Names taken out by hand, which stay out.
    taken_out: BTreeSet<String>,
}

/// What one run did to a channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChannelResult)]
struct Result_ {
    run: String,
    /// `success`, `failed`, `held`, `skipped` or `planned`.
    status: &'static str,
    added: Vec<String>,
    removed: Vec<String>,
    /// When it was read, or its write ended; RFC 3339.
    finished_at: Option<String>,
}

/// Which channels are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Part of the channel's name, id or provider address. Case is ignored.
    search: Option<String>,
    /// Only those with this status: `success`, `failed`, `held`, `skipped` or `planned`.
    status: Option<String>,
    /// Only those with this policy.
    policy: Option<String>,
    /// Only those of the provider at this address.
    provider: Option<String>,
    /// Entries of a page: 1 to 500, else 50.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    limit: Limit,
    /// `next` of the page before.
    cursor: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
}

/// The channels that the latest runs saw.
#[utoipa::path(get, path = "/sites/{site}/channels", tag = "channels", params(Wanted),
    responses((status = 200, body = Channels), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Channels>, Problem> {
    let site = orders::site(&app, &site).await?;
    let scope = Scope::of(&app, &site).await?;
    let text = wanted.search.as_deref().unwrap_or("").to_lowercase();
    let provider = wanted.provider.as_deref().map(address);
    let fits = |channel: &Channel| {
        let named = channel.name.to_lowercase().contains(&text)
            || channel.provider.base_url.contains(&text)
            || channel.id.to_string() == text;
        named
            && wanted
                .status
                .as_deref()
                .is_none_or(|status| status == channel.status)
            && wanted
                .policy
                .as_deref()
                .is_none_or(|policy| policy == channel.policy)
            && provider
                .as_ref()
                .is_none_or(|provider| *provider == channel.provider.base_url)
    };
    let mut channels: Vec<Channel> = latest(&app, &site)
        .await?
        .into_values()
        .map(|head| scope.channel(head))
        .collect();
    channels.retain(fits);
    let total = channels.len();
    let (channels, next) = page(channels, wanted.cursor.as_deref(), wanted.limit)?;
    Ok(Json(Channels {
        channels,
        total,
        next,
    }))
}

/// One channel with its names, its hand edits and its latest results.
#[utoipa::path(get, path = "/sites/{site}/channels/{channel}", tag = "channels",
    responses((status = 200, body = ChannelInFull), (status = "default", body = Problem)))]
async fn one(
    State(app): State<App>,
    _: Reader,
    Path((site, channel)): Path<(String, i64)>,
) -> Result<Json<ChannelInFull>, Problem> {
    let site = orders::site(&app, &site).await?;
    Ok(Json(in_full(&app, &site, channel).await?))
}

pub(super) async fn in_full(
    app: &App,
    site: &Site,
    channel: i64,
) -> Result<ChannelInFull, Problem> {
    let history = app
        .store()
        .channel_history(&site.id, channel, HISTORY)
        .await?;
    let Some(row) = history.first() else {
        return Err(unread(channel));
    };
    let scope = Scope::of(app, site).await?;
    let memory = memory(app, site, channel).await?;
    let head = ChannelHead {
        run_id: row.run_id.clone(),
        channel_id: channel,
        channel_name: row.channel_name.clone(),
        provider: row.provider.clone(),
        status: row.status(),
    };
    let result = |row: &ChangeRow| {
        let lists = form::Lists::of(row);
        Result_ {
            run: row.run_id.clone(),
            status: row.status().code(),
            added: lists.added,
            removed: lists.removed,
            finished_at: row.finished_at.map(form::time),
        }
    };
    Ok(ChannelInFull {
        provider_own: Own::of(scope.providers.get(&row.provider)),
        channel: scope.channel(head),
        models: form::Lists::now(row),
        upstream_models: row.upstream.clone(),
        yours: Yours {
            added: memory.yours,
            taken_out: memory.taken_out,
        },
        history: history.iter().map(result).collect(),
    })
}

impl Scope {
    fn channel(&self, head: ChannelHead) -> Channel {
        let own = self.channels.get(&head.channel_id);
        let policy = self.policy_of(&head);
        Channel {
            id: head.channel_id,
            name: head.channel_name,
            policy: policy.code(),
            own: Own::of(own),
            provider: Address::of(head.provider),
            status: head.status.code(),
            run: head.run_id,
        }
    }
}
