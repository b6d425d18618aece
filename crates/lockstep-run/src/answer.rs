//! The answers to a hold. "Apply anyway" is a run of its own; the other three are remembered here.

use lockstep_core::hold::{Answer, ReasonCode};
use lockstep_core::models::judge::held_digest;
use lockstep_core::models::policy::Policy;
use lockstep_store::holds::Hold;
use lockstep_store::{Store, StoreError};

/// Remembers an answer for each of the channels. Returns the holds that were answered.
pub async fn answer(
    store: &Store,
    site: &str,
    channels: &[i64],
    answer: Answer,
) -> Result<Vec<Hold>, StoreError> {
    let mut answered = Vec::new();
    for hold in store.holds(site).await? {
        if !channels.contains(&hold.channel_id) {
            continue;
        }
        match answer {
            Answer::ApplyAnyway => continue,
            Answer::KeepUntilItChanges => keep(store, site, &hold).await?,
            Answer::AlwaysAllow => allow(store, site, &hold).await?,
            Answer::NeverSync => never(store, site, hold.channel_id).await?,
        }
        store.delete_hold(site, hold.channel_id).await?;
        answered.push(hold);
    }
    Ok(answered)
}

async fn keep(store: &Store, site: &str, hold: &Hold) -> Result<(), StoreError> {
    let mut memory = store
        .memories(site)
        .await?
        .remove(&hold.channel_id)
        .unwrap_or_default();
    memory.kept = held_digest(&hold.held_add, &hold.held_remove).map(|digest| digest.to_string());
    store.set_memory(site, hold.channel_id, &memory).await
}

async fn allow(store: &Store, site: &str, hold: &Hold) -> Result<(), StoreError> {
    let mut own = store
        .channel_overrides(site)
        .await?
        .remove(&hold.channel_id)
        .unwrap_or_default();
    let mut codes = vec![hold.reason.code.code()];
    if !hold.held_add.is_empty() {
        codes.push(ReasonCode::TooManyAdded.code());
    }
    for code in codes {
        if !own.allowed.iter().any(|allowed| allowed == code) {
            own.allowed.push(code.to_owned());
        }
    }
    store
        .set_channel_overrides(site, hold.channel_id, &own)
        .await
}

/// Leaves the channel out of every run from now on.
pub async fn never(store: &Store, site: &str, channel: i64) -> Result<(), StoreError> {
    let mut own = store
        .channel_overrides(site)
        .await?
        .remove(&channel)
        .unwrap_or_default();
    own.policy = Some(Policy::Exclude);
    store.set_channel_overrides(site, channel, &own).await
}
