//! What prices are made of, as JSON. Numbers are written as texts: a price that cannot be reckoned with has none in JSON.

use std::collections::BTreeMap;

use lockstep_core::hash::Digest;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::{Kind, Values};
use serde::{Deserialize, Serialize};

use super::{from_text, to_text};
use crate::prices::PriceDetail;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct UsdText {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_call: Option<String>,
}

/// A cost as JSON.
pub(crate) fn usd_to_text(usd: &Usd) -> String {
    let Usd {
        input,
        output,
        cache_read,
        cache_write,
        per_call,
    } = *usd;
    to_text(&UsdText {
        input: input.map(number_to_text),
        output: output.map(number_to_text),
        cache_read: cache_read.map(number_to_text),
        cache_write: cache_write.map(number_to_text),
        per_call: per_call.map(number_to_text),
    })
}

/// The cost of a JSON text.
pub(crate) fn usd_from_text(text: &str) -> Option<Usd> {
    let text: UsdText = from_text(text)?;
    Some(Usd {
        input: maybe(text.input, number_from_text)?,
        output: maybe(text.output, number_from_text)?,
        cache_read: maybe(text.cache_read, number_from_text)?,
        cache_write: maybe(text.cache_write, number_from_text)?,
        per_call: maybe(text.per_call, number_from_text)?,
    })
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct DetailText {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    formula: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_new: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
}

/// A detail as JSON.
pub(crate) fn price_detail_to_text(detail: &PriceDetail) -> String {
    let PriceDetail {
        formula,
        others,
        kind_old,
        kind_new,
        held,
    } = detail.clone();
    let formula = formula
        .into_iter()
        .map(|(name, number)| (name, number_to_text(number)));
    to_text(&DetailText {
        formula: formula.collect(),
        others,
        kind_old: kind_old.map(|kind| kind.code().to_owned()),
        kind_new: kind_new.map(|kind| kind.code().to_owned()),
        held: held.map(|digest| digest.to_string()),
    })
}

/// The detail of a JSON text.
pub(crate) fn price_detail_from_text(text: &str) -> Option<PriceDetail> {
    let text: DetailText = from_text(text)?;
    let formula = text
        .formula
        .into_iter()
        .map(|(name, number)| Some((name, number_from_text(&number)?)));
    Some(PriceDetail {
        formula: formula.collect::<Option<_>>()?,
        others: text.others,
        kind_old: maybe(text.kind_old, |code| kind_from_code(&code))?,
        kind_new: maybe(text.kind_new, |code| kind_from_code(&code))?,
        held: text.held.map(Digest::stored),
    })
}

/// A model's values as JSON: an object by the fields' codes.
pub(crate) fn values_to_text(values: &Values) -> String {
    let texts: BTreeMap<&str, &str> = values
        .iter()
        .map(|(field, value)| (field.code(), value))
        .collect();
    to_text(&texts)
}

/// The values of a JSON text.
pub(crate) fn values_from_text(text: &str) -> Option<Values> {
    let texts: BTreeMap<String, String> = from_text(text)?;
    let mut values = Values::default();
    for (code, value) in &texts {
        values.set(Field::from_code(code)?, Some(value));
    }
    Some(values)
}

/// The shortest text that reads back as the very same number, `NaN` and the infinities included.
fn number_to_text(number: f64) -> String {
    format!("{number:?}")
}

fn number_from_text(text: impl AsRef<str>) -> Option<f64> {
    text.as_ref().parse().ok()
}

/// How a model is billed, by the stored code.
pub(crate) fn kind_from_code(code: &str) -> Option<Kind> {
    [Kind::PerToken, Kind::PerCall, Kind::Expression]
        .into_iter()
        .find(|kind| kind.code() == code)
}

/// Reads a text that may be absent; `None` when it is there and cannot be read.
fn maybe<T>(text: Option<String>, read: impl FnOnce(String) -> Option<T>) -> Option<Option<T>> {
    match text {
        Some(text) => read(text).map(Some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_comes_back_as_the_very_same_numbers() {
        for number in [0.1 + 0.2, 1e-320, 1e300, -0.0, 37.5, f64::INFINITY] {
            let usd = Usd {
                input: Some(number),
                per_call: Some(-number),
                ..Usd::default()
            };
            let back = usd_from_text(&usd_to_text(&usd)).expect("a cost");
            let bits = |usd: &Usd| usd.input.map(f64::to_bits);
            assert_eq!(bits(&back), bits(&usd), "{number}");
            assert_eq!(back.per_call, usd.per_call);
            assert_eq!(back.output, None);
        }
        let odd = Usd {
            cache_read: Some(f64::NAN),
            ..Usd::default()
        };
        let back = usd_from_text(&usd_to_text(&odd)).expect("a cost");
        assert!(back.cache_read.is_some_and(f64::is_nan));
    }

    #[test]
    fn what_this_program_would_not_have_written_is_none() {
        assert_eq!(usd_from_text(r#"{"input":"much"}"#), None);
        assert_eq!(price_detail_from_text(r#"{"kind_old":"free"}"#), None);
        assert_eq!(
            price_detail_from_text(r#"{"formula":[["group","x"]]}"#),
            None
        );
        assert_eq!(values_from_text(r#"{"no_field":"1"}"#), None);
    }
}
