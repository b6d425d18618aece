//! All runs of a site, the newest first.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::{RunState, Subject};
use lockstep_store::listing::RunFilter;
use lockstep_store::runs::Run;
use lockstep_store::status::RunCounts;

use super::run_at;
use crate::server::App;
use crate::view::table::short;
use crate::web::frame::{Frame, Here};
use crate::web::refusal::{Refusal, html};
use crate::web::spark::Spark;
use crate::web::table::{Asked, Chip, Column, Filter, Named, Shape, Table};
use crate::web::when::Moment;
use crate::web::words::fill;

/// What the table of runs can be asked.
pub(super) static SHAPE: Shape = Shape {
    chips: &[
        "all",
        "moving",
        "planned",
        "done",
        "partial",
        "failed",
        "cancelled",
    ],
    sorts: &["started"],
    groups: &[],
    filters: &["subject", "trigger", "by"],
    keeps: &[],
};

/// How many runs a picture has.
const RUNS: u32 = 30;

/// What a run is started by that comes by itself, which is also who started it.
const SCHEDULE: &str = "schedule";
/// What a run is started by that only shows what would change.
const PLAN: &str = "plan";

/// What runs are started by.
const TRIGGERS: [&str; 9] = [
    SCHEDULE,
    "sync",
    PLAN,
    "selected",
    "retry-failed",
    "apply-held",
    "review",
    "unpriced",
    "undo",
];

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    f: Frame,
    /// The last runs as pictures, each with what they are about.
    sparks: Vec<(&'static str, Spark)>,
    table: Table,
    rows: Vec<RowView>,
}

struct RowView {
    href: String,
    name: String,
    started: Moment,
    subject: &'static str,
    trigger: String,
    who: String,
    badge: &'static str,
    state: &'static str,
    counts: RunCounts,
    took: Option<String>,
}

/// `GET /sites/{site}/history`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::History);
    let site = f.site()?.clone();
    let path = f.href(Here::History);
    let mut asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    if let Some(to) = asked.moved() {
        return Ok(Redirect::to(&to).into_response());
    }
    let store = app.store();
    let states = store.run_states(&site.id, &filter(&asked)).await?;
    let count = |chip: &str| -> u64 {
        let wanted = states_of(chip);
        let some = states.iter().filter(|(state, _)| wanted.contains(state));
        some.map(|(_, count)| count).sum()
    };
    let total = count(asked.chip);
    // The page is known only once the number of pages is.
    if let Some(to) = asked.settle(&[], total) {
        return Ok(Redirect::to(&to).into_response());
    }
    let wanted = RunFilter {
        skip: asked.skip() as u64,
        ..filter(&asked)
    };
    let runs = store.runs_where(&site.id, &wanted, asked.size).await?;
    let rows: Vec<RowView> = runs
        .iter()
        .map(|(run, counts)| view(&app, &f, run, *counts))
        .collect();
    let mut sparks = Vec::new();
    for subject in [Subject::Models, Subject::Prices] {
        let of = RunFilter {
            subject: Some(subject),
            ..RunFilter::default()
        };
        let last = store.runs_where(&site.id, &of, RUNS).await?;
        let spark = Spark::new(&last, f.lang, app.now());
        if !spark.bars.is_empty() {
            sparks.push((f.lang.subject(subject), spark));
        }
    }
    let people = store.run_people(&site.id).await?;
    let t = f.t;
    let chips = SHAPE
        .chips
        .iter()
        .map(|code| Chip::new(code, label(&f, code), count(code)));
    let chips =
        chips.filter(|chip| chip.count > 0 || chip.code == "all" || chip.code == asked.chip);
    let table = Table {
        t,
        label: t.history.title.clone(),
        search: Some(t.history.search.clone()),
        chips: chips.collect(),
        filters: filters(&f, people),
        groups: Vec::new(),
        columns: vec![
            Column::falling(&t.history.col_started, "started"),
            Column::new(&t.history.col_subject, None),
            Column::new(&t.history.col_trigger, None),
            Column::new(&t.history.col_state, None),
            Column::num(&t.history.col_changed, None),
            Column::num(&t.history.col_failed, None),
            Column::num(&t.history.col_held, None),
            Column::num(&t.history.col_duration, None),
        ],
        chooses: false,
        here: rows.iter().map(|row| row.name.clone()).collect(),
        total,
        exports: (total > 0).then(|| asked.files()),
        empty: (t.history.empty.clone(), t.history.empty_hint.clone()),
        also: "",
        asked,
    };
    Ok(html(&HistoryPage {
        sparks,
        table,
        rows,
        f,
    }))
}

/// The runs that are asked for.
pub(super) fn filter(asked: &Asked) -> RunFilter {
    let text = |name| Some(asked.text(name).to_owned()).filter(|text| !text.is_empty());
    RunFilter {
        subject: Subject::from_code(asked.text("subject")),
        states: match asked.chip {
            "all" => Vec::new(),
            chip => states_of(chip).to_vec(),
        },
        trigger: text("trigger"),
        by: text("by"),
        search: Some(asked.search.clone()).filter(|text| !text.is_empty()),
        oldest_first: asked.backwards,
        ..RunFilter::default()
    }
}

/// The states that a chip stands for.
fn states_of(chip: &str) -> &'static [RunState] {
    match chip {
        "moving" => &[RunState::Queued, RunState::Reading, RunState::Writing],
        "planned" => &[RunState::Planned],
        "done" => &[RunState::Done],
        "partial" => &[RunState::Partial],
        "failed" => &[RunState::Failed],
        "cancelled" => &[RunState::Cancelled],
        _ => RunState::ALL,
    }
}

fn label<'f>(f: &'f Frame, chip: &str) -> &'f str {
    match (chip, states_of(chip)) {
        ("moving", _) => &f.t.overview.running,
        (_, [state]) => f.lang.run_state(*state),
        _ => &f.t.common.all,
    }
}

fn filters(f: &Frame, people: Vec<String>) -> Vec<Filter> {
    let t = &f.t.history;
    let subjects = [Subject::Models, Subject::Prices];
    let subjects = subjects.map(|one| Named::new(one.code(), f.lang.subject(one)));
    let triggers = TRIGGERS.map(|code| Named::new(code, f.lang.trigger(code)));
    let people = people.iter().map(|name| Named::new(name, actor(f, name)));
    let all = |label: &str| vec![Named::new("", label)];
    let filter = |name, label: &str, options| Filter {
        name,
        label: label.to_owned(),
        options,
    };
    let mut about = all(&t.all_subjects);
    about.extend(subjects);
    let mut by_what = all(&f.t.common.all);
    by_what.extend(triggers);
    let mut who = all(&f.t.common.all);
    who.extend(people);
    vec![
        filter("subject", &t.col_subject, about),
        filter("trigger", &t.col_trigger, by_what),
        filter("by", &t.col_actor, who),
    ]
}

fn view(app: &App, f: &Frame, run: &Run, counts: RunCounts) -> RowView {
    let place = run_at(f, &run.id);
    RowView {
        // What changed is what somebody looks for first.
        href: match counts.changed {
            0 => place,
            _ => format!("{place}?show=changed"),
        },
        name: short(&run.id).to_owned(),
        started: Moment::new(run.started_at, app.now(), f.lang),
        subject: f.lang.subject(run.subject),
        trigger: trigger(f, run),
        who: who(f, run),
        badge: badge(run.state),
        state: f.lang.run_state(run.state),
        counts,
        took: took(f, run),
    }
}

/// Who started a run, and who said yes where that is somebody else.
fn who(f: &Frame, run: &Run) -> String {
    let by = actor(f, &run.actor);
    match &run.approved_by {
        Some(other) if *other != run.actor => format!("{by}, {}", actor(f, other)),
        _ => by.to_owned(),
    }
}

/// What somebody is called: people and programs have names, the schedule has a word.
pub(super) fn actor<'a>(f: &Frame, name: &'a str) -> &'a str {
    match name {
        SCHEDULE => f.lang.trigger(SCHEDULE),
        name => name,
    }
}

/// What started a run, and that a plan which was only to be looked at was applied later.
pub(super) fn trigger(f: &Frame, run: &Run) -> String {
    let said = f.lang.trigger(&run.trigger);
    match run.trigger == PLAN && run.approved_by.is_some() {
        true => fill(&f.t.history.then_applied, &[("trigger", &said)]),
        false => said.to_owned(),
    }
}

/// How long a run took, or its plan; `None` while it moves.
pub(super) fn took(f: &Frame, run: &Run) -> Option<String> {
    run.took().map(|took| f.lang.duration(took))
}

/// The colour of a state.
pub(super) fn badge(state: RunState) -> &'static str {
    match state {
        RunState::Done => "good",
        RunState::Failed | RunState::Partial => "bad",
        RunState::Planned => "wait",
        RunState::Queued | RunState::Reading | RunState::Writing | RunState::Cancelled => "none",
    }
}
