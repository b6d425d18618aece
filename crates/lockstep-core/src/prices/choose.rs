//! Which source's price is taken.

use crate::hold::Reason;
use crate::prices::cost::{Cost, Expressions, Formula, MarkupRule};
use crate::prices::field::Field;
use crate::prices::opinions::is_placeholder;
use crate::prices::unpriced::billed_by;
use crate::prices::values::{Kind, Values};

/// What one of several sellers of a name asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who sells it.
    pub seller: String,
    /// What it costs there.
    pub values: Values,
}

/// What one source says about one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The source's place in the caller's list.
    pub source: usize,
    /// What it says.
    pub raw: Values,
    /// The same at our cost.
    pub values: Values,
    /// Why it could not be brought to our cost.
    pub refused: Option<Reason>,
    /// How our price came about.
    pub formula: Option<Formula>,
    /// Since when (Unix milliseconds) the source says just this; `None` when that is not known.
    pub first_seen: Option<i64>,
    /// Whether it is a copy of an earlier answer: shown, never chosen.
    pub stale: bool,
    /// The sellers, when they disagree and none is the maker; then there are no values.
    pub sellers: Vec<Candidate>,
    /// The name under which the source has it, when that is only alike.
    pub alike: Option<String>,
}

impl Offer {
    /// A source's values, at no cost of ours.
    pub fn new(source: usize, raw: Values) -> Self {
        Self {
            source,
            values: raw.clone(),
            raw,
            refused: None,
            formula: None,
            first_seen: None,
            stale: false,
            sellers: Vec::new(),
            alike: None,
        }
    }

    /// Sellers who disagree.
    pub fn undecided(source: usize, sellers: Vec<Candidate>) -> Self {
        Self {
            sellers,
            ..Self::new(source, Values::default())
        }
    }

    /// The offer at our cost.
    #[must_use]
    pub fn at(
        mut self,
        cost: &Cost,
        model: &str,
        rules: &[MarkupRule],
        expressions: &dyn Expressions,
    ) -> Self {
        match cost.apply(model, &self.raw, rules, expressions) {
            Ok(costed) => {
                self.values = costed.values;
                self.formula = costed.formula;
            }
            Err(reason) => return self.refused_for(reason),
        }
        self
    }

    /// The offer, which cannot be brought to our cost for a reason.
    #[must_use]
    pub fn refused_for(mut self, reason: Reason) -> Self {
        self.refused = Some(reason);
        self
    }

    /// Whether it may be chosen and counts beside others.
    pub(super) fn is_fresh(&self) -> bool {
        !self.stale
    }

    /// Whether it says a price at all. A source that bills by an expression which it does not give says none.
    pub fn says_a_price(&self) -> bool {
        self.sellers.is_empty() && billed_by(&self.raw).priced()
    }
}

/// What became of the choice. Places are those in the list of offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// No source has a price for the model.
    Nothing,
    /// This one, with the values that are to be had.
    Chosen(usize, Values),
    /// Only sellers who disagree; the first source of such.
    NoMajority(usize),
    /// There are prices, but none billed in the way that is to be kept.
    OtherKind,
}

/// Chooses among offers, which come in order of preference: the first with a price. What is stale is never chosen. A
/// name that is only alike comes after all that have the very name, what could not be brought to our cost after those,
/// and the placeholder for "not priced" after all prices. Sellers who disagree decide nothing: they hold the model only when no other source decides.
pub fn choose(offers: &[Offer], keep: Option<Kind>) -> Choice {
    let fresh = || {
        offers
            .iter()
            .enumerate()
            .filter(|(_, offer)| offer.is_fresh())
    };
    let usable = |offer: &Offer| -> Option<Values> {
        if !offer.says_a_price() {
            return None;
        }
        match keep {
            None => Some(offer.values.clone()),
            Some(kind) => only(&offer.values, kind),
        }
    };
    let best = fresh()
        .filter_map(|(place, offer)| Some((place, usable(offer)?)))
        .min_by_key(|(place, values)| {
            let offer = &offers[*place];
            let unpriced = billed_by_placeholder(offer, values.kind());
            let refused = offer.refused.is_some();
            (unpriced, refused, offer.alike.is_some(), *place)
        });
    if let Some((place, values)) = best {
        return Choice::Chosen(place, values);
    }
    if fresh().any(|(_, offer)| offer.says_a_price()) {
        return Choice::OtherKind;
    }
    match fresh().find(|(_, offer)| !offer.sellers.is_empty()) {
        Some((place, _)) => Choice::NoMajority(place),
        None => Choice::Nothing,
    }
}

/// Whether the source shows the placeholder of a model that nobody priced.
pub(super) fn billed_by_placeholder(offer: &Offer, kind: Option<Kind>) -> bool {
    kind == Some(Kind::PerToken) && is_placeholder(offer.raw.get(Field::ModelRatio))
}

/// The values without those that would have it billed in another way; `None` when it cannot be billed in this way.
fn only(values: &Values, kind: Kind) -> Option<Values> {
    let bills = |field: Field| match field {
        Field::BillingMode | Field::BillingExpr => kind == Kind::Expression,
        Field::ModelPrice => kind != Kind::PerToken,
        _ => true,
    };
    let kept: Values = values.iter().filter(|(field, _)| bills(*field)).collect();
    (kept.kind() == Some(kind)).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::ReasonCode;
    use crate::prices::field::TIERED;

    fn ratio(source: usize, ratio: &str) -> Offer {
        Offer::new(source, Values::default().with(Field::ModelRatio, ratio))
    }

    fn chosen(offers: &[Offer]) -> Option<usize> {
        match choose(offers, None) {
            Choice::Chosen(place, _) => Some(place),
            _ => None,
        }
    }

    #[test]
    fn the_first_with_a_price_wins() {
        assert_eq!(chosen(&[ratio(0, "2"), ratio(1, "1")]), Some(0));
        let none = Offer::new(0, Values::default().with(Field::CacheRatio, "0.1"));
        assert_eq!(chosen(&[none, ratio(1, "1")]), Some(1));
        assert_eq!(choose(&[], None), Choice::Nothing);
    }

    #[test]
    fn a_stale_price_is_never_chosen() {
        let mut stale = ratio(0, "2");
        stale.stale = true;
        assert_eq!(chosen(&[stale.clone(), ratio(1, "1")]), Some(1));
        assert_eq!(choose(&[stale], None), Choice::Nothing);
    }

    #[test]
    fn the_very_name_goes_before_an_alike_one_and_a_price_before_the_placeholder() {
        let mut alike = ratio(0, "2");
        alike.alike = Some("openai/gpt-4o".into());
        let unset = ratio(1, "37.50");
        assert_eq!(
            chosen(&[alike.clone(), unset.clone(), ratio(2, "1")]),
            Some(2)
        );
        assert_eq!(chosen(&[alike, unset.clone()]), Some(0));
        assert_eq!(chosen(&[unset]), Some(0));
    }

    #[test]
    fn what_could_not_be_reckoned_is_chosen_only_where_nothing_else_is_to_be_had() {
        let group = Reason::named(ReasonCode::UnknownGroup, vec!["vip".into()]);
        let refused = ratio(0, "2").refused_for(group);
        let mut alike = ratio(2, "1");
        alike.alike = Some("openai/gpt-4o".into());
        assert_eq!(chosen(&[refused.clone(), ratio(1, "1")]), Some(1));
        assert_eq!(chosen(&[refused.clone(), alike]), Some(1));
        // The placeholder is no price, and would hide what is wrong.
        assert_eq!(chosen(&[refused.clone(), ratio(1, "37.5")]), Some(0));
        assert_eq!(chosen(&[refused]), Some(0));
    }

    #[test]
    fn sellers_who_disagree_hold_only_when_nobody_decides() {
        let sellers = vec![Candidate {
            seller: "a".into(),
            values: Values::default().with(Field::ModelRatio, "1"),
        }];
        let open = Offer::undecided(0, sellers);
        assert_eq!(chosen(&[open.clone(), ratio(1, "1")]), Some(1));
        assert_eq!(choose(&[open], None), Choice::NoMajority(0));
    }

    #[test]
    fn a_kept_kind_takes_the_ratios_beside_an_expression() {
        let both = Offer::new(
            0,
            Values::default()
                .with(Field::ModelRatio, "1")
                .with(Field::BillingMode, TIERED)
                .with(Field::BillingExpr, "p * 2"),
        );
        match choose(std::slice::from_ref(&both), Some(Kind::PerToken)) {
            Choice::Chosen(0, values) => assert_eq!(values.iter().count(), 1),
            other => panic!("{other:?}"),
        }
        assert_eq!(choose(&[both], Some(Kind::PerCall)), Choice::OtherKind);
    }
}
