//! The settings of a site's model sync: one table of fields, from which flags, the configuration file,
//! the database and pages all read and write.

use std::time::Duration;

use thiserror::Error;

use crate::models::limits::Limits;
use crate::models::policy::Policy;
use crate::models::rule::{Pattern, Rules};
use crate::pace::{Bucket, Pace, Window};
use crate::prices::cost::{MarkupRule, Rounding};
use crate::prices::limits::PriceLimits;
use crate::prices::mode::Scope;

mod fields;

pub use fields::FIELDS;

/// How requests are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaceMode {
    /// A token bucket by the numbers below (default).
    Fixed,
    /// As fast as 70 % of the gateway's own limit allows.
    Auto,
    /// No pace at all; only for a simulated gateway and for measurements, no flag names it.
    Unlimited,
}

/// What becomes of an added name without a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It waits until it has one (default), where prices can be read and the gateway does not serve itself alone.
    Hold,
    /// It is added, and listed among the unpriced.
    List,
    /// Nobody looks at prices.
    Off,
}

/// The settings of price runs.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceSettings {
    /// Which models a run touches. Default: those without a price that an enabled channel serves.
    pub scope: Scope,
    /// The brakes.
    pub limits: PriceLimits,
    /// What is put on top by a model's name; the first that matches counts.
    pub markup: Vec<MarkupRule>,
    /// How numbers that were reckoned are written.
    pub rounding: Rounding,
    /// Time limit of one source over all its tries. Default 10 s, 1 to 120.
    pub timeout: Duration,
}

impl Default for PriceSettings {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            limits: PriceLimits::default(),
            markup: Vec::new(),
            rounding: Rounding::default(),
            timeout: Duration::from_secs(10),
        }
    }
}

/// How long history is kept: what is younger, and the newest runs whatever their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Days that a run is kept. Default 90, 1 to 3650.
    pub days: u32,
    /// The newest runs of each subject that are kept. Default 100, 1 to 100,000.
    pub runs: u32,
}

impl Default for History {
    fn default() -> Self {
        Self {
            days: 90,
            runs: 100,
        }
    }
}

/// The settings of a site, with the defaults of the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Fixed or automatic pace.
    pub pace: PaceMode,
    /// Requests per minute at the fixed pace. Default 20, 1 to 120, recommended 10 to 30.
    pub requests_per_minute: u32,
    /// Burst limit at the fixed pace. Default 5, 1 to 60, recommended 3 to 10.
    pub burst: u32,
    /// Channels at once. Default 2, 1 to 8, recommended 1 to 3.
    pub concurrency: u32,
    /// Further tries after a failure that may pass. Default 3, 0 to 5, recommended 2 to 5.
    pub max_retries: u32,
    /// Time limit of one try at one channel. Default 60 s, 1 to 600.
    pub channel_timeout: Duration,
    /// What lists become.
    pub policy: Policy,
    /// Names that are always kept.
    pub keep: Vec<String>,
    /// The site's rules; a channel's come after them.
    pub rules: Rules,
    /// Whether disabled channels are skipped. Default no, as the seed says.
    pub enabled_only: bool,
    /// The brakes.
    pub limits: Limits,
    /// What becomes of an added name without a price.
    pub price_gate: Gate,
    /// What price runs do.
    pub prices: PriceSettings,
    /// How long history is kept.
    pub history: History,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pace: PaceMode::Fixed,
            requests_per_minute: 20,
            burst: 5,
            concurrency: 2,
            max_retries: 3,
            channel_timeout: Duration::from_secs(60),
            policy: Policy::Mirror,
            keep: Vec::new(),
            rules: Rules::default(),
            enabled_only: false,
            limits: Limits::default(),
            price_gate: Gate::Hold,
            prices: PriceSettings::default(),
            history: History::default(),
        }
    }
}

impl Settings {
    /// A fresh pace as set, for a gateway that lets `gateway_calls` requests pass in a window.
    pub fn fresh_pace(&self, gateway_calls: u32) -> Pace {
        match self.pace {
            PaceMode::Fixed => Pace::Fixed(Bucket::new(self.requests_per_minute, self.burst)),
            PaceMode::Auto => Pace::Auto(Window::new(gateway_calls)),
            PaceMode::Unlimited => Pace::Unlimited,
        }
    }

    /// How many channels are worked on at once: `auto` finds its own number.
    pub fn effective_concurrency(&self) -> usize {
        match self.pace {
            PaceMode::Fixed | PaceMode::Unlimited => self.concurrency as usize,
            PaceMode::Auto => 8,
        }
    }

    /// Every field with its present value, as text.
    pub fn to_texts(&self) -> Vec<(&'static str, String)> {
        FIELDS
            .iter()
            .map(|field| (field.key, (field.get)(self)))
            .collect()
    }

    /// Sets one field from its text.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), BadSetting> {
        let field = FIELDS
            .iter()
            .find(|field| field.key == key)
            .ok_or_else(|| BadSetting::Unknown(key.to_owned()))?;
        (field.set)(self, value.trim())
    }

    /// The fields that are allowed but outside their recommended range.
    pub fn warnings(&self) -> Vec<&'static Field> {
        FIELDS
            .iter()
            .filter(|field| {
                field.recommended.is_some_and(|(low, high)| {
                    (field.get)(self)
                        .parse::<u64>()
                        .is_ok_and(|value| value < low || value > high)
                })
            })
            .collect()
    }
}

/// A setting that cannot be taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadSetting {
    /// No field has this name.
    #[error("there is no setting `{0}`")]
    Unknown(String),
    /// The number is outside what the field can be.
    #[error("{key} is {value}; it can be {low} to {high}")]
    Range {
        /// The field.
        key: &'static str,
        /// What was given.
        value: String,
        /// The lowest value.
        low: u64,
        /// The highest value.
        high: u64,
    },
    /// The text is none of the field's values.
    #[error("{key} is `{value}`; {expected}")]
    Value {
        /// The field.
        key: &'static str,
        /// What was given.
        value: String,
        /// What it can be.
        expected: String,
    },
}

/// One field of [`Settings`].
pub struct Field {
    /// Its name: the flag without dashes, the key in the file and in the database.
    pub key: &'static str,
    /// The hard range of a number.
    pub hard: Option<(u64, u64)>,
    /// The recommended range of a number.
    pub recommended: Option<(u64, u64)>,
    get: fn(&Settings) -> String,
    set: fn(&mut Settings, &str) -> Result<(), BadSetting>,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({})", self.key)
    }
}

/// Reads a policy's name.
pub fn parse_policy(text: &str) -> Result<Policy, BadSetting> {
    Policy::from_code(text).ok_or_else(|| {
        let names: Vec<&str> = Policy::ALL.iter().map(|policy| policy.code()).collect();
        not_one_of("policy", text, &format!("it can be {}", names.join(", ")))
    })
}

/// Reads patterns, one a line.
pub fn parse_patterns(key: &'static str, text: &str) -> Result<Vec<Pattern>, BadSetting> {
    lines(text)
        .map(|line| Pattern::parse(line).map_err(|error| not_one_of(key, line, &error.to_string())))
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn not_one_of(key: &'static str, value: &str, expected: &str) -> BadSetting {
    BadSetting::Value {
        key,
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}

fn in_range(key: &'static str, text: &str, low: u64, high: u64) -> Result<u64, BadSetting> {
    match text.parse::<u64>() {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(BadSetting::Range {
            key,
            value: text.to_owned(),
            low,
            high,
        }),
    }
}

/// What one channel, or all channels of one provider, have of their own beside the site's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// A policy of its own.
    pub policy: Option<Policy>,
    /// Further names that are always kept.
    pub keep: Vec<String>,
    /// Rules that come after the site's.
    pub rules: Rules,
    /// Hold reasons, by code, that were answered with "always allow here".
    pub allowed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_reads_back_what_it_prints() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("pace", "auto"),
            ("channel-timeout", "90s"),
            ("keep", "a\nb"),
            ("include", "gpt-*\nregex:^o[0-9]"),
            ("limit-removal", "40%"),
            ("second-read", "0"),
        ] {
            assert_eq!(settings.set(key, value), Ok(()), "{key}");
        }
        let mut copy = Settings::default();
        for (key, text) in settings.to_texts() {
            assert_eq!(copy.set(key, &text), Ok(()), "{key}");
        }
        assert_eq!(copy, settings);
    }

    #[test]
    fn hard_ranges_refuse_and_recommended_ones_warn() {
        let mut settings = Settings::default();
        for (key, bad) in [
            ("concurrency", "9"),
            ("concurrency", "0"),
            ("max-retries", "6"),
            ("requests-per-minute", "121"),
            ("burst", "61"),
            ("burst", "-1"),
        ] {
            assert!(
                matches!(settings.set(key, bad), Err(BadSetting::Range { .. })),
                "{key} {bad}"
            );
        }
        assert_eq!(settings, Settings::default());
        assert!(settings.warnings().is_empty());
        assert_eq!(settings.set("requests-per-minute", "60"), Ok(()));
        let keys: Vec<_> = settings.warnings().iter().map(|field| field.key).collect();
        assert_eq!(keys, ["requests-per-minute"]);
        assert_eq!(
            settings.set("nonsense", "1"),
            Err(BadSetting::Unknown("nonsense".into()))
        );
        assert!(settings.set("policy", "mirrror").is_err());
        assert!(settings.set("exclude", "regex:(").is_err());
    }
}
