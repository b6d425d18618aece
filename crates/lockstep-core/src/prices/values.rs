//! The values of one model, as the texts they came as.

use crate::prices::field::{Field, TIERED};
use crate::prices::number::parse;

/// What one model has in each of the ten maps. Numbers are kept as they were written, so that nothing is rewritten that
/// did not change; an expression is kept without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Values([Option<Box<str>>; Field::COUNT]);

/// How a model is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Per token, by ratios.
    PerToken,
    /// A fixed price per call.
    PerCall,
    /// By an expression.
    Expression,
}

impl Kind {
    /// The stable code, as stored and as printed in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::PerToken => "per_token",
            Self::PerCall => "per_call",
            Self::Expression => "expression",
        }
    }
}

impl Values {
    /// The value of a field, if there is one.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.0[field.index()].as_deref()
    }

    /// A number field's value, if it is one that can be reckoned with.
    pub fn number(&self, field: Field) -> Option<f64> {
        self.get(field).and_then(parse)
    }

    /// Sets or removes a value.
    pub fn set(&mut self, field: Field, value: Option<&str>) {
        self.0[field.index()] = value.map(Into::into);
    }

    /// The same with a value.
    #[must_use]
    pub fn with(mut self, field: Field, value: &str) -> Self {
        self.set(field, Some(value));
        self
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The values that are there, in the order of the fields.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        Field::ALL
            .iter()
            .filter_map(|field| self.get(*field).map(|value| (*field, value)))
    }

    /// How the gateway bills a model with these values: an expression comes before a price per call, and that before
    /// ratios. `None` when it has no price.
    pub fn kind(&self) -> Option<Kind> {
        if self.get(Field::BillingMode) == Some(TIERED) {
            return Some(Kind::Expression);
        }
        if self.get(Field::ModelPrice).is_some() {
            return Some(Kind::PerCall);
        }
        self.get(Field::ModelRatio).map(|_| Kind::PerToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_bills_before_a_price_and_a_price_before_ratios() {
        let ratio = Values::default().with(Field::ModelRatio, "1.50");
        assert_eq!(ratio.kind(), Some(Kind::PerToken));
        assert_eq!(ratio.get(Field::ModelRatio), Some("1.50"));
        let price = ratio.with(Field::ModelPrice, "0.1");
        assert_eq!(price.kind(), Some(Kind::PerCall));
        let tiered = price.with(Field::BillingMode, TIERED);
        assert_eq!(tiered.kind(), Some(Kind::Expression));
        assert_eq!(Values::default().kind(), None);
    }
}
