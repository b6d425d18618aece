//! What a price plan is made of: everything that is read for it, and the rows that come of it.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::choose::Offer;
use lockstep_core::prices::mode::Strength;
use lockstep_core::prices::plan::{ModelPlan, price_brake};
use lockstep_core::prices::unpriced::{billed, lookup_key};
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::seen::Seen;
use lockstep_store::runs::Run;

use super::again;
use super::chosen::Picks;
use super::collect::Collected;
use super::compare::{Compared, Judged, compare};
use super::judging::Judge;
use super::local::LocalPrices;
use super::offers::{Offers, digest as values_digest};
use super::plan::{PriceRequest, What, answers, models};
use super::rows::rows;
use crate::error::EngineError;
use crate::session::Session;

/// What a plan was made of, for whoever tells of it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) rows: Vec<PriceRow>,
    pub(super) models: u64,
    /// Whether every source gave a list that can be believed.
    pub(super) all_answered: bool,
}

/// What the gateway and the sources say.
struct Picture {
    local: LocalPrices,
    /// Who serves each model, which decides which ones are touched. A choice says so itself, and then it is empty.
    served: BTreeMap<String, Vec<i64>>,
    collected: Vec<Collected>,
}

/// The plan of each model that is touched, with the offers that it was made from.
type Plans = Vec<(ModelPlan, Vec<Offer>)>;

impl PriceRequest {
    fn picks(&self) -> Option<&Picks> {
        match &self.what {
            What::Picked(picks) => Some(picks),
            What::Sources | What::Models(_) => None,
        }
    }

    /// The models that the plan looks at.
    fn models(&self, picture: &Picture, compared: &Compared<'_>) -> BTreeSet<String> {
        match &self.what {
            What::Picked(picks) => picks.keys().cloned().collect(),
            What::Models(models) => {
                let keys = models.iter().map(|model| lookup_key(model).to_owned());
                keys.collect()
            }
            What::Sources => {
                let known = picture.served.keys().chain(&self.coming);
                models(&self.settings.prices, &picture.local, known, compared)
            }
        }
    }
}

impl Session {
    /// Everything that is read for a plan, and the plan. The inner failure is the gateway's, and ends the run.
    pub(super) async fn read_prices(
        &self,
        run: &Run,
        fence: i64,
        request: &PriceRequest,
    ) -> Result<Result<Made, Failure>, EngineError> {
        let picture = match self.picture(request).await {
            Err(EngineError::Gateway(failure)) => return Ok(Err(failure)),
            picture => picture?,
        };
        let compared = compare(&picture.local, &picture.collected);
        let told = compared.sources.iter().map(|source| source.told());
        self.store()
            .record_sources(&run.id, fence, told.collect())
            .await?;
        if request.picks().is_none() {
            self.remember(&picture.collected, compared.outcomes())
                .await?;
        }
        let believed = |source: &Judged<'_>| source.state.is_believed();
        if !compared.sources.iter().any(believed) {
            // "No difference" would be a lie: nobody has said what anything costs.
            return Ok(Err(Failure::new(FailureKind::NoSource, "")));
        }
        let models = request.models(&picture, &compared);
        let mut plans = self.plans(request, &picture, &compared, &models).await?;
        if request.unattended {
            plans = braked(plans, &picture.local, request);
        }
        let planned = plans.len() as u64;
        let mut rows = self.rows_of(run, request, &picture.local, &compared, plans);
        self.mark_output(&mut rows, &picture.local).await;
        Ok(Ok(Made {
            rows,
            models: planned,
            all_answered: compared.sources.iter().all(believed),
        }))
    }

    /// Asks the gateway and the sources. What somebody chose is planned by the lists as they were last kept.
    async fn picture(&self, request: &PriceRequest) -> Result<Picture, EngineError> {
        let retries = request.settings.max_retries;
        let local = self.local_prices(retries).await?;
        if request.picks().is_some() {
            return Ok(Picture {
                local,
                served: BTreeMap::new(),
                collected: self.kept(&request.collecting).await?,
            });
        }
        let served = self.served(retries).await.map_err(EngineError::Gateway)?;
        Ok(Picture {
            local,
            served,
            collected: self.collect(&request.collecting).await?,
        })
    }

    /// Plans each model.
    async fn plans(
        &self,
        request: &PriceRequest,
        picture: &Picture,
        compared: &Compared<'_>,
        models: &BTreeSet<String>,
    ) -> Result<Plans, EngineError> {
        let (store, site) = (self.store(), &self.access.site.id);
        let Picture { local, served, .. } = picture;
        let settings = &request.settings.prices;
        let seen = match request.picks() {
            Some(_) => Vec::new(),
            None => self.note_seen(compared, request, models).await?,
        };
        let offers = Offers::new(compared, settings, seen);
        let answers = answers(store.price_answers(site).await?);
        let accepted = store.accepted(site).await?;
        let judge = Judge {
            local,
            settings,
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
        let names = compared.source_names();
        let mut plans = Plans::new();
        for model in models {
            let offered = offers.of(model);
            let picked = request.picks().and_then(|picks| picks.get(model));
            let (plan, offered) = match picked {
                Some(picked) => {
                    let (all, place) = picked.among(offered, &names, &local.values(model));
                    let plan = judge.plan_chosen(model, (&all, place), picked.approved);
                    (plan, all)
                }
                None => (judge.plan(model, &offered), offered),
            };
            plans.extend(plan.map(|plan| (plan, offered)));
        }
        Ok(plans)
    }

    /// The rows of all plans. Those of a choice name the source of each value; the others remember what they were planned
    /// from.
    fn rows_of(
        &self,
        run: &Run,
        request: &PriceRequest,
        local: &LocalPrices,
        compared: &Compared<'_>,
        plans: Plans,
    ) -> Vec<PriceRow> {
        let names = compared.source_names();
        let now = self.now();
        let mut all = Vec::new();
        for (plan, offers) in plans {
            let base = local.values(&plan.model);
            let picked = request.picks().and_then(|picks| picks.get(&plan.model));
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
            all.extend(rows);
        }
        all
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

/// The same plans, all of them held where too many of the gateway's prices would change at once.
fn braked(plans: Plans, local: &LocalPrices, request: &PriceRequest) -> Plans {
    let own = |name: &str| local.values(name);
    let priced = local.models();
    let priced = priced
        .iter()
        .filter(|model| billed(model, &own, local.self_use()).priced())
        .count();
    let (mut only, offers): (Vec<ModelPlan>, Vec<Vec<Offer>>) = plans.into_iter().unzip();
    price_brake(&mut only, priced, &request.settings.prices.limits);
    only.into_iter().zip(offers).collect()
}
