//! Price lists, told apart by what is in them, and read in one pass.
//!
//! | format | layout | numbers |
//! | --- | --- | --- |
//! | ratio_config | `data` is a map of the ten maps | ratios |
//! | pricing | `data` is a list of items with `model_name` | ratios, or USD per call |
//! | openrouter | `data` is a list of items with `id` and `pricing` | USD per token, as texts |
//! | models_dev | providers, each with its `models` | USD per million tokens |
//! | litellm | one entry a model, with `litellm_provider` | USD per token |
//!
//! What cannot be used is counted by reason and named, and harms nothing else in the list. What cannot be told for sure is
//! not told: of a name that is there twice neither value is taken.
//!
//! # Memory
//!
//! For a body of 16 MiB, the longest that is read, at most 128 MiB beside it. Names and copied texts are parts of the
//! body, each at most once: 32 MiB with the room that a growing text has, and half of that again while it moves. Of at
//! most 200,000 models a table takes 84 bytes each (17 MiB) and [`Names`] about 24 beside the text; a list with sellers
//! takes 88 bytes an offer, and half as much again while the list of them grows (27 MiB), before its table is made of
//! them. Numbers reckoned from dollars take fewer bytes than the prices that they come from. A body with numbers that are
//! none of JSON's is copied: 16 MiB. `tests/formats.rs` measures the worst bodies known: 60 MiB.

mod entries;
mod envelope;
mod family;
mod json;
mod litellm;
mod mended;
mod models_dev;
mod openrouter;
mod options;
mod pricing;
mod ratio_config;
mod refused;
mod sellers;
mod skipped;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::DeserializeSeed;
use serde_json::error::Category;

pub use options::{Local, local};
pub use refused::NotAPriceList;
pub use sellers::{Choice, Offer, Sellers};
pub use skipped::{MAX_NAMES, SkipReason, Skipped, Skips};

use crate::formats::envelope::{Data, Envelope};
use crate::formats::json::{IfMap, MAX_DEPTH, TOO_DEEP, TOO_MANY};
use crate::formats::sellers::Offers;
use crate::hold::codes;
use crate::prices::field::Field;
use crate::prices::names::Names;
use crate::prices::table::{Put, Table};

/// The longest body that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;
/// The most models that a list may have.
pub const MAX_MODELS: usize = 200_000;
/// The longest name that a model may have, in bytes.
pub const MAX_NAME: usize = 1024;

codes! {
    /// The layout of a price list.
    Format {
        /// A gateway's own maps, as `/api/ratio_config` serves them.
        RatioConfig = "ratio_config",
        /// A gateway's list of models with their prices, as `/api/pricing` serves it.
        Pricing = "pricing",
        /// OpenRouter's list of models.
        OpenRouter = "openrouter",
        /// The list of models.dev.
        ModelsDev = "models_dev",
        /// LiteLLM's map of prices.
        LiteLlm = "litellm",
    }
}

/// A price list, decoded.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// Its layout. A list without items counts as [`Format::Pricing`].
    pub format: Format,
    /// What it says. Empty if it is a list that has nothing.
    pub table: Table<'a>,
    /// What was left out.
    pub skipped: Skipped,
    /// The group ratios that a pricing list carries: what the site multiplies its prices with.
    pub groups: BTreeMap<String, f64>,
    /// Who sells the models of which a list has several prices, and what was chosen.
    pub sellers: Sellers,
}

impl Decoded<'_> {
    /// The same of a body that has every value of this one at the same place.
    fn moved_to(self, body: &str) -> Decoded<'_> {
        Decoded {
            format: self.format,
            table: self.table.moved_to(body),
            skipped: self.skipped,
            groups: self.groups,
            sellers: self.sellers,
        }
    }
}

/// Decodes a price list, whichever it is. Its models get their ids from `names`.
///
/// A body that stops the parser with `NaN`, an infinity or a number that no `f64` holds is read again without it.
///
/// # Errors
/// If it is not a price list, or one of which no entry can be used.
pub fn decode<'a>(body: &'a str, names: &mut Names) -> Result<Decoded<'a>, NotAPriceList> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    if body.len() > MAX_BYTES {
        return Err(NotAPriceList::TooLong { limit: MAX_BYTES });
    }
    match body.trim_ascii_start().as_bytes().first() {
        None => return Err(NotAPriceList::Empty),
        Some(b'<') => return Err(NotAPriceList::Html),
        Some(_) => {}
    }
    let mut decoded = read(body, names);
    let mut text = Cow::Borrowed(body);
    for odd in [mended::is_word, mended::is_beyond] {
        if !matches!(decoded, Err(NotAPriceList::NotJson { .. })) {
            break;
        }
        if mended::mend(&mut text, odd) {
            decoded = read(&text, names).map(|decoded| decoded.moved_to(body));
        }
    }
    decoded
}

/// Reads a body of JSON.
fn read<'a>(body: &'a str, names: &mut Names) -> Result<Decoded<'a>, NotAPriceList> {
    let mut reader = Reader::new(body, names);
    let mut parser = serde_json::Deserializer::from_str(body);
    let envelope = IfMap(Envelope::of(&mut reader))
        .deserialize(&mut parser)
        .and_then(|envelope| parser.end().map(|()| envelope))
        .map_err(|error| failed(&error))?
        .ok_or(NotAPriceList::UnknownShape)?;
    if envelope.success == Some(false) {
        return Err(NotAPriceList::refused(&envelope.message));
    }
    let format = match envelope.data {
        Data::Missing => reader.take_entries().ok_or(NotAPriceList::NoData)?,
        Data::Null => return Err(NotAPriceList::NoData),
        Data::Maps => Format::RatioConfig,
        Data::List(format) => format,
        Data::Grouped => return Err(NotAPriceList::Grouped),
        Data::Unknown => return Err(NotAPriceList::UnknownShape),
    };
    reader.finish(format)
}

fn failed(error: &serde_json::Error) -> NotAPriceList {
    let text = error.to_string();
    if text.starts_with(TOO_MANY) {
        return NotAPriceList::TooManyModels { limit: MAX_MODELS };
    }
    if text.starts_with(TOO_DEEP) || text.starts_with("recursion limit") {
        return NotAPriceList::TooDeep { limit: MAX_DEPTH };
    }
    match error.classify() {
        Category::Eof => NotAPriceList::CutOff,
        _ => NotAPriceList::NotJson {
            line: error.line(),
            column: error.column(),
        },
    }
}

/// What is gathered while a body is read.
struct Reader<'a, 'n> {
    names: &'n mut Names,
    table: Table<'a>,
    skipped: Skipped,
    groups: BTreeMap<String, f64>,
    /// What entries beside `data` say, should there be no `data`.
    offers: Offers,
    /// What was left out of them.
    strays: Skipped,
    /// The layout of those entries, by the first that has one.
    entries: Option<Format>,
    models: usize,
}

impl<'a, 'n> Reader<'a, 'n> {
    fn new(body: &'a str, names: &'n mut Names) -> Self {
        Self {
            names,
            table: Table::of(body),
            skipped: Skipped::default(),
            groups: BTreeMap::new(),
            offers: Offers::default(),
            strays: Skipped::default(),
            entries: None,
            models: 0,
        }
    }

    /// Counts a model, and says whether there may be so many.
    fn count<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.models += 1;
        if self.models > MAX_MODELS {
            return Err(E::custom(TOO_MANY));
        }
        Ok(())
    }

    /// Sets a value that is there once.
    fn put(&mut self, row: usize, field: Field, value: &str, name: &str) {
        if self.table.put(row, field, value) == Put::Twice {
            self.skipped.add(SkipReason::Duplicate, name);
        }
    }

    /// Leaves a value out.
    fn spend(&mut self, row: usize, field: Field, reason: SkipReason, name: &str) {
        let reason = match self.table.spend(row, field) {
            Put::Set => reason,
            Put::Twice => SkipReason::Duplicate,
        };
        self.skipped.add(reason, name);
    }

    /// The layout of the entries, if there are any; what was left out of them counts then.
    fn take_entries(&mut self) -> Option<Format> {
        let format = self.entries?;
        let strays = std::mem::take(&mut self.strays);
        self.skipped.merge(strays);
        Some(format)
    }

    fn finish(mut self, format: Format) -> Result<Decoded<'a>, NotAPriceList> {
        let mut sellers = Sellers::default();
        if matches!(format, Format::ModelsDev | Format::LiteLlm) {
            let offers = std::mem::take(&mut self.offers);
            sellers = offers.settle(format, self.names, &mut self.table, &mut self.skipped);
        }
        if self.table.is_empty() && sellers.is_empty() && self.skipped.lost() > 0 {
            return Err(NotAPriceList::NothingUsable {
                skipped: self.skipped,
            });
        }
        Ok(Decoded {
            format,
            table: self.table,
            skipped: self.skipped,
            groups: self.groups,
            sellers,
        })
    }
}

/// A model's name, if it can be one; otherwise why not.
fn usable_name(name: &str) -> Result<(), SkipReason> {
    match name.len() {
        0 => Err(SkipReason::EmptyName),
        1..=MAX_NAME => Ok(()),
        _ => Err(SkipReason::NameTooLong),
    }
}

/// The last part of a name with slashes: `gpt-4o` of `azure/eu/gpt-4o`.
fn bare(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
