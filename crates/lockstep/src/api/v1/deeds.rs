//! Deeds: who did what beside runs.

use axum::Json;
use axum::extract::State;
use lockstep_store::deeds::DeedFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::Limit;
use crate::api::extract::Query;
use crate::api::orders;
use crate::server::App;
use crate::server::caller::Reader;
use crate::server::problem::Problem;
use crate::view::json::time;

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
struct Deed {
    /// Its id; later ones are greater.
    id: String,
    /// When; RFC 3339.
    at: String,
    /// Who.
    actor: String,
    /// What, as a code such as `settings_changed`.
    kind: String,
    /// The id of the site that it is about; `null` where it is about none.
    site: Option<String>,
    /// What belongs to it, by its kind. Never a secret.
    #[schema(value_type = Object)]
    data: Value,
}

/// Deeds, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct Deeds {
    deeds: Vec<Deed>,
    /// The cursor of the next page; `null` on the last.
    next: Option<String>,
}

/// Which deeds are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those about this site, by its name or id.
    site: Option<String>,
    /// Only those of this kind.
    kind: Option<String>,
    /// Entries of a page: 1 to 500, else 50.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    limit: Limit,
    /// `next` of the page before.
    cursor: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Who did what, newest first. Runs tell themselves who started and approved them.
#[utoipa::path(get, path = "/deeds", tag = "deeds", params(Wanted),
    responses((status = 200, body = Deeds), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    _: Reader,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Deeds>, Problem> {
    let site = match &wanted.site {
        Some(name) => Some(orders::site(&app, name).await?.id),
        None => None,
    };
    let filter = DeedFilter {
        site_id: site,
        kind: wanted.kind,
        before: wanted.cursor,
    };
    let count = wanted.limit.count();
    // One more than asked for tells whether there is a next page.
    let mut found = app.store().deeds(&filter, count.saturating_add(1)).await?;
    let more = found.len() > count as usize;
    found.truncate(count as usize);
    let next = found.last().filter(|_| more).map(|deed| deed.id.clone());
    let deed = |deed: lockstep_store::deeds::Deed| Deed {
        id: deed.id,
        at: time(deed.at),
        actor: deed.actor,
        kind: deed.kind,
        site: deed.site_id,
        data: deed.data,
    };
    Ok(Json(Deeds {
        deeds: found.into_iter().map(deed).collect(),
        next,
    }))
}
