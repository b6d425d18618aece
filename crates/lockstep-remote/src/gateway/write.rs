//! Writing a gateway: the one type that can change it, and what may have become of a write.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::models::list::NonEmptyModels;
use reqwest::Method;
use serde::Serialize;

use crate::http::Reply;

use super::call::{Call, Reach, Unanswered};
use super::envelope::{self, Envelope};
use super::option_text::OptionText;
use super::wire::{ModelsUpdate, OptionUpdate, WireChannel};
use super::{Gateway, failure};

/// Says, right before each write, whether it may still go: whether the lease is held and outlives the write.
pub trait Fence: Send + Sync {
    /// Passes, or says why nothing may be sent.
    fn check(&self) -> BoxFuture<'_, Result<(), Failure>>;

    /// What was sent after the last check was turned away and changed nothing: nothing is on its way. It is sent again
    /// only past another check.
    fn turned_away(&self) {}
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sent<T> {
    /// The gateway answered success with what is stored now. It may differ from what was sent: compare.
    Stored(T),
    /// Nothing was sent: no connection came about, or the fence refused.
    NotSent(Failure),
    /// It was turned away, and changed nothing.
    Refused(Failure),
    /// It may have been stored or not: only reading back tells. A refusal in an answer of status 200 is one of these,
    /// because the gateway stores the channel before it stores what follows from it, and the text of an option before
    /// it looks at it.
    Unknown(Failure),
}

/// Writes to a gateway, past a fence. Of all types in this crate only this one can change anything.
#[derive(Clone)]
pub struct GatewayWriter {
    gateway: Gateway,
    fence: Arc<dyn Fence>,
}

impl GatewayWriter {
    /// A writer that asks `fence` before everything it sends.
    pub fn new(gateway: Gateway, fence: Arc<dyn Fence>) -> Self {
        Self { gateway, fence }
    }

    /// Sets a channel's model list and nothing else. It waits for its place in the pace, then asks the fence, then
    /// sends. A 429 or a redirect that only corrects a slash changed nothing, so all three are done again; nothing
    /// else is ever sent twice. Between a check and the word that it was turned away it may be on its way: dropped then,
    /// the write is unknown, so let it run to its end.
    pub async fn put_models(&self, id: i64, models: &NonEmptyModels) -> Sent<Channel> {
        let update = ModelsUpdate {
            id,
            models: models.as_str(),
        };
        self.put("/api/channel/", &update, |reply, envelope| {
            stored(id, reply, envelope)
        })
        .await
    }

    /// Sets one price map, whole, on the same terms as a channel's models. The answer shows nothing of what is stored,
    /// so [`Sent::Stored`] is the gateway's word alone: read the options back.
    pub async fn put_option(&self, map: &OptionText) -> Sent<()> {
        let update = OptionUpdate {
            key: map.field().option_key(),
            value: map.as_str(),
        };
        self.put("/api/option/", &update, |_, _| Ok(())).await
    }

    /// Sends a write; `stored` reads from a success what is stored now.
    async fn put<T>(
        &self,
        path: &str,
        update: &impl Serialize,
        stored: impl FnOnce(&Reply, &Envelope<'_>) -> Result<T, Failure>,
    ) -> Sent<T> {
        let body = match serde_json::to_string(update) {
            Ok(body) => body,
            Err(error) => {
                return Sent::NotSent(Failure::new(FailureKind::Rejected, error.to_string()));
            }
        };
        let call = Call {
            method: Method::PUT,
            path: path.to_owned(),
            body: Some(body),
            limit: self.gateway.limits.write,
            fence: Some(self.fence.as_ref()),
        };
        let reply = match self.gateway.call(call).await {
            Ok(reply) => reply,
            Err(Unanswered { reach, failure }) => {
                return match reach {
                    Reach::NotSent => Sent::NotSent(failure),
                    Reach::Refused => Sent::Refused(failure),
                    Reach::Unknown => Sent::Unknown(failure),
                };
            }
        };
        if let Some(failure) = failure::of_status(&reply) {
            let failure = self.gateway.clean(failure);
            return if reply.status < 500 {
                Sent::Refused(failure)
            } else {
                Sent::Unknown(failure)
            };
        }
        let answer = envelope::open(&reply).and_then(|envelope| {
            if envelope.success {
                stored(&reply, &envelope)
            } else {
                let text = envelope.message();
                Err(Failure::status(FailureKind::Rejected, reply.status, text))
            }
        });
        match answer {
            Ok(stored) => Sent::Stored(stored),
            Err(failure) => Sent::Unknown(self.gateway.clean(failure)),
        }
    }
}

impl fmt::Debug for GatewayWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayWriter")
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

/// The channel that a success shows as stored.
fn stored(id: i64, reply: &Reply, envelope: &Envelope<'_>) -> Result<Channel, Failure> {
    let not_shown = |text: String| Failure::status(FailureKind::NotStored, reply.status, text);
    let data = envelope
        .data
        .ok_or_else(|| not_shown("the answer shows no channel".to_owned()))?;
    let channel: WireChannel = serde_json::from_str(data.get())
        .map_err(|error| not_shown(format!("the answer shows no readable channel: {error}")))?;
    if channel.id != id {
        return Err(not_shown(format!(
            "the answer shows channel {} instead of {id}",
            channel.id
        )));
    }
    Ok(channel.into())
}
