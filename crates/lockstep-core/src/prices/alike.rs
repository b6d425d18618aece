//! Under which name a source has a model that it does not have under its own. Only ever a proposal.

use std::collections::{HashMap, HashSet};

use crate::hold::codes;

codes! {
    /// How two names are alike.
    Rule {
        /// They are the same.
        Exact = "exact",
        /// One has its maker in front, the other has none: `openai/gpt-4o` and `gpt-4o`.
        VendorPrefix = "vendor_prefix",
        /// They differ in letter case.
        LetterCase = "letter_case",
        /// One has a date, or `latest`, at its end and the other has none: `gpt-4o-2024-08-06` and `gpt-4o`.
        DateSuffix = "date_suffix",
    }
}

/// The name that a source has for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The source's name.
    pub name: &'a str,
    /// How it is alike.
    pub rule: Rule,
}

/// The one name under a key, unless there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found<'a> {
    One(&'a str),
    Several,
}

/// One source's names, by what could be alike about them.
#[derive(Clone, Debug, Default)]
pub struct Alike<'a> {
    names: HashSet<&'a str>,
    without_vendor: HashMap<&'a str, Found<'a>>,
    folded: HashMap<String, Found<'a>>,
    without_date: HashMap<&'a str, Found<'a>>,
}

impl<'a> Alike<'a> {
    /// Sorts a source's names.
    pub fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut alike = Self::default();
        for name in names {
            if !alike.names.insert(name) {
                continue;
            }
            put(alike.folded.entry(name.to_lowercase()), name);
            if let Some(model) = without_vendor(name) {
                put(alike.without_vendor.entry(model), name);
            }
            if let Some(model) = without_date(name) {
                put(alike.without_date.entry(model), name);
            }
        }
        alike
    }

    /// The source's name for the model. The rules are asked in their order; one that finds several names ends the
    /// search, for then nobody can tell which one is meant.
    pub fn find(&self, model: &str) -> Option<Match<'a>> {
        if let Some(name) = self.names.get(model) {
            let rule = Rule::Exact;
            return Some(Match { name, rule });
        }
        let named = |name: &str| self.names.get(name).map(|name| Found::One(name));
        let rules = [
            (
                Rule::VendorPrefix,
                either(
                    self.without_vendor.get(model).copied(),
                    without_vendor(model).and_then(named),
                ),
            ),
            (
                Rule::LetterCase,
                self.folded.get(&model.to_lowercase()).copied(),
            ),
            (
                Rule::DateSuffix,
                either(
                    self.without_date.get(model).copied(),
                    without_date(model).and_then(named),
                ),
            ),
        ];
        let (rule, found) = rules
            .into_iter()
            .find_map(|(rule, found)| Some((rule, found?)))?;
        match found {
            Found::One(name) => Some(Match { name, rule }),
            Found::Several => None,
        }
    }
}

fn put<'a, K>(entry: std::collections::hash_map::Entry<'_, K, Found<'a>>, name: &'a str) {
    entry
        .and_modify(|found| *found = Found::Several)
        .or_insert(Found::One(name));
}

fn either<'a>(one: Option<Found<'a>>, other: Option<Found<'a>>) -> Option<Found<'a>> {
    match (one, other) {
        (Some(_), Some(_)) => Some(Found::Several),
        (one, other) => one.or(other),
    }
}

/// The name without its maker; `None` when none is in front.
fn without_vendor(name: &str) -> Option<&str> {
    let (vendor, model) = name.rsplit_once('/')?;
    (!vendor.is_empty() && !model.is_empty()).then_some(model)
}

/// The name without the date at its end; `None` when there is none.
fn without_date(name: &str) -> Option<&str> {
    let model = name.strip_suffix("-latest").or_else(|| {
        [("-dddd-dd-dd", 11), ("-dddddddd", 9)]
            .into_iter()
            .find_map(|(shape, length)| {
                let (model, end) = name.split_at_checked(name.len().checked_sub(length)?)?;
                let fits = shape
                    .bytes()
                    .zip(end.bytes())
                    .all(|(shape, byte)| byte == shape || (shape == b'd' && byte.is_ascii_digit()));
                fits.then_some(model)
            })
    })?;
    (!model.is_empty()).then_some(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str], model: &str) -> Option<(String, &'static str)> {
        let alike = Alike::new(names.iter().copied());
        alike
            .find(model)
            .map(|found| (found.name.to_owned(), found.rule.code()))
    }

    fn is(names: &[&str], model: &str, name: &str, rule: &str) {
        assert_eq!(
            found(names, model),
            Some((
                name.to_owned(),
                Rule::from_code(rule).expect("a rule").code()
            ))
        );
    }

    #[test]
    fn each_rule_finds_its_name_in_both_directions() {
        is(&["gpt-4o", "GPT-4o"], "gpt-4o", "gpt-4o", "exact");
        is(
            &["openai/gpt-4o"],
            "gpt-4o",
            "openai/gpt-4o",
            "vendor_prefix",
        );
        is(&["gpt-4o"], "openai/gpt-4o", "gpt-4o", "vendor_prefix");
        is(&["GPT-4o"], "gpt-4O", "GPT-4o", "letter_case");
        is(&["a-2024-08-06"], "a", "a-2024-08-06", "date_suffix");
        is(&["a"], "a-20240806", "a", "date_suffix");
        is(&["a-latest"], "a", "a-latest", "date_suffix");
    }

    #[test]
    fn several_names_are_none() {
        assert_eq!(found(&["x/a", "y/a"], "a"), None);
        assert_eq!(found(&["x/a", "y/a", "A"], "a"), None);
        assert_eq!(found(&["A", "Aa", "aA"], "aa"), None);
        assert_eq!(found(&["a-20240101", "a-20240202"], "a"), None);
    }

    #[test]
    fn other_makers_and_other_dates_are_not_alike() {
        assert_eq!(found(&["x/a"], "y/a"), None);
        assert_eq!(found(&["a-20240101"], "a-20240202"), None);
        assert_eq!(found(&["a-20240101"], "a-latest"), None);
        assert_eq!(found(&["-20240101", "/", "é-1"], ""), None);
        assert_eq!(found(&["gpt-4-0613"], "gpt-4"), None);
    }
}
