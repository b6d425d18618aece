//! Orders of the rows of a table: each is made when it is first asked for, and kept with the table.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::table::{Offer, Row, sums};

/// What rows are sorted by. Rows that are alike in it stay in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    /// The model's name, backwards.
    ModelBackwards,
    /// What the model costs now, the cheapest first and what is not known last.
    Price,
    /// The dearest first, and what is not known last.
    PriceBackwards,
    /// How far the price would move by the source of this place, or by any, the least first.
    Move(Option<usize>),
    /// The farthest first.
    MoveBackwards(Option<usize>),
}

/// The orders that were asked for, as places of rows.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<HashMap<By, Arc<[u32]>>>);

impl Orders {
    /// The places of the rows in an order.
    pub(super) fn of(&self, rows: &[Row], by: By) -> Arc<[u32]> {
        // Whoever asks for the same meanwhile waits for it, and does not make it too.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let order = known.entry(by).or_insert_with(|| sorted(rows, by));
        Arc::clone(order)
    }
}

fn sorted(rows: &[Row], by: By) -> Arc<[u32]> {
    let price = |row: &Row| sums(&row.model.usd).into_iter().flatten().next();
    match by {
        By::ModelBackwards => {
            let mut places: Vec<u32> = places(rows).collect();
            places.sort_by_key(|place| {
                let row = rows.get(*place as usize);
                std::cmp::Reverse(row.map(|row| row.model.name.as_str()))
            });
            places.into()
        }
        By::Price => by_number(rows, |row| price(row).unwrap_or(f64::INFINITY)),
        By::PriceBackwards => by_number(rows, |row| -price(row).unwrap_or(f64::NEG_INFINITY)),
        By::Move(source) => by_number(rows, |row| far(row, source)),
        By::MoveBackwards(source) => by_number(rows, |row| -far(row, source)),
    }
}

/// The least number first; each row's is reckoned once.
fn by_number(rows: &[Row], number: impl Fn(&Row) -> f64) -> Arc<[u32]> {
    let mut numbered: Vec<(f64, u32)> = rows.iter().map(number).zip(places(rows)).collect();
    numbered.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    numbered.into_iter().map(|(_, place)| place).collect()
}

fn places(rows: &[Row]) -> impl Iterator<Item = u32> {
    (0..).take(rows.len())
}

/// What sources say of a row's model: one source, or all.
pub(super) fn offers(row: &Row, source: Option<usize>) -> impl Iterator<Item = &Offer> + Clone {
    let wanted = move |offer: &&Offer| source.is_none_or(|source| offer.source == source);
    row.model.offers.iter().filter(wanted)
}

/// How far the farthest offer is from the price now, as a factor without a direction; what was free, or is to be, is
/// farthest.
fn far(row: &Row, source: Option<usize>) -> f64 {
    let factor = |offer: &Offer| {
        let both = sums(&row.model.usd).into_iter().zip(sums(&offer.usd));
        let factors = both.filter_map(|(old, new)| {
            let (old, new) = (old?.abs(), new?.abs());
            match old.max(new) {
                0.0 => Some(1.0),
                more => Some(more / old.min(new)),
            }
        });
        factors.reduce(f64::max)
    };
    offers(row, source).filter_map(factor).fold(0.0, f64::max)
}
