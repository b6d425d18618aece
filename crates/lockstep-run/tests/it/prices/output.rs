//! Completion ratios of the gateway's own: what can be known of a new model before its first write, and what after.

use lockstep_core::change::RunState;
use lockstep_core::prices::field::Field;
use lockstep_sim::{EffectivePrice, Fault, Matcher, Price, Rule};
use lockstep_store::prices::OutputBy;
use lockstep_store::runs::Run;

use super::shop::shop;
use crate::tester::Tester;

/// New models: one that the gateway bills by 4 whatever is configured, one of the same family whose source says just
/// that, one of which it has a mere default, one that it has nothing of, one whose name it leaves to the map.
async fn tester() -> Tester {
    let list = [
        Price::ratio("o3-new", 1.0, 2.0),
        Price::ratio("o3-same", 1.0, 4.0),
        Price::ratio("gpt-4o-new", 1.0, 3.0),
        Price::ratio("plain", 1.0, 5.0),
        Price::ratio("maker/o3-x", 1.0, 6.0),
    ];
    let served = "o3-new,o3-same,gpt-4o-new,plain,maker/o3-x";
    shop(served, &[Price::ratio("else", 1.0, 1.0)], &[&list]).await
}

async fn output(tester: &Tester, run: &Run, model: &str) -> (Option<OutputBy>, Option<f64>) {
    let row = tester.price_row(run, model, Field::ModelRatio).await;
    let usd = row.usd_new.expect("a price");
    assert_eq!(usd.input, Some(2.0));
    (row.detail.output, usd.output)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_output_of_a_new_model_costs_is_told_before_the_write_only_where_it_is_known() {
    let tester = tester().await;
    let plan = tester.plan_prices().await;
    let (map, unknown) = (Some(OutputBy::Map), Some(OutputBy::Unknown));
    for (model, told) in [
        ("o3-new", (unknown, None)),
        ("o3-same", (map, Some(8.0))),
        ("gpt-4o-new", (unknown, None)),
        ("plain", (map, Some(10.0))),
        ("maker/o3-x", (map, Some(12.0))),
    ] {
        assert_eq!(output(&tester, &plan, model).await, told, "{model}");
    }
    let run = tester.apply_prices(&plan).await;
    assert_eq!(run.state, RunState::Done);
    for (model, by) in [
        ("o3-new", OutputBy::Gateway),
        ("o3-same", OutputBy::Map),
        ("gpt-4o-new", OutputBy::Map),
        ("plain", OutputBy::Map),
        ("maker/o3-x", OutputBy::Map),
    ] {
        let (told, usd) = output(&tester, &run, model).await;
        assert_eq!(told, Some(by), "{model}");
        let EffectivePrice::PerToken(rates) = tester.gateway.effective_price(model) else {
            panic!("{model} is billed by tokens");
        };
        assert_eq!(usd, Some(rates.output_usd()), "{model}: as it is billed");
    }
    // Now the gateway tells at once.
    let list = ["o3-new", "o3-same", "plain"].map(|model| Price::ratio(model, 1.0, 3.0));
    tester.shows("A", &list);
    let next = tester.plan_prices().await;
    let row = tester.price_row(&next, "o3-new", Field::CompletionRatio);
    assert!(row.await.skip.is_some());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_price_page_no_output_of_a_new_model_is_told_before_the_write() {
    let tester = tester().await;
    let page = Matcher::get("/api/pricing");
    tester.gateway.fault(Rule::always(page, Fault::Status(403)));
    let plan = tester.plan_prices().await;
    for model in ["o3-new", "o3-same", "gpt-4o-new", "plain"] {
        let told = output(&tester, &plan, model).await;
        assert_eq!(told, (Some(OutputBy::Unknown), None), "{model}");
    }
    let run = tester.apply_prices(&plan).await;
    let told = output(&tester, &run, "plain").await;
    assert_eq!(told, (Some(OutputBy::Map), Some(10.0)));
    let told = output(&tester, &run, "o3-same").await;
    assert_eq!(told, (Some(OutputBy::Gateway), Some(8.0)));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_page_is_asked_only_for_new_models() {
    let list = [Price::ratio("o3-old", 2.0, 2.0)];
    let tester = shop("o3-old", &[Price::ratio("o3-old", 1.0, 2.0)], &[&list]).await;
    let plan = tester.plan_prices().await;
    let row = tester.price_row(&plan, "o3-old", Field::ModelRatio).await;
    assert_eq!(row.detail.output, Some(OutputBy::Gateway));
    assert_eq!(row.usd_new.expect("a price").output, Some(16.0));
    assert_eq!(tester.gateway.count("GET", "/api/pricing"), 0);
    tester.done().await;
}
