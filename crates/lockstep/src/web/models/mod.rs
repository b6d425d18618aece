//! The model sync: figures of the last full run, what waits to be applied, and the newest result of each channel.

mod act;
mod detail;
mod files;
mod listing;
mod plan;
mod provider;
mod results;
mod row;

use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::{RunState, Subject};
use lockstep_core::settings::PaceMode;
use lockstep_run::schedule::next_due;
use lockstep_store::listing::RunFilter;
use lockstep_store::runs::Run;
use lockstep_store::schedule::Rhythm;
use lockstep_store::sites::Site;
use lockstep_store::status::RunCounts;

use super::flash::Flash;
use super::frame::{Frame, Here, SayKind};
use super::history;
use super::live::{self, Live};
use super::overview::last_whole;
use super::refusal::{Refusal, html};
use super::table::{Asked, Chip, Column, Named, Shape, Table};
use super::when::Moment;
use super::words::fill;
use crate::server::App;
use crate::server::problem::Problem;
use crate::words::Label;
use listing::Found;
use plan::Plan;
use row::Row;

pub(super) use act::{answer, apply, run};
pub(super) use detail::Detail;
pub(super) use files::files;
pub(super) use listing::Listings;
pub(super) use provider::set_policy;
pub(super) use row::{badge, message};

/// How many runs are looked at for the last full one.
const RUNS: u32 = 30;

/// What the table can be asked.
static TABLE: Shape = Shape {
    chips: &[
        "all", "success", "failed", "changed", "held", "skipped", "planned",
    ],
    sorts: &["id", "status", "name", "http", "attempts", "finished"],
    groups: &["provider"],
    filters: &[],
    keeps: &["open"],
};
#[derive(Template)]
#[template(path = "models.html")]
struct ModelsPage {
    f: Frame,
    table: Table,
    rows: Vec<Row>,
    /// The policies that can be chosen for a provider, each by its code.
    policies: Vec<(&'static str, Label)>,
    /// What a provider without a policy of its own has.
    as_site: String,
    figures: Option<Figures>,
    live: Option<Live>,
    plan: Option<Plan>,
    /// Of how many channels the newest result is a failure.
    failed: u64,
    /// What runs by itself, and the pace.
    about: Vec<String>,
    /// What stands in the way of any run.
    missing: Option<String>,
    /// Whether the gateway is being asked for its channels.
    asking: bool,
    /// Whether nothing was ever written to this gateway.
    first: bool,
}

/// The figures of all channels, as the table below has them, and of the last full run.
struct Figures {
    /// The run in full.
    href: String,
    counts: RunCounts,
    /// How many channels wait for an answer.
    waiting: u64,
    took: String,
    started: Moment,
    ended: Option<Moment>,
    next: Option<Moment>,
}

impl ModelsPage {
    /// Whether nothing can be begun now.
    fn busy(&self) -> bool {
        self.live.is_some() || self.missing.is_some()
    }

    fn changed(&self, figures: &Figures) -> String {
        let words = &self.f.t.models.changed_count;
        fill(words, &[("n", &figures.counts.changed)])
    }

    fn run_selected(&self) -> String {
        let words = &self.f.t.models;
        match self.table.picked() {
            0 => words.run_selected.clone(),
            n => fill(&words.run_selected_count, &[("n", &n)]),
        }
    }

    fn select(&self, row: &Row) -> String {
        let words = &self.f.t.models.select_channel;
        fill(words, &[("id", &row.id)])
    }

    /// What a channel's list was over time.
    fn over_time(&self, id: &i64) -> String {
        history::list_at(&self.f, *id)
    }

    fn act(&self, last: &str) -> String {
        format!("{}/{last}", self.table.asked.path())
    }
}

/// `GET /sites/{site}/models`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    Extension(listings): Extension<Listings>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let path = f.href(Here::Models);
    let asked = Asked::of_query(&TABLE, &path, &query.unwrap_or_default());
    if let Some(to) = asked.moved() {
        return Ok(Redirect::to(&to).into_response());
    }
    page(&app, f, &listings, asked).await
}

/// The page with what stands in the way of what was asked for.
async fn refused(
    app: &App,
    mut f: Frame,
    listings: &Listings,
    asked: Asked,
    problem: &Problem,
) -> Result<Response, Refusal> {
    f.trouble(problem.words(f.lang));
    f.path = asked.href();
    let status = match problem.status() {
        StatusCode::INTERNAL_SERVER_ERROR => return Err(problem.clone().into()),
        status => status,
    };
    Ok((status, page(app, f, listings, asked).await?).into_response())
}

async fn page(
    app: &App,
    f: Frame,
    listings: &Listings,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    let mut f = f.at(Here::Models);
    let site = f.site()?.clone();
    let store = app.store();
    // First: what a run that ends meanwhile has brought is in the rows, or else there is a bar that asks for them.
    let live = live::under_way(app, &f, &site, asked.path()).await?;
    let found = results::page(app, &f, &site, listings, &asked).await?;
    let here: Vec<String> = found.ids.iter().map(|(id, _)| id.to_string()).collect();
    if asked.takes_all(found.total) {
        let all = results::all_that_match(app, f.lang, &site, listings, &asked).await?;
        asked.take_all(all.iter().map(i64::to_string));
    }
    if let Some(to) = asked.settle(&here, found.total) {
        return Ok(Redirect::to(&to).into_response());
    }
    let rows = row::rows(app, &f, &site, &asked, &found.ids).await?;
    let waiting = store.hold_counts(&site.id).await?.channels;
    let filter = RunFilter {
        subject: Some(Subject::Models),
        ..RunFilter::default()
    };
    let runs = store.runs_where(&site.id, &filter, RUNS).await?;
    let newest = runs.first().filter(|_| live.is_none());
    if live.is_none() {
        f.unsay(Flash::Cancelling);
    }
    if let Some((_, counts)) = newest.filter(|(run, _)| run.state == RunState::Cancelled) {
        let said = fill(&f.t.models.was_cancelled, &[("n", &counts.total)]);
        f.say(SayKind::Waits, said, None);
    }
    if let Some(failure) = newest.and_then(|(run, _)| run.failure.as_ref()) {
        f.trouble(f.lang.failure(failure));
    }
    let missing = f.missing(app, &site).await;
    if let (Some(Found::Failed(problem)), None) = (&found.listing, &missing) {
        f.trouble(problem.words(f.lang));
    }
    let schedules = store.schedules(Some(&site.id)).await?;
    let schedule = schedules.iter().find(|one| one.subject == Subject::Models);
    let next = schedule.and_then(next_due);
    let next = next.map(|at| Moment::new(at, app.now(), f.lang));
    let about = about(app, &f, &site, schedule.map(|one| &one.plan.rhythm));
    let policies = lockstep_core::models::policy::Policy::ALL;
    let policies = policies.iter().map(|one| (one.code(), f.lang.policy(*one)));
    let mut plan = newest.and_then(|(run, counts)| Plan::of(app, &f, run, *counts));
    if let Some(plan) = &mut plan {
        plan.choose(app, &f, &site, listings, &asked).await?;
    }
    let page = ModelsPage {
        figures: last_whole(&runs).map(|(run, _)| Figures {
            waiting,
            ..figures(app, &f, run, found.counts, next)
        }),
        plan,
        failed: found.counts.failed,
        asking: matches!(found.listing, Some(Found::Asking)),
        first: !site.first_write_done,
        policies: policies.collect(),
        as_site: as_site(app, &f, &site),
        table: table(&f, asked, here, &found),
        rows,
        live,
        about,
        missing,
        f,
    };
    Ok(html(&page))
}

fn figures(app: &App, f: &Frame, run: &Run, counts: RunCounts, next: Option<Moment>) -> Figures {
    let end = run.ended_at.or(run.planned_at);
    let moment = |at| Moment::new(at, app.now(), f.lang);
    Figures {
        href: history::run_at(f, &run.id),
        counts,
        waiting: 0,
        took: f.lang.duration(run.took().unwrap_or_default()),
        started: moment(run.started_at),
        ended: end.map(moment),
        next,
    }
}

/// What runs by itself, and at which pace.
fn about(app: &App, f: &Frame, site: &Site, rhythm: Option<&Rhythm>) -> Vec<String> {
    let t = &f.t.models;
    let rhythm = match rhythm {
        None => t.auto_sync_off.clone(),
        Some(Rhythm::Every { hours }) => {
            let hours = u64::from(*hours);
            let time = f.lang.duration(Duration::from_secs(hours * 3600));
            fill(&t.auto_sync_on, &[("time", &time)])
        }
        Some(Rhythm::Cron { line, .. }) => fill(&t.auto_sync_cron, &[("line", line)]),
    };
    let mut about = vec![rhythm];
    if let Ok(chosen) = app.ordering().chosen(site) {
        let settings = chosen.settings;
        about.push(match settings.pace {
            PaceMode::Fixed => fill(
                &t.pace_fixed,
                &[
                    ("rate", &settings.requests_per_minute),
                    ("burst", &settings.burst),
                ],
            ),
            PaceMode::Auto | PaceMode::Unlimited => t.pace_auto.clone(),
        });
    }
    about
}

fn as_site(app: &App, f: &Frame, site: &Site) -> String {
    let chosen = app.ordering().chosen(site);
    let policy = chosen.map(|chosen| chosen.settings.policy);
    let policy = policy.map_or("", |policy| f.lang.policy(policy).label);
    fill(&f.t.channels.as_site, &[("policy", &policy)])
}

fn table(f: &Frame, asked: Asked, here: Vec<String>, found: &results::Page) -> Table {
    let t = &f.t.models;
    let counts = found.counts;
    let mut chips = vec![
        Chip::new("all", &t.chip_all, found.all),
        Chip::new("success", &t.chip_success, counts.success),
        Chip::new("failed", &t.chip_failed, counts.failed),
        Chip::new("changed", &t.chip_changed, counts.changed),
        Chip::new("held", &t.chip_held, counts.held),
        Chip::new("skipped", &t.chip_skipped, counts.skipped),
    ];
    if counts.planned > 0 || asked.chip == "planned" {
        chips.push(Chip::new("planned", &t.chip_planned, counts.planned));
    }
    let empty = match &found.listing {
        Some(Found::Asking) => (t.asking.clone(), t.asking_hint.clone()),
        Some(Found::Failed(_)) => (t.empty.clone(), t.asking_failed.clone()),
        _ => (t.no_channels.clone(), t.no_channels_hint.clone()),
    };
    Table {
        t: f.t,
        label: t.title.clone(),
        search: Some(t.search.clone()),
        chips,
        filters: Vec::new(),
        groups: vec![
            Named::new("", &t.flat),
            Named::new("provider", &t.by_provider),
        ],
        columns: vec![
            Column::new(&t.col_status, Some("status")),
            Column::num(&t.col_id, Some("id")),
            Column::new(&t.col_name, Some("name")),
            Column::new(&t.col_change, None),
            Column::num(&t.col_http, Some("http")).meaning(&t.http_hint),
            Column::new(&t.col_message, None),
            Column::num(&t.col_attempts, Some("attempts")).meaning(&t.attempts_hint),
            Column::new(&t.col_finished, Some("finished")),
            Column::new(&t.col_actions, None),
        ],
        chooses: true,
        here,
        total: found.total,
        exports: Some(asked.files()),
        empty,
        also: "",
        asked,
    }
}
