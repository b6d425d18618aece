//! What the makers of models charge in the demo, week by week.

use crate::price::Price;

/// Maker, model, and USD per million tokens of input, output and input read from a cache (0 where none is told).
const MAKERS: &[(&str, &str, f64, f64, f64)] = &[
    ("openai", "gpt-5", 1.25, 10.0, 0.125),
    ("openai", "gpt-5-mini", 0.25, 2.0, 0.025),
    ("openai", "gpt-5-nano", 0.05, 0.4, 0.005),
    ("openai", "gpt-5.1", 1.25, 10.0, 0.125),
    ("openai", "gpt-4.1", 2.0, 8.0, 0.5),
    ("openai", "gpt-4.1-mini", 0.4, 1.6, 0.1),
    ("openai", "gpt-4o", 2.5, 10.0, 1.25),
    ("openai", "gpt-4o-mini", 0.15, 0.6, 0.075),
    ("openai", "gpt-4-turbo", 10.0, 30.0, 0.0),
    ("openai", "gpt-4", 30.0, 60.0, 0.0),
    ("openai", "gpt-4-0613", 30.0, 60.0, 0.0),
    ("openai", "gpt-3.5-turbo", 0.5, 1.5, 0.0),
    ("openai", "o1", 15.0, 60.0, 7.5),
    ("openai", "o3", 2.0, 8.0, 0.5),
    ("openai", "o4-mini", 1.1, 4.4, 0.275),
    ("openai", "text-embedding-3-large", 0.13, 0.0, 0.0),
    ("openai", "text-embedding-3-small", 0.02, 0.0, 0.0),
    ("anthropic", "claude-opus-4-1-20250805", 15.0, 75.0, 1.5),
    ("anthropic", "claude-opus-4-5", 5.0, 25.0, 0.5),
    ("anthropic", "claude-sonnet-4-5-20250929", 3.0, 15.0, 0.3),
    ("anthropic", "claude-sonnet-4-20250514", 3.0, 15.0, 0.3),
    ("anthropic", "claude-haiku-4-5-20251001", 1.0, 5.0, 0.1),
    ("google", "gemini-2.5-pro", 1.25, 10.0, 0.125),
    ("google", "gemini-2.5-flash", 0.3, 2.5, 0.03),
    ("google", "gemini-2.5-flash-lite", 0.1, 0.4, 0.01),
    ("google", "gemini-2.0-flash", 0.1, 0.4, 0.025),
    ("google", "gemini-3-pro-preview", 2.0, 12.0, 0.2),
    ("google", "gemini-embedding-001", 0.15, 0.0, 0.0),
    ("deepseek", "deepseek-chat", 0.28, 0.42, 0.028),
    ("deepseek", "deepseek-reasoner", 0.28, 0.42, 0.028),
    ("deepseek", "deepseek-v3.2", 0.28, 0.42, 0.028),
    ("alibaba", "qwen-max", 1.6, 6.4, 0.0),
    ("alibaba", "qwen-plus", 0.4, 1.2, 0.0),
    ("alibaba", "qwen-turbo", 0.05, 0.2, 0.0),
    ("alibaba", "qwen-vl-max", 0.8, 3.2, 0.0),
    ("alibaba", "qwen3-coder-plus", 1.0, 5.0, 0.1),
    ("alibaba", "qwen3-max", 1.2, 6.0, 0.0),
    ("zhipu", "glm-4.5", 0.6, 2.2, 0.11),
    ("zhipu", "glm-4.5-air", 0.2, 1.1, 0.03),
    ("zhipu", "glm-4.6", 0.6, 2.2, 0.11),
    ("moonshot", "kimi-k2-0905", 0.6, 2.5, 0.15),
    ("moonshot", "moonshot-v1-128k", 2.0, 5.0, 0.0),
    ("xai", "grok-4", 3.0, 15.0, 0.75),
    ("xai", "grok-3-mini", 0.3, 0.5, 0.075),
    ("mistral", "mistral-large-latest", 2.0, 6.0, 0.0),
    ("mistral", "mistral-small-latest", 0.1, 0.3, 0.0),
    ("mistral", "codestral-latest", 0.3, 0.9, 0.0),
    ("mistral", "ministral-8b-latest", 0.1, 0.1, 0.0),
    ("perplexity", "sonar", 1.0, 1.0, 0.0),
    ("perplexity", "sonar-pro", 3.0, 15.0, 0.0),
    ("hosted", "Qwen/Qwen3-32B", 0.14, 0.57, 0.0),
    ("hosted", "Qwen/QwQ-32B", 0.15, 0.58, 0.0),
    ("hosted", "MiniMaxAI/MiniMax-M1", 0.55, 2.2, 0.0),
    ("hosted", "moonshotai/Kimi-K2-Instruct", 0.57, 2.3, 0.0),
    ("hosted", "zai-org/GLM-4.5", 0.5, 2.0, 0.0),
    ("hosted", "zai-org/GLM-4.5-Air", 0.14, 0.86, 0.0),
    ("hosted", "deepseek-ai/DeepSeek-V3", 0.27, 1.1, 0.0),
    ("hosted", "deepseek-ai/DeepSeek-R1", 0.55, 2.2, 0.0),
    ("hosted", "openai/gpt-oss-120b", 0.09, 0.45, 0.0),
];

/// Models charged by the call, in USD.
const CALLS: &[(&str, f64)] = &[
    ("mj_imagine", 0.1),
    ("mj_upscale", 0.05),
    ("mj_variation", 0.1),
    ("suno_music", 0.1),
    ("dall-e-3", 0.04),
];

/// What becomes of a price, as announced: week, model, and USD of input, output and cache reads from then on.
const NEWS: &[(usize, &str, f64, f64, f64)] = &[
    (1, "gpt-5-mini", 0.2, 1.6, 0.02),
    (1, "claude-opus-4-1-20250805", 5.0, 25.0, 0.5),
    (2, "gemini-2.5-flash", 0.35, 2.8, 0.035),
    (2, "deepseek-chat", 0.27, 1.1, 0.07),
    (3, "qwen-max", 0.8, 3.2, 0.0),
    (3, "grok-4", 7.0, 35.0, 1.75),
];

/// Weeks with announcements; afterwards one price goes up or down by a tenth each week.
const ANNOUNCED: usize = 3;

/// One maker's price.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) maker: &'static str,
    pub(super) price: Price,
}

/// All makers' prices after this many weeks.
pub(super) fn makers(week: usize) -> Vec<Made> {
    let mut made: Vec<Made> = MAKERS
        .iter()
        .map(|(maker, model, input, output, cache)| Made {
            maker,
            price: tokens(model, *input, *output, *cache),
        })
        .collect();
    for (when, model, input, output, cache) in NEWS {
        if *when <= week
            && let Some(known) = made.iter_mut().find(|known| known.price.model == *model)
        {
            known.price = tokens(model, *input, *output, *cache);
        }
    }
    for later in ANNOUNCED + 1..=week {
        let index = later * 7 % made.len();
        let factor = if later % 2 == 0 { 1.1 } else { 0.9 };
        made[index].price = made[index].price.clone().times(factor);
    }
    made
}

/// The same with those charged by the call, without their makers.
pub(super) fn prices(week: usize) -> Vec<Price> {
    let calls = CALLS
        .iter()
        .map(|(model, usd)| Price::per_call(model, *usd));
    makers(week)
        .into_iter()
        .map(|made| made.price)
        .chain(calls)
        .collect()
}

fn tokens(model: &str, input: f64, output: f64, cache: f64) -> Price {
    let mut price = Price::tokens(model, input, output);
    // Embeddings have no output to charge for.
    price.output = price.output.filter(|usd| *usd > 0.0);
    if cache > 0.0 {
        price.cache_read(cache)
    } else {
        price
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_week_some_price_changes_and_none_becomes_absurd() {
        for week in 0..40 {
            let (now, then) = (prices(week), prices(week + 1));
            assert_ne!(now, then, "week {week}");
            for price in &then {
                let money = price.input.or(price.per_call).expect("priced");
                assert!((0.001..1000.0).contains(&money), "{price:?}");
            }
        }
    }

    #[test]
    fn no_model_is_sold_by_two_makers() {
        let mut models: Vec<String> = prices(0).into_iter().map(|price| price.model).collect();
        models.sort();
        let all = models.len();
        models.dedup();
        assert_eq!(models.len(), all);
    }
}
