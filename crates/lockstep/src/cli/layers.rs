//! Settings in layers: what is stored, the file, the environment, what was typed.

use lockstep_store::sites::Site;

use super::args::{PaceArgs, PriceArgs, Tuning};
use super::context::Context;
pub(crate) use crate::ordering::Chosen;
use crate::ordering::{self, text_of};
use crate::words::en;

impl Context {
    /// The settings that hold: stored, then the file's, then environment and flags.
    pub(crate) fn settings(
        &self,
        site: &Site,
        tuning: &Tuning,
        prices: Option<&PriceArgs>,
    ) -> anyhow::Result<Chosen> {
        let mut given = tuning.texts();
        given.extend(prices.into_iter().flat_map(PriceArgs::texts));
        let mut given = ordering::with_environment(given);
        if prices.is_none() {
            // What prices are is no matter of a verb that names none.
            given.retain(|(key, _)| *key != "price-mode");
        }
        let chosen = ordering::chosen(site, &self.file, given)?;
        for field in chosen.settings.warnings() {
            let value = text_of(&chosen.settings, field.key);
            self.screen.hint(&format!(
                "warning: {}",
                en::outside_recommended(field, &value)
            ));
        }
        Ok(chosen)
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

impl PriceArgs {
    /// What was typed, by key.
    fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = Vec::new();
        texts.extend(self.mode.clone().map(|mode| ("price-mode", mode)));
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
