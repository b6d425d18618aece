//! Who makes a model, told by its name: the seller whose price is the model's own.

/// Families by what a name begins with (in small letters), and the ids under which their makers sell in the lists of
/// models.dev and LiteLLM, the preferred first: a maker's international shop, in dollars, before its domestic one. Plans
/// by subscription are no shops. A longer beginning comes before a shorter one of another family.
const FAMILIES: &[(&[&str], &[&str])] = &[
    (
        &[
            "gpt",
            "chatgpt",
            "o1",
            "o3",
            "o4",
            "codex",
            "computer-use",
            "dall-e",
            "davinci",
            "babbage",
            "omni-moderation",
            "sora",
            "text-embedding-3",
            "text-embedding-ada",
            "text-moderation",
            "tts-1",
            "whisper",
        ],
        &["openai", "text-completion-openai"],
    ),
    (&["claude"], &["anthropic"]),
    (
        &[
            "gemini",
            "gemma",
            "imagen",
            "veo",
            "learnlm",
            "text-embedding-00",
            "text-multilingual-embedding",
            "embedding-001",
        ],
        &[
            "google",
            "gemini",
            "vertex_ai-language-models",
            "vertex_ai-embedding-models",
            "vertex_ai-image-models",
            "vertex_ai-video-models",
            "vertex_ai",
        ],
    ),
    (&["grok"], &["xai"]),
    (&["deepseek"], &["deepseek"]),
    (
        &["qwen", "qwq", "qvq", "wan", "text-embedding-v", "tongyi"],
        &[
            "alibaba",
            "dashscope",
            "qwencloud",
            "qwen_ai_platform",
            "alibaba-cn",
        ],
    ),
    (
        &["glm", "cogview", "cogvideox"],
        &["zai", "zhipuai", "bigmodel"],
    ),
    (
        &["kimi", "moonshot"],
        &["moonshotai", "moonshot", "moonshotai-cn"],
    ),
    (
        &[
            "mistral",
            "ministral",
            "mixtral",
            "codestral",
            "magistral",
            "pixtral",
            "devstral",
            "voxtral",
            "open-mistral",
            "open-mixtral",
            "open-codestral",
        ],
        &["mistral", "codestral", "text-completion-codestral"],
    ),
    (
        &[
            "command",
            "c4ai",
            "aya",
            "embed-english",
            "embed-multilingual",
            "embed-v4",
            "rerank",
        ],
        &["cohere", "cohere_chat"],
    ),
    (&["llama", "muse"], &["meta", "llama", "meta_llama"]),
    (&["minimax", "abab"], &["minimax", "minimax-cn"]),
    (&["sonar", "r1-1776"], &["perplexity"]),
    (&["step", "stepaudio"], &["stepfun-ai", "stepfun"]),
    (&["mimo"], &["xiaomi", "xiaomi_mimo"]),
    (&["hunyuan", "hy"], &["tencent-tokenhub", "tencent"]),
    (&["doubao", "seed", "seedance", "seedream"], &["volcengine"]),
    (&["jamba"], &["ai21"]),
    (&["voyage"], &["voyage"]),
    (&["longcat"], &["longcat"]),
    (&["solar"], &["upstage"]),
    (&["mercury"], &["inception"]),
    (&["morph"], &["morph"]),
    (&["v0"], &["v0"]),
    (&["nova"], &["amazon_nova", "nova"]),
    (&["jina"], &["jina_ai"]),
];

/// The ids of a model's maker, the preferred first; none if its family is not known. A name with a prefix
/// (`openai/gpt-4o`) is told by what comes after it.
pub(super) fn makers(name: &str) -> &'static [&'static str] {
    let name = super::bare(name).to_ascii_lowercase();
    let begins = |family: &&str| {
        let rest = name.strip_prefix(*family);
        // The family's whole word: "stepping" is not of "step".
        rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_ascii_lowercase()))
    };
    (FAMILIES.iter())
        .find(|(families, _)| families.iter().any(begins))
        .map_or(&[], |(_, makers)| makers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_maker() {
        for (name, maker) in [
            ("gpt-4o", "openai"),
            ("chatgpt-4o-latest", "openai"),
            ("o3-mini", "openai"),
            ("text-embedding-3-small", "openai"),
            ("text-embedding-004", "google"),
            ("text-embedding-v3", "alibaba"),
            ("openai/gpt-4o", "openai"),
            ("claude-opus-4", "anthropic"),
            ("gemini-2.5-flash", "google"),
            ("Grok-4", "xai"),
            ("qwen3-max", "alibaba"),
            ("qwq-plus", "alibaba"),
            ("glm-4.6", "zai"),
            ("kimi-k2", "moonshotai"),
            ("MiniMax-M2", "minimax"),
            ("step-3.5-flash", "stepfun-ai"),
            ("sonar", "perplexity"),
            ("llama-3.3-70b", "meta"),
        ] {
            assert_eq!(makers(name).first(), Some(&maker), "{name}");
        }
        for name in ["stepping", "o", "gptzero", "vendor-x", "", "novato"] {
            assert_eq!(makers(name), &[] as &[&str], "{name}");
        }
    }

    /// What a cell of the document names.
    fn named(cell: &str) -> Vec<&str> {
        cell.split('`').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_document_has_this_very_table() {
        let text = include_str!("../../../../docs/prices.md");
        let (_, part) = text.split_once("### Whose a model is\n").expect("a part");
        let part = part.split("\n## ").next().expect("its text");
        let rows = part.lines().filter(|line| line.starts_with("| `"));
        let told: Vec<(Vec<&str>, Vec<&str>)> = rows
            .map(|row| {
                let mut cells = row.trim_matches('|').split('|').map(named);
                let [begins, sellers] = [cells.next(), cells.next()].map(Option::unwrap_or_default);
                (begins, sellers)
            })
            .collect();
        let known: Vec<(Vec<&str>, Vec<&str>)> = FAMILIES
            .iter()
            .map(|(begins, sellers)| (begins.to_vec(), sellers.to_vec()))
            .collect();
        assert_eq!(told, known);
    }
}
