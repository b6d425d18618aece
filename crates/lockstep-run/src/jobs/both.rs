//! Both subjects in one go, as `sync` does it: providers are asked first, prices are planned for what is about to come,
//! and the lists follow with the answers. One session, so one pace.

use lockstep_core::change::Subject;
use lockstep_core::settings::Settings;
use lockstep_store::runs::Run;

use tokio::sync::oneshot;

use super::{Entry, Go, Jobs, Order, Running, Terms, no_end};
use crate::engine::SiteAccess;
use crate::error::EngineError;
use crate::prices::plan::PriceRequest;
use crate::request::Request;
use crate::session::Session;
use crate::watch::Watch;

/// A run about prices, and one about model lists after it.
#[derive(Clone, Debug)]
pub struct Both {
    /// The gateway and its token.
    pub access: SiteAccess,
    /// The settings that the pace goes by.
    pub settings: Settings,
    /// Who the history says did it.
    pub actor: String,
    /// The run about prices. What is about to come is added to it.
    pub prices: (PriceRequest, Go),
    /// The run about model lists. The run before it and the answers of the providers are added to it.
    pub models: (Request, Go),
    /// Whether the gateway's price page is asked afterwards whether it bills by what was written.
    pub verify: bool,
    /// The ticks that the runs come of, each with when it was taken.
    pub ticks: Vec<(Subject, i64)>,
}

/// How both ended.
#[derive(Debug)]
pub struct BothEnded {
    /// The run about prices.
    pub prices: Result<Run, EngineError>,
    /// The run about model lists. Prices that could not be begun keep no list from being synced.
    pub models: Result<Run, EngineError>,
}

/// Both as they were begun: each has its run, which waits or is worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BothBegun {
    /// The id of the run about prices.
    pub prices: String,
    /// The id of the run about model lists, whose parent is the other.
    pub models: String,
}

/// What is watched of each.
struct Watches {
    prices: Watch,
    models: Watch,
}

impl Jobs {
    /// Does both to their end.
    ///
    /// # Errors
    ///
    /// [`EngineError::Busy`] where the gateway has a run under way before anything is asked, [`EngineError::Stopping`]
    /// where no new job begins; what stops one of the two later is told of it alone.
    pub async fn finish_both(&self, both: Both) -> Result<BothEnded, EngineError> {
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        let jobs = self.clone();
        let work = self
            .0
            .tasks
            .spawn(async move { jobs.work_on_both(both, None).await });
        work.await.unwrap_or_else(|ended| Err(no_end(&ended)))
    }

    /// Makes the runs of both, and returns them as soon as they are queued; the work goes on behind.
    ///
    /// # Errors
    ///
    /// What stopped it before there were runs, as [`Jobs::finish_both`] tells it.
    pub async fn start_both(&self, both: Both) -> Result<BothBegun, EngineError> {
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        let (tell, begun) = oneshot::channel();
        let jobs = self.clone();
        let mut work = self
            .0
            .tasks
            .spawn(async move { jobs.work_on_both(both, Some(tell)).await });
        tokio::select! {
            biased;
            Ok(begun) = begun => Ok(begun),
            done = &mut work => match done {
                Ok(Err(error)) => Err(error),
                // The runs are told before anything of them can end.
                Ok(Ok(_)) => Err(EngineError::Stopping),
                Err(ended) => Err(no_end(&ended)),
            },
        }
    }

    async fn work_on_both(
        &self,
        both: Both,
        tell: Option<oneshot::Sender<BothBegun>>,
    ) -> Result<BothEnded, EngineError> {
        let Both {
            access,
            settings,
            actor,
            prices: (mut prices, go_prices),
            models: (mut models, go_models),
            verify,
            ticks,
        } = both;
        let engine = self.0.engine.acting_as(actor.clone());
        let session = engine.session(access, &settings).of_ticks(ticks).telling();
        let terms = Terms {
            settings,
            actor,
            verify,
        };
        let watches = Watches {
            prices: self.watch(),
            models: self.watch(),
        };
        // Asking all providers takes minutes: whoever is at work is noticed before. And nobody else begins anything until both
        // runs are through, be it between the two.
        let _held = session.throughout().await?;
        let _queued = match tell {
            Some(tell) => {
                session.carry_on(&self.watch()).await?;
                let runs = session.queue_both(&mut prices, &mut models).await?;
                let entries = self.queued(&session, &runs, &watches);
                let (prices, models) = runs;
                // Whoever asked may have gone; the work goes on.
                let _gone = tell.send(BothBegun {
                    prices: prices.id,
                    models: models.id,
                });
                Some(entries)
            }
            None => None,
        };
        models.ahead = session.read_ahead(&models, &watches.prices).await?;
        prices.coming.clone_from(models.ahead.coming());
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        let order = Order::Prices(Box::new(prices), go_prices);
        let priced = self
            .one_of_both(&session, Subject::Prices, order, &terms, &watches.prices)
            .await;
        models.after = priced.as_ref().ok().map(|run| run.id.clone());
        let order = Order::Models(Box::new(models), go_models);
        let listed = self
            .one_of_both(&session, Subject::Models, order, &terms, &watches.models)
            .await;
        Ok(BothEnded {
            prices: priced,
            models: listed,
        })
    }

    /// The places of both in the list, so that nobody takes them for runs that nobody works on.
    fn queued(&self, session: &Session, runs: &(Run, Run), watches: &Watches) -> [Entry; 2] {
        let (prices, models) = runs;
        [
            (prices, Subject::Prices, &watches.prices),
            (models, Subject::Models, &watches.models),
        ]
        .map(|(run, subject, watch)| {
            watch.progress.is_run(&run.id);
            Entry::new(self, Running::new(session, subject, watch))
        })
    }

    async fn one_of_both(
        &self,
        session: &Session,
        subject: Subject,
        order: Order,
        terms: &Terms,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        self.listed(session, subject, order, terms, watch).await
    }
}

impl Session {
    /// Makes the runs of both.
    async fn queue_both(
        &self,
        prices: &mut PriceRequest,
        models: &mut Request,
    ) -> Result<(Run, Run), EngineError> {
        if prices.collecting.wanted.is_empty() {
            return Err(EngineError::NoSource);
        }
        let held = self.hold().await?;
        let priced = self.queue_prices(prices, &held).await?;
        prices.run = Some(priced.id.clone());
        models.after = Some(priced.id.clone());
        let (listed, _) = self.queue(models, &held).await?;
        Ok((priced, listed))
    }
}
