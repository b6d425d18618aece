//! Sites: the gateways that Lockstep knows.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::server::App;
use crate::server::caller::Reader;
use crate::server::problem::Problem;

/// A gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    /// Its name; without one it is known by its address only.
    name: Option<String>,
    /// The gateway's base address.
    url: String,
    /// The gateway's user id that the token belongs to.
    user_id: String,
    /// Whether it is meant when no site is named.
    is_default: bool,
    /// Whether a token is stored.
    has_token: bool,
}

/// Sites.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sites {
    sites: Vec<Site>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// All sites.
#[utoipa::path(
    get,
    path = "/sites",
    tag = "sites",
    responses((status = 200, body = Sites), (status = "default", body = Problem))
)]
async fn list(State(app): State<App>, _: Reader) -> Result<Json<Sites>, Problem> {
    let sites = app.store().sites().await?;
    Ok(Json(Sites {
        sites: sites.into_iter().map(Site::from).collect(),
    }))
}

impl From<lockstep_store::sites::Site> for Site {
    fn from(site: lockstep_store::sites::Site) -> Self {
        Self {
            name: site.name,
            url: site.url.to_string(),
            user_id: site.user_id,
            is_default: site.is_default,
            has_token: site.has_token,
        }
    }
}
