//! The values of one model, as the texts they came as.

use crate::prices::field::{Field, TIERED};
use crate::prices::number::parse;

/// What one model has in each of the ten maps. Numbers are kept as they were written, so that nothing is rewritten that
/// did not change; an expression is kept without its quotes.
///
/// The texts stand one after the other in one piece of memory: a comparison of many lists makes hundreds of thousands of
/// these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Values {
    /// The length of each field's text, or [`NONE`].
    lengths: [u32; Field::COUNT],
    texts: Box<str>,
}

/// There is no text.
const NONE: u32 = u32::MAX;

impl Default for Values {
    fn default() -> Self {
        Self {
            lengths: [NONE; Field::COUNT],
            texts: Box::default(),
        }
    }
}

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
    /// The values that `text` tells of each field.
    fn of<'t>(text: impl Fn(Field) -> Option<&'t str>) -> Self {
        let mut lengths = [NONE; Field::COUNT];
        let mut total = 0;
        for field in Field::ALL {
            if let Some(text) = text(*field) {
                lengths[field.index()] = length(text);
                total += text.len();
            }
        }
        let mut texts = String::with_capacity(total);
        texts.extend(Field::ALL.iter().filter_map(|field| text(*field)));
        Self {
            lengths,
            texts: texts.into_boxed_str(),
        }
    }

    /// The value of a field, if there is one.
    pub fn get(&self, field: Field) -> Option<&str> {
        let (before, from) = self.lengths.split_at(field.index());
        let length = *from.first().filter(|length| **length != NONE)? as usize;
        let before = before.iter().filter(|length| **length != NONE);
        let start: usize = before.map(|length| *length as usize).sum();
        self.texts.get(start..start + length)
    }

    /// A number field's value, if it is one that can be reckoned with.
    pub fn number(&self, field: Field) -> Option<f64> {
        self.get(field).and_then(parse)
    }

    /// Sets or removes a value.
    pub fn set(&mut self, field: Field, value: Option<&str>) {
        *self = Self::of(|other| {
            if other == field {
                value
            } else {
                self.get(other)
            }
        });
    }

    /// The same with a value.
    #[must_use]
    pub fn with(mut self, field: Field, value: &str) -> Self {
        self.set(field, Some(value));
        self
    }

    /// What the gateway multiplies with: the value, its default where there is none, and 0 where it is no number.
    pub fn multiplier(&self, field: Field) -> f64 {
        self.get(field)
            .map_or_else(|| field.unset(), |text| parse(text).unwrap_or_default())
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.lengths == [NONE; Field::COUNT]
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

impl<T: AsRef<str>> FromIterator<(Field, T)> for Values {
    /// Of two texts of a field the later one counts.
    fn from_iter<I: IntoIterator<Item = (Field, T)>>(texts: I) -> Self {
        let mut by_field = [const { None }; Field::COUNT];
        for (field, text) in texts {
            by_field[field.index()] = Some(text);
        }
        Self::of(|field| by_field[field.index()].as_ref().map(T::as_ref))
    }
}

/// No list has a text of four gigabytes; what were longer would count as none.
fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_keeps_its_own_text_however_they_are_set() {
        let mut values = Values::default();
        assert!(values.is_empty());
        for field in Field::ALL.iter().rev() {
            values.set(*field, Some(field.code()));
        }
        for field in Field::ALL {
            assert_eq!(values.get(*field), Some(field.code()));
        }
        values.set(Field::ModelPrice, None);
        values.set(Field::CacheRatio, Some(""));
        assert_eq!(values.get(Field::ModelPrice), None);
        assert_eq!(values.get(Field::CacheRatio), Some(""));
        assert_eq!(values.iter().count(), Field::COUNT - 1);
        for (field, text) in values.iter() {
            assert!(text.is_empty() || text == field.code());
        }
        let same: Values = values.iter().collect();
        assert_eq!(same, values);
        assert_ne!(
            Values::default().with(Field::CacheRatio, ""),
            Values::default()
        );
    }

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
