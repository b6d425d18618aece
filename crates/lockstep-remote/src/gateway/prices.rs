//! What the gateway says about prices beside its options: whom it would compare with, and what it bills.

use std::collections::BTreeMap;

use lockstep_core::channel::Status;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Values;
use serde::Deserialize;
use serde_json::Number;

use super::GatewayReader;
use super::read::{decode, granted};
use super::wire::null_as_blank;

/// Somebody whose prices the gateway itself offers to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatioChannel {
    /// The channel's id; negative for the gateway's own presets.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The address it is asked at, the type's own where the channel has none. It need not be one of HTTP.
    pub base_url: String,
    /// Whether the channel is enabled.
    pub status: Status,
    /// The channel's type, by the gateway's numbers.
    pub kind: i64,
}

/// The prices that callers meet. The gateway may show them up to a minute late.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pricing {
    /// What each model costs that this token may use, in no order.
    pub prices: Vec<EffectivePrice>,
    /// What each group pays as a multiple of it, for the groups that this token may use.
    pub group_ratios: BTreeMap<String, f64>,
}

/// What a model costs, with the gateway's own ratios where it ignores the configured ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePrice {
    /// The model.
    pub model: String,
    /// 0 for ratios, 1 for a price per call; an expression in `values` comes before both.
    pub quota_type: i64,
    /// What it is billed by. Of price and ratios only those are here that count, and a model that nobody has priced has
    /// the model ratio 37.5.
    pub values: Values,
}

impl GatewayReader {
    /// The channels, and the gateway's presets, whose prices it can compare with. Only root may read them.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Forbidden`] for an admin's token, [`FailureKind::NotFound`] from versions that cannot compare,
    /// and as for a page.
    pub async fn ratio_channels(&self) -> Result<Vec<RatioChannel>, Failure> {
        let path = "/api/ratio_sync/channels".to_owned();
        let reply = self.get(path, self.gateway().limits.read).await?;
        self.reading(&reply, |envelope| {
            let channels: Vec<WireRatioChannel> = granted(&reply, &envelope)?;
            Ok(channels.into_iter().map(RatioChannel::from).collect())
        })
    }

    /// The prices as callers see them.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Forbidden`] when the gateway shows no prices, [`FailureKind::NotRecognised`] for the other shape
    /// that some forks have, and as for a page.
    pub async fn pricing(&self) -> Result<Pricing, Failure> {
        let path = "/api/pricing".to_owned();
        let reply = self.get(path, self.gateway().limits.read).await?;
        self.reading(&reply, |envelope| {
            if !envelope.success {
                // Everybody may ask here, so the token is not what was refused.
                let text = envelope.message();
                return Err(Failure::status(FailureKind::Rejected, reply.status, text));
            }
            let prices: Vec<WirePrice> = match envelope.data {
                None => Vec::new(),
                data => decode(&reply, data)?,
            };
            let group_ratios = match envelope.group_ratio {
                None => BTreeMap::new(),
                ratios => decode(&reply, ratios)?,
            };
            Ok(Pricing {
                prices: prices.into_iter().map(EffectivePrice::from).collect(),
                group_ratios,
            })
        })
    }
}

#[derive(Deserialize)]
struct WireRatioChannel {
    id: i64,
    #[serde(deserialize_with = "null_as_blank")]
    name: String,
    #[serde(deserialize_with = "null_as_blank")]
    base_url: String,
    status: i64,
    #[serde(rename = "type")]
    kind: i64,
}

impl From<WireRatioChannel> for RatioChannel {
    fn from(wire: WireRatioChannel) -> Self {
        let WireRatioChannel {
            id,
            name,
            base_url,
            status,
            kind,
        } = wire;
        Self {
            id,
            name,
            base_url,
            status: Status::from_number(status),
            kind,
        }
    }
}

#[derive(Deserialize)]
struct WirePrice {
    model_name: String,
    quota_type: i64,
    model_ratio: Number,
    model_price: Number,
    completion_ratio: Number,
    cache_ratio: Option<Number>,
    create_cache_ratio: Option<Number>,
    image_ratio: Option<Number>,
    audio_ratio: Option<Number>,
    audio_completion_ratio: Option<Number>,
    billing_mode: Option<String>,
    billing_expr: Option<String>,
}

impl From<WirePrice> for EffectivePrice {
    fn from(wire: WirePrice) -> Self {
        let WirePrice {
            model_name,
            quota_type,
            model_ratio,
            model_price,
            completion_ratio,
            cache_ratio,
            create_cache_ratio,
            image_ratio,
            audio_ratio,
            audio_completion_ratio,
            billing_mode,
            billing_expr,
        } = wire;
        // The gateway fills the side that does not count with zeros.
        let per_call = quota_type == 1;
        let number = |number: Option<Number>| number.map(|number| number.to_string());
        let mut values = Values::default();
        for (field, value) in [
            (
                Field::ModelRatio,
                number((!per_call).then_some(model_ratio)),
            ),
            (
                Field::CompletionRatio,
                number((!per_call).then_some(completion_ratio)),
            ),
            (Field::CacheRatio, number(cache_ratio)),
            (Field::CreateCacheRatio, number(create_cache_ratio)),
            (Field::ImageRatio, number(image_ratio)),
            (Field::AudioRatio, number(audio_ratio)),
            (Field::AudioCompletionRatio, number(audio_completion_ratio)),
            (Field::ModelPrice, number(per_call.then_some(model_price))),
            (Field::BillingMode, billing_mode),
            (Field::BillingExpr, billing_expr),
        ] {
            values.set(field, value.as_deref().filter(|value| !value.is_empty()));
        }
        Self {
            model: model_name,
            quota_type,
            values,
        }
    }
}
