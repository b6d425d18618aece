//! Values that a person chose among those that sources say, made into an offer that can be planned like any other.

use std::collections::BTreeMap;

use lockstep_core::prices::choose::Offer;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::unpriced::billed_by;
use lockstep_core::prices::values::Values;

/// The values that decide how a model is billed.
const KIND: [Field; 4] = [
    Field::ModelRatio,
    Field::ModelPrice,
    Field::BillingMode,
    Field::BillingExpr,
];

/// What was chosen, by model.
pub type Picks = BTreeMap<String, Picked>;

/// What was chosen of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// The unique name of the source of each chosen value. What it does not say is not changed.
    pub fields: BTreeMap<Field, String>,
    /// Whether what looks wrong was looked at and is wanted all the same. What could be no price is held nevertheless.
    pub approved: bool,
}

impl Picked {
    /// The offers with the choice among them, and the choice's place. What is not chosen of a model stays as the
    /// gateway has it, so that a model keeps being billed as it is unless another kind is chosen. Lists that cannot be
    /// believed cannot be chosen from; a name that is only alike is held until it is approved.
    pub(super) fn among(
        &self,
        offers: Vec<Offer>,
        names: &[&str],
        local: &Values,
    ) -> (Vec<Offer>, usize) {
        let of = |source: &str| {
            offers.iter().find(|offer| {
                let named = names.get(offer.source).is_some_and(|name| *name == source);
                named && !offer.stale
            })
        };
        // Who says how it is billed gives the choice its name and its formula.
        let mut fields: Vec<(&Field, &String)> = self.fields.iter().collect();
        fields.sort_by_key(|(field, _)| !KIND.contains(field));
        let mut choice: Option<Offer> = None;
        for (field, source) in fields {
            let Some(offer) = of(source) else {
                continue;
            };
            let choice = choice.get_or_insert_with(|| Offer {
                formula: offer.formula,
                alike: offer.alike.clone(),
                ..Offer::new(offer.source, Values::default())
            });
            for field in with(*field) {
                if let Some(raw) = offer.raw.get(field) {
                    choice.raw.set(field, Some(raw));
                    choice.values.set(field, offer.values.get(field));
                }
            }
            if choice.refused.is_none() {
                choice.refused.clone_from(&offer.refused);
            }
        }
        let Some(mut choice) = choice else {
            let nowhere = offers.len();
            return (offers, nowhere);
        };
        if billed_by(&choice.raw).kind().is_none() {
            for field in KIND {
                if choice.raw.get(field).is_none() {
                    choice.raw.set(field, local.get(field));
                    choice.values.set(field, local.get(field));
                }
            }
        }
        let taken: Vec<usize> = offers
            .iter()
            .filter(|offer| {
                let name = names.get(offer.source);
                let mut sources = self.fields.values();
                name.is_some_and(|name| sources.any(|source| source == name))
            })
            .map(|offer| offer.source)
            .collect();
        let mut all = offers;
        all.retain(|offer| !taken.contains(&offer.source));
        all.push(choice);
        let place = all.len() - 1;
        (all, place)
    }
}

/// An expression and the mode that bills by it are one value.
fn with(field: Field) -> impl Iterator<Item = Field> {
    let both = matches!(field, Field::BillingMode | Field::BillingExpr);
    let (first, second) = match both {
        true => (Field::BillingMode, Some(Field::BillingExpr)),
        false => (field, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: &[(Field, &str)]) -> Values {
        let mut values = Values::default();
        for (field, text) in of {
            values.set(*field, Some(text));
        }
        values
    }

    fn picked(of: &[(Field, &str)]) -> Picked {
        let fields = of.iter();
        Picked {
            fields: fields
                .map(|(field, source)| (*field, (*source).to_owned()))
                .collect(),
            approved: false,
        }
    }

    #[test]
    fn one_value_of_a_source_leaves_the_others_as_the_gateway_has_them() {
        let said = values(&[(Field::ModelRatio, "9"), (Field::CompletionRatio, "5")]);
        let offers = vec![Offer::new(0, said)];
        let local = values(&[(Field::ModelRatio, "1"), (Field::CacheRatio, "0.5")]);
        let (all, place) = picked(&[(Field::CompletionRatio, "A")]).among(offers, &["A"], &local);
        let expected = values(&[(Field::ModelRatio, "1"), (Field::CompletionRatio, "5")]);
        assert_eq!(all[place].values, expected);
        assert_eq!(all.len(), 1, "what was chosen from is no other source");
    }

    #[test]
    fn values_of_several_sources_make_one_offer_beside_those_that_were_not_chosen() {
        let offer = |source, ratio: &str, completion: &str| {
            let said = [
                (Field::ModelRatio, ratio),
                (Field::CompletionRatio, completion),
            ];
            Offer::new(source, values(&said))
        };
        let offers = vec![offer(0, "1", "2"), offer(1, "3", "4"), offer(2, "5", "6")];
        let choice = picked(&[(Field::ModelRatio, "B"), (Field::CompletionRatio, "A")]);
        let (all, place) = choice.among(offers, &["A", "B", "C"], &Values::default());
        let expected = values(&[(Field::ModelRatio, "3"), (Field::CompletionRatio, "2")]);
        assert_eq!(all[place].values, expected);
        assert_eq!(all[place].source, 1);
        assert_eq!(all[0].source, 2);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn nothing_is_chosen_from_a_list_that_is_not_believed() {
        let mut offer = Offer::new(0, values(&[(Field::ModelRatio, "9")]));
        offer.stale = true;
        let choice = picked(&[(Field::ModelRatio, "A")]);
        let (all, place) = choice.among(vec![offer], &["A"], &Values::default());
        assert_eq!((all.len(), place), (1, 1));
    }

    #[test]
    fn an_expression_comes_with_the_mode_that_bills_by_it() {
        let tiered = [
            (Field::BillingMode, "tiered_expr"),
            (Field::BillingExpr, "p * 2"),
        ];
        let offers = vec![Offer::new(0, values(&tiered))];
        let local = values(&[(Field::ModelRatio, "1")]);
        let choice = picked(&[(Field::BillingExpr, "A")]);
        let (all, place) = choice.among(offers, &["A"], &local);
        assert_eq!(all[place].values, values(&tiered));
    }
}
