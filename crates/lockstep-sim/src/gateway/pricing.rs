//! The public price pages: what is served at which price.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::connection::{Reply, lock};
use crate::gateway::routes::success;
use crate::gateway::shared::Shared;
use crate::gateway::state::State;
use crate::gateway::{go, pages, ratio};
use crate::spec::Flavour;

/// What a model that nobody has priced is shown at.
pub(crate) const UNSET: f64 = 37.5;

/// Vendors recognised by a model's name.
const VENDORS: [(&str, &str, &str); 6] = [
    ("claude", "Anthropic", "Claude.Color"),
    ("deepseek", "DeepSeek", "DeepSeek.Color"),
    ("gemini", "Google", "Gemini.Color"),
    ("gpt-", "OpenAI", "OpenAI"),
    ("qwen", "阿里巴巴", "Qwen.Color"),
    ("grok", "xAI", "XAI"),
];

/// `GET /api/pricing`, made anew or as it was made a while ago.
pub(crate) fn pricing(shared: &Shared) -> Reply {
    let now = shared.clock.elapsed();
    let mut kept = lock(&shared.pricing_page);
    if let Some((made, page)) = kept.as_ref()
        && now.saturating_sub(*made) < shared.spec.pricing_cache
    {
        return page.clone();
    }
    let page = made_anew(shared);
    *kept = Some((now, page.clone()));
    page
}

fn made_anew(shared: &Shared) -> Reply {
    let state = lock(&shared.state);
    let new = shared.spec.flavour == Flavour::NewApi;
    let served = served(&state);
    let mut vendors: Vec<(&str, &str)> = Vec::new();
    for (_, name, icon) in VENDORS {
        if new && served.keys().any(|model| vendor(model) == Some(name)) {
            vendors.push((name, icon));
        }
    }
    let mut endpoints = BTreeSet::new();
    let mut items: Vec<Map<String, Value>> = Vec::new();
    for (model, (groups, kinds)) in &served {
        let mut item = priced(&state, model, new);
        item.insert("enable_groups".to_owned(), json!(groups));
        if new {
            if let Some(id) = vendors
                .iter()
                .position(|(name, _)| vendor(model) == Some(*name))
            {
                item.insert("vendor_id".to_owned(), json!(id + 1));
            }
            let types = endpoint_types(kinds);
            endpoints.extend(types.iter().copied());
            item.insert("supported_endpoint_types".to_owned(), json!(types));
        }
        items.push(item);
    }
    if let Some(first) = items.first_mut().filter(|_| new) {
        let version = "5a90f2b86c08bd983a9a2e6d66c255f4eaef9c4bc934386d2b6ae84ef0ff1f1f";
        first.insert("pricing_version".to_owned(), json!(version));
    }
    let usable = state.options.text_map("UserUsableGroups");
    let ratios = state.options.live("GroupRatio");
    let group_ratio: BTreeMap<&String, Value> = usable
        .keys()
        .filter_map(|group| Some((group, go::number(*ratios.get(group)?))))
        .collect();
    if !new {
        return pages::json_reply(
            200,
            &json!({"success":true,"data":items,"group_ratio":group_ratio,"usable_group":usable}),
        );
    }
    let vendors: Vec<Value> = vendors
        .iter()
        .enumerate()
        .map(|(index, (name, icon))| json!({"id":index + 1,"name":name,"icon":icon}))
        .collect();
    let supported: BTreeMap<&str, Value> = endpoints
        .into_iter()
        .map(|kind| (kind, json!({"path":endpoint_path(kind),"method":"POST"})))
        .collect();
    let auto_groups: Value = state
        .options
        .text("AutoGroups")
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_else(|| json!([]));
    pages::json_reply(
        200,
        &json!({
            "auto_groups":auto_groups,"data":items,"group_ratio":group_ratio,
            "pricing_version":"a42d372ccf0b5dd13ecf71203521f9d2","success":true,
            "supported_endpoint":supported,"usable_group":usable,"vendors":vendors
        }),
    )
}

/// `GET /api/ratio_config`
pub(crate) fn ratio_config(shared: &Shared) -> Reply {
    let state = lock(&shared.state);
    if state.options.text("ExposeRatioEnabled").as_deref() != Some("true") {
        return pages::json_reply(
            403,
            &json!({"message":"倍率配置接口未启用","success":false}),
        );
    }
    let live = |key| go::numbers(&state.options.live(key));
    success(&json!({
        "model_ratio":live("ModelRatio"),
        "completion_ratio":live("CompletionRatio"),
        "cache_ratio":live("CacheRatio"),
        "create_cache_ratio":live("CreateCacheRatio"),
        "model_price":live("ModelPrice"),
    }))
}

/// Each model of an enabled channel, with the groups it is served in and the types of its channels.
fn served(state: &State) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<i64>)> {
    let mut served: BTreeMap<String, (BTreeSet<String>, BTreeSet<i64>)> = BTreeMap::new();
    for channel in state
        .channels
        .values()
        .filter(|channel| channel.status == 1)
    {
        for model in channel.model_names() {
            let (groups, kinds) = served.entry(model.to_owned()).or_default();
            groups.extend(channel.group.split(',').map(str::to_owned));
            kinds.insert(channel.kind);
        }
    }
    served
}

fn priced(state: &State, model: &str, new: bool) -> Map<String, Value> {
    let matched = ratio::matched_name(model);
    let live = |key| state.options.live_value(key, model);
    let by_matched = |key| state.options.live_value(key, matched);
    let mut item = Map::new();
    let mut put = |name: &str, value: Value| {
        item.insert(name.to_owned(), value);
    };
    put("model_name", json!(model));
    put("owner_by", json!(""));
    if let Some(price) = by_matched("ModelPrice") {
        put("quota_type", json!(1));
        put("model_ratio", json!(0));
        put("model_price", go::number(price));
        put("completion_ratio", json!(0));
    } else {
        let (completion, _) = ratio::completion(matched, by_matched("CompletionRatio"));
        put("quota_type", json!(0));
        put(
            "model_ratio",
            go::number(by_matched("ModelRatio").unwrap_or(UNSET)),
        );
        put("model_price", json!(0));
        put("completion_ratio", go::number(completion));
    }
    if new {
        for (name, key) in [
            ("cache_ratio", "CacheRatio"),
            ("create_cache_ratio", "CreateCacheRatio"),
            ("image_ratio", "ImageRatio"),
            ("audio_ratio", "AudioRatio"),
            ("audio_completion_ratio", "AudioCompletionRatio"),
        ] {
            if let Some(value) = live(key) {
                put(name, go::number(value));
            }
        }
        let text = |key| state.options.live_text(key, model);
        if let Some(mode) = text("billing_setting.billing_mode") {
            put("billing_mode", json!(mode));
            if let Some(expression) = text("billing_setting.billing_expr") {
                put("billing_expr", json!(expression));
            }
        }
    }
    item
}

fn vendor(model: &str) -> Option<&'static str> {
    VENDORS
        .iter()
        .find(|(part, _, _)| model.contains(part))
        .map(|(_, name, _)| *name)
}

fn endpoint_types(kinds: &BTreeSet<i64>) -> Vec<&'static str> {
    let mut types = Vec::new();
    if kinds.contains(&14) {
        types.push("anthropic");
    }
    if kinds.contains(&24) {
        types.push("gemini");
    }
    types.push("openai");
    types
}

fn endpoint_path(kind: &str) -> &'static str {
    match kind {
        "anthropic" => "/v1/messages",
        "gemini" => "/v1beta/models/{model}:generateContent",
        _ => "/v1/chat/completions",
    }
}
