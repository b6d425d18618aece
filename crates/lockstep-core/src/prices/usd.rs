//! Ratios as money.

use crate::prices::expr::Expr;
use crate::prices::field::Field;
use crate::prices::values::{Kind, Values};

/// What ratio 1 costs, in USD per million input tokens.
pub const PER_RATIO: f64 = 2.0;

/// What a model costs, in USD per million tokens, or per call. Only what is known is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usd {
    /// Input tokens, per million.
    pub input: Option<f64>,
    /// Output tokens, per million.
    pub output: Option<f64>,
    /// Tokens read from the cache, per million.
    pub cache_read: Option<f64>,
    /// Tokens written to the cache, per million.
    pub cache_write: Option<f64>,
    /// One call.
    pub per_call: Option<f64>,
}

/// What the values cost. `completion` is the gateway's own completion ratio where it ignores the configured one. Of an
/// expression it is the first tier, [`Expr::tiers`] tells the others; one that does not read costs nothing known.
pub fn usd(values: &Values, completion: Option<f64>) -> Usd {
    match values.kind() {
        None => Usd::default(),
        Some(Kind::Expression) => values
            .get(Field::BillingExpr)
            .and_then(|text| Expr::parse(text).ok())
            .and_then(|expr| expr.tiers().first().map(|tier| tier.price))
            .unwrap_or_default(),
        Some(Kind::PerCall) => Usd {
            per_call: values.number(Field::ModelPrice),
            ..Usd::default()
        },
        Some(Kind::PerToken) => {
            let input = values
                .number(Field::ModelRatio)
                .map(|ratio| ratio * PER_RATIO);
            let times = |field| Some(input? * values.number(field)?);
            let completion = completion
                .or_else(|| values.number(Field::CompletionRatio))
                .unwrap_or(1.0);
            Usd {
                input,
                output: input.map(|input| input * completion),
                cache_read: times(Field::CacheRatio),
                cache_write: times(Field::CreateCacheRatio),
                per_call: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::field::TIERED;

    #[test]
    fn ratio_one_is_two_dollars_per_million() {
        let values = Values::default()
            .with(Field::ModelRatio, "1.25")
            .with(Field::CompletionRatio, "4")
            .with(Field::CacheRatio, "0.5");
        let told = usd(&values, None);
        assert_eq!(told.input, Some(2.5));
        assert_eq!(told.output, Some(10.0));
        assert_eq!(told.cache_read, Some(1.25));
        assert_eq!(usd(&values, Some(8.0)).output, Some(20.0));
        let call = values.with(Field::ModelPrice, "0.04");
        assert_eq!(usd(&call, None).per_call, Some(0.04));
    }

    #[test]
    fn an_expression_costs_what_its_first_tier_says() {
        let values = Values::default()
            .with(Field::ModelRatio, "1.25")
            .with(Field::BillingMode, TIERED);
        assert_eq!(usd(&values, None), Usd::default());
        let tiered = values.clone().with(
            Field::BillingExpr,
            "len <= 9 ? tier(\"a\", p * 2 + c * 8 + cr * 0.2) : tier(\"b\", p * 4)",
        );
        let told = usd(&tiered, Some(7.0));
        assert_eq!(told.input, Some(2.0));
        assert_eq!(told.output, Some(8.0));
        assert_eq!(told.cache_read, Some(0.2));
        assert_eq!(told.cache_write, None);
        let blank = values.with(Field::BillingExpr, "  ");
        assert_eq!(usd(&blank, None), Usd::default());
    }
}
