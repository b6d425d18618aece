//! What a channel, or all channels of a provider, have of their own beside the site's settings.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::channel::Provider as Behind;
use lockstep_core::hold::ReasonCode;
use lockstep_core::models::rule::{Pattern, Rules};
use lockstep_core::settings::Overrides;
use lockstep_store::StoreError;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::look::{ChannelInFull, in_full};
use super::{Address, Scope, address, known, latest};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Reader, Writer};
use crate::server::problem::{Mistake, Problem};

/// What a channel, or all channels of a provider, have of their own beside the site's settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Own {
    /// A policy; `null` for the site's.
    pub(crate) policy: Option<String>,
    /// Names that are always kept, beside the site's.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) keep: Vec<String>,
    /// Exact names; when there are any, no other comes.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) allow: Vec<String>,
    /// Patterns; when there are any, a name must match one.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) include: Vec<String>,
    /// Patterns; a name that matches one does not come.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) exclude: Vec<String>,
    /// Codes of reasons that hold nothing here any more, by the answer "always allow here".
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) always_allowed: Vec<String>,
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

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(set))
        .routes(routes!(providers, set_provider))
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
    let own = own.read()?;
    known(&app, &site, channel).await?;
    set_channel(&app, &caller, &site, channel, &own).await?;
    Ok(Json(in_full(&app, &site, channel).await?))
}

/// Sets what a channel has of its own: all of it.
pub(crate) async fn set_channel(
    app: &App,
    caller: &Caller,
    site: &Site,
    channel: i64,
    own: &Overrides,
) -> Result<(), StoreError> {
    app.store()
        .set_channel_overrides(&site.id, channel, own)
        .await?;
    let deed = Deed::channel_set(channel, own);
    app.note(caller, Some(site), &deed).await;
    Ok(())
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
            StatusCode::NOT_FOUND,
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
    let deed = Deed::provider_set(&change.base_url, change.kind, &own);
    app.note(&caller, Some(&site), &deed).await;
    Ok(Json(all_providers(&app, &site).await?))
}

/// Sets what all channels of a provider have of their own: all of it.
pub(crate) async fn set_provider_own(
    app: &App,
    caller: &Caller,
    site: &Site,
    provider: &Behind,
    own: &Overrides,
) -> Result<(), StoreError> {
    app.store()
        .set_provider_overrides(&site.id, provider, own)
        .await?;
    let deed = Deed::provider_set(&provider.base_url, Some(provider.kind), own);
    app.note(caller, Some(site), &deed).await;
    Ok(())
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

impl Own {
    /// What is stored, as it is told.
    pub(crate) fn of(own: Option<&Overrides>) -> Self {
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
    pub(crate) fn read(self) -> Result<Overrides, Problem> {
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
