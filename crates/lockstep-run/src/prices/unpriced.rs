//! Served models without a price.

use lockstep_core::prices::unpriced::{Unpriced, unpriced};

use super::plan::answers;
use crate::error::EngineError;
use crate::session::Session;

/// The models without a price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithoutPrice {
    /// Those that enabled channels serve, by name: calls of them are refused or billed by a placeholder.
    pub served: Vec<Unpriced>,
    /// Those that the last run over all channels did not add for that, by name, with the channels that they wait for.
    pub coming: Vec<Unpriced>,
}

impl Session {
    /// The models that enabled channels serve and nobody priced, by name: calls of them are refused or billed by a
    /// placeholder. Those that a person ignores are left out.
    ///
    /// # Errors
    ///
    /// [`EngineError::Gateway`] when channels or prices cannot be read.
    pub async fn unpriced(&self, max_retries: u32) -> Result<Vec<Unpriced>, EngineError> {
        Ok(self.without_price(max_retries).await?.served)
    }

    /// The same, and the names that wait for a price to be listed.
    ///
    /// # Errors
    ///
    /// As those of [`Self::unpriced`]; the database's.
    pub async fn without_price(&self, max_retries: u32) -> Result<WithoutPrice, EngineError> {
        let local = self.local_prices(max_retries).await?;
        let served = self
            .served(max_retries)
            .await
            .map_err(EngineError::Gateway)?;
        let site = &self.access.site.id;
        let coming = self.store().waits_for_price(site).await?;
        let answers = answers(self.store().price_answers(site).await?);
        let own = |name: &str| local.values(name);
        let of = |known| -> Vec<Unpriced> {
            let found = unpriced(known, &own, local.self_use()).into_iter();
            found
                .filter(|found| !answers.of(&found.model).ignored)
                .collect()
        };
        Ok(WithoutPrice {
            served: of(&served),
            coming: of(&coming),
        })
    }
}
