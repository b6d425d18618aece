//! Expressions as prices: the coefficients of the counts of tokens.

use super::form::{Sum, sums};
use super::node::{Kind, Node, Var};
use crate::prices::usd::Usd;

/// What one tier of an expression costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// The name that the expression gives it; empty when it gives none.
    pub name: String,
    /// The prices, where they are plain: what grows with a count of tokens by a fixed rate. Surcharges that only some
    /// requests pay, written as a factor `condition ? number : 1`, are not in them.
    pub price: Usd,
    /// The same of every kind of token, with how far surcharges go.
    pub rates: Rates,
}

/// What every kind of token costs in one tier. `None` is what nobody can tell: it grows by no fixed rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// USD per million tokens, by [`Var::index`]. Of a kind that the expression names nowhere, what it is counted
    /// among; what is asked for the whole input is in each kind of input.
    pub tokens: [Option<f64>; Var::COUNT],
    /// The kinds that the expression names somewhere, by [`Var::index`].
    pub named: [bool; Var::COUNT],
    /// What each call costs beside its tokens, in USD.
    pub per_call: Option<f64>,
    /// What all is multiplied with for the requests that pay the least; 1 where there is no surcharge, or rebate.
    pub least: f64,
    /// What all is multiplied with for those that pay the most.
    pub most: f64,
}

/// What a part without tokens comes to is in USD per million calls, so to say.
const PER_CALL: f64 = 1_000_000.0;

/// See [`super::Expr::tiers`].
pub(super) fn tiers(root: &Node) -> Vec<Tier> {
    let mut named = [false; Var::COUNT];
    mark(root, &mut named);
    sums(root).iter().map(|sum| tier(sum, named)).collect()
}

fn mark(node: &Node, named: &mut [bool; Var::COUNT]) {
    if let Kind::Var(var) = node.kind {
        named[var.index()] = true;
    }
    for part in node.parts() {
        mark(part, named);
    }
}

fn tier(sum: &Sum<'_>, named: [bool; Var::COUNT]) -> Tier {
    let form = &sum.form;
    let rate = |var: Var| form.rates[var.index()];
    // Tokens of a kind that the expression names nowhere are counted among the others, so that they are not free.
    let own = |var: Var, others: Var| rate(if named[var.index()] { var } else { others });
    let of = |var: Var| {
        let cost = match var {
            // It is no kind of its own: it costs something by being input.
            Var::Len | Var::P => rate(Var::P)
                .zip(rate(Var::Len))
                .map(|(own, whole)| own + whole),
            Var::Cr | Var::Cc | Var::Cc1h | Var::Img | Var::Ai => own(var, Var::P)
                .zip(rate(Var::Len))
                .map(|(own, whole)| own + whole),
            Var::C | Var::ImgO | Var::Ao => own(var, Var::C),
        };
        cost.filter(|cost| cost.is_finite())
    };
    let mut tokens = [None; Var::COUNT];
    for var in Var::ALL {
        tokens[var.index()] = of(*var);
    }
    let per_call = form.base.map(|base| base / PER_CALL);
    let rates = Rates {
        tokens,
        named,
        per_call: per_call.filter(|call| call.is_finite()),
        least: form.least,
        most: form.most,
    };
    let told = |var: Var| tokens[var.index()].filter(|_| named[var.index()]);
    Tier {
        name: sum.name.to_owned(),
        price: Usd {
            input: of(Var::P),
            output: of(Var::C),
            cache_read: told(Var::Cr),
            cache_write: told(Var::Cc),
            per_call: rates.per_call.filter(|call| *call != 0.0),
        },
        rates,
    }
}
