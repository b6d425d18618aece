//! What waits about prices, and what was decided about them.

use lockstep_sim::{EffectivePrice, Gateway, Price};
use serde_json::{Value, json};

use super::{in_the_shop, is_what_was_written, list_with, of_model, publish, tokens};
use crate::tester::Shell;

/// The models that wait, by `lockstep held`.
async fn waiting(shell: &Shell) -> Vec<String> {
    let (told, code) = shell.json(&["held"]).await;
    let models: Vec<String> = told["prices"]
        .as_array()
        .expect("holds")
        .iter()
        .map(|hold| hold["model"].as_str().expect("a model").to_owned())
        .collect();
    assert_eq!(code, if models.is_empty() { 0 } else { 2 });
    models
}

/// A shop whose list became twenty times dearer for `birch`, and made `amber` free, and its plan.
async fn odd_shop() -> (Gateway, Shell, Value) {
    let (gateway, mut shell) = in_the_shop().await;
    shell.set("LOCKSTEP_PRICE_MODE", "both");
    odd(&gateway, 20.0);
    let (run, code) = shell.json(&["plan", "prices"]).await;
    assert_eq!(code, 2);
    (gateway, shell, run)
}

fn odd(gateway: &Gateway, birch: f64) {
    let mut prices = list_with(birch);
    prices[0] = Price::tokens("amber", 0.0, 0.0);
    publish(gateway, "list", &prices);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_listed_by_model_with_its_reason() {
    let (_gateway, shell, run) = odd_shop().await;
    assert_eq!(waiting(&shell).await, ["amber", "birch"]);
    let (told, _) = shell.json(&["held"]).await;
    assert_eq!(told["held"], json!([]));
    let birch = &told["prices"][1];
    assert_eq!(
        (&birch["source"], &birch["run"], &birch["hold"]["reason"]),
        (&json!("list"), &run["run"], &json!("tenfold"))
    );
    assert_eq!(told["prices"][0]["hold"]["reason"], "zero_crossing");
    shell
        .run(&["held"])
        .await
        .is(2)
        .says("more than ten times")
        .says("lockstep held keep MODEL");
    shell
        .run(&["held", "keep", "cedar"])
        .await
        .is(1)
        .says("nothing is held of `cedar`");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_held_writes_the_named_model_alone() {
    let (gateway, shell, _) = odd_shop().await;
    shell.run(&["apply", "--held"]).await.is(2);
    assert!(gateway.writes().is_empty());
    let (run, code) = shell
        .json(&["apply", "--held", "--only", "birch", "--yes"])
        .await;
    assert_eq!(
        (code, &run["trigger"]),
        (0, &json!("apply-held")),
        "{run:#}"
    );
    is_what_was_written(&run, &gateway);
    assert_eq!(tokens(&gateway, "birch"), (20.0, 80.0));
    assert_eq!(waiting(&shell).await, ["amber"]);
    shell
        .run(&["apply", "--held", "--only", "birch", "--yes"])
        .await
        .is(1);
    shell.run(&["apply", "--held", "--yes"]).await.is(0);
    assert_eq!(gateway.effective_price("amber"), EffectivePrice::Free);
    assert_eq!(waiting(&shell).await, Vec::<String>::new());
    shell.run(&["apply", "--held", "--yes"]).await.is(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_holds_until_the_held_price_becomes_another_one() {
    let (gateway, shell, _) = odd_shop().await;
    shell.run(&["held", "keep", "birch"]).await.is(0);
    assert_eq!(waiting(&shell).await, ["amber"]);
    shell.run(&["sync", "prices", "--yes"]).await.is(2);
    assert_eq!(waiting(&shell).await, ["amber"]);
    assert_eq!(tokens(&gateway, "birch"), (1.0, 4.0));
    odd(&gateway, 30.0);
    shell.run(&["plan", "prices"]).await.is(2);
    assert_eq!(waiting(&shell).await, ["amber", "birch"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_passes_the_reason_and_never_ends_the_matter() {
    let (gateway, shell, _) = odd_shop().await;
    let (told, code) = shell.json(&["held", "allow", "birch"]).await;
    assert_eq!(
        (code, told),
        (0, json!({"answer": "allow", "models": ["birch"]}))
    );
    shell.run(&["held", "never", "amber"]).await.is(0);
    assert_eq!(waiting(&shell).await, Vec::<String>::new());
    let (run, code) = shell.json(&["sync", "prices", "--yes"]).await;
    assert_eq!(code, 0, "{run:#}");
    assert_eq!(tokens(&gateway, "birch"), (20.0, 80.0));
    assert_eq!(tokens(&gateway, "amber"), (2.0, 8.0));
    let (told, _) = shell.json(&["price", "answers"]).await;
    let short: Vec<(&Value, &Value, &Value)> = told["answers"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|answer| (&answer["model"], &answer["answer"], &answer["reason"]))
        .collect();
    assert_eq!(
        short,
        [
            (&json!("amber"), &json!("ignore"), &Value::Null),
            (&json!("birch"), &json!("allow"), &json!("tenfold")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_keeps_a_model_or_one_field_and_unlock_lets_go() {
    let (gateway, mut shell) = in_the_shop().await;
    shell.set("LOCKSTEP_PRICE_MODE", "both");
    shell.run(&["price", "lock", "cedar", "dune"]).await.is(0);
    shell
        .run(&["price", "lock", "birch", "--field", "model_ratio"])
        .await
        .is(0)
        .says("the model ratio stays as it is");
    publish(&gateway, "list", &{
        let mut prices = list_with(1.5);
        prices[1] = Price::tokens("birch", 1.5, 9.0);
        prices
    });
    shell.run(&["plan", "prices"]).await;
    let (run, _) = shell.json(&["sync", "prices", "--yes"]).await;
    for model in ["cedar", "dune"] {
        assert_eq!(
            of_model(&run, model)[0]["skip"]["reason"],
            "locked",
            "{run:#}"
        );
        assert!(matches!(
            gateway.effective_price(model),
            EffectivePrice::Refused(_)
        ));
    }
    assert_eq!(tokens(&gateway, "birch").0, 1.0, "{run:#}");
    shell
        .run(&["price", "lock", "cedar", "--field", "colour"])
        .await
        .is(1);
    shell.run(&["price", "unlock", "cedar", "dune"]).await.is(0);
    shell
        .run(&["price", "unlock", "cedar"])
        .await
        .is(1)
        .says("nothing was decided about `cedar`");
    shell.run(&["sync", "prices", "--yes"]).await.is(0);
    assert_eq!(tokens(&gateway, "cedar"), (3.0, 15.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_way_of_billing_is_the_gateways_own_and_stays() {
    let (gateway, mut shell) = in_the_shop().await;
    shell.set("LOCKSTEP_PRICE_MODE", "both");
    gateway.set_option("ModelPrice", r#"{"dune":0.05}"#);
    let mut prices = list_with(1.5);
    prices[3] = Price::tokens("dune", 1.0, 2.0);
    publish(&gateway, "list", &prices);
    let (run, _) = shell.json(&["plan", "prices"]).await;
    assert_eq!(of_model(&run, "dune")[0]["hold"]["reason"], "kind_change");
    assert_eq!(waiting(&shell).await, ["dune"]);
    shell
        .run(&["price", "keep-kind", "dune", "birch"])
        .await
        .is(0)
        .says("dune: stays billed per call")
        .says("birch: stays billed per token");
    assert_eq!(waiting(&shell).await, Vec::<String>::new());
    let (told, _) = shell.json(&["price", "answers"]).await;
    let kinds: Vec<&Value> = told["answers"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|answer| &answer["kind"])
        .collect();
    assert_eq!(kinds, ["per_token", "per_call"], "{told:#}");
    shell.run(&["sync", "prices", "--yes"]).await;
    assert_eq!(
        gateway.effective_price("dune"),
        EffectivePrice::PerCall(0.05)
    );
    shell
        .run(&["price", "keep-kind", "cedar-2"])
        .await
        .is(1)
        .says("has no price on the gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_price_over_time_is_what_lockstep_wrote() {
    let (gateway, shell) = in_the_shop().await;
    shell.run(&["price", "show", "birch"]).await.is(0);
    shell
        .run(&["plan", "prices", "--mode", "update"])
        .await
        .is(2);
    for birch in [1.5, 1.6, 1.7] {
        publish(&gateway, "list", &list_with(birch));
        let sync = ["sync", "prices", "--mode", "update", "--yes"];
        shell.run(&sync).await.is(0);
    }
    let (told, code) = shell.json(&["price", "show", "birch"]).await;
    assert_eq!((code, &told["model"]), (0, &json!("birch")));
    let ratios: Vec<f64> = told["written"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["new"].as_f64())
        .collect();
    assert_eq!(ratios, [0.85, 0.8, 0.75]);
    shell
        .run(&["price", "show", "birch"])
        .await
        .is(0)
        .says("model ratio 0.5 0.75 list");
}
