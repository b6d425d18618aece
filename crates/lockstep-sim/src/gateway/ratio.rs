//! The built-in prices and the completion ratios the gateway insists on.

/// Options of a fresh gateway, as far as anybody here reads them. All price maps are valid JSON.
pub(crate) const DEFAULTS: [(&str, &str); 18] = [
    (
        "ModelRatio",
        "{\"claude-haiku-4-5-20251001\":0.5,\"claude-opus-4-1-20250805\":7.5,\"claude-opus-4-5-20251101\":2.5,\
         \"claude-sonnet-4-20250514\":1.5,\"claude-sonnet-4-5-20250929\":1.5,\"deepseek-chat\":0.135,\
         \"deepseek-reasoner\":0.275,\"gemini-2.0-flash\":0.05,\"gemini-2.5-flash\":0.15,\"gemini-2.5-pro\":0.625,\
         \"gpt-4.1\":1,\"gpt-4.1-mini\":0.2,\"gpt-4o\":1.25,\"gpt-4o-mini\":0.075,\"gpt-5\":0.625,\
         \"gpt-5-mini\":0.125,\"gpt-5-nano\":0.025,\"gpt-image-1\":2.5,\"o3\":1,\"o4-mini\":0.55,\
         \"qwen-plus\":10,\"qwen-turbo\":0.8572,\"text-embedding-3-large\":0.065,\"text-embedding-3-small\":0.01}",
    ),
    (
        "CompletionRatio",
        "{\"gpt-4-all\":2,\"gpt-4-gizmo-*\":2,\"gpt-4o-gizmo-*\":3,\"gpt-image-1\":8}",
    ),
    (
        "CacheRatio",
        "{\"claude-sonnet-4-5-20250929\":0.1,\"deepseek-chat\":0.25,\"gpt-4o\":0.5,\"gpt-5\":0.1}",
    ),
    ("CreateCacheRatio", "{\"claude-sonnet-4-5-20250929\":1.25}"),
    ("ImageRatio", "{\"gpt-image-1\":2}"),
    (
        "AudioRatio",
        "{\"gpt-4o-audio-preview\":16,\"gpt-4o-mini-tts\":25}",
    ),
    (
        "AudioCompletionRatio",
        "{\"gpt-4o-realtime\":2,\"tts-1\":0}",
    ),
    (
        "ModelPrice",
        "{\"dall-e-3\":0.04,\"mj_imagine\":0.1,\"sora-2\":0.3,\"suno_music\":0.1}",
    ),
    ("billing_setting.billing_mode", "{}"),
    ("billing_setting.billing_expr", "{}"),
    ("GroupRatio", "{\"default\":1,\"svip\":1,\"vip\":1}"),
    (
        "UserUsableGroups",
        "{\"default\":\"默认分组\",\"vip\":\"vip分组\"}",
    ),
    ("AutoGroups", "[\"default\"]"),
    ("ExposeRatioEnabled", "false"),
    ("SelfUseModeEnabled", "false"),
    ("QuotaPerUnit", "500000"),
    ("USDExchangeRate", "7.3"),
    ("SystemName", "New API"),
];

/// The completion ratio billed for a model, and whether the configured one is ignored.
pub(crate) fn completion(model: &str, configured: Option<f64>) -> (f64, bool) {
    if model.contains('/')
        && let Some(configured) = configured
    {
        return (configured, false);
    }
    let (built_in, locked) = built_in_completion(model);
    if locked {
        (built_in, true)
    } else {
        (configured.unwrap_or(built_in), false)
    }
}

/// The name under which a model's prices are looked up: some names share a wildcard.
pub(crate) fn matched_name(model: &str) -> &str {
    const THINKING: [(&str, &str); 3] = [
        ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite-thinking-*"),
        ("gemini-2.5-flash", "gemini-2.5-flash-thinking-*"),
        ("gemini-2.5-pro", "gemini-2.5-pro-thinking-*"),
    ];
    let family = THINKING
        .iter()
        .find(|(prefix, _)| model.starts_with(prefix));
    if let Some((_, wildcard)) = family {
        return if model.contains("-thinking-") {
            wildcard
        } else {
            model
        };
    }
    ["gpt-4-gizmo", "gpt-4o-gizmo"]
        .into_iter()
        .zip(["gpt-4-gizmo-*", "gpt-4o-gizmo-*"])
        .find(|(prefix, _)| model.starts_with(prefix))
        .map_or(model, |(_, wildcard)| wildcard)
}

/// What the program itself says about a name. The first prefix that fits decides.
fn built_in_completion(model: &str) -> (f64, bool) {
    const BY_PREFIX: [(&str, f64, bool); 22] = [
        ("gpt-4o-mini-tts", 20.0, false),
        ("gpt-4o", 4.0, false),
        ("gpt-4.5-preview", 2.0, true),
        ("gpt-4.1", 4.0, false),
        ("gpt-4-turbo", 3.0, false),
        ("gpt-4-", 2.0, false),
        ("gpt-5.4", 6.0, true),
        ("gpt-5.5", 6.0, false),
        ("gpt-5.6", 6.0, false),
        ("gpt-5", 8.0, true),
        ("gpt-3.5-turbo", 3.0, true),
        ("chatgpt-4o", 3.0, true),
        ("o1", 4.0, true),
        ("o3", 4.0, true),
        ("o4", 4.0, true),
        ("claude-3", 5.0, true),
        ("gemini-1.5", 4.0, true),
        ("gemini-2.0", 4.0, true),
        ("gemini-2.5-pro", 8.0, false),
        ("gemini-2.5-flash", 8.33, false),
        ("mistral-", 3.0, true),
        ("deepseek", 2.0, false),
    ];
    if model.starts_with("claude-") && model.contains("-4") {
        return (5.0, true);
    }
    BY_PREFIX
        .iter()
        .find(|(prefix, _, _)| model.starts_with(prefix))
        .map_or((1.0, false), |(_, ratio, locked)| (*ratio, *locked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_ratio_ignores_the_configured_one() {
        assert_eq!(completion("gpt-5", Some(2.0)), (8.0, true));
        assert_eq!(completion("claude-3", None), (5.0, true));
        assert_eq!(completion("gpt-4o", Some(3.0)), (3.0, false));
        assert_eq!(completion("openai/gpt-5", Some(2.0)), (2.0, false));
        assert_eq!(completion("unknown", None), (1.0, false));
    }

    #[test]
    fn some_names_are_looked_up_by_a_wildcard() {
        for (model, name) in [
            (
                "gemini-2.5-flash-lite-thinking-128",
                "gemini-2.5-flash-lite-thinking-*",
            ),
            ("gemini-2.5-flash-thinking-1", "gemini-2.5-flash-thinking-*"),
            ("gemini-2.5-pro", "gemini-2.5-pro"),
            ("gpt-4-gizmo-g-1", "gpt-4-gizmo-*"),
            ("gpt-4o-gizmo-g-1", "gpt-4o-gizmo-*"),
            ("claude-opus-4-thinking-1", "claude-opus-4-thinking-1"),
        ] {
            assert_eq!(matched_name(model), name);
        }
    }
}
