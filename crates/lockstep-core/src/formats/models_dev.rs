//! models.dev: `{"openai": {"models": {"gpt-4o": {"cost": {"input": 2.5, "output": 10, …}}}}}`, in USD per million tokens.
//!
//! The numbers follow the gateway's own rules, so that the differences are those that it would show; what it does not
//! read (prices above a number of tokens, of audio, of writing to the cache) is told as left out.

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::formats::json::{IfMap, OfMap, Raw, Skip, Text, number_of};
use crate::formats::sellers::Ratios;
use crate::formats::skipped::SkipReason;
use crate::formats::{Format, Reader, usable_name};
use crate::prices::field::Field;
use crate::prices::usd::PER_RATIO;

/// Reads the models of one provider.
pub(super) struct Models<'r, 'a, 'n, 'k> {
    pub(super) reader: &'r mut Reader<'a, 'n>,
    pub(super) provider: &'k str,
}

impl<'a> OfMap<'a> for Models<'_, 'a, '_, '_> {
    type Out = ();

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, provider } = self;
        let is_of = reader.is_of(Format::ModelsDev);
        while let Some(Text(name)) = map.next_key()? {
            let cost = map.next_value_seed(IfMap(Model))?;
            reader.count()?;
            let full = format!("{provider}/{name}");
            if let Err(reason) = usable_name(&name) {
                reader.strays.add(reason, &full);
                continue;
            }
            let ratios = match cost {
                Some(Some(cost)) if is_of => ratios(&cost),
                Some(None) if is_of => Err(SkipReason::NoPrice),
                _ => Err(SkipReason::UnknownShape),
            };
            let price = reader.price(ratios, &full);
            if is_of {
                let model = reader.names.id(&name);
                reader.offers.sold_by(provider, model, price);
            }
        }
        Ok(())
    }
}

/// Reads one model, of which only the cost matters.
struct Model;

impl<'a> OfMap<'a> for Model {
    type Out = Option<Cost<'a>>;

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Out, A::Error> {
        let mut cost: Option<Cost<'a>> = None;
        while let Some(Text(key)) = map.next_key()? {
            if key != "cost" {
                map.next_value_seed(Skip)?;
            } else if let Some(mut read) = map.next_value_seed(IfMap(Cost::default()))? {
                read.twice |= cost.is_some();
                cost = Some(read);
            }
        }
        Ok(cost)
    }
}

/// The prices of one model, in USD per million tokens.
#[derive(Default)]
struct Cost<'a> {
    input: Option<&'a RawValue>,
    output: Option<&'a RawValue>,
    cache_read: Option<&'a RawValue>,
    reasoning: Option<&'a RawValue>,
    other: bool,
    twice: bool,
}

impl<'a> OfMap<'a> for Cost<'a> {
    type Out = Self;

    fn read<A: MapAccess<'a>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            let raw = map.next_value_seed(Raw)?;
            let place = match &*key {
                "input" => &mut self.input,
                "output" => &mut self.output,
                "cache_read" => &mut self.cache_read,
                "reasoning" => &mut self.reasoning,
                _ => {
                    self.other |= raw.get() != "null";
                    continue;
                }
            };
            self.twice |= place.replace(raw).is_some();
        }
        Ok(self)
    }
}

/// A price, if it is there and not `null`.
fn price(raw: Option<&RawValue>) -> Result<Option<f64>, SkipReason> {
    match raw.map(number_of) {
        None | Some(Err(SkipReason::Null)) => Ok(None),
        Some(Err(reason)) => Err(reason),
        Some(Ok(text)) => match text.parse::<f64>() {
            Ok(price) if price < 0.0 => Err(SkipReason::Negative),
            Ok(price) => Ok(Some(price)),
            Err(_) => Err(SkipReason::NotANumber),
        },
    }
}

/// The ratios of a cost, and whether a part of it is left out.
fn ratios(cost: &Cost<'_>) -> Result<(Ratios, bool), SkipReason> {
    if cost.twice {
        return Err(SkipReason::Duplicate);
    }
    let input = price(cost.input)?.ok_or(SkipReason::NoPrice)?;
    let output = price(cost.output)?;
    let mut left_out = cost.other;
    let mut ratios = Ratios::default();
    if input == 0.0 {
        if output.is_some_and(|output| output > 0.0) {
            return Err(SkipReason::FreeInput);
        }
        ratios.set(Field::ModelRatio, 0.0)?;
        return Ok((ratios, left_out));
    }
    ratios.set(Field::ModelRatio, input / PER_RATIO)?;
    if let Some(output) = output {
        ratios.set(Field::CompletionRatio, output / input)?;
    }
    match price(cost.cache_read) {
        Ok(Some(cache)) => ratios.set(Field::CacheRatio, cache / input)?,
        Ok(None) => {}
        Err(_) => left_out = true,
    }
    left_out |= cost.reasoning.is_some() && price(cost.reasoning) != Ok(output);
    Ok((ratios, left_out))
}
