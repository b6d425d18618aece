//! Where a site's prices come from, the preferred first.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::prices::source::{Place, SourceSpec, SourceState};
use lockstep_run::prices::compare::compare;
use lockstep_store::prices::sources::StoredSource;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::SourceReport;
use crate::api::extract::{Body, Path};
use crate::api::orders::{Reached, site};
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Planner, Reader, Writer};
use crate::server::problem::Problem;

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
        let reports = look(&app, &caller, site.clone(), &[text.to_owned()]).await?;
        let bad = reports.iter().find(|report| {
            !SourceState::from_code(&report.state).is_some_and(SourceState::is_believed)
        });
        if let Some(bad) = bad {
            let title = format!(
                "the source is not kept, for its test failed: {}",
                bad.message
            );
            return Err(Problem::new(StatusCode::CONFLICT, "source_failed", title)
                .hint("Send `untested` as true to keep it all the same."));
        }
    }
    let known = match &spec.name {
        Some(name) => name.clone(),
        None => text.split(',').next().unwrap_or(text).to_owned(),
    };
    let store = app.store();
    let stored = store
        .add_source(&site.id, &known, &spec.to_string())
        .await?;
    let deed = Deed::source_added(&stored.name);
    app.note(&caller, Some(&site), &deed).await;
    Ok((StatusCode::CREATED, Json(stored.into())))
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
    let sources = look(&app, &caller, site, &written).await?;
    Ok(Json(Reports { sources }))
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
    app.store().remove_source(&site.id, &source).await?;
    let deed = Deed::source_removed(&source);
    app.note(&caller, Some(&site), &deed).await;
    Ok(StatusCode::NO_CONTENT)
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
    app.store().move_source(&site.id, &source, place).await?;
    let deed = Deed::source_moved(&source, to.position);
    app.note(&caller, Some(&site), &deed).await;
    told(&app, &site).await
}

/// What is typed into a page must not make the server send its own secrets or read its own files: such sources are added
/// where whoever adds them has both already.
fn reaches_no_further(spec: &SourceSpec) -> Result<(), Problem> {
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

async fn look(
    app: &App,
    caller: &Caller,
    site: Site,
    written: &[String],
) -> Result<Vec<SourceReport>, Problem> {
    let reached = Reached::of(app, site).await?;
    let collecting = reached.collecting(written)?;
    let session = reached.session(app, &caller.actor());
    let local = session.local_prices(collecting.max_retries).await?;
    let collected = session.collect(&collecting).await?;
    let reports = tokio::task::spawn_blocking(move || {
        let compared = compare(&local, &collected);
        let sources = compared.sources.iter();
        sources
            .map(|source| SourceReport::from(&source.told()))
            .collect()
    });
    reports.await.map_err(|_| Problem::internal())
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
