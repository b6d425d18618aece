//! What every plan of a price run rests on beside what the sources say.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::prices::answers::Answers;
use lockstep_core::prices::choose::Offer;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::mode::Strength;
use lockstep_core::prices::plan::{Accepted, ModelInput, ModelPlan, plan_chosen, plan_model};
use lockstep_core::prices::unpriced::{billed, lookup_key};
use lockstep_core::prices::values::Values;
use lockstep_core::settings::PriceSettings;

use super::local::LocalPrices;
use lockstep_core::prices::expr::Grammar;

/// What the plans of all models of a run rest on.
pub(super) struct Judge<'a> {
    pub(super) local: &'a LocalPrices,
    pub(super) settings: &'a PriceSettings,
    pub(super) answers: &'a Answers,
    /// The prices that were last accepted, by model.
    pub(super) accepted: &'a BTreeMap<String, Values>,
    /// The keys under which the gateway looks up what is served.
    pub(super) served: BTreeSet<&'a str>,
    pub(super) unwritable: BTreeMap<Field, Vec<String>>,
    pub(super) strength: Strength,
    pub(super) now: i64,
}

impl<'a> Judge<'a> {
    /// The models that enabled channels serve, as the gateway looks them up.
    pub(super) fn keys(served: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
        served.map(|model| lookup_key(model)).collect()
    }

    /// The plan by the order of preference; `None` for a model that the run does not touch.
    pub(super) fn plan(&self, model: &str, offers: &[Offer]) -> Option<ModelPlan> {
        self.with(model, offers, false, plan_model)?
    }

    /// The plan of an offer that a person chose.
    pub(super) fn plan_chosen(
        &self,
        model: &str,
        (offers, place): (&[Offer], usize),
        approved: bool,
    ) -> Option<ModelPlan> {
        self.with(model, offers, approved, |input| plan_chosen(input, place))
    }

    fn with<T>(
        &self,
        model: &str,
        offers: &[Offer],
        approved: bool,
        plan: impl FnOnce(ModelInput<'_>) -> T,
    ) -> Option<T> {
        let values = self.local.values(model);
        let own = |name: &str| self.local.values(name);
        if values.kind().is_none() && billed(model, &own, false).priced() {
            // A wildcard prices it. An entry of its own would replace that price unseen.
            return None;
        }
        let accepted = self.accepted.get(model).map(|values| Accepted {
            values: values.clone(),
            at: 0,
        });
        Some(plan(ModelInput {
            model,
            local: &values,
            locked: self.local.locked(model),
            served: self.served.contains(model),
            offers,
            answers: self.answers.of(model),
            accepted: accepted.as_ref(),
            limits: &self.settings.limits,
            scope: self.settings.scope,
            strength: self.strength,
            approved,
            unwritable: &self.unwritable,
            expressions: &Grammar,
            now: self.now,
        }))
    }
}
