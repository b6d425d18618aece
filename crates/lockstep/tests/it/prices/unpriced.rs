//! `lockstep unpriced`, and the one `sync` that gives a new model its price and lets it go live.

use lockstep_sim::{EffectivePrice, Price, Provider};
use serde_json::{Value, json};

use super::{in_the_shop, is_what_was_written, list, open, publish, shop, source, tokens};
use crate::tester::Shell;
use crate::world::{item, start, texts};

#[tokio::test(flavor = "multi_thread")]
async fn served_models_without_a_price_are_listed_with_who_serves_them() {
    let gateway = start(shop()).await;
    let shell = open(Shell::at(&gateway));
    let (told, code) = shell.json(&["unpriced"]).await;
    assert_eq!(code, 2);
    assert_eq!(
        told,
        json!({"unpriced": [
            {"model": "cedar", "channels": [1], "billed": "refused", "proposal": null, "proposals": []},
            {"model": "dune", "channels": [1], "billed": "refused", "proposal": null, "proposals": []},
        ], "run": null})
    );
    shell
        .run(&["unpriced"])
        .await
        .is(2)
        .says("2 served models without a price; calls of 2 are refused")
        .says("--source official");
    let (told, code) = shell
        .json(&["unpriced", "--source", &source(&gateway, "list")])
        .await;
    assert_eq!(code, 2);
    let cedar = &told["unpriced"][0]["proposal"];
    assert_eq!(
        cedar["values"],
        json!({"model_ratio": 1.5, "completion_ratio": 5, "cache_ratio": 0.1})
    );
    assert_eq!(
        (&cedar["source"], &cedar["usd"]["input"]),
        (&json!("list"), &json!(3.0))
    );
    let dune = &told["unpriced"][1]["proposal"];
    assert_eq!(dune["values"], json!({"model_price": 0.04}));
    assert!(told["run"].is_string());
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_source_proposes_is_told_and_one_is_chosen() {
    let gateway = start(shop()).await;
    let other = [
        Price::tokens("cedar", 4.0, 16.0),
        Price::tokens("Dune", 1.0, 2.0),
    ];
    gateway.add_provider(Provider::new("other", ["x"]).pricing_list(&other));
    let shell = open(Shell::with_site(&gateway).await);
    let (one, two) = (source(&gateway, "list"), source(&gateway, "other"));
    let sources = ["--source", &two, "--source", &one];
    let (told, code) = shell.json(&[&["unpriced"][..], &sources].concat()).await;
    assert_eq!(code, 2);
    let cedar = &told["unpriced"][0];
    assert_eq!(cedar["proposal"]["source"], "other");
    let said = |place: usize, key: &str| cedar["proposals"][place][key].clone();
    assert_eq!(
        (said(0, "source"), said(1, "source")),
        (json!("other"), json!("list"))
    );
    assert_eq!(said(0, "usd")["input"], 4.0);
    assert_eq!(said(1, "usd")["input"], 3.0);
    assert_eq!(
        said(1, "values"),
        json!({"model_ratio": 1.5, "completion_ratio": 5, "cache_ratio": 0.1})
    );
    assert_eq!(cedar["proposals"].as_array().map(Vec::len), Some(2));
    let dune = &told["unpriced"][1]["proposals"];
    assert_eq!(
        (&dune[0]["alike"], &dune[1]["alike"]),
        (&json!("Dune"), &Value::Null)
    );
    let brief = shell
        .run(&[&["unpriced"][..], &sources].concat())
        .await
        .is(2);
    assert!(!brief.out.contains("also"), "{}", brief.out);
    let whole = [&["unpriced", "--verbose"][..], &sources].concat();
    shell
        .run(&whole)
        .await
        .is(2)
        .says("also $3.00 in, $15.00 out, $0.30 cache (list)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_writes_the_proposals_and_ignored_models_are_left_out() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["price", "ignore", "dune"]).await.is(0);
    let (told, _) = shell.json(&["unpriced"]).await;
    assert_eq!(
        told["unpriced"].as_array().map(Vec::len),
        Some(1),
        "{told:#}"
    );
    let (run, code) = shell.json(&["unpriced", "--apply", "--yes"]).await;
    assert_eq!((code, &run["trigger"]), (0, &json!("unpriced")), "{run:#}");
    is_what_was_written(&run, &gateway);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
    assert_eq!(tokens(&gateway, "birch"), (1.0, 4.0));
    assert!(matches!(
        gateway.effective_price("dune"),
        EffectivePrice::Refused(_)
    ));
    let (told, code) = shell.json(&["unpriced", "--apply", "--yes"]).await;
    assert_eq!((code, told), (0, json!({"unpriced": [], "run": null})));
    shell
        .run(&["unpriced"])
        .await
        .is(0)
        .says("Every served model has a price.");
}

/// A shop where one more model is offered that nobody has priced, and both first runs have been looked at.
async fn with_a_new_model(
    shell: &mut Shell,
    gateway: &lockstep_sim::Gateway,
    price: Option<Price>,
) {
    shell.unset("LOCKSTEP_PRICE_GATE");
    shell.run(&["plan", "both"]).await.is(2);
    shell.run(&["sync", "both", "--yes"]).await.is(0);
    gateway
        .provider("acme")
        .set_models(["amber", "birch", "cedar", "dune", "ember"]);
    let mut prices = list();
    prices.extend(price);
    publish(gateway, "list", &prices);
    gateway.clear_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sync_gives_a_new_model_its_price_and_then_lets_it_go_live() {
    let (gateway, mut shell) = in_the_shop().await;
    let ember = Price::tokens("ember", 4.0, 12.0);
    with_a_new_model(&mut shell, &gateway, Some(ember)).await;
    let (planned, _) = shell.json(&["plan", "both"]).await;
    assert!(planned["prices"]["run"].is_string(), "{planned:#}");
    assert_eq!(planned["models"]["parent"], planned["prices"]["run"]);
    gateway.clear_log();
    let (both, code) = shell.json(&["sync", "both", "--yes"]).await;
    assert_eq!(code, 0, "{both:#}");
    let keys: Vec<&String> = both.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["models", "prices"]);
    let (prices, models) = (&both["prices"], &both["models"]);
    assert_eq!(models["parent"], prices["run"]);
    is_what_was_written(prices, &gateway);
    assert_eq!(texts(&item(models, 1)["added"]), ["ember"]);
    assert_eq!(tokens(&gateway, "ember"), (4.0, 12.0));
    // Its price was there before it could be called.
    let writes = gateway.effective_writes();
    let went_live = writes.iter().position(|write| write.channel == Some(1));
    assert_eq!(went_live, Some(writes.len() - 1), "{writes:#?}");
    assert!(writes.len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_model_without_a_price_waits_and_comes_when_it_has_one() {
    let (gateway, mut shell) = in_the_shop().await;
    with_a_new_model(&mut shell, &gateway, None).await;
    let (both, code) = shell.json(&["sync", "both", "--yes"]).await;
    assert_eq!(code, 0, "{both:#}");
    let channel = item(&both["models"], 1);
    assert_eq!(texts(&channel["added"]), Vec::<&str>::new());
    assert_eq!(
        channel["dropped"],
        json!([{"name": "ember", "why": "unpriced"}])
    );
    assert!(gateway.writes().is_empty());
    let mut prices = list();
    prices.push(Price::tokens("ember", 4.0, 12.0));
    publish(&gateway, "list", &prices);
    let (both, _) = shell.json(&["sync", "both", "--yes"]).await;
    assert_eq!(texts(&item(&both["models"], 1)["added"]), ["ember"]);
    assert_eq!(tokens(&gateway, "ember"), (4.0, 12.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_model_whose_price_is_held_waits_with_it() {
    let (gateway, mut shell) = in_the_shop().await;
    let unset = Price::unset("ember");
    with_a_new_model(&mut shell, &gateway, Some(unset)).await;
    let (both, code) = shell.json(&["sync", "both", "--yes"]).await;
    assert_eq!(code, 2, "{both:#}");
    assert_eq!(
        super::of_model(&both["prices"], "ember")[0]["hold"]["reason"],
        "placeholder"
    );
    assert!(gateway.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_source_both_is_about_lists_and_says_what_is_missing() {
    let gateway = start(shop()).await;
    let shell = Shell::at(&gateway);
    let (both, code) = shell.json(&["plan", "both"]).await;
    assert_eq!((code, &both["prices"]), (0, &Value::Null), "{both:#}");
    assert_eq!(both["models"]["subject"], "models");
    shell
        .run(&["plan", "both"])
        .await
        .is(0)
        .says("lockstep site source add official");
    shell
        .run(&["plan", "prices"])
        .await
        .is(1)
        .says("no source of prices is named or remembered");
    shell.run(&["sync", "prices", "--yes"]).await.is(1);
}
