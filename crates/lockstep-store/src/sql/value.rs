//! Values on their way to a database and back.

use std::borrow::Cow;

use sqlx::{Decode, Postgres, Sqlite, Type};

/// A value to bind.
pub(crate) enum Value {
    Text(String),
    Number(i64),
    NoText,
    NoNumber,
}

/// What can be bound: texts, whole numbers, and either of them or nothing.
pub(crate) trait Bind {
    /// Nothing, of this type.
    const NOTHING: Value;

    /// This as a value.
    fn value(self) -> Value;
}

impl Bind for String {
    const NOTHING: Value = Value::NoText;

    fn value(self) -> Value {
        Value::Text(self)
    }
}

impl Bind for &str {
    const NOTHING: Value = Value::NoText;

    fn value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl Bind for &String {
    const NOTHING: Value = Value::NoText;

    fn value(self) -> Value {
        Value::Text(self.clone())
    }
}

impl Bind for i64 {
    const NOTHING: Value = Value::NoNumber;

    fn value(self) -> Value {
        Value::Number(self)
    }
}

impl Bind for &i64 {
    const NOTHING: Value = Value::NoNumber;

    fn value(self) -> Value {
        Value::Number(*self)
    }
}

impl<T: Bind> Bind for Option<T> {
    const NOTHING: Value = T::NOTHING;

    fn value(self) -> Value {
        self.map_or(T::NOTHING, T::value)
    }
}

impl<'a, T> Bind for &'a Option<T>
where
    &'a T: Bind,
{
    const NOTHING: Value = <&'a T>::NOTHING;

    fn value(self) -> Value {
        self.as_ref().value()
    }
}

/// What a column can be read as.
pub(crate) trait Column:
    for<'r> Decode<'r, Sqlite>
    + Type<Sqlite>
    + for<'r> Decode<'r, Postgres>
    + Type<Postgres>
    + Send
    + Unpin
{
    /// What PostgreSQL stores, as it was bound.
    fn from_postgres(self) -> Self;
}

impl Column for String {
    fn from_postgres(self) -> Self {
        restored(self)
    }
}

impl Column for Option<String> {
    fn from_postgres(self) -> Self {
        self.map(restored)
    }
}

impl Column for i64 {
    fn from_postgres(self) -> Self {
        self
    }
}

impl Column for Option<i64> {
    fn from_postgres(self) -> Self {
        self
    }
}

/// PostgreSQL stores every character but NUL. This one, which means nothing to anybody, announces it.
const ESCAPE: char = '\u{10FFFF}';

/// A text as PostgreSQL can store it.
pub(crate) fn storable(text: String) -> String {
    match escaped(&text) {
        Cow::Owned(escaped) => escaped,
        Cow::Borrowed(_) => text,
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => escaped.extend([ESCAPE, '0']),
            ESCAPE => escaped.extend([ESCAPE, '1']),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn restored(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut restored = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ESCAPE if chars.next() == Some('0') => restored.push('\0'),
            c => restored.push(c),
        }
    }
    restored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_stored_without_a_nul_and_comes_back() {
        for text in [
            "",
            "a",
            "a\0b",
            "\0\0",
            "\u{10FFFF}",
            "\u{10FFFF}0\0\u{10FFFF}1",
            "ä0",
        ] {
            let stored = storable(text.to_owned());
            assert!(!stored.contains('\0'), "{text:?}");
            assert_eq!(restored(stored), text);
        }
    }
}
