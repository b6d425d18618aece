use lockstep_core::change::{RunState, State};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Values;
use lockstep_store::events::EventKind;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::images::Image;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::steps::{Holds, PriceOutcome, Requests};
use lockstep_store::{Store, StoreError};

use super::runs::outcome;
use crate::tester::{
    NONE, NOW, approved_prices, held_price, plan_of, planned, planned_prices, price, price_outcome,
    price_run, priced, reading_prices, row, site,
};

const ONE: Requests = Requests {
    reads: 1,
    writes: 1,
    throttled: 1,
};

const RATIO: Field = Field::ModelRatio;

fn accepted() -> Vec<(String, Values)> {
    vec![("a".to_owned(), Values::default().with(RATIO, "2"))]
}

async fn states(store: &Store, run_id: &str) -> Vec<State> {
    let rows = store.price_rows(run_id).await.expect("rows");
    rows.iter().map(|row| row.state).collect()
}

pub(crate) async fn another_fence_changes_no_price(store: &Store) {
    let site = site(store).await;
    let reading = reading_prices(store, price_run(&site), 5, NOW).await;
    let first = vec![price("a", RATIO, State::Ready)];
    store
        .record_prices(&reading.id, 5, first.clone(), NONE)
        .await
        .expect("recorded");
    let writing = approved_prices(store, &site, first).await;
    store.adopt_run(&writing.id, 5).await.expect("adopted");
    store
        .record_image(&writing.id, 5, "ModelRatio", "{}", None)
        .await
        .expect("an image");
    let all = async || {
        let mut all = Vec::new();
        for id in [&reading.id, &writing.id] {
            all.push((
                store.run(id).await.expect("the run"),
                store.price_rows(id).await.expect("rows"),
                store.events(id, 0).await.expect("events"),
                store.images(id).await.expect("images"),
            ));
        }
        all
    };
    let before = all().await;
    for fence in [4, 6] {
        let rows = || vec![held_price("a", "3"), price("b", RATIO, State::Same)];
        let plan = plan_of(Digest::of(["x"]), 9);
        let failure = Some(Failure::new(FailureKind::Timeout, ""));
        let outcomes = vec![price_outcome("a", RATIO, State::Applied)];
        let refused = [
            store.record_prices(&reading.id, fence, rows(), ONE).await,
            store
                .mark_prices_planned(&reading.id, fence, rows(), plan, NOW)
                .await,
            store
                .record_price_rebased(&writing.id, fence, rows(), ONE)
                .await,
            store
                .record_price_outcomes(&writing.id, fence, outcomes, accepted(), ONE)
                .await,
            store
                .record_image(&writing.id, fence, "CacheRatio", "{}", None)
                .await,
            store
                .set_image_others(&writing.id, fence, "ModelRatio", 1)
                .await,
            store
                .end_run(&writing.id, fence, RunState::Failed, failure, ONE, NOW)
                .await,
        ];
        for (step, refused) in refused.into_iter().enumerate() {
            assert!(
                matches!(refused, Err(StoreError::Fenced { stored: 5, given, .. }) if given == fence),
                "step {step}: {refused:?}"
            );
        }
    }
    assert_eq!(all().await, before);
    assert!(store.price_holds(&site.id).await.expect("read").is_empty());
    assert!(store.accepted(&site.id).await.expect("read").is_empty());
}

pub(crate) async fn a_price_step_out_of_turn_or_about_something_else_is_refused(store: &Store) {
    let site = site(store).await;
    let rows = || vec![price("a", RATIO, State::Ready)];
    let run = planned_prices(store, price_run(&site), rows(), Holds::Renew, NOW).await;
    let plan = || plan_of(Digest::of(["plan"]), 1);
    let turns = [
        store.record_prices(&run.id, 1, rows(), ONE).await,
        store
            .mark_prices_planned(&run.id, 1, rows(), plan(), NOW)
            .await,
        store.record_price_rebased(&run.id, 1, rows(), ONE).await,
        store
            .record_image(&run.id, 1, "ModelRatio", "{}", None)
            .await,
    ];
    for (step, turn) in turns.into_iter().enumerate() {
        assert!(
            matches!(turn, Err(StoreError::WrongState { .. })),
            "step {step}: {turn:?}"
        );
    }
    let unchanged = store.run(&run.id).await.expect("the run");
    assert_eq!(unchanged, run, "a refused step counts nothing");

    // What is about channels has no place in a run about prices, and the other way round.
    let prices = reading_prices(store, price_run(&site), 1, NOW).await;
    let models = planned(store, &site, vec![row(1, State::Ready)], NOW).await;
    let channels = || vec![row(1, State::Same)];
    let writing = approved_prices(store, &site, rows()).await;
    let wrong = [
        store
            .record_read(&prices.id, 1, channels(), Vec::new(), ONE)
            .await,
        store
            .mark_planned(&prices.id, 1, channels(), plan(), NOW)
            .await,
        store.record_rebased(&writing.id, 1, channels(), ONE).await,
        store
            .record_outcomes(&writing.id, 1, vec![outcome(1, State::Applied)], ONE)
            .await,
        store
            .approve_prices(&models.id, None, "root", true, NOW)
            .await
            .map(drop),
        store
            .record_price_outcomes(&models.id, 1, Vec::new(), accepted(), ONE)
            .await,
        store
            .approve(&run.id, None, "root", true, NOW)
            .await
            .map(drop),
    ];
    for (step, wrong) in wrong.into_iter().enumerate() {
        assert!(
            matches!(wrong, Err(StoreError::WrongSubject { .. })),
            "step {step}: {wrong:?}"
        );
    }
    assert_eq!(store.run(&models.id).await.expect("the run"), models);
    assert_eq!(store.run(&run.id).await.expect("the run"), run);
    assert!(store.changes(&prices.id).await.expect("asked").is_empty());
    let missing = vec![price_outcome("b", RATIO, State::Applied)];
    let missing = store
        .record_price_outcomes(&writing.id, 1, missing, accepted(), ONE)
        .await;
    assert!(
        matches!(missing, Err(StoreError::NotFound(_))),
        "{missing:?}"
    );
    assert_eq!(store.run(&writing.id).await.expect("the run").writes, 0);
    assert!(store.accepted(&site.id).await.expect("read").is_empty());
    let missing = store
        .set_image_others(&writing.id, 1, "ModelRatio", 1)
        .await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))));
}

pub(crate) async fn a_price_run_goes_from_queued_to_done(store: &Store) {
    let site = site(store).await;
    let run = reading_prices(store, price_run(&site), 5, NOW).await;
    let rows = vec![
        price("a", RATIO, State::Ready),
        price("a", Field::BillingExpr, State::Ready),
        price("b", RATIO, State::Ready),
    ];
    store
        .record_prices(&run.id, 5, rows, ONE)
        .await
        .expect("recorded");
    let braked = vec![held_price("b", "9")];
    let plan = plan_of(Digest::of(["plan"]), 2);
    store
        .mark_prices_planned(&run.id, 5, braked, plan, NOW + 1)
        .await
        .expect("planned");
    let now = store.run(&run.id).await.expect("the run");
    assert_eq!((now.state, now.total), (RunState::Planned, 2));
    assert_eq!(now.plan_hash, Some(Digest::of(["plan"])));
    let approved = store
        .approve_prices(&run.id, None, "root", false, NOW + 2)
        .await;
    assert_eq!(approved.expect("approved"), 1, "models, not values");
    let expression = "p * 2 + ".repeat(50);
    let written = PriceOutcome {
        new: Some(expression.clone()),
        ..price_outcome("a", Field::BillingExpr, State::Applied)
    };
    let outcomes = vec![written, price_outcome("a", RATIO, State::Applied)];
    store
        .record_price_outcomes(&run.id, 5, outcomes, accepted(), ONE)
        .await
        .expect("recorded");
    let back = PriceOutcome {
        new: Some("short".to_owned()),
        failure: Some(Failure::new(FailureKind::NotStored, "")),
        ..price_outcome("a", Field::BillingExpr, State::Failed)
    };
    let rows = store.price_rows(&run.id).await.expect("rows");
    assert_eq!(rows[0].new.as_deref(), Some("2"));
    assert_eq!(rows[1].new, Some(expression));
    assert_eq!(rows[1].finished_at, Some(NOW + 9));
    store
        .record_price_outcomes(&run.id, 5, vec![back.clone()], Vec::new(), NONE)
        .await
        .expect("recorded");
    let rows = store.price_rows(&run.id).await.expect("rows");
    assert_eq!(rows[1].new, back.new);
    assert_eq!(rows[1].failure, back.failure);
    assert_eq!(
        store.accepted(&site.id).await.expect("read"),
        accepted().into_iter().collect()
    );
    store
        .end_run(&run.id, 5, RunState::Partial, None, ONE, NOW + 10)
        .await
        .expect("ended");
    let (run, counts) = store
        .runs(&site.id, 1, None)
        .await
        .expect("a page")
        .remove(0);
    assert_eq!(
        (run.state, run.reads, run.writes),
        (RunState::Partial, 3, 3)
    );
    assert_eq!((counts.total, counts.failed, counts.held), (2, 1, 1));
    assert_eq!(counts.changed, 1, "a value of it was written");
}

pub(crate) async fn of_two_approvals_of_prices_one_is_refused(store: &Store) {
    let site = site(store).await;
    let rows = vec![
        price("a", RATIO, State::Ready),
        price("b", RATIO, State::Ready),
    ];
    let run = planned_prices(store, price_run(&site), rows, Holds::Renew, NOW).await;
    let (one, two) = tokio::join!(
        store.approve_prices(&run.id, None, "one", true, NOW),
        store.approve_prices(&run.id, None, "two", true, NOW)
    );
    let approved: Vec<u64> = [one, two].into_iter().filter_map(Result::ok).collect();
    assert_eq!(approved, [2]);
}

pub(crate) async fn what_was_not_chosen_or_is_held_in_part_is_not_approved(store: &Store) {
    let site = site(store).await;
    let mut rows = vec![
        price("a", RATIO, State::Ready),
        price("a", Field::CacheRatio, State::Ready),
        price("b", RATIO, State::Ready),
        held_price("c", "9"),
        price("c", Field::CacheRatio, State::Ready),
        price("d", RATIO, State::Same),
    ];
    // More models than one statement names.
    rows.extend((0..450).map(|at| price(&format!("many-{at:03}"), RATIO, State::Ready)));
    let run = planned_prices(store, price_run(&site), rows, Holds::Renew, NOW).await;
    let mut only: Vec<String> = (0..450).map(|at| format!("many-{at:03}")).collect();
    only.extend(["a", "c", "d", "none"].map(str::to_owned));
    let approved = store
        .approve_prices(&run.id, Some(&only), "root", true, NOW + 5)
        .await;
    assert_eq!(approved.expect("approved"), 451);
    let expected = [
        State::Approved,
        State::Approved,
        State::Dropped,
        State::Held,
        State::Dropped,
        State::Same,
    ];
    assert_eq!(states(store, &run.id).await[..6], expected);
    let dropped = store.price_rows_in(&run.id, State::Dropped).await;
    for row in dropped.expect("rows") {
        let reason = row.skip.map(|reason| reason.code);
        assert_eq!(reason, Some(ReasonCode::NotWritten));
        assert_eq!(row.finished_at, Some(NOW + 5));
    }
    store
        .end_run(&run.id, 1, RunState::Cancelled, None, NONE, NOW + 6)
        .await
        .expect("ended");
    let counts = store.counts(&run.id).await.expect("counts");
    assert_eq!((counts.total, counts.skipped), (454, 452));
    assert_eq!((counts.held, counts.unchanged), (1, 1));
    let page = store.runs(&site.id, 1, None).await.expect("a page");
    assert_eq!(page[0].1, counts);

    let run = planned_prices(
        store,
        price_run(&site),
        vec![price("a", RATIO, State::Ready)],
        Holds::Renew,
        NOW,
    )
    .await;
    let none = store
        .approve_prices(&run.id, Some(&[]), "root", true, NOW)
        .await;
    assert_eq!(none.expect("approved"), 0);
    assert_eq!(states(store, &run.id).await, [State::Dropped]);
}

pub(crate) async fn an_outcome_of_a_price_after_the_end_is_recorded(store: &Store) {
    let site = site(store).await;
    let run = approved_prices(store, &site, vec![price("a", RATIO, State::Ready)]).await;
    store
        .end_run(&run.id, 1, RunState::Cancelled, None, NONE, NOW)
        .await
        .expect("ended");
    assert_eq!(store.counts(&run.id).await.expect("counts").skipped, 1);
    let late = vec![price_outcome("a", RATIO, State::Applied)];
    store
        .record_price_outcomes(&run.id, 1, late, Vec::new(), ONE)
        .await
        .expect("recorded");
    let row = store.price_rows(&run.id).await.expect("rows").remove(0);
    assert_eq!((row.state, row.skip), (State::Applied, None));
    let page = store.runs(&site.id, 1, None).await.expect("a page");
    assert_eq!((page[0].1.success, page[0].1.skipped), (1, 0));
}

pub(crate) async fn moved_maps_replace_a_price_before_it_is_written(store: &Store) {
    let site = site(store).await;
    let run = approved_prices(store, &site, vec![price("a", RATIO, State::Ready)]).await;
    let rebased = PriceRow {
        old: Some("1.7".to_owned()),
        ..priced(&run, price("a", RATIO, State::Approved))
    };
    store
        .record_price_rebased(&run.id, 1, vec![rebased.clone()], ONE)
        .await
        .expect("recorded");
    assert_eq!(store.price_rows(&run.id).await.expect("rows"), [rebased]);
    assert_eq!(store.run(&run.id).await.expect("the run").reads, 1);
}

pub(crate) async fn images_are_kept_byte_for_byte(store: &Store) {
    let site = site(store).await;
    let run = approved_prices(store, &site, vec![price("a", RATIO, State::Ready)]).await;
    let before = "{\r\n  \"a\": 1.50,\u{feff}\t\"b\" :1e0 , \"\u{0}\\/\u{202e}\": \"x\" }\n\n";
    let key = "ModelRatio";
    store
        .record_image(&run.id, 1, key, before, Some("first"))
        .await
        .expect("an image");
    let other = "billing_setting.billing_mode";
    store
        .record_image(&run.id, 1, other, "", None)
        .await
        .expect("an image");
    // A second write of the same map: what was there at first stays, what is to be there changes.
    store
        .record_image(&run.id, 1, key, "first", Some("second"))
        .await
        .expect("an image");
    let image = |key: &str, before: &str, after: Option<&str>| Image {
        key: key.to_owned(),
        before: before.to_owned(),
        after: after.map(str::to_owned),
        others: 0,
    };
    let images = async || store.images(&run.id).await.expect("images");
    let expected = [image(key, before, Some("second")), image(other, "", None)];
    assert_eq!(images().await, expected);
    assert_eq!(images().await[0].before.as_bytes(), before.as_bytes());
    store
        .record_image(&run.id, 1, key, "second", None)
        .await
        .expect("an image");
    assert_eq!(images().await[0].after.as_deref(), Some("second"));
    store
        .end_run(&run.id, 1, RunState::Failed, None, NONE, NOW)
        .await
        .expect("ended");
    // What the gateway's log tells after the end is the truth all the same.
    store
        .set_image_others(&run.id, 1, other, 2)
        .await
        .expect("set");
    assert_eq!(images().await[1].others, 2);
}

pub(crate) async fn the_sources_of_a_run_are_kept_in_their_order(store: &Store) {
    let site = site(store).await;
    let run = approved_prices(store, &site, vec![price("a", RATIO, State::Ready)]).await;
    let source = |name: &str, state: &str| RunSource {
        name: name.to_owned(),
        url: "https://prices.example".to_owned(),
        state: state.to_owned(),
        models: 7,
        fetched_at: Some(NOW),
        skipped: vec![("duplicate".to_owned(), 2, vec!["x".to_owned()])],
        ..RunSource::default()
    };
    let first = vec![source("b(2)", "ok"), source("a", "failed")];
    store
        .record_sources(&run.id, 1, first.clone())
        .await
        .expect("recorded");
    assert_eq!(store.run_sources(&run.id).await.expect("sources"), first);
    let again = vec![source("a", "ok")];
    store
        .record_sources(&run.id, 1, again.clone())
        .await
        .expect("recorded");
    assert_eq!(store.run_sources(&run.id).await.expect("sources"), again);
    let late = store.record_sources(&run.id, 0, first).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
}

pub(crate) async fn events_of_prices_name_model_and_field(store: &Store) {
    let site = site(store).await;
    let rows = vec![price("a", RATIO, State::Ready), held_price("b", "9")];
    let run = approved_prices(store, &site, rows).await;
    let outcomes = vec![price_outcome("a", RATIO, State::Applied)];
    store
        .record_price_outcomes(&run.id, 1, outcomes, Vec::new(), NONE)
        .await
        .expect("recorded");
    let events = store.events(&run.id, 0).await.expect("events");
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=7).collect::<Vec<i64>>());
    let items: Vec<&str> = events
        .iter()
        .filter(|event| event.kind == EventKind::Item)
        .map(|event| event.data.as_str())
        .collect();
    assert_eq!(
        items,
        [
            r#"{"field":"model_ratio","model":"a","state":"ready","status":"planned"}"#,
            r#"{"field":"model_ratio","model":"b","reason":"tenfold","state":"held","status":"held"}"#,
            r#"{"field":"model_ratio","model":"a","state":"applied","status":"success"}"#,
        ]
    );
}
