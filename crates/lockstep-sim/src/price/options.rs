//! A gateway's own ten price options.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::gateway::PRICE_KEYS;
use crate::price::{Price, RATIOS, number};

/// The texts of the ten options on a gateway that charges these prices, as its console writes them: two spaces deep.
pub fn options(prices: &[Price]) -> BTreeMap<String, String> {
    let mut maps: BTreeMap<&str, Map<String, Value>> = PRICE_KEYS
        .into_iter()
        .map(|key| (key, Map::new()))
        .collect();
    let mut put = |key: &'static str, model: &str, value: Value| {
        maps.entry(key).or_default().insert(model.to_owned(), value);
    };
    for price in prices {
        for ((_, key), ratio) in RATIOS.into_iter().zip(price.ratios()) {
            if let Some(ratio) = ratio {
                put(key, &price.model, number(ratio));
            }
        }
        if let Some(expression) = &price.expression {
            put(
                "billing_setting.billing_mode",
                &price.model,
                Value::from("tiered_expr"),
            );
            put(
                "billing_setting.billing_expr",
                &price.model,
                Value::from(expression.as_str()),
            );
        }
    }
    maps.into_iter()
        .map(|(key, map)| (key.to_owned(), format!("{:#}", Value::Object(map))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_text_and_each_price_its_place() {
        let texts = options(&[
            Price::tokens("a", 2.0, 8.0).cache_read(0.5),
            Price::per_call("b", 0.04),
            Price::expression("c", "p * 1"),
        ]);
        assert_eq!(texts.len(), 10);
        assert_eq!(texts["ModelRatio"], "{\n  \"a\": 1\n}");
        assert_eq!(texts["CacheRatio"], "{\n  \"a\": 0.25\n}");
        assert_eq!(texts["ModelPrice"], "{\n  \"b\": 0.04\n}");
        assert_eq!(
            texts["billing_setting.billing_expr"],
            "{\n  \"c\": \"p * 1\"\n}"
        );
        assert_eq!(texts["AudioRatio"], "{}");
    }
}
