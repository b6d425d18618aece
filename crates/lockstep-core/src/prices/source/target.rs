//! What is fetched for a source: a name, and one address or two.

use std::time::Duration;

/// Where LiteLLM publishes its price map.
pub const LITELLM: &str =
    "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json";

/// The raw ratios of a New API site.
const RATIO_CONFIG: &str = "/api/ratio_config";
/// The price list of a New API site, whose completion ratios are the effective ones.
const PRICING: &str = "/api/pricing";
/// The channel type that is OpenRouter's.
const OPENROUTER: i64 = 20;

/// A source as it is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The channel's id, or a preset's, which is below zero; 0 is none.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// The address before the endpoint, without a trailing slash.
    pub base_url: String,
    /// Which of its pages is asked for.
    pub endpoint: Endpoint,
}

/// Which page of a source is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// None was named: `/api/ratio_config`, and `/api/pricing` where that is not to be had.
    Default,
    /// A path below the base address, from its slash on.
    Path(String),
    /// A whole address, whatever the base is.
    Absolute(String),
    /// OpenRouter's `/v1/models` below the base address.
    OpenRouter,
    /// A file of this machine. No text of a request becomes one.
    File(String),
}

/// Where the list of a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// At one address.
    One(String),
    /// At the first, or where that is not to be had, or has fewer fields, at the second.
    Two(String, String),
    /// In a file.
    File(String),
}

impl Endpoint {
    /// Reads an endpoint as the gateway does: blank is the default, an address that begins with `http` is whole, and
    /// anything else is a path, which gets a leading slash.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        match text {
            "" => Self::Default,
            "openrouter" => Self::OpenRouter,
            _ if text.starts_with("http://") || text.starts_with("https://") => {
                Self::Absolute(text.to_owned())
            }
            _ if text.starts_with('/') => Self::Path(text.to_owned()),
            _ => Self::Path(format!("/{text}")),
        }
    }

    /// The text that reads back as the same endpoint; `None` where that is none.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Default | Self::File(_) => None,
            Self::Path(text) | Self::Absolute(text) => Some(text),
            Self::OpenRouter => Some("openrouter"),
        }
    }
}

impl Target {
    /// The preset of an id: -100 is the official ratios, -101 is models.dev.
    pub fn preset(id: i64) -> Option<Self> {
        let (name, base_url, endpoint) = match id {
            -100 => (
                "Official Ratio Preset",
                "https://basellm.github.io",
                "/llm-metadata/api/newapi/ratio_config-v1-base.json",
            ),
            -101 => (
                "models.dev Price Preset",
                "https://models.dev",
                "https://models.dev/api.json",
            ),
            _ => return None,
        };
        Some(Self {
            id,
            name: name.to_owned(),
            base_url: base_url.to_owned(),
            endpoint: Endpoint::parse(endpoint),
        })
    }

    /// LiteLLM's published map.
    pub fn litellm() -> Self {
        Self {
            id: 0,
            name: "LiteLLM".to_owned(),
            base_url: "https://raw.githubusercontent.com".to_owned(),
            endpoint: Endpoint::Absolute(LITELLM.to_owned()),
        }
    }

    /// A channel of the gateway, or a preset from the gateway's own list, whose endpoint it gets. A blank address
    /// becomes the built-in one of the channel's type. `None` where no http address is known: the gateway leaves such
    /// channels out.
    pub fn of_channel(id: i64, name: &str, base_url: &str, channel_type: i64) -> Option<Self> {
        let base_url = match base_url.trim() {
            "" => built_in_base_url(channel_type)?,
            given => given,
        };
        let endpoint = match Self::preset(id) {
            Some(preset) => preset.endpoint,
            None if channel_type == OPENROUTER => Endpoint::OpenRouter,
            None => Endpoint::Default,
        };
        Self::at(id, name, base_url, endpoint)
    }

    /// An upstream as a request of `/api/ratio_sync/fetch` names it. `None` where its address does not begin with
    /// `http`: the gateway leaves such upstreams out.
    pub fn of_upstream(id: i64, name: &str, base_url: &str, endpoint: &str) -> Option<Self> {
        let endpoint = match (Endpoint::parse(endpoint), Self::preset(id)) {
            (Endpoint::Default, Some(preset)) => preset.endpoint,
            (endpoint, _) => endpoint,
        };
        Self::at(id, name, base_url, endpoint)
    }

    fn at(id: i64, name: &str, base_url: &str, endpoint: Endpoint) -> Option<Self> {
        let base_url = base_url.trim().trim_end_matches('/');
        let http = base_url.starts_with("http://") || base_url.starts_with("https://");
        http.then(|| Self {
            id,
            name: name.to_owned(),
            base_url: base_url.to_owned(),
            endpoint,
        })
    }

    /// The name that differences and results carry: `name(id)`, or the name alone where there is no id.
    pub fn unique_name(&self) -> String {
        match self.id {
            0 => self.name.clone(),
            id => format!("{}({id})", self.name),
        }
    }

    /// Where its list is.
    pub fn addresses(&self) -> Addresses {
        let below = |path: &str| format!("{}{path}", self.base_url);
        match &self.endpoint {
            Endpoint::Default => Addresses::Two(below(RATIO_CONFIG), below(PRICING)),
            Endpoint::Path(path) => Addresses::One(below(path)),
            Endpoint::Absolute(url) => Addresses::One(url.clone()),
            Endpoint::OpenRouter => Addresses::One(below("/v1/models")),
            Endpoint::File(path) => Addresses::File(path.clone()),
        }
    }
}

/// The address that the gateway uses for a channel of this type whose own is blank. Only types whose address is
/// well known: the gateway's list of channels for ratio sync says it for all of them.
pub fn built_in_base_url(channel_type: i64) -> Option<&'static str> {
    Some(match channel_type {
        1 => "https://api.openai.com",
        14 => "https://api.anthropic.com",
        16 | 26 => "https://open.bigmodel.cn",
        17 => "https://dashscope.aliyuncs.com",
        20 => "https://openrouter.ai/api",
        24 => "https://generativelanguage.googleapis.com",
        25 => "https://api.moonshot.cn",
        27 => "https://api.perplexity.ai",
        31 => "https://api.lingyiwanwu.com",
        34 => "https://api.cohere.ai",
        35 => "https://api.minimax.chat",
        40 => "https://api.siliconflow.cn",
        42 => "https://api.mistral.ai",
        43 => "https://api.deepseek.com",
        48 => "https://api.x.ai",
        _ => return None,
    })
}

/// The time limit of one source from a request's seconds: 0 or less is 10, and no limit is above 120.
pub fn time_limit(seconds: i64) -> Duration {
    let seconds = if seconds <= 0 { 10 } else { seconds.min(120) };
    Duration::from_secs(seconds.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(target: Option<Target>) -> String {
        match target.expect("a target").addresses() {
            Addresses::One(url) => url,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_built_as_the_gateway_builds_them() {
        let upstream = |base, endpoint| Target::of_upstream(7, "A", base, endpoint);
        let address = |base, endpoint| one(upstream(base, endpoint));
        assert_eq!(
            address("http://h/A", "/api/pricing"),
            "http://h/A/api/pricing"
        );
        assert_eq!(
            address("http://h/A/", "api/pricing"),
            "http://h/A/api/pricing"
        );
        assert_eq!(address("http://h", "https://x/y.json"), "https://x/y.json");
        assert_eq!(
            address("http://h/api", "openrouter"),
            "http://h/api/v1/models"
        );
        let two = upstream("http://h/", "").expect("a target").addresses();
        let both = Addresses::Two(
            "http://h/api/ratio_config".to_owned(),
            "http://h/api/pricing".to_owned(),
        );
        assert_eq!(two, both);
        assert_eq!(upstream("kimi-coding-plan", ""), None);
        assert_eq!(upstream("httpx://h", ""), None);
    }

    #[test]
    fn no_text_of_a_request_reads_a_file() {
        for text in ["file:/etc/passwd", "file:///etc/passwd", "/etc/passwd"] {
            let target = Target::of_upstream(1, "A", "http://h", text).expect("a target");
            assert!(
                matches!(target.addresses(), Addresses::One(url) if url.starts_with("http://h/"))
            );
        }
        assert_eq!(Target::of_upstream(1, "A", "file:///etc", "/passwd"), None);
    }

    #[test]
    fn a_name_carries_its_id_unless_it_is_zero() {
        let named = |id| Target::of_upstream(id, "A", "http://h", "").map(|t| t.unique_name());
        assert_eq!(named(7).as_deref(), Some("A(7)"));
        assert_eq!(named(-100).as_deref(), Some("A(-100)"));
        assert_eq!(named(0).as_deref(), Some("A"));
    }

    #[test]
    fn presets_keep_their_endpoint_under_the_gateways_own_name() {
        let listed = Target::of_channel(-100, "官方倍率预设", "https://basellm.github.io", 0);
        assert_eq!(
            one(listed),
            "https://basellm.github.io/llm-metadata/api/newapi/ratio_config-v1-base.json"
        );
        assert_eq!(one(Target::preset(-101)), "https://models.dev/api.json");
        assert_eq!(Target::preset(-1), None);
        let asked = Target::of_upstream(-100, "官方倍率预设", "https://basellm.github.io", "");
        assert!(one(asked).ends_with("-base.json"));
    }

    #[test]
    fn a_blank_address_is_the_types_own() {
        let blank = |kind| Target::of_channel(3, "C", " ", kind);
        assert_eq!(one(blank(20)), "https://openrouter.ai/api/v1/models");
        assert_eq!(
            blank(43).map(|target| target.base_url).as_deref(),
            Some("https://api.deepseek.com")
        );
        assert_eq!(blank(3), None);
    }

    #[test]
    fn the_time_limit_has_a_default_and_a_ceiling() {
        let seconds = [-1, 0, 1, 15, 120, 121, i64::MAX].map(|s| time_limit(s).as_secs());
        assert_eq!(seconds, [10, 10, 1, 15, 120, 120, 120]);
    }
}
