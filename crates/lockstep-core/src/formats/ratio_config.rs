//! A gateway's own maps: `{"data": {"model_ratio": {"gpt-4o": 1.25}, …}}`.

use serde::de::MapAccess;

use crate::formats::envelope::Data;
use crate::formats::json::{IfMap, OfMap, Raw, Skip, Text, number_of, text_of};
use crate::formats::skipped::SkipReason;
use crate::formats::{Reader, usable_name};
use crate::prices::field::Field;

/// Reads the ten maps of `data`; other keys are passed over.
pub(super) struct Maps<'r, 'a, 'n>(pub(super) &'r mut Reader<'a, 'n>);

impl<'a> OfMap<'a> for Maps<'_, 'a, '_> {
    type Out = Data;

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<Data, A::Error> {
        let reader = self.0;
        let mut seen = [false; Field::COUNT];
        let mut grouped = false;
        while let Some(Text(key)) = map.next_key()? {
            let Some(field) = Field::from_code(&key) else {
                grouped |= key == "model_group";
                map.next_value_seed(Skip)?;
                continue;
            };
            let of = Map { reader, field };
            let is_map = map.next_value_seed(IfMap(of))?.is_some();
            if std::mem::replace(&mut seen[field.index()], true) {
                // Which of two maps counts cannot be told.
                reader.table.clear(field);
                reader.skipped.add(SkipReason::Duplicate, &key);
            } else if is_map {
                reader.table.give(field);
            } else {
                reader.skipped.add(SkipReason::NotAMap, &key);
            }
        }
        Ok(if seen.contains(&true) {
            Data::Maps
        } else if grouped {
            Data::Grouped
        } else {
            Data::Unknown
        })
    }
}

/// One map, of a model's name to a number or a text.
struct Map<'r, 'a, 'n> {
    reader: &'r mut Reader<'a, 'n>,
    field: Field,
}

impl<'a> OfMap<'a> for Map<'_, 'a, '_> {
    type Out = ();

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { reader, field } = self;
        let mut before = None;
        while let Some(Text(name)) = map.next_key()? {
            let raw = map.next_value_seed(Raw)?;
            if let Err(reason) = usable_name(&name) {
                reader.skipped.add(reason, &name);
                continue;
            }
            let model = reader.names.id_after(before, &name);
            before = Some(model);
            let row = match reader.table.row_of(model) {
                Some(row) => row,
                None => {
                    reader.count()?;
                    reader.table.row(model)
                }
            };
            if field.is_number() {
                match number_of(raw) {
                    Ok(number) => reader.put(row, field, number, &name),
                    Err(reason) => reader.spend(row, field, reason, &name),
                }
            } else {
                match text_of(raw) {
                    Some(text) => reader.put(row, field, &text, &name),
                    None if raw.get() == "null" => {
                        reader.spend(row, field, SkipReason::Null, &name);
                    }
                    None => reader.spend(row, field, SkipReason::NotAText, &name),
                }
            }
        }
        Ok(())
    }
}
