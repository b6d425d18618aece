//! The channels of a gateway whose prices it can be compared with, and the presets.

use lockstep_core::prices::source::Target;
use lockstep_remote::retry::read_with_retries;

use crate::error::EngineError;
use crate::session::Session;

/// The presets, by their ids, in the order in which they are told.
const PRESETS: [i64; 2] = [-100, -101];

/// A channel, or a preset, that can be asked for prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskableChannel {
    /// The channel's id; negative for a preset.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The address that it is asked at, as the gateway lists it.
    pub base_url: String,
    /// Its status by the gateway's numbers; 1 is enabled.
    pub status: i64,
    /// Its type by the gateway's numbers; 0 for a preset.
    pub kind: i64,
}

impl Session {
    /// The channels with an http address, then the presets, which are known without the gateway.
    ///
    /// # Errors
    ///
    /// [`EngineError::Gateway`] when the gateway does not tell its channels.
    pub async fn askable_channels(
        &self,
        max_retries: u32,
    ) -> Result<Vec<AskableChannel>, EngineError> {
        let reader = self.reader();
        let listed = read_with_retries(max_retries, || reader.ratio_channels())
            .await
            .result
            .map_err(EngineError::Gateway)?;
        let mut channels: Vec<AskableChannel> = listed
            .into_iter()
            .filter(|channel| Target::preset(channel.id).is_none())
            .filter(|channel| {
                Target::of_channel(channel.id, &channel.name, &channel.base_url, channel.kind)
                    .is_some()
            })
            .map(|channel| AskableChannel {
                id: channel.id,
                name: channel.name,
                base_url: channel.base_url,
                status: channel.status.number(),
                kind: channel.kind,
            })
            .collect();
        channels.extend(
            PRESETS
                .into_iter()
                .filter_map(Target::preset)
                .map(|preset| AskableChannel {
                    id: preset.id,
                    name: preset.name,
                    base_url: preset.base_url,
                    status: 1,
                    kind: 0,
                }),
        );
        Ok(channels)
    }
}
