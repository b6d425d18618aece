//! Lists without an envelope, one entry a key: the providers of models.dev, or the models of LiteLLM's map.

use serde::de::MapAccess;

use crate::formats::json::{IfMap, OfMap, Skip, Text, drain};
use crate::formats::litellm::{Prices, add};
use crate::formats::models_dev::Models;
use crate::formats::sellers::Ratios;
use crate::formats::skipped::SkipReason;
use crate::formats::{Format, Reader};

/// What LiteLLM's map begins with: an explanation of itself.
const SAMPLE: &str = "sample_spec";

/// One entry.
pub(super) struct Entry<'r, 'a, 'n, 'k> {
    reader: &'r mut Reader<'a, 'n>,
    key: &'k str,
}

impl<'a> Entry<'_, 'a, '_, '_> {
    /// Reads the entry of a key.
    pub(super) fn read<A: MapAccess<'a>>(
        reader: &mut Reader<'a, '_>,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if key == SAMPLE {
            return map.next_value_seed(Skip);
        }
        let entry = Entry { reader, key };
        if map.next_value_seed(IfMap(entry))?.is_none() {
            reader.strays.add(SkipReason::UnknownShape, key);
        }
        Ok(())
    }
}

impl<'a> OfMap<'a> for Entry<'_, 'a, '_, '_> {
    type Out = ();

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, key } = self;
        let mut prices = Prices::default();
        while let Some(Text(part)) = map.next_key()? {
            if part == "models" {
                let models = Models {
                    reader,
                    provider: key,
                };
                if map.next_value_seed(IfMap(models))?.is_some() {
                    return drain(&mut map);
                }
            } else {
                prices.read(&part, &mut map)?;
            }
        }
        if prices.is_entry() && reader.is_of(Format::LiteLlm) {
            reader.count()?;
            add(reader, key, &prices);
        } else {
            reader.strays.add(SkipReason::UnknownShape, key);
        }
        Ok(())
    }
}

impl Reader<'_, '_> {
    /// Whether an entry of this layout may be in the list: the first entry tells which.
    pub(super) fn is_of(&mut self, format: Format) -> bool {
        *self.entries.get_or_insert(format) == format
    }

    /// The price of an entry, with what is left out of it, or why there is none, named.
    pub(super) fn price(
        &mut self,
        read: Result<(Ratios, bool), SkipReason>,
        name: &str,
    ) -> Result<Ratios, SkipReason> {
        match read {
            Ok((_, true)) => self.strays.add(SkipReason::PartLeftOut, name),
            Ok((_, false)) => {}
            Err(reason) => self.strays.add(reason, name),
        }
        read.map(|(ratios, _)| ratios)
    }
}
