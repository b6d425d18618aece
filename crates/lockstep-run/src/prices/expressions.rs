//! The grammar of billing expressions, as plans need it.

use lockstep_core::prices::cost::Expressions;
use lockstep_core::prices::expr::Expr;
use lockstep_core::prices::usd::Usd;

/// The gateway's own grammar.
pub(crate) struct Grammar;

impl Expressions for Grammar {
    fn known(&self, expression: &str) -> bool {
        Expr::parse(expression).is_ok()
    }

    fn scaled(&self, expression: &str, factor: f64) -> Option<String> {
        Expr::scaled(expression, factor).ok()
    }

    fn tiers(&self, expression: &str) -> Vec<Usd> {
        Expr::parse(expression).map_or_else(
            |_| Vec::new(),
            |parsed| parsed.tiers().into_iter().map(|tier| tier.price).collect(),
        )
    }
}
