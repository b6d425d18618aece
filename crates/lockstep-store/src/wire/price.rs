//! What prices are made of, as JSON. Numbers are written as texts: a price that cannot be reckoned with has none in JSON.

use std::collections::BTreeMap;

use lockstep_core::hash::Digest;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::{Kind, Values};
use serde::{Deserialize, Serialize};

use super::{from_text, reason_from_text, reason_to_text, to_text};
use crate::prices::{OutputBy, PlannedFrom, PriceDetail, StoredOffer};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<FromText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct FromText {
    base: BTreeMap<String, String>,
    offers: Vec<OfferText>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct OfferText {
    source: String,
    raw: BTreeMap<String, String>,
    /// Absent where they are as the source says them.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    alike: Option<String>,
}

impl FromText {
    fn of(from: PlannedFrom) -> Self {
        let PlannedFrom { base, offers } = from;
        Self {
            base: by_code(&base),
            offers: offers.into_iter().map(OfferText::of).collect(),
        }
    }

    fn read(self) -> Option<PlannedFrom> {
        Some(PlannedFrom {
            base: of_codes(&self.base)?,
            offers: self
                .offers
                .into_iter()
                .map(OfferText::read)
                .collect::<Option<_>>()?,
        })
    }
}

impl OfferText {
    fn of(offer: StoredOffer) -> Self {
        let StoredOffer {
            source,
            raw,
            values,
            refused,
            first_seen,
            stale,
            alike,
        } = offer;
        Self {
            source,
            values: (values != raw).then(|| by_code(&values)),
            raw: by_code(&raw),
            refused: refused.as_ref().map(reason_to_text),
            first_seen,
            stale,
            alike,
        }
    }

    fn read(self) -> Option<StoredOffer> {
        let raw = of_codes(&self.raw)?;
        Some(StoredOffer {
            source: self.source,
            values: match self.values {
                Some(values) => of_codes(&values)?,
                None => raw.clone(),
            },
            raw,
            refused: maybe(self.refused, |text| reason_from_text(&text))?,
            first_seen: self.first_seen,
            stale: self.stale,
            alike: self.alike,
        })
    }
}

/// A detail as JSON.
pub(crate) fn price_detail_to_text(detail: &PriceDetail) -> String {
    let PriceDetail {
        formula,
        others,
        kind_old,
        kind_new,
        held,
        from,
        output,
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
        from: from.map(FromText::of),
        output: output.map(|by| by.code().to_owned()),
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
        from: maybe(text.from, FromText::read)?,
        output: maybe(text.output, |code| OutputBy::from_code(&code))?,
    })
}

/// A model's values as JSON: an object by the fields' codes.
pub(crate) fn values_to_text(values: &Values) -> String {
    to_text(&by_code(values))
}

/// The values of a JSON text.
pub(crate) fn values_from_text(text: &str) -> Option<Values> {
    of_codes(&from_text(text)?)
}

fn by_code(values: &Values) -> BTreeMap<String, String> {
    values
        .iter()
        .map(|(field, value)| (field.code().to_owned(), value.to_owned()))
        .collect()
}

fn of_codes(texts: &BTreeMap<String, String>) -> Option<Values> {
    let mut values = Values::default();
    for (code, value) in texts {
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
fn maybe<S, T>(text: Option<S>, read: impl FnOnce(S) -> Option<T>) -> Option<Option<T>> {
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
