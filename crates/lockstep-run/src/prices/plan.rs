//! A price run from its start to its plan: the gateway's own prices, what its channels serve, what the sources say.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::{RunState, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::answers::Answers;
use lockstep_core::prices::choose::Offer;
use lockstep_core::prices::mode::Strength;
use lockstep_core::prices::plan::{ModelPlan, price_brake};
use lockstep_core::prices::unpriced::{billed, lookup_key};
use lockstep_core::settings::{PriceSettings, Settings};
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::prices::seen::Seen;
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::steps::{Holds, Planned};

use super::again;
use super::chosen::Picks;
use super::collect::Collecting;
use super::compare::{Compared, compare};
use super::judging::Judge;
use super::local::LocalPrices;
use super::offers::{Offers, digest as values_digest};
use super::review::digest;
use super::rows::rows;
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

/// What a plan was made of, for whoever tells of it.
#[derive(Debug)]
struct Made {
    rows: Vec<PriceRow>,
    models: u64,
    /// Whether every source gave a list that can be believed.
    all_answered: bool,
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

    /// Everything that is read for a plan, and the plan. The inner failure is the gateway's, and ends the run.
    async fn read_prices(
        &self,
        run: &Run,
        fence: i64,
        request: &PriceRequest,
    ) -> Result<Result<Made, Failure>, EngineError> {
        let retries = request.settings.max_retries;
        let local = match self.local(retries).await {
            Ok(local) => local,
            Err(failure) => return Ok(Err(failure)),
        };
        let chosen = match &request.what {
            What::Picked(chosen) => Some(chosen),
            What::Sources | What::Models(_) => None,
        };
        // Who serves a model decides which ones are touched; a choice says so itself.
        let served = match chosen {
            Some(_) => BTreeMap::new(),
            None => match self.served(retries).await {
                Ok(served) => served,
                Err(failure) => return Ok(Err(failure)),
            },
        };
        let collected = match chosen {
            Some(_) => self.kept(&request.collecting).await,
            None => self.collect(&request.collecting).await,
        };
        let collected = match collected {
            Err(EngineError::Gateway(failure)) => return Ok(Err(failure)),
            collected => collected?,
        };
        let compared = compare(&local, &collected);
        let store = self.store();
        let told = compared.sources.iter().map(|source| source.told());
        store.record_sources(&run.id, fence, told.collect()).await?;
        if chosen.is_none() {
            self.remember(&collected, compared.outcomes()).await?;
        }
        if !compared
            .sources
            .iter()
            .any(|source| source.state.is_believed())
        {
            // "No difference" would be a lie: nobody has said what anything costs.
            return Ok(Err(Failure::new(FailureKind::NoSource, "")));
        }
        let prices = &request.settings.prices;
        let models = match &request.what {
            What::Picked(chosen) => chosen.keys().cloned().collect(),
            What::Models(models) => {
                let models = models.iter().map(|model| lookup_key(model).to_owned());
                models.collect()
            }
            What::Sources => {
                let known = served.keys().chain(&request.coming);
                models(prices, &local, known, &compared)
            }
        };
        let seen = match chosen {
            Some(_) => Vec::new(),
            None => self.note_seen(&compared, request, &models).await?,
        };
        let offers = Offers::new(&compared, prices, seen);
        let answers = answers(store.price_answers(&self.access.site.id).await?);
        let accepted = store.accepted(&self.access.site.id).await?;
        let judge = Judge {
            local: &local,
            settings: prices,
            answers: &answers,
            accepted: &accepted,
            served: Judge::keys(served.keys().chain(&request.coming)),
            unwritable: local.unwritable(),
            strength: if request.unattended {
                Strength::Unattended
            } else {
                Strength::Looking
            },
            now: self.now(),
        };
        let names: Vec<&str> = compared
            .sources
            .iter()
            .map(|source| source.collected.name.as_str())
            .collect();
        let mut plans: Vec<(ModelPlan, Vec<Offer>)> = Vec::new();
        for model in &models {
            let offered = offers.of(model);
            let (plan, offered) = match chosen.and_then(|chosen| chosen.get(model)) {
                Some(picked) => {
                    let (all, place) = picked.among(offered, &names, &local.values(model));
                    let plan = judge.plan_chosen(model, (&all, place), picked.approved);
                    (plan, all)
                }
                None => (judge.plan(model, &offered), offered),
            };
            plans.extend(plan.map(|plan| (plan, offered)));
        }
        if request.unattended {
            let own = |name: &str| local.values(name);
            let priced = local.models();
            let priced = priced
                .iter()
                .filter(|model| billed(model, &own, local.self_use()).priced())
                .count();
            let (mut only, offers): (Vec<ModelPlan>, Vec<Vec<Offer>>) = plans.into_iter().unzip();
            price_brake(&mut only, priced, &request.settings.prices.limits);
            plans = only.into_iter().zip(offers).collect();
        }
        let now = self.now();
        let models = plans.len() as u64;
        let mut rows: Vec<PriceRow> = plans
            .into_iter()
            .flat_map(|(plan, offers)| {
                let base = local.values(&plan.model);
                let picked = chosen.and_then(|chosen| chosen.get(&plan.model));
                let mut rows = rows(&run.id, plan, &offers, &names, now);
                match picked {
                    Some(picked) => {
                        for row in &mut rows {
                            if let Some(source) = picked.fields.get(&row.field) {
                                row.source = Some(source.clone());
                            }
                        }
                    }
                    None => again::remember(&mut rows, base, &offers, &names),
                }
                rows
            })
            .collect();
        self.mark_output(&mut rows, &local).await;
        Ok(Ok(Made {
            rows,
            models,
            all_answered: compared
                .sources
                .iter()
                .all(|source| source.state.is_believed()),
        }))
    }

    /// Notes what each source says of the models now, and tells since when it does.
    async fn note_seen(
        &self,
        compared: &Compared<'_>,
        request: &PriceRequest,
        models: &BTreeSet<String>,
    ) -> Result<Vec<BTreeMap<String, Seen>>, EngineError> {
        let site = &self.access.site.id;
        let offers = Offers::new(compared, &request.settings.prices, Vec::new());
        let mut said: Vec<Vec<_>> = vec![Vec::new(); compared.sources.len()];
        for model in models {
            for offer in offers.of(model) {
                if let Some(said) = said.get_mut(offer.source)
                    && !offer.stale
                {
                    said.push((model.clone(), values_digest(&offer.values)));
                }
            }
        }
        let mut seen = Vec::new();
        for (source, said) in compared.sources.iter().zip(said) {
            let name = &source.collected.name;
            self.store().note_seen(site, name, said, self.now()).await?;
            seen.push(self.store().price_seen(site, name).await?);
        }
        Ok(seen)
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
