//! `GET /api/ratio_sync/channels`: who can be asked for prices.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use lockstep_run::prices::channels::AskableChannel;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Desk, Refusal, answered, slashed, who};
use crate::api::orders::Reached;
use crate::server::App;

/// What New API says where its channels cannot be listed.
pub(super) const NO_LIST: &str = "Failed to retrieve Channel list";

/// The list, as New API frames it.
#[derive(Serialize, ToSchema)]
struct ChannelList {
    /// Whether it is here.
    success: bool,
    /// Blank.
    message: &'static str,
    /// The channels, and the presets at the end.
    data: Vec<SyncChannel>,
}

/// A channel, or a preset, that can be asked for prices.
#[derive(Serialize, ToSchema)]
struct SyncChannel {
    /// The channel's id; -100 and -101 are presets.
    id: i64,
    /// Its name.
    name: String,
    /// The address that it is asked at.
    base_url: String,
    /// 1 enabled, 2 disabled, 3 disabled by the gateway.
    status: i64,
    /// Its type by the gateway's numbers; 0 for a preset.
    #[serde(rename = "type")]
    kind: i64,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    let described = OpenApiRouter::new()
        .routes(routes!(of_the_default))
        .routes(routes!(of_a_site));
    slashed(described, "channels", get(of_the_default), get(of_a_site))
}

/// The channels of the default site that can be asked for prices, and the presets.
#[utoipa::path(
    get,
    path = "/api/ratio_sync/channels",
    tag = "price sync",
    responses((status = 200, body = ChannelList))
)]
async fn of_the_default(
    State(app): State<App>,
    Extension(desk): Extension<Arc<Desk>>,
    request: Request,
) -> Result<Response, Refusal> {
    list(&app, &desk, None, request).await
}

/// The channels of a site that can be asked for prices, and the presets.
#[utoipa::path(
    get,
    path = "/sites/{site}/api/ratio_sync/channels",
    tag = "price sync",
    params(("site" = String, Path, description = "The site's name")),
    responses((status = 200, body = ChannelList))
)]
async fn of_a_site(
    State(app): State<App>,
    Extension(desk): Extension<Arc<Desk>>,
    Path(site): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    list(&app, &desk, Some(&site), request).await
}

async fn list(
    app: &App,
    desk: &Desk,
    site: Option<&str>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let (site, caller) = who::let_in(app, desk, site, &parts).await?;
    let failed = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, NO_LIST);
    let reached = Reached::of(app, site).await.map_err(|problem| {
        tracing::warn!(why = problem.title(), "the channels cannot be listed");
        failed()
    })?;
    let session = reached.session(app, &caller);
    let channels = session
        .askable_channels(reached.settings.max_retries)
        .await
        .map_err(|error| {
            tracing::warn!(%error, "the channels cannot be listed");
            failed()
        })?;
    let list = ChannelList {
        success: true,
        message: "",
        data: channels.into_iter().map(SyncChannel::from).collect(),
    };
    let body = serde_json::to_vec(&list).map_err(|_| failed())?;
    Ok(answered(body.into()))
}

impl From<AskableChannel> for SyncChannel {
    fn from(channel: AskableChannel) -> Self {
        let AskableChannel {
            id,
            name,
            base_url,
            status,
            kind,
        } = channel;
        Self {
            id,
            name,
            base_url,
            status,
            kind,
        }
    }
}
