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
    let mut found = Found {
        root,
        leaves: !root.has_tier(),
        tiers: Vec::new(),
    };
    found.collect(root, Some(1.0));
    found.tiers
}

struct Found<'a> {
    root: &'a Node,
    /// Whether whatever is not a condition is a tier, because none is named.
    leaves: bool,
    tiers: Vec<Tier>,
}

impl Found<'_> {
    /// Finds the tiers of a part that counts `factor` times; `None` when that depends.
    fn collect(&mut self, node: &Node, factor: Option<f64>) {
        match &node.kind {
            Kind::Choice(parts) => {
                self.collect(&parts[1], factor);
                self.collect(&parts[2], factor);
            }
            _ if self.leaves => self.add("", node, factor),
            Kind::Call(Function::Tier, parts) => {
                let name = match &parts[0].kind {
                    Kind::Text(name) => name,
                    _ => "",
                };
                self.add(name, &parts[1], factor);
            }
            Kind::Unary(Unary::Minus, part) => self.collect(part, factor.map(|factor| -factor)),
            Kind::Unary(Unary::Plus, part) => self.collect(part, factor),
            Kind::Binary(op, left, right) => {
                let times = |by: Option<f64>| Some(factor? * by?);
                let (to_left, to_right) = match op {
                    Binary::Add => (factor, factor),
                    Binary::Sub => (factor, factor.map(|factor| -factor)),
                    Binary::Mul => (times(constant(right)), times(constant(left))),
                    Binary::Div => (times(constant(right).map(f64::recip)), None),
                    _ => (None, None),
                };
                self.collect(left, to_left);
                self.collect(right, to_right);
            }
            _ => {
                for part in node.parts() {
                    self.collect(part, None);
                }
            }
        }
    }

    fn add(&mut self, name: &str, body: &Node, factor: Option<f64>) {
        let form = Form::of(body);
        let rate = |var: Var| {
            let rate = factor? * form.rates[var.index()]?;
            rate.is_finite().then_some(rate)
        };
        // Tokens of a kind that the expression names nowhere are counted among the input, so that they are not free.
        let own = |var: Var| {
            let named = |part: &Node| matches!(part.kind, Kind::Var(other) if other == var);
            rate(var).filter(|_| self.root.any(&named))
        };
        let call = || Some(factor? * form.base? / PER_CALL);
        let price = Usd {
            input: rate(Var::P),
            output: rate(Var::C),
            cache_read: own(Var::Cr),
            cache_write: own(Var::Cc),
            per_call: call().filter(|call| call.is_finite() && *call != 0.0),
        };
        self.tiers.push(Tier {
            name: name.to_owned(),
            price,
        });
    }
}

/// The value of a part that is the same for every call.
fn constant(node: &Node) -> Option<f64> {
    Form::of(node).alone()
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
