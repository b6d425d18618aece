//! The table of all settings: how each is read and printed.

use std::time::Duration;

use super::{
    BadSetting, Field, Gate, PaceMode, in_range, lines, not_one_of, parse_patterns, parse_policy,
};
use crate::models::rule::Pattern;
use crate::prices::cost::{MarkupRule, Rounding};
use crate::prices::mode::Mode;

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
    Field {
        key: "price-mode",
        hard: None,
        recommended: None,
        get: |settings| settings.prices.scope.mode.code().to_owned(),
        set: |settings, text| {
            settings.prices.scope.mode = Mode::from_code(text)
                .ok_or_else(|| not_one_of("price-mode", text, "it can be add, update or both"))?;
            Ok(())
        },
    },
    Field {
        key: "price-all-models",
        hard: None,
        recommended: None,
        get: |settings| settings.prices.scope.all_models.to_string(),
        set: |settings, text| {
            settings.prices.scope.all_models = text
                .parse()
                .map_err(|_| not_one_of("price-all-models", text, "it can be true or false"))?;
            Ok(())
        },
    },
    Field {
        key: "price-markup",
        hard: None,
        recommended: None,
        get: |settings| {
            let rules: Vec<String> = settings
                .prices
                .markup
                .iter()
                .map(|rule| format!("{}={}", rule.pattern.as_str(), rule.factor))
                .collect();
            rules.join("\n")
        },
        set: |settings, text| {
            settings.prices.markup = lines(text)
                .map(markup_rule)
                .collect::<Result<_, BadSetting>>()?;
            Ok(())
        },
    },
    Field {
        key: "price-rounding",
        hard: None,
        recommended: None,
        get: |settings| match settings.prices.rounding {
            Rounding::AsReckoned => "none".to_owned(),
            Rounding::Decimals(count) => format!("{count} decimals"),
            Rounding::Digits(count) => format!("{count} digits"),
        },
        set: |settings, text| {
            settings.prices.rounding = rounding(text).ok_or_else(|| {
                not_one_of(
                    "price-rounding",
                    text,
                    "it can be none, or a number of decimals or digits, as in `3 digits`",
                )
            })?;
            Ok(())
        },
    },
    Field {
        key: "source-timeout",
        hard: Some((1, 120)),
        recommended: None,
        get: |settings| settings.prices.timeout.as_secs().to_string(),
        set: |settings, text| {
            let seconds = text.strip_suffix('s').unwrap_or(text);
            settings.prices.timeout =
                Duration::from_secs(in_range("source-timeout", seconds, 1, 120)?);
            Ok(())
        },
    },
    number!(
        "limit-price-times",
        2..=1000,
        None,
        prices.limits.tenfold as usize
    ),
    number!(
        "limit-price-fall",
        0..=100,
        None,
        prices.limits.fall_percent as usize
    ),
    number!(
        "limit-price-rise",
        0..=10_000,
        None,
        prices.limits.rise_percent as usize
    ),
    number!(
        "limit-price-run",
        0..=100,
        None,
        prices.limits.run_percent as usize
    ),
    number!(
        "limit-price-run-models",
        1..=100_000,
        None,
        prices.limits.run_models as usize
    ),
    Field {
        key: "price-first-seen",
        hard: Some((0, 1440)),
        recommended: None,
        get: |settings| (settings.prices.limits.first_seen_ms / 60_000).to_string(),
        set: |settings, text| {
            let minutes = in_range("price-first-seen", text, 0, 1440)?;
            settings.prices.limits.first_seen_ms = i64::try_from(minutes).unwrap_or(0) * 60_000;
            Ok(())
        },
    },
    number!("history-days", 1..=3650, None, history.days as u32),
    number!("history-runs", 1..=100_000, None, history.runs as u32),
];

/// `PATTERN=FACTOR`: what models with such a name cost more, or less.
fn markup_rule(line: &str) -> Result<MarkupRule, BadSetting> {
    let bad = |why: &str| not_one_of("price-markup", line, why);
    let (pattern, factor) = line
        .rsplit_once('=')
        .ok_or_else(|| bad("a rule is PATTERN=FACTOR, as in `gpt-*=1.2`"))?;
    let factor: f64 = factor
        .trim()
        .parse()
        .ok()
        .filter(|factor: &f64| factor.is_finite() && *factor > 0.0)
        .ok_or_else(|| bad("the factor is a number above 0"))?;
    let pattern = Pattern::parse(pattern.trim()).map_err(|error| bad(&error.to_string()))?;
    Ok(MarkupRule { pattern, factor })
}

/// `none`, `3 decimals` or `3 digits`.
fn rounding(text: &str) -> Option<Rounding> {
    if text == "none" {
        return Some(Rounding::AsReckoned);
    }
    let (count, what) = text.split_once(' ')?;
    let count: u8 = count.parse().ok().filter(|count| *count <= 12)?;
    match what.trim() {
        "decimals" => Some(Rounding::Decimals(count)),
        "digits" if count > 0 => Some(Rounding::Digits(count)),
        _ => None,
    }
}
