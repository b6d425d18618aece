//! Channels: what is known of them from the latest runs, and what they have of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::Json;
use axum::extract::State;
use lockstep_core::change::Subject;
use lockstep_core::channel::Provider as Behind;
use lockstep_core::hold::ReasonCode;
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::{Pattern, Rules};
use lockstep_core::settings::Overrides;
use lockstep_store::changes::ChangeRow;
use lockstep_store::listing::ChannelHead;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deeds;
use super::paging::{Limit, page};
use crate::api::extract::{Body, Path, Query};
use crate::api::orders;
use crate::server::App;
use crate::server::caller::{Planner, Reader, Writer};
use crate::server::problem::{Mistake, Problem};
use crate::view::json as form;

/// So many runs are looked at for channels that the newest ones do not have.
const RUNS: u32 = 50;
/// So many results of a channel are told.
const HISTORY: u32 = 10;

/// What a channel, or all channels of a provider, have of their own beside the site's settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Own {
    /// A policy; `null` for the site's.
    policy: Option<String>,
    /// Names that are always kept, beside the site's.
    #[serde(default)]
    #[schema(required = false)]
    keep: Vec<String>,
    /// Exact names; when there are any, no other comes.
    #[serde(default)]
    #[schema(required = false)]
    allow: Vec<String>,
    /// Patterns; when there are any, a name must match one.
    #[serde(default)]
    #[schema(required = false)]
    include: Vec<String>,
    /// Patterns; a name that matches one does not come.
    #[serde(default)]
    #[schema(required = false)]
    exclude: Vec<String>,
    /// Codes of reasons that hold nothing here any more, by the answer "always allow here".
    #[serde(default)]
    #[schema(required = false)]
    always_allowed: Vec<String>,
}

/// A provider's address and type.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Address {
    /// The channel type of the gateway.
    #[serde(rename = "type")]
    kind: i64,
    /// The address in lower case; blank for the type's built-in one.
    base_url: String,
}

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
struct ChannelInFull {
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

/// Rules to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RulesToTry {
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
}

/// What rules would let pass of the provider's latest list, together with those of the site and the provider.
#[derive(Debug, Serialize, ToSchema)]
struct Tried {
    /// The run that fetched the list.
    run: String,
    /// The provider's names that pass.
    passes: Vec<String>,
    /// Those that do not, and why.
    refused: Vec<Refused>,
    /// Those that pass and that the channel does not have.
    new: Vec<String>,
    /// Names of the channel that are in the provider's list and do not pass.
    loses: Vec<String>,
}

/// A name that does not pass.
#[derive(Debug, Serialize, ToSchema)]
struct Refused {
    name: String,
    /// `not_allowed`, `not_included` or `excluded`.
    why: &'static str,
}

/// Names to give back to the provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Release {
    /// At least one.
    names: Vec<String>,
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

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
struct Provider {
    #[serde(flatten)]
    address: Address,
    /// How many channels it has.
    channels: usize,
    /// What all of them have of their own.
    own: Own,
}

/// Providers.
#[derive(Debug, Serialize, ToSchema)]
struct Providers {
    providers: Vec<Provider>,
}

/// What all channels of a provider are to have of their own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProviderOwn {
    /// The provider's address, as a channel has it.
    base_url: String,
    /// Its channel type; without one, every type at that address is meant.
    #[serde(rename = "type")]
    kind: Option<i64>,
    /// All of what they have.
    own: Own,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, set))
        .routes(routes!(preview))
        .routes(routes!(release))
        .routes(routes!(providers, set_provider))
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

/// Sets what a channel has of its own: all of it, so what is left out is taken away. Plans made before are not written
/// any more.
#[utoipa::path(put, path = "/sites/{site}/channels/{channel}", tag = "channels", request_body = Own,
    responses((status = 200, body = ChannelInFull), (status = "default", body = Problem)))]
async fn set(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((site, channel)): Path<(String, i64)>,
    Body(own): Body<Own>,
) -> Result<Json<ChannelInFull>, Problem> {
    let site = orders::site(&app, &site).await?;
    let data = json!({ "channel": channel, "own": &own });
    let own = own.read()?;
    known(&app, &site, channel).await?;
    app.store()
        .set_channel_overrides(&site.id, channel, &own)
        .await?;
    deeds::note(&app, &caller, Some(&site), "channel_set", &data).await;
    Ok(Json(in_full(&app, &site, channel).await?))
}

/// Tries rules on the provider's latest list. Nothing is stored, and nobody is asked.
#[utoipa::path(post, path = "/sites/{site}/channels/{channel}/preview", tag = "channels", request_body = RulesToTry,
    responses((status = 200, body = Tried), (status = "default", body = Problem)))]
async fn preview(
    State(app): State<App>,
    _: Planner,
    Path((site, channel)): Path<(String, i64)>,
    Body(rules): Body<RulesToTry>,
) -> Result<Json<Tried>, Problem> {
    let site = orders::site(&app, &site).await?;
    let own = Own {
        allow: rules.allow,
        include: rules.include,
        exclude: rules.exclude,
        ..Own::default()
    };
    let own = own.read()?.rules;
    let history = app.store().channel_history(&site.id, channel, RUNS).await?;
    let Some((row, upstream)) = history
        .iter()
        .find_map(|row| row.upstream.as_ref().map(|list| (row, list)))
    else {
        return Err(unread(channel));
    };
    let scope = Scope::of(&app, &site).await?;
    let of_provider = scope.providers.get(&row.provider).map(|own| &own.rules);
    let rules: Vec<&Rules> = [Some(&scope.site), of_provider, Some(&own)]
        .into_iter()
        .flatten()
        .collect();
    let has = form::Lists::now(history.first().unwrap_or(row));
    let had: BTreeSet<&String> = has.iter().collect();
    let mut tried = Tried {
        run: row.run_id.clone(),
        passes: Vec::new(),
        refused: Vec::new(),
        new: Vec::new(),
        loses: Vec::new(),
    };
    for name in upstream {
        match rules.iter().find_map(|rules| rules.refuses(name)) {
            Some(why) => {
                if had.contains(name) {
                    tried.loses.push(name.clone());
                }
                tried.refused.push(Refused {
                    name: name.clone(),
                    why: why.code(),
                });
            }
            None => {
                if !had.contains(name) {
                    tried.new.push(name.clone());
                }
                tried.passes.push(name.clone());
            }
        }
    }
    Ok(Json(tried))
}

/// Gives hand-edited names back to the provider: all of them, or with one that is not yours none.
#[utoipa::path(post, path = "/sites/{site}/channels/{channel}/release", tag = "channels", request_body = Release,
    responses((status = 200, body = ChannelInFull), (status = "default", body = Problem)))]
async fn release(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((site, channel)): Path<(String, i64)>,
    Body(release): Body<Release>,
) -> Result<Json<ChannelInFull>, Problem> {
    let site = orders::site(&app, &site).await?;
    if release.names.is_empty() {
        return Err(
            Problem::bad_request("no name was chosen").hint("Name at least one in `names`.")
        );
    }
    known(&app, &site, channel).await?;
    {
        let _alone = app.engine().alone(&site).await?;
        let mut memory = memory(&app, &site, channel).await?;
        let mut mistakes = Vec::new();
        for name in &release.names {
            if !memory.release(name) {
                mistakes.push(Mistake {
                    field: "names".to_owned(),
                    message: format!("`{name}` is not yours on channel {channel}"),
                });
            }
        }
        if !mistakes.is_empty() {
            return Err(Problem::bad_request("a name was not edited by hand")
                .hint("`yours` of the channel has those that were.")
                .mistakes(mistakes));
        }
        app.store().set_memory(&site.id, channel, &memory).await?;
    }
    let data = json!({ "channel": channel, "names": &release.names });
    deeds::note(&app, &caller, Some(&site), "names_released", &data).await;
    Ok(Json(in_full(&app, &site, channel).await?))
}

/// The providers behind the channels that the latest runs saw.
#[utoipa::path(get, path = "/sites/{site}/providers", tag = "channels",
    responses((status = 200, body = Providers), (status = "default", body = Problem)))]
async fn providers(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
) -> Result<Json<Providers>, Problem> {
    let site = orders::site(&app, &site).await?;
    Ok(Json(all_providers(&app, &site).await?))
}

/// Sets what all channels of a provider have of their own: all of it, so what is left out is taken away.
#[utoipa::path(put, path = "/sites/{site}/providers", tag = "channels", request_body = ProviderOwn,
    responses((status = 200, body = Providers), (status = "default", body = Problem)))]
async fn set_provider(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(site): Path<String>,
    Body(change): Body<ProviderOwn>,
) -> Result<Json<Providers>, Problem> {
    let site = orders::site(&app, &site).await?;
    let data = json!({ "base_url": &change.base_url, "type": change.kind, "own": &change.own });
    let own = change.own.read()?;
    let base_url = address(&change.base_url);
    let seen: BTreeSet<Behind> = latest(&app, &site)
        .await?
        .into_values()
        .map(|head| head.provider)
        .filter(|provider| {
            provider.base_url == base_url && change.kind.is_none_or(|kind| kind == provider.kind)
        })
        .collect();
    if seen.is_empty() {
        return Err(Problem::new(
            axum::http::StatusCode::NOT_FOUND,
            "not_found",
            format!("no channel was read at `{base_url}` yet"),
        )
        .hint("GET /api/v1/sites/{site}/providers lists those that were."));
    }
    for provider in &seen {
        app.store()
            .set_provider_overrides(&site.id, provider, &own)
            .await?;
    }
    deeds::note(&app, &caller, Some(&site), "provider_set", &data).await;
    Ok(Json(all_providers(&app, &site).await?))
}

async fn all_providers(app: &App, site: &Site) -> Result<Providers, Problem> {
    let scope = Scope::of(app, site).await?;
    let mut counts: BTreeMap<Behind, usize> = BTreeMap::new();
    for head in latest(app, site).await?.into_values() {
        *counts.entry(head.provider).or_default() += 1;
    }
    let provider = |(provider, channels): (Behind, usize)| Provider {
        own: Own::of(scope.providers.get(&provider)),
        address: Address::of(provider),
        channels,
    };
    Ok(Providers {
        providers: counts.into_iter().map(provider).collect(),
    })
}

/// What holds for channels beside what single runs are given.
struct Scope {
    policy: Policy,
    site: Rules,
    providers: BTreeMap<Behind, Overrides>,
    channels: BTreeMap<i64, Overrides>,
}

impl Scope {
    async fn of(app: &App, site: &Site) -> Result<Self, Problem> {
        let settings = orders::settings(app, site, &BTreeMap::new())?.settings;
        Ok(Self {
            policy: settings.policy,
            site: settings.rules,
            providers: app.store().provider_overrides(&site.id).await?,
            channels: app.store().channel_overrides(&site.id).await?,
        })
    }

    fn channel(&self, head: ChannelHead) -> Channel {
        let own = self.channels.get(&head.channel_id);
        let provider = self.providers.get(&head.provider);
        let policy = own
            .and_then(|own| own.policy)
            .or_else(|| provider.and_then(|own| own.policy))
            .unwrap_or(self.policy);
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

/// The channels of the last full run, each with its latest result.
async fn latest(app: &App, site: &Site) -> Result<BTreeMap<i64, ChannelHead>, Problem> {
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

async fn known(app: &App, site: &Site, channel: i64) -> Result<ChangeRow, Problem> {
    let history = app.store().channel_history(&site.id, channel, 1).await?;
    history.into_iter().next().ok_or_else(|| unread(channel))
}

async fn memory(
    app: &App,
    site: &Site,
    channel: i64,
) -> Result<lockstep_core::models::memory::Memory, Problem> {
    let mut memories: HashMap<_, _> = app.store().memories_of(&site.id, &[channel]).await?;
    Ok(memories.remove(&channel).unwrap_or_default())
}

async fn in_full(app: &App, site: &Site, channel: i64) -> Result<ChannelInFull, Problem> {
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

fn unread(channel: i64) -> Problem {
    Problem::new(
        axum::http::StatusCode::NOT_FOUND,
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

impl Own {
    fn of(own: Option<&Overrides>) -> Self {
        let Some(own) = own else {
            return Self::default();
        };
        let texts = |patterns: &[Pattern]| {
            let patterns = patterns.iter();
            patterns
                .map(|pattern| pattern.as_str().to_owned())
                .collect()
        };
        Self {
            policy: own.policy.map(|policy| policy.code().to_owned()),
            keep: own.keep.clone(),
            allow: own.rules.allow.clone(),
            include: texts(&own.rules.include),
            exclude: texts(&own.rules.exclude),
            always_allowed: own.allowed.clone(),
        }
    }

    /// What was sent, or every mistake in it.
    fn read(self) -> Result<Overrides, Problem> {
        let mut mistakes = Vec::new();
        let mut wrong = |field: &str, message: String| {
            mistakes.push(Mistake {
                field: field.to_owned(),
                message,
            });
        };
        let policy = self.policy.and_then(|text| {
            lockstep_core::settings::parse_policy(&text)
                .map_err(|error| wrong("policy", error.to_string()))
                .ok()
        });
        let mut patterns = |field: &'static str, texts: &[String]| -> Vec<Pattern> {
            let mut read = Vec::new();
            for text in texts {
                match Pattern::parse(text) {
                    Ok(pattern) => read.push(pattern),
                    Err(error) => wrong(field, error.to_string()),
                }
            }
            read
        };
        let include = patterns("include", &self.include);
        let exclude = patterns("exclude", &self.exclude);
        for code in &self.always_allowed {
            if !ReasonCode::from_code(code).is_some_and(ReasonCode::can_be_allowed) {
                let message = format!("`{code}` is no reason that can be allowed for good");
                wrong("always_allowed", message);
            }
        }
        if !mistakes.is_empty() {
            return Err(
                Problem::bad_request("what a channel has of its own cannot be taken")
                    .hint("`errors` has every mistake.")
                    .mistakes(mistakes),
            );
        }
        let names = |texts: Vec<String>| -> Vec<String> {
            let texts = texts.into_iter().map(|text| text.trim().to_owned());
            texts.filter(|text| !text.is_empty()).collect()
        };
        Ok(Overrides {
            policy,
            keep: names(self.keep),
            rules: Rules {
                allow: names(self.allow),
                include,
                exclude,
            },
            allowed: self.always_allowed,
        })
    }
}
