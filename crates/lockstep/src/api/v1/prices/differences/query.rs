//! Which differences are wanted, in which order, and which page of them.

use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::kept::Proposals;
use super::order::{By, offers};
use super::table::{Change, Row, Table, Value};
use crate::server::problem::Problem;

/// The most rows of a page.
const MOST: usize = 500;
/// The rows of a page where nothing else is asked for.
const USUAL: usize = 50;

/// Which rows, in which order.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only rows in which this source has another value than the gateway.
    pub(crate) source: Option<String>,
    /// Only this field.
    pub(crate) field: Option<String>,
    /// Only rows about which a source looks wrong for this reason, or whose proposal waits or is left alone for it.
    pub(crate) reason: Option<String>,
    /// Only rows of models that the source, or any, would make so.
    #[param(inline)]
    pub(crate) change: Option<Change>,
    /// Whether only rows are wanted of models about which the source, or any, looks wrong.
    pub(crate) suspicious: Option<bool>,
    /// Only models with this in their name.
    pub(crate) search: Option<String>,
    /// The order; by the model's name where none is given.
    #[param(inline)]
    pub(crate) sort: Option<Sort>,
    /// Which page, from 1.
    pub(crate) page: Option<usize>,
    /// Rows of a page: 1 to 500.
    pub(crate) limit: Option<usize>,
}

/// An order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sort {
    /// By the model's name.
    #[default]
    Model,
    /// By the model's name, backwards.
    #[serde(rename = "-model")]
    ModelBackwards,
    /// By what the model costs now, the cheapest first.
    Price,
    /// The dearest first.
    #[serde(rename = "-price")]
    PriceBackwards,
    /// By how far the price would move, the least first.
    Move,
    /// The farthest first.
    #[serde(rename = "-move")]
    MoveBackwards,
}

/// What was wanted, read.
#[derive(Debug)]
pub(crate) struct Filter {
    source: Option<String>,
    field: Option<Field>,
    reason: Option<ReasonCode>,
    change: Option<Change>,
    /// In lower case.
    search: String,
    /// Whether only rows are meant about which something looks wrong.
    suspicious: bool,
    sort: Sort,
    page: usize,
    limit: usize,
}

impl Filter {
    pub(crate) fn of(wanted: Wanted) -> Result<Self, Problem> {
        let Wanted {
            source,
            field,
            reason,
            change,
            suspicious,
            search,
            sort,
            page,
            limit,
        } = wanted;
        let field = field.filter(|code| !code.is_empty()).map(|code| {
            Field::from_code(&code)
                .ok_or_else(|| Problem::bad_request(format!("`{code}` is no price field")))
        });
        let reason = reason.filter(|code| !code.is_empty()).map(|code| {
            ReasonCode::from_code(&code)
                .ok_or_else(|| Problem::bad_request(format!("`{code}` is no reason")))
        });
        let (page, limit) = (page.unwrap_or(1), limit.unwrap_or(USUAL));
        if page == 0 || !(1..=MOST).contains(&limit) {
            return Err(Problem::bad_request(format!(
                "pages begin with 1, and limit is 1 to {MOST}"
            )));
        }
        Ok(Self {
            source: source.filter(|name| !name.is_empty()),
            field: field.transpose()?,
            reason: reason.transpose()?,
            change,
            search: search.unwrap_or_default().to_lowercase(),
            suspicious: suspicious.unwrap_or_default(),
            sort: sort.unwrap_or_default(),
            page,
            limit,
        })
    }

    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// How many rows pass, and those of the page.
    pub(crate) fn page_of<'t>(
        &self,
        table: &'t Table,
        proposals: &Proposals,
    ) -> Result<(usize, Vec<&'t Row>), Problem> {
        let passing = self.passing(table, proposals)?;
        let start = (self.page - 1).saturating_mul(self.limit);
        let page = passing.iter().skip(start).take(self.limit);
        let rows = page.filter_map(|place| table.rows.get(*place as usize));
        Ok((passing.len(), rows.collect()))
    }

    /// How many rows pass.
    pub(crate) fn count_of(&self, table: &Table, proposals: &Proposals) -> Result<u64, Problem> {
        Ok(self.passing(table, proposals)?.len() as u64)
    }

    /// All rows that pass, in their order.
    pub(crate) fn all_of<'t>(
        &self,
        table: &'t Table,
        proposals: &Proposals,
    ) -> Result<Vec<&'t Row>, Problem> {
        let passing = self.passing(table, proposals)?;
        let rows = passing.into_iter();
        let rows = rows.filter_map(|place| table.rows.get(place as usize));
        Ok(rows.collect())
    }

    /// The places of all rows that pass, in their order.
    pub(super) fn passing(
        &self,
        table: &Table,
        proposals: &Proposals,
    ) -> Result<Vec<u32>, Problem> {
        let source = match &self.source {
            None => None,
            Some(name) => {
                let known = table.told.iter().any(|source| source.name == *name);
                let place = table.sources.iter().position(|source| source == name);
                match place {
                    None if known => return Ok(Vec::new()),
                    None => return Err(Problem::not_found("source")),
                    place => place,
                }
            }
        };
        let passes = |place: &u32| {
            let row = table.rows.get(*place as usize);
            row.is_some_and(|row| self.wants(row, source, proposals))
        };
        Ok(match self.sort.by(source) {
            None => (0..).take(table.rows.len()).filter(passes).collect(),
            Some(by) => {
                let order = table.orders.of(&table.rows, by);
                order.iter().copied().filter(passes).collect()
            }
        })
    }

    fn wants(&self, row: &Row, source: Option<usize>, proposals: &Proposals) -> bool {
        if self.field.is_some_and(|field| field != row.field) {
            return false;
        }
        let differs = |source: usize| {
            let mut cells = row.cells.iter();
            cells.any(|cell| cell.source == source && matches!(cell.value, Value::Other(_)))
        };
        if source.is_some_and(|source| !differs(source)) {
            return false;
        }
        if !self.search.is_empty() && !row.model.small.contains(&self.search) {
            return false;
        }
        let mut offers = offers(row, source);
        if let Some(change) = self.change
            && !offers.clone().any(|offer| offer.change == Some(change))
        {
            return false;
        }
        let wrong = |source: usize| row.doubts(source).next().is_some();
        if self.suspicious && !offers.clone().any(|offer| wrong(offer.source)) {
            return false;
        }
        self.reason.is_none_or(|reason| {
            let proposed = proposals.of(&row.model.name, row.field);
            offers.any(|offer| offer.doubts().any(|code| code == reason))
                || proposed.is_some_and(|proposed| {
                    proposed.hold == Some(reason.code()) || proposed.skip == Some(reason.code())
                })
        })
    }
}

impl Sort {
    /// What rows are sorted by; `None` for the order of the table.
    fn by(self, source: Option<usize>) -> Option<By> {
        Some(match self {
            Self::Model => return None,
            Self::ModelBackwards => By::ModelBackwards,
            Self::Price => By::Price,
            Self::PriceBackwards => By::PriceBackwards,
            Self::Move => By::Move(source),
            Self::MoveBackwards => By::MoveBackwards(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lockstep_core::prices::usd::Usd;

    use super::super::order::Orders;
    use super::super::table::{Model, Offer, Said, sums};
    use super::*;

    /// Many models with few prices, so that most are alike in some order; some are free, and some have no price.
    fn table() -> Table {
        let price = |number: usize| match number % 5 {
            0 => Usd::default(),
            1 => Usd {
                input: Some(0.0),
                output: Some(0.0),
                ..Usd::default()
            },
            2 => Usd {
                per_call: Some(0.02),
                ..Usd::default()
            },
            rest => Usd {
                input: Some(rest as f64 / 2.0),
                output: Some((number % 3) as f64),
                ..Usd::default()
            },
        };
        let mut rows = Vec::new();
        for number in 0..300 {
            let name = format!("Model-{:03}", number);
            let offers = (0..2).map(|source| Offer {
                kind: None,
                source,
                usd: price(number * 7 + source * 3 + 1),
                suspicious: Vec::new(),
                held: None,
                change: [None, Some(Change::New), Some(Change::Dearer)][(number / 3 + source) % 3],
            });
            let model = Arc::new(Model {
                kind: None,
                small: name.to_lowercase(),
                name,
                usd: price(number),
                offers: offers.take(number % 3).collect(),
            });
            for field in [Field::ModelRatio, Field::CompletionRatio] {
                let value = |source| match (number + source) % 2 {
                    0 => Value::Same,
                    _ => Value::Other("2".to_owned()),
                };
                let cells = (0..2).map(|source| Said {
                    source,
                    value: value(source),
                    confident: true,
                });
                rows.push(Row {
                    model: Arc::clone(&model),
                    field,
                    current: None,
                    cells: cells.collect(),
                });
            }
        }
        Table {
            priced: 0,
            outlook: None,
            read_at: 0,
            sources: vec!["one".to_owned(), "other".to_owned()],
            told: Vec::new(),
            rows,
            orders: Orders::default(),
        }
    }

    /// The same, as it is said: those that pass, and then sorted.
    fn plainly<'t>(filter: &Filter, table: &'t Table, source: Option<usize>) -> Vec<&'t Row> {
        let none = Proposals::default();
        let rows = table.rows.iter();
        let mut rows: Vec<&Row> = rows
            .filter(|row| filter.wants(row, source, &none))
            .collect();
        let price = |row: &Row, none: f64| {
            let known = sums(&row.model.usd).into_iter().flatten().next();
            known.unwrap_or(none)
        };
        let far = |row: &Row| {
            let factors = offers(row, source).flat_map(|offer| {
                let both = sums(&row.model.usd).into_iter().zip(sums(&offer.usd));
                both.filter_map(|(old, new)| {
                    let (old, new) = (old?.abs(), new?.abs());
                    let more = old.max(new);
                    Some(if more == 0.0 {
                        1.0
                    } else {
                        more / old.min(new)
                    })
                })
            });
            factors.fold(0.0, f64::max)
        };
        rows.sort_by(|one, other| match filter.sort {
            Sort::Model => std::cmp::Ordering::Equal,
            Sort::ModelBackwards => other.model.name.cmp(&one.model.name),
            Sort::Price => price(one, f64::INFINITY).total_cmp(&price(other, f64::INFINITY)),
            Sort::PriceBackwards => {
                price(other, f64::NEG_INFINITY).total_cmp(&price(one, f64::NEG_INFINITY))
            }
            Sort::Move => far(one).total_cmp(&far(other)),
            Sort::MoveBackwards => far(other).total_cmp(&far(one)),
        });
        rows
    }

    #[test]
    fn kept_orders_give_what_sorting_gives() {
        let table = table();
        let named = |row: &&Row| (row.model.name.clone(), row.field);
        for sort in [
            Sort::Model,
            Sort::ModelBackwards,
            Sort::Price,
            Sort::PriceBackwards,
            Sort::Move,
            Sort::MoveBackwards,
        ] {
            for (place, source) in [
                (None, None),
                (Some(0), Some("one")),
                (Some(1), Some("other")),
            ] {
                for (search, change) in [("", None), ("MODEL-1", None), ("", Some(Change::Dearer))]
                {
                    let wanted = |page| Wanted {
                        source: source.map(str::to_owned),
                        change,
                        search: Some(search.to_owned()),
                        sort: Some(sort),
                        page: Some(page),
                        limit: Some(40),
                        ..Wanted::default()
                    };
                    let filter = Filter::of(wanted(1)).expect("a filter");
                    let expected = plainly(&filter, &table, place);
                    let mut pages = Vec::new();
                    for page in 1.. {
                        let filter = Filter::of(wanted(page)).expect("a filter");
                        let none = Proposals::default();
                        let (total, rows) = filter.page_of(&table, &none).expect("a page");
                        assert_eq!(total, expected.len());
                        if rows.is_empty() {
                            break;
                        }
                        pages.extend(rows);
                    }
                    let case = format!("{sort:?} {source:?} {search:?} {change:?}");
                    assert!(!expected.is_empty(), "{case}");
                    let pages: Vec<_> = pages.iter().map(named).collect();
                    let expected: Vec<_> = expected.iter().map(named).collect();
                    assert_eq!(pages, expected, "{case}");
                }
            }
        }
    }
}
