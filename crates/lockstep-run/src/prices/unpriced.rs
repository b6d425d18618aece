//! Served models without a price.

use lockstep_core::prices::unpriced::{Unpriced, unpriced};

use super::plan::answers;
use crate::engine::Session;
use crate::error::EngineError;

impl Session {
    /// The models that enabled channels serve and nobody priced, by name: calls of them are refused or billed by a
    /// placeholder. Those that a person ignores are left out.
    ///
    /// # Errors
    ///
    /// [`EngineError::Gateway`] when channels or prices cannot be read.
    pub async fn unpriced(&self, max_retries: u32) -> Result<Vec<Unpriced>, EngineError> {
        let local = self.local_prices(max_retries).await?;
        let served = self
            .served(max_retries)
            .await
            .map_err(EngineError::Gateway)?;
        let answers = answers(self.store().price_answers(&self.access.site.id).await?);
        let own = |name: &str| local.values(name);
        Ok(unpriced(&served, &own, local.self_use())
            .into_iter()
            .filter(|found| !answers.of(&found.model).ignored)
            .collect())
    }
}
