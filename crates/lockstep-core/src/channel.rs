//! A channel of the gateway, as a plain value.

use crate::hash::Digest;

/// Whether the gateway routes requests to a channel (`status` of its channel JSON).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// 1: requests are routed to it.
    Enabled,
    /// 2: an admin switched it off.
    Disabled,
    /// 3: the gateway switched it off after errors.
    AutoDisabled,
    /// Any other number.
    Unknown(i64),
}

impl Status {
    /// The status of the gateway's number.
    pub fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Enabled,
            2 => Self::Disabled,
            3 => Self::AutoDisabled,
            other => Self::Unknown(other),
        }
    }

    /// The gateway's number of the status.
    pub fn number(self) -> i64 {
        match self {
            Self::Enabled => 1,
            Self::Disabled => 2,
            Self::AutoDisabled => 3,
            Self::Unknown(number) => number,
        }
    }
}

/// One channel: a provider's address and the models that the gateway routes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The gateway's id.
    pub id: i64,
    /// The name that admins gave it.
    pub name: String,
    /// The provider type (`type`): 1 OpenAI, 14 Anthropic, 20 OpenRouter and so on.
    pub kind: i64,
    /// Whether it is routed.
    pub status: Status,
    /// The provider's address; blank means the type's built-in one.
    pub base_url: String,
    /// The model list as the gateway stores it: names joined by commas, byte for byte.
    pub models: String,
    /// The alias map as the gateway stores it: JSON text of an object, blank or absent.
    pub model_mapping: Option<String>,
    /// Every other field that an admin configures (name, group, priority, …) with its value's JSON text,
    /// sorted by field. Counters, times and balances are not in it.
    pub configured: Vec<(String, String)>,
    /// Whether the gateway's own sync adds models to it by itself (`upstream_model_update_auto_sync_enabled`).
    pub own_sync: bool,
}

/// What tells one provider from another: channel type and address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provider {
    /// The channel type.
    pub kind: i64,
    /// The address in lower case without a trailing slash; blank for the type's built-in one.
    pub base_url: String,
}

impl Channel {
    /// The provider behind the channel.
    pub fn provider(&self) -> Provider {
        Provider {
            kind: self.kind,
            base_url: self.base_url.trim().trim_end_matches('/').to_lowercase(),
        }
    }

    /// A digest of all that a plan for this channel rests on. As long as it stays, the plan holds.
    pub fn base(&self) -> Digest {
        Digest::of([
            self.models.as_str(),
            self.model_mapping.as_deref().unwrap_or(""),
            &self.kind.to_string(),
            &self.base_url,
            match self.status {
                Status::Enabled => "1",
                Status::Disabled => "2",
                Status::AutoDisabled => "3",
                Status::Unknown(_) => "?",
            },
        ])
    }

    /// Whether the gateway routes requests to it.
    pub fn enabled(&self) -> bool {
        self.status == Status::Enabled
    }

    /// The configured fields in which `other` differs. Absent, null and blank count as the same:
    /// the gateway answers an unset field now as one, now as the other.
    pub fn configured_differences(&self, other: &Self) -> Vec<String> {
        fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
            let text = fields
                .iter()
                .find(|(field, _)| field == name)
                .map_or("", |(_, text)| text.as_str());
            if matches!(text, "null" | "\"\"") {
                ""
            } else {
                text
            }
        }
        let mut names: Vec<&String> = self
            .configured
            .iter()
            .chain(&other.configured)
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names.dedup();
        let mut differing: Vec<String> = names
            .into_iter()
            .filter(|name| value(&self.configured, name) != value(&other.configured, name))
            .cloned()
            .collect();
        if self.model_mapping.as_deref().unwrap_or("")
            != other.model_mapping.as_deref().unwrap_or("")
        {
            differing.push("model_mapping".to_owned());
        }
        if self.kind != other.kind {
            differing.push("type".to_owned());
        }
        if self.base_url != other.base_url {
            differing.push("base_url".to_owned());
        }
        if self.name != other.name {
            differing.push("name".to_owned());
        }
        differing
    }
}

/// The channel types for which the gateway's own console offers to fetch a model list. Other types
/// are asked all the same, but their silence is no failure: their providers have no such list.
pub const TYPES_WITH_MODEL_LIST: &[i64] = &[
    1, 4, 14, 17, 20, 23, 24, 25, 26, 27, 31, 34, 35, 40, 42, 43, 47, 48, 57, 58, 59, 60,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel {
        Channel {
            id: 1,
            name: "one".into(),
            kind: 1,
            status: Status::Enabled,
            base_url: "https://API.example/".into(),
            models: "a,b".into(),
            model_mapping: None,
            configured: vec![
                ("group".into(), "\"default\"".into()),
                ("tag".into(), "null".into()),
            ],
            own_sync: false,
        }
    }

    #[test]
    fn null_and_blank_are_no_difference_but_a_lost_value_is() {
        let before = channel();
        let mut after = channel();
        after.configured = vec![
            ("group".into(), "\"default\"".into()),
            ("tag".into(), "\"\"".into()),
        ];
        assert!(before.configured_differences(&after).is_empty());
        after.base_url = String::new();
        after.configured.remove(0);
        assert_eq!(
            before.configured_differences(&after),
            ["group", "base_url"].map(String::from)
        );
    }

    #[test]
    fn a_base_rests_on_models_mapping_and_provider_not_on_the_name() {
        let before = channel();
        let mut renamed = channel();
        renamed.name = "two".into();
        assert_eq!(before.base(), renamed.base());
        let mut edited = channel();
        edited.models = "a, b".into();
        assert_ne!(before.base(), edited.base());
    }

    #[test]
    fn a_provider_is_its_type_and_address() {
        assert_eq!(channel().provider().base_url, "https://api.example");
    }
}
