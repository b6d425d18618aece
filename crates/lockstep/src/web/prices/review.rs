//! The review of a price run: what bills differently afterwards, the yes to just that, and what came of it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::{RunState, Subject};
use lockstep_core::failure::FailureKind;
use lockstep_run::stays::Stays;
use lockstep_store::prices::standing::{Standing, StandingPage};
use lockstep_store::prices::verified::Page;
use lockstep_store::runs::Run;

use super::below;
use super::files::exports;
use super::page::begun;
use super::review_rows::{Item, limits, standing};
use crate::deciding::prices::REVIEW;
use crate::server::App;
use crate::web::frame::{Frame, Here, SayKind};
use crate::web::history;
use crate::web::live::{self, Live, run_of};
use crate::web::refusal::{Refusal, html};
use crate::web::table::{Asked, Chip, Column, Shape, Table};
use crate::web::when::Moment;
use crate::web::words::{count, fill};
use crate::words::Said;

/// What the table of a review can be asked.
pub(super) static SHAPE: Shape = Shape {
    chips: &["all", "ready", "held", "left", "written", "moved", "failed"],
    sorts: &["odd", "model"],
    groups: &[],
    filters: &[],
    keeps: &["ok"],
};

#[derive(Template)]
#[template(path = "price_review.html")]
struct ReviewPage {
    f: Frame,
    base: String,
    prices: String,
    /// The run with who had it done and what happened.
    history: String,
    title: String,
    intro: String,
    state: &'static str,
    when: Moment,
    /// Who began it, and who said yes.
    by: String,
    digest: String,
    digest_said: String,
    failure: Option<Said>,
    live: Option<Live>,
    /// The words of the button that writes; `None` where there is nothing to write.
    apply: Option<String>,
    applied: Option<String>,
    billed: Option<Billed>,
    moved: Option<String>,
    failed: Option<String>,
    held: bool,
    /// Whether what was not written can be planned once more, and the words of the button.
    again: Option<&'static str>,
    undo: bool,
    conflicts: Vec<String>,
    table: Table,
    items: Vec<Item>,
}

/// What the gateway's price page says of what was written, where somebody wanted it asked.
struct Billed {
    said: String,
    edge: &'static str,
    /// Whether it is still being asked.
    asks: bool,
}

impl Billed {
    async fn of(app: &App, f: &Frame, run: &Run) -> Result<Option<Self>, Refusal> {
        let (said, edge) = match app.store().page(&run.id).await? {
            Some(Page::Read(verified)) => {
                let edge = match (verified.otherwise.is_empty(), verified.shown) {
                    (true, 0) => "wait-edge",
                    (true, _) => "good-edge",
                    (false, _) => "bad-edge",
                };
                (f.lang.verified(&verified), edge)
            }
            Some(Page::Unread(failure)) => {
                let why = f.lang.price_failure(&failure).message;
                (f.lang.page_unread(&why), "wait-edge")
            }
            // The job of a run that is over asks, if it does anything at all.
            None if app.jobs().running(&run.id).is_some() => {
                let said = f.lang.page_is_behind().to_owned();
                return Ok(Some(Self {
                    said,
                    edge: "",
                    asks: true,
                }));
            }
            None => return Ok(None),
        };
        Ok(Some(Self {
            said,
            edge,
            asks: false,
        }))
    }
}

/// Where a price run is reviewed.
pub(in crate::web) fn led_to(f: &Frame, run: &str) -> String {
    below(f, &["runs", run])
}

/// Whether a run was cut off before it had a plan, and can be planned anew as it was asked for. What somebody chose value
/// by value is chosen once more.
pub(super) fn to_be_repeated(run: &Run) -> bool {
    let interrupted = run
        .failure
        .as_ref()
        .is_some_and(|failure| failure.kind == FailureKind::Interrupted);
    interrupted
        && run.state.ended()
        && !run.unattended
        && ["plan", "sync"].contains(&run.trigger.as_str())
}

/// `GET /sites/{site}/prices/runs/{run}`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::Prices);
    let run = found(&app, &f, &run).await?;
    let path = led_to(&f, &run.id);
    let asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    if let Some(address) = asked.moved() {
        return Ok(Redirect::to(&address).into_response());
    }
    if run.state.ended() {
        // Whoever goes back from here looks for what differs now.
        let site = f.site()?.clone();
        let known = app.tables().known(&app, &site).await?;
        begun(&app, &f, &site, known).await?;
    }
    shown(&app, f, run, asked).await
}

/// The run of the id, if it is one about prices of the site.
pub(super) async fn found(app: &App, f: &Frame, run: &str) -> Result<Run, Refusal> {
    let run = run_of(app, f, run).await?;
    let ours = run.subject == Subject::Prices;
    ours.then_some(run).ok_or(Refusal::NotFound)
}

/// The page once more, with why something was not done.
pub(super) async fn refused(
    app: &App,
    mut f: Frame,
    run: &Run,
    problem: &crate::server::problem::Problem,
) -> Result<Response, Refusal> {
    f.trouble(problem.words(f.lang));
    let path = led_to(&f, &run.id);
    f.path.clone_from(&path);
    let run = app.store().run(&run.id).await?;
    let page = shown(
        app,
        f.at(Here::Prices),
        run,
        Asked::of_query(&SHAPE, &path, ""),
    )
    .await?;
    Ok((StatusCode::CONFLICT, page).into_response())
}

/// The models of the page that is asked for.
pub(super) fn wanted(asked: &Asked) -> StandingPage {
    StandingPage {
        only: Standing::from_code(asked.chip),
        search: asked.search.clone(),
        // What somebody has to look at comes first: what stands in the way, then what changes its kind.
        odd_first: asked.sort == "odd",
        backwards: asked.backwards,
        skip: asked.skip(),
        limit: asked.size,
    }
}

async fn shown(app: &App, f: Frame, run: Run, mut asked: Asked) -> Result<Response, Refusal> {
    let (store, t) = (app.store(), f.t);
    let (site, path) = (f.site()?.clone(), led_to(&f, &run.id));
    let counts = store.standing_counts(&run.id, "").await?;
    let count_of = |standing: Standing| counts.get(&standing).copied().unwrap_or(0);
    let models: u64 = counts.values().sum();
    let only = Standing::from_code(asked.chip);
    let found = match asked.search.is_empty() {
        true => counts.clone(),
        false => store.standing_counts(&run.id, &asked.search).await?,
    };
    let found = found.iter();
    let found = found.filter(|(standing, _)| only.is_none_or(|only| only == **standing));
    let total = found.map(|(_, count)| count).sum();
    if let Some(address) = asked.settle(&[], total) {
        return Ok(Redirect::to(&address).into_response());
    }
    let names = store.standing_page(&run.id, &wanted(&asked)).await?;
    let rows = store.price_rows_of(&run.id, &names).await?;
    let of_models = rows.chunk_by(|one, next| one.model == next.model);
    let limits = limits(&run);
    let items = of_models.filter_map(|rows| Item::of(rows, &f, &limits));
    let mut items: Vec<Item> = items.collect();
    let places: HashMap<&String, usize> = names.iter().zip(0..).collect();
    items.sort_by_key(|item| places.get(&item.model).copied());
    let chips = SHAPE.chips.iter().copied().map(|code| {
        let stands = Standing::from_code(code);
        let label = stands.map_or(t.prices.chip_all.as_str(), |stands| standing(t, stands));
        Chip::new(code, label, stands.map_or(models, count_of))
    });
    let chips =
        chips.filter(|chip| chip.count > 0 || chip.code == "all" || chip.code == asked.chip);
    let live = live::if_moving(app, &f, &site, &run, &path).await?;
    let planned = run.state == RunState::Planned && live.is_none();
    let over = run.state.ended();
    let billed = match over {
        true => Billed::of(app, &f, &run).await?,
        false => None,
    };
    let said = |standing: Standing, one: &str, many: &str| {
        let n = usize::try_from(count_of(standing)).unwrap_or(usize::MAX);
        (n > 0).then(|| count(n, one, many))
    };
    let images = store.images(&run.id).await?;
    let conflicts = images.iter().filter(|image| image.others > 0);
    let failure = run
        .failure
        .as_ref()
        .map(|failure| f.lang.price_failure(failure));
    let digest = run
        .plan_hash
        .as_ref()
        .map_or("", |digest| digest.as_str())
        .to_owned();
    let by = match &run.approved_by {
        Some(by) if *by != run.actor => format!("{}, {by}", run.actor),
        _ => run.actor.clone(),
    };
    let is_undo = run.trigger == "undo";
    let written = count_of(Standing::Written);
    let undo = over && !is_undo && written > 0 && {
        let stays = Stays::of(store, &run).await?;
        stays.leave_something(store, &run, written).await?
    };
    let ratio = fill(&t.prices.group_ratio, &[("ratio", &1)]);
    let in_dollars = format!("{}, {ratio}", t.prices.in_dollars);
    let table = Table {
        t,
        label: t.prices.review_title.clone(),
        search: (models > 10).then(|| t.prices.search.clone()),
        chips: chips.collect(),
        filters: Vec::new(),
        groups: Vec::new(),
        columns: vec![
            Column::new(&t.models.col_status, Some("odd")),
            Column::new(&t.prices.col_model, Some("model")),
            Column::new(&in_dollars, None),
            Column::new(&t.prices.in_ratios, None),
            Column::new(&t.prices.filter_source, None),
        ],
        chooses: planned && count_of(Standing::Held) > 0,
        here: items.iter().map(|item| item.id.clone()).collect(),
        total,
        exports: (total > 0).then(|| exports(&asked)),
        empty: (
            t.prices.nothing_differs.clone(),
            t.prices.nothing_differs_hint.clone(),
        ),
        also: "",
        asked,
    };
    let page = ReviewPage {
        base: path,
        prices: f.href(Here::Prices),
        history: history::run_at(&f, &run.id),
        title: match (planned, is_undo) {
            (true, false) => t.prices.review_title.clone(),
            (true, true) => t.prices.undo_title.clone(),
            (false, _) => format!("{}: {}", t.prices.title, f.lang.trigger(&run.trigger)),
        },
        intro: match planned {
            true => t.prices.review_intro.clone(),
            false => String::new(),
        },
        state: f.lang.run_state(run.state),
        when: Moment::new(
            run.ended_at.or(run.planned_at).unwrap_or(run.started_at),
            app.now(),
            f.lang,
        ),
        by,
        digest_said: fill(
            &t.prices.plan_digest,
            &[("digest", &digest.get(..12).unwrap_or(&digest))],
        ),
        digest,
        failure,
        live,
        apply: planned
            .then(|| said(Standing::Ready, &t.prices.apply_one, &t.prices.apply))
            .flatten(),
        applied: over
            .then(|| said(Standing::Written, &t.prices.applied_one, &t.prices.applied))
            .flatten(),
        billed,
        moved: over
            .then(|| said(Standing::Moved, &t.prices.moved_one, &t.prices.moved))
            .flatten(),
        failed: over
            .then(|| {
                said(
                    Standing::Failed,
                    &t.prices.failed_one,
                    &t.prices.failed_many,
                )
            })
            .flatten(),
        held: planned && count_of(Standing::Held) > 0,
        again: if to_be_repeated(&run) {
            Some(&t.prices.plan_again)
        } else if (over
            && (count_of(Standing::Moved) > 0 || count_of(Standing::Failed) > 0)
            && !is_undo)
            || (planned
                && run.trigger == REVIEW
                && f.says.iter().any(|say| say.kind == SayKind::Bad))
        {
            Some(&t.prices.review_again)
        } else {
            None
        },
        undo,
        conflicts: conflicts.map(|image| f.lang.conflict(image)).collect(),
        table,
        items,
        f,
    };
    Ok(html(&page))
}
