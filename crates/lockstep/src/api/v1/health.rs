//! How all is, in one answer: for whoever watches over Lockstep and may look.

use axum::Json;
use axum::extract::State;
use lockstep_core::change::Subject;
use lockstep_store::notices::OpenNotice;
use lockstep_store::sites::Site as Stored;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::RunHead;
use super::runs;
use crate::server::App;
use crate::server::caller::Reader;
use crate::server::problem::Problem;
use crate::server::tending::Loop;
use crate::view::json::time;
use crate::view::schedule::{Form, Told};

/// How all is. What is of this process alone says so; the rest is in the database, and the same for all that share it.
#[derive(Debug, Serialize, ToSchema)]
struct WholeHealth {
    /// The version that answers.
    version: &'static str,
    /// Whether this process was told to stop.
    stopping: bool,
    database: Database,
    /// What this process does unasked.
    workers: Vec<Working>,
    /// The runs that this process works on.
    running: Vec<UnderWay>,
    sites: Vec<OfSite>,
}

/// The database that answered.
#[derive(Debug, Serialize, ToSchema)]
struct Database {
    /// `sqlite` or `postgres`.
    kind: &'static str,
    /// How long it took to tell all sites, in milliseconds.
    answered_ms: u64,
}

/// Something that this process does again and again.
#[derive(Debug, Serialize, ToSchema)]
struct Working {
    /// `schedules`, which begins scheduled runs; `left_runs`, which goes on with runs whose process is gone; `findings`,
    /// which stores what runs found; `notices`, which sends them.
    name: &'static str,
    /// When it last looked whether there is something to do, RFC 3339; less than a minute ago while all is well, `null`
    /// where it has not begun.
    looked_at: Option<String>,
}

/// A run that is worked on.
#[derive(Debug, Serialize, ToSchema)]
struct UnderWay {
    /// Its id.
    run: String,
    /// The id of its site.
    site: String,
    /// `models` or `prices`.
    subject: &'static str,
}

/// How a site is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthOfSite)]
struct OfSite {
    /// Its id.
    id: String,
    /// Its name; without one it is known by its address only.
    name: Option<String>,
    /// Both schedules, with when their next runs begin.
    schedules: Vec<Form>,
    /// The newest run about model lists and the newest about prices, where there is one.
    last_runs: Vec<RunHead>,
    /// How many channels and models wait for an answer.
    held: u64,
    /// What is wrong now, by subject and kind, as it is known while there is a place for notices;
    /// GET /api/v1/sites/{site}/notices has it in full.
    troubles: Vec<Trouble>,
}

/// What is wrong of one kind.
#[derive(Debug, Serialize, ToSchema)]
struct Trouble {
    /// `models` or `prices`.
    subject: &'static str,
    /// The kind of notice, such as `failed`.
    kind: &'static str,
    /// How many channels, models or sources it is about.
    count: usize,
    /// Since when just this is so; RFC 3339.
    since: String,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health))
}

/// How all is: the database, what is done unasked, and each site with its schedules, newest runs and troubles.
#[utoipa::path(get, path = "/health", tag = "health",
    responses((status = 200, body = WholeHealth), (status = "default", body = Problem)))]
async fn health(State(app): State<App>, _: Reader) -> Result<Json<WholeHealth>, Problem> {
    let begun = Instant::now();
    let stored = app.store().sites().await?;
    let answered = begun.elapsed().as_millis();
    let mut sites = Vec::with_capacity(stored.len());
    for site in stored {
        sites.push(of_site(&app, site).await?);
    }
    let working = |who: Loop| Working {
        name: who.code(),
        looked_at: app.looks().last(who).map(time),
    };
    let under_way = app.jobs().all().into_iter().map(|(run, job)| UnderWay {
        run,
        site: job.site_id,
        subject: job.subject.code(),
    });
    Ok(Json(WholeHealth {
        version: env!("CARGO_PKG_VERSION"),
        stopping: app.stop_token().is_cancelled(),
        database: Database {
            kind: match app.store().path() {
                Some(_) => "sqlite",
                None => "postgres",
            },
            answered_ms: u64::try_from(answered).unwrap_or(u64::MAX),
        },
        workers: Loop::ALL.map(working).into(),
        running: under_way.collect(),
        sites,
    }))
}

async fn of_site(app: &App, site: Stored) -> Result<OfSite, Problem> {
    let store = app.store();
    let (mut schedules, mut last_runs) = (Vec::new(), Vec::new());
    for subject in [Subject::Models, Subject::Prices] {
        schedules.push(Told::of(store, &site.id, subject).await?.form());
        if let Some(run) = store.latest_run(&site.id, subject).await? {
            last_runs.push(runs::head(app, &site, &run.id).await?);
        }
    }
    let held = store.hold_counts(&site.id).await?;
    let troubles = store.open_notices(&site.id).await?;
    Ok(OfSite {
        schedules,
        last_runs,
        held: held.channels + held.models,
        troubles: troubles.iter().map(Trouble::from).collect(),
        id: site.id,
        name: site.name,
    })
}

impl From<&OpenNotice> for Trouble {
    fn from(open: &OpenNotice) -> Self {
        Self {
            subject: open.subject.code(),
            kind: open.kind.code(),
            count: open.findings.len(),
            since: time(open.since),
        }
    }
}
