//! Prices as people and scripts see them: differences, plans, writes, answers, and what becomes of a kill.

mod answers;
mod forms;
mod kills;
mod options;
mod recordings;
mod requests;
mod runs;
mod sources;
mod told;
mod unpriced;
mod verifying;

use std::collections::BTreeMap;

use lockstep_sim::{Channel, EffectivePrice, Gateway, Price, Provider, Spec};
use serde_json::Value;

use crate::tester::Shell;
use crate::world::{items, spec, start};

/// What the gateway serves.
pub(crate) const SERVED: [&str; 4] = ["amber", "birch", "cedar", "dune"];

/// A gateway that serves four models and charges for two of them. The list agrees on `amber`, asks more for `birch`,
/// and has prices of `cedar` and `dune`, which have none.
pub(crate) fn shop() -> Spec {
    spec()
        .provider(Provider::new("acme", SERVED))
        .provider(Provider::new("list", Vec::<String>::new()).pricing_list(&list()))
        .channel(Channel::new(1, "Acme").at("acme").models(&SERVED.join(",")))
        .prices(&charged())
}

/// What [`shop`] charges.
pub(crate) fn charged() -> Vec<Price> {
    vec![
        Price::tokens("amber", 2.0, 8.0),
        Price::tokens("birch", 1.0, 4.0),
        Price::tokens("unserved", 7.0, 7.0),
    ]
}

/// What the list of [`shop`] says.
pub(crate) fn list() -> Vec<Price> {
    vec![
        Price::tokens("amber", 2.0, 8.0),
        Price::tokens("birch", 1.5, 6.0),
        Price::tokens("cedar", 3.0, 15.0).cache_read(0.3),
        Price::per_call("dune", 0.04),
    ]
}

/// A shell that may call what listens on this machine.
pub(crate) fn open(mut shell: Shell) -> Shell {
    shell.set("LOCKSTEP_ALLOW_PRIVATE", "127.0.0.0/8");
    shell
}

/// The shop, and a shell that knows it as a site with its list as the only source.
pub(crate) async fn in_the_shop() -> (Gateway, Shell) {
    let gateway = start(shop()).await;
    let shell = open(Shell::with_site(&gateway).await);
    remember(&shell, &gateway, "list").await;
    (gateway, shell)
}

/// What a provider publishes, as it is typed: at its address, under its own name. The endpoint is named because
/// the usual one may be called only so often.
pub(crate) fn source(gateway: &Gateway, provider: &str) -> String {
    let url = gateway.provider(provider).base_url().to_owned();
    format!("{url},name={provider},endpoint=/api/pricing")
}

/// Remembers what a provider publishes.
pub(crate) async fn remember(shell: &Shell, gateway: &Gateway, provider: &str) {
    let source = source(gateway, provider);
    shell.run(&["site", "source", "add", &source]).await.is(0);
}

/// The list of [`shop`] with another price of `birch`.
pub(crate) fn list_with(birch: f64) -> Vec<Price> {
    let mut prices = list();
    prices[1] = Price::tokens("birch", birch, birch * 4.0);
    prices
}

/// Publishes other prices at a provider.
pub(crate) fn publish(gateway: &Gateway, provider: &str, prices: &[Price]) {
    let list = lockstep_sim::price::pricing_list(prices, &[("default", 1.0)]);
    let page = lockstep_sim::Page::json(list);
    gateway.provider(provider).set_page("/api/pricing", page);
}

/// What calls of each served model cost now.
pub(crate) fn bills(gateway: &Gateway) -> BTreeMap<String, EffectivePrice> {
    gateway.billing().prices(SERVED)
}

/// USD per million input and output tokens.
#[track_caller]
pub(crate) fn tokens(gateway: &Gateway, model: &str) -> (f64, f64) {
    match gateway.effective_price(model) {
        EffectivePrice::PerToken(rates) => (rates.input_usd(), rates.output_usd()),
        other => panic!("{model} is billed {other:?}"),
    }
}

/// The items of a run about a model.
#[track_caller]
pub(crate) fn of_model<'r>(run: &'r Value, model: &str) -> Vec<&'r Value> {
    let of_model = items(run).iter().filter(|item| item["model"] == model);
    let found: Vec<&Value> = of_model.collect();
    assert!(!found.is_empty(), "no {model} in {run:#}");
    found
}

/// Holds a price run's JSON to the gateway: what it says was written is what the log shows, each value by one
/// effective write of its map, and is there now. The log must begin with the run.
#[track_caller]
pub(crate) fn is_what_was_written(run: &Value, gateway: &Gateway) {
    let writes = gateway.option_writes();
    for write in &writes {
        assert!(write.effective, "{} was sent for nothing", write.key);
    }
    for item in is_there(run, gateway) {
        let key = option_key(item["field"].as_str().expect("a field"));
        assert!(writes.iter().any(|write| write.key == key), "{item}");
    }
}

/// Holds a price run's JSON to the gateway's maps: what it says was written is there, and what it took out is not.
/// Answers these items.
#[track_caller]
pub(crate) fn is_there<'r>(run: &'r Value, gateway: &Gateway) -> Vec<&'r Value> {
    let written: Vec<&Value> = items(run)
        .iter()
        .filter(|item| item["status"] == "success" && item["new"] != item["old"])
        .collect();
    for item in &written {
        let key = option_key(item["field"].as_str().expect("a field"));
        let text = gateway.option(key).expect("the map");
        let map: Value = serde_json::from_str(&text).expect("a map");
        let now = &map[item["model"].as_str().expect("a model")];
        let same = match (now.as_f64(), item["new"].as_f64()) {
            (Some(now), Some(new)) => (now - new).abs() < 1e-9,
            _ => *now == item["new"],
        };
        assert!(same, "{item} is told, {now} is there");
    }
    written
}

/// The option of a field.
pub(crate) fn option_key(field: &str) -> &'static str {
    match field {
        "model_ratio" => "ModelRatio",
        "completion_ratio" => "CompletionRatio",
        "cache_ratio" => "CacheRatio",
        "create_cache_ratio" => "CreateCacheRatio",
        "image_ratio" => "ImageRatio",
        "audio_ratio" => "AudioRatio",
        "audio_completion_ratio" => "AudioCompletionRatio",
        "model_price" => "ModelPrice",
        "billing_mode" => "billing_setting.billing_mode",
        "billing_expr" => "billing_setting.billing_expr",
        other => panic!("{other} is no field"),
    }
}
