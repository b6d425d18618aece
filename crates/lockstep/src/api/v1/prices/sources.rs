//! Where a site's prices come from, the preferred first.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use lockstep_core::prices::source::{Place, SourceSpec, SpecEdit};
use lockstep_store::prices::access::SourceEdit;
use lockstep_store::prices::sources::StoredSource;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::SourceReport;
use crate::api::extract::{Body, Path, Query, SecretBody};
use crate::api::orders::site;
use crate::ordering::Asked;
use crate::server::App;
use crate::server::caller::{Caller, Planner, Reader, Writer};
use crate::server::door::LIST;
use crate::server::problem::{Mistake, Problem};
use crate::sourcing::{
    self, BadList, Costs, Looked, Typed, forget, is_believed, keep, look, prefer,
    reaches_no_further,
};
use crate::view::json as form;
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
    /// Whether an access token of that site is stored. The token itself is never answered.
    has_token: bool,
    /// The user of that site whom the token belongs to.
    user_id: Option<String>,
    /// The names of the stored headers. Their values are never answered.
    headers: Vec<String>,
    /// What was uploaded for it; null for a source that is fetched.
    uploaded: Option<Uploaded>,
}

/// An uploaded list.
#[derive(Debug, Serialize, ToSchema)]
struct Uploaded {
    /// When it was uploaded.
    at: String,
    /// How many models it has.
    models: u64,
}

/// The remembered sources, the preferred first.
#[derive(Debug, Serialize, ToSchema)]
struct Sources {
    sources: Vec<Source>,
}

/// A source to remember.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSource {
    /// official, models.dev, litellm, channel:ID or http(s)://HOST, followed by its options.
    source: String,
    /// An access token of that site: the system access token under its Personal Settings, not an sk- key. It is stored
    /// encrypted and never answered. Only an address of your own is sent one.
    #[schema(write_only)]
    token: Option<String>,
    /// The user of that site whom the token belongs to, a number.
    user_id: Option<String>,
    /// Further headers that it is sent. They are stored encrypted, and only their names are answered.
    #[serde(default)]
    #[schema(write_only)]
    headers: BTreeMap<String, String>,
    /// Whether it is kept although the test fails, or is not made.
    #[serde(default)]
    untested: bool,
}

/// What to change of a source; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceChange {
    /// The page to ask for: a path, `openrouter` or an address; an empty text for the usual one.
    endpoint: Option<String>,
    /// The markup, above 0; an empty text for none.
    multiplier: Option<String>,
    /// What one of its dollars costs, above 0; an empty text for none.
    recharge: Option<String>,
    /// The group of the source whose ratio counts; an empty text for none.
    group: Option<String>,
    /// Another access token; an empty text forgets it.
    #[schema(write_only)]
    token: Option<String>,
    /// The user whom the token belongs to, a number; an empty text forgets it.
    user_id: Option<String>,
    /// All further headers.
    #[schema(write_only)]
    headers: Option<BTreeMap<String, String>>,
    /// Whether it is kept although the test with it fails, or is not made. What only changes what its prices cost is never
    /// tested.
    #[serde(default)]
    untested: bool,
}

/// What the prices of an uploaded list are multiplied with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Cost {
    /// The markup, above 0. Looked at when the source is new.
    multiplier: Option<String>,
    /// What one of its dollars costs, above 0. Looked at when the source is new.
    recharge: Option<String>,
    /// The group of the list whose ratio counts. Looked at when the source is new.
    group: Option<String>,
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

/// What came of accepting a list.
#[derive(Debug, Serialize, ToSchema)]
struct AcceptedList {
    /// Whether the list had shrunk, and is the last good one now.
    accepted: bool,
    /// How many models its last good list had; null where there was none.
    models_before: Option<u64>,
    /// The source as it was judged before.
    source: SourceReport,
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
    let uploads = OpenApiRouter::new()
        .routes(routes!(upload))
        .layer(DefaultBodyLimit::max(LIST));
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(test))
        .routes(routes!(change, remove))
        .routes(routes!(place))
        .routes(routes!(accept))
        .merge(uploads)
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
    SecretBody(new): SecretBody<NewSource>,
) -> Result<(StatusCode, Json<Source>), Problem> {
    let site = site(&app, &name).await?;
    let spec: SourceSpec =
        new.source.trim().parse().map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "bad_source", format!("{error}"))
        })?;
    reaches_no_further(&spec)?;
    let typed = Typed {
        token: new.token.as_deref().unwrap_or(""),
        user_id: new.user_id.as_deref().unwrap_or(""),
        headers: sourcing::pairs(&new.headers),
        ..Typed::default()
    };
    let access = sourcing::access(&spec, &typed).map_err(sourcing::wrong)?;
    let kept = sourcing::new(&spec, access);
    let looked = match new.untested {
        true => None,
        false => Some(tried(&app, &caller, &site, Asked::new(&kept)).await?),
    };
    let stored = keep(&app, &caller, &site, kept).await?;
    if let Some(looked) = looked {
        looked.remember().await?;
    }
    Ok((StatusCode::CREATED, Json(stored.into())))
}

/// Changes how a source is asked, what its prices cost, or what lets us into it, once it was tested so.
#[utoipa::path(patch, path = "/sites/{site}/sources/{source}", tag = "prices", request_body = SourceChange,
    responses((status = 200, body = Source), (status = "default", body = Problem)))]
async fn change(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((name, source)): Path<(String, String)>,
    SecretBody(change): SecretBody<SourceChange>,
) -> Result<Json<Source>, Problem> {
    let site = site(&app, &name).await?;
    let source = sourcing::found(&app, &site, &source).await?;
    let edit = edited(&source, &change)?;
    let asked_otherwise = sourcing::is_asked_otherwise(&sourcing::fields(&source, &edit));
    let looked = match change.untested || !asked_otherwise {
        true => None,
        false => {
            let asked = sourcing::changed(app.store(), &source, &edit).await?;
            Some(tried(&app, &caller, &site, asked).await?)
        }
    };
    let stored = sourcing::change(&app, &caller, &site, &source, edit).await?;
    if let Some(looked) = looked {
        looked.remember().await?;
    }
    Ok(Json(stored.into()))
}

/// What a change asks for, or all that is wrong with it.
fn edited(source: &StoredSource, change: &SourceChange) -> Result<SourceEdit, Problem> {
    let spec: SourceSpec = source
        .spec
        .parse()
        .map_err(|error| Problem::new(StatusCode::CONFLICT, "bad_source", format!("{error}")))?;
    let options = SpecEdit {
        endpoint: change.endpoint.as_deref(),
        multiplier: change.multiplier.as_deref(),
        recharge: change.recharge.as_deref(),
        group: change.group.as_deref(),
    };
    let after = spec.edited(&options).map_err(|bad| {
        let mistakes = bad.into_iter().map(|(option, wrong)| Mistake {
            field: option.to_owned(),
            message: wrong.to_string(),
        });
        sourcing::refused(mistakes.collect())
    })?;
    // What stays is looked at too, for it has to go with what comes.
    let typed = Typed {
        token: change.token.as_deref().unwrap_or(""),
        user_id: change.user_id.as_deref().unwrap_or(""),
        headers: change
            .headers
            .as_ref()
            .map(sourcing::pairs)
            .unwrap_or_default(),
        keeps_token: change.token.is_none() && source.has_token,
        keeps_headers: match change.headers {
            Some(_) => &[],
            None => &source.headers,
        },
    };
    let access = sourcing::access(&after, &typed).map_err(sourcing::wrong)?;
    // Of what was given as an empty text there is none.
    let edit = SourceEdit {
        spec: sourcing::respecified(&spec, &after)?,
        token: change.token.as_ref().map(|_| access.token),
        user_id: change.user_id.as_ref().map(|_| access.user_id),
        headers: change.headers.as_ref().map(|_| access.headers),
    };
    if sourcing::fields(source, &edit).is_empty() {
        let hint =
            "Name `endpoint`, `multiplier`, `recharge`, `group`, `token`, `user_id` or `headers`.";
        return Err(Problem::bad_request("nothing is to be changed").hint(hint));
    }
    Ok(edit)
}

/// Refuses a source whose list cannot be believed.
async fn tried(app: &App, caller: &Caller, site: &Site, asked: Asked) -> Result<Looked, Problem> {
    let has_token = asked.has_token();
    let looked = look(app, caller, site.clone(), &[asked]).await?;
    let Some(bad) = looked.told.iter().find(|source| !is_believed(source)) else {
        return Ok(looked);
    };
    let why = match sourcing::refused_token(bad, has_token) {
        true => en::token_refused(bad),
        false => en::source_state(bad),
    };
    let title = format!("the source is not kept, for its test failed: {why}");
    Err(Problem::new(StatusCode::CONFLICT, "source_failed", title)
        .hint("Send `untested` as true to keep it all the same."))
}

/// Uploads a price list, which is the body as it is: a new source of that name, behind the others, or the next list of one
/// that was uploaded before. At most 16 MiB; what is no price list is refused with where it shows.
#[utoipa::path(put, path = "/sites/{site}/sources/{source}/list", tag = "prices", params(Cost),
    request_body(content = String, content_type = "application/json", description = "The price list, in any layout that is read."),
    responses((status = 200, body = Source), (status = 201, body = Source), (status = "default", body = Problem)))]
async fn upload(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((name, source)): Path<(String, String)>,
    Query(cost): Query<Cost>,
    body: Bytes,
) -> Result<(StatusCode, Json<Source>), Problem> {
    let site = site(&app, &name).await?;
    let spec = uploaded(&source, &cost)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_source", format!("{error}")))?;
    let list = sourcing::list(&source, body.into(), app.now()).await;
    let list = list.map_err(bad_list)?;
    let (stored, new) = sourcing::upload(&app, &caller, &site, &spec, Costs::Some, list).await?;
    let status = match new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(stored.into())))
}

/// The source of an uploaded list.
fn uploaded(
    name: &str,
    cost: &Cost,
) -> Result<SourceSpec, lockstep_core::prices::source::BadSource> {
    let place: Place = format!("upload:{name}").parse()?;
    let mut text = SourceSpec::new(place).to_string();
    let given = [
        ("multiplier", &cost.multiplier),
        ("recharge", &cost.recharge),
        ("group", &cost.group),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            text.push_str(&format!(",{key}={}", value.replace(',', ",,")));
        }
    }
    text.parse()
}

/// Why a list is not taken.
fn bad_list(bad: BadList) -> Problem {
    match bad {
        BadList::TooLong => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the list is longer than 16 MiB",
        ),
        BadList::NoText(at) => Problem::new(
            StatusCode::BAD_REQUEST,
            "bad_list",
            format!("the list is no UTF-8 text from byte {at} on"),
        ),
        BadList::Judged(told) => {
            let title = format!("the list is not kept: {}", en::source_state(&told));
            let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_list", title);
            problem.hint("docs/prices.md has the layouts that are read.")
        }
        BadList::Internal => Problem::internal(),
    }
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
    let asked = sourcing::asked(&app, &site, tested.name.as_deref()).await?;
    let asked: Vec<Asked> = asked.into_iter().map(|(_, asked)| asked).collect();
    let looked = look(&app, &caller, site, &asked).await?;
    let told = looked.remember().await?;
    Ok(Json(Reports {
        sources: told.iter().map(SourceReport::from).collect(),
    }))
}

/// Takes a list that has shrunk for good: the source is asked now, and if its list is only too short, later ones are
/// measured by it. Whatever else comes is left as it is.
#[utoipa::path(post, path = "/sites/{site}/sources/{source}/accept", tag = "prices",
    responses((status = 200, body = AcceptedList), (status = "default", body = Problem)))]
async fn accept(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((name, source)): Path<(String, String)>,
) -> Result<Json<AcceptedList>, Problem> {
    let site = site(&app, &name).await?;
    let source = sourcing::found(&app, &site, &source).await?;
    let one = sourcing::accept(&app, &caller, &site, &source).await?;
    Ok(Json(AcceptedList {
        accepted: one.accepted,
        models_before: one.before,
        source: SourceReport::from(&one.source),
    }))
}

/// Forgets a source, with its token and its uploaded list.
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

async fn told(app: &App, site: &Site) -> Result<Json<Sources>, Problem> {
    let sources = app.store().sources(&site.id).await?;
    Ok(Json(Sources {
        sources: sources.into_iter().map(Source::from).collect(),
    }))
}

impl From<StoredSource> for Source {
    fn from(source: StoredSource) -> Self {
        Self {
            name: source.name,
            source: source.spec,
            position: source.position + 1,
            has_token: source.has_token,
            user_id: source.user_id,
            headers: source.headers,
            uploaded: source.uploaded.map(|list| Uploaded {
                at: form::time(list.at),
                models: list.models,
            }),
        }
    }
}
