//! The settings of a site's model sync: one table of fields, from which flags, the configuration file,
//! the database and pages all read and write.

use std::time::Duration;

use thiserror::Error;

use crate::models::limits::Limits;
use crate::models::policy::Policy;
use crate::models::rule::{Pattern, Rules};
use crate::pace::{Bucket, Pace, Window};

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

macro_rules! number {
    ($key:literal, $low:literal ..= $high:literal, $recommended:expr, $($path:ident).+ as $type:ty) => {
        Field {
            key: $key,
            hard: Some(($low, $high)),
            recommended: $recommended,
            get: |settings| settings.$($path).+.to_string(),
            set: |settings, text| {
                settings.$($path).+ = in_range($key, text, $low, $high)? as $type;
                Ok(())
            },
        }
    };
}

macro_rules! list {
    ($key:literal, $($path:ident).+) => {
        Field {
            key: $key,
            hard: None,
            recommended: None,
            get: |settings| settings.$($path).+.join("\n"),
            set: |settings, text| {
                settings.$($path).+ = lines(text).map(str::to_owned).collect();
                Ok(())
            },
        }
    };
}

macro_rules! patterns {
    ($key:literal, $($path:ident).+) => {
        Field {
            key: $key,
            hard: None,
            recommended: None,
            get: |settings| {
                let texts: Vec<&str> = settings.$($path).+.iter().map(Pattern::as_str).collect();
                texts.join("\n")
            },
            set: |settings, text| {
                settings.$($path).+ = parse_patterns($key, text)?;
                Ok(())
            },
        }
    };
}

/// Every field, in the order in which people are shown them.
pub const FIELDS: &[Field] = &[
    Field {
        key: "pace",
        hard: None,
        recommended: None,
        get: |settings| {
            match settings.pace {
                PaceMode::Fixed => "fixed",
                PaceMode::Auto => "auto",
                PaceMode::Unlimited => "unlimited",
            }
            .to_owned()
        },
        set: |settings, text| {
            settings.pace = match text {
                "fixed" => PaceMode::Fixed,
                "auto" => PaceMode::Auto,
                "unlimited" => PaceMode::Unlimited,
                _ => return Err(not_one_of("pace", text, "it can be fixed or auto")),
            };
            Ok(())
        },
    },
    number!(
        "requests-per-minute",
        1..=120,
        Some((10, 30)),
        requests_per_minute as u32
    ),
    number!("burst", 1..=60, Some((3, 10)), burst as u32),
    number!("concurrency", 1..=8, Some((1, 3)), concurrency as u32),
    number!("max-retries", 0..=5, Some((2, 5)), max_retries as u32),
    Field {
        key: "channel-timeout",
        hard: Some((1, 600)),
        recommended: None,
        get: |settings| settings.channel_timeout.as_secs().to_string(),
        set: |settings, text| {
            let seconds = text.strip_suffix('s').unwrap_or(text);
            settings.channel_timeout =
                Duration::from_secs(in_range("channel-timeout", seconds, 1, 600)?);
            Ok(())
        },
    },
    Field {
        key: "policy",
        hard: None,
        recommended: None,
        get: |settings| settings.policy.code().to_owned(),
        set: |settings, text| {
            settings.policy = parse_policy(text)?;
            Ok(())
        },
    },
    list!("keep", keep),
    list!("allow", rules.allow),
    patterns!("include", rules.include),
    patterns!("exclude", rules.exclude),
    Field {
        key: "enabled-only",
        hard: None,
        recommended: None,
        get: |settings| settings.enabled_only.to_string(),
        set: |settings, text| {
            settings.enabled_only = text
                .parse()
                .map_err(|_| not_one_of("enabled-only", text, "it can be true or false"))?;
            Ok(())
        },
    },
    Field {
        key: "limit-removal",
        hard: Some((0, 100)),
        recommended: None,
        get: |settings| settings.limits.removal_percent.to_string(),
        set: |settings, text| {
            let percent = text.strip_suffix('%').unwrap_or(text).trim();
            settings.limits.removal_percent = in_range("limit-removal", percent, 0, 100)? as usize;
            Ok(())
        },
    },
    number!(
        "limit-removal-names",
        0..=9,
        None,
        limits.removal_names as usize
    ),
    number!(
        "limit-addition",
        0..=1000,
        None,
        limits.addition_percent as usize
    ),
    number!(
        "limit-addition-names",
        0..=100_000,
        None,
        limits.addition_names as usize
    ),
    number!(
        "limit-shrink",
        0..=100,
        None,
        limits.shrink_percent as usize
    ),
    number!("limit-run", 0..=100, None, limits.run_percent as usize),
    number!(
        "limit-run-providers",
        1..=1000,
        None,
        limits.run_providers as usize
    ),
    Field {
        key: "second-read",
        hard: Some((0, 1440)),
        recommended: None,
        get: |settings| (settings.limits.second_read_ms / 60_000).to_string(),
        set: |settings, text| {
            let minutes = in_range("second-read", text, 0, 1440)?;
            settings.limits.second_read_ms = i64::try_from(minutes).unwrap_or(0) * 60_000;
            Ok(())
        },
    },
    Field {
        key: "price-gate",
        hard: None,
        recommended: None,
        get: |settings| {
            match settings.price_gate {
                Gate::Hold => "hold",
                Gate::List => "list",
                Gate::Off => "off",
            }
            .to_owned()
        },
        set: |settings, text| {
            settings.price_gate = match text {
                "hold" => Gate::Hold,
                "list" => Gate::List,
                "off" => Gate::Off,
                _ => {
                    return Err(not_one_of(
                        "price-gate",
                        text,
                        "it can be hold, list or off",
                    ));
                }
            };
            Ok(())
        },
    },
];

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
