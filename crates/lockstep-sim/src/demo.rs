//! A believable gateway, on which every outcome of a tool that mirrors model lists can be seen.

use crate::gateway::{Channel, Gateway};
use crate::provider::{Manner, Protocol, Provider};
use crate::spec::{Spec, SplitMix};

mod cast;
mod market;
mod prices;

pub use prices::{DemoSource, DemoSources, sources};

use cast::{Role, cast};

/// How many channels the demo has when nobody says otherwise.
pub const CHANNELS: usize = 24;

/// A gateway with this many channels. The first [`CHANNELS`] are the hand-made ones; more are variations of them
/// that are mostly in order. At most one provider in five loses names.
pub fn spec(channels: usize) -> Spec {
    let mut spec = Spec::new();
    "New API · 演示".clone_into(&mut spec.system_name);
    "v1.0.0-sim".clone_into(&mut spec.version);
    for (index, role) in cast().iter().take(channels).enumerate() {
        spec = place(spec, id(index), role);
    }
    let mut random = SplitMix::new(24);
    for index in CHANNELS..channels {
        spec = extra(spec, id(index), &mut random);
    }
    prices::priced(spec)
}

/// Lets a little time pass at the providers: the same changes for the same steps.
///
/// Each step brings a name to one of them, or takes one away that an earlier step brought.
pub fn advance(gateway: &Gateway, step: usize) {
    let living: Vec<String> = gateway
        .provider_names()
        .into_iter()
        .filter(|name| gateway.provider(name).models().len() > 3)
        .collect();
    if living.is_empty() {
        return;
    }
    let name = &living[step * 5 % living.len()];
    let news = news(name);
    let news = news[step % news.len()];
    let provider = gateway.provider(name);
    let mut models = provider.models();
    match models.iter().position(|model| model == news) {
        Some(index) => drop(models.remove(index)),
        None => models.push(news.to_owned()),
    }
    provider.set_models(models);
}

/// What comes and goes at a provider. Most has a price on the gateway; what has none waits for one.
fn news(provider: &str) -> &'static [&'static str] {
    match provider {
        "openai" => &["gpt-4-turbo", "gpt-5.1", "o1", "text-embedding-3-small"],
        "anthropic" => &["claude-opus-4-5"],
        "google" => &["gemini-3-pro-preview"],
        "qwen" | "qwen-old" => &["qwen3-max"],
        "silicon" => &[
            "zai-org/GLM-4.5",
            "deepseek-ai/DeepSeek-V3",
            "openai/gpt-oss-120b",
        ],
        "mistral" => &["mistral-medium-latest"],
        "ollama" => &["qwen3:8b"],
        "openrouter" => &["openai/gpt-5-mini"],
        "market" => &["deepseek-ai/DeepSeek-V3.2", "Qwen/Qwen3-Next-80B"],
        _ => &["gpt-4-turbo", "deepseek-v3.2", "qwen3-max", "glm-4.6", "o1"],
    }
}

/// Lets a week pass: some makers change their prices, whoever publishes them follows in his way, and a list changes.
/// Answers the number of the week that begins.
pub fn next_week(gateway: &Gateway) -> usize {
    let week = gateway.next_week();
    advance(gateway, week);
    prices::publish(gateway, week);
    week
}

fn id(index: usize) -> i64 {
    i64::try_from(index + 1).unwrap_or(i64::MAX)
}

fn place(mut spec: Spec, id: i64, role: &Role) -> Spec {
    if !spec
        .providers
        .iter()
        .any(|known| known.name == role.provider)
    {
        // A sick provider offers what its channel serves, so that it comes back well when it recovers.
        let offered = if role.offered.is_empty() {
            role.local.to_vec()
        } else {
            role.offered.concat()
        };
        let provider = Provider::new(role.provider, offered)
            .protocol(Protocol::of_channel(role.kind))
            .manner(role.manner.clone())
            .apart();
        spec = spec.provider(provider);
    }
    let mut channel = Channel::new(id, role.name)
        .at(role.provider)
        .kind(role.kind)
        .status(role.status)
        .models(&role.local.join(","));
    channel.model_mapping = role.mapping.map(str::to_owned);
    channel.group = role.group.to_owned();
    spec.channel(channel)
}

/// One more channel: three in four are in order, one in eight of the providers gains a name, one in eight loses one.
fn extra(spec: Spec, id: i64, random: &mut SplitMix) -> Spec {
    let sets = [
        cast::OPENAI,
        cast::CLAUDE,
        cast::GEMINI,
        cast::DEEPSEEK,
        cast::QWEN,
    ];
    let offered = sets[random.below(sets.len())];
    let name = format!("relay-{id}");
    let mut local: Vec<&str> = offered.to_vec();
    match random.below(8) {
        0 => {
            local.pop();
        }
        1 => local.push("gpt-4-0613"),
        _ => {}
    }
    spec.provider(Provider::new(&name, offered.iter().copied()).manner(Manner::Well))
        .channel(
            Channel::new(id, &format!("Relay {id} 中转"))
                .at(&name)
                .models(&local.join(",")),
        )
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Providers that would take names away from a channel that follows them blindly.
    fn losing(spec: &Spec) -> BTreeSet<String> {
        let offered: BTreeMap<&str, &Provider> = spec
            .providers
            .iter()
            .map(|p| (p.name.as_str(), p))
            .collect();
        let mut losing = BTreeSet::new();
        for channel in spec.channels.iter().filter(|channel| channel.status == 1) {
            let name = channel
                .base_url
                .as_deref()
                .and_then(|url| url.strip_prefix("sim://"))
                .expect("bound");
            let provider = offered[name];
            let answers = matches!(
                provider.manner,
                Manner::Well | Manner::RateLimited(_) | Manner::Slow(_)
            );
            let aliases: BTreeMap<String, String> = channel
                .model_mapping
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            if answers
                && channel.model_names().iter().any(|model| {
                    !provider.models.iter().any(|known| known == model)
                        && !aliases.contains_key(*model)
                })
            {
                losing.insert(name.to_owned());
            }
        }
        losing
    }

    #[test]
    fn few_providers_lose_names_however_many_channels_there_are() {
        for channels in [CHANNELS, 60, 200, 1000] {
            let spec = spec(channels);
            assert_eq!(spec.channels.len(), channels);
            let losing = losing(&spec);
            assert!(
                losing.len() * 5 <= spec.providers.len(),
                "{} of {}: {losing:?}",
                losing.len(),
                spec.providers.len()
            );
        }
    }

    #[test]
    fn the_default_demo_has_24_channels_and_shares_providers() {
        let spec = spec(CHANNELS);
        assert_eq!(CHANNELS, 24);
        assert!(spec.providers.len() < spec.channels.len());
        assert!(spec.channels.iter().any(|channel| channel.status == 2));
        assert!(spec.channels.iter().any(|channel| channel.status == 3));
    }
}
