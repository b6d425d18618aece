//! What the gateway really bills, asked of its price page after a write, and what is asked before one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::change::Subject;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::suspicious::same;
use lockstep_core::prices::values::Values;
use lockstep_store::prices::PriceRow;

use super::local::LocalPrices;
use crate::engine::Session;
use crate::error::EngineError;

/// The gateway's price page is up to a minute behind its maps.
pub const BEHIND: Duration = Duration::from_secs(65);
/// How often it is asked meanwhile: a change of the billing settings shows at once.
const TIMES: u32 = 5;

/// What the price page says of what was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Values that it shows otherwise, by model and field.
    pub otherwise: Vec<Otherwise>,
    /// How many of the written models it shows.
    pub shown: usize,
    /// The written models that it does not show: nobody serves them.
    pub not_shown: Vec<String>,
}

/// A value that the price page shows otherwise than it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// The model.
    pub model: String,
    /// Which of its values.
    pub field: Field,
    /// What was written, or what the gateway says it bills by instead; `None` where the entry went.
    pub written: Option<String>,
    /// What the page shows.
    pub shown: String,
}

impl Session {
    /// Whether a price plan was ever made of this gateway with somebody looking: the first one stops for a review.
    pub async fn prices_reviewed_before(&self) -> Result<bool, EngineError> {
        let site = &self.access.site.id;
        Ok(self
            .store()
            .has_been_planned(site, Subject::Prices, true)
            .await?)
    }

    /// What the gateway's price page says of written rows, asked again until it agrees or the patience ends
    /// ([`BEHIND`] is how far a gateway's own page can be behind).
    ///
    /// # Errors
    ///
    /// [`EngineError::Gateway`] when the page, or the maps, cannot be read.
    pub async fn verify_prices(
        &self,
        written: &[PriceRow],
        patience: Duration,
    ) -> Result<Verified, EngineError> {
        let local = self.local_prices(0).await?;
        let reader = self.reader();
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let page = reader.pricing().await.map_err(EngineError::Gateway)?;
            let shown: BTreeMap<&str, &Values> = page
                .prices
                .iter()
                .map(|price| (price.model.as_str(), &price.values))
                .collect();
            let verified = compared(written, &local, &shown);
            let now = tokio::time::Instant::now();
            if verified.otherwise.is_empty() || now >= deadline {
                return Ok(verified);
            }
            let left = deadline.saturating_duration_since(now);
            tokio::time::sleep(left.min(patience / TIMES)).await;
        }
    }
}

fn compared(
    written: &[PriceRow],
    local: &LocalPrices,
    shown: &BTreeMap<&str, &Values>,
) -> Verified {
    let mut verified = Verified::default();
    let models: BTreeSet<&str> = written.iter().map(|row| row.model.as_str()).collect();
    let (known, unknown): (Vec<&str>, Vec<&str>) = models
        .into_iter()
        .partition(|model| shown.contains_key(model));
    verified.shown = known.len();
    verified.not_shown = unknown.into_iter().map(str::to_owned).collect();
    for row in written {
        // What does not bill is not shown.
        let Some(told) = shown
            .get(row.model.as_str())
            .and_then(|values| values.get(row.field))
        else {
            continue;
        };
        let expected = match (row.field, local.locked(&row.model)) {
            // The page shows what is billed, whatever the map says.
            (Field::CompletionRatio, Some(own)) => Some(own.to_string()),
            // Without an entry of its own a model has the gateway's ratio, which no map tells.
            (Field::CompletionRatio, None) if row.new.is_none() => continue,
            _ => row.new.clone(),
        };
        if !same(row.field, Some(told), expected.as_deref()) {
            verified.otherwise.push(Otherwise {
                model: row.model.clone(),
                field: row.field,
                written: expected,
                shown: told.to_owned(),
            });
        }
    }
    verified
}
