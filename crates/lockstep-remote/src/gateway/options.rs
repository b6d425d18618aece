//! The gateway's options, of which only those about prices are looked at: the others hold secrets of other systems.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::field::Field;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::http::Reply;

use super::envelope::Envelope;
use super::read::kind_of;
use super::{GatewayKind, GatewayReader, failure};

/// What the gateway has configured about prices.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceOptions {
    texts: [Option<String>; Field::COUNT],
    /// What each group pays as a multiple of the price. `None` when the gateway does not tell it, or not readably.
    pub group_ratios: Option<BTreeMap<String, f64>>,
    /// The completion ratio that each priced model is billed by. `None` when the gateway does not tell it, or not
    /// readably; then nobody knows which configured ones it ignores.
    pub completion_ratios: Option<BTreeMap<String, BilledCompletion>>,
    /// Whether it serves its owner alone, so that models without a price are fine.
    pub self_use_mode: bool,
    /// Whether it shows its maps to everybody under `/api/ratio_config`.
    pub ratios_exposed: bool,
    /// What it takes one USD for in its own currency, where it tells that readably.
    pub usd_exchange_rate: Option<f64>,
    /// Whether the gateway is known.
    pub kind: GatewayKind,
}

/// The completion ratio that a model is billed by.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct BilledCompletion {
    /// The ratio.
    pub ratio: f64,
    /// Whether it is the gateway's own: then the configured one is ignored, and writing it changes nothing.
    pub locked: bool,
}

impl PriceOptions {
    /// The text of a field's map, byte for byte as it is stored. `None` when the gateway has no such option.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts[field.index()].as_deref()
    }

    /// The completion ratio that a model is billed by, where the gateway tells it.
    pub fn completion_ratio(&self, model: &str) -> Option<BilledCompletion> {
        self.completion_ratios.as_ref()?.get(model).copied()
    }
}

impl GatewayReader {
    /// The options about prices, as they are stored now. Only root may read them.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Forbidden`] for an admin's token; [`FailureKind::NotRecognised`] when there is no price map among
    /// the options, or one that is no text; and as for a page. Failures quote nothing of the options.
    pub async fn options(&self) -> Result<PriceOptions, Failure> {
        let path = "/api/option/".to_owned();
        let reply = self.get(path, self.gateway().limits.read).await?;
        self.reading(&reply, |envelope| {
            if !envelope.success {
                return Err(failure::of_refusal(&reply, &envelope));
            }
            let options = price_options(&envelope, kind_of(&reply));
            options.map_err(|why| unknown(&reply, why))
        })
    }
}

/// An option whose value is not looked at yet.
#[derive(Deserialize)]
struct WireOption<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Picks the options about prices; the error says what is odd, without the words of any option.
fn price_options(envelope: &Envelope<'_>, kind: GatewayKind) -> Result<PriceOptions, String> {
    let data = envelope.data.ok_or("the answer has no data")?;
    // The parser's own error would quote what it stumbled over, and that may be anybody's password.
    let rows: Vec<WireOption<'_>> = serde_json::from_str(data.get()).map_err(|error| {
        let column = error.column();
        format!("the options are no list of keys and values, at column {column}")
    })?;
    let mut options = PriceOptions {
        texts: Default::default(),
        group_ratios: None,
        completion_ratios: None,
        self_use_mode: false,
        ratios_exposed: false,
        usd_exchange_rate: None,
        kind,
    };
    for WireOption { key, value } in rows {
        match key.as_ref() {
            "GroupRatio" => options.group_ratios = in_text(value),
            "CompletionRatioMeta" => options.completion_ratios = in_text(value),
            "USDExchangeRate" => {
                options.usd_exchange_rate = in_text(value).filter(|rate| *rate > 0.0);
            }
            "SelfUseModeEnabled" => options.self_use_mode = in_text(value) == Some(true),
            "ExposeRatioEnabled" => options.ratios_exposed = in_text(value) == Some(true),
            key => {
                if let Some(field) = Field::from_option_key(key) {
                    let text = text(value).ok_or_else(|| format!("the option {key} is no text"))?;
                    options.texts[field.index()] = Some(text);
                }
            }
        }
    }
    if options.texts.iter().all(Option::is_none) {
        return Err("there is no price map among the options".to_owned());
    }
    Ok(options)
}

/// JSON inside a text, which is how the gateway stores whatever is no text.
fn in_text<T: DeserializeOwned>(value: &RawValue) -> Option<T> {
    serde_json::from_str(&text(value)?).ok()
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn unknown(reply: &Reply, why: String) -> Failure {
    Failure::status(FailureKind::NotRecognised, reply.status, why)
}
