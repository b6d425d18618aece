//! Reading JSON in place: where things stand, and what is wrong where.

use std::borrow::Cow;

use crate::hold::codes;

codes! {
    /// What should have stood at the place where a map's text stops being one.
    Expected {
        /// A JSON object.
        Object = "object",
        /// The name of an entry, or the end of the map.
        Name = "name",
        /// The colon behind a name.
        Colon = "colon",
        /// A JSON value.
        Value = "value",
        /// A comma, or the closing bracket.
        Comma = "comma",
        /// A digit.
        Digit = "digit",
        /// More of a string: a character, an escape or its closing quote.
        Character = "character",
        /// Nothing more.
        End = "end",
        /// Fewer levels of nesting.
        Shallower = "shallower",
        /// A text below 4 GiB.
        Shorter = "shorter",
    }
}

/// Why a text is not a map that can be written: the place, what should have stood there, and what does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} expected at line {line}, column {column}", expected.code())]
pub struct Unwritable {
    /// The place, in bytes from the start.
    pub at: usize,
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// What should have stood there.
    pub expected: Expected,
    /// The character that stands there; `None` at the end of the text.
    pub found: Option<char>,
}

/// As deep as values may be nested.
const DEPTH: usize = 128;

/// Reads forward over a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

type Place = (u32, u32);

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How far it has read, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Reads a whole object, telling the places of each name and value, and returns where its braces are.
    pub(super) fn object(
        &mut self,
        mut entry: impl FnMut(Place, Place),
    ) -> Result<Place, Unwritable> {
        if u32::try_from(self.text.len()).is_err() {
            return Err(self.expected(Expected::Shorter));
        }
        self.space();
        let open = self.place();
        if !self.take(b'{') {
            return Err(self.expected(Expected::Object));
        }
        self.space();
        let mut close = self.place();
        if !self.take(b'}') {
            loop {
                let start = self.place();
                self.string(Expected::Name)?;
                let name = (start, self.place());
                self.colon()?;
                let start = self.place();
                self.value(1)?;
                entry(name, (start, self.place()));
                self.space();
                close = self.place();
                if self.take(b'}') {
                    break;
                }
                self.comma()?;
            }
        }
        self.space();
        if self.at < self.text.len() {
            return Err(self.expected(Expected::End));
        }
        Ok((open, close))
    }

    /// Reads over one value, `depth` levels down.
    pub(super) fn value(&mut self, depth: usize) -> Result<(), Unwritable> {
        if depth > DEPTH {
            return Err(self.expected(Expected::Shallower));
        }
        match self.peek() {
            Some(b'"') => self.string(Expected::Value),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.nested(depth, b'}', true),
            Some(b'[') => self.nested(depth, b']', false),
            _ => {
                let rest = &self.text[self.at..];
                for word in ["true", "false", "null"] {
                    if rest.starts_with(word) {
                        self.at += word.len();
                        return Ok(());
                    }
                }
                Err(self.expected(Expected::Value))
            }
        }
    }

    /// Reads over a number of JSON's grammar.
    pub(super) fn number(&mut self) -> Result<(), Unwritable> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn nested(&mut self, depth: usize, end: u8, named: bool) -> Result<(), Unwritable> {
        self.at += 1;
        self.space();
        if self.take(end) {
            return Ok(());
        }
        loop {
            if named {
                self.string(Expected::Name)?;
                self.colon()?;
            }
            self.value(depth + 1)?;
            self.space();
            if self.take(end) {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn colon(&mut self) -> Result<(), Unwritable> {
        self.space();
        if !self.take(b':') {
            return Err(self.expected(Expected::Colon));
        }
        self.space();
        Ok(())
    }

    fn comma(&mut self) -> Result<(), Unwritable> {
        if !self.take(b',') {
            return Err(self.expected(Expected::Comma));
        }
        self.space();
        Ok(())
    }

    fn string(&mut self, expected: Expected) -> Result<(), Unwritable> {
        if !self.take(b'"') {
            return Err(self.expected(expected));
        }
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return Err(self.expected(Expected::Character)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Unwritable> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.expected(Expected::Character));
                    }
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(self.expected(Expected::Character)),
        }
    }

    fn digits(&mut self) -> Result<(), Unwritable> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected(Expected::Digit));
        }
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The place, in the four bytes that an entry has for it. The length was checked before the first.
    fn place(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(u32::MAX)
    }

    /// The error here. Bytes of a longer character are only ever read over as a whole string, so this is a boundary.
    fn expected(&self, expected: Expected) -> Unwritable {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Unwritable {
            at: before.len(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            expected,
            found: self.text[before.len()..].chars().next(),
        }
    }
}

/// The characters that a JSON string's inside stands for. Half of a surrogate pair becomes U+FFFD, as in the gateway.
pub(super) fn unescape(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut told = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(backslash) = rest.find('\\') {
        told.push_str(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let Some(kind) = rest.chars().next() else {
            break;
        };
        rest = &rest[kind.len_utf8()..];
        match kind {
            'b' => told.push('\u{8}'),
            'f' => told.push('\u{c}'),
            'n' => told.push('\n'),
            'r' => told.push('\r'),
            't' => told.push('\t'),
            'u' => {
                let (character, read) = unicode(rest);
                told.push(character);
                rest = &rest[read..];
            }
            other => told.push(other),
        }
    }
    told.push_str(rest);
    Cow::Owned(told)
}

/// The character behind `\u`, and how many bytes it takes.
fn unicode(rest: &str) -> (char, usize) {
    let unit = |from: usize| u16::from_str_radix(rest.get(from..from + 4)?, 16).ok();
    let Some(first) = unit(0) else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    if let Some(Ok(character)) = char::decode_utf16([first]).next() {
        return (character, 4);
    }
    if rest.get(4..6) == Some("\\u")
        && let Some(second) = unit(6)
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
    {
        return (character, 10);
    }
    (char::REPLACEMENT_CHARACTER, 4)
}
