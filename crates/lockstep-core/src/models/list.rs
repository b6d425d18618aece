//! Model lists: a comma-joined text on the gateway, names in order here.

use std::collections::HashSet;

/// The longest model name, in bytes, that the gateway's routing table can hold.
pub const LONGEST_NAME: usize = 255;

/// The names of a channel's `models` text: trimmed, without empties and duplicates, in their order.
pub fn parse(text: &str) -> Vec<String> {
    let names: Vec<&str> = text.split(',').collect();
    normalize(names)
}

/// Whether a `models` text is just these names, joined as the gateway has them.
pub(super) fn is_joined(names: &[String], text: &str) -> bool {
    !names.is_empty() && text.split(',').eq(names.iter().map(String::as_str))
}

/// Names as a list: trimmed, without empties and duplicates, in their order.
pub fn normalize<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names = names.into_iter();
    let mut seen = HashSet::with_capacity(names.size_hint().0);
    names
        .map(str::trim)
        .filter(|name| !name.is_empty() && seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

/// Whether the gateway can store and route the name: it splits lists at commas and its routing
/// table has a column of 255.
pub fn writable(name: &str) -> bool {
    let control = if name.is_ascii() {
        name.bytes().any(|byte| byte.is_ascii_control())
    } else {
        name.chars().any(char::is_control)
    };
    name.len() <= LONGEST_NAME && !name.contains(',') && !control
}

/// A `models` text that is not empty. The gateway ignores an empty one and answers success,
/// so there is no way to send it: this type is all that the writer takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonEmptyModels(String);

impl NonEmptyModels {
    /// The text as it stands, byte for byte; `None` when no name is in it.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let named = text.split(',').any(|name| !name.trim().is_empty());
        named.then_some(Self(text))
    }

    /// The text that is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_empties_and_duplicates_go_and_order_stays() {
        assert_eq!(parse(" b, a ,,b,c,"), ["b", "a", "c"]);
        assert!(parse(" , ").is_empty());
    }

    #[test]
    fn an_empty_list_cannot_be_made() {
        assert!(NonEmptyModels::new("").is_none());
        assert!(NonEmptyModels::new(" ,, ").is_none());
        assert_eq!(
            NonEmptyModels::new("a, b").map(|m| m.as_str().to_owned()),
            Some("a, b".to_owned())
        );
    }

    #[test]
    fn commas_control_characters_and_long_names_cannot_be_written() {
        assert!(writable("openai/gpt-4o:free"));
        assert!(!writable("a,b"));
        assert!(!writable("a\nb"));
        assert!(!writable(&"x".repeat(256)));
    }
}
