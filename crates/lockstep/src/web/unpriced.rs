//! Models without a price, served ones and those that wait to be listed: where, what the policy proposes, and the way to a
//! price.

mod files;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use lockstep_core::change::Verdict;
use lockstep_core::prices::unpriced::{Billed, Unpriced, lookup_key};
use lockstep_run::prices::chosen::{Picked, Picks};
use lockstep_run::prices::outlook::{Outlook, Proposal};
use lockstep_store::prices::answers::AnswerKind;

use super::flash::Flash;
use super::form::Fields;
use super::frame::{Frame, Here};
use super::history;
use super::live::{PLANNING, soon};
use super::prices::{Servers, Working, begun, costs, led_to, model_id, working};
use super::refusal::{Refusal, html};
use super::table::{Asked, Chip, Chosen, Column, Shape, Table};
use super::when::Moment;
use super::words::fill;
use crate::api::v1::prices::answers::{Word, decided};
use crate::api::v1::prices::differences::kept::Behind;
use crate::deciding;
use crate::server::App;
use crate::words::Said;

/// What the table of unpriced models can be asked.
static SHAPE: Shape = Shape {
    chips: &["waiting", "proposed", "ignored"],
    sorts: &["model", "served"],
    groups: &[],
    filters: &[],
    keeps: &[],
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sites/{site}/unpriced", get(show))
        .merge(super::file::files(
            "/sites/{site}/unpriced",
            get(files::files),
        ))
        .route("/sites/{site}/unpriced/review", post(review))
        .route("/sites/{site}/unpriced/answers", post(answer))
}

#[derive(Template)]
#[template(path = "unpriced.html")]
struct UnpricedPage {
    f: Frame,
    base: String,
    prices: String,
    when: Option<Moment>,
    /// What stands in the way of asking the gateway.
    missing: Option<String>,
    working: Option<Working>,
    trouble: Option<Said>,
    has_sources: bool,
    known: bool,
    /// What becomes of calls of such models.
    calls: Option<String>,
    /// The words of the button that reviews proposals.
    review: String,
    /// Whether there is nothing that it could review.
    none: bool,
    table: Table,
    rows: Vec<RowView>,
}

struct RowView {
    id: String,
    model: String,
    /// What its price was over time.
    history: String,
    served: String,
    /// Which channels list it once it has a price.
    coming: Option<String>,
    calls: &'static str,
    proposal: String,
    source: String,
    held: Option<String>,
    ignored: bool,
    can_be_chosen: bool,
}

/// A model with what is known of it.
struct Row<'o> {
    name: &'o str,
    /// Who serves it, if anybody does.
    served: Option<&'o Unpriced>,
    /// Who is to list it once it has a price.
    coming: Option<&'o Unpriced>,
    proposal: Option<&'o Proposal>,
    ignored: bool,
}

impl Row<'_> {
    /// Whether a source has a price for just this name.
    fn can_be_chosen(&self) -> bool {
        !self.ignored
            && self
                .proposal
                .is_some_and(|proposal| picked(proposal).is_some())
    }

    /// Whether that price is proposed without a doubt.
    fn is_proposed(&self) -> bool {
        let held = |proposal: &Proposal| proposal.verdict.held().is_some();
        self.can_be_chosen() && !self.proposal.is_some_and(held)
    }

    /// The channels that serve it, or are to list it.
    fn channels(&self) -> impl Iterator<Item = &Vec<i64>> {
        let known = self.served.into_iter().chain(self.coming);
        known.map(|known| &known.channels)
    }
}

/// The values of a proposal, from their source. Those that could be no price are held in the review.
fn picked(proposal: &Proposal) -> Option<Picked> {
    let source = proposal.source.clone()?;
    let changes = proposal.changes.iter();
    let fields: BTreeMap<_, _> = changes
        .filter(|change| change.new.is_some() && change.skip.is_none())
        .map(|change| (change.field, source.clone()))
        .collect();
    (!fields.is_empty()).then_some(Picked {
        fields,
        approved: false,
    })
}

/// `GET /sites/{site}/unpriced`
async fn show(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::Unpriced);
    let site = f.site()?.clone();
    let known = app.tables().known(&app, &site).await?;
    let known = begun(&app, &f, &site, known).await?;
    let base = f.href(Here::Unpriced);
    let mut asked = Asked::of_query(&SHAPE, &base, &query.unwrap_or_default());
    if let Some(address) = asked.moved() {
        return Ok(Redirect::to(&address).into_response());
    }
    let table = known.table.clone();
    let table = table.filter(|_| !known.is_overtaken());
    let outlook = table.as_ref().and_then(|table| table.outlook.as_ref());
    let ignored = ignored(&app, &site.id).await?;
    let all = outlook.map(|outlook| rows(outlook, &ignored));
    let all = all.unwrap_or_default();
    let found = matching(&all, &asked);
    let total = found.len() as u64;
    let size = usize::try_from(asked.size).unwrap_or(usize::MAX);
    let page = |asked: &Asked| -> Vec<&Row<'_>> {
        let found = found.iter().copied();
        found.skip(asked.skip()).take(size).collect()
    };
    let ids =
        |rows: &[&Row<'_>]| -> Vec<String> { rows.iter().map(|row| model_id(row.name)).collect() };
    if asked.takes_all(total) {
        asked.take_all(ids(&found).into_iter());
    }
    if let Some(address) = asked.settle(&ids(&page(&asked)), total) {
        return Ok(Redirect::to(&address).into_response());
    }
    let visible = page(&asked);
    let served = visible.iter().flat_map(|row| row.channels());
    let servers = Servers::of(&app, &site, served).await?;
    let t = f.t;
    let views = visible.iter().map(|row| view(&f, row, &servers));
    let chip = |code, label: &str| {
        let mut other = asked.clone();
        other.chip = code;
        Chip::new(code, label, matching(&all, &other).len() as u64)
    };
    let chips = vec![
        chip("waiting", &t.unpriced.chip_waiting),
        chip("proposed", &t.unpriced.chip_proposed),
        chip("ignored", &t.unpriced.ignored),
    ];
    let billed = all.iter().find_map(|row| Some(row.served?.billed));
    let proposed = found.iter().filter(|row| row.is_proposed()).count();
    let none = !found.iter().any(|row| row.can_be_chosen());
    let page = UnpricedPage {
        when: table
            .as_ref()
            .map(|table| Moment::new(table.read_at, app.now(), f.lang)),
        missing: f.missing(&app, &site).await,
        working: working(&f, &known, asked.href()),
        trouble: match &known.behind {
            Some(Behind::Failed(problem, _)) => Some(problem.words(f.lang)),
            _ => None,
        },
        has_sources: known.sources > 0,
        known: outlook.is_some(),
        prices: f.href(Here::Prices),
        calls: billed.map(|billed| match billed {
            Billed::Placeholder => t.unpriced.self_use.clone(),
            _ => t.unpriced.refused.clone(),
        }),
        review: match (asked.chooses(), proposed) {
            (false, 1..) => fill(&t.unpriced.review_all, &[("n", &proposed)]),
            _ => t.unpriced.review_chosen.clone(),
        },
        none,
        rows: views.collect(),
        table: Table {
            t,
            label: t.unpriced.title.clone(),
            search: Some(t.unpriced.search.clone()),
            chips,
            filters: Vec::new(),
            groups: Vec::new(),
            columns: vec![
                Column::new(&t.unpriced.col_model, Some("model")),
                Column::falling(&t.unpriced.col_served, "served"),
                Column::new(&t.unpriced.col_calls, None),
                Column::new(&t.unpriced.col_proposal, None),
                Column::new(&t.unpriced.col_source, None),
            ],
            chooses: true,
            here: ids(&visible),
            total,
            exports: (total > 0).then(|| asked.files()),
            empty: (t.unpriced.empty.clone(), t.unpriced.empty_hint.clone()),
            also: "",
            asked,
        },
        base,
        f,
    };
    Ok(html(&page))
}

pub(super) async fn ignored(app: &App, site: &str) -> Result<BTreeSet<String>, Refusal> {
    let answers = app.store().price_answers(site).await?.into_iter();
    let ignored = answers.filter(|answer| answer.kind == AnswerKind::Ignore);
    Ok(ignored.map(|answer| answer.model).collect())
}

/// How many models have no price, those that somebody ignores left out.
pub(super) async fn count(app: &App, site: &str, outlook: &Outlook) -> Result<usize, Refusal> {
    let ignored = ignored(app, site).await?;
    let all = rows(outlook, &ignored);
    Ok(all.iter().filter(|row| !row.ignored).count())
}

fn rows<'o>(outlook: &'o Outlook, ignored: &BTreeSet<String>) -> Vec<Row<'o>> {
    let mut rows: BTreeMap<&str, Row<'o>> = BTreeMap::new();
    let row = |name: &'o str| Row {
        name,
        served: None,
        coming: None,
        proposal: outlook.proposals.get(lookup_key(name)),
        ignored: ignored.contains(name),
    };
    for served in &outlook.unpriced {
        let name = served.model.as_str();
        rows.entry(name).or_insert_with(|| row(name)).served = Some(served);
    }
    for coming in &outlook.coming {
        let name = coming.model.as_str();
        rows.entry(name).or_insert_with(|| row(name)).coming = Some(coming);
    }
    rows.into_values().collect()
}

fn matching<'r, 'o>(rows: &'r [Row<'o>], asked: &Asked) -> Vec<&'r Row<'o>> {
    let search = asked.search.to_lowercase();
    let mut found: Vec<&Row<'o>> = rows
        .iter()
        .filter(|row| match asked.chip {
            "proposed" => row.can_be_chosen(),
            "ignored" => row.ignored,
            _ => !row.ignored,
        })
        .filter(|row| row.name.to_lowercase().contains(&search))
        .collect();
    if asked.sort == "served" {
        found.sort_by_key(|row| std::cmp::Reverse(row.channels().map(Vec::len).sum::<usize>()));
    }
    if asked.backwards {
        found.reverse();
    }
    found
}

fn view(f: &Frame, row: &Row<'_>, servers: &Servers) -> RowView {
    let t = &f.t.unpriced;
    let held = row.proposal.and_then(|proposal| match &proposal.verdict {
        Verdict::Hold(reason) | Verdict::Skip(reason) => Some(f.lang.reason(reason).message),
        Verdict::Apply | Verdict::Same => None,
    });
    let listed = |known: &Unpriced| servers.said(f.lang, &known.channels);
    RowView {
        id: model_id(row.name),
        model: row.name.to_owned(),
        history: history::price_at(f, row.name),
        served: row.served.map_or_else(String::new, listed),
        coming: row
            .coming
            .map(|known| fill(&t.waits_on, &[("names", &listed(known))])),
        calls: match row.served {
            Some(served) => f.lang.billed(served.billed),
            // Nobody can call what no channel lists.
            None => "\u{2014}",
        },
        proposal: row
            .proposal
            .map_or_else(|| t.no_proposal.clone(), |proposal| costs(&proposal.usd)),
        source: row
            .proposal
            .and_then(|proposal| proposal.source.clone())
            .unwrap_or_default(),
        held,
        ignored: row.ignored,
        can_be_chosen: row.can_be_chosen(),
    }
}

/// What a form of the table chose; with `whole` all proposals where nothing is ticked.
async fn chosen(
    app: &App,
    f: &Frame,
    fields: &Fields,
    whole: bool,
) -> Result<Vec<(String, Picks)>, Refusal> {
    let site = f.site()?;
    let known = app.tables().known(app, site).await?;
    let ignored = ignored(app, &site.id).await?;
    let outlook = known
        .table
        .as_ref()
        .and_then(|table| table.outlook.as_ref());
    let all = outlook.map(|outlook| rows(outlook, &ignored));
    let all = all.unwrap_or_default();
    let wanted: Vec<&Row<'_>> = match Chosen::of_form(&SHAPE, &f.href(Here::Unpriced), fields) {
        Chosen::All(asked) => matching(&all, &asked),
        // Nothing that is ticked stands for whatever is proposed without a doubt.
        Chosen::These(ids) if ids.is_empty() && whole => {
            let asked = Asked::of_form(&SHAPE, &f.href(Here::Unpriced), fields);
            let mut found = matching(&all, &asked);
            found.retain(|row| row.is_proposed());
            found
        }
        Chosen::These(ids) => {
            let these = |row: &&Row<'_>| ids.contains(&model_id(row.name));
            all.iter().filter(these).collect()
        }
    };
    let picks = |row: &Row<'_>| -> Picks {
        let picked = row.proposal.and_then(picked).filter(|_| !row.ignored);
        let key = lookup_key(row.name).to_owned();
        picked
            .into_iter()
            .map(|picked| (key.clone(), picked))
            .collect()
    };
    Ok(wanted
        .into_iter()
        .map(|row| (row.name.to_owned(), picks(row)))
        .collect())
}

/// `POST /sites/{site}/unpriced/review`: the proposals of what was chosen, shown before anything is written.
async fn review(State(app): State<App>, f: Frame, fields: Fields) -> Result<Redirect, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let chosen = chosen(&app, &f, &fields, true).await?;
    let picks: Picks = chosen.into_iter().flat_map(|(_, picks)| picks).collect();
    if picks.is_empty() {
        return Ok(Redirect::to(
            &Flash::NothingChosen.at(&f.href(Here::Unpriced)),
        ));
    }
    let run = deciding::prices::review(&app, &f.caller, &site, picks).await?;
    soon(&app, &run, &PLANNING).await;
    Ok(Redirect::to(&led_to(&f, &run)))
}

/// `POST /sites/{site}/unpriced/answers`: what was chosen is ignored from now on, or no more.
async fn answer(State(app): State<App>, f: Frame, fields: Fields) -> Result<Redirect, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let word = match fields.text("answer") {
        "unlock" => Word::Unlock,
        _ => Word::Ignore,
    };
    let chosen = chosen(&app, &f, &fields, false).await?;
    let models: Vec<String> = chosen.into_iter().map(|(model, _)| model).collect();
    let page = f.href(Here::Unpriced);
    if models.is_empty() {
        return Ok(Redirect::to(&Flash::NothingChosen.at(&page)));
    }
    decided(&app, &f.caller, &site, &models, word, None).await?;
    Ok(Redirect::to(&Flash::Saved.at(&page)))
}

impl UnpricedPage {
    fn known_since(&self) -> String {
        let when = self.when.as_ref().map_or("", |when| when.far.as_str());
        fill(&self.f.t.unpriced.as_of, &[("when", &when)])
    }

    fn choose(&self, row: &RowView) -> String {
        fill(&self.f.t.unpriced.choose, &[("model", &row.model)])
    }

    fn shows_ignored(&self) -> bool {
        self.table.asked.chip == "ignored"
    }
}
