//! Asking providers for their lists, through the gateway: with retries, and at most a few at once of one host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lockstep_core::channel::Channel;
use lockstep_core::failure::Failure;
use lockstep_core::models::policy::Policy;
use lockstep_core::settings::PaceMode;
use lockstep_remote::gateway::Fetched;
use lockstep_remote::retry::{Tried, read_with_retries};
use tokio::sync::Semaphore;

use crate::effective::Scope;
use crate::session::Session;

/// At the automatic pace at most this many requests at once go to one provider's host.
const PER_HOST: usize = 2;

/// What is needed to ask.
pub(crate) struct Asking<'a> {
    session: &'a Session,
    scope: &'a Scope,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Once the gateway refuses us altogether, no further channel is asked.
    refused: OnceLock<Failure>,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(session: &'a Session, scope: &'a Scope) -> Self {
        Self {
            session,
            scope,
            hosts: Mutex::default(),
            refused: OnceLock::new(),
        }
    }

    /// Asks the channel's provider, unless settings leave the channel out.
    pub(crate) async fn ask(&self, channel: &Channel) -> (Option<Result<Fetched, Failure>>, u32) {
        let effective = self.scope.of(channel);
        let left_out = effective.policy == Policy::Exclude
            || (self.scope.settings.enabled_only && !channel.enabled());
        if left_out {
            return (None, 0);
        }
        if let Some(failure) = self.refused.get() {
            return (Some(Err(failure.clone())), 0);
        }
        let _permit = self.host_permit(channel).await;
        let reader = self.session.reader();
        let settings = &self.scope.settings;
        let Tried { result, attempts } = read_with_retries(settings.max_retries, || {
            reader.fetch_models(channel.id, settings.channel_timeout)
        })
        .await;
        if let Err(failure) = &result
            && failure.kind.whole_gateway()
        {
            let _already = self.refused.set(failure.clone());
        }
        (Some(result), attempts)
    }

    async fn host_permit(&self, channel: &Channel) -> Option<tokio::sync::OwnedSemaphorePermit> {
        if self.scope.settings.pace != PaceMode::Auto {
            return None;
        }
        let provider = channel.provider();
        let host = if provider.base_url.is_empty() {
            format!("type {}", provider.kind)
        } else {
            let rest = provider
                .base_url
                .split_once("://")
                .map_or(provider.base_url.as_str(), |(_, rest)| rest);
            rest.split('/').next().unwrap_or(rest).to_owned()
        };
        let semaphore = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts
                .entry(host)
                .or_insert_with(|| Arc::new(Semaphore::new(PER_HOST)))
                .clone()
        };
        semaphore.acquire_owned().await.ok()
    }
}
