//! The tables that are kept for whoever looks next, and what planned runs propose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use futures_util::FutureExt as _;
use lockstep_core::change::{RunState, Subject};
use lockstep_core::prices::field::Field;
use lockstep_run::EngineError;
use lockstep_run::prices::outlook::Outlook;
use lockstep_store::StoreError;
use lockstep_store::listing::RunFilter;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::StoredSource;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;

use super::Proposal;
use super::table::Table;
use crate::api::orders::Reached;
use crate::api::together::Together;
use crate::deciding::prices::REVIEW;
use crate::ordering::Asked;
use crate::server::App;
use crate::server::problem::Problem;
use crate::view::prices;
use crate::words::Lang;

/// How long a table is kept that nobody looks at, in milliseconds.
const UNSEEN: i64 = 30 * 60_000;
/// How long the gateway's prices count as read, in milliseconds: other people write there too. Then they are read anew, and
/// whoever looks meanwhile sees what is there, with its age.
const FRESH: i64 = 10 * 60_000;
/// How long a table is looked at that could not be made anew, in milliseconds.
const OLD: i64 = 30 * 60_000;
/// So many runs are looked at for the last one that wrote.
const NEWEST: u32 = 5;
/// What failed is tried again unasked after this, in milliseconds.
const TRIES: i64 = 60_000;
/// The lists as they were kept, and nothing more.
const KEPT: How = How {
    asks: false,
    whole: false,
};

/// The tables of all sites.
#[derive(Default)]
pub(crate) struct Tables {
    kept: Mutex<HashMap<String, Kept>>,
    /// By the site's id, and how it is made.
    together: Together<(String, How), Result<Made, Problem>>,
    /// What is under way behind, and what came of the last of it, by the site's id.
    behind: Mutex<HashMap<String, Behind>>,
}

/// How a table is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct How {
    /// Whether the sources are asked; else their lists are taken as they were last kept.
    asks: bool,
    /// Whether it is told what the policy proposes and who serves what: the gateway tells its channels then.
    whole: bool,
}

/// What goes on behind the pages of a site.
#[derive(Clone, Debug)]
pub(crate) enum Behind {
    /// A table is being made; whether sources are asked for it.
    Working(bool),
    /// It could not be made, at that moment in Unix milliseconds.
    Failed(Box<Problem>, i64),
}

/// What is known of a site's prices, without waiting for anybody.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The table that was made last; `None` before the first, or where nobody looked for long.
    pub(crate) table: Option<Arc<Table>>,
    /// Whether that is what would be made now.
    pub(crate) current: bool,
    /// What goes on.
    pub(crate) behind: Option<Behind>,
    /// How many sources are remembered.
    pub(crate) sources: usize,
    /// The sources of which the table is made, as [`written`] tells them.
    pub(crate) made_of: Vec<String>,
    /// Whether prices were written since the table was made.
    written_since: bool,
    /// Whether a run over all channels came since: other names may wait for a price by now.
    listed_since: bool,
}

impl Known {
    /// Whether the table tells of prices that were written over since, and a newer one is on its way: what it proposes may
    /// be what was just done.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.written_since && matches!(self.behind, Some(Behind::Working(_)))
    }

    /// What the lists would come to, where nothing went on since that.
    pub(crate) fn outlook(&self) -> Option<&Outlook> {
        let since = self.written_since || self.listed_since;
        self.table.as_ref()?.outlook.as_ref().filter(|_| !since)
    }

    /// How a source stood when the table was made; `None` where it is not among those of which it was.
    pub(crate) fn told(&self, source: &StoredSource) -> Option<&RunSource> {
        let told = &self.table.as_ref()?.told;
        let text = written(source);
        let place = self.made_of.iter().position(|known| *known == text)?;
        // One that the gateway knows nothing of has no place among them.
        let complete = told.len() == self.made_of.len();
        told.get(place).filter(|_| complete)
    }
}

/// A table, and what was there when it was begun: whoever joins in making it may know of more since.
#[derive(Clone)]
struct Made {
    table: Arc<Table>,
    sources: Vec<String>,
    run: Option<(String, RunState)>,
    listed: Option<String>,
}

struct Kept {
    table: Arc<Table>,
    proposals: Option<Arc<Proposals>>,
    /// The site's sources when it was made.
    sources: Vec<String>,
    /// The latest price run then, and how far it was.
    run: Option<(String, RunState)>,
    /// The last run over all channels then.
    listed: Option<String>,
    /// When it was last looked at, in Unix milliseconds.
    seen: i64,
    /// When another one was last begun that is to take its place.
    begun: Option<i64>,
}

/// A table that somebody looks at.
pub(crate) struct Found {
    pub(crate) table: Arc<Table>,
    pub(crate) proposals: Arc<Proposals>,
    /// Whether it is old, and another one is being made.
    pub(crate) refreshing: bool,
}

/// What a planned run proposes, by model and field.
#[derive(Debug, Default)]
pub(crate) struct Proposals {
    pub(crate) run: Option<String>,
    values: HashMap<String, Vec<(Field, Proposal)>>,
}

impl Proposals {
    pub(crate) fn of(&self, model: &str, field: Field) -> Option<&Proposal> {
        let values = self.values.get(model)?;
        let found = values.iter().find(|(of, _)| *of == field);
        found.map(|(_, proposal)| proposal)
    }

    fn planned(run: &Run, rows: Vec<PriceRow>) -> Self {
        let mut values: HashMap<String, Vec<(Field, Proposal)>> = HashMap::new();
        for row in rows.into_iter().filter(|row| row.new != row.old) {
            let proposal = Proposal {
                value: row.new.as_ref().map(|text| prices::value(row.field, text)),
                status: row.status().code(),
                hold: row.hold.as_ref().map(|reason| reason.code.code()),
                skip: row.skip.as_ref().map(|reason| reason.code.code()),
                source: row.source,
            };
            values
                .entry(row.model)
                .or_default()
                .push((row.field, proposal));
        }
        Self {
            run: Some(run.id.clone()),
            values,
        }
    }
}

impl Tables {
    /// The table of a site and what is proposed; `None` where it remembers no source. Lists are taken as they were last
    /// fetched.
    pub(crate) async fn of(
        &self,
        app: &App,
        site: Site,
        actor: &str,
    ) -> Result<Option<Found>, Problem> {
        let sources = all_written(app, &site).await?;
        if sources.is_empty() {
            return Ok(None);
        }
        let (now, id) = (app.now(), site.id.clone());
        let run = app.store().latest_run(&site.id, Subject::Prices).await?;
        let at = run.as_ref().map(|run| (run.id.clone(), run.state));
        let kept = {
            let mut kept = self.lock();
            kept.retain(|_, kept| now - kept.seen < UNSEEN);
            kept.get_mut(&id).and_then(|kept| {
                kept.seen = now;
                // A run that went on since may have written prices, or have kept newer lists.
                let same = kept.sources == sources && kept.run == at;
                let age = now - kept.table.read_at;
                let begins = age >= FRESH && kept.begun.is_none_or(|begun| now - begun >= TRIES);
                let holds = same && age < OLD;
                if holds && begins {
                    kept.begun = Some(now);
                }
                holds.then(|| (Arc::clone(&kept.table), kept.proposals.clone(), begins))
            })
        };
        let (table, known) = match kept {
            Some((table, known, begins)) => {
                if begins {
                    make_behind(app, site, actor);
                }
                (table, known)
            }
            None => (self.make(app, site, actor, KEPT).await?, None),
        };
        // What somebody chose is no proposal.
        let planned = run.filter(|run| run.state == RunState::Planned && run.trigger != REVIEW);
        let from = planned.as_ref().map(|run| run.id.clone());
        let proposals = match (known.filter(|known| known.run == from), planned) {
            (Some(known), _) => known,
            (None, None) => Arc::default(),
            (None, Some(run)) => {
                let rows = app.store().price_rows(&run.id).await?;
                Arc::new(Proposals::planned(&run, rows))
            }
        };
        if let Some(kept) = self.lock().get_mut(&id) {
            kept.proposals = Some(Arc::clone(&proposals));
        }
        Ok(Some(Found {
            refreshing: now - table.read_at >= FRESH,
            table,
            proposals,
        }))
    }

    /// Asks the sources, keeps their lists, and makes the table anew.
    pub(crate) async fn fetch(
        &self,
        app: &App,
        site: Site,
        actor: &str,
    ) -> Result<Arc<Table>, Problem> {
        let sources = all_written(app, &site).await?;
        if sources.is_empty() {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "no_source",
                "no source of prices is remembered",
            )
            .hint("POST /api/v1/sites/{site}/sources adds one, e.g. `official`."));
        }
        let how = How {
            asks: true,
            whole: false,
        };
        self.make(app, site, actor, how).await
    }

    /// Makes the table anew from the lists as they are kept, with all that pages show.
    pub(crate) async fn renew(
        &self,
        app: &App,
        site: Site,
        actor: &str,
    ) -> Result<Arc<Table>, Problem> {
        let how = How {
            asks: false,
            whole: true,
        };
        self.make(app, site, actor, how).await
    }

    /// What is known of a site, however old.
    pub(crate) async fn known(&self, app: &App, site: &Site) -> Result<Known, StoreError> {
        let sources = all_written(app, site).await?;
        let run = app.store().latest_run(&site.id, Subject::Prices).await?;
        let at = run.map(|run| (run.id, run.state));
        let listed = app.store().last_full_run(&site.id).await?;
        let written_at = last_write(app, site).await?;
        let now = app.now();
        let mut known = Known {
            table: None,
            current: false,
            behind: self.lock_behind().get(&site.id).cloned(),
            sources: sources.len(),
            made_of: Vec::new(),
            written_since: false,
            listed_since: false,
        };
        let mut kept = self.lock();
        let found = kept.get_mut(&site.id);
        if let Some(kept) = found.filter(|_| !sources.is_empty()) {
            kept.seen = now;
            let same = kept.sources == sources && kept.run == at && kept.listed == listed;
            let fresh = now - kept.table.read_at < FRESH && kept.table.outlook.is_some();
            known.current = same && fresh;
            known.written_since = written_at.is_some_and(|at| at >= kept.table.read_at);
            known.listed_since = kept.listed != listed;
            known.table = Some(Arc::clone(&kept.table));
            known.made_of.clone_from(&kept.sources);
        }
        Ok(known)
    }

    /// Makes the table anew, behind whoever looks; nothing where that is under way already.
    pub(crate) fn begin(&self, app: &App, site: Site, actor: String, asks: bool) {
        {
            let mut behind = self.lock_behind();
            let works = behind.get(&site.id);
            if matches!(works, Some(Behind::Working(already)) if *already || !asks) {
                return;
            }
            behind.insert(site.id.clone(), Behind::Working(asks));
        }
        let app = app.clone();
        tokio::spawn(async move {
            let id = site.id.clone();
            let how = How { asks, whole: true };
            let made = tokio::select! {
                made = app.tables().make(&app, site, &actor, how) => made,
                () = app.stopping() => return,
            };
            let mut behind = app.tables().lock_behind();
            if !matches!(behind.get(&id), Some(Behind::Working(newer)) if *newer == asks) {
                // Somebody asked for a newer one meanwhile; what became of this one is nothing to tell.
                return;
            }
            match made {
                Ok(_) => behind.remove(&id),
                Err(problem) => behind.insert(id, Behind::Failed(Box::new(problem), app.now())),
            };
        });
    }

    async fn make(
        &self,
        app: &App,
        site: Site,
        actor: &str,
        how: How,
    ) -> Result<Arc<Table>, Problem> {
        let id = site.id.clone();
        let work = || make(app.clone(), site, actor.to_owned(), how).boxed();
        let Made {
            table,
            sources,
            run,
            listed,
        } = self.together.run((id.clone(), how), work).await?;
        let kept = Kept {
            table: Arc::clone(&table),
            proposals: None,
            sources,
            run,
            listed,
            seen: app.now(),
            begun: None,
        };
        let mut tables = self.lock();
        // What was begun earlier may be through later; it is the older one all the same.
        let newer = |known: &Kept| {
            known.table.read_at > table.read_at && known.sources == kept.sources && !how.asks
        };
        if !tables.get(&id).is_some_and(newer) {
            tables.insert(id, kept);
        }
        drop(tables);
        Ok(table)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_behind(&self) -> MutexGuard<'_, HashMap<String, Behind>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the table anew while others look at the one that is there.
fn make_behind(app: &App, site: Site, actor: &str) {
    let (app, actor) = (app.clone(), actor.to_owned());
    tokio::spawn(async move {
        let made = tokio::select! {
            made = app.tables().make(&app, site, &actor, KEPT) => made,
            () = app.stopping() => return,
        };
        if let Err(problem) = made {
            let why = problem.title();
            tracing::warn!(why, "the differences could not be looked at anew");
        }
    });
}

/// What a table is of: its sources as they are written, and what of them changes it beside.
async fn all_written(app: &App, site: &Site) -> Result<Vec<String>, StoreError> {
    let sources = app.store().sources(&site.id).await?;
    Ok(sources.iter().map(written).collect())
}

/// A source as far as it makes a table: its text, what lets us into it, and when its list was uploaded.
pub(crate) fn written(source: &StoredSource) -> String {
    let StoredSource {
        id: _,
        name,
        spec,
        position: _,
        user_id,
        has_token,
        headers,
        uploaded,
    } = source;
    let uploaded = uploaded.map(|list| list.at);
    format!("{name} {spec} {user_id:?} {has_token} {headers:?} {uploaded:?}")
}

async fn make(app: App, site: Site, actor: String, how: How) -> Result<Made, Problem> {
    let stored = app.store().sources(&site.id).await?;
    let run = app.store().latest_run(&site.id, Subject::Prices).await?;
    let listed = app.store().last_full_run(&site.id).await?;
    let mut sources = Vec::with_capacity(stored.len());
    for source in &stored {
        sources.push(Asked::remembered(app.store(), source).await?);
    }
    let reached = Reached::of(&app, site).await?;
    let collecting = reached.collecting(&sources)?;
    let session = reached.session(&app, &actor);
    let read_at = app.now();
    let local = session.local_prices(collecting.max_retries).await;
    let local = local.map_err(of_prices)?;
    let collected = match how.asks {
        true => session.collect(&collecting).await?,
        false => session.kept(&collecting).await?,
    };
    let basis = match how.whole {
        true => Some(session.basis(&reached.settings, None).await?),
        false => None,
    };
    let made = tokio::task::spawn_blocking(move || {
        let (table, outcomes) = Table::of(&local, &collected, basis, read_at);
        (table, outcomes, collected)
    });
    let (table, outcomes, collected) = made.await.map_err(|_| Problem::internal())?;
    if how.asks {
        session.remember(&collected, outcomes).await?;
    }
    Ok(Made {
        table: Arc::new(table),
        sources: stored.iter().map(written).collect(),
        run: run.map(|run| (run.id, run.state)),
        listed,
    })
}

/// When the last of the newest runs ended that somebody said yes to.
async fn last_write(app: &App, site: &Site) -> Result<Option<i64>, StoreError> {
    let filter = RunFilter {
        subject: Some(Subject::Prices),
        ..RunFilter::default()
    };
    let runs = app.store().runs_where(&site.id, &filter, NEWEST).await?;
    let yes = runs.iter().filter(|(run, _)| run.approved_at.is_some());
    Ok(yes.filter_map(|(run, _)| run.ended_at).max())
}

impl Behind {
    /// Whether it failed so lately that trying again by itself would only fail again.
    pub(crate) fn failed_lately(&self, now: i64) -> bool {
        matches!(self, Self::Failed(_, at) if now - at < TRIES)
    }
}

/// What the gateway answered, in the words of prices: who may sync models may be too low for these.
pub(crate) fn of_prices(error: EngineError) -> Problem {
    let said = match &error {
        EngineError::Gateway(failure) => Some(Lang::ALL.map(|lang| lang.price_failure(failure))),
        _ => None,
    };
    let problem = Problem::from(error);
    match said {
        Some(said) => problem.said(said),
        None => problem,
    }
}
