//! Both subjects in one go, as `sync` does it: providers are asked first, prices are planned for what is about to come,
//! and the lists follow with the answers. One session, so one pace.

use lockstep_core::change::Subject;
use lockstep_core::settings::Settings;
use lockstep_store::runs::Run;

use super::{Go, Jobs, Order, no_end};
use crate::engine::{Request, Session, SiteAccess};
use crate::error::EngineError;
use crate::prices::plan::PriceRequest;

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
            .spawn(async move { jobs.work_on_both(both).await });
        work.await.unwrap_or_else(|ended| Err(no_end(&ended)))
    }

    async fn work_on_both(&self, both: Both) -> Result<BothEnded, EngineError> {
        let Both {
            access,
            settings,
            actor,
            prices: (mut prices, go_prices),
            models: (mut models, go_models),
            ticks,
        } = both;
        let engine = self.0.engine.acting_as(actor.clone());
        let session = engine.session(access, &settings).of_ticks(ticks);
        // Asking all providers takes minutes: whoever is at work is noticed before, and nobody begins meanwhile.
        session.keep().await?;
        let watch = self.watch();
        models.ahead = session.read_ahead(&models, &watch).await?;
        prices.coming.clone_from(models.ahead.coming());
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        let order = Order::Prices(Box::new(prices), go_prices);
        let priced = self
            .one_of_both(&session, Subject::Prices, order, &settings, &actor)
            .await;
        models.after = priced.as_ref().ok().map(|run| run.id.clone());
        let order = Order::Models(Box::new(models), go_models);
        let listed = self
            .one_of_both(&session, Subject::Models, order, &settings, &actor)
            .await;
        Ok(BothEnded {
            prices: priced,
            models: listed,
        })
    }

    async fn one_of_both(
        &self,
        session: &Session,
        subject: Subject,
        order: Order,
        settings: &Settings,
        actor: &str,
    ) -> Result<Run, EngineError> {
        if self.0.stop.is_cancelled() {
            return Err(EngineError::Stopping);
        }
        let watch = self.watch();
        self.listed(session, subject, order, settings, actor, &watch)
            .await
    }
}
