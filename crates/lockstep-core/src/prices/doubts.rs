//! What is wrong with going from one price to another.

use crate::hold::{Reason, ReasonCode};
use crate::prices::limits::PriceLimits;
use crate::prices::mode::Strength;
use crate::prices::number::EQUAL;
use crate::prices::parts::{Part, Prices, is_zero};

/// The factors by which units are mistaken: thousands for millions of tokens, or single tokens for millions.
pub(super) const SLIPS: [f64; 4] = [1e3, 1e6, 1e-3, 1e-6];

/// How near to such a factor is still that slip, as a share of it.
pub(super) const SLIP_WIDTH: f64 = 0.25;

/// What is wrong with going from one tier's prices to another's, part by part, the gravest of a part first. `old` is
/// `None` where there was no price.
pub(super) fn doubts(
    old: Option<&Prices>,
    new: &Prices,
    limits: &PriceLimits,
    strength: Strength,
) -> Vec<(Part, Reason)> {
    let mut all = Vec::new();
    for part in Part::ALL {
        let told = match old {
            Some(old) => change(part, old, new, limits, strength),
            None => first(part, new, strength),
        };
        all.extend(told.into_iter().map(|reason| (part, reason)));
    }
    if old.map_or((1.0, 1.0), |old| old.spread) != new.spread {
        let told = surcharge(old, new, limits, strength);
        all.extend(told.into_iter().map(|reason| (Part::Input, reason)));
    }
    all
}

/// What is wrong with a price where there was none.
fn first(part: Part, new: &Prices, strength: Strength) -> Vec<Reason> {
    if new.is_unknown(part) {
        let minded = strength != Strength::Looking;
        return minded
            .then(|| Reason::plain(ReasonCode::UnknownCost))
            .into_iter()
            .collect();
    }
    if !new.get(part).is_some_and(is_zero) {
        return Vec::new();
    }
    let costs = |part| new.billed(part).is_some_and(|price| !is_zero(price));
    let minded = match part {
        // Where each call costs something, the tokens need not.
        Part::Input => !costs(Part::Call),
        Part::Call => true,
        // Models that turn text into numbers have no output to bill, so that only a schedule minds a free output.
        Part::Output => strength == Strength::Unattended,
        _ => costs(Part::Input),
    };
    minded
        .then(|| Reason::plain(ReasonCode::ZeroCrossing))
        .into_iter()
        .collect()
}

/// What is wrong with another price of a part.
fn change(
    part: Part,
    old: &Prices,
    new: &Prices,
    limits: &PriceLimits,
    strength: Strength,
) -> Vec<Reason> {
    if new.is_unknown(part) && old.billed(part).is_some() {
        return vec![Reason::plain(ReasonCode::UnknownCost)];
    }
    let unsaid = old.get(part).is_none();
    if unsaid && new.get(part).is_none() && !new.is_unknown(part) {
        return Vec::new();
    }
    let Some(was) = old.billed(part) else {
        return first(part, new, strength);
    };
    let Some(is) = new.billed(part) else {
        return Vec::new();
    };
    if unsaid && is < was && !is_zero(is) {
        // Lists that come to say what a part costs nearly always say that it costs less than what it was counted among.
        let among = new.unsaid(part).filter(|among| slipped(*among, is));
        let slip = among.map(|_| Reason::plain(ReasonCode::UnitSlip));
        return slip.into_iter().collect();
    }
    between(was, is, limits, strength)
}

/// What is wrong with surcharges that some requests pay, or with what they are let off.
fn surcharge(
    old: Option<&Prices>,
    new: &Prices,
    limits: &PriceLimits,
    strength: Strength,
) -> Vec<Reason> {
    // What is paid by nobody but them is not said by any price of a part.
    let input = |prices: &Prices| prices.billed(Part::Input).filter(|price| !is_zero(*price));
    let is = input(new).unwrap_or(1.0);
    let was = old.and_then(input).unwrap_or(is);
    let ((was_least, was_most), (least, most)) =
        (old.map_or((1.0, 1.0), |old| old.spread), new.spread);
    // A surcharge on a model that had no price is no rise.
    let strength = if old.is_some() {
        strength
    } else {
        Strength::Looking
    };
    let mut all = between(was * was_least, is * least, limits, strength);
    all.extend(between(was * was_most, is * most, limits, strength));
    all
}

/// What is wrong with going from one price to the other, the gravest first; what only a schedule minds comes last.
fn between(old: f64, new: f64, limits: &PriceLimits, strength: Strength) -> Vec<Reason> {
    let mut doubts = Vec::new();
    if is_zero(old) || is_zero(new) {
        // As good as nothing is still not nothing.
        let is_nothing = |price: f64| price.abs() < f64::MIN_POSITIVE;
        if is_zero(old) != is_zero(new) || is_nothing(old) != is_nothing(new) {
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

/// Whether the one price is the other in mistaken units.
pub(super) fn slipped(old: f64, new: f64) -> bool {
    let factor = new / old;
    SLIPS
        .into_iter()
        .any(|slip| (factor / slip - 1.0).abs() <= SLIP_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_the_limits_pass() {
        let limits = PriceLimits::default();
        let codes = |old, new| -> Vec<ReasonCode> {
            between(old, new, &limits, Strength::Unattended)
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
