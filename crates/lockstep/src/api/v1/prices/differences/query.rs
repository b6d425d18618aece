//! Which differences are wanted, in which order, and which page of them.

use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::kept::Proposals;
use super::table::{Change, Offer, Row, Table, Value, sums};
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
            suspicious: false,
            sort: sort.unwrap_or_default(),
            page,
            limit,
        })
    }

    /// The same of those rows only about which something looks wrong.
    #[must_use]
    pub(crate) fn only_suspicious(mut self) -> Self {
        self.suspicious = true;
        self
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
        let rows = self.all_of(table, proposals)?;
        let total = rows.len();
        let start = (self.page - 1).saturating_mul(self.limit);
        let rows = rows.into_iter().skip(start).take(self.limit).collect();
        Ok((total, rows))
    }

    /// All rows that pass, in order.
    pub(crate) fn all_of<'t>(
        &self,
        table: &'t Table,
        proposals: &Proposals,
    ) -> Result<Vec<&'t Row>, Problem> {
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
        let mut rows: Vec<&Row> = table
            .rows
            .iter()
            .filter(|row| self.wants(row, source, proposals))
            .collect();
        self.sort(&mut rows, source);
        Ok(rows)
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
        if !self.search.is_empty() && !row.model.name.to_lowercase().contains(&self.search) {
            return false;
        }
        let mut offers = offers(row, source);
        if let Some(change) = self.change
            && !offers.clone().any(|offer| offer.change == Some(change))
        {
            return false;
        }
        let wrong = |offer: &Offer| row.doubts(offer.source).next().is_some();
        if self.suspicious && !offers.clone().any(wrong) {
            return false;
        }
        self.reason.is_none_or(|reason| {
            let proposed = proposals.of(&row.model.name, row.field);
            offers.any(|offer| offer.suspicious.contains(&reason))
                || proposed.is_some_and(|proposed| {
                    proposed.hold == Some(reason.code()) || proposed.skip == Some(reason.code())
                })
        })
    }

    fn sort(&self, rows: &mut [&Row], source: Option<usize>) {
        // Sorting is stable, so that rows of one model stay together in the order of their fields.
        let price = |row: &&Row| sums(&row.model.usd).into_iter().flatten().next();
        let far = |row: &&Row| {
            offers(row, source)
                .filter_map(|offer| far(row, offer))
                .fold(0.0, f64::max)
        };
        let by_price = |one: &&Row, other: &&Row| {
            let of = |row| price(row).unwrap_or(f64::INFINITY);
            of(one).total_cmp(&of(other))
        };
        match self.sort {
            Sort::Model => {}
            Sort::ModelBackwards => {
                rows.sort_by(|one, other| other.model.name.cmp(&one.model.name))
            }
            Sort::Price => rows.sort_by(by_price),
            Sort::PriceBackwards => rows.sort_by(|one, other| {
                let of = |row| price(row).unwrap_or(f64::NEG_INFINITY);
                of(other).total_cmp(&of(one))
            }),
            Sort::Move => rows.sort_by(|one, other| far(one).total_cmp(&far(other))),
            Sort::MoveBackwards => rows.sort_by(|one, other| far(other).total_cmp(&far(one))),
        }
    }
}

fn offers(row: &Row, source: Option<usize>) -> impl Iterator<Item = &Offer> + Clone {
    let wanted = move |offer: &&Offer| source.is_none_or(|source| offer.source == source);
    row.model.offers.iter().filter(wanted)
}

/// How far an offer is from the price now, as a factor without a direction; what was free, or is to be, is farthest.
fn far(row: &Row, offer: &Offer) -> Option<f64> {
    let both = sums(&row.model.usd).into_iter().zip(sums(&offer.usd));
    let factors = both.filter_map(|(old, new)| {
        let (old, new) = (old?.abs(), new?.abs());
        match old.max(new) {
            0.0 => Some(1.0),
            more => Some(more / old.min(new)),
        }
    });
    factors.reduce(f64::max)
}
