//! Gateways to work on, and what must be true of a run however it went.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_sim::{Channel, Gateway, Manner, Price, Provider, Spec};
use serde_json::Value;

use crate::canary;

/// An empty gateway whose tokens are canaries.
pub(crate) fn spec() -> Spec {
    guarded(Spec::new())
}

/// The gateway with canaries for tokens.
pub(crate) fn guarded(mut spec: Spec) -> Spec {
    canary::ROOT.clone_into(&mut spec.root_token);
    canary::ADMIN.clone_into(&mut spec.admin_token);
    canary::COMMON.clone_into(&mut spec.common_token);
    spec
}

/// Rounds in each of which all channels of a gateway change.
pub(crate) struct Rounds {
    round: usize,
    /// What every provider offers beside the name of the round.
    offered: BTreeMap<String, Vec<String>>,
}

impl Rounds {
    /// None yet, on what the providers offer now.
    pub(crate) fn of(gateway: &Gateway) -> Self {
        let offered = gateway
            .provider_names()
            .into_iter()
            .map(|name| (name.clone(), gateway.provider(&name).models()))
            .collect();
        Self { round: 0, offered }
    }

    /// Every provider gains a name and loses the one of the round before. Answers what every list is to become.
    pub(crate) fn next(&mut self, gateway: &Gateway) -> BTreeMap<i64, String> {
        let last = format!("round-{}", self.round);
        self.round += 1;
        let new = format!("round-{}", self.round);
        for (name, offered) in &self.offered {
            let models = offered.iter().chain([&new]);
            gateway.provider(name).set_models(models);
        }
        gateway.clear_log();
        lists(gateway)
            .into_iter()
            .map(|(id, list)| {
                let mut names: Vec<&str> = list.split(',').filter(|name| *name != last).collect();
                names.push(&new);
                (id, names.join(","))
            })
            .collect()
    }
}

pub(crate) async fn start(spec: Spec) -> Gateway {
    Gateway::start(spec).await.expect("the gateway starts")
}

/// `prefix-0` and so on.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

/// Three channels in good health: 1 gains a name, 2 is in order, 3 loses one of ten.
pub(crate) fn healthy() -> Spec {
    let ten = names("gamma", 10);
    spec()
        .provider(Provider::new("acme", ["gpt-5", "gpt-5-mini", "gpt-5-nano"]))
        .provider(Provider::new("beta", ["claude-opus", "claude-sonnet"]))
        .provider(Provider::new("gamma", &ten[..9]))
        .channel(channel(1, "Acme", "acme", &["gpt-5", "gpt-5-mini"]))
        .channel(channel(
            2,
            "Beta",
            "beta",
            &["claude-opus", "claude-sonnet"],
        ))
        .channel(channel(3, "Gamma 伽玛", "gamma", &ten))
}

/// The healthy ones, and every other outcome: 4 has an empty provider, 5 another key, 6 no list, 7 a provider with a
/// whole catalogue, 8 one that lost most of its names.
pub(crate) fn mixed() -> Spec {
    let lost = names("old", 6);
    healthy()
        .provider(Provider::new("kimi", ["kimi-k2"]).manner(Manner::Empty))
        .provider(Provider::new("grok", ["grok-4"]).manner(Manner::WantsOtherKey))
        .provider(Provider::new("pictures", ["mj_imagine"]).manner(Manner::NoList))
        .provider(Provider::new("market", names("market", 28)))
        .provider(Provider::new("cheap", &lost[..1]))
        .channel(channel(
            4,
            "Kimi 月之暗面",
            "kimi",
            &["kimi-k2", "moonshot-v1"],
        ))
        .channel(channel(5, "Grok", "grok", &["grok-3"]))
        .channel(channel(6, "Midjourney", "pictures", &["mj_imagine"]).kind(2))
        .channel(channel(7, "Market 🛒", "market", &["market-0", "market-1"]))
        .channel(channel(8, "Cheap relay", "cheap", &lost))
}

/// The gateway charging for `gpt-5` alone, and a place `list` that publishes its price and two more of [`healthy`].
pub(crate) fn priced(spec: Spec) -> Spec {
    let gpt = Price::tokens("gpt-5", 1.25, 10.0);
    let list = [
        gpt.clone(),
        Price::tokens("gpt-5-mini", 0.25, 2.0),
        Price::tokens("claude-opus", 5.0, 25.0),
    ];
    spec.prices(&[gpt])
        .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&list))
}

pub(crate) fn channel<S: AsRef<str>>(id: i64, name: &str, provider: &str, models: &[S]) -> Channel {
    let models: Vec<&str> = models.iter().map(AsRef::as_ref).collect();
    Channel::new(id, name)
        .at(provider)
        .models(&models.join(","))
}

/// Every channel's list, byte for byte.
pub(crate) fn lists(gateway: &Gateway) -> BTreeMap<i64, String> {
    gateway
        .channels()
        .into_iter()
        .map(|channel| (channel.id, channel.models))
        .collect()
}

pub(crate) fn list(gateway: &Gateway, id: i64) -> String {
    gateway.channel(id).expect("the channel").models
}

/// The channels that were really changed, in the order of the writes.
pub(crate) fn written(gateway: &Gateway) -> Vec<i64> {
    gateway
        .effective_writes()
        .into_iter()
        .filter_map(|entry| entry.channel)
        .collect()
}

/// The one item of a run's JSON about a channel.
#[track_caller]
pub(crate) fn item(run: &Value, id: i64) -> &Value {
    let mut items = items(run).iter().filter(|item| item["channel_id"] == id);
    let item = items
        .next()
        .unwrap_or_else(|| panic!("no item {id} in {run}"));
    assert!(items.next().is_none(), "two items {id}");
    item
}

#[track_caller]
pub(crate) fn items(run: &Value) -> &Vec<Value> {
    run["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no items in {run}"))
}

/// The texts of a JSON list.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map(|values| values.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// Holds a run's JSON to the gateway: what it says was changed is what the log shows, once each, and is there now.
/// The log must begin with the run.
#[track_caller]
pub(crate) fn is_the_truth(run: &Value, gateway: &Gateway) {
    let mut told = BTreeSet::new();
    for item in items(run) {
        let id = item["channel_id"].as_i64().expect("an id");
        let new = texts(&item["new_models"]).join(",");
        let changed = !texts(&item["added"]).is_empty() || !texts(&item["removed"]).is_empty();
        assert_ne!(item["status"], "planned", "{item}");
        if changed {
            told.insert(id);
        }
        if changed || item["status"] == "success" {
            assert_eq!(
                list(gateway, id),
                new,
                "channel {id} is not as told: {item}"
            );
        }
    }
    let mut writes = written(gateway);
    writes.sort_unstable();
    assert_eq!(
        told.iter().copied().collect::<Vec<_>>(),
        writes,
        "what was told is not what was written: {run}"
    );
    assert_eq!(run["statistics"]["changed"], told.len());
}
