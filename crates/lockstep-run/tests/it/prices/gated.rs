//! No model goes live without a price.

use lockstep_core::change::{RunState, State};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::mode::Mode;
use lockstep_core::settings::Gate;
use lockstep_run::Source;
use lockstep_sim::{Fault, Gateway, Matcher, Page, Price, Provider, Rule, Spec, price};

use super::shop::LIST;
use crate::tester::{Tester, pairs, set};

/// A channel that has `a` and is offered `b` and `c`, of which `b` has a price.
fn spec() -> Spec {
    let nothing: [&str; 0] = [];
    let list = price::official(&[Price::ratio("c", 1.0, 2.0)]);
    pairs(&[("a", "a,b,c")])
        .prices(&[Price::ratio("a", 1.0, 2.0), Price::ratio("b", 1.0, 2.0)])
        .provider(Provider::new("A", nothing).page(LIST, Page::json(list)))
}

async fn gated(spec: Spec) -> Tester {
    let mut tester = Tester::new(spec).await;
    tester.settings.price_gate = Gate::Hold;
    tester.expect.options_are_read = true;
    tester
}

fn options_read(tester: &Tester) -> usize {
    tester.gateway.count("GET", "/api/option/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_a_price_waits_and_the_others_come() {
    let tester = gated(spec()).await;
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(set(&tester.models(1)), set("a,b"));
    let row = tester.row(&run, 1).await;
    assert!(row.dropped.iter().any(|(name, _)| name == "c"), "{row:?}");
    assert_eq!(options_read(&tester), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prices_are_read_only_when_a_name_would_be_added() {
    let tester = gated(pairs(&[("a,b", "a,b"), ("a,b,c", "a")])).await;
    tester.sync().await;
    assert_eq!(options_read(&tester), 0);
    tester.done().await;
    let many = gated(pairs(&[("a", "a,x"); 4]).prices(&[Price::ratio("x", 1.0, 1.0)])).await;
    many.sync().await;
    assert_eq!(many.models(4), "a,x");
    assert_eq!(options_read(&many), 1, "once for all channels");
    many.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn off_and_list_let_every_name_come() {
    for mode in [Gate::Off, Gate::List] {
        let mut tester = gated(spec()).await;
        tester.settings.price_gate = mode;
        tester.sync().await;
        assert_eq!(set(&tester.models(1)), set("a,b,c"), "{mode:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_for_its_owner_alone_needs_no_prices() {
    let tester = gated(spec().option("SelfUseModeEnabled", "true")).await;
    tester.sync().await;
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_prices_is_not_kept_from_syncing() {
    let gateway = Gateway::start(spec()).await.expect("a gateway");
    let (url, token) = (gateway.url(), gateway.admin_token().to_owned());
    let mut tester = Tester::of(gateway, &url, &token).await;
    tester.settings.price_gate = Gate::Hold;
    tester.expect.options_are_read = true;
    tester.sync().await;
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_prices_cannot_be_read_no_new_name_comes_and_old_ones_go() {
    for fault in [Fault::Status(500), Fault::ResetBeforeApply, Fault::HalfJson] {
        let mut spec = spec();
        spec.channels[0].models = "a,gone".to_owned();
        let tester = gated(spec).await.without_guards();
        let options = Matcher::get("/api/option/");
        tester.gateway.fault(Rule::always(options, fault.clone()));
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Done, "{fault:?}");
        assert_eq!(set(&tester.models(1)), set("a"), "{fault:?}");
        tester.gateway.clear_faults();
        tester.sync().await;
        assert_eq!(set(&tester.models(1)), set("a,b"), "{fault:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_model_gets_its_price_first_and_goes_live_after() {
    let mut tester = gated(spec()).await;
    tester.add_source("A", &format!(",endpoint={LIST}"));
    tester.settings.prices.scope.mode = Mode::Add;
    tester.settings.prices.scope.all_models = true;
    let prices = tester.sync_prices().await;
    assert_eq!(tester.price_states(&prices, "c").await, [State::Applied; 2]);
    let mut request = tester.request(Source::All, true);
    request.after = Some(prices.id.clone());
    let session = tester.session().await;
    let run = crate::tester::go(&session, &request, &tester.watch)
        .await
        .expect("a run");
    assert_eq!(run.parent.as_deref(), Some(prices.id.as_str()));
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    assert_eq!(tester.value("c", Field::ModelRatio).as_deref(), Some("1"));
    tester.done().await;
}
