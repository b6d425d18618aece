//! The gateway's options: stored texts, and the maps it really bills by.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::gateway::{go, ratio};

/// The ten options that hold prices, in the order the gateway's own page writes them.
pub const PRICE_KEYS: [&str; 10] = [
    "ModelRatio",
    "CompletionRatio",
    "CacheRatio",
    "CreateCacheRatio",
    "ImageRatio",
    "AudioRatio",
    "AudioCompletionRatio",
    "ModelPrice",
    "billing_setting.billing_mode",
    "billing_setting.billing_expr",
];

/// Maps whose text is stored before anybody looks at it.
const UNCHECKED: [&str; 4] = ["ModelRatio", "CompletionRatio", "CacheRatio", "ModelPrice"];

/// Maps whose text is stored only when it can be read, with the words its refusal begins with.
const CHECKED: [(&str, &str); 4] = [
    ("CreateCacheRatio", "缓存创建倍率设置失败: "),
    ("ImageRatio", "图片倍率设置失败: "),
    ("AudioRatio", "音频倍率设置失败: "),
    ("AudioCompletionRatio", "音频补全倍率设置失败: "),
];

/// Maps of texts. A text that cannot be read is stored, and the old map stays in memory.
const OF_TEXTS: [&str; 2] = [
    "billing_setting.billing_mode",
    "billing_setting.billing_expr",
];

/// Endings of keys that are never shown.
const HIDDEN: [&str; 5] = ["Token", "Secret", "Key", "secret", "api_key"];

/// Stored texts beside the maps in memory, which need not agree.
#[derive(Debug, Default, Clone)]
pub(crate) struct Options {
    texts: BTreeMap<String, String>,
    live: BTreeMap<String, BTreeMap<String, f64>>,
    live_texts: BTreeMap<String, BTreeMap<String, String>>,
}

impl Options {
    /// The options of a fresh gateway, with some texts replaced. A bad text has its effects already.
    pub(crate) fn new(given: &BTreeMap<String, String>) -> Self {
        let mut options = Self::default();
        for (key, text) in ratio::DEFAULTS {
            // The built-in texts are valid.
            let _ = options.set(key, text);
        }
        for (key, text) in given {
            if options.set(key, text).is_err() {
                options.texts.insert(key.clone(), text.clone());
            }
        }
        options
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.texts.get(key).cloned()
    }

    pub(crate) fn texts(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    pub(crate) fn live(&self, key: &str) -> BTreeMap<String, f64> {
        self.live.get(key).cloned().unwrap_or_default()
    }

    pub(crate) fn live_value(&self, key: &str, model: &str) -> Option<f64> {
        self.live.get(key)?.get(model).copied()
    }

    /// A model's billing mode or expression, as billed by.
    pub(crate) fn live_text(&self, key: &str, model: &str) -> Option<&str> {
        self.live_texts.get(key)?.get(model).map(String::as_str)
    }

    /// Builds the maps in memory again from the stored texts, as a process does that starts.
    pub(crate) fn read_again(&mut self) {
        self.live_texts.clear();
        for (key, text) in self.texts.clone() {
            // A text that was complained of when it was written is complained of again, to nobody.
            let _ = self.set(&key, &text);
        }
    }

    /// A map of texts, such as the usable groups. Unreadable is empty.
    pub(crate) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        self.texts
            .get(key)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// Stores a text the way the gateway does. An error may come after the text was stored.
    pub(crate) fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        if UNCHECKED.contains(&key) {
            self.texts.insert(key.to_owned(), text.to_owned());
            return self.read_into_memory(key, text);
        }
        if let Some((_, prefix)) = CHECKED.iter().find(|(checked, _)| *checked == key) {
            self.read_into_memory(key, text)
                .map_err(|error| format!("{prefix}{error}"))?;
        }
        if key == "GroupRatio" {
            let (map, error) = go::number_map(text);
            if let Some(error) = error {
                return Err(error);
            }
            if let Some((group, _)) = map.iter().find(|(_, ratio)| **ratio < 0.0) {
                return Err(format!("group ratio must be not less than 0: {group}"));
            }
            self.live.insert(key.to_owned(), map);
        }
        if OF_TEXTS.contains(&key)
            && let Ok(map) = serde_json::from_str(text)
        {
            self.live_texts.insert(key.to_owned(), map);
        }
        self.texts.insert(key.to_owned(), text.to_owned());
        Ok(())
    }

    /// The map in memory is emptied before the text is read, so a bad text costs the old prices.
    fn read_into_memory(&mut self, key: &str, text: &str) -> Result<(), String> {
        let (map, error) = go::number_map(text);
        self.live.insert(key.to_owned(), map);
        error.map_or(Ok(()), Err)
    }

    /// The list the settings page reads. `stale` are texts that reads still see.
    pub(crate) fn shown(&self, stale: &BTreeMap<String, String>, with_meta: bool) -> Vec<Value> {
        let mut rows: Vec<Value> = self
            .texts
            .iter()
            .filter(|(key, _)| !HIDDEN.iter().any(|ending| key.ends_with(ending)))
            .map(|(key, text)| json!({"key":key,"value":stale.get(key).unwrap_or(text)}))
            .collect();
        if with_meta {
            rows.push(
                json!({"key":"CompletionRatioMeta","value":self.completion_meta().to_string()}),
            );
        }
        rows
    }

    /// For each priced model the completion ratio billed, and whether the configured one is ignored.
    fn completion_meta(&self) -> Value {
        let mut meta = serde_json::Map::new();
        for key in &PRICE_KEYS[..8] {
            for model in self.live.get(*key).into_iter().flat_map(BTreeMap::keys) {
                let (ratio, locked) =
                    ratio::completion(model, self.live_value("CompletionRatio", model));
                meta.insert(
                    model.clone(),
                    json!({"ratio":go::number(ratio),"locked":locked}),
                );
            }
        }
        Value::Object(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchecked_text_is_stored_and_costs_the_map_in_memory() {
        let mut options = Options::new(&BTreeMap::new());
        assert!(!options.live("ModelRatio").is_empty());
        assert!(options.set("ModelRatio", "{").is_err());
        assert_eq!(options.text("ModelRatio").as_deref(), Some("{"));
        assert!(options.live("ModelRatio").is_empty());
    }

    #[test]
    fn a_checked_text_is_not_stored_but_costs_the_map_all_the_same() {
        let mut options = Options::new(&BTreeMap::new());
        let before = options.text("ImageRatio");
        assert!(options.set("ImageRatio", "{").is_err());
        assert_eq!(options.text("ImageRatio"), before);
        assert!(options.live("ImageRatio").is_empty());
    }

    #[test]
    fn texts_are_kept_byte_for_byte() {
        let mut options = Options::new(&BTreeMap::new());
        let text = "{ \"b\": 1.50,\n\"a\":1e-7 }";
        assert_eq!(options.set("ModelRatio", text), Ok(()));
        assert_eq!(options.text("ModelRatio").as_deref(), Some(text));
        assert_eq!(options.live_value("ModelRatio", "a"), Some(1e-7));
    }

    #[test]
    fn group_ratios_are_checked_and_secrets_hidden() {
        let mut options = Options::new(&BTreeMap::new());
        assert!(options.set("GroupRatio", "{\"vip\":-1}").is_err());
        assert_eq!(options.set("SMTPToken", "hush"), Ok(()));
        let shown = options.shown(&BTreeMap::new(), true);
        assert!(shown.iter().all(|row| row["key"] != "SMTPToken"));
        assert!(shown.iter().any(|row| row["key"] == "CompletionRatioMeta"));
    }
}
