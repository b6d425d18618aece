//! From a source's price to ours: what the source's unit costs here, and what is put on top.

use std::fmt;

use crate::hold::{Reason, ReasonCode};
use crate::models::rule::Pattern;
use crate::prices::expr::Tier;
use crate::prices::field::Field;
use crate::prices::number::{parse, shortest};
use crate::prices::usd::PER_RATIO;
use crate::prices::values::{Kind, Values};

/// What is needed of billing expressions, whose grammar is known elsewhere.
pub trait Expressions {
    /// The expression with every price times the factor; `None` when that cannot be told.
    fn scaled(&self, expression: &str, factor: f64) -> Option<String>;

    /// What each tier costs, in the order of the expression; empty when it is none that the gateway can bill by.
    fn tiers(&self, expression: &str) -> Vec<Tier>;
}

/// How numbers that we reckoned are written. What is above zero never becomes zero: it is written with as many
/// significant digits instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Six decimals, as the gateway rounds; what was not reckoned keeps its text.
    #[default]
    AsReckoned,
    /// So many decimals, also of what was not reckoned.
    Decimals(u8),
    /// So many significant digits, also of what was not reckoned.
    Digits(u8),
}

/// What a source's unit costs here. All factors are 1 by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// What is paid for one nominal US dollar of the source.
    pub recharge: f64,
    /// The source's group ratio, that of the group in which its key buys.
    pub group: f64,
    /// What is put on top of everything from this source.
    pub markup: f64,
    /// How the result is written.
    pub rounding: Rounding,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            recharge: 1.0,
            group: 1.0,
            markup: 1.0,
            rounding: Rounding::AsReckoned,
        }
    }
}

/// A markup on the models whose names match.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkupRule {
    /// Which models.
    pub pattern: Pattern,
    /// Times this.
    pub factor: f64,
}

/// How a price came about, in numbers. Its text is the whole sum, without the factors that are 1:
/// `2.5 x 0.14 x 1.5 x 1.2 = 0.63`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Formula {
    /// The source's price in USD: input tokens per million, or one call.
    pub price: f64,
    /// Recharge rate.
    pub recharge: f64,
    /// Group ratio of the source.
    pub group: f64,
    /// Markup of the source.
    pub markup: f64,
    /// Markup of the first rule whose pattern matches the model; 1 when none does.
    pub rule: f64,
    /// Our price, in the same unit.
    pub result: f64,
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            price,
            recharge,
            group,
            markup,
            rule,
            result,
        } = *self;
        f.write_str(&shortest(price))?;
        let factors = [recharge, group, markup, rule];
        for factor in factors.into_iter().filter(|factor| !is_one(*factor)) {
            write!(f, " x {}", shortest(factor))?;
        }
        if factors.into_iter().any(|factor| !is_one(factor)) {
            write!(f, " = {}", shortest(result))?;
        }
        Ok(())
    }
}

/// A source's values as they are here.
#[derive(Clone, Debug, PartialEq)]
pub struct Costed {
    /// The values, ready to be compared with ours.
    pub values: Values,
    /// How the price came about; `None` where the price is not known in USD.
    pub formula: Option<Formula>,
}

impl Cost {
    /// The source's values at our cost. Prices are multiplied, multipliers stay as they are; with a factor of exactly
    /// 1 and no rounding every text stays.
    ///
    /// # Errors
    ///
    /// A factor that is no number or negative, a price that is no number, a price that becomes infinite, an expression
    /// that cannot be multiplied: the reason for which such a price must be held, whatever is approved.
    pub fn apply(
        &self,
        model: &str,
        values: &Values,
        rules: &[MarkupRule],
        expressions: &dyn Expressions,
    ) -> Result<Costed, Reason> {
        let rule = rules
            .iter()
            .find(|rule| rule.pattern.matches(model))
            .map_or(1.0, |rule| rule.factor);
        let factors = [self.recharge, self.group, self.markup, rule];
        if factors.into_iter().any(|factor| !factor.is_finite()) {
            return Err(Reason::plain(ReasonCode::NotANumber));
        }
        if factors.into_iter().any(|factor| factor < 0.0) {
            return Err(Reason::plain(ReasonCode::Negative));
        }
        let factor: f64 = factors.into_iter().product();
        let mut costed = values.clone();
        if !is_one(factor) || self.rounding != Rounding::AsReckoned {
            for field in [Field::ModelRatio, Field::ModelPrice] {
                if let Some(text) = values.get(field) {
                    costed.set(field, Some(&self.number(field, text, factor)?));
                }
            }
        }
        if let Some(expression) = values.get(Field::BillingExpr)
            && !is_one(factor)
        {
            let scaled = expressions.scaled(expression, factor);
            if scaled.is_none() && values.kind() == Some(Kind::Expression) {
                return Err(Reason::plain(ReasonCode::UnknownExpression));
            }
            costed.set(Field::BillingExpr, scaled.as_deref());
        }
        let formula = main_price(values, expressions).map(|price| Formula {
            price,
            recharge: self.recharge,
            group: self.group,
            markup: self.markup,
            rule,
            result: main_price(&costed, expressions).unwrap_or(price * factor),
        });
        Ok(Costed {
            values: costed,
            formula,
        })
    }

    fn number(&self, field: Field, text: &str, factor: f64) -> Result<String, Reason> {
        let broken = || Reason::named(ReasonCode::NotANumber, vec![field.code().to_owned()]);
        let number = parse(text).ok_or_else(broken)? * factor;
        if number.is_finite() {
            Ok(shortest(self.rounding.round(number)))
        } else {
            Err(broken())
        }
    }
}

impl Rounding {
    /// The number as it is to be written.
    pub fn round(self, number: f64) -> f64 {
        match self {
            Self::AsReckoned => decimals(number, 6),
            Self::Decimals(count) => decimals(number, count),
            Self::Digits(count) => digits(number, count),
        }
    }
}

fn decimals(number: f64, count: u8) -> f64 {
    let rounded = format!("{number:.*}", usize::from(count.min(17)));
    match rounded.parse() {
        Ok(rounded) if rounded != 0.0 || number == 0.0 => rounded,
        _ => digits(number, count),
    }
}

fn digits(number: f64, count: u8) -> f64 {
    let after_the_first = usize::from(count.clamp(1, 17)) - 1;
    format!("{number:.after_the_first$e}")
        .parse()
        .unwrap_or(number)
}

#[expect(
    clippy::float_cmp,
    reason = "a factor of exactly 1 leaves the source's text alone; one near it does not"
)]
fn is_one(factor: f64) -> bool {
    factor == 1.0
}

fn main_price(values: &Values, expressions: &dyn Expressions) -> Option<f64> {
    match values.kind()? {
        Kind::PerToken => Some(parse(values.get(Field::ModelRatio)?)? * PER_RATIO),
        Kind::PerCall => parse(values.get(Field::ModelPrice)?),
        Kind::Expression => {
            let tiers = expressions.tiers(values.get(Field::BillingExpr)?);
            let first = tiers.first()?;
            first.price.input.or(first.price.per_call)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoneKnown;

    impl Expressions for NoneKnown {
        fn scaled(&self, _: &str, _: f64) -> Option<String> {
            None
        }
        fn tiers(&self, _: &str) -> Vec<Tier> {
            Vec::new()
        }
    }

    fn at(cost: Cost, values: &Values) -> Result<Costed, Reason> {
        let rules = [
            MarkupRule {
                pattern: Pattern::parse("claude").expect("compiles"),
                factor: 2.0,
            },
            MarkupRule {
                pattern: Pattern::parse("*-opus").expect("compiles"),
                factor: 3.0,
            },
        ];
        let model = if values.get(Field::CacheRatio).is_some() {
            "claude-opus"
        } else {
            "gpt-4o"
        };
        cost.apply(model, values, &rules, &NoneKnown)
    }

    #[test]
    fn the_sum_is_shown_and_comes_out() {
        let cost = Cost {
            recharge: 0.14,
            group: 1.5,
            markup: 1.2,
            ..Cost::default()
        };
        let values = Values::default().with(Field::ModelRatio, "1.25");
        let costed = at(cost, &values).expect("is reckoned");
        assert_eq!(costed.values.get(Field::ModelRatio), Some("0.315"));
        let formula = costed.formula.expect("is known");
        assert_eq!(formula.to_string(), "2.5 x 0.14 x 1.5 x 1.2 = 0.63");
    }

    #[test]
    fn the_first_rule_that_matches_counts_and_multipliers_stay() {
        let values = Values::default()
            .with(Field::ModelRatio, "1.50")
            .with(Field::CacheRatio, "0.10");
        let costed = at(Cost::default(), &values).expect("is reckoned");
        assert_eq!(costed.values.get(Field::ModelRatio), Some("3"));
        assert_eq!(costed.values.get(Field::CacheRatio), Some("0.10"));
    }

    #[test]
    fn a_factor_of_one_keeps_every_text() {
        let values = Values::default()
            .with(Field::ModelRatio, "1.50")
            .with(Field::BillingMode, "tiered_expr")
            .with(Field::BillingExpr, "whatever");
        let costed = at(Cost::default(), &values).expect("is left");
        assert_eq!(costed.values, values);
    }

    #[test]
    fn what_is_above_zero_never_becomes_zero() {
        for rounding in [
            Rounding::AsReckoned,
            Rounding::Decimals(0),
            Rounding::Decimals(2),
            Rounding::Digits(0),
            Rounding::Digits(3),
        ] {
            for number in [1e-300, 1e-7, 4.9e-7, 0.004, 0.4, 123.456, 1e300] {
                assert!(rounding.round(number) > 0.0, "{number} {rounding:?}");
            }
        }
        assert_eq!(shortest(Rounding::Digits(3).round(0.123_456)), "0.123");
        assert_eq!(shortest(Rounding::Decimals(2).round(1.005_001)), "1.01");
    }

    #[test]
    fn what_cannot_be_reckoned_says_why() {
        let double = Cost {
            markup: 2.0,
            ..Cost::default()
        };
        let code = |cost: Cost, values: &Values| at(cost, values).expect_err("is refused").code;
        for text in ["", "null", "\"1\"", "NaN", "1e999", " 1", "0x1", ".5"] {
            let values = Values::default().with(Field::ModelRatio, text);
            assert_eq!(code(double, &values), ReasonCode::NotANumber, "{text}");
        }
        let huge = Values::default().with(Field::ModelPrice, "1e308");
        assert_eq!(code(double, &huge), ReasonCode::NotANumber);
        let tiered = Values::default()
            .with(Field::BillingMode, "tiered_expr")
            .with(Field::BillingExpr, "whatever");
        assert_eq!(code(double, &tiered), ReasonCode::UnknownExpression);
        let nothing = Values::default();
        let less = Cost {
            group: -1.0,
            ..Cost::default()
        };
        assert_eq!(code(less, &nothing), ReasonCode::Negative);
    }
}
