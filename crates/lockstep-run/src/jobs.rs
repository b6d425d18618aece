//! Runs in the background: begun by a request or a tick, watched by whoever looks, ended by a word.

pub mod both;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::hash::Digest;
use lockstep_core::settings::Settings;
use lockstep_store::runs::Run;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::engine::{Engine, Request, Session, SiteAccess, Source, Watch};
use crate::error::EngineError;
use crate::prices::chosen::Picks;
use crate::prices::plan::{PriceRequest, What};
use crate::prices::review::PriceApproval;
use crate::progress::Progress;
use crate::review::Approval;

/// The runs that this process works on. Clones share them.
#[derive(Clone, Debug)]
pub struct Jobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    running: Mutex<BTreeMap<String, Running>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    leave: CancellationToken,
    ended: broadcast::Sender<String>,
}

/// How many runs may come to rest while nobody asks for them; who missed some looks at the store.
const ENDED: usize = 256;

/// How long a job that has planned its run may take to let go of the gateway.
const LETS_GO: Duration = Duration::from_secs(5);

/// A run that is under way in this process.
#[derive(Clone, Debug)]
pub struct Running {
    /// The site's id.
    pub site_id: String,
    /// What it is about.
    pub subject: Subject,
    /// Its progress, and the word that ends it.
    pub watch: Watch,
}

/// What is to be done, on which gateway and for whom.
#[derive(Clone, Debug)]
pub struct Job {
    /// The gateway and its token.
    pub access: SiteAccess,
    /// The settings that the pace and what is planned afresh go by.
    pub settings: Settings,
    /// Who the history says did it.
    pub actor: String,
    /// What.
    pub order: Order,
    /// Whether the gateway's price page is asked afterwards whether it bills by what was written.
    pub verify: bool,
}

/// How orders of one session are carried out.
struct Terms {
    settings: Settings,
    actor: String,
    verify: bool,
}

/// What a job does.
#[derive(Clone, Debug)]
pub enum Order {
    /// Plans model lists, and writes what is ready where it is to go on.
    Models(Box<Request>, Go),
    /// Plans prices, and writes what is ready where it is to go on.
    Prices(Box<PriceRequest>, Go),
    /// Writes a planned run.
    Apply {
        /// The run.
        run: String,
        /// The digest of the plan that was shown; another one is refused.
        shown: Option<Digest>,
        /// What of it.
        only: Chosen,
    },
    /// Goes on with a run whose process is gone.
    Resume(String),
    /// Writes what is held, on somebody's yes.
    Held {
        /// Channels or prices.
        subject: Subject,
        /// What of it.
        only: Chosen,
    },
    /// Plans to take a run back, and does where it is to go on.
    Undo {
        /// The run.
        run: String,
        /// What of it.
        only: Chosen,
        /// Whether it is written at once.
        go: Go,
    },
}

/// How a job goes on after its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It stops there.
    Plans,
    /// It writes what no guard holds; the first plan of a gateway stops all the same, once.
    Writes,
}

/// What of a run is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// All that is ready.
    #[default]
    All,
    /// Some channels.
    Channels(Vec<i64>),
    /// Some models.
    Models(Vec<String>),
}

impl Jobs {
    /// No job yet.
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(Inner {
            engine,
            running: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            leave: CancellationToken::new(),
            ended: broadcast::Sender::new(ENDED),
        }))
    }

    /// The engine that works on them.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Begins a job and returns its run as soon as there is one; the work goes on behind.
    ///
    /// # Errors
    ///
    /// What stopped it before there was a run: [`EngineError::Busy`] where the gateway has one under way,
    /// [`EngineError::EmptySelection`] for a choice of nothing.
    pub async fn start(&self, job: Job) -> Result<String, EngineError> {
        job.order.check()?;
        let watch = self.watch();
        let (jobs, progress) = (self.clone(), watch.progress.clone());
        let mut work = self
            .0
            .tasks
            .spawn(async move { jobs.work(job, watch).await });
        tokio::select! {
            biased;
            run = progress.run() => Ok(run),
            done = &mut work => match done {
                Ok(run) => Ok(run?.id),
                Err(stopped) => match stopped.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(EngineError::Stopping),
                },
            },
        }
    }

    /// Does a job to its end.
    pub async fn finish(&self, job: Job) -> Result<Run, EngineError> {
        job.order.check()?;
        let watch = self.watch();
        let jobs = self.clone();
        let work = self
            .0
            .tasks
            .spawn(async move { jobs.work(job, watch).await });
        work.await.unwrap_or(Err(EngineError::Stopping))
    }

    /// The ids of runs as they come to rest here: planned, or over.
    pub fn ended(&self) -> broadcast::Receiver<String> {
        self.0.ended.subscribe()
    }

    /// The run, if this process works on it.
    pub fn running(&self, run_id: &str) -> Option<Running> {
        self.lock().get(run_id).cloned()
    }

    /// All runs that this process works on, by id.
    pub fn all(&self) -> BTreeMap<String, Running> {
        self.lock().clone()
    }

    /// Ends a run of this process early: what is being written is finished and journaled. Whether it was here.
    pub fn cancel(&self, run_id: &str) -> bool {
        match self.running(run_id) {
            Some(running) => {
                running.watch.cancel.cancel();
                true
            }
            None => false,
        }
    }

    /// Stops every job where it is and returns when the last is through: writes under way are finished and journaled.
    /// The runs do not end; whoever is there next goes on with them. No new one begins.
    pub async fn stop(&self) {
        self.0.leave.cancel();
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn work(&self, job: Job, watch: Watch) -> Result<Run, EngineError> {
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        if let Order::Apply { run, .. } = &job.order {
            self.planned(run).await;
        }
        let subject = self.subject(&job.order).await?;
        let engine = self.0.engine.acting_as(job.actor.clone());
        let session = engine.session(job.access, &job.settings);
        let terms = Terms {
            settings: job.settings,
            actor: job.actor,
            verify: job.verify,
        };
        let done = self
            .listed(&session, subject, job.order, &terms, &watch)
            .await;
        if let Err(error) = &done {
            tracing::info!(%error, "a job was not done");
        }
        done
    }

    /// Waits until the job that planned the run has let go of its gateway, which is a moment after the plan can be seen.
    async fn planned(&self, run_id: &str) {
        let gone = async {
            while self.running(run_id).is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // Should it take longer, the gateway is busy, and that is told.
        let _late = tokio::time::timeout(LETS_GO, gone).await;
    }

    /// How new work is watched: it ends early with all others.
    fn watch(&self) -> Watch {
        Watch {
            cancel: self.0.stop.child_token(),
            leave: self.0.leave.clone(),
            ..Watch::default()
        }
    }

    /// Does an order within a session, in the list of running ones while it does.
    async fn listed(
        &self,
        session: &Session,
        subject: Subject,
        order: Order,
        terms: &Terms,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        let running = Running::new(session, subject, watch);
        // The run's id is known a little later; the entry adds it.
        let span =
            tracing::info_span!("job", run = tracing::field::Empty, site = %session.site().url);
        let entry = Entry::new(self, running, span.clone());
        let work = async {
            let run = session
                .order(order, &terms.settings, &terms.actor, watch)
                .await?;
            if terms.verify
                && let Err(error) = session.keep_verified(&run, watch).await
            {
                // What was written is told all the same.
                tracing::warn!(%error, "what the price page says could not be kept");
            }
            Ok(run)
        };
        let done = work.instrument(span).await;
        drop(entry);
        if let Ok(run) = &done {
            // Nobody need listen.
            let _nobody = self.0.ended.send(run.id.clone());
        }
        done
    }

    async fn subject(&self, order: &Order) -> Result<Subject, EngineError> {
        Ok(match order {
            Order::Models(..) => Subject::Models,
            Order::Prices(..) => Subject::Prices,
            Order::Held { subject, .. } => *subject,
            Order::Apply { run, .. } | Order::Undo { run, .. } | Order::Resume(run) => {
                self.0.engine.store().run(run).await?.subject
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run's place in the list, from when it has an id until its work ends, whatever ends it.
struct Entry {
    jobs: Jobs,
    /// What lists it, where its id is not known yet.
    listing: Option<tokio::task::JoinHandle<()>>,
    watch: Watch,
}

impl Entry {
    fn new(jobs: &Jobs, running: Running, span: tracing::Span) -> Self {
        let watch = running.watch.clone();
        let listed = jobs.clone();
        let listing = tokio::spawn(async move {
            let run = running.watch.progress.run().await;
            span.record("run", &run);
            listed.lock().insert(run, running);
        });
        Self {
            jobs: jobs.clone(),
            listing: Some(listing),
            watch,
        }
    }

    /// The place of a run that is queued, and whose id is known.
    fn queued(jobs: &Jobs, run: &Run, running: Running) -> Self {
        let watch = running.watch.clone();
        watch.progress.is_run(&run.id);
        jobs.lock().insert(run.id.clone(), running);
        Self {
            jobs: jobs.clone(),
            listing: None,
            watch,
        }
    }
}

impl Running {
    fn new(session: &Session, subject: Subject, watch: &Watch) -> Self {
        Self {
            site_id: session.site().id.clone(),
            subject,
            watch: watch.clone(),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(listing) = &self.listing {
            listing.abort();
        }
        let progress = &self.watch.progress;
        self.jobs
            .lock()
            .retain(|_, running| !running.watch.progress.is(progress));
    }
}

impl Order {
    /// A choice of nothing is refused, never taken for all.
    fn check(&self) -> Result<(), EngineError> {
        let empty = match self {
            Self::Resume(_) => false,
            Self::Models(request, _) => request.source == Source::Selected(Vec::new()),
            Self::Prices(request, _) => {
                request.what == What::Models(Vec::new())
                    || request.what == What::Picked(Picks::new())
            }
            Self::Apply { only, .. } | Self::Held { only, .. } | Self::Undo { only, .. } => {
                *only == Chosen::Channels(Vec::new()) || *only == Chosen::Models(Vec::new())
            }
        };
        if empty {
            return Err(EngineError::EmptySelection);
        }
        Ok(())
    }
}

impl Chosen {
    /// The channels; `None` for all.
    fn channels(self) -> Option<Vec<i64>> {
        match self {
            Self::Channels(ids) => Some(ids),
            Self::All => None,
            // A run about lists has none of these.
            Self::Models(_) => Some(Vec::new()),
        }
    }

    /// The models; `None` for all.
    fn models(self) -> Option<Vec<String>> {
        match self {
            Self::Models(names) => Some(names),
            Self::All => None,
            Self::Channels(_) => Some(Vec::new()),
        }
    }
}

impl Session {
    /// Does what was ordered. What a kill cut off while it wrote is carried on first.
    async fn order(
        &self,
        order: Order,
        settings: &Settings,
        by: &str,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        if !matches!(order, Order::Resume(_)) {
            let before = Watch {
                progress: Progress::default(),
                ..watch.clone()
            };
            self.carry_on(&before).await?;
        }
        match order {
            Order::Resume(run) => {
                watch.progress.is_run(&run);
                self.resume(&run, watch).await
            }
            Order::Models(request, go) => {
                let reviewed = self.reviewed_before(&request.source).await?;
                let session = self.with_yes_of(go, reviewed, by);
                let run = session.plan(&request, watch).await?;
                session.go_on(run, go, reviewed, true, by, watch).await
            }
            Order::Prices(request, go) => {
                let reviewed = self.prices_reviewed_before().await?;
                let session = self.with_yes_of(go, reviewed, by);
                let run = session.plan_prices(&request, watch).await?;
                session.go_on(run, go, reviewed, true, by, watch).await
            }
            Order::Apply { run, shown, only } => {
                let run = self.store().run(&run).await?;
                if shown.is_some() && run.plan_hash != shown {
                    return Err(EngineError::PlanChanged(run.id));
                }
                if run.state != RunState::Planned {
                    return Err(EngineError::NotPlanned {
                        run: run.id,
                        state: run.state,
                    });
                }
                // Whoever asked hears at once that somebody else has the gateway.
                self.keep().await?;
                self.write_run(&run, only, false, by, watch).await
            }
            Order::Held { subject, only } => {
                let run = match subject {
                    Subject::Models => {
                        let request = Request {
                            source: Source::Held(only.channels()),
                            settings: settings.clone(),
                            policy: None,
                            unattended: false,
                            own_settings: false,
                            go_on: false,
                            after: None,
                            ahead: crate::ahead::Ahead::default(),
                        };
                        self.plan(&request, watch).await?
                    }
                    Subject::Prices => {
                        let models = only.models();
                        let run = self.plan_held_prices(models.as_deref(), settings).await?;
                        watch.progress.is_run(&run.id);
                        run
                    }
                };
                self.go_on(run, Go::Writes, true, false, by, watch).await
            }
            Order::Undo { run, only, go } => {
                let run = self.store().run(&run).await?;
                let run = match run.subject {
                    Subject::Models => {
                        let channels = only.channels();
                        self.plan_undo(&run.id, channels.as_deref()).await?
                    }
                    Subject::Prices => {
                        let models = only.models();
                        self.plan_price_undo(&run.id, models.as_deref()).await?
                    }
                };
                watch.progress.is_run(&run.id);
                self.go_on(run, go, true, false, by, watch).await
            }
        }
    }

    /// The session for a run that is written without another question, so that whoever takes it over knows.
    fn with_yes_of(&self, go: Go, reviewed: bool, by: &str) -> Session {
        match go {
            Go::Writes if reviewed => self.clone().approved_ahead(by),
            _ => self.clone(),
        }
    }

    /// Writes a planned run where it is to go on and was seen before.
    async fn go_on(
        &self,
        run: Run,
        go: Go,
        reviewed: bool,
        rebases: bool,
        by: &str,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        if run.state != RunState::Planned {
            return Ok(run);
        }
        let ready = match run.subject {
            Subject::Models => !self
                .store()
                .changes_in(&run.id, State::Ready)
                .await?
                .is_empty(),
            Subject::Prices => !self
                .store()
                .price_rows_in(&run.id, State::Ready)
                .await?
                .is_empty(),
        };
        match (go, ready) {
            (Go::Writes, false) => self.finish(&run).await,
            (Go::Writes, true) if reviewed => {
                let written = self.write_run(&run, Chosen::All, rebases, by, watch).await;
                self.or_ended(&run, written).await
            }
            _ => Ok(run),
        }
    }

    async fn write_run(
        &self,
        run: &Run,
        only: Chosen,
        rebases: bool,
        by: &str,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        watch.progress.is_run(&run.id);
        match run.subject {
            Subject::Models => {
                let approval = Approval {
                    only: only.channels(),
                    by: by.to_owned(),
                    rebases,
                };
                self.write(&run.id, &approval, watch).await
            }
            Subject::Prices => {
                let approval = PriceApproval {
                    only: only.models(),
                    by: by.to_owned(),
                    rebases,
                };
                self.write_prices(&run.id, &approval, watch).await
            }
        }
    }
}
