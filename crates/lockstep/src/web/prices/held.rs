//! What waits: the prices that a run held, with why, what would bill differently, and the answers to them.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::hold::{Answer, ReasonCode};
use lockstep_core::prices::limits::PriceLimits;
use lockstep_run::prices::chosen::Picks;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::holds::PriceHold;
use lockstep_store::sites::Site;
use lockstep_store::{Store, StoreError};
use serde_json::{Value, json};

use super::below;
use super::cells::model_id;
use super::review::led_to;
use super::review_rows::{Item, limits};
use crate::api::v1::export::{AT_ONCE, file, in_parts};
use crate::api::v1::prices::answers::{Word, decided};
use crate::deciding;
use crate::deciding::answers::{self, Answered};
use crate::server::App;
use crate::server::problem::Problem;
use crate::view::json::{reason, time};
use crate::view::prices;
use crate::web::file::Ending;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here};
use crate::web::live::{PLANNING, WRITING, soon};
use crate::web::refusal::{Refusal, html};
use crate::web::table::{Asked, Chosen, Column, Filter, Named, Shape, Table};
use crate::web::when::Moment;
use crate::web::words::fill;

/// What the table of waiting prices can be asked.
static SHAPE: Shape = Shape {
    chips: &["all"],
    sorts: &["model"],
    groups: &[],
    filters: &["reason"],
    keeps: &[],
};

/// The columns of a file, as keys of its rows.
const COLUMNS: &[&str] = &[
    "model",
    "field",
    "hold.reason",
    "hold.message",
    "since",
    "run",
    "old",
    "new",
    "source",
    "usd_old.input",
    "usd_old.output",
    "usd_old.cache_read",
    "usd_old.cache_write",
    "usd_old.per_call",
    "usd_new.input",
    "usd_new.output",
    "usd_new.cache_read",
    "usd_new.cache_write",
    "usd_new.per_call",
    "kind_old",
    "kind_new",
];

/// The word of the answer that is no answer to the hold but keeps the price for good.
const LOCK: &str = "lock";

#[derive(Template)]
#[template(path = "price_held.html")]
struct HeldPage {
    f: Frame,
    base: String,
    prices: String,
    table: Table,
    rows: Vec<HeldRow>,
}

/// A model whose price waits.
struct HeldRow {
    item: Item,
    since: String,
    iso: String,
    /// Each as the button's value and its words.
    answers: Vec<(String, String)>,
}

impl HeldPage {
    fn select(&self, model: &str) -> String {
        format!("{}: {model}", self.f.t.table.select)
    }
}

/// Where what waits is shown.
pub(super) fn held_at(f: &Frame) -> String {
    below(f, &["held"])
}

/// `GET /sites/{site}/prices/held`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asked = Asked::of_query(&SHAPE, &held_at(&f), &query.unwrap_or_default());
    if let Some(address) = asked.moved() {
        return Ok(Redirect::to(&address).into_response());
    }
    page(&app, f, asked).await
}

async fn page(app: &App, f: Frame, mut asked: Asked) -> Result<Response, Refusal> {
    let f = f.at(Here::Prices);
    let site = f.site()?.clone();
    let t = f.t;
    let all = app.store().price_holds(&site.id).await?;
    let found = matching(&all, &asked);
    let total = found.len() as u64;
    let size = usize::try_from(asked.size).unwrap_or(usize::MAX);
    let here = |asked: &Asked| -> Vec<&PriceHold> {
        let found = found.iter().copied();
        found.skip(asked.skip()).take(size).collect()
    };
    let ids = |holds: &[&PriceHold]| -> Vec<String> {
        holds.iter().map(|hold| model_id(&hold.model)).collect()
    };
    asked.page = asked.page.clamp(1, asked.pages(total));
    if asked.takes_all(total) {
        asked.take_all(ids(&found).into_iter());
    }
    let visible = here(&asked);
    if let Some(address) = asked.settle(&ids(&visible), total) {
        return Ok(Redirect::to(&address).into_response());
    }
    let rows = rows(app, &f, &visible).await?;
    let page = HeldPage {
        base: held_at(&f),
        prices: f.href(Here::Prices),
        table: Table {
            t,
            label: t.prices.held_title.clone(),
            search: Some(t.prices.search.clone()),
            chips: Vec::new(),
            filters: vec![reasons(&f, &all)],
            groups: Vec::new(),
            columns: vec![
                Column::new(&t.prices.col_model, Some("model")),
                Column::new(
                    &format!(
                        "{}, {}",
                        t.prices.in_dollars,
                        fill(&t.prices.group_ratio, &[("ratio", &1)])
                    ),
                    None,
                ),
                Column::new(&t.prices.in_ratios, None),
                Column::new(&t.prices.filter_source, None),
            ],
            chooses: true,
            here: ids(&visible),
            total,
            exports: (total > 0).then(|| asked.files()),
            empty: (t.prices.held_none.clone(), t.prices.held_none_hint.clone()),
            also: "",
            asked,
        },
        rows,
        f,
    };
    Ok(html(&page))
}

/// `GET /sites/{site}/prices/held.csv` and `.json`: all that waits and matches, a row a field.
pub(super) async fn files(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let asked = Asked::of_query(&SHAPE, &held_at(&f), &query.unwrap_or_default());
    let all = app.store().price_holds(&f.site()?.id).await?;
    let holds: Vec<PriceHold> = matching(&all, &asked).into_iter().cloned().collect();
    let store = app.store().clone();
    let rows = in_parts(&holds, AT_ONCE as usize, move |holds| {
        let store = store.clone();
        async move { told(&store, &holds).await }
    });
    Ok(file("held", ending.form(COLUMNS, "holds"), rows))
}

/// What was held of each, as the run found it.
async fn told(store: &Store, holds: &[PriceHold]) -> Result<Vec<Value>, StoreError> {
    let holds: Vec<&PriceHold> = holds.iter().collect();
    let mut of = price_rows(store, &holds).await?;
    let rows = holds.into_iter().flat_map(|hold| {
        let rows = of.remove(&hold.model).unwrap_or_default();
        let told = rows.into_iter().map(|row| {
            let mut told = prices::item(&row);
            told["run"] = json!(hold.run_id);
            told["since"] = json!(time(hold.since));
            told["hold"] = reason(&hold.reason);
            told
        });
        told.collect::<Vec<Value>>()
    });
    Ok(rows.collect())
}

/// The values of each model that waits, as its run found them.
async fn price_rows(
    store: &Store,
    holds: &[&PriceHold],
) -> Result<BTreeMap<String, Vec<PriceRow>>, StoreError> {
    let mut by_run: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for hold in holds {
        let names = by_run.entry(&hold.run_id).or_default();
        names.push(hold.model.clone());
    }
    let mut of: BTreeMap<String, Vec<PriceRow>> = BTreeMap::new();
    for (run, names) in by_run {
        for row in store.price_rows_of(run, &names).await? {
            of.entry(row.model.clone()).or_default().push(row);
        }
    }
    Ok(of)
}

fn matching<'h>(all: &'h [PriceHold], asked: &Asked) -> Vec<&'h PriceHold> {
    let search = asked.search.to_lowercase();
    let reason = asked.text("reason");
    let holds = all.iter();
    let holds = holds.filter(|hold| hold.model.to_lowercase().contains(&search));
    let holds = holds.filter(|hold| reason.is_empty() || hold.reason.code.code() == reason);
    let mut found: Vec<&PriceHold> = holds.collect();
    if asked.backwards {
        found.reverse();
    }
    found
}

/// What waiting prices can be narrowed by: only what there is.
fn reasons(f: &Frame, all: &[PriceHold]) -> Filter {
    let codes: BTreeSet<ReasonCode> = all.iter().map(|hold| hold.reason.code).collect();
    let named = |code: ReasonCode| Named::new(code.code(), f.lang.doubt(code));
    let every = std::iter::once(Named::new("", &f.t.common.all));
    Filter {
        name: "reason",
        label: f.t.prices.filter_reason.clone(),
        options: every.chain(codes.into_iter().map(named)).collect(),
    }
}

/// What was held of each, as the run found it.
async fn rows(app: &App, f: &Frame, holds: &[&PriceHold]) -> Result<Vec<HeldRow>, Refusal> {
    let store = app.store();
    let of = price_rows(store, holds).await?;
    let mut limits_of: BTreeMap<&str, PriceLimits> = BTreeMap::new();
    for hold in holds {
        if !limits_of.contains_key(hold.run_id.as_str()) {
            let run = store.run(&hold.run_id).await?;
            limits_of.insert(&hold.run_id, limits(&run));
        }
    }
    let row = |hold: &&PriceHold| {
        let limits = limits_of.get(hold.run_id.as_str())?;
        let item = Item::of(of.get(&hold.model)?, f, limits)?;
        let since = Moment::new(hold.since, app.now(), f.lang);
        Some(HeldRow {
            answers: answers_to(f, hold, &item),
            since: since.far,
            iso: since.iso,
            item,
        })
    };
    Ok(holds.iter().filter_map(row).collect())
}

/// The answers that can be given.
fn answers_to(f: &Frame, hold: &PriceHold, item: &Item) -> Vec<(String, String)> {
    let t = &f.t.prices;
    let value = |word: &str| format!("{word}/{}", hold.model);
    let mut answers = Vec::new();
    for answer in Answer::ALL {
        let can = match answer {
            Answer::ApplyAnyway => item.can_be_allowed,
            Answer::AlwaysAllow => hold.reason.code.can_be_allowed(),
            Answer::KeepUntilItChanges | Answer::NeverSync => true,
        };
        if can {
            let label = match answer {
                Answer::NeverSync => t.ignore.clone(),
                other => f.lang.answer(*other).label.to_owned(),
            };
            answers.push((value(answer.code()), label));
        }
    }
    answers.push((value(LOCK), t.lock.clone()));
    answers
}

/// `POST /sites/{site}/prices/held`: `answer` is the answer and the model, as `keep/gpt-5`; without a model the chosen
/// ones are meant.
pub(super) async fn answer(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let caller = f.writer()?.clone();
    let site = f.site()?.clone();
    let asked = Asked::of_form(&SHAPE, &held_at(&f), &fields);
    let led = |said: Flash| {
        let back = asked.with(&[("take", "none")]);
        Ok(Redirect::to(&said.at(&back)).into_response())
    };
    let said = fields.text("answer");
    let (word, models) = match said.split_once('/') {
        Some((word, model)) => (word, vec![model.to_owned()]),
        None => {
            let all = app.store().price_holds(&site.id).await?;
            let chosen = match Chosen::of_form(&SHAPE, asked.path(), &fields) {
                Chosen::All(asked) => matching(&all, &asked),
                Chosen::These(ids) => {
                    let these = |hold: &&PriceHold| ids.contains(&model_id(&hold.model));
                    all.iter().filter(these).collect()
                }
            };
            let names = chosen.into_iter().map(|hold| hold.model.clone());
            (said, names.collect())
        }
    };
    if models.is_empty() {
        return led(Flash::NothingChosen);
    }
    if word == LOCK {
        decided(&app, &caller, &site, &models, Word::Lock, None).await?;
        return led(Flash::Saved);
    }
    let Some(answer) = Answer::from_code(word) else {
        return Err(Problem::bad_request("there is no such answer").into());
    };
    let answered = Answered {
        answer,
        channels: Vec::new(),
        models,
    };
    let mut begun = answers::answer(&app, &caller, &site, &answered).await;
    let mut wait = &WRITING;
    if let Err(problem) = &begun
        && answer == Answer::ApplyAnyway
        && ["policy_changed", "expired"].contains(&problem.code())
    {
        // What waits was planned by other answers, sources or settings, or long ago: it is planned anew and shown first.
        let picks = picks(&app, &site, &answered.models).await?;
        begun = deciding::prices::review(&app, &caller, &site, picks)
            .await
            .map(Some);
        wait = &PLANNING;
    }
    match begun {
        Ok(Some(run)) => {
            soon(&app, &run, wait).await;
            Ok(Redirect::to(&led_to(&f, &run)).into_response())
        }
        Ok(None) => led(Flash::Saved),
        Err(problem) => match problem.code() {
            "not_held" | "nothing_to_do" => led(Flash::NothingHeld),
            _ => {
                let mut f = f;
                f.trouble(problem.words(f.lang));
                f.path = held_at(&f);
                let asked = Asked::of_query(&SHAPE, &held_at(&f), "");
                let page = page(&app, f, asked).await?;
                Ok((StatusCode::CONFLICT, page).into_response())
            }
        },
    }
}

/// What is held of these models, as a choice that was looked at.
async fn picks(app: &App, site: &Site, models: &[String]) -> Result<Picks, Refusal> {
    let store = app.store();
    let mut picks = Picks::new();
    for hold in store.price_holds(&site.id).await? {
        if !models.contains(&hold.model) {
            continue;
        }
        let names = [hold.model.clone()];
        for row in store.price_rows_of(&hold.run_id, &names).await? {
            if let (Some(_), Some(source)) = (&row.new, row.source) {
                let picked = picks.entry(row.model).or_default();
                picked.fields.insert(row.field, source);
                picked.approved = true;
            }
        }
    }
    Ok(picks)
}
