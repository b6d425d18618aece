//! A channel as the gateway stores it, and what a partial update does to it.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::gateway::go;

/// One channel. The fields are the gateway's own, in the order of its JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Channel {
    /// The id.
    pub id: i64,
    /// The kind of provider: 1 OpenAI, 4 Ollama, 14 Anthropic, 17 Ali, 24 Gemini, 36 Suno and so on.
    #[serde(rename = "type")]
    pub kind: i64,
    /// The provider's key. It never leaves the gateway.
    pub key: String,
    /// OpenAI's organisation.
    pub openai_organization: Option<String>,
    /// The model its test asks.
    pub test_model: Option<String>,
    /// 1 enabled, 2 disabled by hand, 3 disabled by the gateway.
    pub status: i64,
    /// The name.
    pub name: String,
    /// Its share among channels of one priority.
    pub weight: Option<u64>,
    /// Creation, in Unix seconds.
    pub created_time: i64,
    /// Last test, in Unix seconds.
    pub test_time: i64,
    /// Last test's duration, in milliseconds.
    pub response_time: i64,
    /// The provider's address. Blank falls back to the type's own.
    pub base_url: Option<String>,
    /// Free text of some types.
    pub other: String,
    /// The balance at the provider.
    #[serde(serialize_with = "go_float")]
    pub balance: f64,
    /// When that was asked.
    pub balance_updated_time: i64,
    /// The models, joined by commas.
    pub models: String,
    /// The groups, joined by commas.
    pub group: String,
    /// Quota used so far.
    pub used_quota: i64,
    /// Aliases: a JSON object in a string.
    pub model_mapping: Option<String>,
    /// Status codes to replace: a JSON object in a string.
    pub status_code_mapping: Option<String>,
    /// Higher is asked first.
    pub priority: Option<i64>,
    /// Whether failures disable it.
    pub auto_ban: Option<i64>,
    /// The gateway's own notes.
    pub other_info: String,
    /// A tag.
    pub tag: Option<String>,
    /// Settings: a JSON object in a string.
    pub setting: Option<String>,
    /// Parameters to override.
    pub param_override: Option<String>,
    /// Headers to override.
    pub header_override: Option<String>,
    /// A remark.
    pub remark: Option<String>,
    /// Several keys in one channel.
    pub channel_info: ChannelInfo,
    /// More settings: a JSON object in a string.
    pub settings: String,
}

/// How a channel uses several keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelInfo {
    /// Whether it has several.
    pub is_multi_key: bool,
    /// How many.
    pub multi_key_size: i64,
    /// Which of them are disabled.
    pub multi_key_status_list: Option<Map<String, Value>>,
    /// Whose turn it is.
    pub multi_key_polling_index: i64,
    /// How the next one is chosen.
    pub multi_key_mode: String,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            id: 0,
            kind: 1,
            key: "sk-sim".to_owned(),
            openai_organization: None,
            test_model: None,
            status: 1,
            name: String::new(),
            weight: Some(0),
            created_time: 1_795_376_533,
            test_time: 0,
            response_time: 0,
            base_url: Some(String::new()),
            other: String::new(),
            balance: 0.0,
            balance_updated_time: 0,
            models: String::new(),
            group: "default".to_owned(),
            used_quota: 0,
            model_mapping: None,
            status_code_mapping: Some(String::new()),
            priority: Some(0),
            auto_ban: Some(1),
            other_info: String::new(),
            tag: None,
            setting: None,
            param_override: None,
            header_override: None,
            remark: None,
            channel_info: ChannelInfo::default(),
            settings: String::new(),
        }
    }
}

impl Channel {
    /// An enabled OpenAI-style channel without models. With id 0 the gateway chooses the id.
    pub fn new(id: i64, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Bound to the simulated provider of this name.
    #[must_use]
    pub fn at(self, provider: &str) -> Self {
        self.base_url(&format!("sim://{provider}"))
    }

    /// Bound to any address.
    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        self.base_url = Some(url.to_owned());
        self
    }

    /// With these models, joined by commas.
    #[must_use]
    pub fn models(mut self, models: &str) -> Self {
        models.clone_into(&mut self.models);
        self
    }

    /// With this text of aliases, valid JSON or not.
    #[must_use]
    pub fn mapping(mut self, text: &str) -> Self {
        self.model_mapping = Some(text.to_owned());
        self
    }

    /// Of this type.
    #[must_use]
    pub fn kind(mut self, kind: i64) -> Self {
        self.kind = kind;
        self
    }

    /// With this status: 1 enabled, 2 disabled by hand, 3 disabled by the gateway.
    #[must_use]
    pub fn status(mut self, status: i64) -> Self {
        self.status = status;
        self
    }

    /// With this priority.
    #[must_use]
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = Some(priority);
        self
    }

    /// The model names, split as the gateway splits them: at commas, spaces kept.
    pub fn model_names(&self) -> Vec<&str> {
        if self.models.is_empty() {
            return Vec::new();
        }
        self.models.split(',').collect()
    }

    /// The names of the fields that differ.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<String> {
        let fields = |channel| match serde_json::to_value(channel) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let old = fields(before);
        fields(self)
            .into_iter()
            .filter(|(name, value)| old.get(name) != Some(value))
            .map(|(name, _)| name)
            .collect()
    }

    /// The channel as answers show it: without its key.
    pub(crate) fn shown(&self) -> Self {
        Self {
            key: String::new(),
            ..self.clone()
        }
    }
}

/// Fields that only a caller with the right to sensitive writes may change.
const SENSITIVE: [&str; 10] = [
    "type",
    "key",
    "base_url",
    "openai_organization",
    "header_override",
    "param_override",
    "setting",
    "other",
    "settings",
    "key_mode",
];

/// Fields the gateway keeps itself and takes from nobody.
const READ_ONLY: [&str; 6] = [
    "created_time",
    "test_time",
    "response_time",
    "balance",
    "balance_updated_time",
    "used_quota",
];

/// Plain fields: their zero value cannot be told from absence, and is ignored.
const PLAIN: [&str; 8] = [
    "type",
    "key",
    "name",
    "models",
    "group",
    "other",
    "other_info",
    "settings",
];

/// Fields behind a pointer: any value but null is written.
const POINTERS: [&str; 13] = [
    "openai_organization",
    "test_model",
    "weight",
    "base_url",
    "model_mapping",
    "status_code_mapping",
    "priority",
    "auto_ban",
    "tag",
    "setting",
    "param_override",
    "header_override",
    "remark",
];

/// The outcome of a partial update that could be read.
pub(crate) struct Patched {
    /// The channel as it would be stored.
    pub(crate) channel: Channel,
    /// The fields whose stored value differs.
    pub(crate) changed: Vec<String>,
    /// Whether it needs the right to sensitive writes.
    pub(crate) sensitive: bool,
}

/// Applies a partial body to a stored channel. The error is the text a Go decoder gives for a value of the wrong type.
pub(crate) fn patch(
    stored: &Channel,
    body: &Map<String, Value>,
    with_status: bool,
) -> Result<Patched, String> {
    let stored_json = match serde_json::to_value(stored) {
        Ok(Value::Object(object)) => object,
        _ => return Err("channel cannot be encoded".to_owned()),
    };
    let mut merged = stored_json.clone();
    let mut changed = Vec::new();
    let mut sensitive = false;
    for (field, value) in body {
        let known = stored_json.contains_key(field)
            || matches!(field.as_str(), "multi_key_mode" | "key_mode");
        if !known {
            sensitive = true;
            continue;
        }
        let writable = (PLAIN.contains(&field.as_str()) && !is_zero(value))
            || (POINTERS.contains(&field.as_str()) && !value.is_null())
            || (with_status && field == "status" && !is_zero(value));
        if !writable || READ_ONLY.contains(&field.as_str()) || stored_json.get(field) == Some(value)
        {
            continue;
        }
        merged.insert(field.clone(), value.clone());
        changed.push(field.clone());
        sensitive |= SENSITIVE.contains(&field.as_str());
    }
    let channel = serde_json::from_value(Value::Object(merged))
        .map_err(|_| "json: cannot unmarshal value into Go struct field PatchChannel".to_owned())?;
    Ok(Patched {
        channel,
        changed,
        sensitive,
    })
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

fn go_float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    go::number(*value).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(body: Value) -> Patched {
        let stored = Channel::new(1, "one")
            .models("a,b")
            .mapping("{\"x\":\"a\"}");
        patch(&stored, body.as_object().expect("an object"), false).expect("a readable body")
    }

    #[test]
    fn zero_values_are_ignored_unless_behind_a_pointer() {
        let zero = patched(json!({"id":1,"models":"","name":"","type":0,"group":""}));
        assert!(zero.changed.is_empty());
        let pointers = patched(json!({"id":1,"model_mapping":"","priority":5,"weight":7,"tag":""}));
        assert_eq!(
            pointers.changed,
            ["model_mapping", "priority", "tag", "weight"]
        );
        assert_eq!(pointers.channel.model_mapping.as_deref(), Some(""));
        assert!(!pointers.sensitive);
    }

    #[test]
    fn read_only_fields_are_ignored_and_sensitive_ones_told() {
        let kept = patched(json!({"id":1,"used_quota":5,"created_time":1,"balance":3}));
        assert!(kept.changed.is_empty() && !kept.sensitive);
        assert!(patched(json!({"id":1,"base_url":"http://else"})).sensitive);
        assert!(
            !patched(json!({"id":1,"base_url":""})).sensitive,
            "unchanged is not sensitive"
        );
        assert!(patched(json!({"id":1,"invented":1})).sensitive);
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        let stored = Channel::new(1, "one");
        let body = json!({"id":1,"models":["a"]});
        assert!(patch(&stored, body.as_object().expect("an object"), false).is_err());
    }
}
