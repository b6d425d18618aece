//! The overview: a card a site, with what is known here. No gateway is asked.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lockstep_core::change::{RunState, Subject};
use lockstep_core::prices::source::SourceState;
use lockstep_run::schedule::next_due;
use lockstep_store::listing::RunFilter;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::RunCounts;

use super::frame::{Frame, Here, host, key};
use super::refusal::{Refusal, html};
use super::sites::ADD;
use super::spark::Spark;
use super::when::Moment;
use super::words::{Words, count, fill};
use super::{history, place, unpriced};
use crate::api::v1::prices::differences::kept::Known;
use crate::notify::{looks_at_all, unpriced_models};
use crate::server::App;

/// How many runs the picture has.
const RUNS: u32 = 30;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    f: Frame,
    cards: Vec<Card>,
}

impl OverviewPage {
    fn add(&self) -> &'static str {
        ADD
    }
}

/// A site.
struct Card {
    /// Its word in the page, for headings to refer to.
    id: String,
    name: String,
    host: String,
    settings: String,
    history: String,
    /// How it stands, most urgent first; what is well says so.
    badges: Vec<Badge>,
    last: Option<Last>,
    next: Vec<Next>,
    /// `None` before any run that could tell.
    unpriced: Option<usize>,
    /// Each source in trouble with what is wrong.
    trouble: Vec<Trouble>,
    spark: Spark,
    /// What stands in the way of any run.
    missing: Option<String>,
}

struct Badge {
    kind: &'static str,
    text: String,
}

/// The last run over all channels.
struct Last {
    counts: RunCounts,
    duration: Option<String>,
    /// The run in full.
    href: String,
    when: Moment,
    state: &'static str,
}

struct Next {
    subject: &'static str,
    at: Moment,
}

struct Trouble {
    name: String,
    badge: &'static str,
    message: String,
    hint: String,
}

/// `GET /`
pub(super) async fn show(State(app): State<App>, f: Frame) -> Result<Response, Refusal> {
    let mut cards = Vec::new();
    for (at, site) in app.store().sites().await?.iter().enumerate() {
        cards.push(card(&app, &f, at, site).await?);
    }
    Ok(html(&OverviewPage { f, cards }))
}

/// The newest run over all channels that came to its plan or beyond.
pub(super) fn last_whole(runs: &[(Run, RunCounts)]) -> Option<&(Run, RunCounts)> {
    runs.iter().find(|(run, counts)| {
        let moves = matches!(
            run.state,
            RunState::Queued | RunState::Reading | RunState::Writing
        );
        let whole = run.selection.is_none() && run.planned_at.is_some() && run.trigger != "undo";
        whole && !moves && counts.total > 0
    })
}

async fn card(app: &App, f: &Frame, at: usize, site: &Site) -> Result<Card, Refusal> {
    let (store, t) = (app.store(), f.t);
    let filter = |subject| RunFilter {
        subject: Some(subject),
        ..RunFilter::default()
    };
    let models = store
        .runs_where(&site.id, &filter(Subject::Models), RUNS)
        .await?;
    let prices = store
        .runs_where(&site.id, &filter(Subject::Prices), RUNS)
        .await?;
    let held = store.hold_counts(&site.id).await?;
    let waits = usize::try_from(held.channels + held.models).unwrap_or(usize::MAX);
    // A review looks at what somebody chose, and an undo at nothing: neither tells how prices stand.
    let is_whole = |(run, _): &&(Run, RunCounts)| looks_at_all(run) && run.planned_at.is_some();
    let price_run = prices.iter().find(is_whole).map(|(run, _)| run);
    let known = app.tables().known(app, site).await?;
    // Without the gate nobody looked at prices.
    let last_models = last_whole(&models).map(|(run, _)| run);
    let last_models = last_models.filter(|run| {
        let gate = run.settings.iter().find(|(key, _)| key == "price-gate");
        gate.is_none_or(|(_, value)| value != "off")
    });
    let unpriced = match (known.outlook(), last_models, price_run) {
        (Some(outlook), ..) => Some(unpriced::count(app, &site.id, outlook).await?),
        (None, None, None) => None,
        (None, models, whole) => {
            let since = prices.iter().map(|(run, _)| run);
            let since = since.take_while(|run| whole.is_none_or(|whole| whole.id != run.id));
            let mut names = unpriced_models(store, models, whole).await?;
            for run in since {
                for model in store.written_of(&run.id, &names).await? {
                    names.remove(&model);
                }
            }
            for model in unpriced::ignored(app, &site.id).await? {
                names.remove(&model);
            }
            Some(names.len())
        }
    };
    let trouble = trouble(app, f, site, (&known, price_run)).await?;
    let next = store.schedules(Some(&site.id)).await?;
    let next = next.iter().filter_map(|schedule| {
        Some(Next {
            subject: f.lang.subject(schedule.subject),
            at: Moment::new(next_due(schedule)?, app.now(), f.lang),
        })
    });
    let plan_waits = [&models, &prices]
        .into_iter()
        .flatten()
        .any(|(run, counts)| {
            run.state == RunState::Planned && counts.planned > 0 && is_newest(run, &models, &prices)
        });
    let running = !store.unfinished_runs(&site.id).await?.is_empty();
    let last = last_whole(&models).map(|(run, counts)| last(app, f, site, run, *counts));
    let missing =
        (!site.has_token).then(|| fill(&t.settings.missing, &[("what", &t.settings.admin_token)]));
    let badges = badges(
        t,
        (running, plan_waits, waits),
        last.as_ref(),
        trouble.is_empty() && missing.is_none(),
    );
    Ok(Card {
        id: format!("site-{at}"),
        name: site
            .name
            .clone()
            .unwrap_or_else(|| t.frame.site_known_by.clone()),
        host: host(site.url.as_str()).to_owned(),
        settings: place::path(&["sites", key(site), Here::Settings.code()]),
        history: history::of(site),
        badges,
        last,
        next: next.collect(),
        unpriced,
        trouble,
        spark: Spark::new(&models, f.lang, app.now()),
        missing,
    })
}

/// The sources of the site that are in trouble, by what is known of them now; where no lists were compared of late, by
/// the run.
async fn trouble(
    app: &App,
    f: &Frame,
    site: &Site,
    (known, run): (&Known, Option<&Run>),
) -> Result<Vec<Trouble>, Refusal> {
    let stored = app.store().sources(&site.id).await?;
    let now = stored.iter().filter_map(|source| known.told(source));
    let mut all: Vec<RunSource> = now.cloned().collect();
    if let (true, Some(run)) = (all.is_empty(), run) {
        all = app.store().run_sources(&run.id).await?;
    }
    let mut trouble = Vec::new();
    for told in &all {
        let state = SourceState::from_code(&told.state).unwrap_or(SourceState::Failed);
        // Nothing is wrong with one that nobody asked yet.
        let asked = told.fetched_at.is_some() || told.tried_at.is_some();
        if state.is_believed() || (state == SourceState::Failed && !asked) {
            continue;
        }
        let said = f.lang.source_state(told);
        trouble.push(Trouble {
            name: told.name.clone(),
            badge: f.lang.source_badge(state),
            message: said.message,
            hint: said.hint,
        });
    }
    Ok(trouble)
}

fn is_newest(run: &Run, models: &[(Run, RunCounts)], prices: &[(Run, RunCounts)]) -> bool {
    let newest = |runs: &[(Run, RunCounts)]| runs.first().is_some_and(|(one, _)| one.id == run.id);
    newest(models) || newest(prices)
}

fn last(app: &App, f: &Frame, site: &Site, run: &Run, counts: RunCounts) -> Last {
    Last {
        counts,
        href: format!("{}{}", history::of(site), place::path(&[&run.id])),
        duration: run.took().map(|took| f.lang.duration(took)),
        when: Moment::new(run.started_at, app.now(), f.lang),
        state: f.lang.run_state(run.state),
    }
}

fn badges(
    t: &Words,
    (running, plan_waits, waits): (bool, bool, usize),
    last: Option<&Last>,
    well: bool,
) -> Vec<Badge> {
    let mut badges = Vec::new();
    let mut badge = |kind, text: &str| {
        badges.push(Badge {
            kind,
            text: text.to_owned(),
        });
    };
    if running {
        badge("none", &t.overview.running);
    }
    if plan_waits {
        badge("wait", &t.overview.plan_waits);
    }
    if waits > 0 {
        badge(
            "wait",
            &count(waits, &t.overview.waiting_one, &t.overview.waiting),
        );
    }
    let failed = last.is_some_and(|last| last.counts.failed > 0);
    if badges.is_empty() && well && !failed && last.is_some() {
        badges.push(Badge {
            kind: "good",
            text: t.overview.all_well.clone(),
        });
    }
    badges
}

impl Card {
    fn has_unpriced(&self) -> bool {
        self.unpriced.is_some_and(|count| count > 0)
    }

    fn failed(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|last| last.counts.failed > 0)
    }
}
