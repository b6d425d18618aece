//! Values as the pages show them: in dollars or in ratios, and what they are chosen by.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use lockstep_core::prices::field::Field;
use lockstep_core::prices::number::parse;
use lockstep_core::prices::usd::{PER_RATIO, Usd};

use crate::view::prices::cents;

/// So many characters of an expression are shown beside others.
const SHORT: usize = 48;

/// How prices are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    /// USD per million tokens, or per call.
    #[default]
    Dollars,
    /// The gateway's own numbers.
    Ratios,
}

impl Unit {
    /// Its word in addresses.
    pub(crate) const RATIOS: &'static str = "ratios";

    pub(crate) fn of_code(code: &str) -> Self {
        match code {
            Self::RATIOS => Self::Ratios,
            _ => Self::Dollars,
        }
    }

    /// A value of a model that costs so much.
    pub(crate) fn value(self, field: Field, text: &str, usd: &Usd) -> String {
        let dollars = match self {
            Self::Dollars => dollars(field, text, usd),
            Self::Ratios => None,
        };
        match dollars {
            Some(sum) => money(sum),
            None if self == Self::Dollars && field.is_multiplier() => format!("\u{d7} {text}"),
            None => short(text),
        }
    }
}

/// What a value comes to, where that can be said in dollars.
fn dollars(field: Field, text: &str, usd: &Usd) -> Option<f64> {
    let number = || parse(text);
    match field {
        Field::ModelRatio => number().map(|ratio| ratio * PER_RATIO),
        Field::ModelPrice => number(),
        Field::CompletionRatio => usd.output,
        Field::CacheRatio => usd.cache_read,
        Field::CreateCacheRatio => usd.cache_write,
        Field::ImageRatio | Field::AudioRatio => Some(usd.input? * number()?),
        Field::AudioCompletionRatio | Field::BillingMode | Field::BillingExpr => None,
    }
}

/// A sum as it is written: to six digits, for ratios are rounded to about as many.
pub(crate) fn money(sum: f64) -> String {
    let digits = match sum.abs() {
        0.0 => 0.0,
        size => 5.0 - size.log10().floor(),
    };
    let scale = 10_f64.powf(digits);
    let rounded = (sum * scale).round() / scale;
    let sum = cents(if rounded.is_finite() { rounded } else { sum });
    match sum < 0.0 {
        true => format!("-${}", -sum),
        false => format!("${sum}"),
    }
}

/// The beginning of a long text.
pub(crate) fn short(text: &str) -> String {
    if text.chars().count() <= SHORT {
        return text.to_owned();
    }
    let begin: String = text.chars().take(SHORT).collect();
    format!("{begin}\u{2026}")
}

/// What a value of a source is chosen by: a few letters that no other value has, so that a choice is no longer one where
/// the source says something else by now.
pub(crate) fn id(model: &str, field: Field, source: &str, value: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (model, field.code(), source, value).hash(&mut hasher);
    format!("{:016x}", hasher.finish()).split_off(4)
}

/// What a model is chosen by.
pub(crate) fn model_id(model: &str) -> String {
    let mut hasher = DefaultHasher::new();
    model.hash(&mut hasher);
    format!("{:016x}", hasher.finish()).split_off(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_in_dollars_or_as_the_gateway_has_it() {
        let usd = Usd {
            input: Some(3.0),
            output: Some(15.0),
            ..Usd::default()
        };
        let shown =
            |field, text| [Unit::Dollars, Unit::Ratios].map(|unit| unit.value(field, text, &usd));
        assert_eq!(shown(Field::ModelRatio, "1.50"), ["$3", "1.50"]);
        assert_eq!(shown(Field::CompletionRatio, "5"), ["$15", "5"]);
        assert_eq!(shown(Field::CacheRatio, "0.1"), ["\u{d7} 0.1", "0.1"]);
        assert_eq!(shown(Field::ImageRatio, "2"), ["$6", "2"]);
        assert_eq!(shown(Field::ModelPrice, "0.04"), ["$0.04", "0.04"]);
        assert_eq!(
            shown(Field::ModelRatio, "nonsense"),
            ["nonsense", "nonsense"]
        );
        assert_eq!(money(-0.1 - 0.2), "-$0.3");
        assert_eq!(money(1.209999978), "$1.21");
        assert_eq!(money(0.0), "$0");
        assert_eq!(money(0.00001234567), "$0.0000123457");
    }

    #[test]
    fn what_a_value_is_chosen_by_ends_with_the_value() {
        let one = id("a", Field::ModelRatio, "list", "1");
        assert_eq!(one, id("a", Field::ModelRatio, "list", "1"));
        for other in [
            id("b", Field::ModelRatio, "list", "1"),
            id("a", Field::CacheRatio, "list", "1"),
            id("a", Field::ModelRatio, "other", "1"),
            id("a", Field::ModelRatio, "list", "2"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one.len(), 12);
    }
}
