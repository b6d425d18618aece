//! Runs in the background: begun by a request or a tick, watched by whoever looks, ended by a word.

pub mod both;
mod order;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::change::Subject;
use lockstep_core::settings::Settings;
use lockstep_store::runs::Run;
use tokio::sync::broadcast;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::broken::{Broken, unbroken};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::session::Session;
use crate::watch::Watch;

pub use order::{Chosen, Go, Job, Order};

/// The runs that this process works on. Clones share them.
#[derive(Clone, Debug)]
pub struct Jobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    /// What is worked on. Until it has a run, nobody finds it by one.
    running: Mutex<Vec<Running>>,
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

/// How orders of one session are carried out.
struct Terms {
    settings: Settings,
    actor: String,
    verify: bool,
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
            .spawn(async move { jobs.work(job, Vec::new(), watch).await });
        tokio::select! {
            biased;
            run = progress.run() => Ok(run),
            done = &mut work => match done {
                Ok(run) => Ok(run?.id),
                Err(ended) => Err(no_end(&ended)),
            },
        }
    }

    /// Does a job to its end.
    pub async fn finish(&self, job: Job) -> Result<Run, EngineError> {
        self.finish_of(job, Vec::new()).await
    }

    /// The same for a run of ticks, each with when it was taken.
    pub(crate) async fn finish_of(
        &self,
        job: Job,
        ticks: Vec<(Subject, i64)>,
    ) -> Result<Run, EngineError> {
        job.order.check()?;
        let watch = self.watch();
        let jobs = self.clone();
        let work = self
            .0
            .tasks
            .spawn(async move { jobs.work(job, ticks, watch).await });
        work.await.unwrap_or_else(|ended| Err(no_end(&ended)))
    }

    /// The ids of runs as they come to rest here: planned, or over. Whoever misses one finds it among
    /// [`Store::unsettled_runs`](lockstep_store::Store::unsettled_runs).
    pub fn ended(&self) -> broadcast::Receiver<String> {
        self.0.ended.subscribe()
    }

    /// The run, if this process works on it.
    pub fn running(&self, run_id: &str) -> Option<Running> {
        let list = self.lock();
        let mut with_id = list.iter().filter(|running| running.is_run(run_id));
        with_id.next().cloned()
    }

    /// All runs that this process works on, by id.
    pub fn all(&self) -> BTreeMap<String, Running> {
        let list = self.lock();
        let with_id = list.iter().filter_map(|running| {
            let run = running.watch.progress.known_run()?;
            Some((run, running.clone()))
        });
        with_id.collect()
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

    async fn work(
        &self,
        job: Job,
        ticks: Vec<(Subject, i64)>,
        watch: Watch,
    ) -> Result<Run, EngineError> {
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        if let Order::Apply { run, .. } = &job.order {
            self.planned(run).await;
        }
        let subject = self.subject(&job.order).await?;
        let engine = self.0.engine.acting_as(job.actor.clone());
        let session = engine.session(job.access, &job.settings);
        let session = session.of_ticks(ticks).telling();
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
        let entry = Entry::new(self, Running::new(session, subject, watch));
        let span =
            tracing::info_span!("job", run = tracing::field::Empty, site = %session.site().url);
        let ordered = async {
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
        let done = async {
            match unbroken("a job", ordered).await {
                Ok(done) => done,
                Err(Broken) => session.end_broken(watch).await,
            }
        };
        let mut done = std::pin::pin!(done.instrument(span.clone()));
        let done = tokio::select! {
            biased;
            run = watch.progress.run() => {
                span.record("run", &run);
                done.await
            }
            done = &mut done => done,
        };
        session.let_go();
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

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of a task that came to no end of its own: the runtime is going, or it broke outside of any run.
fn no_end(ended: &JoinError) -> EngineError {
    if ended.is_panic() {
        tracing::error!(%ended, "a job was broken off by a mistake of Lockstep's own");
        EngineError::Internal
    } else {
        EngineError::Stopping
    }
}

/// A place in the list until the work ends, whatever ends it.
struct Entry {
    jobs: Jobs,
    watch: Watch,
}

impl Entry {
    fn new(jobs: &Jobs, running: Running) -> Self {
        let watch = running.watch.clone();
        jobs.lock().push(running);
        Self {
            jobs: jobs.clone(),
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

    fn is_run(&self, run_id: &str) -> bool {
        self.watch.progress.known_run().as_deref() == Some(run_id)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let progress = &self.watch.progress;
        let mut list = self.jobs.lock();
        list.retain(|running| !running.watch.progress.is(progress));
    }
}
