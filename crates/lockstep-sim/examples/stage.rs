//! A simulated gateway for tests in other languages: told what to be and what to do by lines of JSON on standard input,
//! answering each by a line of JSON on standard output. It ends with its input.
//!
//! The first line says what there is: `{"demo": 24}`, or `{"providers": [{"name", "models", "prices"?, "member"?}], "channels": [{"id", "name",
//! "provider", "models", "status"?}], "prices": [{"model", "input", "output"}]}` (USD per million tokens). It is answered
//! by `{"url", "token", "providers": {name: address}}`. Every other line is `{"do": ...}`, answered by `{"done": ...}` or `{"error": ...}`.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use lockstep_sim::{
    Channel, EffectivePrice, Fault, Gateway, Manner, Matcher, Price, Provider, Rule, Spec,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What there is at the start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cast {
    /// The demo's, with so many channels.
    demo: Option<usize>,
    #[serde(default)]
    providers: Vec<ProviderIs>,
    #[serde(default)]
    channels: Vec<ChannelIs>,
    #[serde(default)]
    prices: Vec<PriceIs>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderIs {
    name: String,
    models: Vec<String>,
    /// What it tells of prices, as a New API's `/api/pricing`.
    #[serde(default)]
    prices: Vec<PriceIs>,
    /// Whom alone it tells them.
    member: Option<MemberIs>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberIs {
    token: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelIs {
    id: i64,
    name: String,
    provider: String,
    models: Vec<String>,
    status: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceIs {
    model: String,
    input: f64,
    output: f64,
}

/// What is to happen, or asked.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Deed {
    /// A provider offers these models from now on.
    Offer {
        provider: String,
        models: Vec<String>,
    },
    /// A provider tells these prices from now on.
    Price {
        provider: String,
        prices: Vec<PriceIs>,
    },
    /// A provider behaves: `well`, `empty`, `other_key`, `server_error`, `no_list`, `slow` (with `ms`).
    Behave {
        provider: String,
        manner: String,
        #[serde(default)]
        ms: u64,
    },
    /// Somebody edits a channel's models by hand.
    Edit { channel: i64, models: Vec<String> },
    /// Somebody sets an option of the gateway's by hand.
    Option { key: String, text: String },
    /// Every write of an option takes so long from now on.
    SlowOptions { ms: u64 },
    /// The models of a channel.
    Models { channel: i64 },
    /// What the gateway charges for a model, in USD per million tokens; `null` where it refuses calls of it.
    Charges { model: String },
    /// What the gateway's log says was changed, in order.
    Writes,
    /// How many requests the gateway had.
    Requests,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let Some(first) = lines.next() else {
        return Ok(());
    };
    let gateway = Gateway::start(spec(serde_json::from_str(&first?)?)).await?;
    let at = |name: String| {
        let url = gateway.provider(&name).base_url().to_owned();
        (name, Value::String(url))
    };
    let providers: serde_json::Map<_, _> = gateway.provider_names().into_iter().map(at).collect();
    let (url, token) = (gateway.url(), gateway.root_token());
    say(&json!({"url": url, "token": token, "providers": providers}))?;
    // The gateway answers on this very thread: waiting for a line must not stop it.
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || tell.send(line.unwrap_or_default()).is_err() {
                return;
            }
        }
    });
    drop(lines);
    while let Some(line) = told.recv().await {
        match serde_json::from_str(&line) {
            Ok(deed) => say(&json!({"done": done(&gateway, deed)}))?,
            Err(error) => say(&json!({"error": error.to_string()}))?,
        }
    }
    Ok(())
}

fn say(value: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

fn spec(cast: Cast) -> Spec {
    if let Some(channels) = cast.demo {
        return lockstep_sim::demo::spec(channels);
    }
    let mut spec = Spec::new().prices(&prices(&cast.prices));
    for one in cast.providers {
        let provider = Provider::new(&one.name, one.models).apart();
        spec = spec.provider(match one.prices.as_slice() {
            [] => provider,
            told => members_only(provider.pricing_list(&prices(told)), one.member.as_ref()),
        });
    }
    for one in cast.channels {
        let channel = Channel::new(one.id, &one.name)
            .at(&one.provider)
            .models(&one.models.join(","));
        spec = spec.channel(channel.status(one.status.unwrap_or(1)));
    }
    spec
}

/// The pages of a provider for its member alone.
fn members_only(mut provider: Provider, member: Option<&MemberIs>) -> Provider {
    if let Some(member) = member {
        for page in provider.pages.values_mut() {
            *page = page.clone().token(&member.token).user(&member.user);
        }
    }
    provider
}

fn prices(told: &[PriceIs]) -> Vec<Price> {
    told.iter()
        .map(|one| Price::tokens(&one.model, one.input, one.output))
        .collect()
}

fn done(gateway: &Gateway, deed: Deed) -> Value {
    match deed {
        Deed::Offer { provider, models } => {
            gateway.provider(&provider).set_models(models);
            Value::Null
        }
        Deed::Price {
            provider,
            prices: told,
        } => {
            let fresh = Provider::new("prices", Vec::<String>::new()).pricing_list(&prices(&told));
            let handle = gateway.provider(&provider);
            for (path, page) in fresh.pages {
                handle.set_page(&path, page);
            }
            Value::Null
        }
        Deed::Behave {
            provider,
            manner,
            ms,
        } => {
            let manner = match manner.as_str() {
                "well" => Manner::Well,
                "empty" => Manner::Empty,
                "other_key" => Manner::WantsOtherKey,
                "server_error" => Manner::ServerError,
                "no_list" => Manner::NoList,
                "slow" => Manner::Slow(Duration::from_millis(ms)),
                other => return json!(format!("{other} is no manner")),
            };
            gateway.provider(&provider).set_manner(manner);
            Value::Null
        }
        Deed::Edit { channel, models } => {
            json!(gateway.edit_channel(channel, |channel| channel.models = models.join(",")))
        }
        Deed::Option { key, text } => {
            gateway.set_option(&key, &text);
            Value::Null
        }
        Deed::SlowOptions { ms } => {
            let slow = Fault::Delay(Duration::from_millis(ms));
            gateway.fault(Rule::always(Matcher::put("/api/option/"), slow));
            Value::Null
        }
        Deed::Models { channel } => match gateway.channel(channel) {
            Some(channel) => json!(channel.model_names()),
            None => Value::Null,
        },
        Deed::Charges { model } => match gateway.effective_price(&model) {
            EffectivePrice::PerToken(rates) => {
                json!({"input": rates.input_usd(), "output": rates.output_usd()})
            }
            EffectivePrice::PerCall(price) => json!({ "call": price }),
            EffectivePrice::Expression(text) => json!({ "expression": text }),
            EffectivePrice::Free => json!({"input": 0, "output": 0}),
            EffectivePrice::Refused(_) => Value::Null,
        },
        Deed::Writes => gateway
            .effective_writes()
            .into_iter()
            .filter_map(|entry| {
                let write = entry.write?;
                Some(json!({
                    "channel": write.channel,
                    "option": write.option,
                    "before": write.before,
                    "after": write.after,
                }))
            })
            .collect(),
        Deed::Requests => json!(gateway.log().len()),
    }
}
