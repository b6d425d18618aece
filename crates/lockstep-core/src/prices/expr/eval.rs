//! What an expression comes to for one call.

use std::collections::BTreeMap;

use regex::RegexBuilder;

use super::node::{Binary, Function, Kind, Node, Unary, Var};

/// A value while an expression is reckoned.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// Several values.
    List(Vec<Value>),
    /// Nothing.
    Nil,
}

/// The time as the functions of an expression tell it, whatever zone they ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0, a Sunday, to 6.
    pub weekday: u8,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// One call: what an expression may ask for.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// The tokens, by [`Var::index`].
    pub tokens: [f64; Var::COUNT],
    /// Values of the request's body by their paths.
    pub params: BTreeMap<String, Value>,
    /// Headers of the request, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// When it is made.
    pub clock: Clock,
}

/// The value of a part; `None` where the gateway would fail the request.
pub(super) fn eval(node: &Node, env: &Env) -> Option<Value> {
    Some(match &node.kind {
        Kind::Int(_) | Kind::Float(_) => Value::Number(node.literal()?),
        Kind::Text(text) => Value::Text(text.clone()),
        Kind::Bool(truth) => Value::Bool(*truth),
        Kind::Nil => Value::Nil,
        Kind::Var(var) => Value::Number(env.tokens[var.index()]),
        Kind::List(parts) => Value::List(
            parts
                .iter()
                .map(|part| eval(part, env))
                .collect::<Option<_>>()?,
        ),
        Kind::Unary(Unary::Not, part) => Value::Bool(!truth(part, env)?),
        Kind::Unary(Unary::Minus, part) => Value::Number(-number(part, env)?),
        Kind::Unary(Unary::Plus, part) => Value::Number(number(part, env)?),
        Kind::Binary(Binary::Or, left, right) => {
            Value::Bool(truth(left, env)? || truth(right, env)?)
        }
        Kind::Binary(Binary::And, left, right) => {
            Value::Bool(truth(left, env)? && truth(right, env)?)
        }
        Kind::Binary(Binary::Coalesce, left, right) => match eval(left, env)? {
            Value::Nil => eval(right, env)?,
            value => value,
        },
        Kind::Binary(op, left, right) => binary(*op, eval(left, env)?, eval(right, env)?)?,
        Kind::Chain(first, rest) => {
            let mut left = eval(first, env)?;
            for (op, right) in rest {
                let right = eval(right, env)?;
                if binary(*op, left, right.clone())? == Value::Bool(false) {
                    return Some(Value::Bool(false));
                }
                left = right;
            }
            Value::Bool(true)
        }
        Kind::Choice(parts) => {
            let [condition, met, unmet] = &**parts;
            eval(if truth(condition, env)? { met } else { unmet }, env)?
        }
        Kind::Call(function, parts) => call(*function, parts, env)?,
    })
}

fn number(part: &Node, env: &Env) -> Option<f64> {
    match eval(part, env)? {
        Value::Number(number) => Some(number),
        _ => None,
    }
}

fn truth(part: &Node, env: &Env) -> Option<bool> {
    match eval(part, env)? {
        Value::Bool(truth) => Some(truth),
        _ => None,
    }
}

fn text(part: &Node, env: &Env) -> Option<String> {
    match eval(part, env)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn binary(op: Binary, left: Value, right: Value) -> Option<Value> {
    use Value::{Bool, List, Number, Text};
    let told = match (op, left, right) {
        (Binary::Equal, left, right) => Bool(left == right),
        (Binary::Unequal, left, right) => Bool(left != right),
        (Binary::Less, Number(l), Number(r)) => Bool(l < r),
        (Binary::Greater, Number(l), Number(r)) => Bool(l > r),
        (Binary::AtLeast, Number(l), Number(r)) => Bool(l >= r),
        (Binary::AtMost, Number(l), Number(r)) => Bool(l <= r),
        (Binary::Less, Text(l), Text(r)) => Bool(l < r),
        (Binary::Greater, Text(l), Text(r)) => Bool(l > r),
        (Binary::AtLeast, Text(l), Text(r)) => Bool(l >= r),
        (Binary::AtMost, Text(l), Text(r)) => Bool(l <= r),
        (Binary::In, value, List(values)) => Bool(values.contains(&value)),
        (Binary::Matches, Text(l), Text(r)) => {
            let pattern = RegexBuilder::new(&r).size_limit(1 << 20).build().ok()?;
            Bool(pattern.is_match(&l))
        }
        (Binary::Contains, Text(l), Text(r)) => Bool(l.contains(&r)),
        (Binary::StartsWith, Text(l), Text(r)) => Bool(l.starts_with(&r)),
        (Binary::EndsWith, Text(l), Text(r)) => Bool(l.ends_with(&r)),
        (Binary::Add, Number(l), Number(r)) => Number(l + r),
        (Binary::Add, Text(l), Text(r)) => Text(l + &r),
        (Binary::Sub, Number(l), Number(r)) => Number(l - r),
        (Binary::Mul, Number(l), Number(r)) => Number(l * r),
        (Binary::Div, Number(l), Number(r)) => Number(l / r),
        (Binary::Power, Number(l), Number(r)) => Number(l.powf(r)),
        (Binary::Rem, Number(l), Number(r)) if r != 0.0 => Number(l % r),
        _ => return None,
    };
    Some(told)
}

fn call(function: Function, parts: &[Node], env: &Env) -> Option<Value> {
    let first = parts.first()?;
    let second = || parts.get(1);
    let told = match function {
        Function::Tier => number(second()?, env)?,
        Function::Param => {
            let path = text(first, env)?;
            return Some(env.params.get(path.trim()).cloned().unwrap_or(Value::Nil));
        }
        Function::Header => {
            let name = text(first, env)?.trim().to_lowercase();
            return Some(Value::Text(
                env.headers.get(&name).cloned().unwrap_or_default(),
            ));
        }
        Function::Has => {
            let part = text(second()?, env)?;
            let whole = match eval(first, env)? {
                Value::Nil => return Some(Value::Bool(false)),
                Value::Text(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::List(_) => return None,
            };
            return Some(Value::Bool(!part.is_empty() && whole.contains(&part)));
        }
        Function::Hour => f64::from(env.clock.hour),
        Function::Minute => f64::from(env.clock.minute),
        Function::Weekday => f64::from(env.clock.weekday),
        Function::Month => f64::from(env.clock.month),
        Function::Day => f64::from(env.clock.day),
        Function::Max => number(first, env)?.max(number(second()?, env)?),
        Function::Min => number(first, env)?.min(number(second()?, env)?),
        Function::Abs => number(first, env)?.abs(),
        Function::Ceil => number(first, env)?.ceil(),
        Function::Floor => number(first, env)?.floor(),
    };
    Some(Value::Number(told))
}
