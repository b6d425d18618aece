//! A gateway's list of models: `{"data": [{"model_name": "gpt-4o", "quota_type": 0, "model_ratio": 1.25, …}]}`.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::formats::json::{IfMap, IfText, OfMap, Raw, Skip, number_of, text_of};
use crate::formats::openrouter::{Dollars, DollarsOf};
use crate::formats::skipped::SkipReason;
use crate::formats::{Format, Reader};
use crate::prices::field::{Field, TIERED};
use crate::prices::number::same;

/// The fields that an item has only where the gateway has them set.
const OPTIONAL: [Field; 5] = [
    Field::CacheRatio,
    Field::CreateCacheRatio,
    Field::ImageRatio,
    Field::AudioRatio,
    Field::AudioCompletionRatio,
];

/// One item of a `data` list: the parts that either of its two layouts knows, as they stand in the body.
#[derive(Default)]
pub(super) struct Item<'a> {
    name: Option<Option<Cow<'a, str>>>,
    quota_type: Option<&'a RawValue>,
    fields: [Option<&'a RawValue>; Field::COUNT],
    id: Option<Option<Cow<'a, str>>>,
    pub(super) dollars: Option<Option<Dollars<'a>>>,
    /// Some part is there twice.
    pub(super) twice: bool,
}

enum Key {
    Name,
    QuotaType,
    Id,
    Pricing,
    Of(Field),
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "model_name" => Key::Name,
                    "quota_type" => Key::QuotaType,
                    "id" => Key::Id,
                    "pricing" => Key::Pricing,
                    _ => Field::from_code(key).map_or(Key::Other, Key::Of),
                })
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

/// Reads an item into one that is there, so that none is moved about.
impl<'a> OfMap<'a> for &mut Item<'a> {
    type Out = ();

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            let place = match key {
                Key::QuotaType => &mut self.quota_type,
                Key::Of(field) => &mut self.fields[field.index()],
                Key::Name => {
                    let name = map.next_value_seed(IfText)?;
                    self.twice |= self.name.replace(name).is_some();
                    continue;
                }
                Key::Id => {
                    let id = map.next_value_seed(IfText)?;
                    self.twice |= self.id.replace(id).is_some();
                    continue;
                }
                Key::Pricing => {
                    let dollars = map.next_value_seed(IfMap(DollarsOf))?;
                    self.twice |= self.dollars.replace(dollars).is_some();
                    continue;
                }
                Key::Other => {
                    map.next_value_seed(Skip)?;
                    continue;
                }
            };
            self.twice |= place.replace(map.next_value_seed(Raw)?).is_some();
        }
        Ok(())
    }
}

impl<'a> Item<'a> {
    /// Which of the two layouts it is of.
    pub(super) fn layout(&self) -> Option<Format> {
        if self.name.is_some() {
            Some(Format::Pricing)
        } else if self.id.is_some() && self.dollars.is_some() {
            Some(Format::OpenRouter)
        } else {
            None
        }
    }

    /// The model's name, if it is a text.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_ref().or(self.id.as_ref())?.as_deref()
    }

    fn field(&self, field: Field) -> Option<&'a RawValue> {
        self.fields[field.index()]
    }

    /// The field that the item's prices begin with, or `None` where the way it is billed is not known.
    fn is_per_call(&self) -> Option<bool> {
        match self.quota_type.map(|raw| raw.get()) {
            None => Some(false),
            Some(kind) if same(kind, "0") => Some(false),
            Some(kind) if same(kind, "1") => Some(true),
            Some(_) => None,
        }
    }
}

/// Sets what an item of a pricing list says.
///
/// An item whose price cannot be read is left out whole: a completion ratio without the ratio that it multiplies would
/// be half a price.
pub(super) fn set_item(reader: &mut Reader<'_, '_>, item: &Item<'_>, name: &str, row: usize) {
    let Some(is_per_call) = item.is_per_call() else {
        reader.skipped.add(SkipReason::UnknownShape, name);
        return;
    };
    if item.twice {
        reader.skipped.add(SkipReason::Duplicate, name);
        return;
    }
    let prices: &[Field] = if is_per_call {
        &[Field::ModelPrice]
    } else {
        &[Field::ModelRatio, Field::CompletionRatio]
    };
    let tiered = tiered(item);
    if item.field(prices[0]).is_none() && tiered.is_none() {
        reader.skipped.add(SkipReason::NoPrice, name);
        return;
    }
    for field in prices.iter().chain(&OPTIONAL) {
        let Some(raw) = item.field(*field) else {
            continue;
        };
        match number_of(raw) {
            Ok(number) => {
                reader.put(row, *field, number, name);
                reader.table.give(*field);
            }
            Err(reason) if prices.contains(field) => {
                reader.table.spend_row(row);
                reader.skipped.add(reason, name);
                return;
            }
            // Some forks write `null` where others leave the field out.
            Err(SkipReason::Null) => {}
            Err(reason) => reader.skipped.add(reason, name),
        }
    }
    if let Some(expression) = tiered {
        for (field, value) in [
            (Field::BillingMode, TIERED),
            (Field::BillingExpr, &*expression),
        ] {
            reader.put(row, field, value, name);
            reader.table.give(field);
        }
    }
}

/// The expression by which an item is billed: a mode without one, or the other way round, says nothing.
fn tiered<'a>(item: &Item<'a>) -> Option<Cow<'a, str>> {
    let mode = item.field(Field::BillingMode).and_then(text_of)?;
    let expression = item.field(Field::BillingExpr).and_then(text_of)?;
    (mode == TIERED && !expression.trim().is_empty()).then_some(expression)
}
