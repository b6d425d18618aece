//! The same expression at another price.

use super::node::{Binary, Function, Kind, Node, Type};

/// The text with every price multiplied where it stands, or else with the whole multiplied.
pub(super) fn scaled(text: &str, root: &Node, factor: f64) -> String {
    let mut scaler = Scaler {
        factor,
        splices: Vec::new(),
    };
    if !scaler.scale(root, false) {
        let inside = &text[root.start..root.end];
        scaler.splices = vec![Splice {
            start: root.start,
            end: root.end,
            text: format!("({inside}) * {}", shown(factor)),
        }];
    }
    scaler.splices.sort_by_key(|splice| splice.start);
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for splice in &scaler.splices {
        out.push_str(&text[from..splice.start]);
        out.push_str(&splice.text);
        from = splice.end;
    }
    out.push_str(&text[from..]);
    out
}

/// A piece of text in place of another.
struct Splice {
    start: usize,
    end: usize,
    text: String,
}

struct Scaler {
    factor: f64,
    splices: Vec<Splice>,
}

impl Scaler {
    /// Makes a part come to `factor` times as much. False, and nothing done, where no number in it can do that.
    ///
    /// With `beside_float` the part is reckoned with one that is no whole number, so that it need not be told apart
    /// from a whole one; elsewhere the gateway does tell `3` from `3.0`.
    fn scale(&mut self, node: &Node, beside_float: bool) -> bool {
        let before = self.splices.len();
        let done = self.try_scale(node, beside_float);
        if !done {
            self.splices.truncate(before);
        }
        done
    }

    fn try_scale(&mut self, node: &Node, beside_float: bool) -> bool {
        if let Some(number) = node.literal() {
            return self.number(node, number, beside_float);
        }
        match &node.kind {
            Kind::Var(_) => {
                let text = format!(" * {}", shown(self.factor));
                self.splices.push(Splice {
                    start: node.end,
                    end: node.end,
                    text,
                });
                true
            }
            Kind::Unary(op, part) => {
                *op != super::node::Unary::Not && self.scale(part, beside_float)
            }
            Kind::Binary(op, left, right) => {
                let floats = beside_float || left.ty == Type::Float || right.ty == Type::Float;
                match op {
                    Binary::Add | Binary::Sub => {
                        self.scale(left, floats) && self.scale(right, floats)
                    }
                    Binary::Mul => {
                        let (better, other) = if fitness(right) > fitness(left) {
                            (right, left)
                        } else {
                            (left, right)
                        };
                        self.scale(better, floats) || self.scale(other, floats)
                    }
                    Binary::Div => self.scale(left, true),
                    _ => false,
                }
            }
            Kind::Choice(parts) => {
                self.scale(&parts[1], beside_float) && self.scale(&parts[2], beside_float)
            }
            Kind::Call(Function::Tier, parts) => self.scale(&parts[1], false),
            // A factor above zero changes neither which is larger nor a sign.
            Kind::Call(Function::Max | Function::Min | Function::Abs, parts) => {
                parts.iter().all(|part| self.scale(part, false))
            }
            _ => false,
        }
    }

    fn number(&mut self, node: &Node, number: f64, beside_float: bool) -> bool {
        let scaled = number * self.factor;
        if !scaled.is_finite() || (scaled == 0.0) != (number == 0.0) {
            return false;
        }
        let mut text = shown(scaled);
        if !beside_float && text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(".0");
        }
        self.splices.push(Splice {
            start: node.start,
            end: node.end,
            text,
        });
        true
    }
}

/// Which of two factors is the price rather than a condition on it.
fn fitness(node: &Node) -> u8 {
    if node.has_tier() {
        3
    } else if node.literal().is_some() {
        2
    } else if matches!(node.kind, Kind::Choice(_)) || node.has_probe() {
        0
    } else {
        1
    }
}

/// A number at or above zero in ten digits at most, as the gateway reads it.
fn shown(number: f64) -> String {
    let rounded = format!("{number:.9e}").parse().unwrap_or(number);
    if rounded != 0.0 && !(1e-6..1e15).contains(&rounded) {
        format!("{rounded:e}")
    } else {
        rounded.to_string()
    }
}
