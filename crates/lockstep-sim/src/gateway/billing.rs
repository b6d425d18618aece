//! What a call really costs, by the rules the gateway bills by: the truth that oracles hold a tool against.

use std::collections::BTreeMap;

use crate::gateway::options::Options;
use crate::gateway::pricing::UNSET;
use crate::gateway::ratio;

const MODE: &str = "billing_setting.billing_mode";
const EXPRESSION: &str = "billing_setting.billing_expr";

/// The maps in memory that the gateway bills by, which need not agree with the stored texts.
#[derive(Debug, Clone)]
pub struct Billing(Options);

/// What a call of one model costs, before the ratio of the caller's group.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectivePrice {
    /// By this expression, whose coefficients are USD per million tokens.
    Expression(String),
    /// This many USD a call.
    PerCall(f64),
    /// By tokens.
    PerToken(Rates),
    /// Nothing: its price or its ratio is 0.
    Free,
    /// Calls are refused.
    Refused(Refusal),
}

/// Ratios by which tokens are billed. Ratio 1 is 2 USD per million input tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// The ratio of input tokens.
    pub ratio: f64,
    /// What output tokens cost more than input tokens.
    pub completion: f64,
    /// Whether that is the gateway's own number, whatever the map says.
    pub completion_locked: bool,
    /// What tokens read from a cache cost of input tokens.
    pub cache: f64,
    /// What tokens written to a cache cost of input tokens.
    pub create_cache: f64,
    /// What image tokens cost of input tokens.
    pub image: f64,
    /// What audio tokens cost of input tokens.
    pub audio: f64,
    /// What spoken answers cost of audio input.
    pub audio_completion: f64,
    /// Whether nobody has priced the model and the placeholder is billed.
    pub placeholder: bool,
}

impl Rates {
    /// USD per million input tokens.
    pub fn input_usd(&self) -> f64 {
        self.ratio * 2.0
    }

    /// USD per million output tokens.
    pub fn output_usd(&self) -> f64 {
        self.input_usd() * self.completion
    }
}

/// Why calls of a model are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has neither a price nor a ratio.
    Unpriced,
    /// It is to be billed by an expression and has none.
    NoExpression,
}

impl Billing {
    /// What a gateway would bill by whose options have these texts over the built-in ones. A bad text has its effects.
    pub fn new(texts: &BTreeMap<String, String>) -> Self {
        Self(Options::new(texts))
    }

    pub(crate) fn over(options: Options) -> Self {
        Self(options)
    }

    /// Writes one option's text, so that an oracle can play writes one after the other.
    /// An error is what the gateway would complain of, and the text may be stored all the same.
    pub fn write(&mut self, key: &str, text: &str) -> Result<(), String> {
        self.0.set(key, text)
    }

    /// What a call of this model costs: an expression comes before a price, and a price before a ratio.
    pub fn price(&self, model: &str) -> EffectivePrice {
        if self.0.live_text(MODE, model) == Some("tiered_expr") {
            return match self.0.live_text(EXPRESSION, model) {
                Some(expression) if !expression.trim().is_empty() => {
                    EffectivePrice::Expression(expression.to_owned())
                }
                _ => EffectivePrice::Refused(Refusal::NoExpression),
            };
        }
        let matched = ratio::matched_name(model);
        match self.0.live_value("ModelPrice", matched) {
            Some(0.0) => return EffectivePrice::Free,
            Some(price) => return EffectivePrice::PerCall(price),
            None => {}
        }
        match self.0.live_value("ModelRatio", matched) {
            Some(0.0) => EffectivePrice::Free,
            Some(ratio) => EffectivePrice::PerToken(self.rates(model, ratio, false)),
            None if self.0.text("SelfUseModeEnabled").as_deref() == Some("true") => {
                EffectivePrice::PerToken(self.rates(model, UNSET, true))
            }
            None => EffectivePrice::Refused(Refusal::Unpriced),
        }
    }

    /// The prices of many models by name.
    pub fn prices<'a>(
        &self,
        models: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<String, EffectivePrice> {
        models
            .into_iter()
            .map(|model| (model.to_owned(), self.price(model)))
            .collect()
    }

    fn rates(&self, model: &str, ratio: f64, placeholder: bool) -> Rates {
        let matched = ratio::matched_name(model);
        let configured = self.0.live_value("CompletionRatio", matched);
        let (completion, completion_locked) = ratio::completion(matched, configured);
        let or = |key, default| self.0.live_value(key, model).unwrap_or(default);
        Rates {
            ratio,
            completion,
            completion_locked,
            cache: or("CacheRatio", 1.0),
            create_cache: or("CreateCacheRatio", 1.25),
            image: or("ImageRatio", 1.0),
            audio: or("AudioRatio", 1.0),
            audio_completion: or("AudioCompletionRatio", 1.0),
            placeholder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn billing(texts: &[(&str, &str)]) -> Billing {
        let texts = texts
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect();
        Billing::new(&texts)
    }

    #[test]
    fn an_expression_comes_before_a_price_and_a_price_before_a_ratio() {
        let mut all = billing(&[
            ("ModelRatio", "{\"m\":1}"),
            ("ModelPrice", "{\"m\":0.5}"),
            (EXPRESSION, "{\"m\":\"tier(\\\"base\\\", p * 2)\"}"),
            (MODE, "{\"m\":\"tiered_expr\"}"),
        ]);
        assert_eq!(
            all.price("m"),
            EffectivePrice::Expression("tier(\"base\", p * 2)".to_owned())
        );
        all.write(MODE, "{\"m\":\"ratio\"}").expect("taken");
        assert_eq!(all.price("m"), EffectivePrice::PerCall(0.5));
        all.write("ModelPrice", "{}").expect("taken");
        let EffectivePrice::PerToken(rates) = all.price("m") else {
            panic!("{:?}", all.price("m"));
        };
        assert_eq!((rates.input_usd(), rates.output_usd()), (2.0, 2.0));
        all.write("ModelRatio", "{}").expect("taken");
        assert_eq!(all.price("m"), EffectivePrice::Refused(Refusal::Unpriced));
    }

    #[test]
    fn a_mode_without_its_expression_breaks_the_model() {
        for expressions in ["{}", "{\"m\":\" \"}"] {
            let broken = billing(&[
                ("ModelRatio", "{\"m\":1}"),
                (MODE, "{\"m\":\"tiered_expr\"}"),
                (EXPRESSION, expressions),
            ]);
            assert_eq!(
                broken.price("m"),
                EffectivePrice::Refused(Refusal::NoExpression)
            );
        }
    }

    #[test]
    fn zero_is_free_and_a_text_for_a_number_makes_it_zero() {
        let mut free = billing(&[("ModelRatio", "{\"m\":0}"), ("ModelPrice", "{\"n\":0}")]);
        assert_eq!(free.price("m"), EffectivePrice::Free);
        assert_eq!(free.price("n"), EffectivePrice::Free);
        assert!(free.write("ModelRatio", "{\"m\":\"15\"}").is_err());
        assert_eq!(free.price("m"), EffectivePrice::Free);
    }

    #[test]
    fn a_bad_text_empties_a_map_of_numbers_and_leaves_a_map_of_texts() {
        let mut bad = billing(&[
            ("ModelRatio", "{\"m\":1,\"t\":1}"),
            (MODE, "{\"t\":\"tiered_expr\"}"),
            (EXPRESSION, "{\"t\":\"p * 1\"}"),
        ]);
        assert!(bad.write("ModelRatio", "{").is_err());
        assert_eq!(bad.write(MODE, "{"), Ok(()));
        assert_eq!(bad.price("m"), EffectivePrice::Refused(Refusal::Unpriced));
        assert_eq!(
            bad.price("t"),
            EffectivePrice::Expression("p * 1".to_owned())
        );
    }

    #[test]
    fn locked_completion_ratios_ignore_the_map_and_wildcards_price_their_family() {
        let told = billing(&[
            (
                "ModelRatio",
                "{\"gpt-5\":0.625,\"gemini-2.5-flash-thinking-*\":0.15}",
            ),
            ("CompletionRatio", "{\"gpt-5\":3}"),
            ("SelfUseModeEnabled", "true"),
        ]);
        let rates = |model| match told.price(model) {
            EffectivePrice::PerToken(rates) => rates,
            other => panic!("{other:?}"),
        };
        let gpt = rates("gpt-5");
        assert_eq!((gpt.completion, gpt.completion_locked), (8.0, true));
        assert_eq!((gpt.input_usd(), gpt.output_usd()), (1.25, 10.0));
        assert_eq!(rates("gemini-2.5-flash-thinking-512").ratio, 0.15);
        let unset = rates("nobody-priced-this");
        assert_eq!((unset.ratio, unset.placeholder), (37.5, true));
        assert_eq!((unset.cache, unset.create_cache), (1.0, 1.25));
    }
}
