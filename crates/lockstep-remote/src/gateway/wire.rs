//! The gateway's JSON, and how it becomes plain values.

use lockstep_core::channel::{Channel, Status};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// One page of channels.
#[derive(Debug, Deserialize)]
pub(super) struct ChannelPage {
    pub(super) items: Vec<WireChannel>,
    pub(super) total: usize,
}

/// A channel. What every New API has must be there, though it may be null; what only some have may be absent.
#[derive(Debug, Deserialize)]
pub(super) struct WireChannel {
    pub(super) id: i64,
    #[serde(rename = "type")]
    kind: i64,
    status: i64,
    #[serde(deserialize_with = "null_as_blank")]
    name: String,
    #[serde(deserialize_with = "null_as_blank")]
    models: String,
    base_url: Option<String>,
    model_mapping: Option<String>,
    settings: Option<Value>,
    #[serde(flatten)]
    configured: Configured,
}

/// The other fields that an admin configures, whatever their type. Not here, because they change without an admin:
/// counters, times, balances, `status`, `channel_info` and `settings`.
#[derive(Debug, Deserialize)]
struct Configured {
    auto_ban: Option<Value>,
    group: Option<Value>,
    header_override: Option<Value>,
    openai_organization: Option<Value>,
    other: Option<Value>,
    param_override: Option<Value>,
    priority: Option<Value>,
    remark: Option<Value>,
    setting: Option<Value>,
    status_code_mapping: Option<Value>,
    tag: Option<Value>,
    test_model: Option<Value>,
    weight: Option<Value>,
}

impl From<WireChannel> for Channel {
    fn from(wire: WireChannel) -> Self {
        let WireChannel {
            id,
            kind,
            status,
            name,
            models,
            base_url,
            model_mapping,
            settings,
            configured,
        } = wire;
        Self {
            id,
            name,
            kind,
            status: Status::from_number(status),
            base_url: base_url.unwrap_or_default(),
            models,
            model_mapping,
            configured: configured.into_texts(),
            own_sync: settings
                .as_ref()
                .and_then(Value::as_str)
                .is_some_and(own_sync),
        }
    }
}

/// Whether the channel's `settings`, JSON in a text, switch on the gateway's own sync.
fn own_sync(settings: &str) -> bool {
    #[derive(Deserialize)]
    struct Settings {
        #[serde(default)]
        upstream_model_update_auto_sync_enabled: bool,
    }
    serde_json::from_str::<Settings>(settings)
        .is_ok_and(|settings| settings.upstream_model_update_auto_sync_enabled)
}

impl Configured {
    /// The fields that have a value, sorted by name, each with its compact JSON text.
    fn into_texts(self) -> Vec<(String, String)> {
        let Self {
            auto_ban,
            group,
            header_override,
            openai_organization,
            other,
            param_override,
            priority,
            remark,
            setting,
            status_code_mapping,
            tag,
            test_model,
            weight,
        } = self;
        [
            ("auto_ban", auto_ban),
            ("group", group),
            ("header_override", header_override),
            ("openai_organization", openai_organization),
            ("other", other),
            ("param_override", param_override),
            ("priority", priority),
            ("remark", remark),
            ("setting", setting),
            ("status_code_mapping", status_code_mapping),
            ("tag", tag),
            ("test_model", test_model),
            ("weight", weight),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_string())))
        .collect()
    }
}

/// The body of a channel's write: nothing but these two fields ever goes out.
#[derive(Debug, Serialize)]
pub(super) struct ModelsUpdate<'a> {
    pub(super) id: i64,
    pub(super) models: &'a str,
}

/// The body of an option's write. The value is a text whatever it holds: the gateway would store an object in the
/// form that Go prints.
#[derive(Debug, Serialize)]
pub(super) struct OptionUpdate<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// The user behind a token.
#[derive(Debug, Deserialize)]
pub(super) struct WireUser {
    pub(super) id: i64,
    #[serde(deserialize_with = "null_as_blank")]
    pub(super) username: String,
    pub(super) role: i64,
    pub(super) permissions: Option<Value>,
}

/// What of the public status page is of use.
#[derive(Debug, Deserialize)]
pub(super) struct WireStatus {
    pub(super) version: Option<String>,
    pub(super) system_name: Option<String>,
    pub(super) self_use_mode_enabled: Option<bool>,
    pub(super) setup: Option<bool>,
}

/// The entries of a JSON array, each as its text.
pub(super) type Entries<'a> = Vec<&'a RawValue>;

pub(super) fn null_as_blank<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = r#"{"id":9,"type":1,"key":"","openai_organization":null,"test_model":null,"status":1,
        "name":"twelve","weight":3,"created_time":1795376533,"test_time":0,"response_time":0,"base_url":"http://u/ok",
        "other":"","balance":0,"balance_updated_time":0,"models":"a","group":"default,vip","used_quota":0,
        "model_mapping":"{\"alias\":\"m\"}","status_code_mapping":"","priority":5,"auto_ban":1,"other_info":"",
        "tag":"t1","setting":null,"param_override":null,"header_override":null,"remark":null,
        "channel_info":{"is_multi_key":false},"settings":"","multi_key_mode":null,"key_mode":null}"#;

    #[test]
    fn a_channel_keeps_what_admins_configure_and_leaves_out_what_changes_by_itself() {
        let wire: WireChannel = serde_json::from_str(RECORDED).expect("a channel");
        let channel = Channel::from(wire);
        assert_eq!((channel.id, channel.kind), (9, 1));
        assert_eq!(channel.status, Status::Enabled);
        assert_eq!(channel.models, "a");
        assert_eq!(channel.model_mapping.as_deref(), Some(r#"{"alias":"m"}"#));
        let fields: Vec<(&str, &str)> = channel
            .configured
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("auto_ban", "1"),
                ("group", "\"default,vip\""),
                ("other", "\"\""),
                ("priority", "5"),
                ("status_code_mapping", "\"\""),
                ("tag", "\"t1\""),
                ("weight", "3"),
            ]
        );
    }

    #[test]
    fn nulls_are_blank_and_a_missing_model_list_is_no_channel() {
        let read = |text: &str| serde_json::from_str::<WireChannel>(text).map(Channel::from);
        let channel = read(r#"{"id":1,"type":1,"status":3,"name":null,"models":null}"#);
        let channel = channel.expect("a channel");
        assert_eq!(
            (channel.models.as_str(), channel.base_url.as_str()),
            ("", "")
        );
        assert!(read(r#"{"id":1,"type":1,"status":1,"name":"x"}"#).is_err());
        assert!(read(r#"{"id":"1","type":1,"status":1,"name":"x","models":""}"#).is_err());
    }

    #[test]
    fn the_gateways_own_sync_is_seen_and_odd_settings_do_no_harm() {
        for (settings, own_sync) in [
            (
                r#""{\"upstream_model_update_auto_sync_enabled\":true,\"x\":1}""#,
                true,
            ),
            (
                r#""{\"upstream_model_update_auto_sync_enabled\":false}""#,
                false,
            ),
            (r#""{\"x\":1}""#, false),
            (r#""{""#, false),
            (r#""""#, false),
            ("null", false),
            ("{}", false),
        ] {
            let text = format!(
                r#"{{"id":1,"type":1,"status":1,"name":"x","models":"","settings":{settings}}}"#
            );
            let wire: WireChannel = serde_json::from_str(&text).expect("a channel");
            assert_eq!(Channel::from(wire).own_sync, own_sync, "{settings}");
        }
    }
}
