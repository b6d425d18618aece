//! The guards on a price: which field waits for an answer, and why.

use crate::change::Verdict;
use crate::hold::{Reason, ReasonCode};
use crate::prices::choose::{Offer, billed_by_placeholder};
use crate::prices::doubts::doubts;
use crate::prices::field::Field;
use crate::prices::limits::PriceLimits;
use crate::prices::mode::Strength;
use crate::prices::number::parse;
use crate::prices::opinions::{Sources, is_negative};
use crate::prices::parts::{Part, Prices};
use crate::prices::plan::{FieldChange, ModelInput, ModelPlan, with};
use crate::prices::tiers::Tiers;
use crate::prices::values::{Kind, Values};

/// No provider asks so many times the input's price for output or for audio; a slip of units does.
const FAR: f64 = 500.0;

/// Nor so many times for anything else.
const FAR_BESIDE: f64 = 50.0;

/// So many others that answered, none of which agrees, are more than one opinion against another.
const OTHERS: usize = 2;

/// The reasons from the gravest on.
const GRAVITY: [ReasonCode; 16] = [
    ReasonCode::NotANumber,
    ReasonCode::Negative,
    ReasonCode::UnknownExpression,
    ReasonCode::UnwritableMap,
    ReasonCode::Placeholder,
    ReasonCode::UnknownCost,
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
        holds.extend(self.broken_expression(input, kind));
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

    /// The same of the expression that would bill, whether it comes or is there already and only its mode comes.
    fn broken_expression(&self, input: &ModelInput<'_>, kind: Kind) -> Option<(Field, Reason)> {
        let fields = [Field::BillingExpr, Field::BillingMode];
        let changing = fields.into_iter().find(|field| self.is_changing(*field));
        let field = changing.filter(|_| kind == Kind::Expression)?;
        let after = with(input.local, self.changes.iter());
        let expression = after.get(Field::BillingExpr)?;
        let code = if input.expressions.tiers(expression).is_empty() {
            ReasonCode::UnknownExpression
        } else if input.prices_of(&after)?.iter().any(Prices::has_negative) {
            ReasonCode::Negative
        } else {
            return None;
        };
        Some((field, Reason::plain(code)))
    }

    fn is_changing(&self, field: Field) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| change.field == field && change.skip.is_none())
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
        let changing = |field: Field| self.is_changing(field);
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
        let compared = self.compared_with(input, new.as_ref());
        if let Some(new) = &new {
            let told = step(&compared, new, input.limits, input.strength);
            holds.extend(
                told.into_iter()
                    .map(|(part, reason)| (at(part.field()), reason)),
            );
        }
        // It can be billed by, but nobody can say what it costs. Whoever looks minds where that was known.
        let untold = new
            .as_ref()
            .is_none_or(|new| new.iter().any(Prices::has_unknown));
        if untold
            && kind == Kind::Expression
            && (strict || (compared.is_empty() && self.kind_old.is_some()))
        {
            holds.push((main, Reason::plain(ReasonCode::UnknownCost)));
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
        let sources = Sources::read(&raws, input.locked, input.expressions);
        let tiered = kind == Kind::Expression;
        let slipped = sources.slipped(place, compared.first()).into_iter();
        let slipped = slipped.map(Part::field);
        let slipped = slipped.filter(|field| tiered || changing(*field));
        let far = self.changes.iter().filter(|change| change.skip.is_none());
        let far = far.filter(|change| change.old.is_none() && is_far(change));
        let slips = slipped.chain(far.map(|change| change.field));
        holds.extend(slips.map(|field| (at(field), Reason::plain(ReasonCode::UnitSlip))));

        // Who looks sees that sources differ; nobody looking takes no price that none of several others bears out.
        let against = sources.against(place);
        if (strict && sources.is_lone(place)) || (unattended && against >= OTHERS) {
            holds.push((
                main,
                Reason {
                    count: Some(against),
                    ..Reason::plain(ReasonCode::LoneSource)
                },
            ));
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
    fn compared_with(&self, input: &ModelInput<'_>, new: Option<&Tiers>) -> Vec<Tiers> {
        let accepted = input.accepted.map(|one| &one.values);
        std::iter::once(input.local)
            .chain(accepted)
            .filter_map(|values| input.prices_of(values))
            .filter(|old| new.is_some_and(|new| old.comparable(new)))
            .collect()
    }
}

/// What is wrong with the new prices beside each of those that they are compared with, tier by tier.
fn step(
    compared: &[Tiers],
    new: &Tiers,
    limits: &PriceLimits,
    strength: Strength,
) -> Vec<(Part, Reason)> {
    let mut told = Vec::new();
    if compared.is_empty() {
        for tier in new.iter() {
            told.extend(doubts(None, tier, limits, strength));
        }
    }
    for (place, old) in compared.iter().enumerate() {
        for (old, tier) in old.beside(new) {
            let mut step = doubts(Some(old), tier, limits, strength);
            // Of what was not said when it was accepted nobody's yes is known.
            step.retain(|(part, _)| place == 0 || old.get(*part).is_some());
            told.extend(step);
        }
    }
    told
}

/// Whether a multiplier that was not set before is one that no provider has.
fn is_far(change: &FieldChange) -> bool {
    let new = change.new.as_deref().and_then(parse);
    let far = match change.field {
        Field::CompletionRatio | Field::AudioRatio => FAR,
        _ => FAR_BESIDE,
    };
    change.field.is_multiplier() && new.is_some_and(|new| new > far)
}

fn main_field(kind: Kind) -> Field {
    match kind {
        Kind::PerToken => Field::ModelRatio,
        Kind::PerCall => Field::ModelPrice,
        Kind::Expression => Field::BillingExpr,
    }
}
