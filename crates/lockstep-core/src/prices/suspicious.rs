//! What looks wrong about a price, told as reason codes.

use crate::hold::{Reason, ReasonCode};
use crate::prices::field::Field;
use crate::prices::limits::PriceLimits;
use crate::prices::mode::Strength;
use crate::prices::number::{EQUAL, near, parse};
use crate::prices::unpriced::billed_by;
use crate::prices::usd::{PER_RATIO, Usd};
use crate::prices::values::{Kind, Values};

pub use crate::prices::diff::PLACEHOLDER;
pub use crate::prices::number::same_value as same;

/// Two sources agree when their prices differ by no more than this share of the larger: they round differently.
const AGREE: f64 = 1e-4;

/// The factors by which units are mistaken: thousands for millions of tokens, or single tokens for millions.
const SLIPS: [f64; 4] = [1e3, 1e6, 1e-3, 1e-6];

/// How near to such a factor is still that slip, as a share of it.
const SLIP_WIDTH: f64 = 0.25;

/// Within how many times the known price a source is vouched for by it.
const VOUCHES: f64 = 10.0;

/// How many fields are numbers; they come first.
const NUMBERS: usize = Field::BillingMode as usize;

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

fn is_zero(price: f64) -> bool {
    near(price, 0.0)
}

/// What a model costs in USD, by the field that says so: input under its ratio, what is a multiple of it under that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Prices([Option<f64>; NUMBERS]);

impl Prices {
    /// The prices of values billed in this way; of an expression those of the ratios beside it. What is not a number
    /// is 0, as the gateway reads it.
    pub(super) fn of(values: &Values, kind: Kind, locked: Option<f64>) -> Self {
        let number = |field| {
            values
                .get(field)
                .map(|text| parse(text).unwrap_or_default())
        };
        let mut prices = Self::default();
        if kind == Kind::PerCall {
            prices.set(Field::ModelPrice, number(Field::ModelPrice));
            return prices;
        }
        let Some(input) = number(Field::ModelRatio).map(|ratio| ratio * PER_RATIO) else {
            return prices;
        };
        prices.set(Field::ModelRatio, Some(input));
        let completion = locked.or_else(|| number(Field::CompletionRatio));
        prices.set(
            Field::CompletionRatio,
            Some(input * completion.unwrap_or(1.0)),
        );
        for field in [
            Field::CacheRatio,
            Field::CreateCacheRatio,
            Field::ImageRatio,
            Field::AudioRatio,
        ] {
            prices.set(field, number(field).map(|ratio| input * ratio));
        }
        let audio = input * number(Field::AudioRatio).unwrap_or(1.0);
        let spoken = number(Field::AudioCompletionRatio).map(|ratio| audio * ratio);
        prices.set(Field::AudioCompletionRatio, spoken);
        prices
    }

    /// The prices of one tier.
    pub(super) fn of_tier(tier: &Usd) -> Self {
        let Usd {
            input,
            output,
            cache_read,
            cache_write,
            per_call,
        } = *tier;
        let mut prices = Self::default();
        prices.set(Field::ModelRatio, input);
        prices.set(Field::CompletionRatio, output);
        prices.set(Field::CacheRatio, cache_read);
        prices.set(Field::CreateCacheRatio, cache_write);
        prices.set(Field::ModelPrice, per_call);
        prices
    }

    pub(super) fn get(&self, field: Field) -> Option<f64> {
        self.0.get(field.index()).copied().flatten()
    }

    fn set(&mut self, field: Field, price: Option<f64>) {
        if let Some(slot) = self.0.get_mut(field.index()) {
            *slot = price;
        }
    }

    /// The prices that are known.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Field, f64)> {
        Field::ALL
            .iter()
            .filter_map(|field| Some((*field, self.get(*field)?)))
    }

    /// Whether both say what the same thing costs.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        [Field::ModelRatio, Field::ModelPrice]
            .into_iter()
            .any(|field| self.get(field).is_some() && other.get(field).is_some())
    }

    fn agrees(&self, other: &Self) -> bool {
        self.comparable(other)
            && self.iter().all(|(field, one)| {
                other.get(field).is_none_or(|other| {
                    (one - other).abs() <= EQUAL.max(AGREE * one.abs().max(other.abs()))
                })
            })
    }
}

/// What is wrong with going from one price to the other, the gravest first; what only a schedule minds comes last.
/// `old` is `None` where there was no such price.
pub(super) fn doubts(
    field: Field,
    old: Option<f64>,
    new: f64,
    limits: &PriceLimits,
    strength: Strength,
) -> Vec<Reason> {
    let unattended = strength == Strength::Unattended;
    let mut doubts = Vec::new();
    let Some(old) = old else {
        // Models that turn text into numbers have no output to bill, so that only a schedule minds a free output.
        let minded = matches!(field, Field::ModelRatio | Field::ModelPrice)
            || (unattended && field == Field::CompletionRatio);
        if minded && is_zero(new) {
            doubts.push(Reason::plain(ReasonCode::ZeroCrossing));
        }
        return doubts;
    };
    if is_zero(old) || is_zero(new) {
        if is_zero(old) != is_zero(new) {
            doubts.push(Reason::plain(ReasonCode::ZeroCrossing));
        }
        return doubts;
    }
    if slipped(old, new) {
        doubts.push(Reason::plain(ReasonCode::UnitSlip));
    }
    let (less, more) = (old.min(new), old.max(new));
    if more > less * limits.tenfold as f64 * (1.0 + EQUAL) {
        doubts.push(Reason {
            count: Some((more / less).round() as usize),
            limit: Some(limits.tenfold),
            ..Reason::plain(ReasonCode::Tenfold)
        });
    }
    if strength != Strength::Looking {
        doubts.extend(jump(old, new, limits));
    }
    doubts
}

/// That a price falls or rises by more than a schedule lets pass; both are above zero.
pub fn jump(old: f64, new: f64, limits: &PriceLimits) -> Option<Reason> {
    let moved = (new - old) / old * 100.0;
    if -moved > limits.fall_percent as f64 + EQUAL {
        return Some(percent(ReasonCode::LargeFall, -moved, limits.fall_percent));
    }
    (moved > limits.rise_percent as f64 + EQUAL)
        .then(|| percent(ReasonCode::LargeRise, moved, limits.rise_percent))
}

/// A price that moved by so many percent; the count is in percent too.
fn percent(code: ReasonCode, moved: f64, limit: usize) -> Reason {
    Reason {
        count: Some(moved.round() as usize),
        limit: Some(limit),
        ..Reason::plain(code)
    }
}

fn slipped(old: f64, new: f64) -> bool {
    let factor = new / old;
    SLIPS
        .into_iter()
        .any(|slip| (factor / slip - 1.0).abs() <= SLIP_WIDTH)
}

/// What all sources say about one model, as they say it, read once.
pub(super) struct Sources<'a> {
    said: Vec<Option<Said<'a>>>,
    /// Whether any two agree.
    two_agree: bool,
    /// The prices that are so far apart somewhere that one may be a slip.
    apart: Vec<Field>,
}

/// What one source says, read for comparison.
struct Said<'a> {
    values: &'a Values,
    kind: Kind,
    prices: Prices,
}

impl<'a> Said<'a> {
    /// `None` when the source says no price, or one that counts as none: the placeholder, or what cannot be reckoned.
    fn of(values: &'a Values, locked: Option<f64>) -> Option<Self> {
        let kind = billed_by(values).kind()?;
        let unset = kind == Kind::PerToken && is_placeholder(values.get(Field::ModelRatio));
        if unset || broken(values).is_some() {
            return None;
        }
        Some(Self {
            values,
            kind,
            prices: Prices::of(values, kind, locked),
        })
    }

    fn agrees(&self, other: &Self) -> bool {
        if self.kind == Kind::Expression && other.kind == Kind::Expression {
            let expression = Field::BillingExpr;
            return same(
                expression,
                self.values.get(expression),
                other.values.get(expression),
            );
        }
        // Beside an expression sources often give the ratios of its first tier.
        self.prices.agrees(&other.prices)
    }
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
    pub(super) fn read(raws: &[&'a Values], locked: Option<f64>) -> Self {
        let said: Vec<Option<Said<'a>>> = raws.iter().map(|raw| Said::of(raw, locked)).collect();
        let answered: Vec<&Said<'a>> = said.iter().flatten().collect();
        let two_agree = answered.iter().enumerate().any(|(place, one)| {
            let mut others = answered[place + 1..].iter();
            others.any(|other| one.agrees(other))
        });
        let apart = |field: &Field| {
            let prices = answered.iter().filter_map(|said| said.prices.get(*field));
            let prices = prices.filter(|price| !is_zero(*price));
            let range = prices.fold((f64::INFINITY, 0.0_f64), |(least, most), price| {
                (least.min(price), most.max(price))
            });
            range.1 >= range.0 * SLIPS[0] * (1.0 - SLIP_WIDTH)
        };
        let apart = Field::ALL.iter().copied().filter(apart).collect();
        Self {
            said,
            two_agree,
            apart,
        }
    }

    fn others(&self, place: usize) -> impl Iterator<Item = &Said<'a>> {
        let said = self.said.iter().enumerate();
        said.filter(move |(other, _)| *other != place)
            .filter_map(|(_, said)| said.as_ref())
    }

    fn at(&self, place: usize) -> Option<&Said<'a>> {
        self.said.get(place)?.as_ref()
    }

    /// The prices of one source that are a slip of units away from the median of the others. What is near the price that
    /// is known, the gateway's own, is none: then it is the others that slipped.
    pub(super) fn slipped(&self, place: usize, known: &Prices) -> Vec<Field> {
        let Some(mine) = self.at(place) else {
            return Vec::new();
        };
        let vouched = |field: Field| {
            let both = mine.prices.get(field).zip(known.get(field));
            both.is_some_and(|(price, known)| {
                !is_zero(known) && price <= known * VOUCHES && price * VOUCHES >= known
            })
        };
        let is_slip = |field: &Field| {
            if vouched(*field) {
                return false;
            }
            let others = self.others(place);
            let theirs = others.filter_map(|other| other.prices.get(*field));
            let median = median(theirs.filter(|price| !is_zero(*price)).collect());
            let both = mine.prices.get(*field).zip(median);
            both.is_some_and(|(price, median)| slipped(median, price))
        };
        self.apart.iter().copied().filter(is_slip).collect()
    }

    /// Whether at least two others agree with each other, and none with this one.
    pub(super) fn is_lone(&self, place: usize) -> bool {
        // Two that agree are two others when none agrees with this one.
        self.two_agree
            && self
                .at(place)
                .is_some_and(|mine| !self.others(place).any(|other| mine.agrees(other)))
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

/// What is suspicious about each source's values for one model, as the sources say them. `locked` is the gateway's own
/// completion ratio where it ignores the configured one.
pub fn suspicions(local: &Values, locked: Option<f64>, offers: &[&Values]) -> Vec<Vec<ReasonCode>> {
    let sources = Sources::read(offers, locked);
    let known = billed_by(local)
        .kind()
        .map_or_else(Prices::default, |kind| Prices::of(local, kind, locked));
    offers
        .iter()
        .enumerate()
        .map(|(place, offer)| {
            let mut codes = Vec::new();
            let mut add = |code| {
                if !codes.contains(&code) {
                    codes.push(code);
                }
            };
            if let Some(kind) = billed_by(offer).kind() {
                alone(local, locked, offer, kind)
                    .into_iter()
                    .for_each(&mut add);
                if !sources.slipped(place, &known).is_empty() {
                    add(ReasonCode::UnitSlip);
                }
                if sources.is_lone(place) {
                    add(ReasonCode::LoneSource);
                }
            } else if let Some((_, code)) = broken(offer) {
                add(code);
            }
            let completion = offer.get(Field::CompletionRatio).and_then(parse);
            if let (Some(locked), Some(completion)) = (locked, completion)
                && !near(locked, completion)
            {
                add(ReasonCode::LockedCompletion);
            }
            codes
        })
        .collect()
}

/// What is suspicious about a source's values beside ours.
fn alone(local: &Values, locked: Option<f64>, offer: &Values, kind: Kind) -> Vec<ReasonCode> {
    if let Some((_, code)) = broken(offer) {
        return vec![code];
    }
    let mut codes = Vec::new();
    if kind == Kind::PerToken && is_placeholder(offer.get(Field::ModelRatio)) {
        codes.push(ReasonCode::Placeholder);
    }
    let ours = billed_by(local).kind();
    if ours.is_some_and(|ours| ours != kind) {
        codes.push(ReasonCode::KindChange);
    }
    let old = ours.map_or_else(Prices::default, |ours| Prices::of(local, ours, locked));
    let limits = PriceLimits::default();
    for (field, price) in Prices::of(offer, kind, locked).iter() {
        for doubt in doubts(field, old.get(field), price, &limits, Strength::Looking) {
            // How far is too far is for the plan to judge; here only what is wrong in itself is told.
            if doubt.code != ReasonCode::Tenfold {
                codes.push(doubt.code);
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_near_the_gateways_own_price_is_not_the_one_that_slipped() {
        let ratio = |text| Values::default().with(Field::ModelRatio, text);
        let (sane, wild) = (ratio("1.1"), ratio("1100"));
        let codes = suspicions(&ratio("1"), None, &[&sane, &wild]);
        assert_eq!(codes, [vec![], vec![ReasonCode::UnitSlip]]);
        let nobody_knows = suspicions(&Values::default(), None, &[&sane, &wild]);
        assert!(
            nobody_knows
                .iter()
                .all(|codes| codes.contains(&ReasonCode::UnitSlip))
        );
    }

    fn ratio(text: &str) -> Values {
        Values::default().with(Field::ModelRatio, text)
    }

    fn told(local: &Values, offers: &[&Values]) -> Vec<Vec<&'static str>> {
        suspicions(local, None, offers)
            .iter()
            .map(|codes| codes.iter().map(|code| code.code()).collect())
            .collect()
    }

    #[test]
    fn the_placeholder_is_suspicious_whatever_the_completion_ratio() {
        let unset = ratio("37.5").with(Field::CompletionRatio, "8");
        assert_eq!(told(&Values::default(), &[&unset]), [["placeholder"]]);
        let call = ratio("37.5").with(Field::ModelPrice, "0.1");
        assert_eq!(told(&Values::default(), &[&call]), [[""; 0]]);
    }

    #[test]
    fn a_slip_of_units_is_seen_beside_ours_and_beside_the_others() {
        let ours = ratio("1.25");
        for text in ["1250", "1000", "1500", "1250000", "0.00125", "0.00000125"] {
            assert_eq!(told(&ours, &[&ratio(text)]), [["unit_slip"]], "{text}");
        }
        assert_eq!(told(&ours, &[&ratio("125")]), [[""; 0]]);
        let (slip, good) = (ratio("1300"), ratio("1.3"));
        let codes = told(&Values::default(), &[&slip, &good, &good, &ratio("37.5")]);
        assert_eq!(codes[0], ["unit_slip", "lone_source"]);
        assert!(codes[1].is_empty() && codes[2].is_empty());
        assert_eq!(codes[3], ["placeholder"]);
    }

    #[test]
    fn a_source_is_alone_only_when_two_others_agree_and_none_with_it() {
        let (a, b, c) = (ratio("1"), ratio("2"), ratio("3"));
        assert_eq!(
            told(&a, &[&b, &a, &a]),
            [vec!["lone_source"], vec![], vec![]]
        );
        assert!(told(&a, &[&a, &b, &c]).concat().is_empty());
        assert!(told(&a, &[&a, &a, &b, &b]).concat().is_empty());
        assert!(told(&a, &[&a, &b]).concat().is_empty());
        let rounded = ratio("1.00003");
        assert!(told(&a, &[&rounded, &a, &a]).concat().is_empty());
    }

    #[test]
    fn zero_negative_kind_and_locked_are_told() {
        let free = ratio("0");
        let call = Values::default().with(Field::ModelPrice, "0.1");
        assert_eq!(told(&ratio("1"), &[&free]), [["zero_crossing"]]);
        assert_eq!(told(&free, &[&ratio("1")]), [["zero_crossing"]]);
        assert_eq!(told(&Values::default(), &[&free]), [["zero_crossing"]]);
        assert_eq!(told(&free, &[&free]), [[""; 0]]);
        assert_eq!(told(&ratio("1"), &[&ratio("-1")]), [["negative"]]);
        assert_eq!(told(&ratio("1"), &[&call]), [["kind_change"]]);
        let output = ratio("1").with(Field::CompletionRatio, "4");
        assert_eq!(
            suspicions(&ratio("1"), Some(8.0), &[&output]),
            [[ReasonCode::LockedCompletion]]
        );
    }

    #[test]
    fn the_edges_of_the_limits_pass() {
        let limits = PriceLimits::default();
        let codes = |old, new| -> Vec<ReasonCode> {
            doubts(
                Field::ModelRatio,
                Some(old),
                new,
                &limits,
                Strength::Unattended,
            )
            .iter()
            .map(|reason| reason.code)
            .collect()
        };
        assert!(codes(1.0, 0.7).is_empty());
        assert_eq!(codes(1.0, 0.69), [ReasonCode::LargeFall]);
        assert!(codes(1.0, 2.0).is_empty());
        assert_eq!(codes(1.0, 2.01), [ReasonCode::LargeRise]);
        assert_eq!(codes(0.1, 1.0), [ReasonCode::LargeRise]);
        assert_eq!(
            codes(0.1, 1.01),
            [ReasonCode::Tenfold, ReasonCode::LargeRise]
        );
        assert_eq!(
            codes(1.0, 0.099),
            [ReasonCode::Tenfold, ReasonCode::LargeFall]
        );
    }
}
