//! The ten maps in which a New API gateway keeps its prices.

use crate::hold::codes;

codes! {
    /// One of the ten values that a model may have. The code is the name it has in price lists.
    Field {
        /// Price per input token; 1 is USD 2 per million tokens.
        ModelRatio = "model_ratio",
        /// Output tokens as a multiple of input tokens.
        CompletionRatio = "completion_ratio",
        /// Tokens read from the cache as a multiple of input tokens.
        CacheRatio = "cache_ratio",
        /// Tokens written to the cache as a multiple of input tokens.
        CreateCacheRatio = "create_cache_ratio",
        /// Image input as a multiple of input tokens.
        ImageRatio = "image_ratio",
        /// Audio input as a multiple of input tokens.
        AudioRatio = "audio_ratio",
        /// Audio output as a multiple of audio input.
        AudioCompletionRatio = "audio_completion_ratio",
        /// A fixed price per call, in USD.
        ModelPrice = "model_price",
        /// How the model is billed; `tiered_expr` bills by the expression.
        BillingMode = "billing_mode",
        /// The expression that bills a call, with USD per million tokens as coefficients.
        BillingExpr = "billing_expr",
    }
}

/// The billing mode that bills by [`Field::BillingExpr`].
pub const TIERED: &str = "tiered_expr";

impl Field {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// What the gateway multiplies with where no ratio of the field is set.
    pub(crate) fn unset(self) -> f64 {
        if self == Self::CreateCacheRatio {
            1.25
        } else {
            1.0
        }
    }

    /// The option under which the gateway stores the map.
    pub fn option_key(self) -> &'static str {
        match self {
            Self::ModelRatio => "ModelRatio",
            Self::CompletionRatio => "CompletionRatio",
            Self::CacheRatio => "CacheRatio",
            Self::CreateCacheRatio => "CreateCacheRatio",
            Self::ImageRatio => "ImageRatio",
            Self::AudioRatio => "AudioRatio",
            Self::AudioCompletionRatio => "AudioCompletionRatio",
            Self::ModelPrice => "ModelPrice",
            Self::BillingMode => "billing_setting.billing_mode",
            Self::BillingExpr => "billing_setting.billing_expr",
        }
    }

    /// The field of an option's key.
    pub fn from_option_key(key: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|field| field.option_key() == key)
    }

    /// Whether its values are numbers; the others are texts.
    pub fn is_number(self) -> bool {
        !matches!(self, Self::BillingMode | Self::BillingExpr)
    }

    /// Whether it says something as a multiple of [`Self::ModelRatio`], so that a price that is only dearer leaves it.
    pub fn is_multiplier(self) -> bool {
        matches!(
            self,
            Self::CompletionRatio
                | Self::CacheRatio
                | Self::CreateCacheRatio
                | Self::ImageRatio
                | Self::AudioRatio
                | Self::AudioCompletionRatio
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_places_read_back() {
        for (place, field) in Field::ALL.iter().enumerate() {
            assert_eq!(field.index(), place);
            assert_eq!(Field::from_option_key(field.option_key()), Some(*field));
            assert_eq!(Field::from_code(field.code()), Some(*field));
        }
        assert_eq!(Field::COUNT, 10);
    }
}
