//! How the values of the core are written as text. They have no stored form of their own, so that changing them
//! never changes by accident what is on the disk.

mod detail;
mod memory;
mod notice;
mod overrides;
mod price;
mod reason;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use detail::Detail;
pub(crate) use memory::MemoryRest;
pub(crate) use notice::{findings_from_text, findings_to_text};
pub(crate) use overrides::OverridesText;
pub(crate) use price::{
    kind_from_code, price_detail_from_text, price_detail_to_text, usd_from_text, usd_to_text,
    values_from_text, values_to_text,
};
pub(crate) use reason::{failure_from_text, failure_to_text, reason_from_text, reason_to_text};

/// The JSON text of a value. Values here are strings, numbers, lists and structs of them, which always have one.
pub(crate) fn to_text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The value of a JSON text, or `None` when it is not one's.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Names as lines. A line break inside a name, which providers do send, is escaped.
pub(crate) fn to_lines(names: &[String]) -> String {
    let mut text = String::with_capacity(names.iter().map(|name| name.len() + 1).sum());
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        if name.contains(['\\', '\n']) {
            text.push_str(&name.replace('\\', "\\\\").replace('\n', "\\n"));
        } else {
            text.push_str(name);
        }
    }
    text
}

/// The names of lines. No name is empty, so an empty text has none.
pub(crate) fn from_lines(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split('\n').map(unescape).collect()
}

fn unescape(line: &str) -> String {
    if !line.contains('\\') {
        return line.to_owned();
    }
    let mut name = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            name.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => name.push('\n'),
            Some(other) => name.push(other),
            None => name.push('\\'),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_their_lines() {
        for names in [
            vec![],
            vec!["a"],
            vec!["a", "b/c", "d e"],
            vec!["line\nbreak", "back\\slash", "both\\\n", "\\n", "\\"],
        ] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(from_lines(&to_lines(&names)), names);
        }
    }
}
