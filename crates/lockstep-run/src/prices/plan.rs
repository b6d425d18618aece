//! A price run from its start to its plan: the gateway's own prices, what its channels serve, what the sources say.

use std::collections::BTreeSet;

use lockstep_core::change::{RunState, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::answers::Answers;
use lockstep_core::prices::unpriced::lookup_key;
use lockstep_core::settings::{PriceSettings, Settings};
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::steps::{Holds, Planned};

use super::chosen::Picks;
use super::collect::Collecting;
use super::compare::Compared;
use super::local::LocalPrices;
use super::review::digest;
use crate::error::EngineError;
use crate::plan::texts;
use crate::progress::Phase;
use crate::session::{Held, Session};
use crate::watch::Watch;

/// What a price run is to do.
#[derive(Clone, Debug)]
pub struct PriceRequest {
    /// Where prices come from.
    pub collecting: Collecting,
    /// The settings, overrides of this run included.
    pub settings: Settings,
    /// Whether nobody looks: the stricter holds of a schedule.
    pub unattended: bool,
    /// Whether the run goes on to write what is ready.
    pub go_on: bool,
    /// Whether the sources and settings are just those that the site remembers: what waits is then what such a plan
    /// finds.
    pub whole: bool,
    /// Which models it looks at.
    pub what: What,
    /// Models that nobody serves yet and that are about to come: they count as served.
    pub coming: BTreeSet<String>,
    /// What started it, for the history.
    pub trigger: &'static str,
    /// The run that was made for it already and is queued; without one a run is made.
    pub run: Option<String>,
}

impl PriceRequest {
    /// All that the settings' scope takes, for somebody who looks, from sources that need not be those that the site
    /// remembers.
    pub fn new(collecting: Collecting, settings: Settings, go_on: bool) -> Self {
        Self {
            collecting,
            settings,
            unattended: false,
            go_on,
            whole: false,
            what: What::Sources,
            coming: BTreeSet::new(),
            trigger: if go_on { "sync" } else { "plan" },
            run: None,
        }
    }
}

/// Which models a price run looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All that the settings' scope takes.
    Sources,
    /// Only these.
    Models(Vec<String>),
    /// Just these values, from the sources that a person chose for each, by the lists as they were last kept: those are
    /// what was looked at. The scope does not count, and a price that moves meanwhile is not planned again.
    Picked(Picks),
}

impl Session {
    /// Reads the gateway's prices, for looking and comparing.
    ///
    /// # Errors
    ///
    /// [`EngineError::Gateway`] when they cannot be read; only root may.
    pub async fn local_prices(&self, max_retries: u32) -> Result<LocalPrices, EngineError> {
        self.local(max_retries).await.map_err(EngineError::Gateway)
    }

    /// Reads and plans prices; writes nothing to the gateway. The run comes back as it is stored then: planned, failed
    /// or cancelled.
    pub async fn plan_prices(
        &self,
        request: &PriceRequest,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        if request.collecting.wanted.is_empty() {
            return Err(EngineError::NoSource);
        }
        let store = self.store();
        let held = self.hold().await?;
        let run = match &request.run {
            Some(run) => store.run(run).await?,
            None => self.queue_prices(request, &held).await?,
        };
        watch.progress.is_run(&run.id);
        store.start_reading(&run.id, held.fence, self.now()).await?;
        if let Some(by) = &self.yes {
            store.approve_ahead(&run.id, held.fence, by).await?;
        }
        let _heeding = self.heed(&run.id, held.fence, watch);
        let steps = 2 + request.collecting.wanted.len();
        watch
            .progress
            .phase(Phase::Reading, steps, self.estimate(steps));
        let reading = self.read_prices(&run, held.fence, request);
        let made = tokio::select! {
            made = reading => match made {
                Ok(made) => made,
                Err(error) => {
                    // A run that cannot go on must not look as if it did; what stopped it is told all the same.
                    let _ = self.end(&run, held.fence, RunState::Cancelled, None).await;
                    return Err(error);
                }
            },
            () = watch.cancel.cancelled() => {
                if watch.leaves() {
                    // Sources answer in seconds, so whoever is next asks them anew.
                    self.end_again(&run, held.fence, interrupted(&run)).await?;
                    return Err(EngineError::Stopping);
                }
                self.end(&run, held.fence, RunState::Cancelled, None).await?;
                return Ok(store.run(&run.id).await?);
            }
        };
        let made = match made {
            Ok(made) => made,
            Err(failure) => {
                let state = RunState::Failed;
                self.end(&run, held.fence, state, Some(failure)).await?;
                return Ok(store.run(&run.id).await?);
            }
        };
        let whole = request.whole && made.all_answered && request.what == What::Sources;
        let planned = Planned {
            hash: digest(&made.rows),
            total: made.models,
            holds: match &request.what {
                // What somebody chose waits for nobody but him.
                What::Picked(_) => Holds::Leave,
                _ if whole => Holds::Renew,
                _ => Holds::Add,
            },
        };
        store
            .record_prices(&run.id, held.fence, made.rows, self.requests())
            .await?;
        store
            .mark_prices_planned(&run.id, held.fence, Vec::new(), planned, self.now())
            .await?;
        watch
            .progress
            .phase(Phase::Ended, steps, std::time::Duration::ZERO);
        let run = store.run(&run.id).await?;
        self.keep_for_write(&run, held);
        Ok(run)
    }

    /// Makes the run, which is then queued; readings that were cut off are ended.
    pub(crate) async fn queue_prices(
        &self,
        request: &PriceRequest,
        held: &Held,
    ) -> Result<Run, EngineError> {
        self.end_interrupted(held.fence).await?;
        let (store, site) = (self.store(), &self.access.site.id);
        let new = NewRun {
            parent: None,
            site_id: site.clone(),
            subject: Subject::Prices,
            trigger: request.trigger.to_owned(),
            actor: self.engine.actor.clone(),
            go_on: request.go_on,
            unattended: request.unattended,
            selection: None,
            settings: texts(&request.settings),
            policy_override: None,
            policy_hash: store.price_policy_hash(site).await?,
            told: request.unattended,
        };
        self.make_run(new).await
    }

    /// Ends the price plans of this gateway that a kill cut off while they read, for whoever comes next where no server
    /// does. Where somebody is at work on the gateway they are left: one of them may be his.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_left_readings(&self) -> Result<(), EngineError> {
        let unfinished = self.store().unfinished_runs(&self.access.site.id).await?;
        if !unfinished.iter().any(is_price_reading) {
            return Ok(());
        }
        match self.hold().await {
            Ok(held) => self.end_interrupted(held.fence).await,
            Err(EngineError::Busy(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Readings that a kill cut off changed nothing, and are not worth carrying on: sources answer in seconds. Those of a
    /// schedule are run anew.
    async fn end_interrupted(&self, fence: i64) -> Result<(), EngineError> {
        let store = self.store();
        for run in store.unfinished_runs(&self.access.site.id).await? {
            if is_price_reading(&run) {
                store.start_reading(&run.id, fence, self.now()).await?;
                self.end_again(&run, fence, interrupted(&run)).await?;
            }
        }
        Ok(())
    }
}

/// The models that a plan looks at: the served ones, and where all are asked for, those that the gateway or a source has
/// a price of.
pub(super) fn models<'m>(
    settings: &PriceSettings,
    local: &LocalPrices,
    served: impl Iterator<Item = &'m String>,
    compared: &Compared<'_>,
) -> BTreeSet<String> {
    let mut models: BTreeSet<String> = served.map(|model| lookup_key(model).to_owned()).collect();
    if settings.scope.all_models {
        models.extend(local.models());
        models.extend(
            compared
                .names
                .ids()
                .map(|id| compared.names.text(id).to_owned()),
        );
    }
    models
}

/// The answers by model.
pub(crate) fn answers(stored: Vec<PriceAnswer>) -> Answers {
    let mut answers = Answers::default();
    for answer in stored {
        let model = answers.entry(&answer.model);
        match (answer.kind, answer.field) {
            (AnswerKind::Lock, None) => model.locked = true,
            (AnswerKind::Lock, Some(field)) => {
                model.locked_fields.insert(field);
            }
            (AnswerKind::KeepKind(kind), _) => model.kind = Some(kind),
            (AnswerKind::Ignore, _) => model.ignored = true,
            (AnswerKind::Keep(digest), _) => model.kept = Some(digest),
            (AnswerKind::Allow(code), _) => {
                model.allowed.insert(code);
            }
        }
    }
    answers
}

/// Whether a run is about prices and has no plan yet.
fn is_price_reading(run: &Run) -> bool {
    run.state != RunState::Writing && run.subject == Subject::Prices
}

/// Why a reading of somebody's ended that was cut off. One of a schedule is begun again by itself.
fn interrupted(run: &Run) -> Option<Failure> {
    (!run.unattended).then(|| Failure::new(FailureKind::Interrupted, ""))
}
