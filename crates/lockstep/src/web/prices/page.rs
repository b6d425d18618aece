//! The differences, as they were last seen: nobody is waited for.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::hold::Reason;
use lockstep_core::prices::source::SourceState;
use lockstep_store::prices::answers::PriceAnswer;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::sites::Site;

use super::asked::{SHAPE, SUSPICIOUS, by_hand, chips, chosen_of, filters, picked, rows};
use super::below;
use super::cells::Unit;
use super::choice::{BY_HAND, Choice, PROPOSALS, whole_columns};
use super::held::held_at;
use super::rows::{RowView, Rows, Says};
use super::servers::Servers;
use crate::api::v1::prices::differences::kept::{Behind, Known};
use crate::api::v1::prices::differences::table::{Row, Table as Differences};
use crate::server::App;
use crate::sourcing::today;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here, has_token};
use crate::web::place;
use crate::web::refusal::{Refusal, html};
use crate::web::table::{Asked, Column, Table};
use crate::web::when::Moment;
use crate::web::words::{Words, count, fill};
use crate::words::Said;
use crate::words::page::Thing;

#[derive(Template)]
#[template(path = "prices.html")]
struct PricesPage {
    f: Frame,
    base: String,
    sources_page: String,
    /// How many prices wait for an answer, in a sentence, and where they are.
    waiting: Option<(String, String)>,
    /// What is known, in a sentence.
    state: String,
    /// What stands in the way of asking the gateway.
    missing: Option<String>,
    working: Option<Working>,
    trouble: Option<Said>,
    sources: Vec<SourceView>,
    has_sources: bool,
    known: bool,
    table: Table,
    columns: Vec<SourceColumn>,
    rows: Vec<RowView>,
    unit: Unit,
    chosen: String,
    left_out: Option<String>,
    review: String,
    nothing_chosen: bool,
}

/// Something that is under way behind the page.
#[derive(Template)]
#[template(path = "part/prices_working.html")]
pub(crate) struct Working {
    t: &'static Words,
    /// The page, to be shown again when it is done.
    page: String,
    /// What tells how far it is.
    address: String,
    /// What is done.
    text: String,
    /// Whether it is over, so that a newer table can be shown.
    over: bool,
}

/// A source as the strip above the table shows it.
pub(super) struct SourceView {
    pub(super) badge: &'static str,
    pub(super) state: &'static str,
    pub(super) name: String,
    pub(super) models: u64,
    /// When its list was fetched, or uploaded.
    pub(super) when: Option<Moment>,
    /// When it was last asked in vain.
    pub(super) tried: Option<Tried>,
    /// What is wrong with it, and what to do; nothing of one that is well.
    pub(super) trouble: Option<Said>,
    /// What of its list was left out, and why; and how much that is, in words.
    pub(super) left_out: Option<(String, Vec<String>)>,
    /// Whether its address is private and not allowed yet.
    pub(super) private: bool,
    /// Whether its list has shrunk, and is not believed until somebody says so.
    pub(super) shrunken: bool,
}

/// When a source was last asked in vain, in words and for machines.
pub(super) struct Tried {
    pub(super) said: String,
    pub(super) iso: String,
}

/// A source's column.
struct SourceColumn {
    name: String,
    /// Whether it is chosen as a whole.
    chosen: bool,
    take: String,
    /// What that means: the whole column, as far as the filter goes.
    all: String,
}

impl Working {
    /// Something that is under way: where it is shown, what tells how far it is, and what is done.
    pub(super) fn new(f: &Frame, page: String, address: String, text: String) -> Self {
        Self {
            t: f.t,
            page,
            address,
            text,
            over: false,
        }
    }
}

impl SourceView {
    pub(super) fn of(source: &RunSource, f: &Frame, now: i64) -> Self {
        let state = SourceState::from_code(&source.state).unwrap_or(SourceState::Failed);
        let moment = |at: i64| Moment::new(at, now, f.lang);
        // Nothing is wrong with one that nobody asked yet, nor is anything known of it.
        let asked = source.fetched_at.is_some() || source.tried_at.is_some();
        if state == SourceState::Failed && !asked {
            let t = &f.t.sources;
            return Self {
                badge: "none",
                state: &t.never_fetched,
                name: source.name.clone(),
                models: 0,
                when: None,
                tried: None,
                trouble: Some(Said {
                    message: t.never_fetched.clone(),
                    hint: t.never_fetched_hint.clone(),
                }),
                left_out: None,
                private: false,
                shrunken: false,
            };
        }
        Self {
            badge: match state {
                SourceState::Ok => "good",
                SourceState::Partial | SourceState::Stale => "wait",
                _ => "bad",
            },
            state: f.lang.source_badge(state),
            name: source.name.clone(),
            models: source.models,
            when: source.fetched_at.map(moment),
            tried: source.tried_at.map(moment).map(|at| Tried {
                said: fill(&f.t.sources.tried, &[("when", &at.far)]),
                iso: at.iso,
            }),
            trouble: (state != SourceState::Ok).then(|| f.lang.source_state(source)),
            left_out: left_out(source, f),
            private: today(source) == Some(SourceState::PrivateAddress),
            shrunken: today(source) == Some(SourceState::Shrunken),
        }
    }
}

/// What of a source's list was left out: how much, and each reason with the first names.
fn left_out(source: &RunSource, f: &Frame) -> Option<(String, Vec<String>)> {
    let all: u64 = source.skipped.iter().map(|(_, count, _)| count).sum();
    let reasons = source.skipped.iter();
    let reasons = reasons.map(|(why, count, names)| f.lang.skipped(why, *count, names, false));
    (all > 0).then(|| {
        let said = fill(&f.t.sources.left_out, &[("n", &all)]);
        (said, reasons.collect())
    })
}

impl PricesPage {
    /// Whether a source that was asked gave no list to plan from.
    fn some_failed(&self) -> bool {
        self.sources.iter().any(|source| source.badge == "bad")
    }

    fn is_unit(&self, unit: &str) -> bool {
        self.unit == Unit::of_code(unit)
    }

    fn here(&self) -> String {
        self.table.here.join(",")
    }

    fn proposals(&self) -> &'static str {
        PROPOSALS
    }

    fn by_hand(&self) -> &'static str {
        BY_HAND
    }
}

/// `GET /sites/{site}/prices`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::Prices);
    let site = f.site()?.clone();
    let known = app.tables().known(&app, &site).await?;
    let known = begun(&app, &f, &site, known).await?;
    let path = f.href(Here::Prices);
    let query = query.unwrap_or_default();
    let asked = Asked::of_query(&SHAPE, &path, &query);
    if let Some(table) = &known.table {
        let sent = Fields::read(query.as_bytes());
        // What is chosen as a whole is chosen anew, whatever is ticked on the page that was left.
        if let Some(base) = sent.all("base").next_back() {
            let page = asked.page.to_string();
            let anew = [("column", base), ("take", "none"), ("page", &page)];
            return Ok(Redirect::to(&asked.with(&anew)).into_response());
        }
        if let Some(address) = by_hand(table, &asked, &sent) {
            return Ok(Redirect::to(&address).into_response());
        }
    }
    if let Some(address) = asked.moved() {
        return Ok(Redirect::to(&address).into_response());
    }
    let page = page(&app, f, &site, known, asked).await?;
    Ok(match page {
        Ok(page) => html(&page),
        Err(address) => Redirect::to(&address).into_response(),
    })
}

/// What is known; what is not, or not any more, is made behind the page.
pub(crate) async fn begun(
    app: &App,
    f: &Frame,
    site: &Site,
    known: Known,
) -> Result<Known, Refusal> {
    let now = app.now();
    let rests = match &known.behind {
        None => true,
        Some(Behind::Working(_)) => false,
        Some(failed) => !failed.failed_lately(now),
    };
    if known.sources == 0 || known.current || !rests || !has_token(app, site).await {
        return Ok(known);
    }
    app.tables()
        .begin(app, site.clone(), f.caller.actor(), false);
    Ok(app.tables().known(app, site).await?)
}

/// What goes on behind the page, if anything does.
pub(crate) fn working(f: &Frame, known: &Known, page: String) -> Option<Working> {
    let Some(Behind::Working(asks)) = known.behind else {
        return None;
    };
    let t = f.t;
    let shown = if known.table.is_some() && !known.is_overtaken() {
        "?shown=1"
    } else {
        ""
    };
    let address = format!("{}{shown}", below(f, &["working"]));
    let text = match asks {
        _ if known.is_overtaken() => &t.prices.written_since,
        true => &t.prices.fetching,
        false => &t.prices.comparing,
    };
    Some(Working::new(f, page, address, text.clone()))
}

/// Something newer than what is shown can be shown.
pub(super) fn done(f: &Frame, page: String) -> Working {
    Working {
        over: true,
        ..Working::new(f, page, String::new(), f.t.prices.newer.clone())
    }
}

async fn page(
    app: &App,
    f: Frame,
    site: &Site,
    known: Known,
    mut asked: Asked,
) -> Result<Result<PricesPage, String>, Refusal> {
    let t = f.t;
    let now = app.now();
    let base = f.href(Here::Prices);
    let unit = Unit::of_code(asked.text("unit"));
    let trouble = match &known.behind {
        Some(Behind::Failed(problem, _)) => Some(problem.words(f.lang)),
        _ => None,
    };
    let table = known.table.clone().filter(|_| !known.is_overtaken());
    let holds = app.store().price_holds(&site.id).await?.into_iter();
    let waits: BTreeMap<String, Reason> = holds.map(|hold| (hold.model, hold.reason)).collect();
    let mut total = 0;
    let mut views = Vec::new();
    let mut columns = Vec::new();
    let mut here = Vec::new();
    let mut choice = Choice::default();
    let (mut shown_chips, mut shown_filters) = (Vec::new(), Vec::new());
    if let Some(table) = &table {
        let found = rows(table, &asked);
        total = found.len() as u64;
        asked.settle(&[], total);
        choice = chosen_of(table, &asked, &picked(&asked), &found);
        let size = usize::try_from(asked.size).unwrap_or(usize::MAX);
        let visible: Vec<&Row> = found
            .iter()
            .copied()
            .skip(asked.skip())
            .take(size)
            .collect();
        let answers = answers(app.store().price_answers(&site.id).await?);
        let served = |row: &&Row| {
            let (outlook, name) = (table.outlook.as_ref()?, &row.model.name);
            let coming = || outlook.coming(name).map(|coming| &coming.channels);
            outlook.served.get(name).or_else(coming)
        };
        let served = visible.iter().filter_map(served);
        let rows = Rows {
            f: &f,
            table,
            unit,
            choice: &choice.ids,
            answers: &answers,
            servers: Servers::of(app, site, served).await?,
            waits: &waits,
        };
        (views, here) = rows.views(&visible);
        let whole = whole_columns(table, &found);
        for (name, count) in table.sources.iter().zip(whole) {
            let take = fill(&t.prices.take_column, &[("n", &count)]);
            columns.push(SourceColumn {
                chosen: asked.text("column") == name,
                all: fill(&t.prices.choose_column, &[("source", name)]),
                name: name.clone(),
                take,
            });
        }
        shown_chips = chips(&f, table, &asked);
        shown_filters = filters(&f, table);
        if let Some(address) = asked.moved() {
            return Ok(Err(address));
        }
    }
    let said = vec![
        Column::new(&t.prices.col_model, Some("model")),
        Column::new(&t.prices.filter_field, None),
        Column::new(&t.prices.col_now, Some("price")),
    ];
    let models = choice.models;
    Ok(Ok(PricesPage {
        state: state(&f, known.table.as_deref(), now),
        missing: f.missing(app, site).await,
        working: working(&f, &known, asked.href()),
        trouble,
        sources: table
            .iter()
            .flat_map(|table| &table.told)
            .map(|told| SourceView::of(told, &f, now))
            .collect(),
        waiting: (!waits.is_empty()).then(|| {
            let t = &t.prices;
            (count(waits.len(), &t.waits_one, &t.waits_many), held_at(&f))
        }),
        has_sources: known.sources > 0,
        known: table.is_some(),
        sources_page: below(&f, &["sources"]),
        chosen: fill(&t.prices.chosen, &[("n", &choice.ids.len())]),
        left_out: (choice.left_out > 0)
            .then(|| fill(&t.prices.left_out, &[("n", &choice.left_out)])),
        review: fill(&t.prices.review, &[("n", &models)]),
        nothing_chosen: models == 0,
        table: Table {
            t,
            label: t.prices.title.clone(),
            search: Some(t.prices.search.clone()),
            chips: shown_chips,
            filters: shown_filters,
            groups: Vec::new(),
            columns: said,
            chooses: true,
            here,
            total,
            exports: (total > 0).then(|| exports(site, &asked)),
            empty: (t.prices.empty.clone(), t.prices.empty_hint.clone()),
            also: "",
            asked,
        },
        base,
        columns,
        rows: views,
        unit,
        f,
    }))
}

fn state(f: &Frame, table: Option<&Differences>, now: i64) -> String {
    let t = &f.t.prices;
    let Some(table) = table else {
        return t.never_compared.clone();
    };
    let mut models: u64 = 0;
    let mut last = "";
    for row in &table.rows {
        if row.model.name != last {
            models += 1;
            last = &row.model.name;
        }
    }
    let when = Moment::new(table.read_at, now, f.lang);
    let sources = f.lang.count(table.told.len() as u64, Thing::Source);
    let compared = fill(&t.compared, &[("when", &when.far), ("sources", &sources)]);
    let models = f.lang.count(models, Thing::Model);
    let differ = fill(&t.differ, &[("models", &models), ("total", &table.priced)]);
    format!("{compared} \u{b7} {differ}")
}

/// Where what is shown is to be had as files: the same filters, told to the API.
fn exports(site: &Site, asked: &Asked) -> [String; 2] {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in ["source", "field", "reason"] {
        if !asked.text(name).is_empty() {
            query.append_pair(name, asked.text(name));
        }
    }
    if !asked.search.is_empty() {
        query.append_pair("search", &asked.search);
    }
    match asked.chip {
        SUSPICIOUS => query.append_pair("suspicious", "true"),
        "new" | "dearer" | "cheaper" => query.append_pair("change", asked.chip),
        _ => &mut query,
    };
    let sign = if asked.backwards { "-" } else { "" };
    query.append_pair("sort", &format!("{sign}{}", asked.sort));
    let query = query.finish();
    ["csv", "json"].map(|form| {
        let file = format!("differences.{form}");
        let path = place::path(&["api", "v1", "sites", &site.id, &file]);
        format!("{path}?{query}")
    })
}

/// What was decided, by model.
pub(super) fn answers(all: Vec<PriceAnswer>) -> BTreeMap<String, Vec<PriceAnswer>> {
    let mut by_model: BTreeMap<String, Vec<PriceAnswer>> = BTreeMap::new();
    for answer in all {
        by_model
            .entry(answer.model.clone())
            .or_default()
            .push(answer);
    }
    by_model
}
