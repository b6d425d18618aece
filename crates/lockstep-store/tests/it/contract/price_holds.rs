use lockstep_core::change::{RunState, State};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_store::Store;
use lockstep_store::prices::{PriceRow, held_digest};
use lockstep_store::runs::NewRun;
use lockstep_store::steps::Holds;

use crate::tester::{
    NONE, NOW, held, held_price, new_run, of, plan_of, planned, planned_prices, price, price_run,
    row, site,
};

async fn holding(store: &Store, site_id: &str) -> Vec<String> {
    let holds = store.price_holds(site_id).await.expect("holds");
    holds.into_iter().map(|hold| hold.model).collect()
}

fn all() -> Vec<PriceRow> {
    ["a", "b", "c", "d"]
        .map(|model| held_price(model, "9"))
        .to_vec()
}

pub(crate) async fn a_price_hold_outlives_its_run_until_a_plan_finds_it_gone(store: &Store) {
    let site = site(store).await;
    let mut rows = all();
    // One held field holds its model; the first one in the order of the fields is told.
    rows.push(PriceRow {
        source: Some("another".to_owned()),
        hold: Some(Reason::plain(ReasonCode::UnitSlip)),
        ..price("a", Field::CacheRatio, State::Held)
    });
    let of_a: Vec<PriceRow> = rows
        .iter()
        .filter(|row| row.model == "a")
        .cloned()
        .collect();
    let run = planned_prices(store, price_run(&site), rows, Holds::Renew, NOW).await;
    assert_eq!(holding(store, &site.id).await, ["a", "b", "c", "d"]);
    let counts = store.hold_counts(&site.id).await.expect("counts");
    assert_eq!((counts.channels, counts.models), (0, 4));
    let hold = store.price_holds(&site.id).await.expect("holds").remove(0);
    assert_eq!((&hold.site_id, &hold.run_id), (&site.id, &run.id));
    assert_eq!(hold.reason.code, ReasonCode::Tenfold);
    assert_eq!(hold.source.as_deref(), Some("official"));
    assert_eq!(Some(hold.digest), held_digest(&of_a));
    assert_eq!(hold.since, NOW + 1);
    store
        .end_run(&run.id, 1, RunState::Done, None, NONE, NOW)
        .await
        .expect("ended");

    let failed = PriceRow {
        failure: Some(Failure::new(FailureKind::Timeout, "")),
        ..price("b", Field::ModelRatio, State::Skipped)
    };
    let rows = vec![
        price("a", Field::ModelRatio, State::Unread),
        failed,
        price("c", Field::ModelRatio, State::Same),
        price("d", Field::CacheRatio, State::Same),
        held_price("d", "9"),
    ];
    planned_prices(store, price_run(&site), rows, Holds::Renew, NOW + 10).await;
    assert_eq!(holding(store, &site.id).await, ["a", "b", "d"]);
    let deleted = store.delete_price_hold(&site.id, "d").await;
    assert!(deleted.expect("deleted"));
    assert!(!store.delete_price_hold(&site.id, "d").await.expect("asked"));
    assert_eq!(holding(store, &site.id).await, ["a", "b"]);
}

pub(crate) async fn a_price_hold_keeps_its_age_while_the_same_is_held(store: &Store) {
    let site = site(store).await;
    let since = async |rows: Vec<PriceRow>, now: i64| {
        planned_prices(store, price_run(&site), rows, Holds::Renew, now).await;
        let hold = store.price_holds(&site.id).await.expect("holds").remove(0);
        hold.since
    };
    let ready = || price("a", Field::CacheRatio, State::Ready);
    let first = since(vec![held_price("a", "9"), ready()], NOW).await;
    let other_reason = PriceRow {
        hold: Some(Reason::plain(ReasonCode::UnitSlip)),
        old: Some("1.6".to_owned()),
        ..held_price("a", "9")
    };
    let same = price("a", Field::ImageRatio, State::Same);
    let again = vec![ready(), same, other_reason];
    assert_eq!(since(again, NOW + 100).await, first);
    // Another value, a value more, and an entry that would go, are each something else to wait for.
    let mut last = first;
    for (at, rows) in [
        vec![held_price("a", "9.5"), ready()],
        vec![held_price("a", "9.5")],
        vec![PriceRow {
            new: None,
            ..held_price("a", "")
        }],
        vec![held_price("a", "")],
    ]
    .into_iter()
    .enumerate()
    {
        let since = since(rows, NOW + 200 + 10 * at as i64).await;
        assert!(since > last, "{at}");
        last = since;
    }
}

pub(crate) async fn a_plan_that_adds_or_did_not_look_forgets_no_price_hold(store: &Store) {
    let site = site(store).await;
    planned_prices(
        store,
        price_run(&site),
        vec![held_price("a", "9"), held_price("b", "9")],
        Holds::Renew,
        NOW,
    )
    .await;
    let rows = vec![
        price("a", Field::ModelRatio, State::Same),
        held_price("c", "9"),
    ];
    planned_prices(store, price_run(&site), rows, Holds::Add, NOW + 1).await;
    assert_eq!(holding(store, &site.id).await, ["a", "b", "c"]);
    let rows = vec![
        price("a", Field::ModelRatio, State::Ready),
        held_price("d", "9"),
    ];
    planned_prices(store, price_run(&site), rows, Holds::Leave, NOW + 2).await;
    assert_eq!(holding(store, &site.id).await, ["a", "b", "c"]);
}

pub(crate) async fn price_holds_are_forgotten_only_by_a_run_over_all_models(store: &Store) {
    let site = site(store).await;
    // More than one statement keeps.
    let many: Vec<PriceRow> = (0..450)
        .map(|at| held_price(&format!("model-{at}"), "9"))
        .collect();
    planned_prices(store, price_run(&site), many, Holds::Renew, NOW).await;
    let derived = NewRun {
        parent: Some("another run".to_owned()),
        ..price_run(&site)
    };
    let rows = || vec![price("other", Field::ModelRatio, State::Same)];
    planned_prices(store, derived, rows(), Holds::Renew, NOW + 1).await;
    assert_eq!(holding(store, &site.id).await.len(), 450);
    planned_prices(store, price_run(&site), rows(), Holds::Renew, NOW + 2).await;
    assert!(holding(store, &site.id).await.is_empty());
}

pub(crate) async fn a_run_about_models_after_one_about_prices_is_over_all_channels(store: &Store) {
    let site = site(store).await;
    planned(store, &site, vec![held(row(1, State::Held), &["a"])], NOW).await;
    let prices = planned_prices(
        store,
        price_run(&site),
        vec![held_price("a", "9")],
        Holds::Renew,
        NOW,
    )
    .await;
    assert_eq!(store.holds(&site.id).await.expect("holds").len(), 1);
    let after = NewRun {
        parent: Some(prices.id),
        ..new_run(&site)
    };
    let run = store.create_run(after, NOW + 1).await.expect("a run");
    store
        .start_reading(&run.id, 1, NOW + 1)
        .await
        .expect("reading");
    let rows = vec![of(&run, row(3, State::Same))];
    store
        .record_read(&run.id, 1, rows, Vec::new(), NONE)
        .await
        .expect("recorded");
    let plan = plan_of(run.policy_hash.clone(), 1);
    store
        .mark_planned(&run.id, 1, Vec::new(), plan, NOW + 1)
        .await
        .expect("planned");
    assert!(store.holds(&site.id).await.expect("holds").is_empty());
    assert_eq!(holding(store, &site.id).await, ["a"]);
}
