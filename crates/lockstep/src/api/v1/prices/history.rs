//! What a model's price was, run by run, and what a channel's list was.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::extract::{Path, Query};
use crate::api::orders::site;
use crate::server::App;
use crate::server::caller::Reader;
use crate::server::problem::Problem;
use crate::view::json as form;
use crate::view::prices::{self, Money};

/// How many entries are told at most.
const MOST: u32 = 500;

/// Which model, and how far back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OfModel {
    /// The model.
    model: String,
    /// How many values at most: 1 to 500.
    limit: Option<u32>,
}

/// How far back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OfChannel {
    /// How many changes at most: 1 to 500.
    limit: Option<u32>,
}

/// What was written of a model's price, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct PriceHistory {
    /// The model.
    model: String,
    /// The values.
    written: Vec<Written>,
}

/// One value that was written.
#[derive(Debug, Serialize, ToSchema)]
struct Written {
    /// The run.
    run: String,
    /// The field.
    field: &'static str,
    /// What it was: a number or a text; null where there was none.
    old: Option<Value>,
    /// What it became; null where the entry was taken out.
    new: Option<Value>,
    /// The source.
    source: Option<String>,
    /// What the model cost before.
    usd_old: Option<Money>,
    /// What it cost then.
    usd_new: Option<Money>,
    /// When it was written.
    finished_at: Option<String>,
}

/// What became of a channel in each run, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelHistory {
    /// The channel.
    channel_id: i64,
    /// What became of it.
    changes: Vec<ChannelChange>,
}

/// What became of a channel in one run.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelChange {
    /// The run.
    run: String,
    /// The channel's name then.
    channel_name: String,
    /// `success`, `failed`, `held`, `skipped` or `planned`.
    status: &'static str,
    /// Names that came, or would.
    added: Vec<String>,
    /// Names that went, or would.
    removed: Vec<String>,
    /// Why it waits, by code.
    hold: Option<&'static str>,
    /// Why it was left alone, by code.
    skip: Option<&'static str>,
    /// What went wrong, by code.
    error: Option<&'static str>,
    /// When it was read.
    read_at: String,
    /// When its outcome was known.
    finished_at: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(of_model))
        .routes(routes!(of_channel))
}

/// What Lockstep wrote of a model's price, newest first.
#[utoipa::path(get, path = "/sites/{site}/prices/history", tag = "prices", params(OfModel),
    responses((status = 200, body = PriceHistory), (status = "default", body = Problem)))]
async fn of_model(
    State(app): State<App>,
    _: Reader,
    Path(name): Path<String>,
    Query(of): Query<OfModel>,
) -> Result<Json<PriceHistory>, Problem> {
    let site = site(&app, &name).await?;
    let limit = bounded(of.limit)?;
    let rows = app.store().price_writes(&site.id, &of.model, limit).await?;
    let written = rows
        .into_iter()
        .map(|row| Written {
            field: row.field.code(),
            old: row.old.as_ref().map(|text| prices::value(row.field, text)),
            new: row.new.as_ref().map(|text| prices::value(row.field, text)),
            usd_old: row.usd_old.as_ref().map(Money::from),
            usd_new: row.usd_new.as_ref().map(Money::from),
            finished_at: row.finished_at.map(form::time),
            run: row.run_id,
            source: row.source,
        })
        .collect();
    Ok(Json(PriceHistory {
        model: of.model,
        written,
    }))
}

/// What became of a channel in each run, newest first.
#[utoipa::path(get, path = "/sites/{site}/channels/{channel}/history", tag = "channels", params(OfChannel),
    responses((status = 200, body = ChannelHistory), (status = "default", body = Problem)))]
async fn of_channel(
    State(app): State<App>,
    _: Reader,
    Path((name, channel)): Path<(String, i64)>,
    Query(of): Query<OfChannel>,
) -> Result<Json<ChannelHistory>, Problem> {
    let site = site(&app, &name).await?;
    let limit = bounded(of.limit)?;
    let rows = app
        .store()
        .channel_history(&site.id, channel, limit)
        .await?;
    let changes = rows
        .into_iter()
        .map(|row| {
            let lists = form::Lists::of(&row);
            ChannelChange {
                status: row.status().code(),
                added: lists.added,
                removed: lists.removed,
                hold: row.hold.as_ref().map(|reason| reason.code.code()),
                skip: row.skip.as_ref().map(|reason| reason.code.code()),
                error: row.failure.as_ref().map(|failure| failure.kind.code()),
                read_at: form::time(row.read_at),
                finished_at: row.finished_at.map(form::time),
                run: row.run_id,
                channel_name: row.channel_name,
            }
        })
        .collect();
    Ok(Json(ChannelHistory {
        channel_id: channel,
        changes,
    }))
}

fn bounded(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(50) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::bad_request(format!("limit is 1 to {MOST}"))),
    }
}
