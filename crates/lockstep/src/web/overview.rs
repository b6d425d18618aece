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

use super::frame::{Frame, Here, held_of, host, key};
use super::refusal::{Refusal, html};
use super::sites::ADD;
use super::spark::Spark;
use super::when::Moment;
use super::words::count;
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
    /// Where channels by their newest results are, models without a price, and price sources.
    models: String,
    unpriced_page: String,
    sources: String,
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

/// Something that is said of a site, and the page that shows it.
struct Badge {
    kind: &'static str,
    text: String,
    href: String,
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
    let newest = [&models, &prices]
        .into_iter()
        .filter_map(|runs| runs.first());
    let plans = newest.filter(|(run, counts)| run.state == RunState::Planned && counts.planned > 0);
    let running = store.unfinished_runs(&site.id).await?;
    let running = running.first();
    let last = last_whole(&models).map(|(run, counts)| last(app, f, site, run, *counts));
    let missing = f.missing(app, site).await;
    let on = |page: Here| place::path(&["sites", key(site), page.code()]);
    let mut badges = Vec::new();
    let mut badge = |kind, text: String, href| badges.push(Badge { kind, text, href });
    if let Some(run) = running {
        badge("none", t.overview.running.clone(), run_of(site, run));
    }
    for (run, _) in plans {
        let href = match run.subject {
            Subject::Models => on(Here::Models),
            Subject::Prices => run_of(site, run),
        };
        let text = format!("{}: {}", f.lang.subject(run.subject), t.overview.plan_waits);
        badge("wait", text, href);
    }
    for (subject, waits, page) in [
        (Subject::Models, held.channels, Here::Models),
        (Subject::Prices, held.models, Here::Prices),
    ] {
        let waits = usize::try_from(waits).unwrap_or(usize::MAX);
        if waits > 0 {
            let said = count(waits, &t.overview.waiting_one, &t.overview.waiting);
            let said = format!("{}: {said}", f.lang.subject(subject));
            badge("wait", said, held_of(site, page));
        }
    }
    let well = trouble.is_empty() && missing.is_none();
    let failed = last.as_ref().is_some_and(|last| last.counts.failed > 0);
    if let (true, true, false, Some(last)) = (badges.is_empty(), well, failed, &last) {
        badges.push(Badge {
            kind: "good",
            text: t.overview.all_well.clone(),
            href: last.href.clone(),
        });
    }
    Ok(Card {
        id: format!("site-{at}"),
        name: site
            .name
            .clone()
            .unwrap_or_else(|| t.frame.site_known_by.clone()),
        host: host(site.url.as_str()).to_owned(),
        settings: on(Here::Settings),
        models: on(Here::Models),
        unpriced_page: on(Here::Unpriced),
        sources: format!("{}/sources", on(Here::Prices)),
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

/// Where a run is shown in full.
fn run_of(site: &Site, run: &Run) -> String {
    format!("{}{}", history::of(site), place::path(&[&run.id]))
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

fn last(app: &App, f: &Frame, site: &Site, run: &Run, counts: RunCounts) -> Last {
    Last {
        counts,
        href: run_of(site, run),
        duration: run.took().map(|took| f.lang.duration(took)),
        when: Moment::new(run.started_at, app.now(), f.lang),
        state: f.lang.run_state(run.state),
    }
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
