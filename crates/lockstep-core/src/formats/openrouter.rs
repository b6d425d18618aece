//! OpenRouter's list of models: `{"data": [{"id": "openai/gpt-4o", "pricing": {"prompt": "0.0000025", …}}]}`.
//!
//! Its rules are the gateway's own: of a price that cannot be read the other one counts, with 0 for it; a negative one
//! means that the model has no price.

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::formats::Reader;
use crate::formats::json::{OfMap, Raw, Text, text_of};
use crate::formats::pricing::Item;
use crate::formats::sellers::Ratios;
use crate::formats::skipped::SkipReason;
use crate::prices::field::Field;

/// USD 1 per token, as a ratio: 1 is USD 2 per million.
pub(super) const RATIO_PER_TOKEN: f64 = 500_000.0;

/// The prices of an item, in USD per token.
#[derive(Default)]
pub(super) struct Dollars<'a> {
    prompt: Option<&'a RawValue>,
    completion: Option<&'a RawValue>,
    cache: Option<&'a RawValue>,
    twice: bool,
    /// Whether it asks for something else too, which the gateway's conversion does not take.
    more: bool,
}

/// Reads [`Dollars`].
pub(super) struct DollarsOf;

impl<'a> OfMap<'a> for DollarsOf {
    type Out = Dollars<'a>;

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<Dollars<'a>, A::Error> {
        let mut dollars = Dollars::default();
        while let Some(Text(key)) = map.next_key()? {
            let raw = map.next_value_seed(Raw)?;
            let place = match &*key {
                "prompt" => &mut dollars.prompt,
                "completion" => &mut dollars.completion,
                "input_cache_read" => &mut dollars.cache,
                _ => {
                    dollars.more |= asks(raw);
                    continue;
                }
            };
            dollars.twice |= place.replace(raw).is_some();
        }
        Ok(dollars)
    }
}

/// A price in USD per token. Only texts are read: lists of the same layout that have numbers there mean other units.
///
/// The gateway reads them as Go does, so that `+1` and `.5` are prices too; no price is named in words.
fn price(raw: Option<&RawValue>) -> Option<f64> {
    let text = text_of(raw?)?;
    let in_digits = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let price: f64 = text.parse().ok().filter(|_| in_digits)?;
    price.is_finite().then_some(price)
}

/// Whether something that stands among the prices costs anything: writes to the cache, images, a search, a call. What is
/// neither a text, a number nor nothing is a price of some shape that is not known.
fn asks(raw: &RawValue) -> bool {
    let text = text_of(raw);
    let text = text.as_deref().unwrap_or(raw.get()).trim();
    let nothing = matches!(text, "" | "null" | "false" | "[]" | "{}");
    !nothing && text.parse::<f64>().ok() != Some(0.0)
}

/// Sets what an item of OpenRouter's list says.
pub(super) fn set_offer(reader: &mut Reader<'_, '_>, item: &Item<'_>, name: &str, row: usize) {
    let ratios = match &item.dollars {
        _ if item.twice => Err(SkipReason::Duplicate),
        Some(Some(dollars)) if dollars.twice => Err(SkipReason::Duplicate),
        Some(Some(dollars)) => ratios(dollars),
        _ => Err(SkipReason::UnknownShape),
    };
    match ratios {
        Ok((ratios, left_out)) => {
            for (field, text) in ratios.texts() {
                reader.put(row, field, &text, name);
                reader.table.give(field);
            }
            if let Some(reason) = left_out {
                reader.skipped.add(reason, name);
            }
            if matches!(&item.dollars, Some(Some(dollars)) if dollars.more) {
                reader.skipped.add(SkipReason::PartLeftOut, name);
            }
        }
        Err(reason) => reader.skipped.add(reason, name),
    }
}

/// The ratios of an item's prices, and what is wrong with a price that was not needed.
fn ratios(dollars: &Dollars<'_>) -> Result<(Ratios, Option<SkipReason>), SkipReason> {
    let (prompt, completion) = (price(dollars.prompt), price(dollars.completion));
    let unread = prompt.is_none() || completion.is_none();
    if prompt.is_none() && completion.is_none() {
        let given = dollars.prompt.or(dollars.completion);
        return Err(given.map_or(SkipReason::NoPrice, |_| SkipReason::NotANumber));
    }
    let (prompt, completion) = (prompt.unwrap_or(0.0), completion.unwrap_or(0.0));
    if prompt < 0.0 || completion < 0.0 {
        return Err(SkipReason::Negative);
    }
    let mut ratios = Ratios::default();
    if prompt == 0.0 && completion == 0.0 {
        ratios.set(Field::ModelRatio, 0.0)?;
        return Ok((ratios, unread.then_some(SkipReason::NotANumber)));
    }
    if prompt == 0.0 {
        return Err(SkipReason::FreeInput);
    }
    ratios.set(Field::ModelRatio, prompt * RATIO_PER_TOKEN)?;
    ratios.set(Field::CompletionRatio, completion / prompt)?;
    if let Some(cache) = price(dollars.cache).filter(|cache| *cache >= 0.0) {
        ratios.set(Field::CacheRatio, cache / prompt)?;
    }
    Ok((ratios, unread.then_some(SkipReason::NotANumber)))
}
