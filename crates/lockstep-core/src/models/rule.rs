//! Rules: which of a provider's names a channel may list.

use std::fmt;

use globset::{Glob, GlobMatcher};
use regex::{Regex, RegexBuilder};
use thiserror::Error;

use super::fate::Dropped;

/// The most memory, in bytes, that one compiled pattern may take.
const PATTERN_SIZE: usize = 1 << 20;

/// One pattern. `regex:` and `glob:` name their kind, `text:` a part of a name; without a prefix a
/// pattern with `*` or `?` is a glob over the whole name, any other is a part of a name.
/// Parts and globs ignore case; a regex is as written and takes linear time (no look-around).
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    Part(String),
    Glob(Box<GlobMatcher>),
    Regex(Box<Regex>),
}

/// A pattern that cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadPattern {
    /// Nothing is in it; it would match everything.
    #[error("the pattern is empty; it would match every name")]
    Empty,
    /// The glob or regex does not compile.
    #[error("`{pattern}` is not a pattern: {reason}")]
    Invalid {
        /// The pattern as given.
        pattern: String,
        /// What the compiler said, on one line.
        reason: String,
    },
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let text = text.trim();
        let invalid = |reason: String| BadPattern::Invalid {
            pattern: text.to_owned(),
            reason: reason
                .lines()
                .map(str::trim)
                .rfind(|line| !line.is_empty())
                .unwrap_or("it does not compile")
                .to_owned(),
        };
        let glob = |glob: &str| {
            let folded = glob.to_lowercase();
            Glob::new(&folded)
                .map(|glob| Matcher::Glob(Box::new(glob.compile_matcher())))
                .map_err(|error| invalid(error.to_string()))
        };
        let body = |body: &str| {
            let body = body.trim();
            if body.is_empty() {
                Err(BadPattern::Empty)
            } else {
                Ok(body.to_owned())
            }
        };
        let matcher = if let Some(rest) = text.strip_prefix("regex:") {
            let regex = RegexBuilder::new(&body(rest)?)
                .size_limit(PATTERN_SIZE)
                .build()
                .map_err(|error| invalid(error.to_string()))?;
            Matcher::Regex(Box::new(regex))
        } else if let Some(rest) = text.strip_prefix("glob:") {
            glob(&body(rest)?)?
        } else if let Some(rest) = text.strip_prefix("text:") {
            Matcher::Part(body(rest)?.to_lowercase())
        } else if text.contains(['*', '?']) {
            glob(text)?
        } else {
            Matcher::Part(body(text)?.to_lowercase())
        };
        Ok(Self {
            text: text.to_owned(),
            matcher,
        })
    }

    /// Whether the name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.matches_folded(name, &name.to_lowercase())
    }

    /// The same, for a caller who asks many patterns and has folded the name to lower case once.
    fn matches_folded(&self, name: &str, folded: &str) -> bool {
        match &self.matcher {
            Matcher::Part(part) => folded.contains(part),
            Matcher::Glob(glob) => glob.is_match(folded),
            Matcher::Regex(regex) => regex.is_match(name),
        }
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

/// One list of rules. An empty one lets every name pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Exact names; when there are any, no other passes.
    pub allow: Vec<String>,
    /// When there are any, a name must match one.
    pub include: Vec<Pattern>,
    /// A name that matches one does not pass.
    pub exclude: Vec<Pattern>,
}

impl Rules {
    /// Why the name does not pass, or `None` when it does.
    pub fn refuses(&self, name: &str) -> Option<Dropped> {
        if !self.allow.is_empty() && !self.allow.iter().any(|allowed| allowed == name) {
            return Some(Dropped::NotAllowed);
        }
        if self.include.is_empty() && self.exclude.is_empty() {
            return None;
        }
        let folded = name.to_lowercase();
        let any = |patterns: &[Pattern]| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| pattern.matches_folded(name, &folded))
        };
        if !self.include.is_empty() && !any(&self.include) {
            return Some(Dropped::NotIncluded);
        }
        any(&self.exclude).then_some(Dropped::Excluded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).expect("compiles").matches(name)
    }

    #[test]
    fn parts_ignore_case_and_globs_take_the_whole_name() {
        assert!(matches("GPT", "openai/gpt-4o"));
        assert!(matches("gpt-*", "GPT-4o"));
        assert!(!matches("gpt-*", "openai/gpt-4o"));
        assert!(matches("*/gpt-*", "openai/gpt-4o"));
        assert!(matches("text:a*b", "xA*By"));
    }

    #[test]
    fn a_regex_is_as_written() {
        assert!(matches("regex:^gpt-[0-9]", "gpt-4o"));
        assert!(!matches("regex:^gpt-[0-9]", "GPT-4o"));
        assert!(matches("regex:(?i)^gpt", "GPT-4o"));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        assert_eq!(Pattern::parse("  ").err(), Some(BadPattern::Empty));
        assert_eq!(Pattern::parse("glob:").err(), Some(BadPattern::Empty));
        assert!(Pattern::parse("regex:(?=a)").is_err());
        assert!(Pattern::parse("regex:((a{1000}){1000}){1000}").is_err());
        assert!(Pattern::parse("glob:[a").is_err());
    }

    #[test]
    fn allow_then_include_then_exclude() {
        let rules = Rules {
            allow: vec![],
            include: vec![Pattern::parse("gpt").expect("compiles")],
            exclude: vec![Pattern::parse("*-preview").expect("compiles")],
        };
        assert_eq!(rules.refuses("gpt-4o"), None);
        assert_eq!(rules.refuses("claude"), Some(Dropped::NotIncluded));
        assert_eq!(rules.refuses("gpt-4-preview"), Some(Dropped::Excluded));
        let exact = Rules {
            allow: vec!["a".into()],
            ..Rules::default()
        };
        assert_eq!(exact.refuses("A"), Some(Dropped::NotAllowed));
    }
}
