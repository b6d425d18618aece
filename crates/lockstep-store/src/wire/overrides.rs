//! Overrides as JSON.

use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::{Pattern, Rules};
use lockstep_core::settings::Overrides;
use serde::{Deserialize, Serialize};

/// The overrides of a channel or provider, patterns as they were given.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OverridesText {
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keep: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exclude: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed: Vec<String>,
}

impl OverridesText {
    /// The stored form of overrides.
    pub(crate) fn of(overrides: &Overrides) -> Self {
        let Overrides {
            policy,
            keep,
            rules:
                Rules {
                    allow,
                    include,
                    exclude,
                },
            allowed,
        } = overrides.clone();
        Self {
            policy: policy.map(|policy| policy.code().to_owned()),
            keep,
            allow,
            include: include
                .iter()
                .map(|pattern| pattern.as_str().to_owned())
                .collect(),
            exclude: exclude
                .iter()
                .map(|pattern| pattern.as_str().to_owned())
                .collect(),
            allowed,
        }
    }

    /// The overrides of the stored form, unless it names a policy or pattern that there is not.
    pub(crate) fn overrides(self) -> Option<Overrides> {
        let patterns = |texts: Vec<String>| -> Option<Vec<Pattern>> {
            texts.iter().map(|text| Pattern::parse(text).ok()).collect()
        };
        Some(Overrides {
            policy: match self.policy {
                Some(code) => Some(Policy::from_code(&code)?),
                None => None,
            },
            keep: self.keep,
            rules: Rules {
                allow: self.allow,
                include: patterns(self.include)?,
                exclude: patterns(self.exclude)?,
            },
            allowed: self.allowed,
        })
    }
}
