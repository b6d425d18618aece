//! The gateway's maps as their exact texts: read where they stand, changed by splices.
//!
//! A map is replaced as a whole when it is written, so everything that no edit names must come out byte for byte:
//! `1.50` stays `1.50`, an escape stays an escape, and two entries of one name stay two.

mod edit;
mod scan;

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::prices::field::Field;
use crate::prices::number::parse;
pub use scan::{Expected, Unwritable};
use scan::{Scanner, unescape};

/// One of the gateway's maps: the text of a JSON object, and where its entries stand in it.
#[derive(Clone, Debug)]
pub struct MapText {
    text: String,
    /// Where the opening brace is.
    open: u32,
    /// Where the closing brace is.
    close: u32,
    entries: Vec<Entry>,
    index: Index,
}

/// Where an entry stands. The name's place includes its quotes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: (u32, u32),
    value: (u32, u32),
}

/// The text of one JSON value, which is all that an edit can put into a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(String);

impl Raw {
    /// A number, as it is written. `None` when it is no JSON number or one that cannot be reckoned with.
    pub fn number(text: &str) -> Option<Self> {
        parse(text).is_some().then(|| Self(text.to_owned()))
    }

    /// A string with these characters.
    pub fn text(characters: &str) -> Self {
        Self(quoted(characters))
    }

    /// A field's value as `Values` keep it: a number as it is written, or the characters of a string.
    pub fn of(field: Field, value: &str) -> Option<Self> {
        if field.is_number() {
            Self::number(value)
        } else {
            Some(Self::text(value))
        }
    }

    /// Any JSON value, as an entry had it; `None` when the text is not exactly one value.
    pub fn parse(text: &str) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        scanner.value(0).ok()?;
        (scanner.at() == text.len()).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MapText {
    /// Reads the text of a map.
    ///
    /// # Errors
    /// [`Unwritable`] when it is anything but one JSON object: the gateway reads such a text as an empty map, so that
    /// nothing may be based on it.
    pub fn parse(text: &str) -> Result<Self, Unwritable> {
        let mut entries = Vec::new();
        let (open, close) =
            Scanner::new(text).object(|name, value| entries.push(Entry { name, value }))?;
        Ok(Self::of(text.to_owned(), open, close, entries))
    }

    fn of(text: String, open: u32, close: u32, entries: Vec<Entry>) -> Self {
        let index = Index::of(&text, &entries);
        Self {
            text,
            open,
            close,
            entries,
            index,
        }
    }

    /// The text of the whole map.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a model's value; of several entries with its name the last one's, as the gateway reads them.
    pub fn get(&self, model: &str) -> Option<&str> {
        let entry = self.index.find(&self.text, &self.entries, model)?;
        Some(self.value(self.entries[entry]))
    }

    /// Every entry with its unescaped name and the text of its value, in the order of the map, duplicates and all.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (Cow<'_, str>, &str)> {
        self.entries
            .iter()
            .map(|entry| (name(&self.text, *entry), self.value(*entry)))
    }

    /// A model's value as `Values` keep it. `None` when there is none, or when it is of the wrong kind for the field,
    /// which the gateway reads as nothing; [`Self::unwritable_entries`] names those.
    pub fn value_of(&self, model: &str, field: Field) -> Option<Cow<'_, str>> {
        let raw = self.get(model)?;
        if !field.is_number() {
            return characters(raw);
        }
        parse(raw).is_some().then_some(Cow::Borrowed(raw))
    }

    /// The names of the entries that the gateway would misread if the map were written as it is: in a map of numbers
    /// everything that is no finite number, in a map of texts everything that is no string. Each name once, in order.
    pub fn unwritable_entries(&self, field: Field) -> Vec<String> {
        let mut seen = HashSet::new();
        self.entries()
            .filter(|(_, raw)| {
                if field.is_number() {
                    parse(raw).is_none()
                } else {
                    !raw.starts_with('"')
                }
            })
            .filter(|(name, _)| seen.insert(name.clone()))
            .map(|(name, _)| name.into_owned())
            .collect()
    }

    /// The map with some entries set (`Some`) or removed (`None`). The last of several edits of one model counts.
    ///
    /// An entry that already says the same keeps its text. A changed one replaces the last of its name, and the
    /// earlier ones of that name go. New ones come at the end, laid out as the map is.
    #[must_use]
    pub fn edit(&self, edits: &[(String, Option<Raw>)]) -> Self {
        edit::edit(self, edits)
    }

    fn value(&self, entry: Entry) -> &str {
        part(&self.text, entry.value)
    }
}

/// Two maps are the same when their texts are.
impl PartialEq for MapText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for MapText {}

fn part(text: &str, place: (u32, u32)) -> &str {
    &text[place.0 as usize..place.1 as usize]
}

fn name(text: &str, entry: Entry) -> Cow<'_, str> {
    unescape(part(text, (entry.name.0 + 1, entry.name.1 - 1)))
}

/// The characters of a JSON string's text.
fn characters(raw: &str) -> Option<Cow<'_, str>> {
    Some(unescape(raw.strip_prefix('"')?.strip_suffix('"')?))
}

fn quoted(characters: &str) -> String {
    serde_json::Value::from(characters).to_string()
}

/// Whether a text is a number of JSON's grammar and nothing else, however large.
pub(crate) fn is_number(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.number().is_ok() && scanner.at() == text.len()
}

/// Where each name stands last. A table of places with open addressing, so that no name is copied.
#[derive(Clone, Debug)]
struct Index(Vec<u32>);

const FREE: u32 = u32::MAX;

impl Index {
    fn of(text: &str, entries: &[Entry]) -> Self {
        let mut slots = vec![FREE; (entries.len() * 2).next_power_of_two().max(2)];
        for (place, entry) in (0u32..).zip(entries) {
            let slot = slot(&slots, text, entries, &name(text, *entry));
            slots[slot] = place;
        }
        Self(slots)
    }

    fn find(&self, text: &str, entries: &[Entry], wanted: &str) -> Option<usize> {
        let place = self.0[slot(&self.0, text, entries, wanted)];
        (place != FREE).then_some(place as usize)
    }
}

/// The slot that holds a name, or the free one where it belongs. At most half of the slots are taken.
fn slot(slots: &[u32], text: &str, entries: &[Entry], wanted: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    let mask = slots.len() - 1;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only the low bits are used"
    )]
    let mut at = hasher.finish() as usize & mask;
    while slots[at] != FREE && name(text, entries[slots[at] as usize]) != wanted {
        at = (at + 1) & mask;
    }
    at
}
