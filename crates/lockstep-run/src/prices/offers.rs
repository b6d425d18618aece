//! What the sources offer for a model, at our cost.

use std::collections::BTreeMap;

use lockstep_core::formats::Choice;
use lockstep_core::hash::Digest;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::alike::{Alike, Rule};
use lockstep_core::prices::choose::{Candidate, Offer};
use lockstep_core::prices::cost::Cost;
use lockstep_core::prices::names::NameId;
use lockstep_core::prices::values::Values;
use lockstep_core::settings::PriceSettings;
use lockstep_store::prices::seen::Seen;

use super::compare::{Compared, Judged};
use lockstep_core::prices::expr::Grammar;

/// The sources of a run, ready to be asked for models.
pub(crate) struct Offers<'c> {
    compared: &'c Compared<'c>,
    settings: &'c PriceSettings,
    /// Names of each source that may be meant by other ones.
    alike: Vec<Alike<'c>>,
    /// Since when each source says what it says, by model.
    seen: Vec<BTreeMap<String, Seen>>,
}

impl<'c> Offers<'c> {
    pub(crate) fn new(
        compared: &'c Compared<'c>,
        settings: &'c PriceSettings,
        seen: Vec<BTreeMap<String, Seen>>,
    ) -> Self {
        let alike = compared
            .sources
            .iter()
            .map(|source| {
                let models = source.table.iter().flat_map(|table| table.models());
                Alike::new(models.map(|model| compared.names.text(model)))
            })
            .collect();
        Self {
            compared,
            settings,
            alike,
            seen,
        }
    }

    /// What each source says of a model, the preferred first.
    pub(crate) fn of(&self, model: &str) -> Vec<Offer> {
        (0..self.compared.sources.len())
            .filter_map(|place| self.offer(place, model))
            .collect()
    }

    fn offer(&self, place: usize, model: &str) -> Option<Offer> {
        let source = self.compared.sources.get(place)?;
        let table = source.table.as_ref()?;
        let (id, alike) = self.find(place, source, model)?;
        let raw = table.values(id);
        let mut offer = match source.sellers.choice(id) {
            Some(Choice::Undecided | Choice::OnlyPrefixed) if raw.is_empty() => {
                let sellers = source.sellers.offers(id).map(|sold| Candidate {
                    seller: sold.seller.to_owned(),
                    values: sold.values,
                });
                Offer::undecided(place, sellers.collect())
            }
            _ if raw.is_empty() => return None,
            _ => {
                let offer = Offer::new(place, raw);
                match self.cost(source) {
                    Ok(cost) => offer.at(&cost, model, &self.settings.markup, &Grammar),
                    Err(reason) => offer.refused_for(reason),
                }
            }
        };
        offer.stale = source.stale || !source.state.is_believed();
        offer.first_seen = self
            .seen
            .get(place)
            .and_then(|seen| seen.get(model))
            .map(|seen| seen.first_seen);
        offer.alike = alike;
        Some(offer)
    }

    /// The source's entry for a model: under its own name, or under one that is only alike.
    fn find(
        &self,
        place: usize,
        source: &Judged<'_>,
        model: &str,
    ) -> Option<(NameId, Option<String>)> {
        let names = &self.compared.names;
        let known = |id: &NameId| {
            let table = source.table.as_ref();
            let priced = table.is_some_and(|table| !table.values(*id).is_empty());
            priced || source.sellers.choice(*id).is_some()
        };
        if let Some(id) = names.find(model).filter(known) {
            return Some((id, None));
        }
        let found = self.alike.get(place)?.find(model)?;
        let alike = (found.rule != Rule::Exact).then(|| found.name.to_owned());
        Some((names.find(found.name)?, alike))
    }

    /// What the source's prices are multiplied with, or why nobody knows.
    fn cost(&self, source: &Judged<'_>) -> Result<Cost, Reason> {
        let spec = source.collected.spec.as_ref();
        let group = match source.unknown_group() {
            Some(group) => {
                let names = vec![group.to_owned()];
                return Err(Reason::named(ReasonCode::UnknownGroup, names));
            }
            None => spec.and_then(|spec| source.groups.get(spec.group.as_ref()?)),
        };
        Ok(Cost {
            recharge: spec.and_then(|spec| spec.recharge).unwrap_or(1.0),
            group: group.copied().unwrap_or(1.0),
            markup: spec.and_then(|spec| spec.multiplier).unwrap_or(1.0),
            rounding: self.settings.rounding,
        })
    }
}

/// By which a source's values of a model are known again, with what they are multiplied with: a source that changes its
/// group ratio changes its price.
pub(crate) fn digest(values: &Values) -> Digest {
    Digest::of(
        values
            .iter()
            .flat_map(|(field, value)| [field.code(), value]),
    )
}
