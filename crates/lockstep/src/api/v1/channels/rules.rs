//! Rules that are tried before they are set, and hand-edited names that are given back.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use lockstep_core::models::rule::Rules;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::look::{ChannelInFull, in_full};
use super::own::Own;
use super::{RUNS, Scope, known, memory, unread};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Planner, Writer};
use crate::server::problem::{Mistake, Problem};
use crate::view::json as form;

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

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(preview))
        .routes(routes!(release))
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
    give_back(&app, &caller, &site, channel, &release.names).await?;
    Ok(Json(in_full(&app, &site, channel).await?))
}

/// Gives hand-edited names back to the provider: all of them, or with one that is not yours none.
pub(crate) async fn give_back(
    app: &App,
    caller: &Caller,
    site: &Site,
    channel: i64,
    names: &[String],
) -> Result<(), Problem> {
    known(app, site, channel).await?;
    {
        let _alone = app.engine().alone(site).await?;
        let mut memory = memory(app, site, channel).await?;
        let mut mistakes = Vec::new();
        for name in names {
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
    let deed = Deed::names_released(channel, names);
    app.note(caller, Some(site), &deed).await;
    Ok(())
}
