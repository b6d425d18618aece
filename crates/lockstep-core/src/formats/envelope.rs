//! What is around the prices: `success`, `message`, `data`, group ratios, or entries without any envelope.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::formats::entries::Entry;
use crate::formats::json::{IfMap, OfMap, Raw, Skip, Text, bools_and_numbers, number_of, text_of};
use crate::formats::openrouter::set_offer;
use crate::formats::pricing::{Item, set_item};
use crate::formats::ratio_config::Maps;
use crate::formats::skipped::SkipReason;
use crate::formats::{Format, Reader, usable_name};

/// What `data` was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// There was none.
    Missing,
    /// `null`.
    Null,
    /// Some of the ten maps.
    Maps,
    /// A list of items.
    List(Format),
    /// Prices by group.
    Grouped,
    /// Something else, or `data` twice.
    Unknown,
}

/// What the body says beside prices.
pub(super) struct Outside {
    pub(super) success: Option<bool>,
    pub(super) message: String,
    pub(super) data: Data,
}

/// Reads a whole body.
pub(super) struct Envelope<'r, 'a, 'n>(&'r mut Reader<'a, 'n>);

impl<'r, 'a, 'n> Envelope<'r, 'a, 'n> {
    pub(super) fn of(reader: &'r mut Reader<'a, 'n>) -> Self {
        Self(reader)
    }
}

impl<'a> OfMap<'a> for Envelope<'_, 'a, '_> {
    type Out = Outside;

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<Outside, A::Error> {
        let reader = self.0;
        let mut outside = Outside {
            success: None,
            message: String::new(),
            data: Data::Missing,
        };
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                // What is neither true nor missing is no success: said twice, the worse one counts.
                "success" => {
                    let is_true = map.next_value_seed(Raw)?.get() == "true";
                    outside.success = Some(is_true && outside.success.unwrap_or(true));
                }
                "message" => {
                    let message = map.next_value_seed(Raw)?;
                    outside.message = text_of(message).unwrap_or_default().into_owned();
                }
                "data" => {
                    let before = outside.data;
                    outside.data = map.next_value_seed(Prices(reader))?;
                    if before != Data::Missing {
                        outside.data = Data::Unknown;
                    }
                }
                "group_ratio" => {
                    map.next_value_seed(IfMap(Groups(reader)))?;
                }
                "vendors" | "usable_group" | "supported_endpoint" | "auto_groups"
                | "pricing_version" => map.next_value_seed(Skip)?,
                _ => Entry::read(reader, &key, &mut map)?,
            }
        }
        Ok(outside)
    }
}

/// The group ratios of a pricing list.
struct Groups<'r, 'a, 'n>(&'r mut Reader<'a, 'n>);

impl<'a> OfMap<'a> for Groups<'_, 'a, '_> {
    type Out = ();

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        while let Some(Text(group)) = map.next_key()? {
            let raw: &RawValue = map.next_value_seed(Raw)?;
            let ratio = number_of(raw)
                .ok()
                .and_then(|text| text.parse::<f64>().ok());
            let twice = reader.groups.contains_key(&*group);
            match ratio {
                Some(ratio) if !twice => {
                    reader.groups.insert(group.into_owned(), ratio);
                }
                _ => {
                    reader.groups.remove(&*group);
                    reader.skipped.add(SkipReason::GroupRatio, &group);
                }
            }
        }
        Ok(())
    }
}

/// How many items are read before their names are looked up.
const BATCH: usize = 16;

impl Reader<'_, '_> {
    /// Sets what some items say, the first of them at a place in the list. Their names are looked up one right after the
    /// other, so that the waits for memory overlap.
    fn set_items(&mut self, items: &[Item<'_>], first: usize, format: &mut Option<Format>) {
        let mut models = [None; BATCH];
        for (model, item) in models.iter_mut().zip(items) {
            let name = item.name().filter(|name| usable_name(name).is_ok());
            *model = name.map(|name| self.names.id(name));
        }
        for (place, (item, model)) in items.iter().zip(models).enumerate() {
            let layout = item
                .layout()
                .filter(|layout| *format.get_or_insert(*layout) == *layout);
            let (Some(layout), Some(name)) = (layout, item.name()) else {
                let place = format!("[{}]", first + place);
                self.skipped.add(SkipReason::UnknownShape, &place);
                continue;
            };
            let Some(model) = model else {
                let reason = usable_name(name).err().unwrap_or(SkipReason::EmptyName);
                self.skipped.add(reason, name);
                continue;
            };
            match self.table.new_row(model) {
                Ok(row) if layout == Format::Pricing => set_item(self, item, name, row),
                Ok(row) => set_offer(self, item, name, row),
                Err(row) => {
                    self.table.spend_row(row);
                    self.skipped.add(SkipReason::Duplicate, name);
                }
            }
        }
    }
}

/// Reads `data`.
struct Prices<'r, 'a, 'n>(&'r mut Reader<'a, 'n>);

impl<'a> DeserializeSeed<'a> for Prices<'_, 'a, '_> {
    type Value = Data;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Prices<'_, 'a, '_> {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("prices")
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Data, A::Error> {
        Maps(self.0).read(map)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Data, A::Error> {
        let reader = self.0;
        let mut format = None;
        let mut place = 0_usize;
        loop {
            let mut items: [Item<'a>; BATCH] = Default::default();
            let mut filled = 0;
            for item in &mut items {
                if list.next_element_seed(IfMap(&mut *item))?.is_none() {
                    break;
                }
                reader.count()?;
                filled += 1;
            }
            reader.set_items(&items[..filled], place, &mut format);
            place += filled;
            if filled < BATCH {
                break;
            }
        }
        Ok(match format {
            Some(format) => Data::List(format),
            None if place == 0 => Data::List(Format::Pricing),
            None => Data::Unknown,
        })
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    bools_and_numbers!(Data::Unknown);

    fn visit_str<E>(self, _: &str) -> Result<Data, E> {
        Ok(Data::Unknown)
    }
}
