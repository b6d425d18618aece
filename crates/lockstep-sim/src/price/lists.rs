//! The published lists, each as its kind of site writes it.

use serde_json::{Map, Value, json};

use crate::price::{Price, RATIOS, number};

/// What a New API shows at `/api/ratio_config`: the five maps it shows, even when it has more.
pub fn ratio_config(prices: &[Price]) -> String {
    let shown = [
        "model_ratio",
        "completion_ratio",
        "cache_ratio",
        "create_cache_ratio",
        "model_price",
    ];
    let mut data = maps(prices);
    data.retain(|field, _| shown.contains(&field.as_str()));
    json!({"success":true,"message":"","data":data}).to_string()
}

/// What the official preset publishes: all maps that are not empty, expressions with their modes included.
pub fn official(prices: &[Price]) -> String {
    let mut data = maps(prices);
    data.retain(|_, map| map.as_object().is_some_and(|map| !map.is_empty()));
    let mut put = |field: &str, model: &str, text: &str| {
        if let Some(map) = data
            .entry(field)
            .or_insert_with(|| json!({}))
            .as_object_mut()
        {
            map.insert(model.to_owned(), json!(text));
        }
    };
    for price in prices {
        if let Some(expression) = &price.expression {
            put("billing_mode", &price.model, "tiered_expr");
            put("billing_expr", &price.model, expression);
        }
    }
    json!({"data":data,"message":"","success":true}).to_string()
}

/// What a New API shows at `/api/pricing` to a caller who may use these groups at these ratios.
pub fn pricing_list(prices: &[Price], groups: &[(&str, f64)]) -> String {
    let names: Vec<&str> = groups.iter().map(|(name, _)| *name).collect();
    let mut items: Vec<Map<String, Value>> = Vec::new();
    for price in prices {
        let mut item = item(price, &names);
        item.insert("supported_endpoint_types".to_owned(), json!(["openai"]));
        for ((field, _), ratio) in RATIOS.into_iter().zip(price.ratios()).skip(2).take(5) {
            if let Some(ratio) = ratio {
                item.insert(field.to_owned(), number(ratio));
            }
        }
        if let Some(expression) = &price.expression {
            item.insert("billing_mode".to_owned(), json!("tiered_expr"));
            item.insert("billing_expr".to_owned(), json!(expression));
        }
        items.push(item);
    }
    if let Some(first) = items.first_mut() {
        let version = "5a90f2b86c08bd983a9a2e6d66c255f4eaef9c4bc934386d2b6ae84ef0ff1f1f";
        first.insert("pricing_version".to_owned(), json!(version));
    }
    json!({
        "auto_groups":["default"],"data":items,"group_ratio":group_ratio(groups),
        "pricing_version":"a42d372ccf0b5dd13ecf71203521f9d2","success":true,
        "supported_endpoint":{"openai":{"path":"/v1/chat/completions","method":"POST"}},
        "usable_group":usable_group(groups),"vendors":[]
    })
    .to_string()
}

/// What the fork of April 2025 shows at `/api/pricing`: no vendors, no endpoints, no ratios but the first two.
pub fn old_pricing_list(prices: &[Price], groups: &[(&str, f64)]) -> String {
    let names: Vec<&str> = groups.iter().map(|(name, _)| *name).collect();
    let items: Vec<_> = prices.iter().map(|price| item(price, &names)).collect();
    json!({
        "success":true,"data":items,"group_ratio":group_ratio(groups),"usable_group":usable_group(groups)
    })
    .to_string()
}

/// What some forks show at `/api/pricing` instead: prices below each group.
pub fn grouped_list(prices: &[Price], groups: &[(&str, f64)]) -> String {
    let of_group = |ratio: f64| {
        let prices: Map<String, Value> = prices
            .iter()
            .map(|price| {
                let (kind, money) = match price.per_call {
                    Some(usd) => (1, usd),
                    None => (0, price.ratios()[0].unwrap_or(0.0)),
                };
                (
                    price.model.clone(),
                    json!({"priceType":kind,"price":number(money)}),
                )
            })
            .collect();
        json!({"DisplayName":"","GroupRatio":number(ratio),"ModelPrice":prices})
    };
    let model_group: Map<String, Value> = groups
        .iter()
        .map(|(name, ratio)| ((*name).to_owned(), of_group(*ratio)))
        .collect();
    let model_info: Map<String, Value> = prices
        .iter()
        .map(|price| {
            (
                price.model.clone(),
                json!({"key":price.model,"name":price.model}),
            )
        })
        .collect();
    let completion = maps(prices).remove("completion_ratio").unwrap_or_default();
    json!({
        "success":true,"message":"",
        "data":{"model_group":model_group,"model_info":model_info,"model_completion_ratio":completion,
            "group_special":{},"owner_by":{}}
    })
    .to_string()
}

/// What OpenRouter shows at `/v1/models`: USD per token, as text.
pub fn openrouter(prices: &[Price]) -> String {
    let items: Vec<Value> = prices
        .iter()
        .map(|price| {
            json!({
                "id":price.model,"name":price.model,"context_length":200_000,
                "pricing":openrouter_pricing(price)
            })
        })
        .collect();
    json!({"data":items}).to_string()
}

/// The `pricing` of one of OpenRouter's items.
pub(crate) fn openrouter_pricing(price: &Price) -> Value {
    let mut pricing = Map::new();
    for (field, money) in [
        ("prompt", price.input),
        ("completion", price.output),
        ("input_cache_read", price.cache_read),
        ("input_cache_write", price.cache_write),
        ("audio", price.audio),
    ] {
        if let Some(usd) = money {
            pricing.insert(field.to_owned(), json!(per_token_text(usd)));
        }
    }
    pricing.insert(
        "request".to_owned(),
        json!(plain_text(price.per_call.unwrap_or(0.0))),
    );
    pricing.insert("image".to_owned(), json!("0"));
    Value::Object(pricing)
}

/// What models.dev shows at `/api.json`: sellers, each with its models in USD per million tokens.
pub fn models_dev(sellers: &[(&str, Vec<Price>)]) -> String {
    let sellers: Map<String, Value> = sellers
        .iter()
        .map(|(seller, prices)| {
            let models: Map<String, Value> = prices
                .iter()
                .map(|price| (price.model.clone(), models_dev_item(price)))
                .collect();
            let value = json!({
                "id":seller,"name":seller,"env":[format!("{}_API_KEY", seller.to_uppercase())],
                "npm":"@ai-sdk/openai-compatible","doc":format!("https://docs.{seller}.invalid"),"models":models
            });
            ((*seller).to_owned(), value)
        })
        .collect();
    Value::Object(sellers).to_string()
}

fn models_dev_item(price: &Price) -> Value {
    let mut cost = Map::new();
    for (field, money) in [
        ("input", price.input),
        ("output", price.output),
        ("cache_read", price.cache_read),
        ("cache_write", price.cache_write),
        ("input_audio", price.audio),
        ("output_audio", price.audio_output),
    ] {
        if let Some(usd) = money {
            cost.insert(field.to_owned(), number(usd));
        }
    }
    let mut item = json!({
        "id":price.model,"name":price.model,"attachment":false,"reasoning":false,"temperature":true,
        "tool_call":true,"release_date":"2025-08-01","last_updated":"2025-08-01","open_weights":false,
        "modalities":{"input":["text"],"output":["text"]},"limit":{"context":200_000,"output":32_000}
    });
    if !cost.is_empty()
        && let Some(fields) = item.as_object_mut()
    {
        fields.insert("cost".to_owned(), Value::Object(cost));
    }
    item
}

/// LiteLLM's map, headed by its sample entry: sellers, each with its models in USD per token.
pub fn litellm(sellers: &[(&str, Vec<Price>)]) -> String {
    let mut map = Map::new();
    map.insert(
        "sample_spec".to_owned(),
        json!({
            "input_cost_per_token":0.0,"output_cost_per_token":0.0,
            "litellm_provider":"one of https://docs.litellm.ai/docs/providers",
            "max_input_tokens":"max input tokens, if the provider specifies it",
            "mode":"one of: chat, embedding, completion, image_generation"
        }),
    );
    for (seller, prices) in sellers {
        for price in prices {
            map.insert(price.model.clone(), litellm_item(seller, price));
        }
    }
    Value::Object(map).to_string()
}

fn litellm_item(seller: &str, price: &Price) -> Value {
    let mut item = Map::new();
    for (field, money) in [
        ("input_cost_per_token", price.input),
        ("output_cost_per_token", price.output),
        ("cache_read_input_token_cost", price.cache_read),
        ("cache_creation_input_token_cost", price.cache_write),
        ("input_cost_per_image_token", price.image),
        ("input_cost_per_audio_token", price.audio),
        ("output_cost_per_audio_token", price.audio_output),
    ] {
        if let Some(usd) = money {
            item.insert(field.to_owned(), json!(per_token(usd)));
        }
    }
    if let Some(usd) = price.per_call {
        item.insert("input_cost_per_image".to_owned(), json!(usd));
    }
    let mode = if price.per_call.is_some() {
        "image_generation"
    } else if price.model.contains("embedding") {
        "embedding"
    } else {
        "chat"
    };
    item.insert("litellm_provider".to_owned(), json!(seller));
    item.insert("max_input_tokens".to_owned(), json!(200_000));
    item.insert("mode".to_owned(), json!(mode));
    Value::Object(item)
}

/// The eight maps of numbers by the names sites give them, empty ones included.
fn maps(prices: &[Price]) -> Map<String, Value> {
    let mut maps = Map::new();
    for (index, (field, _)) in RATIOS.into_iter().enumerate() {
        let map: Map<String, Value> = prices
            .iter()
            .filter_map(|price| Some((price.model.clone(), number(price.ratios()[index]?))))
            .collect();
        maps.insert(field.to_owned(), Value::Object(map));
    }
    maps
}

/// What every version shows of a model.
fn item(price: &Price, groups: &[&str]) -> Map<String, Value> {
    let [ratio, completion, ..] = price.ratios();
    let (quota_type, ratio, money, completion) = match price.per_call {
        Some(usd) => (1, 0.0, usd, 0.0),
        None => (0, ratio.unwrap_or(37.5), 0.0, completion.unwrap_or(1.0)),
    };
    [
        ("model_name", json!(price.model)),
        ("quota_type", json!(quota_type)),
        ("model_ratio", number(ratio)),
        ("model_price", number(money)),
        ("owner_by", json!("")),
        ("completion_ratio", number(completion)),
        ("enable_groups", json!(groups)),
    ]
    .into_iter()
    .map(|(field, value)| (field.to_owned(), value))
    .collect()
}

fn group_ratio(groups: &[(&str, f64)]) -> Map<String, Value> {
    groups
        .iter()
        .map(|(name, ratio)| ((*name).to_owned(), number(*ratio)))
        .collect()
}

fn usable_group(groups: &[(&str, f64)]) -> Map<String, Value> {
    groups
        .iter()
        .map(|(name, _)| ((*name).to_owned(), json!(format!("{name} group"))))
        .collect()
}

/// USD per token, from USD per million.
fn per_token(usd: f64) -> f64 {
    per_token_text(usd).parse().unwrap_or(0.0)
}

/// The same as text, without an exponent and without the tail of digits that dividing leaves.
fn per_token_text(usd: f64) -> String {
    plain_text(usd / 1e6)
}

fn plain_text(value: f64) -> String {
    let text = format!("{value:.15}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    fn prices() -> Vec<Price> {
        vec![
            Price::tokens("gpt-4o", 2.5, 10.0).cache_read(1.25),
            Price::per_call("dall-e-3", 0.04),
            Price {
                expression: Some("tier(\"base\", p * 3)".to_owned()),
                ..Price::tokens("tiered", 3.0, 9.0).image(6.0)
            },
        ]
    }

    #[test]
    fn a_gateway_shows_five_maps_and_the_preset_all_it_has() {
        let five = parsed(&ratio_config(&prices()));
        assert_eq!(
            five["data"],
            json!({
                "model_ratio":{"gpt-4o":1.25,"tiered":1.5},"completion_ratio":{"gpt-4o":4,"tiered":3},
                "cache_ratio":{"gpt-4o":0.5},"create_cache_ratio":{},"model_price":{"dall-e-3":0.04}
            })
        );
        let all = parsed(&official(&prices()));
        assert_eq!(all["data"]["image_ratio"], json!({"tiered":2}));
        assert_eq!(all["data"]["billing_mode"], json!({"tiered":"tiered_expr"}));
        assert!(all["data"].get("audio_ratio").is_none());
    }

    #[test]
    fn a_price_list_tells_calls_from_tokens() {
        let list = parsed(&pricing_list(&prices(), &[("default", 1.0), ("vip", 0.5)]));
        assert_eq!(list["group_ratio"], json!({"default":1,"vip":0.5}));
        let items = &list["data"];
        assert_eq!(items[0]["quota_type"], 0);
        assert_eq!(items[0]["cache_ratio"], 0.5);
        assert_eq!(items[0]["enable_groups"], json!(["default", "vip"]));
        assert_eq!(
            (&items[1]["quota_type"], &items[1]["model_price"]),
            (&json!(1), &json!(0.04))
        );
        assert_eq!(
            (&items[1]["model_ratio"], &items[1]["completion_ratio"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(items[2]["billing_expr"], "tier(\"base\", p * 3)");
        let old = parsed(&old_pricing_list(&prices(), &[("default", 1.0)]));
        assert!(old.get("vendors").is_none() && old["data"][0].get("cache_ratio").is_none());
        let grouped = parsed(&grouped_list(&prices(), &[("default", 1.0)]));
        assert_eq!(
            grouped["data"]["model_group"]["default"]["ModelPrice"]["dall-e-3"],
            json!({"priceType":1,"price":0.04})
        );
    }

    #[test]
    fn openrouter_writes_money_as_plain_text() {
        let list = parsed(&openrouter(&[
            Price::tokens("openai/gpt-4o", 2.5, 10.0).cache_read(1.25),
            Price::tokens("free/m:free", 0.0, 0.0),
        ]));
        assert_eq!(
            list["data"][0]["pricing"],
            json!({"prompt":"0.0000025","completion":"0.00001","input_cache_read":"0.00000125",
                "request":"0","image":"0"})
        );
        assert_eq!(list["data"][1]["pricing"]["prompt"], "0");
    }

    #[test]
    fn models_dev_names_sellers_and_litellm_counts_tokens() {
        let sellers = [
            ("openai", prices()),
            ("reseller", vec![Price::tokens("gpt-4o", 1.0, 5.0)]),
        ];
        let list = parsed(&models_dev(&sellers));
        assert_eq!(
            list["openai"]["models"]["gpt-4o"]["cost"],
            json!({"input":2.5,"output":10,"cache_read":1.25})
        );
        assert_eq!(list["reseller"]["models"]["gpt-4o"]["cost"]["input"], 1);
        assert!(list["openai"]["models"]["dall-e-3"].get("cost").is_none());
        let map = parsed(&litellm(&sellers[..1]));
        assert_eq!(map["gpt-4o"]["input_cost_per_token"], 2.5e-6);
        assert_eq!(map["gpt-4o"]["litellm_provider"], "openai");
        assert_eq!(map["dall-e-3"]["mode"], "image_generation");
        assert!(map.get("sample_spec").is_some());
    }
}
