//! What a model costs, part by part, and what is billed for a part of which nothing is said.

use crate::prices::expr::{Tier, Var};
use crate::prices::field::Field;
use crate::prices::number::{near, parse};
use crate::prices::usd::PER_RATIO;
use crate::prices::values::{Kind, Values};

/// What a call is billed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Input,
    Output,
    CacheRead,
    CacheWrite,
    CacheWriteLong,
    Image,
    ImageOut,
    Audio,
    AudioOut,
    Call,
}

impl Part {
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Input,
        Self::Output,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteLong,
        Self::Image,
        Self::ImageOut,
        Self::Audio,
        Self::AudioOut,
        Self::Call,
    ];
    const COUNT: usize = 10;

    /// The field of ratios that says it, or the nearest to it.
    pub(super) fn field(self) -> Field {
        match self {
            Self::Input => Field::ModelRatio,
            Self::Output => Field::CompletionRatio,
            Self::CacheRead => Field::CacheRatio,
            Self::CacheWrite | Self::CacheWriteLong => Field::CreateCacheRatio,
            Self::Image | Self::ImageOut => Field::ImageRatio,
            Self::Audio => Field::AudioRatio,
            Self::AudioOut => Field::AudioCompletionRatio,
            Self::Call => Field::ModelPrice,
        }
    }

    /// The tokens of an expression that it is; `None` of a call.
    fn var(self) -> Option<Var> {
        Some(match self {
            Self::Input => Var::P,
            Self::Output => Var::C,
            Self::CacheRead => Var::Cr,
            Self::CacheWrite => Var::Cc,
            Self::CacheWriteLong => Var::Cc1h,
            Self::Image => Var::Img,
            Self::ImageOut => Var::ImgO,
            Self::Audio => Var::Ai,
            Self::AudioOut => Var::Ao,
            Self::Call => return None,
        })
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What a model costs in one tier, in USD per million tokens or per call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prices {
    kind: Kind,
    amounts: [f64; Part::COUNT],
    /// The parts that are said.
    said: u16,
    /// The parts that are said in a way that nobody can reckon.
    unknown: u16,
    /// What surcharges make of all of them for the requests that pay the least, and the most.
    pub(super) spread: (f64, f64),
}

impl Prices {
    fn empty(kind: Kind) -> Self {
        Self {
            kind,
            amounts: [0.0; Part::COUNT],
            said: 0,
            unknown: 0,
            spread: (1.0, 1.0),
        }
    }

    /// The prices of ratios, or of a call. What is not a number is 0, as the gateway reads it.
    pub(super) fn of(values: &Values, kind: Kind, locked: Option<f64>) -> Self {
        let number = |field| {
            let text = values.get(field)?;
            Some(parse(text).unwrap_or_default())
        };
        let mut prices = Self::empty(kind);
        if kind == Kind::PerCall {
            prices.set(Part::Call, number(Field::ModelPrice));
            return prices;
        }
        let Some(input) = number(Field::ModelRatio).map(|ratio| ratio * PER_RATIO) else {
            return prices;
        };
        let output = input * locked.unwrap_or_else(|| values.multiplier(Field::CompletionRatio));
        let heard = input * values.multiplier(Field::AudioRatio);
        let spoken = number(Field::AudioCompletionRatio).map(|ratio| heard * ratio);
        let times = |field| number(field).map(|ratio| input * ratio);
        prices.set(Part::Input, Some(input));
        prices.set(Part::Output, Some(output));
        prices.set(Part::CacheRead, times(Field::CacheRatio));
        prices.set(Part::CacheWrite, times(Field::CreateCacheRatio));
        prices.set(Part::Image, times(Field::ImageRatio));
        prices.set(Part::Audio, times(Field::AudioRatio));
        prices.set(Part::AudioOut, spoken);
        prices
    }

    /// The prices of one tier of an expression.
    pub(super) fn of_tier(tier: &Tier) -> Self {
        let mut prices = Self::empty(Kind::Expression);
        let rates = &tier.rates;
        prices.spread = (rates.least, rates.most);
        for part in Part::ALL {
            let (rate, said) = match part.var() {
                // What is asked for every token of input or output is asked whether it is named or not.
                Some(var @ (Var::P | Var::C)) => (rates.tokens[var.index()], true),
                Some(var) => (rates.tokens[var.index()], rates.named[var.index()]),
                None => (
                    rates.per_call,
                    rates.per_call.is_some_and(|call| !is_zero(call)),
                ),
            };
            match rate {
                None => prices.unknown |= part.bit(),
                Some(_) if !said => {}
                Some(rate) => prices.set(part, Some(rate)),
            }
        }
        prices
    }

    /// The price of a part that is said.
    pub(super) fn get(&self, part: Part) -> Option<f64> {
        let is_said = self.said & part.bit() != 0;
        is_said.then(|| self.amounts[part as usize])
    }

    fn set(&mut self, part: Part, price: Option<f64>) {
        if let Some(price) = price {
            self.said |= part.bit();
            self.amounts[part as usize] = price;
        }
    }

    /// Whether nobody can tell what the part costs.
    pub(super) fn is_unknown(&self, part: Part) -> bool {
        self.unknown & part.bit() != 0
    }

    /// Whether nobody can tell what some part costs.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown != 0
    }

    /// Whether somebody would be paid for a call.
    pub(super) fn has_negative(&self) -> bool {
        self.iter().any(|(_, price)| price < 0.0)
    }

    /// What is billed for a part: what is said of it, or what it is counted among. `None` where it is not billed by
    /// such units, or nobody can tell.
    pub(super) fn billed(&self, part: Part) -> Option<f64> {
        if self.is_unknown(part) {
            return None;
        }
        self.get(part).or_else(|| self.unsaid(part))
    }

    /// What is billed for a part of which nothing is said.
    pub(super) fn unsaid(&self, part: Part) -> Option<f64> {
        match (part, self.kind) {
            (_, Kind::PerCall) | (Part::Input | Part::Output, _) => None,
            (Part::Call, _) => Some(0.0),
            (Part::ImageOut, _) | (Part::AudioOut, Kind::Expression) => self.billed(Part::Output),
            (Part::AudioOut, _) => self.billed(Part::Audio),
            (Part::CacheWriteLong, Kind::PerToken) => self.billed(Part::CacheWrite),
            (_, Kind::Expression) => self.billed(Part::Input),
            (_, Kind::PerToken) => Some(self.billed(Part::Input)? * part.field().unset()),
        }
    }

    /// The prices that are said.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Part, f64)> {
        Part::ALL
            .into_iter()
            .filter_map(|part| Some((part, self.get(part)?)))
    }

    /// Whether both say what the same thing costs.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        match (self.kind, other.kind) {
            (Kind::PerCall, Kind::PerToken) | (Kind::PerToken, Kind::PerCall) => false,
            (Kind::PerCall, _) | (_, Kind::PerCall) => {
                self.get(Part::Call).is_some() && other.get(Part::Call).is_some()
            }
            _ => true,
        }
    }

    /// Whether each knows a price that the other one knows too.
    pub(super) fn answers(&self, other: &Self) -> bool {
        self.comparable(other)
            && [Part::Input, Part::Call]
                .into_iter()
                .any(|part| self.get(part).is_some() && other.get(part).is_some())
    }
}

/// Whether a price is as good as nothing.
pub(super) fn is_zero(price: f64) -> bool {
    near(price, 0.0)
}
