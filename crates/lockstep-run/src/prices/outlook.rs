//! What price lists would come to, for whoever looks at them: what the policy proposes, and which served models have no
//! price. Nothing is recorded, and no source is asked.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::Verdict;
use lockstep_core::hold::Reason;
use lockstep_core::prices::answers::Answers;
use lockstep_core::prices::choose::Offer;
use lockstep_core::prices::mode::Strength;
use lockstep_core::prices::plan::FieldChange;
use lockstep_core::prices::unpriced::{Unpriced, unpriced};
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::{Kind, Values};
use lockstep_core::settings::PriceSettings;

use super::compare::Compared;
use super::judging::Judge;
use super::local::LocalPrices;
use super::offers::Offers;
use super::plan::{answers, models};
use crate::error::EngineError;
use crate::session::Session;

/// What an outlook rests on beside the lists and the gateway's prices.
#[derive(Clone, Debug)]
pub struct Basis {
    answers: Answers,
    accepted: BTreeMap<String, Values>,
    served: BTreeMap<String, Vec<i64>>,
    /// Names that channels are to list once they have a price, each with these channels.
    coming: BTreeMap<String, Vec<i64>>,
    settings: PriceSettings,
    now: i64,
}

/// What lists would come to.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// What the policy makes of each model that it touches and of which it would change something, or holds it.
    pub proposals: BTreeMap<String, Proposal>,
    /// The served models without a price, by name; those that somebody ignores too.
    pub unpriced: Vec<Unpriced>,
    /// The names without a price that the last run over all channels did not add for that, by name, with the channels that
    /// they wait for; those that somebody ignores too.
    pub coming: Vec<Unpriced>,
    /// The channels that serve each model, by id.
    pub served: BTreeMap<String, Vec<i64>>,
    /// Of the models that were asked for: the sources whose price nobody should take unseen, by name, and why.
    pub odd: BTreeMap<String, Vec<(String, Reason)>>,
}

/// What the policy proposes for one model.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The unique name of the source that it was chosen from.
    pub source: Option<String>,
    /// The values that would change, with what holds or leaves out each.
    pub changes: Vec<FieldChange>,
    /// What would become of the model.
    pub verdict: Verdict,
    /// How it would be billed.
    pub kind: Option<Kind>,
    /// What it would cost.
    pub usd: Usd,
    /// How many other sources have a price for it.
    pub others: usize,
}

impl Outlook {
    /// What waits for a price under this name, to be listed.
    pub fn coming(&self, name: &str) -> Option<&Unpriced> {
        let place = self
            .coming
            .binary_search_by(|one| one.model.as_str().cmp(name));
        self.coming.get(place.ok()?)
    }
}

impl Session {
    /// What an outlook rests on. `served` is what enabled channels are known to serve, each model with their ids; the
    /// gateway is asked where that is not known.
    ///
    /// # Errors
    ///
    /// [`EngineError::Gateway`] when the gateway does not tell its channels; the database's.
    pub async fn basis(
        &self,
        settings: &lockstep_core::settings::Settings,
        served: Option<BTreeMap<String, Vec<i64>>>,
    ) -> Result<Basis, EngineError> {
        let served = match served {
            Some(served) => served,
            None => self
                .served(settings.max_retries)
                .await
                .map_err(EngineError::Gateway)?,
        };
        let site = &self.access.site.id;
        let coming = self.store().waits_for_price(site).await?;
        Ok(Basis {
            coming,
            answers: answers(self.store().price_answers(site).await?),
            accepted: self.store().accepted(site).await?,
            served,
            settings: settings.prices.clone(),
            now: self.now(),
        })
    }
}

impl Basis {
    /// What the lists would come to, for a person who is about to choose: whatever an unattended run would find odd about
    /// a price holds it, whoever says it. Of the models that `differ` each source is judged. It computes for long where
    /// lists are long.
    pub fn outlook(
        self,
        local: &LocalPrices,
        compared: &Compared<'_>,
        differ: &BTreeSet<&str>,
    ) -> Outlook {
        let judge = Judge {
            local,
            settings: &self.settings,
            answers: &self.answers,
            accepted: &self.accepted,
            served: Judge::keys(self.served.keys().chain(self.coming.keys())),
            unwritable: local.unwritable(),
            strength: Strength::Choosing,
            now: self.now,
        };
        let offers = Offers::new(compared, &self.settings, Vec::new());
        let all = models(
            &self.settings,
            local,
            self.served.keys().chain(self.coming.keys()),
            compared,
        );
        let name_of = |offer: &Offer| {
            let source = compared.sources.get(offer.source);
            source.map(|source| source.collected.name.clone())
        };
        let mut odd = BTreeMap::new();
        for model in differ {
            let offered = offers.of(model);
            let held = |place: usize| {
                let plan = judge.plan_chosen(model, (&offered, place), false)?;
                plan.verdict.held().cloned()
            };
            let found: Vec<(String, Reason)> = offered
                .iter()
                .enumerate()
                .filter_map(|(place, offer)| Some((name_of(offer)?, held(place)?)))
                .collect();
            if !found.is_empty() {
                odd.insert((*model).to_owned(), found);
            }
        }
        let mut proposals = BTreeMap::new();
        for model in all {
            let offered = offers.of(&model);
            let Some(plan) = judge.plan(&model, &offered) else {
                continue;
            };
            if plan.changes.is_empty() && plan.verdict.held().is_none() {
                continue;
            }
            let source = plan.chosen.and_then(|place| offered.get(place));
            let proposal = Proposal {
                source: source.and_then(name_of),
                changes: plan.changes,
                verdict: plan.verdict,
                kind: plan.kind_new,
                usd: plan.usd_new,
                others: plan.losers.len(),
            };
            proposals.insert(model, proposal);
        }
        let own = |name: &str| local.values(name);
        Outlook {
            proposals,
            unpriced: unpriced(&self.served, &own, local.self_use()),
            coming: unpriced(&self.coming, &own, local.self_use()),
            served: self.served,
            odd,
        }
    }
}
