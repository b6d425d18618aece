//! A part of an expression as a sum: what it is without tokens, and what each token adds.

use super::node::{Binary, Function, Kind, Node, Unary, Var};

/// As many sums as one expression is taken apart into. One with more is told as a single sum of which nothing is known.
const MOST: usize = 64;

/// What a part comes to under some of its conditions, and the tier that is met there.
#[derive(Clone)]
pub(super) struct Sum<'a> {
    /// The first tier that is named in it; empty when none is.
    pub(super) name: &'a str,
    pub(super) form: Form,
}

/// A part as a sum. `None` where that is no fixed number.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) base: Option<f64>,
    pub(super) rates: [Option<f64>; Var::COUNT],
    /// What a surcharge, which only some requests pay, multiplies it with at the least; it is not in the other numbers.
    pub(super) least: f64,
    /// And at the most.
    pub(super) most: f64,
}

/// What a part may come to: one sum for each way through its conditions, in the order of the text.
pub(super) fn sums(node: &Node) -> Vec<Sum<'_>> {
    if let Some(number) = node.literal() {
        return alone(Form::constant(number));
    }
    match &node.kind {
        Kind::Var(var) => {
            let mut form = Form::constant(0.0);
            form.rates[var.index()] = Some(1.0);
            alone(form)
        }
        Kind::Unary(Unary::Minus, part) => each(sums(part), |form| form.times(-1.0)),
        Kind::Unary(Unary::Plus, part) => sums(part),
        Kind::Call(Function::Tier, parts) => {
            let name = match &parts[0].kind {
                Kind::Text(name) => name,
                _ => "",
            };
            let mut body = sums(&parts[1]);
            body.iter_mut().for_each(|sum| sum.name = name);
            body
        }
        Kind::Binary(op, left, right) => {
            let (left, right) = (sums(left), sums(right));
            match op {
                Binary::Add => pairs(&left, &right, Form::plus),
                Binary::Sub => pairs(&left, &right, |l, r| l.plus(&r.times(-1.0))),
                Binary::Mul => pairs(&left, &right, Form::by),
                Binary::Div => pairs(&left, &right, Form::over),
                _ => mixed(&[left, right]),
            }
        }
        Kind::Choice(parts) => choice(parts),
        Kind::Call(function, parts) => {
            let parts: Vec<Vec<Sum<'_>>> = parts.iter().map(sums).collect();
            let mut sum = mixed(&parts);
            if let Some(value) = folded(*function, &parts) {
                sum.iter_mut()
                    .for_each(|sum| sum.form = Form::constant(value));
            }
            sum
        }
        _ => {
            let parts: Vec<Vec<Sum<'_>>> = node.parts().into_iter().map(sums).collect();
            mixed(&parts)
        }
    }
}

fn alone<'a>(form: Form) -> Vec<Sum<'a>> {
    vec![Sum { name: "", form }]
}

fn each<'a>(mut sums: Vec<Sum<'a>>, change: impl Fn(&Form) -> Form) -> Vec<Sum<'a>> {
    for sum in &mut sums {
        sum.form = change(&sum.form);
    }
    sums
}

fn choice(parts: &[Node; 3]) -> Vec<Sum<'_>> {
    let [condition, met, unmet] = parts;
    if let (true, Some(factor), Some(1.0)) = (condition.has_probe(), met.literal(), unmet.literal())
    {
        return alone(Form {
            least: factor.min(1.0),
            most: factor.max(1.0),
            ..Form::constant(1.0)
        });
    }
    let mut both = sums(met);
    let unmet = sums(unmet);
    if both.len() + unmet.len() > MOST {
        return mixed(&[both, unmet]);
    }
    both.extend(unmet);
    both
}

/// Each sum of the one with each of the other. Conditions of both may be the same, so that some of the pairs never are.
fn pairs<'a>(
    left: &[Sum<'a>],
    right: &[Sum<'a>],
    join: impl Fn(&Form, &Form) -> Form,
) -> Vec<Sum<'a>> {
    if left.len() * right.len() > MOST {
        return mixed(&[left.to_vec(), right.to_vec()]);
    }
    let pair = |(left, right): (&Sum<'a>, &Sum<'a>)| Sum {
        name: if left.name.is_empty() {
            right.name
        } else {
            left.name
        },
        form: join(&left.form, &right.form),
    };
    let all = left
        .iter()
        .flat_map(|left| right.iter().map(move |right| (left, right)));
    all.map(pair).collect()
}

/// Parts in a way that is no sum.
fn mixed<'a>(parts: &[Vec<Sum<'a>>]) -> Vec<Sum<'a>> {
    let mut form = Form::constant(0.0);
    for sum in parts.iter().flatten() {
        form = form.mixed(&sum.form);
    }
    form.base = None;
    let names = parts.iter().flatten().map(|sum| sum.name);
    let name = names.into_iter().find(|name| !name.is_empty());
    vec![Sum {
        name: name.unwrap_or_default(),
        form,
    }]
}

/// What a function gives that gets nothing but fixed numbers.
fn folded(function: Function, parts: &[Vec<Sum<'_>>]) -> Option<f64> {
    let fixed = |part: &Vec<Sum<'_>>| match part.as_slice() {
        [sum] if !sum.form.is_surcharged() => sum.form.alone(),
        _ => None,
    };
    let parts: Option<Vec<f64>> = parts.iter().map(fixed).collect();
    match (function, parts?.as_slice()) {
        (Function::Max, [one, other]) => Some(one.max(*other)),
        (Function::Min, [one, other]) => Some(one.min(*other)),
        (Function::Abs, [one]) => Some(one.abs()),
        (Function::Ceil, [one]) => Some(one.ceil()),
        (Function::Floor, [one]) => Some(one.floor()),
        _ => None,
    }
}

impl Form {
    fn constant(base: f64) -> Self {
        Self {
            base: Some(base),
            rates: [Some(0.0); Var::COUNT],
            least: 1.0,
            most: 1.0,
        }
    }

    /// Whether some requests pay more or less than others of the same size.
    fn is_surcharged(&self) -> bool {
        self.least < 1.0 || self.most > 1.0
    }

    /// Its value if no token adds to it, without a surcharge.
    fn alone(&self) -> Option<f64> {
        let free = self.rates.iter().all(|rate| *rate == Some(0.0));
        self.base.filter(|_| free)
    }

    fn times(&self, factor: f64) -> Self {
        Self {
            base: self.base.map(|base| base * factor),
            rates: self.rates.map(|rate| rate.map(|rate| rate * factor)),
            ..*self
        }
    }

    /// The product, where one of both is the same for every call.
    fn by(&self, other: &Self) -> Self {
        let product = match (self.alone(), other.alone()) {
            (_, Some(factor)) => self.times(factor),
            (Some(factor), _) => other.times(factor),
            _ => return self.mixed(other),
        };
        Self {
            least: self.least * other.least,
            most: self.most * other.most,
            ..product
        }
    }

    fn over(&self, other: &Self) -> Self {
        match other.alone() {
            Some(divisor) => Self {
                least: self.least / other.most,
                most: self.most / other.least,
                ..self.times(divisor.recip())
            },
            None => self.mixed(other),
        }
    }

    fn has(&self, such: fn(f64) -> bool) -> bool {
        let all = self.rates.iter().chain([&self.base]);
        all.flatten().any(|number| such(*number))
    }

    /// The sum. A surcharge on a part counts as one on the whole, which is true at the ends unless something is taken
    /// away: then nobody can tell what is left.
    fn plus(&self, other: &Self) -> Self {
        let surcharged = self.is_surcharged() || other.is_surcharged();
        let is = |such: fn(f64) -> bool| self.has(such) || other.has(such);
        let takes_away = surcharged && is(|number| number < 0.0) && is(|number| number > 0.0);
        let sum = |one: Option<f64>, other: Option<f64>| {
            let sum = one? + other?;
            (!takes_away || (one == Some(0.0) && other == Some(0.0))).then_some(sum)
        };
        Self {
            base: sum(self.base, other.base),
            rates: std::array::from_fn(|var| sum(self.rates[var], other.rates[var])),
            least: self.least.min(other.least),
            most: self.most.max(other.most),
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
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }
}
