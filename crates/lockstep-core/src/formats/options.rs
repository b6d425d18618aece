//! The gateway's own ten maps, as its options have them.

use crate::formats::json::{IfMap, OfMap, Raw, Text, number_of, text_of};
use crate::formats::skipped::{SkipReason, Skipped};
use crate::prices::field::Field;
use crate::prices::names::Names;
use crate::prices::table::Table;
use serde::de::{DeserializeSeed, MapAccess};

/// What the gateway has.
#[derive(Clone, Debug, Default)]
pub struct Local<'a> {
    /// Its values. An entry of a number map that is no number is there as the JSON that it is, quotes included, so that
    /// it is seen and is never taken for a number.
    pub table: Table<'a>,
    /// The entries that are there more than once, of which the last counts, and those that are no number or no text.
    pub odd: Skipped,
    /// The maps that could not be read to their end.
    pub unreadable: Vec<Field>,
}

/// Reads the gateway's maps from its options' texts. A blank text is an empty map, as it is to the gateway; so is a map
/// that is not given.
///
/// This is for looking and comparing. What is written is edited as text, where every entry stays as it is.
pub fn local<'a>(maps: &[(Field, &'a str)], names: &mut Names) -> Local<'a> {
    let mut local = Local::default();
    for (field, text) in maps {
        local.table.set_text(*field, text);
        if text.trim_ascii().is_empty() {
            continue;
        }
        let mut parser = serde_json::Deserializer::from_str(text);
        let of = Own {
            local: &mut local,
            names,
            field: *field,
        };
        let read = IfMap(of).deserialize(&mut parser);
        let whole = read.and_then(|map| parser.end().map(|()| map));
        match whole {
            Ok(Some(())) => local.table.give(*field),
            // `null` is an empty map to the gateway as well.
            Ok(None) if text.trim_ascii() == "null" => {}
            _ => local.unreadable.push(*field),
        }
    }
    local
}

struct Own<'r, 'a> {
    local: &'r mut Local<'a>,
    names: &'r mut Names,
    field: Field,
}

impl<'a> OfMap<'a> for Own<'_, 'a> {
    type Out = ();

    fn read<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let Self {
            local,
            names,
            field,
        } = self;
        let mut before = None;
        while let Some(Text(name)) = map.next_key()? {
            let raw = map.next_value_seed(Raw)?;
            let model = names.id_after(before, &name);
            before = Some(model);
            let row = local.table.row(model);
            if local.table.at(row, field).is_some() {
                local.odd.add(SkipReason::Duplicate, &name);
            }
            let value = if field.is_number() {
                if let Err(reason) = number_of(raw) {
                    local.odd.add(reason, &name);
                }
                raw.get().into()
            } else {
                text_of(raw).unwrap_or_else(|| {
                    local.odd.add(SkipReason::NotAText, &name);
                    raw.get().into()
                })
            };
            local.table.put_last(row, field, &value);
        }
        Ok(())
    }
}
