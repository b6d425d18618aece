//! `model_mapping`: aliases that the gateway rewrites to another name before it asks the provider.

use std::collections::{BTreeMap, HashSet};

/// A channel's alias map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    targets: BTreeMap<String, String>,
    broken: bool,
}

impl Mapping {
    /// Reads the gateway's text. Blank and absent are no mapping. Broken JSON, or anything but an object of
    /// texts, counts as none and is [`broken`](Self::broken): the gateway treats it the same way.
    pub fn parse(text: Option<&str>) -> Self {
        let text = text.unwrap_or("").trim();
        if text.is_empty() || text == "null" {
            return Self::default();
        }
        match serde_json::from_str::<BTreeMap<String, String>>(text) {
            Ok(raw) => Self {
                targets: raw
                    .into_iter()
                    .map(|(key, target)| (key.trim().to_owned(), target.trim().to_owned()))
                    .filter(|(key, target)| !key.is_empty() && !target.is_empty())
                    .collect(),
                broken: false,
            },
            Err(_) => Self {
                targets: BTreeMap::new(),
                broken: true,
            },
        }
    }

    /// Whether the text could not be read.
    pub fn broken(&self) -> bool {
        self.broken
    }

    /// Whether the name is an alias: a key that points at another name.
    pub fn is_alias(&self, name: &str) -> bool {
        self.targets.get(name).is_some_and(|target| target != name)
    }

    /// Whether the name is only a target of aliases, not one itself.
    pub fn only_a_target(&self, name: &str) -> bool {
        !self.targets.contains_key(name)
            && self
                .targets
                .iter()
                .any(|(key, target)| target == name && key != name)
    }

    /// The name that the provider is asked for in the end. A chain that runs in a circle ends nowhere.
    pub fn resolve<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut seen = HashSet::new();
        let mut at = name;
        while let Some(target) = self.targets.get(at) {
            if target == at {
                return Some(at);
            }
            if !seen.insert(at) {
                return None;
            }
            at = target;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_followed_and_circles_end_nowhere() {
        let mapping = Mapping::parse(Some(r#"{"a":"b","b":"c","x":"y","y":"x","s":"s"}"#));
        assert_eq!(mapping.resolve("a"), Some("c"));
        assert_eq!(mapping.resolve("x"), None);
        assert_eq!(mapping.resolve("s"), Some("s"));
        assert_eq!(mapping.resolve("other"), Some("other"));
        assert!(mapping.is_alias("a") && !mapping.is_alias("s") && !mapping.is_alias("c"));
        assert!(mapping.only_a_target("c") && !mapping.only_a_target("b"));
    }

    #[test]
    fn broken_json_counts_as_none_and_says_so() {
        for text in ["{", "[]", "{\"a\":1}", "\"a\""] {
            let mapping = Mapping::parse(Some(text));
            assert!(mapping.broken(), "{text}");
            assert!(!mapping.is_alias("a"));
        }
        for text in [None, Some(""), Some(" "), Some("{}"), Some("null")] {
            assert!(!Mapping::parse(text).broken());
        }
    }
}
