//! What the gateway really bills, asked of its price page after a write, and what is asked before one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::change::{State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::suspicious::{PLACEHOLDER, same};
use lockstep_core::prices::values::Values;
use lockstep_store::prices::PriceRow;
pub use lockstep_store::prices::verified::{Otherwise, Page, Verified};
use lockstep_store::runs::Run;

use super::local::LocalPrices;
use crate::error::EngineError;
use crate::session::Session;
use crate::watch::Watch;

/// The gateway's price page is up to a minute behind its maps.
pub const BEHIND: Duration = Duration::from_secs(65);
/// How often it is asked meanwhile: a change of the billing settings shows at once.
const TIMES: u32 = 5;

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

    /// Asks the price page about what a run wrote and keeps what it says; a run that wrote nothing asks nobody. A word that
    /// ends the work ends the asking, and nothing is kept.
    pub(crate) async fn keep_verified(&self, run: &Run, watch: &Watch) -> Result<(), EngineError> {
        if run.subject != Subject::Prices {
            return Ok(());
        }
        let written = self.store().price_rows_in(&run.id, State::Applied).await?;
        if written.is_empty() {
            return Ok(());
        }
        let page = tokio::select! {
            page = self.verify_prices(&written, BEHIND) => page,
            () = watch.cancel.cancelled() => return Ok(()),
        };
        let page = match page {
            Ok(verified) => Page::Read(verified),
            Err(EngineError::Gateway(failure)) => Page::Unread(failure),
            Err(error) => Page::Unread(Failure::new(FailureKind::Record, error.to_string())),
        };
        Ok(self.store().keep_page(&run.id, &page).await?)
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
            // A model without a price is shown with the placeholder.
            (Field::ModelRatio, _) if row.new.is_none() => Some(PLACEHOLDER.to_string()),
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
