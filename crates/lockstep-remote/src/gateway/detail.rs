//! Details fit to be stored and shown: one short line without secrets.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// The longest detail, in characters.
const LONGEST: usize = 300;
/// What stands where a secret stood.
const CUT: &str = "***";
/// A token shorter than this is no secret, and cutting it would shred the text.
const SHORTEST_SECRET: usize = 6;
/// How providers' keys begin.
const KEY_PREFIXES: &[&str] = &["sk-", "AIza", "Bearer"];

/// Cleans texts that came from outside.
pub(crate) struct Cleaner(SecretString);

impl Cleaner {
    pub(crate) fn new(token: SecretString) -> Self {
        Self(token)
    }

    /// One line of at most [`LONGEST`] characters, without control characters, the token, providers' keys,
    /// and the queries and users of addresses.
    pub(crate) fn clean(&self, text: &str) -> String {
        // Invisible characters go first: a token with one inside would be whole again once they are gone.
        let visible: String = text.chars().filter_map(visible).collect();
        let token = self.0.expose_secret().trim();
        let cut = if token.len() >= SHORTEST_SECRET {
            visible.replace(token, CUT)
        } else {
            visible
        };
        let mut words: Vec<String> = Vec::new();
        for word in cut.split_whitespace() {
            let after_bearer = words
                .last()
                .is_some_and(|last| last.to_ascii_lowercase().ends_with("bearer"));
            words.push(if after_bearer {
                CUT.to_owned()
            } else {
                without_keys(&without_query(word))
            });
        }
        shorten(words.join(" "))
    }
}

impl fmt::Debug for Cleaner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cleaner")
    }
}

/// Control characters become spaces; marks that turn the direction of text are dropped.
fn visible(character: char) -> Option<char> {
    match character {
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => None,
        '\n' | '\r' | '\t' => Some(' '),
        other if other.is_control() => None,
        other => Some(other),
    }
}

/// An address keeps scheme, host and path. Some providers take their key in the query.
fn without_query(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let end = |text: &str| {
        text.find(['"', '\'', ')', ']', '>', ','])
            .unwrap_or(text.len())
    };
    let (address, tail) = rest.split_at(end(rest));
    let (address, query) = match address.find(['?', '#']) {
        Some(at) => (address.get(..at).unwrap_or_default(), "?…"),
        None => (address, ""),
    };
    let host = address.find('/').unwrap_or(address.len());
    let address = match address.get(..host).and_then(|text| text.rfind('@')) {
        Some(at) => address.get(at + 1..).unwrap_or_default(),
        None => address,
    };
    format!("{scheme}://{address}{query}{tail}")
}

/// Cuts what follows a key's well-known beginning.
fn without_keys(word: &str) -> String {
    let mut left = word;
    let mut kept = String::new();
    let key_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.');
    while let Some((at, prefix)) = KEY_PREFIXES
        .iter()
        .filter_map(|prefix| left.find(prefix).map(|at| (at, *prefix)))
        .min()
    {
        let (before, from) = left.split_at(at);
        let rest = from.get(prefix.len()..).unwrap_or_default();
        let after = rest.trim_start_matches(key_character);
        let inside_a_word = before.ends_with(|c: char| c.is_ascii_alphanumeric());
        kept.push_str(before);
        kept.push_str(prefix);
        if after.len() != rest.len() && !inside_a_word {
            kept.push_str(CUT);
            left = after;
        } else {
            left = rest;
        }
    }
    kept + left
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some(_) => text.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        Cleaner::new("CANARY-token-1".into()).clean(text)
    }

    #[test]
    fn the_token_is_cut_however_it_is_broken_up() {
        assert_eq!(clean("token CANARY-token-1 is bad"), "token *** is bad");
        assert_eq!(clean("xCANARY\u{0}-to\u{202e}ken-1x"), "x***x");
        assert!(!clean(&format!("{}CANARY-token-1", "x".repeat(295))).contains("CANARY"));
    }

    #[test]
    fn providers_keys_and_queries_are_cut() {
        for (text, clear) in [
            ("bad key: sk-abc.def_1*23, sorry", "bad key: sk-***, sorry"),
            (
                "Get \"https://u:p@h.example/v1/models?key=AIzaX\": EOF",
                "Get \"https://h.example/v1/models?…\": EOF",
            ),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("key=AIzaSyD-1 given", "key=AIza*** given"),
            ("the task-force model", "the task-force model"),
            (
                "获取模型列表失败: status code: 401",
                "获取模型列表失败: status code: 401",
            ),
        ] {
            assert_eq!(clean(text), clear);
        }
    }

    #[test]
    fn a_detail_is_one_short_line() {
        assert_eq!(clean("a\r\n\tb\u{7}c"), "a bc");
        let long = clean(&"é".repeat(1_000));
        assert_eq!(long.chars().count(), 300);
        assert_eq!(clean(&"é".repeat(300)), "é".repeat(300));
    }
}
