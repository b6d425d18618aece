//! Schedules: when runs begin by themselves.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::change::Subject as About;
use lockstep_run::EngineError;
use lockstep_run::schedule::{NotSwitched, Wish, spec, switch_on};
use lockstep_store::schedule::{Mode, Rhythm};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs::Subject;
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::Problem;
use crate::view::schedule::{Form, Told};
use crate::words::en;

/// Both schedules of a site.
#[derive(Debug, Serialize, ToSchema)]
struct Schedules {
    schedules: Vec<Form>,
}

/// How far scheduled runs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HowFar {
    /// They plan, and what they plan waits for somebody.
    Propose,
    /// They write what no guard holds.
    Apply,
}

/// A schedule as it is to be. Either `every_hours`, or `cron` with `zone`; without any, every 6 hours.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleToSet {
    /// Every so many hours, 1 to 24.
    #[schema(minimum = 1, maximum = 24)]
    every_hours: Option<u8>,
    /// A cron line of five fields.
    cron: Option<String>,
    /// The time zone of the cron line, such as `Europe/Berlin`.
    zone: Option<String>,
    /// How far runs go; without it runs about models write, and runs about prices propose.
    mode: Option<HowFar>,
    /// By how many minutes a tick is put off at most: half the time between two, and 60. Without it a tenth of that
    /// time, and 10.
    jitter_minutes: Option<u32>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, set, off))
}

/// Both schedules of a site.
#[utoipa::path(get, path = "/sites/{site}/schedules", tag = "schedules",
    responses((status = 200, body = Schedules), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
) -> Result<Json<Schedules>, Problem> {
    let site = orders::site(&app, &site).await?;
    let mut schedules = Vec::new();
    for subject in [About::Models, About::Prices] {
        let told = Told::of(app.store(), &site.id, subject).await?;
        schedules.push(told.form());
    }
    Ok(Json(Schedules { schedules }))
}

/// One schedule.
#[utoipa::path(get, path = "/sites/{site}/schedules/{subject}", tag = "schedules",
    params(("site" = String, Path), ("subject" = Subject, Path, description = "`models` or `prices`.")),
    responses((status = 200, body = Form), (status = "default", body = Problem)))]
async fn one(
    State(app): State<App>,
    _: Reader,
    Path((site, subject)): Path<(String, Subject)>,
) -> Result<Json<Form>, Problem> {
    let site = orders::site(&app, &site).await?;
    let told = Told::of(app.store(), &site.id, subject.core()).await?;
    Ok(Json(told.form()))
}

/// Switches a schedule on, or changes it. A plan of that site and subject must have been looked at before.
#[utoipa::path(put, path = "/sites/{site}/schedules/{subject}", tag = "schedules", request_body = ScheduleToSet,
    params(("site" = String, Path), ("subject" = Subject, Path, description = "`models` or `prices`.")),
    responses((status = 200, body = Form), (status = "default", body = Problem)))]
async fn set(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((site, subject)): Path<(String, Subject)>,
    Body(wanted): Body<ScheduleToSet>,
) -> Result<Json<Form>, Problem> {
    let site = orders::site(&app, &site).await?;
    let wish = wanted.read()?;
    let (store, by, now) = (app.store(), caller.actor(), app.now());
    switch_on(store, &site, subject.core(), wish, &by, now)
        .await
        .map_err(not_switched)?;
    let form = Told::of(store, &site.id, subject.core()).await?.form();
    let deed = Deed::schedule_set(&form);
    app.note(&caller, Some(&site), &deed).await;
    Ok(Json(form))
}

/// Switches a schedule off. Where it is off already, that is fine.
#[utoipa::path(delete, path = "/sites/{site}/schedules/{subject}", tag = "schedules",
    params(("site" = String, Path), ("subject" = Subject, Path, description = "`models` or `prices`.")),
    responses((status = 204, description = "It is off."), (status = "default", body = Problem)))]
async fn off(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((site, subject)): Path<(String, Subject)>,
) -> Result<StatusCode, Problem> {
    let site = orders::site(&app, &site).await?;
    let subject = subject.core();
    let known = app.store().schedules(Some(&site.id)).await?;
    if known.iter().any(|known| known.subject == subject) {
        let noting = app.noting(&caller, Some(&site), Deed::schedule_off(subject));
        noting.remove_schedule(&site.id, subject).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl ScheduleToSet {
    fn read(self) -> Result<Wish, Problem> {
        let rhythm = match (self.every_hours, self.cron, self.zone) {
            (None, Some(line), Some(zone)) => Rhythm::Cron { line, zone },
            (Some(hours), None, None) => Rhythm::Every { hours },
            (None, None, None) => spec::DEFAULT_RHYTHM,
            _ => {
                return Err(Problem::bad_request(
                    "a schedule has either `every_hours`, or `cron` with `zone`",
                ));
            }
        };
        Ok(Wish {
            rhythm,
            mode: self.mode.map(|mode| match mode {
                HowFar::Propose => Mode::Propose,
                HowFar::Apply => Mode::Apply,
            }),
            jitter: self
                .jitter_minutes
                .map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
        })
    }
}

fn not_switched(error: NotSwitched) -> Problem {
    let hint = en::not_switched(&error);
    let problem = match error {
        NotSwitched::Bad(_) => {
            Problem::new(StatusCode::BAD_REQUEST, "bad_schedule", error.to_string())
        }
        NotSwitched::NotReviewed(_) => {
            Problem::new(StatusCode::CONFLICT, "not_reviewed", error.to_string())
        }
        NotSwitched::NoSource => EngineError::NoSource.into(),
        NotSwitched::Store(error) => return error.into(),
    };
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
