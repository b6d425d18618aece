//! What the gateway really bills, asked of its price page after a write, and what is asked before one.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_core::change::Subject;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::suspicious::same;
use lockstep_store::prices::PriceRow;

use crate::engine::Session;
use crate::error::EngineError;

/// The gateway's price page is up to a minute behind its maps.
const BEHIND: Duration = Duration::from_secs(65);
/// How often it is asked meanwhile: a change of the billing settings shows at once.
const ASK_EVERY: Duration = Duration::from_secs(13);

impl Session {
    /// Whether a price plan was ever made of this gateway with somebody looking: the first one stops for a review.
    pub async fn prices_reviewed_before(&self) -> Result<bool, EngineError> {
        let site = &self.access.site.id;
        Ok(self
            .store()
            .has_been_planned(site, Subject::Prices, true)
            .await?)
    }

    /// The models that the gateway's price page bills otherwise than was written, as late as a minute after. Models that
    /// the page does not show are left out: nobody serves them.
    pub async fn verify_prices(&self, written: &[PriceRow]) -> Result<Vec<String>, EngineError> {
        let reader = self.reader();
        let deadline = tokio::time::Instant::now() + BEHIND;
        loop {
            let page = reader.pricing().await.map_err(EngineError::Gateway)?;
            let shown: BTreeMap<&str, _> = page
                .prices
                .iter()
                .map(|price| (price.model.as_str(), &price.values))
                .collect();
            let mut odd: Vec<String> = written
                .iter()
                .filter(|row| {
                    let Some(values) = shown.get(row.model.as_str()) else {
                        return false;
                    };
                    // What does not bill is not shown, and the completion ratio may be the gateway's own.
                    let told = values.get(row.field).is_some();
                    let billed = row.field != Field::CompletionRatio;
                    told && billed && !same(row.field, values.get(row.field), row.new.as_deref())
                })
                .map(|row| row.model.clone())
                .collect();
            odd.dedup();
            if odd.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(odd);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}
