//! Where a site's prices come from, the preferred first.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::prices::source::{Place, SourceSpec, SourceState};
use lockstep_run::prices::compare::compare;
use lockstep_store::StoreError;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::StoredSource;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::SourceReport;
use super::differences::kept::of_prices;
use crate::api::extract::{Body, Path};
use crate::api::orders::{Reached, site};
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Planner, Reader, Writer};
use crate::server::problem::Problem;
use crate::words::en;

/// A source that is remembered.
#[derive(Debug, Serialize, ToSchema)]
struct Source {
    /// Its name.
    name: String,
    /// What it is, as it was written.
    source: String,
    /// Its place in the order of preference, from 1.
    position: u32,
}

/// The remembered sources, the preferred first.
#[derive(Debug, Serialize, ToSchema)]
struct Sources {
    sources: Vec<Source>,
}

/// A source to remember.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSource {
    /// official, models.dev, litellm, channel:ID or http(s)://HOST, followed by its options.
    source: String,
    /// Whether it is kept although the test fails, or is not made.
    #[serde(default)]
    untested: bool,
}

/// Which sources are tested.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Tested {
    /// Its name; without one all are tested.
    name: Option<String>,
}

/// How the sources stand.
#[derive(Debug, Serialize, ToSchema)]
struct Reports {
    sources: Vec<SourceReport>,
}

/// A place in the order of preference.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Position {
    /// From 1; a place behind the last is the last.
    #[schema(minimum = 1)]
    position: u32,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(test))
        .routes(routes!(remove))
        .routes(routes!(place))
}

/// The site's sources.
#[utoipa::path(get, path = "/sites/{site}/sources", tag = "prices",
    responses((status = 200, body = Sources), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    _: Reader,
    Path(name): Path<String>,
) -> Result<Json<Sources>, Problem> {
    told(&app, &site(&app, &name).await?).await
}

/// Remembers a source behind the others, once it was tested.
#[utoipa::path(post, path = "/sites/{site}/sources", tag = "prices", request_body = NewSource,
    responses((status = 201, body = Source), (status = "default", body = Problem)))]
async fn add(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(name): Path<String>,
    Body(new): Body<NewSource>,
) -> Result<(StatusCode, Json<Source>), Problem> {
    let site = site(&app, &name).await?;
    let text = new.source.trim();
    let spec: SourceSpec = text
        .parse()
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_source", format!("{error}")))?;
    reaches_no_further(&spec)?;
    if !new.untested {
        let told = look(&app, &caller, site.clone(), &[text.to_owned()]).await?;
        if let Some(bad) = told.iter().find(|source| !is_believed(source)) {
            let title = format!(
                "the source is not kept, for its test failed: {}",
                en::source_state(bad)
            );
            return Err(Problem::new(StatusCode::CONFLICT, "source_failed", title)
                .hint("Send `untested` as true to keep it all the same."));
        }
    }
    let stored = keep(&app, &caller, &site, &spec).await?;
    Ok((StatusCode::CREATED, Json(stored.into())))
}

/// Whether the source's list is one that can be believed.
pub(crate) fn is_believed(source: &RunSource) -> bool {
    SourceState::from_code(&source.state).is_some_and(SourceState::is_believed)
}

/// Remembers a source behind the others.
pub(crate) async fn keep(
    app: &App,
    caller: &Caller,
    site: &Site,
    spec: &SourceSpec,
) -> Result<StoredSource, StoreError> {
    let text = spec.to_string();
    let known = match &spec.name {
        Some(name) => name.clone(),
        None => text.split(',').next().unwrap_or(&text).to_owned(),
    };
    let stored = app.store().add_source(&site.id, &known, &text).await?;
    let deed = Deed::source_added(&stored.name);
    app.note(caller, Some(site), &deed).await;
    Ok(stored)
}

/// Fetches the remembered sources, or one, and tells how far each can be trusted.
#[utoipa::path(post, path = "/sites/{site}/sources/test", tag = "prices", request_body = Tested,
    responses((status = 200, body = Reports), (status = "default", body = Problem)))]
async fn test(
    State(app): State<App>,
    Planner(caller): Planner,
    Path(name): Path<String>,
    Body(tested): Body<Tested>,
) -> Result<Json<Reports>, Problem> {
    let site = site(&app, &name).await?;
    let stored = app.store().sources(&site.id).await?;
    let wanted =
        |source: &StoredSource| tested.name.as_ref().is_none_or(|name| source.name == *name);
    let written: Vec<String> = stored
        .into_iter()
        .filter(wanted)
        .map(|source| source.spec)
        .collect();
    if written.is_empty() {
        return Err(Problem::not_found("source")
            .hint("GET /api/v1/sites/{site}/sources lists those that are remembered."));
    }
    let told = look(&app, &caller, site, &written).await?;
    Ok(Json(Reports {
        sources: told.iter().map(SourceReport::from).collect(),
    }))
}

/// Forgets a source.
#[utoipa::path(delete, path = "/sites/{site}/sources/{source}", tag = "prices",
    responses((status = 204), (status = "default", body = Problem)))]
async fn remove(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((name, source)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let site = site(&app, &name).await?;
    forget(&app, &caller, &site, &source).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a source.
pub(crate) async fn forget(
    app: &App,
    caller: &Caller,
    site: &Site,
    source: &str,
) -> Result<(), StoreError> {
    app.store().remove_source(&site.id, source).await?;
    let deed = Deed::source_removed(source);
    app.note(caller, Some(site), &deed).await;
    Ok(())
}

/// Moves a source in the order of preference.
#[utoipa::path(put, path = "/sites/{site}/sources/{source}/position", tag = "prices", request_body = Position,
    responses((status = 200, body = Sources), (status = "default", body = Problem)))]
async fn place(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((name, source)): Path<(String, String)>,
    Body(to): Body<Position>,
) -> Result<Json<Sources>, Problem> {
    let site = site(&app, &name).await?;
    let place = to
        .position
        .checked_sub(1)
        .ok_or_else(|| Problem::bad_request("the first position is 1"))?;
    prefer(&app, &caller, &site, &source, place).await?;
    told(&app, &site).await
}

/// Moves a source in the order of preference, 0 being the first place.
pub(crate) async fn prefer(
    app: &App,
    caller: &Caller,
    site: &Site,
    source: &str,
    place: u32,
) -> Result<(), StoreError> {
    app.store().move_source(&site.id, source, place).await?;
    let deed = Deed::source_moved(source, place + 1);
    app.note(caller, Some(site), &deed).await;
    Ok(())
}

/// What is typed into a page must not make the server send its own secrets or read its own files: such sources are added
/// where whoever adds them has both already.
pub(crate) fn reaches_no_further(spec: &SourceSpec) -> Result<(), Problem> {
    let what = match spec {
        SourceSpec {
            place: Place::File(_),
            ..
        } => "a file of this machine",
        SourceSpec {
            token_env: Some(_), ..
        } => "token-env=",
        SourceSpec { headers, .. } if !headers.is_empty() => "header=",
        _ => return Ok(()),
    };
    let title = format!("a source with {what} is not added over HTTP");
    Err(Problem::new(StatusCode::FORBIDDEN, "source_reaches_in", title)
        .hint("`lockstep site source add` on the server's machine adds it; it is used here then like any other."))
}

async fn told(app: &App, site: &Site) -> Result<Json<Sources>, Problem> {
    let sources = app.store().sources(&site.id).await?;
    Ok(Json(Sources {
        sources: sources.into_iter().map(Source::from).collect(),
    }))
}

/// Fetches sources as they are written, and tells how far each can be trusted.
pub(crate) async fn look(
    app: &App,
    caller: &Caller,
    site: Site,
    written: &[String],
) -> Result<Vec<RunSource>, Problem> {
    let reached = Reached::of(app, site).await?;
    let collecting = reached.collecting(written)?;
    let session = reached.session(app, &caller.actor());
    let local = session.local_prices(collecting.max_retries).await;
    let local = local.map_err(of_prices)?;
    let collected = session.collect(&collecting).await?;
    let judged = tokio::task::spawn_blocking(move || {
        let compared = compare(&local, &collected);
        let told: Vec<RunSource> = compared
            .sources
            .iter()
            .map(|source| source.told())
            .collect();
        let good = compared.good();
        drop(compared);
        (told, good, collected)
    });
    let (told, good, collected) = judged.await.map_err(|_| Problem::internal())?;
    // A list that came is worth keeping: whoever looks at prices next need not wait for it.
    for (place, models) in good {
        if let Some(source) = collected.get(place) {
            session.keep_copy(source, models).await?;
        }
    }
    Ok(told)
}

impl From<StoredSource> for Source {
    fn from(source: StoredSource) -> Self {
        Self {
            name: source.name,
            source: source.spec,
            position: source.position + 1,
        }
    }
}
