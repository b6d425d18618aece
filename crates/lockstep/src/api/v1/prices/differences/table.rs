//! The differences of a site, made once and looked at often.

use std::collections::BTreeSet;
use std::sync::Arc;

use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::diff::Cell;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::names::NameId;
use lockstep_core::prices::suspicious::suspicions;
use lockstep_core::prices::usd::{Usd, usd};
use lockstep_core::prices::values::{Kind, Values};
use lockstep_run::prices::collect::Collected;
use lockstep_run::prices::compare::{Outcomes, compare};
use lockstep_run::prices::local::LocalPrices;
use lockstep_run::prices::outlook::{Basis, Outlook};
use lockstep_store::prices::run_sources::RunSource;

use super::order::Orders;
use crate::differences::said;

/// The differences between a gateway and its sources, as they were at some moment.
#[derive(Debug)]
pub(crate) struct Table {
    /// When the gateway's prices were read, in Unix milliseconds.
    pub(crate) read_at: i64,
    /// The sources that said something, by name; cells name them by their place.
    pub(crate) sources: Vec<String>,
    /// How each remembered source stands.
    pub(crate) told: Vec<RunSource>,
    /// By the model's name and then in the order of the fields.
    pub(crate) rows: Vec<Row>,
    /// How many models the gateway has a price for.
    pub(crate) priced: usize,
    /// What the policy proposes, and who serves what; `None` where nobody asked for it.
    pub(crate) outlook: Option<Outlook>,
    /// Other orders of the rows.
    pub(super) orders: Orders,
}

/// One field of one model in which the gateway and some source differ.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) model: Arc<Model>,
    pub(crate) field: Field,
    /// The gateway's text.
    pub(crate) current: Option<String>,
    /// What the sources say that differ anywhere.
    pub(crate) cells: Vec<Said>,
}

impl Row {
    /// What looks wrong about what a source says here, by its place, and what would hold it. That the gateway bills
    /// output by a ratio of its own is nothing wrong with the other values.
    pub(crate) fn doubts(&self, source: usize) -> impl Iterator<Item = ReasonCode> {
        let offers = self.model.offers.iter();
        let offers = offers.filter(move |offer| offer.source == source);
        let codes = offers.flat_map(Offer::doubts);
        let output = self.field == Field::CompletionRatio;
        codes.filter(move |code| output || *code != ReasonCode::LockedCompletion)
    }
}

/// What a source says to one field.
#[derive(Debug)]
pub(crate) struct Said {
    /// The source's place in the table.
    pub(crate) source: usize,
    pub(crate) value: Value,
    /// Whether it can be believed.
    pub(crate) confident: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Absent,
    Same,
    Other(String),
}

/// A model with a difference.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// The name in small letters, by which it is searched.
    pub(super) small: String,
    /// What it costs now.
    pub(crate) usd: Usd,
    /// How it is billed now; `None` where it has no price.
    pub(crate) kind: Option<Kind>,
    /// What each source says of it.
    pub(crate) offers: Vec<Offer>,
}

/// What a source says that a model costs.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The source's place in the table.
    pub(crate) source: usize,
    pub(crate) usd: Usd,
    /// How the source bills it.
    pub(crate) kind: Option<Kind>,
    /// What is wrong with it in itself.
    pub(crate) suspicious: Vec<ReasonCode>,
    /// Why it would wait for somebody's look; `None` where it would not, or where that was not asked for.
    pub(crate) held: Option<ReasonCode>,
    /// What taking it would be; `None` where nothing of the known sums moves, or they cannot be compared.
    pub(crate) change: Option<Change>,
}

impl Offer {
    /// All that looks wrong about it.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = ReasonCode> {
        let held = self.held.filter(|code| !self.suspicious.contains(code));
        self.suspicious.iter().copied().chain(held)
    }
}

/// What taking a price would be for those who pay it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// There was none.
    New,
    /// It costs more.
    Dearer,
    /// It costs less.
    Cheaper,
}

impl Table {
    /// Compares. It computes for long where lists are long.
    pub(crate) fn of(
        local: &LocalPrices,
        collected: &[Collected],
        basis: Option<Basis>,
        read_at: i64,
    ) -> (Self, Outcomes) {
        let compared = compare(local, collected);
        let outcomes = compared.outcomes();
        let tables = compared.tables();
        let differences = compared.differences(&tables);
        let place = |name: &str| tables.iter().position(|table| table.name == name);
        let outlook = basis.map(|basis| {
            let differ: BTreeSet<&str> = differences.iter().map(|found| found.name).collect();
            basis.outlook(local, &compared, &differ)
        });
        let mut rows = Vec::new();
        let mut last: Option<(NameId, Arc<Model>)> = None;
        for difference in differences.iter() {
            let model = match &last {
                Some((id, model)) if *id == difference.model => Arc::clone(model),
                _ => {
                    let locked = local.locked(difference.name);
                    let mine = compared.local.table.values(difference.model);
                    let said = said(&tables, difference.model);
                    let mut model = model(difference.name, &mine, locked, &said, place);
                    let odd = outlook.as_ref();
                    let odd = odd.and_then(|outlook| outlook.odd.get(difference.name));
                    for (source, reason) in odd.into_iter().flatten() {
                        let place = place(source);
                        let mut offers = model.offers.iter_mut();
                        if let Some(offer) = offers.find(|offer| Some(offer.source) == place) {
                            offer.held = Some(reason.code);
                        }
                    }
                    Arc::new(model)
                }
            };
            last = Some((difference.model, Arc::clone(&model)));
            let cells = difference.cells().map(|cell| Said {
                source: cell.source,
                value: match cell.cell {
                    Cell::Absent => Value::Absent,
                    Cell::Same => Value::Same,
                    Cell::Value(text) => Value::Other(text.to_owned()),
                },
                confident: cell.confident,
            });
            rows.push(Row {
                cells: cells.collect(),
                field: difference.field,
                current: difference.current.map(str::to_owned),
                model,
            });
        }
        let table = Self {
            read_at,
            sources: tables.iter().map(|table| table.name.to_owned()).collect(),
            told: compared
                .sources
                .iter()
                .map(|source| source.told())
                .collect(),
            rows,
            priced: compared.local.table.len(),
            outlook,
            orders: Orders::default(),
        };
        (table, outcomes)
    }
}

fn model(
    name: &str,
    mine: &Values,
    locked: Option<f64>,
    said: &[(&str, Values)],
    place: impl Fn(&str) -> Option<usize>,
) -> Model {
    let raw: Vec<&Values> = said.iter().map(|(_, values)| values).collect();
    let now = usd(mine, locked);
    let priced = mine.kind().is_some();
    let offers = said
        .iter()
        .zip(suspicions(mine, locked, &raw))
        .filter_map(|((source, values), codes)| {
            let usd = usd(values, locked);
            Some(Offer {
                source: place(source)?,
                kind: values.kind(),
                suspicious: codes.to_vec(),
                held: None,
                change: if priced {
                    moved(&now, &usd)
                } else {
                    Some(Change::New)
                },
                usd,
            })
        })
        .collect();
    Model {
        name: name.to_owned(),
        small: name.to_lowercase(),
        usd: now,
        kind: mine.kind(),
        offers,
    }
}

/// Which way a price goes: the first of its sums that differs says.
fn moved(old: &Usd, new: &Usd) -> Option<Change> {
    sums(old).into_iter().zip(sums(new)).find_map(|(old, new)| {
        let (old, new) = (old?, new?);
        let near = (old - new).abs() <= 1e-9_f64.max(old.abs() * 1e-9);
        match (near, new > old) {
            (true, _) => None,
            (false, true) => Some(Change::Dearer),
            (false, false) => Some(Change::Cheaper),
        }
    })
}

/// The sums of a price, the weightiest first.
pub(crate) fn sums(usd: &Usd) -> [Option<f64>; 5] {
    [
        usd.input,
        usd.per_call,
        usd.output,
        usd.cache_read,
        usd.cache_write,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sum_that_differs_says_which_way_a_price_goes() {
        let price = |input: f64, output: f64| Usd {
            input: Some(input),
            output: Some(output),
            ..Usd::default()
        };
        let per_call = Usd {
            per_call: Some(0.1),
            ..Usd::default()
        };
        for (old, new, change) in [
            (price(1.0, 4.0), price(2.0, 3.0), Some(Change::Dearer)),
            (price(1.0, 4.0), price(1.0, 3.0), Some(Change::Cheaper)),
            (price(1.0, 4.0), price(1.0, 4.0), None),
            (price(1.0, 4.0), per_call, None),
        ] {
            assert_eq!(moved(&old, &new), change, "{old:?} {new:?}");
        }
    }
}
