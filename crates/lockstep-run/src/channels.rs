//! The gateway's channels, for whoever is to choose among them before anything was read.

use lockstep_core::channel::Channel;

use crate::error::EngineError;
use crate::session::Session;

impl Session {
    /// Every channel of the gateway, in the order of their ids. No provider is asked, and nothing is kept.
    ///
    /// # Errors
    ///
    /// [`EngineError::Gateway`] when the list cannot be read whole.
    pub async fn all_channels(&self) -> Result<Vec<Channel>, EngineError> {
        let listed = self.reader().all_channels().await;
        let listed = listed.map_err(EngineError::Gateway)?;
        let mut channels: Vec<Channel> = listed.pages.into_iter().flatten().collect();
        channels.sort_by_key(|channel| channel.id);
        Ok(channels)
    }
}
