//! What becomes of sources that do not answer as they should.

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind;
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_run::EngineError;
use lockstep_sim::{Page, Price};
use lockstep_store::runs::Run;

use super::shop::{LIST, raw, shop};
use crate::tester::{DAY, HOUR, Tester};

fn prices(count: usize, ratio: f64) -> Vec<Price> {
    (0..count)
        .map(|n| Price::ratio(&format!("m{n}"), ratio, 2.0))
        .collect()
}

async fn tester() -> Tester {
    shop("m0,m1", &prices(2, 1.0), &[&prices(10, 1.0)]).await
}

fn set(tester: &Tester, page: Page) {
    tester.gateway.provider("A").set_page(LIST, page);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_source_is_recorded_and_only_good_ones_are_planned_from() {
    let partial = raw(&[
        ("model_ratio", "\"m0\":1.5,\"m1\":\"x\",\"m2\":1"),
        ("completion_ratio", "\"m0\":2,\"m1\":2,\"m2\":2"),
    ]);
    let empty = raw(&[("model_ratio", "")]);
    for (page, state, writes) in [
        (
            Page::json(lockstep_sim::price::official(&prices(3, 1.5))),
            "ok",
            1,
        ),
        (Page::json(partial), "partial", 1),
        (Page::new(500, "text/plain", "no"), "failed", 0),
        (Page::new(401, "application/json", "{}"), "needs_sign_in", 0),
        (Page::firewall(), "firewall", 0),
        (Page::html(), "not_a_price_list", 0),
        (Page::json("{\"some\":\"thing\"}"), "not_a_price_list", 0),
        (Page::json(empty), "empty", 0),
    ] {
        let tester = tester().await;
        set(&tester, page);
        let run = tester.sync_prices().await;
        let source = tester.run_source(&run, "A").await;
        assert_eq!(source.state, state);
        assert_eq!(tester.puts(), writes, "{state}");
        if writes == 0 {
            nothing_is_known(&tester, &run).await;
        }
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_not_called_unless_it_is_allowed() {
    let tester = tester().await;
    let mut request = tester.price_request(true);
    request.collecting.allow.clear();
    let session = tester.session().await;
    let run = super::shop::go(&session, &request, &tester.watch)
        .await
        .expect("a run");
    assert_eq!(tester.run_source(&run, "A").await.state, "private_address");
    assert_eq!(tester.gateway.provider("A").requests(LIST), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_copy_is_shown_and_never_planned_from() {
    let tester = tester().await;
    tester.shows("A", &prices(10, 1.5));
    tester.plan_prices().await;
    set(&tester, Page::new(500, "text/plain", "no"));
    tester.clock.advance(HOUR);
    let run = tester.sync_prices().await;
    let source = tester.run_source(&run, "A").await;
    assert_eq!((source.state.as_str(), source.models), ("stale", 10));
    assert_eq!(source.fetched_at, Some(tester.clock_now() - HOUR));
    assert!(!source.detail.is_empty(), "why it did not come");
    assert_eq!(tester.puts(), 0);
    nothing_is_known(&tester, &run).await;
    tester.done().await;
}

/// Without a list that can be believed there is no plan, and nothing is said to be in sync.
async fn nothing_is_known(tester: &Tester, run: &Run) {
    assert_eq!(run.state, RunState::Failed);
    let failure = run.failure.as_ref().map(|failure| failure.kind);
    assert_eq!(failure, Some(FailureKind::NoSource));
    assert!(tester.price_rows(run).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_shrinks_below_half_is_not_believed_and_not_kept() {
    let tester = tester().await;
    tester.plan_prices().await;
    tester.shows("A", &prices(4, 1.5));
    for _ in 0..2 {
        let run = tester.sync_prices().await;
        assert_eq!(tester.run_source(&run, "A").await.state, "shrunken");
        assert_eq!(tester.puts(), 0);
        tester.clock.advance(DAY);
    }
    tester.shows("A", &prices(5, 1.5));
    let run = tester.sync_prices().await;
    assert_eq!(tester.run_source(&run, "A").await.state, "ok");
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_source_is_never_no_difference_and_the_next_one_decides() {
    let tester = shop(
        "m0,m1",
        &prices(1, 1.0),
        &[&prices(2, 1.5), &prices(1, 1.2)],
    )
    .await;
    set(&tester, Page::new(500, "text/plain", "no"));
    let run = tester.sync_prices().await;
    assert_eq!(tester.run_source(&run, "A").await.state, "failed");
    let row = tester.price_row(&run, "m0", Field::ModelRatio).await;
    assert_eq!(
        (row.source.as_deref(), row.state),
        (Some("B"), State::Applied)
    );
    let none = tester.price_row(&run, "m1", Field::ModelRatio).await;
    assert_eq!(none.skip.map(|why| why.code), Some(ReasonCode::NoSource));
    tester.done().await;
    // All of them: the model is not said to be in sync.
    let only = shop("m0", &prices(1, 1.0), &[&prices(1, 1.0)]).await;
    set(&only, Page::new(500, "text/plain", "no"));
    let run = only.sync_prices().await;
    nothing_is_known(&only, &run).await;
    only.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_stays_while_its_source_is_away() {
    let tester = shop("m0", &prices(1, 1.0), &[&prices(1, 50.0)]).await;
    tester.sync_prices().await;
    assert_eq!(tester.held_models().await.len(), 1);
    set(&tester, Page::new(500, "text/plain", "no"));
    tester.clock.advance(HOUR);
    tester.sync_prices().await;
    assert_eq!(tester.held_models().await.len(), 1, "nobody took it back");
    tester.shows("A", &prices(1, 1.0));
    tester.sync_prices().await;
    assert!(tester.held_models().await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usual_address_is_asked_for_both_of_its_pages() {
    let mut tester = shop("m0,m1", &[], &[&[]]).await;
    tester.sources.clear();
    tester.add_source("A", "");
    let site = tester.gateway.provider("A");
    let ratios = [Price::ratio("m0", 1.0, 2.0)];
    let more = [
        Price::ratio("m0", 1.0, 2.0).image(4.0),
        Price::ratio("unlisted", 1.0, 2.0),
    ];
    let list = lockstep_sim::price::ratio_config(&ratios);
    site.set_page("/api/ratio_config", Page::json(list));
    let pricing = lockstep_sim::price::pricing_list(&more, &[("default", 1.0)]);
    site.set_page("/api/pricing", Page::json(pricing));
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.value("m0", Field::ImageRatio).as_deref(), Some("2"));
    // Switched off, its other page is the list, and is not measured by the first one.
    site.set_page("/api/ratio_config", Page::ratio_config_off());
    let run = tester.sync_prices().await;
    assert_eq!(tester.run_source(&run, "A").await.state, "ok");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_gone_is_told_and_the_others_are_asked() {
    let mut tester = tester().await;
    tester.shows("A", &prices(10, 1.5));
    tester.sources.insert(0, "channel:99,name=gone".to_owned());
    let run = tester.sync_prices().await;
    assert_eq!(tester.run_source(&run, "gone").await.state, "failed");
    assert_eq!(tester.run_source(&run, "A").await.state, "ok");
    assert_eq!(tester.puts(), 1);
    let told = tester.store().run_sources(&run.id).await.expect("sources");
    let names: Vec<&str> = told.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["gone", "A"], "in the order of preference");
    tester.sources.clear();
    let failed = tester.try_plan_prices().await;
    assert!(matches!(failed, Err(EngineError::NoSource)), "{failed:?}");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_ratios_are_not_believed_while_the_price_list_beside_them_does_not_come() {
    // Which models an expression bills only the price list tells.
    for (status, state) in [
        (500, "failed"),
        (429, "failed"),
        (404, "ok"),
        (403, "ok"),
        (401, "ok"),
    ] {
        let mut tester = tester().await;
        let site = tester.gateway.provider("A");
        let list = lockstep_sim::price::ratio_config(&prices(10, 1.5));
        site.set_page("/api/ratio_config", Page::json(list));
        site.set_page("/api/pricing", Page::new(status, "application/json", "{}"));
        tester.sources = vec![format!("{},name=A", site.base_url())];
        let run = tester.sync_prices().await;
        assert_eq!(tester.run_source(&run, "A").await.state, state, "{status}");
        assert_eq!(tester.puts(), usize::from(state == "ok"), "{status}");
        tester.done().await;
    }
}

/// A tester whose one source shows ratios for ten models at the usual address, and this beside them.
async fn with_pricing(pricing: &str) -> Tester {
    let mut tester = tester().await;
    let site = tester.gateway.provider("A");
    let list = lockstep_sim::price::ratio_config(&prices(10, 1.5));
    site.set_page("/api/ratio_config", Page::json(list));
    site.set_page("/api/pricing", Page::json(pricing.to_owned()));
    tester.sources = vec![format!("{},name=A", site.base_url())];
    tester
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_ratios_are_not_believed_while_the_price_list_beside_them_cannot_be_read() {
    let billed_by_expression = [Price::expression("m0", "tier(\"base\", p * 2 + c * 4)")];
    let whole = lockstep_sim::price::pricing_list(&billed_by_expression, &[("default", 1.0)]);
    let grouped = r#"{"success":true,"data":{"model_group":{"default":{"ModelPrice":{}}}}}"#;
    for pricing in [
        &whole[..whole.len() / 2],
        grouped,
        r#"{"success":true,"data":7}"#,
        "{}",
        "",
        r#"{"success":true,"data":[{"model_name":"m0","quota_type":0,"model_ratio":"x"}]}"#,
    ] {
        let tester = with_pricing(pricing).await;
        let run = tester.sync_prices().await;
        let source = tester.run_source(&run, "A").await;
        assert_eq!(source.state, "failed", "{pricing}");
        let why = &source.detail;
        assert!(why.starts_with("its /api/pricing: "), "{pricing}: {why}");
        assert_eq!(tester.puts(), 0, "{pricing}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_either_list_is_told() {
    let items = r#"{"model_name":"m0","quota_type":0,"model_ratio":1.5,"completion_ratio":2},
        {"model_name":"odd","quota_type":0,"model_ratio":"x"}"#;
    let pricing = format!(r#"{{"success":true,"data":[{items}],"group_ratio":{{}}}}"#);
    let tester = with_pricing(&pricing).await;
    let run = tester.sync_prices().await;
    let source = tester.run_source(&run, "A").await;
    assert_eq!((source.state.as_str(), source.models), ("partial", 10));
    let left_out = ("not_a_number".to_owned(), 1, vec!["odd".to_owned()]);
    assert_eq!(source.skipped, [left_out]);
    assert_eq!(tester.puts(), 1, "the others are taken");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_behind_a_redirect_is_measured_by_its_last_good_one_too() {
    let tester = tester().await;
    let site = tester.gateway.provider("A");
    let moved = format!("{}/moved.json", site.base_url());
    set(&tester, Page::redirect(301, &moved));
    let shows = |count: usize| {
        let list = lockstep_sim::price::official(&prices(count, 1.5));
        site.set_page("/moved.json", Page::json(list));
    };
    shows(10);
    tester.plan_prices().await;
    shows(4);
    let run = tester.plan_prices().await;
    assert_eq!(tester.run_source(&run, "A").await.state, "shrunken");
    site.set_page("/moved.json", Page::new(500, "text/plain", "no"));
    let run = tester.plan_prices().await;
    assert_eq!(tester.run_source(&run, "A").await.state, "stale");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_not_written_once_sources_settings_or_answers_are_others() {
    let tester = shop("m0", &prices(1, 1.0), &[&prices(1, 1_000.0)]).await;
    let run = tester.sync_prices().await;
    assert_eq!(
        tester.held_for(&run, "m0").await,
        Some(ReasonCode::UnitSlip)
    );
    tester
        .store()
        .add_source(&tester.site, "another", "file:another.json")
        .await
        .expect("added");
    let refused = tester.apply_held_prices().await;
    assert!(
        matches!(refused, Err(EngineError::PolicyChanged(_))),
        "{refused:?}"
    );
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wildcard_prices_gets_no_entry_of_its_own() {
    let list = [Price::ratio("x-openai-compact", 0.001, 2.0)];
    let local = [Price::ratio("*-openai-compact", 5.0, 2.0)];
    let tester = shop("x-openai-compact", &local, &[&list]).await;
    tester.sync_prices().await;
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}
