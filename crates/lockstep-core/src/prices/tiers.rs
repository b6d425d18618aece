//! What a model costs in all its tiers.

use crate::prices::cost::Expressions;
use crate::prices::field::Field;
use crate::prices::parts::Prices;
use crate::prices::unpriced::billed_by;
use crate::prices::values::{Kind, Values};

/// The prices of one or more tiers. Nearly all models have one, and thousands of them are looked at.
#[derive(Clone, Debug)]
pub(super) struct Tiers {
    first: Prices,
    more: Vec<Prices>,
}

impl Tiers {
    /// The prices that bill; `None` where nobody can tell any: there are none, or the expression does not read.
    pub(super) fn of(
        values: &Values,
        locked: Option<f64>,
        expressions: &dyn Expressions,
    ) -> Option<Self> {
        let kind = billed_by(values).kind()?;
        if kind != Kind::Expression {
            return Some(Self {
                first: Prices::of(values, kind, locked),
                more: Vec::new(),
            });
        }
        let tiers = expressions.tiers(values.get(Field::BillingExpr)?);
        let mut tiers = tiers.iter().map(Prices::of_tier);
        Some(Self {
            first: tiers.next()?,
            more: tiers.collect(),
        })
    }

    pub(super) fn len(&self) -> usize {
        1 + self.more.len()
    }

    /// A tier. Where there are fewer, the last of them bills what the further ones of another price bill.
    pub(super) fn at(&self, tier: usize) -> &Prices {
        match tier.checked_sub(1) {
            None => &self.first,
            Some(tier) => self
                .more
                .get(tier)
                .or(self.more.last())
                .unwrap_or(&self.first),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Prices> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// Each tier beside the one of another price that bills the same calls, as far as tiers stand in the same order.
    pub(super) fn beside<'t>(
        &'t self,
        other: &'t Self,
    ) -> impl Iterator<Item = (&'t Prices, &'t Prices)> {
        (0..self.len().max(other.len())).map(|tier| (self.at(tier), other.at(tier)))
    }

    /// Whether both say what the same thing costs.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        self.first.comparable(&other.first)
    }
}
