//! What models cost, in plain money, and the lists that sites publish about it.

use serde_json::Value;

mod lists;
mod options;

pub(crate) use lists::openrouter_pricing;
pub use lists::{
    grouped_list, litellm, models_dev, official, old_pricing_list, openrouter, pricing_list,
    ratio_config,
};
pub use options::options;

/// USD per million input tokens at ratio 1.
const USD_AT_ONE: f64 = 2.0;

/// What one model costs. Prices of tokens are USD per million; what is not set is not published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Price {
    /// The model's name.
    pub model: String,
    /// Input tokens.
    pub input: Option<f64>,
    /// Output tokens.
    pub output: Option<f64>,
    /// Input tokens read from a cache.
    pub cache_read: Option<f64>,
    /// Input tokens written to a cache.
    pub cache_write: Option<f64>,
    /// Image tokens.
    pub image: Option<f64>,
    /// Audio tokens of the input.
    pub audio: Option<f64>,
    /// Audio tokens of the output.
    pub audio_output: Option<f64>,
    /// USD per call, instead of tokens.
    pub per_call: Option<f64>,
    /// An expression to bill by, beside the rest.
    pub expression: Option<String>,
}

impl Price {
    /// A model billed by tokens, in USD per million.
    pub fn tokens(model: &str, input: f64, output: f64) -> Self {
        Self {
            model: model.to_owned(),
            input: Some(input),
            output: Some(output),
            ..Self::default()
        }
    }

    /// A model billed by tokens, by the gateway's ratios.
    pub fn ratio(model: &str, ratio: f64, completion: f64) -> Self {
        Self::tokens(model, ratio * USD_AT_ONE, ratio * USD_AT_ONE * completion)
    }

    /// A model whose price is the placeholder that a gateway shows for one nobody has priced.
    pub fn unset(model: &str) -> Self {
        Self::ratio(model, 37.5, 1.0)
    }

    /// A model billed by the call, in USD.
    pub fn per_call(model: &str, usd: f64) -> Self {
        Self {
            model: model.to_owned(),
            per_call: Some(usd),
            ..Self::default()
        }
    }

    /// A model billed by an expression.
    pub fn expression(model: &str, expression: &str) -> Self {
        Self {
            model: model.to_owned(),
            expression: Some(expression.to_owned()),
            ..Self::default()
        }
    }

    /// With a price of tokens read from a cache.
    #[must_use]
    pub fn cache_read(mut self, usd: f64) -> Self {
        self.cache_read = Some(usd);
        self
    }

    /// With a price of tokens written to a cache.
    #[must_use]
    pub fn cache_write(mut self, usd: f64) -> Self {
        self.cache_write = Some(usd);
        self
    }

    /// With a price of image tokens.
    #[must_use]
    pub fn image(mut self, usd: f64) -> Self {
        self.image = Some(usd);
        self
    }

    /// With prices of audio tokens in the input and in the output.
    #[must_use]
    pub fn audio(mut self, input: f64, output: f64) -> Self {
        self.audio = Some(input);
        self.audio_output = Some(output);
        self
    }

    /// Under another name.
    #[must_use]
    pub fn named(mut self, model: &str) -> Self {
        model.clone_into(&mut self.model);
        self
    }

    /// All money multiplied, as by a slip of units or a reseller's margin. An expression stays as it is.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        for money in [
            &mut self.input,
            &mut self.output,
            &mut self.cache_read,
            &mut self.cache_write,
            &mut self.image,
            &mut self.audio,
            &mut self.audio_output,
            &mut self.per_call,
        ] {
            *money = money.map(|usd| rounded(usd * factor, 1e9));
        }
        self
    }

    /// The six ratios and the price per call, in the order of [`RATIOS`].
    fn ratios(&self) -> [Option<f64>; 8] {
        if self.per_call.is_some() {
            return [None, None, None, None, None, None, None, self.per_call];
        }
        let of = |money: Option<f64>, base: Option<f64>| match (money, base) {
            (Some(money), Some(base)) if base != 0.0 => Some(rounded(money / base, 1e6)),
            _ => None,
        };
        [
            self.input.map(|usd| rounded(usd / USD_AT_ONE, 1e9)),
            of(self.output, self.input),
            of(self.cache_read, self.input),
            of(self.cache_write, self.input),
            of(self.image, self.input),
            of(self.audio, self.input),
            of(self.audio_output, self.audio),
            None,
        ]
    }
}

/// The fields of [`Price::ratios`] as sites name them, beside the options a gateway keeps them in.
const RATIOS: [(&str, &str); 8] = [
    ("model_ratio", "ModelRatio"),
    ("completion_ratio", "CompletionRatio"),
    ("cache_ratio", "CacheRatio"),
    ("create_cache_ratio", "CreateCacheRatio"),
    ("image_ratio", "ImageRatio"),
    ("audio_ratio", "AudioRatio"),
    ("audio_completion_ratio", "AudioCompletionRatio"),
    ("model_price", "ModelPrice"),
];

/// Cuts off the digits that dividing leaves behind.
fn rounded(value: f64, grain: f64) -> f64 {
    (value * grain).round() / grain
}

/// A number as Go and JavaScript write it: whole ones without a fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and small"
        )]
        let whole = value as i64;
        Value::from(whole)
    } else {
        Value::from(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_becomes_ratios_without_a_tail_of_digits() {
        let price = Price::tokens("gpt-4o-mini", 0.15, 0.6)
            .cache_read(0.075)
            .audio(10.0, 20.0);
        assert_eq!(price.ratios()[..3], [Some(0.075), Some(4.0), Some(0.5)]);
        assert_eq!(price.ratios()[6], Some(2.0));
        assert_eq!(Price::ratio("m", 0.625, 8.0).input, Some(1.25));
        assert_eq!(Price::unset("m").ratios()[..2], [Some(37.5), Some(1.0)]);
        assert_eq!(Price::per_call("m", 0.04).ratios()[7], Some(0.04));
        assert_eq!(
            Price::tokens("m", 0.3, 2.5).times(1000.0).input,
            Some(300.0)
        );
    }

    #[test]
    fn nothing_is_divided_by_a_free_input() {
        assert_eq!(
            Price::tokens("m", 0.0, 0.0).ratios()[..2],
            [Some(0.0), None]
        );
    }
}
