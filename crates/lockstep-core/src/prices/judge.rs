//! The guards on a price: which field waits for an answer, and why.

use crate::change::Verdict;
use crate::hold::{Reason, ReasonCode};
use crate::prices::choose::{Offer, billed_by_placeholder};
use crate::prices::field::Field;
use crate::prices::mode::Strength;
use crate::prices::number::parse;
use crate::prices::plan::{FieldChange, ModelInput, ModelPlan, with};
use crate::prices::suspicious::{Prices, Sources, doubts, is_negative};
use crate::prices::values::{Kind, Values};

/// No provider asks so many times the input's price for anything; a slip of units does.
const FAR: f64 = 500.0;

/// The reasons from the gravest on.
const GRAVITY: [ReasonCode; 15] = [
    ReasonCode::NotANumber,
    ReasonCode::Negative,
    ReasonCode::UnknownExpression,
    ReasonCode::UnwritableMap,
    ReasonCode::Placeholder,
    ReasonCode::ZeroCrossing,
    ReasonCode::UnitSlip,
    ReasonCode::Tenfold,
    ReasonCode::KindChange,
    ReasonCode::NameMatch,
    ReasonCode::LargeFall,
    ReasonCode::LargeRise,
    ReasonCode::LoneSource,
    ReasonCode::FirstSeen,
    ReasonCode::PriceBrake,
];

impl ModelPlan {
    /// Puts the guards on every field that changes. The gravest is the model's.
    pub(super) fn judge(
        &mut self,
        input: &ModelInput<'_>,
        offer: &Offer,
        place: usize,
        kind: Kind,
    ) {
        let mut holds = self.broken(input);
        if !input.approved {
            let mut doubts = self.doubts(input, offer, place, kind);
            doubts.retain(|(_, reason)| !input.answers.allowed.contains(&reason.code));
            holds.extend(doubts);
        }
        let grave = |code: &ReasonCode| GRAVITY.iter().position(|other| other == code);
        holds.sort_by_key(|(_, reason)| grave(&reason.code).unwrap_or(GRAVITY.len()));
        for (field, reason) in &holds {
            let held = self.changes.iter_mut().find(|held| held.field == *field);
            if let Some(held) = held.filter(|held| held.hold.is_none()) {
                held.hold = Some(reason.clone());
            }
        }
        self.verdict = match holds.into_iter().next() {
            Some((_, reason)) => Verdict::Hold(reason),
            None => Verdict::Apply,
        };
    }

    /// What holds whatever was approved, or is allowed for this model.
    fn broken(&self, input: &ModelInput<'_>) -> Vec<(Field, Reason)> {
        let mut holds = Vec::new();
        for change in self.changes.iter().filter(|change| change.skip.is_none()) {
            let field = change.field;
            let mut hold = |reason| holds.push((field, reason));
            if let Some(new) = &change.new {
                match parse(new) {
                    _ if field == Field::BillingExpr && !input.expressions.known(new) => {
                        hold(Reason::plain(ReasonCode::UnknownExpression));
                    }
                    _ if !field.is_number() => {}
                    None => hold(Reason::plain(ReasonCode::NotANumber)),
                    Some(number) if is_negative(number) => {
                        hold(Reason::plain(ReasonCode::Negative));
                    }
                    Some(_) => {}
                }
            }
            // The model's own broken entry is mended by the write; those of others would become free by it.
            let others = input.unwritable.get(&field).into_iter().flatten();
            let others: Vec<String> = others
                .filter(|name| *name != input.model)
                .cloned()
                .collect();
            if !others.is_empty() {
                hold(Reason::named(ReasonCode::UnwritableMap, others));
            }
        }
        holds
    }

    /// What waits for a person.
    fn doubts(
        &self,
        input: &ModelInput<'_>,
        offer: &Offer,
        place: usize,
        kind: Kind,
    ) -> Vec<(Field, Reason)> {
        let unattended = input.strength == Strength::Unattended;
        let strict = input.strength != Strength::Looking;
        let changing = |field: Field| {
            let mut changes = self.changes.iter();
            changes.any(|change| change.field == field && change.skip.is_none())
        };
        let first = self.changes.iter().find(|change| change.skip.is_none());
        let main = match (main_field(kind), first) {
            (main, Some(first)) if !changing(main) => first.field,
            (main, _) => main,
        };
        let at = |field: Field| if changing(field) { field } else { main };
        let mut holds = Vec::new();
        if changing(Field::ModelRatio) && billed_by_placeholder(offer, Some(kind)) {
            holds.push((main, Reason::plain(ReasonCode::Placeholder)));
        }
        if self.kind_old.is_some_and(|old| old != kind) && input.answers.kind != Some(kind) {
            holds.push((main, Reason::plain(ReasonCode::KindChange)));
        }
        if let Some(name) = &offer.alike {
            let reason = Reason::named(ReasonCode::NameMatch, vec![name.clone()]);
            holds.push((main, reason));
        }

        let after = with(input.local, self.changes.iter());
        let new = input.prices_of(&after);
        let compared = self.compared_with(input, &new);
        for (place, old) in compared.iter().enumerate() {
            for (tier, prices) in new.iter().enumerate() {
                // Where there were fewer tiers, the last of them billed what the further ones bill now.
                let old = old.get(tier).or(old.last()).copied().unwrap_or_default();
                for (field, price) in prices.iter() {
                    let was = old.get(field);
                    if place > 0 && was.is_none() {
                        continue;
                    }
                    let told = doubts(field, was, price, input.limits, input.strength);
                    holds.extend(told.into_iter().map(|reason| (at(field), reason)));
                }
            }
        }
        let nothing = Values::default();
        let said = |offer| {
            if Offer::is_fresh(offer) {
                &offer.raw
            } else {
                &nothing
            }
        };
        let raws: Vec<&Values> = input.offers.iter().map(said).collect();
        let sources = Sources::read(&raws, input.locked);
        let tiered = kind == Kind::Expression;
        let known = compared.first().and_then(|old| old.first());
        let known = known.copied().unwrap_or_default();
        let slipped = sources.slipped(place, &known).into_iter();
        let slipped = slipped.filter(|field| tiered || changing(*field));
        let far = self.changes.iter().filter(|change| change.skip.is_none());
        let far = far.filter(|change| change.old.is_none() && is_far(change));
        let slips = slipped.chain(far.map(|change| change.field));
        holds.extend(slips.map(|field| (at(field), Reason::plain(ReasonCode::UnitSlip))));

        if strict {
            if sources.is_lone(place) {
                holds.push((main, Reason::plain(ReasonCode::LoneSource)));
            }
            if kind == Kind::Expression && new.is_empty() {
                // It can be billed by, but nobody can say what it costs.
                holds.push((main, Reason::plain(ReasonCode::UnknownExpression)));
            }
        }
        if unattended {
            let wait = input.limits.first_seen_ms;
            let since = offer.first_seen;
            if since.is_none_or(|since| input.now.saturating_sub(since) < wait) {
                holds.push((main, Reason::plain(ReasonCode::FirstSeen)));
            }
        }
        holds
    }

    /// The prices with which a change is compared: those that bill now, and those that were last accepted. Either may
    /// object: what somebody mended by hand must not be undone unseen, nor a price creep away in small steps.
    fn compared_with(&self, input: &ModelInput<'_>, new: &[Prices]) -> Vec<Vec<Prices>> {
        let comparable = |old: &Vec<Prices>| match (old.first(), new.first()) {
            (Some(old), Some(new)) => old.comparable(new),
            _ => false,
        };
        let accepted = input.accepted.map(|one| input.prices_of(&one.values));
        let mut compared: Vec<Vec<Prices>> = std::iter::once(input.prices_of(input.local))
            .chain(accepted)
            .filter(comparable)
            .collect();
        if compared.is_empty() {
            compared.push(Vec::new());
        }
        compared
    }
}

/// Whether a multiplier that was not set before is one that no provider has.
fn is_far(change: &FieldChange) -> bool {
    let new = change.new.as_deref().and_then(parse);
    change.field.is_multiplier() && new.is_some_and(|new| new > FAR)
}

fn main_field(kind: Kind) -> Field {
    match kind {
        Kind::PerToken => Field::ModelRatio,
        Kind::PerCall => Field::ModelPrice,
        Kind::Expression => Field::BillingExpr,
    }
}
