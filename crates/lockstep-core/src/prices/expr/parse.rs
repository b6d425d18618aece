//! From words to an expression, by the precedences of expr-lang.

use super::check::type_of;
use super::lex::{Token, Word, words};
use super::node::{Binary, Function, Kind, Node, Type, Unary, Var};
use super::{DEPTH, Unknown, Why};

/// Reads the expression that begins at a place of a text.
pub(super) fn parse(text: &str, start: usize) -> Result<Node, Unknown> {
    let mut parser = Parser {
        words: words(text, start)?,
        place: 0,
        nesting: 0,
    };
    if parser.words.len() == 1 {
        return parser.wrong(Why::Empty);
    }
    let root = parser.expression(0)?;
    if *parser.token() != Token::End {
        return parser.wrong(Why::Unexpected);
    }
    if !matches!(root.ty, Type::Int | Type::Float | Type::Any) {
        return Err(Unknown {
            at: root.start,
            why: Why::Result,
        });
    }
    Ok(root)
}

struct Parser {
    words: Vec<Word>,
    place: usize,
    nesting: usize,
}

impl Parser {
    fn word(&self) -> &Word {
        // The last word is the end, and nothing reads over that.
        &self.words[self.place]
    }

    fn token(&self) -> &Token {
        &self.word().token
    }

    fn wrong<T>(&self, why: Why) -> Result<T, Unknown> {
        Err(Unknown {
            at: self.word().start,
            why,
        })
    }

    fn next(&mut self) {
        self.place = (self.place + 1).min(self.words.len() - 1);
    }

    fn take(&mut self, token: &Token) -> bool {
        let there = self.token() == token;
        if there {
            self.next();
        }
        there
    }

    fn expect(&mut self, token: &Token) -> Result<(), Unknown> {
        if self.take(token) {
            Ok(())
        } else {
            self.wrong(Why::Unexpected)
        }
    }

    /// Where the word before ends.
    fn end(&self) -> usize {
        self.words[self.place.saturating_sub(1)].end
    }

    fn node(&self, kind: Kind, start: usize) -> Result<Node, Unknown> {
        let mut node = Node {
            kind,
            ty: Type::Any,
            start,
            end: self.end(),
            depth: 1,
        };
        let below = node.parts().iter().map(|part| part.depth).max();
        node.depth = 1 + below.unwrap_or(0);
        if node.depth > DEPTH {
            return Err(Unknown {
                at: start,
                why: Why::TooDeep,
            });
        }
        match type_of(&node.kind) {
            Ok(ty) => {
                node.ty = ty;
                Ok(node)
            }
            Err(why) => Err(Unknown { at: start, why }),
        }
    }

    /// An expression whose operators bind at least so tightly.
    fn expression(&mut self, least: u16) -> Result<Node, Unknown> {
        self.nesting += 1;
        if self.nesting > DEPTH {
            return self.wrong(Why::TooDeep);
        }
        let mut left = self.primary()?;
        let mut coalesced = false;
        while let Some((op, negated)) = self.operator(least)? {
            // The gateway wants parentheses where `??` is followed by another operator.
            if coalesced && op != Binary::Coalesce {
                self.place -= 1;
                return self.wrong(Why::Unexpected);
            }
            coalesced = op == Binary::Coalesce;
            left = self.rest(left, op, negated)?;
        }
        if least == 0 {
            left = self.choice(left)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    /// The operator here, read over, if it binds tightly enough, and whether `not` stands before it.
    fn operator(&mut self, least: u16) -> Result<Option<(Binary, bool)>, Unknown> {
        let negated = *self.token() == Token::Not;
        let ahead = &self.words[(self.place + usize::from(negated)).min(self.words.len() - 1)];
        match ahead.token {
            Token::Op(op) if negated && !op.can_be_negated() => self.wrong(Why::Unexpected),
            Token::Op(op) if op.precedence() >= least => {
                self.place += 1 + usize::from(negated);
                Ok(Some((op, negated)))
            }
            Token::Op(_) => Ok(None),
            _ if negated => self.wrong(Why::Unexpected),
            _ => Ok(None),
        }
    }

    /// What follows an operator.
    fn rest(&mut self, left: Node, op: Binary, negated: bool) -> Result<Node, Unknown> {
        let start = left.start;
        let precedence = op.precedence();
        if op == Binary::Power {
            let right = self.expression(precedence)?;
            return self.node(Kind::Binary(op, Box::new(left), Box::new(right)), start);
        }
        let right = self.expression(precedence + 1)?;
        let mut node = if op.is_order() && self.is_order() {
            let mut rest = vec![(op, right)];
            while let Token::Op(op) = *self.token()
                && op.is_order()
            {
                self.next();
                rest.push((op, self.expression(precedence + 1)?));
            }
            self.node(Kind::Chain(Box::new(left), rest), start)?
        } else {
            self.node(Kind::Binary(op, Box::new(left), Box::new(right)), start)?
        };
        if negated {
            node = self.node(Kind::Unary(Unary::Not, Box::new(node)), start)?;
        }
        // Versions of expr-lang differ in what `a == b < c` means.
        if let Token::Op(next) = *self.token()
            && precedence == 20
            && next.precedence() == 20
        {
            return self.wrong(Why::Unexpected);
        }
        Ok(node)
    }

    fn is_order(&self) -> bool {
        matches!(self.token(), Token::Op(op) if op.is_order())
    }

    fn choice(&mut self, condition: Node) -> Result<Node, Unknown> {
        let start = condition.start;
        if !self.take(&Token::Question) {
            return Ok(condition);
        }
        let met = self.expression(0)?;
        self.expect(&Token::Colon)?;
        let unmet = self.expression(0)?;
        self.node(Kind::Choice(Box::new([condition, met, unmet])), start)
    }

    fn primary(&mut self) -> Result<Node, Unknown> {
        let start = self.word().start;
        let unary = match self.token() {
            Token::Bang | Token::Not => Some((Unary::Not, 50)),
            Token::Op(Binary::Sub) => Some((Unary::Minus, 90)),
            Token::Op(Binary::Add) => Some((Unary::Plus, 90)),
            _ => None,
        };
        if let Some((op, precedence)) = unary {
            self.next();
            let part = self.expression(precedence)?;
            return self.node(Kind::Unary(op, Box::new(part)), start);
        }
        if self.take(&Token::Open) {
            let mut inside = self.expression(0)?;
            self.expect(&Token::Close)?;
            inside.start = start;
            inside.end = self.end();
            return Ok(inside);
        }
        let kind = match self.token().clone() {
            Token::Int(number) => Kind::Int(number),
            Token::Float(number) => Kind::Float(number),
            Token::Text(text) => Kind::Text(text),
            Token::Name(name) => return self.named(&name),
            Token::OpenList => {
                self.next();
                let parts = self.list(&Token::CloseList)?;
                return self.node(Kind::List(parts), start);
            }
            _ => return self.wrong(Why::Unexpected),
        };
        self.next();
        self.node(kind, start)
    }

    fn named(&mut self, name: &str) -> Result<Node, Unknown> {
        let start = self.word().start;
        let at = |why| Err(Unknown { at: start, why });
        self.next();
        let kind = match name {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "nil" => Kind::Nil,
            _ if *self.token() == Token::Open => {
                let Some(function) = Function::from_code(name) else {
                    return at(Why::Function);
                };
                self.next();
                Kind::Call(function, self.list(&Token::Close)?)
            }
            _ => match Var::from_code(name) {
                Some(var) => Kind::Var(var),
                None => return at(Why::Name),
            },
        };
        self.node(kind, start)
    }

    /// Expressions with commas between them, and one behind the last if somebody likes.
    fn list(&mut self, end: &Token) -> Result<Vec<Node>, Unknown> {
        let mut parts = Vec::new();
        while !self.take(end) {
            if !parts.is_empty() {
                self.expect(&Token::Comma)?;
                if self.take(end) {
                    break;
                }
            }
            parts.push(self.expression(0)?);
        }
        Ok(parts)
    }
}
