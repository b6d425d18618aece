//! Expressions as prices: the coefficients of the counts of tokens.

use super::node::{Binary, Function, Kind, Node, Unary, Var};
use crate::prices::usd::Usd;

/// What one tier of an expression costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// The name that the expression gives it; empty when it gives none.
    pub name: String,
    /// The prices, where they are plain: what grows with a count of tokens by a fixed rate. Surcharges that only some
    /// requests pay, written as a factor `condition ? number : 1`, are not in them.
    pub price: Usd,
}

/// See [`super::Expr::tiers`].
pub(super) fn tiers(root: &Node) -> Vec<Tier> {
    let mut tiers = Vec::new();
    collect(root, Some(1.0), !root.has_tier(), &mut tiers);
    tiers
}

/// Finds the tiers of a part that counts `factor` times; `None` when that depends. With `leaves`, whatever is not a
/// condition is a tier.
fn collect(node: &Node, factor: Option<f64>, leaves: bool, tiers: &mut Vec<Tier>) {
    match &node.kind {
        Kind::Choice(parts) => {
            collect(&parts[1], factor, leaves, tiers);
            collect(&parts[2], factor, leaves, tiers);
        }
        _ if leaves => tiers.push(tier("", node, factor)),
        Kind::Call(Function::Tier, parts) => {
            let name = match &parts[0].kind {
                Kind::Text(name) => name,
                _ => "",
            };
            tiers.push(tier(name, &parts[1], factor));
        }
        Kind::Unary(Unary::Minus, part) => {
            collect(part, factor.map(|factor| -factor), leaves, tiers);
        }
        Kind::Unary(Unary::Plus, part) => collect(part, factor, leaves, tiers),
        Kind::Binary(op, left, right) => {
            let times = |by: Option<f64>| Some(factor? * by?);
            let (to_left, to_right) = match op {
                Binary::Add => (factor, factor),
                Binary::Sub => (factor, factor.map(|factor| -factor)),
                Binary::Mul => (times(constant(right)), times(constant(left))),
                Binary::Div => (times(constant(right).map(f64::recip)), None),
                _ => (None, None),
            };
            collect(left, to_left, leaves, tiers);
            collect(right, to_right, leaves, tiers);
        }
        _ => {
            for part in node.parts() {
                collect(part, None, leaves, tiers);
            }
        }
    }
}

/// The value of a part that is the same for every call.
fn constant(node: &Node) -> Option<f64> {
    Form::of(node).alone()
}

fn tier(name: &str, body: &Node, factor: Option<f64>) -> Tier {
    let form = Form::of(body);
    let mentioned = |var: Var| body.any(&|part| matches!(part.kind, Kind::Var(v) if v == var));
    let rate = |var: Var| {
        let rate = factor? * form.rates[var.index()]?;
        rate.is_finite().then_some(rate)
    };
    // Tokens of a kind that has no price of its own are among the input, so that their price is not zero.
    let own = |var: Var| rate(var).filter(|_| mentioned(var));
    let call = || Some(factor? * form.base? / PER_CALL).filter(|call| call.is_finite());
    Tier {
        name: name.to_owned(),
        price: Usd {
            input: rate(Var::P),
            output: rate(Var::C),
            cache_read: own(Var::Cr),
            cache_write: own(Var::Cc),
            per_call: call().filter(|call| *call != 0.0),
        },
    }
}

/// What a part without tokens comes to is in USD per million calls, so to say.
const PER_CALL: f64 = 1_000_000.0;

/// A part as a sum: what it is without tokens, and what each token adds. `None` where that is no fixed number.
struct Form {
    base: Option<f64>,
    rates: [Option<f64>; Var::COUNT],
}

impl Form {
    fn constant(base: f64) -> Self {
        Self {
            base: Some(base),
            rates: [Some(0.0); Var::COUNT],
        }
    }

    fn of(node: &Node) -> Self {
        if let Some(number) = node.literal() {
            return Self::constant(number);
        }
        match &node.kind {
            Kind::Var(var) => {
                let mut form = Self::constant(0.0);
                form.rates[var.index()] = Some(1.0);
                form
            }
            Kind::Unary(Unary::Minus, part) => Self::of(part).times(-1.0),
            Kind::Unary(Unary::Plus, part) => Self::of(part),
            Kind::Call(Function::Tier, parts) => Self::of(&parts[1]),
            Kind::Binary(Binary::Add, left, right) => Self::of(left).plus(&Self::of(right)),
            Kind::Binary(Binary::Sub, left, right) => {
                Self::of(left).plus(&Self::of(right).times(-1.0))
            }
            Kind::Binary(Binary::Mul, left, right) => {
                let (left, right) = (Self::of(left), Self::of(right));
                match (left.alone(), right.alone()) {
                    (_, Some(factor)) => left.times(factor),
                    (Some(factor), _) => right.times(factor),
                    _ => left.mixed(&right),
                }
            }
            Kind::Binary(Binary::Div, left, right) => {
                let (left, right) = (Self::of(left), Self::of(right));
                match right.alone() {
                    Some(divisor) => left.times(divisor.recip()),
                    None => left.mixed(&right),
                }
            }
            Kind::Choice(parts) => Self::choice(parts),
            _ => {
                let mut form = Self::constant(0.0);
                for part in node.parts() {
                    form = form.mixed(&Self::of(part));
                }
                form.base = None;
                form
            }
        }
    }

    fn choice(parts: &[Node; 3]) -> Self {
        let [condition, met, unmet] = parts;
        if condition.has_probe() && met.literal().is_some() && unmet.literal() == Some(1.0) {
            return Self::constant(1.0);
        }
        let (met, unmet) = (Self::of(met), Self::of(unmet));
        let same = |one: Option<f64>, other: Option<f64>| one.filter(|_| one == other);
        Self {
            base: same(met.base, unmet.base),
            rates: std::array::from_fn(|var| same(met.rates[var], unmet.rates[var])),
        }
    }

    /// Its value if no token adds to it.
    fn alone(&self) -> Option<f64> {
        let free = self.rates.iter().all(|rate| *rate == Some(0.0));
        self.base.filter(|_| free)
    }

    fn times(&self, factor: f64) -> Self {
        Self {
            base: self.base.map(|base| base * factor),
            rates: self.rates.map(|rate| rate.map(|rate| rate * factor)),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let sum = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
        Self {
            base: sum(self.base, other.base),
            rates: std::array::from_fn(|var| sum(self.rates[var], other.rates[var])),
        }
    }

    /// Two parts in a way that is no sum: only what is in neither is sure to add nothing.
    fn mixed(&self, other: &Self) -> Self {
        let neither = |var: usize| {
            let free = self.rates[var] == Some(0.0) && other.rates[var] == Some(0.0);
            free.then_some(0.0)
        };
        Self {
            base: None,
            rates: std::array::from_fn(neither),
        }
    }
}
