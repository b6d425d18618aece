//! What looks wrong about a price, told as reason codes.

use crate::hold::ReasonCode;
use crate::prices::doubts::doubts;
use crate::prices::expr::Grammar;
use crate::prices::field::Field;
use crate::prices::limits::PriceLimits;
use crate::prices::mode::Strength;
use crate::prices::number::{near, parse};
use crate::prices::opinions::{Said, Sources, Told};
use crate::prices::parts::Prices;
use crate::prices::tiers::Tiers;
use crate::prices::unpriced::billed_by;
use crate::prices::values::{Kind, Values};

pub use crate::prices::diff::PLACEHOLDER;
pub use crate::prices::doubts::jump;
pub use crate::prices::number::same_value as same;

/// What is suspicious about each source's values for one model, as the sources say them. `locked` is the gateway's own
/// completion ratio where it ignores the configured one. Only expressions are parsed, so that lists without any cost
/// nothing more.
pub fn suspicions(local: &Values, locked: Option<f64>, offers: &[&Values]) -> Vec<Vec<ReasonCode>> {
    let sources = Sources::read(offers, locked, &Grammar);
    let ours = Ours {
        kind: billed_by(local).kind(),
        tiers: Tiers::of(local, locked, &Grammar),
    };
    let told = offers.iter().zip(&sources.said).enumerate();
    told.map(|(place, (offer, told))| {
        let mut codes = Vec::new();
        let mut add = |code| {
            if !codes.contains(&code) {
                codes.push(code);
            }
        };
        match told {
            Told::Nothing => {}
            Told::Wrong(code) => add(*code),
            Told::Placeholder(said) => {
                add(ReasonCode::Placeholder);
                ours.doubt(said, &mut add);
            }
            Told::Price(said) => {
                ours.doubt(said, &mut add);
                if !sources.slipped(place, ours.tiers.as_ref()).is_empty() {
                    add(ReasonCode::UnitSlip);
                }
                if sources.is_lone(place) {
                    add(ReasonCode::LoneSource);
                }
            }
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

/// What the gateway has.
struct Ours {
    kind: Option<Kind>,
    tiers: Option<Tiers>,
}

impl Ours {
    /// What is suspicious about a source's price beside ours.
    fn doubt(&self, said: &Said<'_>, add: &mut impl FnMut(ReasonCode)) {
        if self.kind.is_some_and(|ours| ours != said.kind) {
            add(ReasonCode::KindChange);
        }
        let ours = self.tiers.as_ref();
        let ours = ours.filter(|ours| ours.comparable(&said.tiers));
        let limits = PriceLimits::default();
        let mut beside = |old: Option<&Prices>, new: &Prices| {
            for (_, doubt) in doubts(old, new, &limits, Strength::Looking) {
                // How far is too far is for the plan to judge; here only what is wrong in itself is told.
                if doubt.code != ReasonCode::Tenfold {
                    add(doubt.code);
                }
            }
        };
        match ours {
            Some(ours) => ours
                .beside(&said.tiers)
                .for_each(|(old, new)| beside(Some(old), new)),
            None => said.tiers.iter().for_each(|new| beside(None, new)),
        }
    }
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

    fn tiered(text: &str) -> Values {
        Values::default()
            .with(Field::BillingMode, crate::prices::field::TIERED)
            .with(Field::BillingExpr, text)
    }

    #[test]
    fn expressions_are_looked_at_tier_by_tier() {
        let ours = tiered("len <= 9 ? tier(\"a\", p * 2 + c * 8) : tier(\"b\", p * 4 + c * 16)");
        for (text, codes) in [
            (
                "len <= 9 ? tier(\"a\", p * 2 + c * 8) : tier(\"b\", p * 5 + c * 16)",
                &[][..],
            ),
            (
                "len <= 9 ? tier(\"a\", p * 2 + c * 8) : tier(\"b\", p * 4000 + c * 16)",
                &["unit_slip"],
            ),
            (
                "len <= 9 ? tier(\"a\", p * 2 + c * 8) : tier(\"b\", c * 0)",
                &["zero_crossing"],
            ),
            (
                "len <= 9 ? tier(\"a\", p * 2 + c * 8) : tier(\"b\", p * -4 + c * 16)",
                &["negative"],
            ),
            ("p * 2 + c * ceil(c)", &["unknown_cost"]),
            ("launch(missiles)", &["unknown_expression"]),
        ] {
            assert_eq!(told(&ours, &[&tiered(text)]), [codes], "{text}");
        }
        assert_eq!(
            told(&Values::default(), &[&tiered("p * 0 + c * 0")]),
            [["zero_crossing"]]
        );
        let flat = ratio("1").with(Field::CompletionRatio, "4");
        assert_eq!(told(&flat, &[&tiered("p * 2 + c * 8")]), [["kind_change"]]);
        assert_eq!(
            told(&flat, &[&tiered("p * 2000 + c * 8000")]),
            [["kind_change", "unit_slip"]]
        );
    }

    #[test]
    fn expressions_agree_by_what_they_cost_and_stand_alone_by_it() {
        let (one, other) = (tiered("p * 2 + c * 8"), tiered("c * 8 + p * 2.0"));
        let flat = ratio("1").with(Field::CompletionRatio, "4");
        let (wild, near) = (tiered("p * 2000 + c * 8"), tiered("p * 2.2 + c * 8"));
        let codes = told(&Values::default(), &[&wild, &one, &other, &flat, &near]);
        assert_eq!(codes[0], ["unit_slip", "lone_source"]);
        assert!(codes[1..4].concat().is_empty(), "{codes:?}");
        assert_eq!(codes[4], ["lone_source"]);
        // The dear tier of one of them is a slip beside those of the others.
        let tiers = |dear: &str| tiered(&format!("len <= 9 ? p * 2 + c : p * {dear} + c"));
        let codes = told(
            &Values::default(),
            &[&tiers("4000"), &tiers("4"), &tiers("4")],
        );
        assert_eq!(codes[0], ["unit_slip", "lone_source"]);
    }
}
