//! The hand-made channels of the demo, each with the part it plays.

use std::time::Duration;

use crate::demo::CHANNELS;
use crate::provider::Manner;

/// One channel with the provider behind it. Channels naming the same provider share it; the first one describes it.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) provider: &'static str,
    pub(super) kind: i64,
    pub(super) status: i64,
    pub(super) group: &'static str,
    pub(super) manner: Manner,
    pub(super) offered: &'static [&'static [&'static str]],
    pub(super) local: &'static [&'static str],
    pub(super) mapping: Option<&'static str>,
}

pub(super) const OPENAI: &[&str] = &[
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "o3",
    "o4-mini",
    "text-embedding-3-large",
];
pub(super) const CLAUDE: &[&str] = &[
    "claude-opus-4-1-20250805",
    "claude-sonnet-4-5-20250929",
    "claude-sonnet-4-20250514",
    "claude-haiku-4-5-20251001",
];
pub(super) const GEMINI: &[&str] = &[
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.0-flash",
    "gemini-embedding-001",
];
pub(super) const DEEPSEEK: &[&str] = &["deepseek-chat", "deepseek-reasoner"];
pub(super) const QWEN: &[&str] = &[
    "qwen-max",
    "qwen-plus",
    "qwen-turbo",
    "qwen3-coder-plus",
    "qwen-vl-max",
];

/// A reseller's catalogue: far more than its channel serves.
const CATALOGUE: &[&str] = &[
    "deepseek-ai/DeepSeek-R1",
    "deepseek-ai/DeepSeek-V3",
    "deepseek-ai/DeepSeek-V3.1",
    "google/gemma-3-27b-it",
    "meta-llama/Llama-3.3-70B-Instruct",
    "meta-llama/Llama-4-Maverick",
    "meta-llama/Llama-4-Scout",
    "microsoft/phi-4",
    "MiniMaxAI/MiniMax-M1",
    "mistralai/Mistral-Large",
    "mistralai/Mistral-Small-3.2",
    "moonshotai/Kimi-K2-Instruct",
    "moonshotai/Kimi-Dev-72B",
    "nvidia/Nemotron-70B",
    "openai/gpt-oss-120b",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3-235B-A22B",
    "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen3-32B",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-Coder-480B",
    "Qwen/QwQ-32B",
    "stepfun-ai/step3",
    "tencent/Hunyuan-A13B",
    "THUDM/GLM-4-32B",
    "zai-org/GLM-4.5",
    "zai-org/GLM-4.5-Air",
    "baidu/ERNIE-4.5-300B",
];

fn well(
    name: &'static str,
    provider: &'static str,
    kind: i64,
    local: &'static [&'static str],
) -> Role {
    Role {
        name,
        provider,
        kind,
        status: 1,
        group: "default",
        manner: Manner::Well,
        offered: &[],
        local,
        mapping: None,
    }
}

fn answering(role: Role, manner: Manner) -> Role {
    Role { manner, ..role }
}

/// The demo's channels in the order of their ids.
pub(super) fn cast() -> [Role; CHANNELS] {
    [
        // In order.
        Role {
            offered: &[OPENAI],
            ..well("OpenAI 官方", "openai", 1, OPENAI)
        },
        // Shares the provider above and misses two of its names.
        Role {
            group: "default,vip",
            ..well(
                "OpenAI 备用 💳",
                "openai",
                1,
                &[
                    "gpt-5",
                    "gpt-5-mini",
                    "gpt-4.1",
                    "gpt-4.1-mini",
                    "gpt-4o",
                    "gpt-4o-mini",
                    "o3",
                    "o4-mini",
                ],
            )
        },
        // In order, by another protocol.
        Role {
            offered: &[CLAUDE],
            ..well("Anthropic", "anthropic", 14, CLAUDE)
        },
        // Gains one name.
        Role {
            offered: &[GEMINI],
            ..well(
                "Google Gemini",
                "google",
                24,
                &[
                    "gemini-2.5-pro",
                    "gemini-2.5-flash",
                    "gemini-2.0-flash",
                    "gemini-embedding-001",
                ],
            )
        },
        // In order.
        Role {
            offered: &[DEEPSEEK],
            ..well("深度求索 DeepSeek", "deepseek", 43, DEEPSEEK)
        },
        // Shares it; an alias is served that the provider does not know, and must stay.
        Role {
            mapping: Some("{\"gpt-3.5-turbo\":\"deepseek-chat\"}"),
            ..well(
                "DeepSeek (alias)",
                "deepseek",
                43,
                &["deepseek-chat", "deepseek-reasoner", "gpt-3.5-turbo"],
            )
        },
        // Gains a name.
        Role {
            offered: &[QWEN],
            ..well(
                "阿里 通义千问",
                "qwen",
                17,
                &["qwen-max", "qwen-plus", "qwen-turbo", "qwen-vl-max"],
            )
        },
        // Loses one of eleven names.
        Role {
            offered: &[OPENAI],
            ..well(
                "Relay 北京 🚀",
                "relay-beijing",
                1,
                &[
                    "gpt-5",
                    "gpt-5-mini",
                    "gpt-5-nano",
                    "gpt-4.1",
                    "gpt-4.1-mini",
                    "gpt-4o",
                    "gpt-4o-mini",
                    "o3",
                    "o4-mini",
                    "text-embedding-3-large",
                    "gpt-4-0613",
                ],
            )
        },
        // Its mapping is not JSON.
        Role {
            offered: &[DEEPSEEK, &["glm-4.5", "glm-4.5-air"]],
            mapping: Some("{\"gpt-4\": \"glm-4.5\","),
            ..well(
                "Zhipu relay 智谱",
                "zhipu-relay",
                1,
                &["deepseek-chat", "glm-4.5", "gpt-4"],
            )
        },
        // Shares the relay above; somebody added a name by hand that it serves without listing it.
        Role {
            group: "vip",
            ..well(
                "Relay 北京 VIP",
                "relay-beijing",
                1,
                &["gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4o", "gpt-5-internal"],
            )
        },
        // The provider changed the case of one name.
        Role {
            offered: &[&[
                "Qwen/Qwen3-32B",
                "Qwen/QwQ-32B",
                "MiniMaxAI/MiniMax-M1",
                "moonshotai/Kimi-K2-Instruct",
            ]],
            ..well(
                "Silicon 硅基",
                "silicon",
                40,
                &[
                    "Qwen/Qwen3-32B",
                    "Qwen/QwQ-32B",
                    "MiniMaxAI/MiniMax-M1",
                    "MoonshotAI/Kimi-K2-Instruct",
                ],
            )
        },
        // Answers an empty list: nothing may be removed for that.
        answering(
            well(
                "Kimi 月之暗面",
                "moonshot",
                25,
                &["kimi-k2-0905", "moonshot-v1-128k"],
            ),
            Manner::Empty,
        ),
        // Lost most of its list.
        Role {
            offered: &[&["gpt-5", "gpt-4o"]],
            ..well("Cheap relay 💸", "cheap-relay", 1, OPENAI)
        },
        // Offers a whole catalogue, of which two names are served.
        Role {
            offered: &[CATALOGUE],
            ..well(
                "Model market 🛒",
                "market",
                1,
                &["zai-org/GLM-4.5", "moonshotai/Kimi-K2-Instruct"],
            )
        },
        // The key is no longer good.
        answering(
            well("xAI Grok", "xai", 48, &["grok-4", "grok-3-mini"]),
            Manner::WantsOtherKey,
        ),
        // Busy twice, then in order.
        Role {
            offered: &[&[
                "mistral-large-latest",
                "mistral-small-latest",
                "codestral-latest",
                "ministral-8b-latest",
            ]],
            ..answering(
                well(
                    "Mistral",
                    "mistral",
                    42,
                    &[
                        "mistral-large-latest",
                        "mistral-small-latest",
                        "codestral-latest",
                    ],
                ),
                Manner::RateLimited(2),
            )
        },
        // Out of order.
        answering(
            well("Perplexity", "perplexity", 27, &["sonar", "sonar-pro"]),
            Manner::ServerError,
        ),
        // Disabled by hand, and in need of an update all the same.
        Role {
            status: 2,
            offered: &[QWEN],
            ..well(
                "旧通义 (停用)",
                "qwen-old",
                17,
                &["qwen-max", "qwen-plus", "qwen-turbo"],
            )
        },
        // Disabled by the gateway; nobody listens any more.
        answering(
            Role {
                status: 3,
                ..well("Gone relay 👻", "gone", 1, &["gpt-4o", "gpt-4o-mini"])
            },
            Manner::Dead,
        ),
        // Types whose providers have no list.
        answering(
            well(
                "Midjourney 绘图 🎨",
                "midjourney",
                2,
                &["mj_imagine", "mj_upscale", "mj_variation"],
            ),
            Manner::NoList,
        ),
        answering(
            well("Suno 音乐 🎵", "suno", 36, &["suno_music", "suno_lyrics"]),
            Manner::NoList,
        ),
        // Takes its time, and gains a name.
        Role {
            offered: &[&["llama3.3:70b", "qwen3:32b", "gemma3:27b", "phi4:14b"]],
            ..answering(
                well(
                    "Ollama 机房",
                    "ollama",
                    4,
                    &["llama3.3:70b", "qwen3:32b", "gemma3:27b"],
                ),
                Manner::Slow(Duration::from_secs(2)),
            )
        },
        // Shares the first provider, for another group, and is in order.
        Role {
            group: "vip",
            ..well("OpenAI VIP ⭐", "openai", 1, OPENAI)
        },
        // In order.
        Role {
            offered: &[&[
                "anthropic/claude-sonnet-4.5",
                "google/gemini-2.5-pro",
                "openai/gpt-5",
                "x-ai/grok-4",
            ]],
            ..well(
                "OpenRouter",
                "openrouter",
                20,
                &[
                    "anthropic/claude-sonnet-4.5",
                    "google/gemini-2.5-pro",
                    "openai/gpt-5",
                    "x-ai/grok-4",
                ],
            )
        },
    ]
}
