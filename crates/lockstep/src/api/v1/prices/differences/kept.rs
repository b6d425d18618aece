//! The tables that are kept for whoever looks next, and what planned runs propose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use futures_util::FutureExt as _;
use lockstep_core::change::{RunState, Subject};
use lockstep_core::prices::field::Field;
use lockstep_store::prices::PriceRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;

use super::Proposal;
use super::table::Table;
use crate::api::orders::Reached;
use crate::api::together::Together;
use crate::server::App;
use crate::server::problem::Problem;
use crate::view::prices;

/// How long a table is kept that nobody looks at, in milliseconds.
const UNSEEN: i64 = 30 * 60_000;
/// How long the gateway's prices count as read, in milliseconds: other people write there too. Then they are read anew, and
/// whoever looks meanwhile sees what is there, with its age.
const FRESH: i64 = 10 * 60_000;
/// How long a table is looked at that could not be made anew, in milliseconds.
const OLD: i64 = 30 * 60_000;
/// A table that could not be made anew is tried again after this, in milliseconds.
const TRIES: i64 = 60_000;

/// The tables of all sites.
#[derive(Default)]
pub(super) struct Tables {
    kept: Mutex<HashMap<String, Kept>>,
    /// By the site's id, and whether sources are asked.
    together: Together<(String, bool), Result<Arc<Table>, Problem>>,
}

struct Kept {
    table: Arc<Table>,
    proposals: Option<Arc<Proposals>>,
    /// The site's sources when it was made.
    sources: Vec<String>,
    /// The latest price run then, and how far it was.
    run: Option<(String, RunState)>,
    /// When it was last looked at, in Unix milliseconds.
    seen: i64,
    /// When another one was last begun that is to take its place.
    begun: Option<i64>,
}

/// A table that somebody looks at.
pub(super) struct Found {
    pub(super) table: Arc<Table>,
    pub(super) proposals: Arc<Proposals>,
    /// Whether it is old, and another one is being made.
    pub(super) refreshing: bool,
}

/// What a planned run proposes, by model and field.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    pub(super) run: Option<String>,
    values: HashMap<String, Vec<(Field, Proposal)>>,
}

impl Proposals {
    pub(super) fn of(&self, model: &str, field: Field) -> Option<&Proposal> {
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
    pub(super) async fn of(
        self: &Arc<Self>,
        app: &App,
        site: Site,
        actor: &str,
    ) -> Result<Option<Found>, Problem> {
        let sources = written(app, &site).await?;
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
                    self.make_behind(app, site, sources, actor);
                }
                (table, known)
            }
            None => (self.make(app, site, sources, actor, false).await?, None),
        };
        let planned = run.filter(|run| run.state == RunState::Planned);
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

    /// Makes the table anew while others look at the one that is there.
    fn make_behind(self: &Arc<Self>, app: &App, site: Site, sources: Vec<String>, actor: &str) {
        let (tables, app, actor) = (Arc::clone(self), app.clone(), actor.to_owned());
        tokio::spawn(async move {
            let made = tokio::select! {
                made = tables.make(&app, site, sources, &actor, false) => made,
                () = app.stopping() => return,
            };
            if let Err(problem) = made {
                let why = problem.title();
                tracing::warn!(why, "the differences could not be looked at anew");
            }
        });
    }

    /// Asks the sources, keeps their lists, and makes the table anew.
    pub(super) async fn fetch(
        &self,
        app: &App,
        site: Site,
        actor: &str,
    ) -> Result<Arc<Table>, Problem> {
        let sources = written(app, &site).await?;
        if sources.is_empty() {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "no_source",
                "no source of prices is remembered",
            )
            .hint("POST /api/v1/sites/{site}/sources adds one, e.g. `official`."));
        }
        self.make(app, site, sources, actor, true).await
    }

    async fn make(
        &self,
        app: &App,
        site: Site,
        sources: Vec<String>,
        actor: &str,
        asks: bool,
    ) -> Result<Arc<Table>, Problem> {
        let id = site.id.clone();
        let run = app.store().latest_run(&id, Subject::Prices).await?;
        let work = || make(app.clone(), site, sources.clone(), actor.to_owned(), asks).boxed();
        let table = self.together.run((id.clone(), asks), work).await?;
        let kept = Kept {
            table: Arc::clone(&table),
            proposals: None,
            sources,
            run: run.map(|run| (run.id, run.state)),
            seen: app.now(),
            begun: None,
        };
        self.lock().insert(id, kept);
        Ok(table)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn written(app: &App, site: &Site) -> Result<Vec<String>, Problem> {
    let sources = app.store().sources(&site.id).await?;
    Ok(sources.into_iter().map(|source| source.spec).collect())
}

async fn make(
    app: App,
    site: Site,
    sources: Vec<String>,
    actor: String,
    asks: bool,
) -> Result<Arc<Table>, Problem> {
    let reached = Reached::of(&app, site).await?;
    let collecting = reached.collecting(&sources)?;
    let session = reached.session(&app, &actor);
    let read_at = app.now();
    let local = session.local_prices(collecting.max_retries).await?;
    let collected = match asks {
        true => session.collect(&collecting).await?,
        false => session.kept(&collecting).await?,
    };
    let made = tokio::task::spawn_blocking(move || {
        let (table, good) = Table::of(&local, &collected, read_at);
        (table, good, collected)
    });
    let (table, good, collected) = made.await.map_err(|_| Problem::internal())?;
    for (place, models) in good.into_iter().filter(|_| asks) {
        if let Some(source) = collected.get(place) {
            session.keep_copy(source, models).await?;
        }
    }
    Ok(Arc::new(table))
}
