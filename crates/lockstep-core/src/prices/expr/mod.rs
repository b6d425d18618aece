//! Billing expressions: the part of expr-lang that the gateway documents, read, priced and scaled.
//!
//! The gateway stores any text and compiles it at the first request, which then fails. So an expression is only ever
//! written when it reads here; the grammar, the names and the types are the gateway's, and what is left out of them
//! (members, closures, maps, ranges) makes an expression unknown, which holds its price.

mod check;
mod eval;
mod form;
mod lex;
mod node;
mod parse;
mod scale;
mod tiers;

use crate::hold::codes;
use crate::prices::cost::Expressions;
pub use eval::{Clock, Env, Value};
pub use node::{Function, Var};
pub use tiers::{Rates, Tier};

/// As deep as an expression may be nested.
pub const DEPTH: usize = 64;

/// As long as an expression may be, in bytes.
pub const LENGTH: usize = 16 * 1024;

/// A billing expression that the gateway can compile. A call costs its value, in USD per million.
#[derive(Clone, Debug)]
pub struct Expr {
    root: node::Node,
}

codes! {
    /// Why a text is not a known expression.
    Why {
        /// There is nothing.
        Empty = "empty",
        /// It is longer than [`LENGTH`].
        TooLong = "too_long",
        /// It is nested deeper than [`DEPTH`].
        TooDeep = "too_deep",
        /// A character that no part begins with.
        Character = "character",
        /// A string or a comment without its end.
        Unterminated = "unterminated",
        /// A backslash before something that needs none.
        Escape = "escape",
        /// A number that is none, or too large.
        Number = "number",
        /// A part that cannot stand there, or the end where more should come.
        Unexpected = "unexpected",
        /// A name that is neither a variable nor a word of the language.
        Name = "name",
        /// A function that is not known.
        Function = "function",
        /// A function with too few or too many arguments.
        Arguments = "arguments",
        /// Values that do not go together, as a text times a number.
        Types = "types",
        /// A pattern that is no regular expression.
        Pattern = "pattern",
        /// The value of the whole is no number.
        Result = "result",
        /// The factor to scale by is not a number above zero.
        Factor = "factor",
    }
}

/// Why a text is not a known expression: the place, in bytes, and what is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {at}", why.code())]
pub struct Unknown {
    /// The place, in bytes from the start of the text.
    pub at: usize,
    /// What is wrong there.
    pub why: Why,
}

/// The version tag that an expression may begin with.
const VERSION: &str = "v1:";

/// The gateway's own grammar, as plans need it.
#[derive(Clone, Copy, Debug)]
pub struct Grammar;

impl Expressions for Grammar {
    fn scaled(&self, expression: &str, factor: f64) -> Option<String> {
        Expr::scaled(expression, factor).ok()
    }

    fn tiers(&self, expression: &str) -> Vec<Tier> {
        Expr::parse(expression).map_or_else(|_| Vec::new(), |parsed| parsed.tiers())
    }
}

/// Where the expression itself begins.
fn start(text: &str) -> usize {
    if text.starts_with(VERSION) {
        VERSION.len()
    } else {
        0
    }
}

impl Expr {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`Unknown`] when it is not of the known grammar, names something unknown, or mixes types as the gateway's
    /// compiler does not let it.
    pub fn parse(text: &str) -> Result<Self, Unknown> {
        if text.len() > LENGTH {
            return Err(Unknown {
                at: LENGTH,
                why: Why::TooLong,
            });
        }
        let root = parse::parse(text, start(text))?;
        Ok(Self { root })
    }

    /// What the call described by `env` costs, in USD per million. `None` where the gateway would fail the request.
    pub fn eval(&self, env: &Env) -> Option<f64> {
        match eval::eval(&self.root, env)? {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// What each tier costs, in the order of the text: one for each way through the conditions on tokens, by the name of
    /// the `tier` that is met there, or without a name. One of very many ways is told as one tier of which nothing is
    /// known.
    pub fn tiers(&self) -> Vec<Tier> {
        tiers::tiers(&self.root)
    }

    /// The text of the expression that costs `factor` times as much. Its prices are multiplied where they stand; where
    /// that cannot be done, the whole is. A factor of 1 leaves the text as it is.
    ///
    /// # Errors
    /// [`Unknown`] when the text is no known expression, the factor is not a finite number above zero, or the new text
    /// would be too long or too deep.
    pub fn scaled(text: &str, factor: f64) -> Result<String, Unknown> {
        let parsed = Self::parse(text)?;
        #[expect(clippy::float_cmp, reason = "only exactly 1 changes nothing")]
        if factor == 1.0 {
            return Ok(text.to_owned());
        }
        if !factor.is_finite() || factor <= 0.0 {
            return Err(Unknown {
                at: 0,
                why: Why::Factor,
            });
        }
        let scaled = scale::scaled(text, &parsed.root, factor);
        Self::parse(&scaled)?;
        Ok(scaled)
    }
}
