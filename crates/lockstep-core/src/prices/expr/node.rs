//! What an expression is made of.

use crate::hold::codes;

codes! {
    /// A count of tokens of the call.
    Var {
        /// Input tokens that have no price of their own.
        P = "p",
        /// Output tokens that have no price of their own.
        C = "c",
        /// The whole input, whatever has a price of its own.
        Len = "len",
        /// Tokens read from the cache.
        Cr = "cr",
        /// Tokens written to the cache.
        Cc = "cc",
        /// Tokens written to the cache for an hour.
        Cc1h = "cc1h",
        /// Image input.
        Img = "img",
        /// Image output.
        ImgO = "img_o",
        /// Audio input.
        Ai = "ai",
        /// Audio output.
        Ao = "ao",
    }
}

codes! {
    /// A function of the gateway's.
    Function {
        /// `tier(name, cost)`: the cost, and a note of the tier that was met.
        Tier = "tier",
        /// `param(path)`: a value of the request's body, or nil.
        Param = "param",
        /// `header(name)`: a header of the request, or an empty text.
        Header = "header",
        /// `has(value, text)`: whether the value's text contains another.
        Has = "has",
        /// `hour(zone)`: 0 to 23.
        Hour = "hour",
        /// `minute(zone)`: 0 to 59.
        Minute = "minute",
        /// `weekday(zone)`: 0, a Sunday, to 6.
        Weekday = "weekday",
        /// `month(zone)`: 1 to 12.
        Month = "month",
        /// `day(zone)`: 1 to 31.
        Day = "day",
        /// The larger of two.
        Max = "max",
        /// The smaller of two.
        Min = "min",
        /// Without the sign.
        Abs = "abs",
        /// Rounded up.
        Ceil = "ceil",
        /// Rounded down.
        Floor = "floor",
    }
}

impl Var {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// What a part's value is, as far as the gateway's compiler knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Float,
    Text,
    Bool,
    Nil,
    List,
    /// Only known when the request is.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    Greater,
    AtLeast,
    AtMost,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Power,
    Coalesce,
}

impl Binary {
    /// How tightly it binds; a part between two operators goes to the higher.
    pub(super) fn precedence(self) -> u16 {
        match self {
            Self::Or => 10,
            Self::And => 15,
            Self::Equal
            | Self::Unequal
            | Self::Less
            | Self::Greater
            | Self::AtLeast
            | Self::AtMost
            | Self::In
            | Self::Matches
            | Self::Contains
            | Self::StartsWith
            | Self::EndsWith => 20,
            Self::Add | Self::Sub => 30,
            Self::Mul | Self::Div | Self::Rem => 60,
            Self::Power => 100,
            Self::Coalesce => 500,
        }
    }

    /// Whether `not` may stand before it.
    pub(super) fn can_be_negated(self) -> bool {
        matches!(
            self,
            Self::In | Self::Matches | Self::Contains | Self::StartsWith | Self::EndsWith
        )
    }

    /// Whether several in a row compare each with the next.
    pub(super) fn is_order(self) -> bool {
        matches!(
            self,
            Self::Less | Self::Greater | Self::AtLeast | Self::AtMost
        )
    }
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Int(i64),
    Float(f64),
    Text(String),
    Bool(bool),
    Nil,
    Var(Var),
    List(Vec<Node>),
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// `a < b <= c`: each compared with the next.
    Chain(Box<Node>, Vec<(Binary, Node)>),
    /// The condition, what holds if it is met, and what if not.
    Choice(Box<[Node; 3]>),
    Call(Function, Vec<Node>),
}

/// A part of an expression and where it stands, parentheses around it included.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) ty: Type,
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many levels it has.
    pub(super) depth: usize,
}

impl Node {
    /// The value of a number that is written down, whatever its sign.
    pub(super) fn literal(&self) -> Option<f64> {
        match &self.kind {
            #[expect(clippy::cast_precision_loss, reason = "the gateway reckons so too")]
            Kind::Int(number) => Some(*number as f64),
            Kind::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The parts right below.
    pub(super) fn parts(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::List(parts) | Kind::Call(_, parts) => parts.iter().collect(),
            Kind::Unary(_, part) => vec![part],
            Kind::Binary(_, left, right) => vec![left, right],
            Kind::Chain(first, rest) => {
                let rest = rest.iter().map(|(_, part)| part);
                std::iter::once(&**first).chain(rest).collect()
            }
            Kind::Choice(parts) => parts.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it or any part of it is such a one.
    pub(super) fn any(&self, such: &dyn Fn(&Node) -> bool) -> bool {
        such(self) || self.parts().into_iter().any(|part| part.any(such))
    }

    /// Whether a tier is named in it.
    pub(super) fn has_tier(&self) -> bool {
        self.any(&|part| matches!(part.kind, Kind::Call(Function::Tier, _)))
    }

    /// Whether it asks for the request or the time, and so can be met by some calls and not by others of the same size.
    pub(super) fn has_probe(&self) -> bool {
        self.any(&|part| {
            matches!(
                part.kind,
                Kind::Call(
                    Function::Param
                        | Function::Header
                        | Function::Hour
                        | Function::Minute
                        | Function::Weekday
                        | Function::Month
                        | Function::Day,
                    _
                )
            )
        })
    }
}
