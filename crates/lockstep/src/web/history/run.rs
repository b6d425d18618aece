//! One run in full: who had it done, what it changed, what happened, and the way back.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::{RunState, Subject};
use lockstep_run::PLAN_AGE;
use lockstep_run::stays::Stays;
use lockstep_store::prices::standing::Standing;
use lockstep_store::runs::Run;
use lockstep_store::status::RunCounts;

use super::about::About;
use super::items::{self, Rows, SHAPE};
use super::list::badge;
use super::run_at;
use crate::server::App;
use crate::server::caller::Scope;
use crate::server::problem::Problem;
use crate::view::table::short;
use crate::web::frame::{Frame, Here};
use crate::web::live::{self, Live};
use crate::web::place;
use crate::web::prices::{exports_of, led_to, standing};
use crate::web::refusal::{Refusal, html};
use crate::web::table::{Asked, Chip, Column, Table};
use crate::web::words::{count, fill};
use crate::words::Said;

/// What takes a run back.
const UNDO: &str = "undo";

#[derive(Template)]
#[template(path = "history_run.html")]
struct RunPage {
    f: Frame,
    base: String,
    title: String,
    badge: &'static str,
    state: &'static str,
    counts: RunCounts,
    /// What was left as it is: its word and how many.
    left: (&'static str, u64),
    about: About,
    failure: Option<Said>,
    conflicts: Vec<String>,
    live: Option<Live>,
    /// What an undo that is not written yet would change.
    plan: Option<Plan>,
    /// Where a plan is reviewed that is no undo, or a run of prices.
    review: Option<String>,
    /// Whether it can be taken back.
    undo: bool,
    /// Why a run that is over offers no way back.
    no_undo: Option<&'static str>,
    table: Table,
    rows: Rows,
}

/// An undo that waits for a yes.
struct Plan {
    digest: String,
    /// The words of the button; `None` where there is nothing to write, or the plan is too old.
    apply: Option<String>,
    /// What cannot be undone, and where that is shown with its reasons.
    cannot: Option<(u64, String)>,
}

impl RunPage {
    fn undo_chosen(&self) -> String {
        fill(
            &self.f.t.history.undo_chosen,
            &[("n", &self.table.picked())],
        )
    }

    fn cannot(&self, n: &u64) -> String {
        fill(&self.f.t.history.cannot_undo_said, &[("n", n)])
    }

    fn select(&self, name: &str) -> String {
        format!("{}: {name}", self.f.t.table.select)
    }
}

/// `GET /sites/{site}/history/{run}`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::History);
    let run = live::run_of(&app, &f, &run).await?;
    let path = run_at(&f, &run.id);
    let asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    if let Some(to) = asked.moved() {
        return Ok(Redirect::to(&to).into_response());
    }
    shown(&app, f, run, asked).await
}

/// The page once more, with why something was not done.
pub(super) async fn refused(
    app: &App,
    f: Frame,
    run: &Run,
    asked: Asked,
    problem: &Problem,
) -> Result<Response, Refusal> {
    let status = match problem.status() {
        StatusCode::INTERNAL_SERVER_ERROR => return Err(problem.clone().into()),
        status => status,
    };
    let mut f = f.at(Here::History);
    f.trouble(problem.words(f.lang));
    f.path = asked.href();
    let run = app.store().run(&run.id).await?;
    Ok((status, shown(app, f, run, asked).await?).into_response())
}

async fn shown(app: &App, f: Frame, run: Run, mut asked: Asked) -> Result<Response, Refusal> {
    let (store, t) = (app.store(), f.t);
    let site = f.site()?.clone();
    let counts = store.counts(&run.id).await?;
    let stays = Stays::of(store, &run).await?;
    let models = match run.subject {
        Subject::Models => None,
        Subject::Prices => Some(store.standing_counts(&run.id, "").await?),
    };
    let (mut rows, total) = items::rows(app, &f, &run, &stays, &asked).await?;
    // A page behind the last one is the last one. Which rows are to be chosen is known only once they are there.
    if asked.page > asked.pages(total) {
        asked.page = asked.pages(total);
        (rows, _) = items::rows(app, &f, &run, &stays, &asked).await?;
    }
    if asked.takes_all(total) {
        let all = items::all_that_match(store, &run, &asked).await?;
        asked.take_all(all.into_iter());
    }
    if let Some(to) = asked.settle(&rows.picks(), total) {
        return Ok(Redirect::to(&to).into_response());
    }
    let base = run_at(&f, &run.id);
    let live = live::if_moving(app, &f, &site, &run, &base).await?;
    let is_undo = run.trigger == UNDO;
    let planned = run.state == RunState::Planned && live.is_none();
    let can = run.state.ended() && stays.leave_something(store, &run, counts.changed).await?;
    let images = store.images(&run.id).await?;
    let conflicts = images.iter().filter(|image| image.others > 0);
    let failure = run.failure.as_ref().map(|failure| match run.subject {
        Subject::Models => f.lang.failure(failure),
        Subject::Prices => f.lang.price_failure(failure),
    });
    let review = match run.subject {
        Subject::Prices => Some(led_to(&f, &run.id)),
        Subject::Models if planned => Some(f.href(Here::Models)),
        Subject::Models => None,
    };
    let page = RunPage {
        title: match (planned, is_undo) {
            (true, true) => t.history.undo_title.clone(),
            _ => fill(&t.history.run_title, &[("id", &short(&run.id))]),
        },
        badge: badge(run.state),
        state: f.lang.run_state(run.state),
        about: About::of(app, &f, &site, &run).await?,
        plan: (planned && is_undo).then(|| Plan::of(app, &f, &run, counts, &asked)),
        review: review.filter(|_| !is_undo),
        undo: can && f.caller.may(Scope::Plan),
        no_undo: (run.state.ended() && !can).then_some(match counts.changed {
            0 => &t.history.nothing_to_undo,
            _ => &t.history.nothing_left,
        }),
        conflicts: conflicts.map(|image| f.lang.conflict(image)).collect(),
        table: table(
            &f,
            &run,
            (counts, models.as_ref()),
            total,
            asked,
            &rows,
            can,
        ),
        left: match &models {
            None => (&t.models.skipped, counts.skipped),
            Some(models) => (
                standing(t, Standing::Left),
                models.get(&Standing::Left).copied().unwrap_or(0),
            ),
        },
        base,
        counts,
        failure,
        live,
        rows,
        f,
    };
    Ok(html(&page))
}

impl Plan {
    fn of(app: &App, f: &Frame, run: &Run, counts: RunCounts, asked: &Asked) -> Self {
        let digest = run.plan_hash.as_ref().map_or("", |digest| digest.as_str());
        let age = app.now().saturating_sub(run.planned_at.unwrap_or(0));
        let changes = usize::try_from(counts.planned).unwrap_or(usize::MAX);
        let (one, many) = match run.subject {
            Subject::Models => (&f.t.models.apply_one, &f.t.models.apply),
            Subject::Prices => (&f.t.prices.apply_one, &f.t.prices.apply),
        };
        let may = changes > 0 && age <= PLAN_AGE && f.caller.may(Scope::Apply);
        Self {
            digest: digest.to_owned(),
            apply: may.then(|| count(changes, one, many)),
            cannot: (counts.skipped > 0)
                .then(|| (counts.skipped, asked.with(&[("show", "skipped")]))),
        }
    }
}

/// A chip's words and count in a run about lists.
fn of_list(f: &Frame, undo: bool, code: &str, counts: RunCounts) -> Option<(&'static str, u64)> {
    let t = &f.t.models;
    Some(match code {
        "all" => (&t.chip_all, counts.total),
        "changed" => (&t.chip_changed, counts.changed),
        "success" => (&t.chip_success, counts.success),
        "failed" => (&t.chip_failed, counts.failed),
        "held" => (&t.chip_held, counts.held),
        "skipped" if undo => (&f.t.history.cannot_undo, counts.skipped),
        "skipped" => (&t.chip_skipped, counts.skipped),
        "planned" => (&t.chip_planned, counts.planned),
        _ => return None,
    })
}

/// The same in a run about prices, whose models are called as their review calls them.
fn of_prices(
    f: &Frame,
    undo: bool,
    code: &str,
    models: &BTreeMap<Standing, u64>,
) -> Option<(&'static str, u64)> {
    let stands = match code {
        "all" => return Some((&f.t.prices.chip_all, models.values().sum())),
        // What is left out has one chip.
        "success" => return None,
        code => items::stands(code)?,
    };
    let count = models.get(&stands).copied().unwrap_or(0);
    Some(match (stands, undo) {
        (Standing::Left, true) => (&f.t.history.cannot_undo, count),
        (stands, _) => (standing(f.t, stands), count),
    })
}

fn table(
    f: &Frame,
    run: &Run,
    (counts, models): (RunCounts, Option<&BTreeMap<Standing, u64>>),
    total: u64,
    asked: Asked,
    rows: &Rows,
    can: bool,
) -> Table {
    let t = f.t;
    let undo = run.trigger == UNDO;
    let chips = SHAPE.chips.iter().copied().filter_map(|code| {
        let (label, count) = match models {
            None => of_list(f, undo, code, counts)?,
            Some(models) => of_prices(f, undo, code, models)?,
        };
        Some(Chip::new(code, label, count))
    });
    let chips =
        chips.filter(|chip| chip.count > 0 || chip.code == "all" || chip.code == asked.chip);
    let ratio = fill(&t.prices.group_ratio, &[("ratio", &1)]);
    let in_dollars = format!("{}, {ratio}", t.prices.in_dollars);
    let columns = match run.subject {
        Subject::Models => vec![
            Column::new(&t.models.col_status, Some("status")),
            Column::num(&t.models.col_id, Some("key")),
            Column::new(&t.models.col_name, Some("name")),
            Column::new(&t.models.col_change, None),
            Column::new(&t.models.col_message, None),
            Column::new(&t.models.col_finished, None),
            Column::new(&t.models.col_actions, None),
        ],
        Subject::Prices => vec![
            Column::new(&t.models.col_status, Some("status")),
            Column::new(&t.prices.col_model, Some("key")),
            Column::new(&in_dollars, None),
            Column::new(&t.prices.in_ratios, None),
            Column::new(&t.prices.filter_source, None),
        ],
    };
    let exports = match run.subject {
        Subject::Models => ["csv", "json"].map(|form| {
            let file = format!("items.{form}");
            let path = place::path(&["api", "v1", "sites", &run.site_id, "runs", &run.id, &file]);
            match items::exported(&asked).as_str() {
                "" => path,
                query => format!("{path}?{query}"),
            }
        }),
        // The API knows what is the same from what is left out, and what moved from what failed.
        Subject::Prices => exports_of(f, &run.id, &items::wanted_models(&asked, true)),
    };
    Table {
        t,
        label: t.history.changes.clone(),
        search: Some(match run.subject {
            Subject::Models => t.models.search.clone(),
            Subject::Prices => t.prices.search.clone(),
        }),
        chips: chips.collect(),
        filters: Vec::new(),
        groups: Vec::new(),
        columns,
        chooses: can && f.caller.may(Scope::Plan),
        here: rows.picks(),
        total,
        exports: (total > 0).then_some(exports),
        empty: (
            t.history.nothing_in.clone(),
            t.history.nothing_in_hint.clone(),
        ),
        also: "",
        asked,
    }
}
