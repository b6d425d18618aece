//! From characters to words.

use super::node::Binary;
use super::{Unknown, Why};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    Op(Binary),
    /// `!`, only before a value.
    Bang,
    /// `not`, before a value or before an operator as `in`.
    Not,
    Question,
    Colon,
    Comma,
    Open,
    Close,
    OpenList,
    CloseList,
    End,
}

/// A word and where it stands.
pub(super) struct Word {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of a text from a place on, the last being [`Token::End`].
pub(super) fn words(text: &str, start: usize) -> Result<Vec<Word>, Unknown> {
    let mut lexer = Lexer { text, at: start };
    let mut words = Vec::new();
    loop {
        lexer.space()?;
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        words.push(Word {
            token,
            start,
            end: lexer.at,
        });
        if end {
            return Ok(words);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len();
        }
        there
    }

    /// Goes over everything that fits, and tells how far that was.
    fn run(&mut self, fits: impl Fn(char) -> bool) -> usize {
        let rest = self.rest();
        let length = rest.find(|character| !fits(character));
        let length = length.unwrap_or(rest.len());
        self.at += length;
        length
    }

    fn error<T>(at: usize, why: Why) -> Result<T, Unknown> {
        Err(Unknown { at, why })
    }

    fn space(&mut self) -> Result<(), Unknown> {
        loop {
            self.run(char::is_whitespace);
            let start = self.at;
            if self.take("//") {
                self.run(|character| character != '\n');
            } else if self.take("/*") {
                match self.rest().find("*/") {
                    Some(length) => self.at += length + 2,
                    None => return Self::error(start, Why::Unterminated),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, Unknown> {
        let start = self.at;
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == '.' && self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()) {
            return self.number();
        }
        if is_name(first) {
            self.run(is_name);
            return Ok(word(&self.text[start..self.at]));
        }
        if matches!(first, '"' | '\'' | '`') {
            return self.string(first);
        }
        // The longer ones come first.
        const MARKS: &[(&str, Token)] = &[
            ("||", Token::Op(Binary::Or)),
            ("&&", Token::Op(Binary::And)),
            ("==", Token::Op(Binary::Equal)),
            ("!=", Token::Op(Binary::Unequal)),
            ("<=", Token::Op(Binary::AtMost)),
            (">=", Token::Op(Binary::AtLeast)),
            ("<", Token::Op(Binary::Less)),
            (">", Token::Op(Binary::Greater)),
            ("**", Token::Op(Binary::Power)),
            ("^", Token::Op(Binary::Power)),
            ("*", Token::Op(Binary::Mul)),
            ("/", Token::Op(Binary::Div)),
            ("%", Token::Op(Binary::Rem)),
            ("+", Token::Op(Binary::Add)),
            ("-", Token::Op(Binary::Sub)),
            ("!", Token::Bang),
            ("??", Token::Op(Binary::Coalesce)),
            ("?", Token::Question),
            (":", Token::Colon),
            (",", Token::Comma),
            ("(", Token::Open),
            (")", Token::Close),
            ("[", Token::OpenList),
            ("]", Token::CloseList),
        ];
        // The gateway reads these as one mark each, and knows none of them here.
        for other in ["?.", "::", "<*", ">*", "<&", ">&", "!&", "!*", "*=", "*&"] {
            if self.rest().starts_with(other) {
                return Self::error(start, Why::Character);
            }
        }
        for (mark, token) in MARKS {
            if self.take(mark) {
                return Ok(token.clone());
            }
        }
        Self::error(start, Why::Character)
    }

    fn number(&mut self) -> Result<Token, Unknown> {
        let start = self.at;
        let wrong = || Self::error(start, Why::Number);
        for (prefixes, base) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
            if !self.take(prefixes[0]) && !self.take(prefixes[1]) {
                continue;
            }
            let from = self.at;
            self.run(is_name);
            let digits = self.text[from..self.at].replace('_', "");
            return match i64::from_str_radix(&digits, base) {
                Ok(number) => Ok(Token::Int(number)),
                Err(_) => wrong(),
            };
        }
        let is_digit = |character: char| character.is_ascii_digit() || character == '_';
        self.run(is_digit);
        let mut whole = true;
        if self.peek() == Some('.') {
            // Two dots are a range, which is not part of the known grammar.
            self.at += 1;
            whole = false;
            self.run(is_digit);
        }
        if self.take("e") || self.take("E") {
            whole = false;
            let _ = self.take("+") || self.take("-");
            self.run(is_digit);
        }
        if self.peek().is_some_and(|next| is_name(next) || next == '.') {
            return wrong();
        }
        let digits = self.text[start..self.at].replace('_', "");
        if whole {
            return digits
                .parse()
                .map_or_else(|_| wrong(), |n| Ok(Token::Int(n)));
        }
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Float(number)),
            _ => wrong(),
        }
    }

    fn string(&mut self, quote: char) -> Result<Token, Unknown> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let at = self.at;
            match self.next() {
                None => return Self::error(start, Why::Unterminated),
                Some(next) if next == quote => return Ok(Token::Text(text)),
                Some('\n') if quote != '`' => return Self::error(start, Why::Unterminated),
                Some('\\') if quote != '`' => match self.escape(quote) {
                    Some(character) => text.push(character),
                    None => return Self::error(at, Why::Escape),
                },
                Some(next) => text.push(next),
            }
        }
    }

    fn escape(&mut self, quote: char) -> Option<char> {
        Some(match self.next()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            'x' => return self.coded(2),
            'u' => return self.coded(4),
            'U' => return self.coded(8),
            other if other == quote => quote,
            _ => return None,
        })
    }

    fn coded(&mut self, digits: usize) -> Option<char> {
        let code = self.rest().get(..digits)?;
        let code = code
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(code, 16).ok().and_then(char::from_u32))??;
        self.at += digits;
        Some(code)
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

fn word(word: &str) -> Token {
    match word {
        "not" => Token::Not,
        "or" => Token::Op(Binary::Or),
        "and" => Token::Op(Binary::And),
        "in" => Token::Op(Binary::In),
        "matches" => Token::Op(Binary::Matches),
        "contains" => Token::Op(Binary::Contains),
        "startsWith" => Token::Op(Binary::StartsWith),
        "endsWith" => Token::Op(Binary::EndsWith),
        other => Token::Name(other.to_owned()),
    }
}
