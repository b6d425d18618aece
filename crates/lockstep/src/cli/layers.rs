//! Settings in layers: what is stored, the file, the environment, what was typed.

use anyhow::{Context as _, bail};
use lockstep_core::models::policy::Policy;
use lockstep_core::settings::{PaceMode, Settings, parse_policy};
use lockstep_store::sites::Site;

use super::args::{PaceArgs, PriceArgs, Tuning};
use super::context::{Context, variable};
use crate::config::File;
use crate::words::en;

/// The settings that hold for a run.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// All layers over each other.
    pub(crate) settings: Settings,
    /// The policy that was given for this run alone.
    pub(crate) policy: Option<Policy>,
    /// Whether a plan by them is just the site's own: nothing was given that changes one.
    pub(crate) own: bool,
}

/// Settings that say how fast a run goes, not what it plans.
const PACE: &[&str] = &[
    "pace",
    "requests-per-minute",
    "burst",
    "concurrency",
    "max-retries",
    "channel-timeout",
];

impl Context {
    /// The settings that hold: stored, then the file's, then environment and flags.
    pub(crate) fn settings(
        &self,
        site: &Site,
        tuning: &Tuning,
        prices: Option<&PriceArgs>,
    ) -> anyhow::Result<Chosen> {
        let mut settings = Settings::default();
        for (key, value) in &site.settings {
            settings
                .set(key, value)
                .with_context(|| format!("the stored setting {key}"))?;
        }
        if let Some((_, mistake)) = self.file.apply(&mut settings).into_iter().next() {
            bail!("{mistake}");
        }
        let stored = settings.clone();
        let tuning = tuning.or_environment();
        let mut texts = tuning.texts();
        texts.extend(prices.into_iter().flat_map(PriceArgs::texts));
        for (key, value) in texts {
            // What is always kept, and what is left out, only grows: a flag for one run takes no guard away.
            let value = match key {
                "keep" | "exclude" => format!("{}\n{value}", text_of(&settings, key)),
                _ => value,
            };
            settings.set(key, &value)?;
        }
        if settings.pace == PaceMode::Unlimited {
            bail!("pace is `unlimited`; it can be fixed or auto");
        }
        let policy = tuning.policy.as_deref().map(parse_policy).transpose()?;
        for field in settings.warnings() {
            let value = text_of(&settings, field.key);
            self.screen.hint(&format!(
                "warning: {}",
                en::outside_recommended(field, &value)
            ));
        }
        let planning = |settings: &Settings| -> Vec<(&str, String)> {
            let mut texts = settings.to_texts();
            texts.retain(|(key, _)| !PACE.contains(key));
            texts
        };
        let own = policy.is_none() && planning(&stored) == planning(&settings);
        Ok(Chosen {
            settings,
            policy,
            own,
        })
    }

    /// The settings of a verb that plans nothing new: only its pace can be given.
    pub(crate) fn paced(&self, site: &Site, pace: &PaceArgs) -> anyhow::Result<Chosen> {
        let tuning = Tuning {
            pace: pace.clone(),
            ..Tuning::default()
        };
        self.settings(site, &tuning, None)
    }
}

/// The settings of a site where nothing was typed: stored, then the file's, then the environment's.
pub(crate) fn settings_that_hold(file: &File, site: &Site) -> anyhow::Result<Settings> {
    let mut settings = Settings::default();
    for (key, value) in &site.settings {
        settings
            .set(key, value)
            .with_context(|| format!("the stored setting {key}"))?;
    }
    if let Some((_, mistake)) = file.apply(&mut settings).into_iter().next() {
        bail!("{mistake}");
    }
    let mut texts = Tuning::default().or_environment().texts();
    texts.extend(PriceArgs::default().texts());
    for (key, value) in texts {
        settings.set(key, &value)?;
    }
    if settings.pace == PaceMode::Unlimited {
        bail!("pace is `unlimited`; it can be fixed or auto");
    }
    Ok(settings)
}

fn text_of(settings: &Settings, key: &str) -> String {
    settings
        .to_texts()
        .into_iter()
        .find(|(known, _)| *known == key)
        .map_or_else(String::new, |(_, text)| text)
}

impl PriceArgs {
    /// What was typed, or what the environment says, by key.
    fn texts(&self) -> Vec<(&'static str, String)> {
        let mode = self
            .mode
            .clone()
            .or_else(|| variable("LOCKSTEP_PRICE_MODE"));
        let mut texts = Vec::new();
        texts.extend(mode.map(|mode| ("price-mode", mode)));
        if self.all_models {
            texts.push(("price-all-models", "true".to_owned()));
        }
        if !self.markup.is_empty() {
            texts.push(("price-markup", self.markup.join("\n")));
        }
        texts.extend(self.rounding.clone().map(|text| ("price-rounding", text)));
        texts
    }
}

impl Tuning {
    /// What was typed; where nothing was, what the environment says. It holds for a run and is never stored.
    fn or_environment(&self) -> Self {
        let mut tuning = self.clone();
        for (name, value) in [
            ("LOCKSTEP_PACE", &mut tuning.pace.pace),
            (
                "LOCKSTEP_REQUESTS_PER_MINUTE",
                &mut tuning.pace.requests_per_minute,
            ),
            ("LOCKSTEP_BURST", &mut tuning.pace.burst),
            ("LOCKSTEP_CONCURRENCY", &mut tuning.pace.concurrency),
            ("LOCKSTEP_MAX_RETRIES", &mut tuning.pace.max_retries),
            ("LOCKSTEP_CHANNEL_TIMEOUT", &mut tuning.pace.channel_timeout),
            ("LOCKSTEP_POLICY", &mut tuning.policy),
            ("LOCKSTEP_LIMIT_REMOVAL", &mut tuning.limit_removal),
            ("LOCKSTEP_PRICE_GATE", &mut tuning.price_gate),
        ] {
            if value.is_none() {
                *value = variable(name);
            }
        }
        tuning
    }

    /// What was given, by key.
    pub(crate) fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = Vec::new();
        for (key, value) in [
            ("pace", &self.pace.pace),
            ("requests-per-minute", &self.pace.requests_per_minute),
            ("burst", &self.pace.burst),
            ("concurrency", &self.pace.concurrency),
            ("max-retries", &self.pace.max_retries),
            ("channel-timeout", &self.pace.channel_timeout),
            ("policy", &self.policy),
            ("limit-removal", &self.limit_removal),
            ("price-gate", &self.price_gate),
        ] {
            texts.extend(value.clone().map(|value| (key, value)));
        }
        for (key, values) in [
            ("keep", &self.keep),
            ("allow", &self.allow),
            ("include", &self.include),
            ("exclude", &self.exclude),
        ] {
            if !values.is_empty() {
                texts.push((key, values.join("\n")));
            }
        }
        if self.enabled_only {
            texts.push(("enabled-only", "true".to_owned()));
        }
        texts
    }
}
