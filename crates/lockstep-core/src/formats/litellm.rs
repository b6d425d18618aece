//! LiteLLM's map: `{"gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 0.0000025, …}}`, in USD per token.
//!
//! Taken: input and output, reading and writing the cache, audio and image tokens, and a price per picture where that
//! is the price of a call. Passed over, as the caller chooses them: other tariffs (batches, priority and the like) and
//! tools. An entry whose price ratios cannot say is left out whole and named: it depends on length or hour, or is per
//! second, character, page and so on.

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::formats::json::{Raw, Skip, number_of, text_of};
use crate::formats::openrouter::RATIO_PER_TOKEN;
use crate::formats::sellers::Ratios;
use crate::formats::skipped::SkipReason;
use crate::formats::{Reader, usable_name};
use crate::prices::field::Field;

/// The prices that are read, by their keys.
const KEYS: [&str; 11] = [
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "input_cost_per_audio_token",
    "output_cost_per_audio_token",
    "input_cost_per_image_token",
    "output_cost_per_image_token",
    "output_cost_per_reasoning_token",
    "input_cost_per_image",
    "output_cost_per_image",
];
const INPUT: usize = 0;
const OUTPUT: usize = 1;
const CACHE_READ: usize = 2;
const CACHE_WRITE: usize = 3;
const AUDIO_IN: usize = 4;
const AUDIO_OUT: usize = 5;
const IMAGE_IN: usize = 6;
const IMAGE_OUT: usize = 7;
const REASONING: usize = 8;
const PICTURE_IN: usize = 9;
const PICTURE_OUT: usize = 10;

/// How many of them may have a price above a number of tokens.
const BY_LENGTH: usize = 4;

/// Parts of keys that are other tariffs, which the caller asks for.
const TARIFFS: [&str; 8] = [
    "_batches",
    "_flex",
    "_priority",
    "_ultrafast",
    "_balanced",
    "_decisions",
    "_above_1hr",
    "_above_12hr",
];

/// Beginnings of keys that are tools, which the caller asks for, or the same price in another money.
const TOOLS: [&str; 8] = [
    "search_context_cost",
    "google_maps_grounding",
    "code_interpreter_cost",
    "computer_use_",
    "file_search_cost",
    "vector_store_cost",
    "input_dbu_cost",
    "output_dbu_cost",
];

/// One entry.
#[derive(Default)]
pub(super) struct Prices {
    provider: Option<String>,
    mode: Option<String>,
    prices: [Option<f64>; KEYS.len()],
    /// The lowest and highest price above a number of tokens.
    above: [Option<(f64, f64)>; BY_LENGTH],
    has_cost: bool,
    by_length: bool,
    by_time: bool,
    other_unit: bool,
    left_out: bool,
    wrong: Option<SkipReason>,
}

impl Prices {
    /// Reads one part of the entry.
    pub(super) fn read<'a, A: MapAccess<'a>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "litellm_provider" => self.provider = Some(text(map.next_value_seed(Raw)?)),
            "mode" => self.mode = Some(text(map.next_value_seed(Raw)?)),
            "tiered_pricing" => self.by_length |= is_something(map.next_value_seed(Raw)?),
            "off_peak_pricing" => self.by_time |= is_something(map.next_value_seed(Raw)?),
            _ if key.contains("cost") => {
                self.has_cost = true;
                self.cost(key, map.next_value_seed(Raw)?);
            }
            _ => map.next_value_seed(Skip)?,
        }
        Ok(())
    }

    /// Whether it is an entry of such a map at all.
    pub(super) fn is_entry(&self) -> bool {
        self.provider.is_some() || self.has_cost
    }

    fn cost(&mut self, key: &str, raw: &RawValue) {
        let is_price = KEYS.iter().position(|known| *known == key);
        let passed_over = || {
            TARIFFS.iter().any(|part| key.contains(part))
                || TOOLS.iter().any(|part| key.starts_with(part))
        };
        if is_price.is_none() && passed_over() {
            return;
        }
        let price = match number_of(raw) {
            Ok(text) => text.parse::<f64>().unwrap_or(f64::NAN),
            Err(SkipReason::Null) => return,
            Err(reason) => {
                match is_price {
                    Some(_) => self.wrong = Some(reason),
                    None => self.left_out = true,
                }
                return;
            }
        };
        if let Some(place) = is_price {
            if price < 0.0 {
                self.wrong = Some(SkipReason::Negative);
            }
            if self.prices[place].replace(price).is_some() {
                self.wrong = Some(SkipReason::Duplicate);
            }
        } else if let Some((base, _)) = key.split_once("_above_")
            && key.ends_with("_tokens")
        {
            let place = KEYS[..BY_LENGTH].iter().position(|known| *known == base);
            if let Some(place) = place {
                let (low, high) = self.above[place].unwrap_or((price, price));
                self.above[place] = Some((low.min(price), high.max(price)));
            }
        } else if price != 0.0 {
            let is_of_tokens = key.contains("_token");
            self.left_out |= is_of_tokens;
            self.other_unit |= !is_of_tokens;
        }
    }

    /// A price that is there and not zero.
    fn priced(&self, place: usize) -> Option<f64> {
        self.prices[place].filter(|price| *price > 0.0)
    }

    fn mode(&self) -> &str {
        self.mode.as_deref().unwrap_or_default()
    }

    /// Whether what is above a number of tokens costs something else.
    fn depends_on_length(&self) -> bool {
        let differs = |(price, above): (&Option<f64>, &Option<(f64, f64)>)| {
            above.is_some_and(|(low, high)| {
                let price = price.unwrap_or(0.0);
                !equal(price, low) || !equal(price, high)
            })
        };
        self.by_length || self.prices.iter().zip(&self.above).any(differs)
    }

    /// The price of a picture, where it is the price of a call: the gateway bills a call once for each picture that is
    /// asked for, which is how these lists count. Input pictures of an edit are counted by nobody, and a picture whose
    /// price depends on more than that is not of this kind.
    fn picture(&self) -> Option<f64> {
        let (given, made) = (self.priced(PICTURE_IN), self.priced(PICTURE_OUT));
        match (self.mode(), given, made) {
            _ if self.other_unit || self.left_out => None,
            ("image_generation", Some(price), None) => Some(price),
            ("image_generation" | "image_edit", None, Some(price)) => Some(price),
            _ => None,
        }
    }

    /// The ratios, and whether a part is left out.
    fn ratios(&self) -> Result<(Ratios, bool), SkipReason> {
        if let Some(reason) = self.wrong {
            return Err(reason);
        }
        if self.by_time {
            return Err(SkipReason::PricedByTime);
        }
        if self.depends_on_length() {
            return Err(SkipReason::PricedByLength);
        }
        let mut ratios = Ratios::default();
        let in_pictures = self.priced(PICTURE_IN).or(self.priced(PICTURE_OUT));
        let other_unit = self.other_unit || in_pictures.is_some();
        if (INPUT..=REASONING).all(|place| self.priced(place).is_none()) {
            return if let Some(price) = self.picture() {
                ratios.set(Field::ModelPrice, price)?;
                Ok((ratios, false))
            } else if other_unit {
                Err(SkipReason::OtherUnit)
            } else if self.left_out || self.prices[INPUT].is_none() {
                Err(SkipReason::NoPrice)
            } else {
                ratios.set(Field::ModelRatio, 0.0)?;
                Ok((ratios, false))
            };
        }
        let input = match self.priced(INPUT) {
            Some(input) => input,
            None if other_unit => return Err(SkipReason::OtherUnit),
            None => return Err(SkipReason::FreeInput),
        };
        ratios.set(Field::ModelRatio, input * RATIO_PER_TOKEN)?;
        if let Some(output) = self.output()? {
            ratios.set(Field::CompletionRatio, output / input)?;
        }
        let left_out = self.extras(input, &mut ratios)?;
        Ok((ratios, left_out || self.left_out || other_unit))
    }

    /// What an output token costs, if there are any and all cost the same.
    fn output(&self) -> Result<Option<f64>, SkipReason> {
        let output = self.prices[OUTPUT];
        if let (Some(output), Some(reasoning)) = (output, self.priced(REASONING))
            && !equal(output, reasoning)
        {
            return Err(SkipReason::PricedApart);
        }
        match (self.priced(OUTPUT), self.priced(IMAGE_OUT)) {
            (Some(text), Some(image)) if !equal(text, image) => Err(SkipReason::PricedApart),
            // All that comes out are pictures.
            (None, Some(image)) => Ok(Some(image)),
            // Nothing comes out that could be billed, so that its price of 0 says nothing.
            (None, None) if matches!(self.mode(), "embedding" | "rerank" | "moderation") => {
                Ok(None)
            }
            _ => Ok(output),
        }
    }

    /// Cache, audio and pictures as multiples of the input; says whether a part is left out.
    fn extras(&self, input: f64, ratios: &mut Ratios) -> Result<bool, SkipReason> {
        if let Some(read) = self.prices[CACHE_READ] {
            ratios.set(Field::CacheRatio, read / input)?;
        }
        // Nobody gives writing to the cache away: 0 stands for "not priced apart" there.
        let mut left_out = self.prices[CACHE_WRITE] == Some(0.0);
        if let Some(write) = self.priced(CACHE_WRITE) {
            ratios.set(Field::CreateCacheRatio, write / input)?;
        }
        if let Some(image) = self.priced(IMAGE_IN) {
            ratios.set(Field::ImageRatio, image / input)?;
        }
        match (self.priced(AUDIO_IN), self.priced(AUDIO_OUT)) {
            (Some(given), spoken) => {
                ratios.set(Field::AudioRatio, given / input)?;
                if let Some(spoken) = spoken {
                    ratios.set(Field::AudioCompletionRatio, spoken / given)?;
                }
            }
            // Text in, speech out: the output's price is a multiple of the audio input's, so that one is said too.
            (None, Some(spoken)) => {
                ratios.set(Field::AudioRatio, 1.0)?;
                ratios.set(Field::AudioCompletionRatio, spoken / input)?;
            }
            (None, None) => left_out |= self.prices[AUDIO_IN].is_some(),
        }
        Ok(left_out)
    }
}

/// Adds an entry under its key.
pub(super) fn add(reader: &mut Reader<'_, '_>, key: &str, prices: &Prices) {
    if let Err(reason) = usable_name(key) {
        reader.strays.add(reason, key);
        return;
    }
    let price = reader.price(prices.ratios(), key);
    let seller = prices.provider.as_deref().unwrap_or_default();
    (reader.offers).keyed(reader.names, seller, key, price);
}

fn text(raw: &RawValue) -> String {
    text_of(raw).unwrap_or_default().into_owned()
}

/// Whether a list or map has something in it.
fn is_something(raw: &RawValue) -> bool {
    !matches!(raw.get(), "null" | "[]" | "{}" | "false")
}

/// Whether two prices per token are the same. They are far below the tolerance for ratios.
fn equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs().max(b.abs()) * 1e-9
}
