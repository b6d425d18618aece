//! What all sources say about one model: who agrees, who stands alone, and who mistook the unit.

use crate::hold::ReasonCode;
use crate::prices::cost::Expressions;
use crate::prices::diff::PLACEHOLDER;
use crate::prices::doubts::{SLIP_WIDTH, SLIPS, slipped};
use crate::prices::field::Field;
use crate::prices::number::{EQUAL, near, parse, same_value};
use crate::prices::parts::{Part, Prices, is_zero};
use crate::prices::tiers::Tiers;
use crate::prices::unpriced::billed_by;
use crate::prices::values::{Kind, Values};

/// Two sources agree when their prices differ by no more than this share of the larger: they round differently.
const AGREE: f64 = 1e-4;

/// Within how many times the known price a source is vouched for by it.
const VOUCHES: f64 = 10.0;

/// What all sources say about one model, as they say it, read once.
pub(super) struct Sources<'a> {
    pub(super) said: Vec<Told<'a>>,
    /// Whether any two agree.
    two_agree: bool,
    /// The prices that are so far apart somewhere that one may be a slip.
    apart: Vec<Part>,
}

/// What came of reading a source.
pub(super) enum Told<'a> {
    /// It says no price.
    Nothing,
    /// It says one that nobody can bill by.
    Wrong(ReasonCode),
    /// The placeholder of a model that nobody priced, which counts as no price.
    Placeholder(Said<'a>),
    /// A price.
    Price(Said<'a>),
}

/// What one source says, read for comparison.
pub(super) struct Said<'a> {
    values: &'a Values,
    pub(super) kind: Kind,
    pub(super) tiers: Tiers,
}

impl<'a> Told<'a> {
    fn of(values: &'a Values, locked: Option<f64>, expressions: &dyn Expressions) -> Self {
        if let Some((_, code)) = broken(values) {
            return Self::Wrong(code);
        }
        let Some(kind) = billed_by(values).kind() else {
            return Self::Nothing;
        };
        let Some(tiers) = Tiers::of(values, locked, expressions) else {
            return Self::Wrong(ReasonCode::UnknownExpression);
        };
        if kind == Kind::Expression && tiers.iter().any(Prices::has_negative) {
            return Self::Wrong(ReasonCode::Negative);
        }
        let said = Said {
            values,
            kind,
            tiers,
        };
        if kind == Kind::PerToken && is_placeholder(values.get(Field::ModelRatio)) {
            Self::Placeholder(said)
        } else {
            Self::Price(said)
        }
    }

    fn price(&self) -> Option<&Said<'a>> {
        match self {
            Self::Price(said) => Some(said),
            Self::Nothing | Self::Wrong(_) | Self::Placeholder(_) => None,
        }
    }
}

impl Said<'_> {
    fn agrees(&self, other: &Self) -> bool {
        if self.kind == Kind::Expression && other.kind == Kind::Expression {
            let expression = Field::BillingExpr;
            let (one, other_text) = (self.values.get(expression), other.values.get(expression));
            return same_value(expression, one, other_text)
                || (self.tiers.len() == other.tiers.len()
                    && self
                        .tiers
                        .beside(&other.tiers)
                        .all(|(one, other)| agrees(one, other)));
        }
        // An expression and a flat price: what most calls cost is what its first tier says.
        agrees(self.tiers.at(0), other.tiers.at(0))
    }
}

fn agrees(one: &Prices, other: &Prices) -> bool {
    one.answers(other)
        && one.iter().all(|(part, price)| {
            other.get(part).is_none_or(|other| {
                (price - other).abs() <= EQUAL.max(AGREE * price.abs().max(other.abs()))
            })
        })
}

/// The first value that is no number, or below zero.
pub(super) fn broken(values: &Values) -> Option<(Field, ReasonCode)> {
    values
        .iter()
        .filter(|(field, _)| field.is_number())
        .find_map(|(field, text)| match parse(text) {
            None => Some((field, ReasonCode::NotANumber)),
            Some(number) if is_negative(number) => Some((field, ReasonCode::Negative)),
            Some(_) => None,
        })
}

impl<'a> Sources<'a> {
    /// Reads what the sources say; what says no price counts as no answer.
    pub(super) fn read(
        raws: &[&'a Values],
        locked: Option<f64>,
        expressions: &dyn Expressions,
    ) -> Self {
        let said: Vec<Told<'a>> = raws
            .iter()
            .map(|raw| Told::of(raw, locked, expressions))
            .collect();
        let answered: Vec<&Said<'a>> = said.iter().filter_map(Told::price).collect();
        let two_agree = answered.iter().enumerate().any(|(place, one)| {
            let mut others = answered[place + 1..].iter();
            others.any(|other| one.agrees(other))
        });
        let apart = |part: &Part| {
            let prices = answered.iter().flat_map(|said| said.tiers.iter());
            let prices = prices.filter_map(|prices| prices.get(*part));
            let prices = prices.filter(|price| !is_zero(*price));
            let range = prices.fold((f64::INFINITY, 0.0_f64), |(least, most), price| {
                (least.min(price), most.max(price))
            });
            range.1 >= range.0 * SLIPS[0] * (1.0 - SLIP_WIDTH)
        };
        let apart = Part::ALL.into_iter().filter(apart).collect();
        Self {
            said,
            two_agree,
            apart,
        }
    }

    fn others(&self, place: usize) -> impl Iterator<Item = &Said<'a>> {
        let said = self.said.iter().enumerate();
        said.filter(move |(other, _)| *other != place)
            .filter_map(|(_, told)| told.price())
    }

    fn at(&self, place: usize) -> Option<&Said<'a>> {
        self.said.get(place)?.price()
    }

    /// The prices of one source that are a slip of units away from the median of the others. What is near the price that
    /// is known, the gateway's own, is none: then it is the others that slipped.
    pub(super) fn slipped(&self, place: usize, known: Option<&Tiers>) -> Vec<Part> {
        let Some(mine) = self.at(place).filter(|_| !self.apart.is_empty()) else {
            return Vec::new();
        };
        let is_slip = |tier: usize, part: Part| {
            let Some(price) = mine.tiers.at(tier).get(part) else {
                return false;
            };
            let known = known.and_then(|known| known.at(tier).get(part));
            let vouched = known.is_some_and(|known| {
                !is_zero(known) && price <= known * VOUCHES && price * VOUCHES >= known
            });
            if vouched {
                return false;
            }
            let others = self.others(place);
            let theirs = others.filter_map(|other| other.tiers.at(tier).get(part));
            let median = median(theirs.filter(|price| !is_zero(*price)).collect());
            median.is_some_and(|median| slipped(median, price))
        };
        let any = |part: &Part| (0..mine.tiers.len()).any(|tier| is_slip(tier, *part));
        self.apart.iter().copied().filter(any).collect()
    }

    /// Whether at least two others agree with each other, and none with this one.
    pub(super) fn is_lone(&self, place: usize) -> bool {
        // Two that agree are two others when none agrees with this one.
        self.two_agree
            && self
                .at(place)
                .is_some_and(|mine| !self.others(place).any(|other| mine.agrees(other)))
    }

    /// How many others say what the same thing costs, where none of them agrees with this one.
    pub(super) fn against(&self, place: usize) -> usize {
        let Some(mine) = self.at(place) else {
            return 0;
        };
        let mut against = 0;
        for other in self.others(place) {
            if mine.agrees(other) {
                return 0;
            }
            against += usize::from(mine.tiers.at(0).answers(other.tiers.at(0)));
        }
        against
    }
}

fn median(mut prices: Vec<f64>) -> Option<f64> {
    prices.sort_by(f64::total_cmp);
    let middle = prices.len() / 2;
    let upper = *prices.get(middle)?;
    if prices.len() % 2 == 1 {
        return Some(upper);
    }
    prices.get(middle - 1).map(|lower| (lower + upper) / 2.0)
}

/// Whether the text is the placeholder for "not priced".
pub(super) fn is_placeholder(ratio: Option<&str>) -> bool {
    ratio
        .and_then(parse)
        .is_some_and(|ratio| near(ratio, PLACEHOLDER))
}

/// Whether a number is below zero; minus zero is.
pub(super) fn is_negative(number: f64) -> bool {
    number.is_sign_negative()
}
