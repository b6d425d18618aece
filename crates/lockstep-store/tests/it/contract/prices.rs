use lockstep_core::change::State;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::{Kind, Values};
use lockstep_store::prices::copies::SourceCopy;
use lockstep_store::prices::{OutputBy, PlannedFrom, PriceDetail, PriceRow, StoredOffer, counts};
use lockstep_store::status::{ItemStatus, RunCounts};
use lockstep_store::steps::Holds;
use lockstep_store::{Store, StoreError};

use crate::on_postgres::size;
use crate::tester::{
    NONE, NOW, approved_prices, held_price, new_site, plan_of, planned_prices, price, price_run,
    priced, reading_prices, site,
};

pub(crate) async fn a_price_reads_back_as_it_was_recorded(store: &Store) {
    let site = site(store).await;
    let run = reading_prices(store, price_run(&site), 1, NOW).await;
    let expression = format!("tier(\"a\", p * {}c * 2)", "1.0 + ".repeat(80));
    let full = PriceRow {
        old: Some(String::new()),
        new: Some(expression.clone()),
        hold: Some(Reason::counted(ReasonCode::LargeRise, 250, 0, 100)),
        skip: Some(Reason::plain(ReasonCode::Locked)),
        failure: Some(Failure::status(FailureKind::Rejected, 200, "no \"map\"")),
        usd_old: Some(Usd {
            input: Some(0.1 + 0.2),
            ..Usd::default()
        }),
        usd_new: Some(Usd {
            input: Some(1e-320),
            output: Some(-0.0),
            cache_read: Some(37.5),
            cache_write: Some(f64::INFINITY),
            per_call: Some(0.04),
        }),
        detail: PriceDetail {
            formula: vec![("recharge".to_owned(), 7.2), ("group".to_owned(), f64::MAX)],
            others: (0..50)
                .map(|at| (format!("source({at})"), format!("{at}.50")))
                .collect(),
            held: Some(lockstep_core::hash::Digest::of(["held"])),
            kind_old: Some(Kind::PerToken),
            kind_new: Some(Kind::Expression),
            from: Some(PlannedFrom {
                base: Values::default().with(Field::ModelRatio, "1.50"),
                offers: vec![
                    StoredOffer::default(),
                    StoredOffer {
                        source: "list(7)".to_owned(),
                        raw: Values::default().with(Field::BillingExpr, "p * 2"),
                        values: Values::default().with(Field::BillingExpr, "p * 3"),
                        refused: Some(Reason::plain(ReasonCode::UnknownExpression)),
                        first_seen: Some(NOW),
                        stale: true,
                        alike: Some("List/M".to_owned()),
                    },
                ],
            }),
            output: Some(OutputBy::Unknown),
        },
        finished_at: Some(NOW + 1),
        ..priced(
            &run,
            price("z/odd \u{202e}\n'name", Field::BillingExpr, State::Held),
        )
    };
    let back_again = PriceRow {
        old: Some(expression),
        new: None,
        source: None,
        ..priced(&run, price("b", Field::BillingMode, State::Ready))
    };
    let first = priced(&run, price("b", Field::ModelRatio, State::Same));
    // Not in the order of the alphabet: `cache_ratio` comes before `model_ratio` there.
    let second = priced(&run, price("b", Field::CacheRatio, State::Skipped));
    let rows = vec![
        full.clone(),
        back_again.clone(),
        second.clone(),
        first.clone(),
    ];
    store
        .record_prices(&run.id, 1, rows, NONE)
        .await
        .expect("recorded");
    let back = store.price_rows(&run.id).await.expect("rows");
    assert_eq!(back, [first, second.clone(), back_again, full.clone()]);
    let output = back[3].usd_new.and_then(|usd| usd.output).expect("there");
    assert!(output.is_sign_negative());
    let held = store.price_rows_in(&run.id, State::Held).await;
    assert_eq!(held.expect("rows"), [full]);

    let again = priced(&run, price("b", Field::CacheRatio, State::Same));
    store
        .record_prices(&run.id, 1, vec![again.clone()], NONE)
        .await
        .expect("replaced");
    let back = store.price_rows(&run.id).await.expect("rows");
    assert_eq!((back.len(), &back[1]), (4, &again));
}

pub(crate) async fn a_long_expression_is_stored_once(store: &Store) {
    let site = site(store).await;
    let expression = "p * 1.5 + ".repeat(20_000);
    let rows: Vec<PriceRow> = (0..100)
        .map(|at| PriceRow {
            old: Some(expression.clone()),
            new: Some(expression.clone()),
            ..price(&format!("model-{at}"), Field::BillingExpr, State::Same)
        })
        .collect();
    planned_prices(store, price_run(&site), rows.clone(), Holds::Renew, NOW).await;
    planned_prices(store, price_run(&site), rows, Holds::Renew, NOW + 1).await;
    let size = size(store).await;
    assert!(size < 3 * expression.len() as u64, "{size} bytes");
}

/// Models with one to three fields in every mix of states, some of them held.
fn mixed() -> Vec<PriceRow> {
    let mut rows = Vec::new();
    for (one, first) in State::ALL.iter().enumerate() {
        for (two, second) in State::ALL.iter().enumerate() {
            for held in [false, true] {
                let model = format!("model-{one:02}-{two:02}-{held}");
                rows.push(price(&model, Field::ModelRatio, *first));
                rows.push(PriceRow {
                    hold: held.then(|| Reason::plain(ReasonCode::UnitSlip)),
                    ..price(&model, Field::CacheRatio, *second)
                });
                if one == two {
                    rows.push(price(&model, Field::ImageRatio, State::Same));
                }
            }
        }
    }
    rows
}

pub(crate) async fn prices_are_counted_by_model(store: &Store) {
    let site = site(store).await;
    let rows = mixed();
    let run = reading_prices(store, price_run(&site), 1, NOW).await;
    for some in rows.chunks(7) {
        store
            .record_prices(&run.id, 1, some.to_vec(), NONE)
            .await
            .expect("recorded");
    }
    let expected = counts(&rows);
    let models = 2 * State::ALL.len() as u64 * State::ALL.len() as u64;
    assert_eq!(expected.total, models);
    let RunCounts {
        total,
        success,
        failed,
        held,
        skipped,
        planned,
        changed,
        unchanged,
    } = expected;
    assert_eq!(success + failed + held + skipped + planned, total);
    // Four of eleven states are failures, so seven by seven mixes are none; of both kinds, held or not.
    assert_eq!(failed, models - 2 * 49);
    // Of those, all with a hold are held, and without one those with a field in the state `held`.
    assert_eq!(held, 49 + 13);
    // Of the six states that are left, four are not waiting for a write.
    assert_eq!(planned, 36 - 16);
    // Both fields are `applied`, or one is and the other is `same` or `skipped`; or both are `same`.
    assert_eq!((success, skipped), (6, 10));
    // 21 mixes have a field that was written, whatever else they have.
    assert_eq!(changed, 2 * 21);
    // A third field is `same` where both others are.
    assert_eq!(unchanged, 2);
    assert_eq!(store.counts(&run.id).await.expect("counts"), expected);

    let hash = Digest::of(["plan"]);
    let plan = plan_of(hash, models);
    store
        .mark_prices_planned(&run.id, 1, Vec::new(), plan, NOW)
        .await
        .expect("planned");
    let page = store.runs(&site.id, 1, None).await.expect("a page");
    assert_eq!((page[0].0.total, page[0].1), (models, expected));
}

pub(crate) async fn what_went_wrong_with_one_value_went_wrong_with_its_model(_: &Store) {
    use State::{Applied, Dropped, Failed, Ready, Same, Skipped};
    for (states, held, expected) in [
        (&[Same, Applied, Failed][..], true, ItemStatus::Failed),
        (&[Applied, Ready], true, ItemStatus::Held),
        (&[Applied, Ready], false, ItemStatus::Planned),
        (&[Applied, Dropped], false, ItemStatus::Skipped),
        (&[Applied, Skipped], false, ItemStatus::Success),
        (&[Same, Skipped], false, ItemStatus::Skipped),
        (&[Same, Same], false, ItemStatus::Success),
    ] {
        assert_eq!(ItemStatus::of_model(states, held), expected, "{states:?}");
    }
    for state in State::ALL {
        for held in [false, true] {
            let alone = ItemStatus::of(*state, held);
            assert_eq!(ItemStatus::of_model(&[*state], held), alone, "{state:?}");
        }
    }
}

pub(crate) async fn the_history_and_the_latest_failures_of_a_model_go_over_all_runs(store: &Store) {
    let site = site(store).await;
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    let failing = [
        State::Unread,
        State::Moved,
        State::Failed,
        State::Unverified,
    ];
    let mut rows: Vec<PriceRow> = (1..)
        .zip(failing)
        .map(|(at, state)| price(&format!("model-{at}"), Field::CacheRatio, state))
        .collect();
    // The other field of the same run was written, and later.
    rows.push(PriceRow {
        finished_at: Some(NOW + 5),
        ..price("model-1", Field::ModelRatio, State::Applied)
    });
    rows.push(price("model-5", Field::ModelRatio, State::Same));
    let first = planned_prices(store, price_run(&site), rows, Holds::Renew, NOW).await;
    let elsewhere = vec![price("model-9", Field::ModelRatio, State::Failed)];
    planned_prices(store, price_run(&other), elsewhere, Holds::Renew, NOW).await;
    let failed = async || store.latest_failed_models(&site.id).await.expect("asked");
    assert_eq!(failed().await, ["model-1", "model-2", "model-3", "model-4"]);

    let later = |row: PriceRow| PriceRow {
        read_at: NOW + 10,
        ..row
    };
    let rows = vec![
        later(price("model-1", Field::ModelRatio, State::Same)),
        later(price("model-5", Field::ModelRatio, State::Failed)),
    ];
    let second = planned_prices(store, price_run(&site), rows, Holds::Renew, NOW + 10).await;
    assert_eq!(failed().await, ["model-2", "model-3", "model-4", "model-5"]);

    let history = store.price_history(&site.id, "model-1", 10).await;
    let history = history.expect("a history");
    let told: Vec<_> = history
        .iter()
        .map(|row| (row.run_id.as_str(), row.field, row.state))
        .collect();
    assert_eq!(
        told,
        [
            (second.id.as_str(), Field::ModelRatio, State::Same),
            (first.id.as_str(), Field::ModelRatio, State::Applied),
            (first.id.as_str(), Field::CacheRatio, State::Unread),
        ]
    );
    let short = store.price_history(&site.id, "model-1", 1).await;
    assert_eq!(short.expect("a history"), history[..1]);
}

pub(crate) async fn a_removed_site_takes_its_prices_with_it(store: &Store) {
    let site = site(store).await;
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    // Each text is named in one place only.
    let long = |what: &str| format!("{what}, ").repeat(60);
    let row = PriceRow {
        old: Some(long("old")),
        new: Some(long("new")),
        detail: PriceDetail {
            others: vec![("another".to_owned(), long("other"))],
            ..PriceDetail::default()
        },
        ..price("b", Field::BillingExpr, State::Ready)
    };
    let gone = planned_prices(
        store,
        price_run(&site),
        vec![held_price("a", "9")],
        Holds::Renew,
        NOW,
    )
    .await;
    let kept = approved_prices(store, &other, vec![row.clone()]).await;
    let (before, after) = (long("before"), long("after"));
    store
        .record_image(&kept.id, 1, "ModelRatio", &before, Some(&after))
        .await
        .expect("an image");
    let copy = SourceCopy {
        body: long("body"),
        etag: None,
        fetched_at: NOW,
        models: 1,
    };
    for id in [&site.id, &other.id] {
        store
            .keep_copy(id, "key", copy.clone())
            .await
            .expect("kept");
    }
    store.remove_site(&site.id).await.expect("removed");
    assert!(matches!(
        store.run(&gone.id).await,
        Err(StoreError::NotFound(_))
    ));
    assert!(store.price_rows(&gone.id).await.expect("asked").is_empty());
    assert!(store.price_holds(&site.id).await.expect("asked").is_empty());
    let copied = store.source_copy(&site.id, "key").await.expect("asked");
    assert_eq!(copied, None);
    // The texts of the other site are still there.
    let rows = store.price_rows(&kept.id).await.expect("rows");
    assert_eq!(
        rows,
        [PriceRow {
            state: State::Approved,
            ..priced(&kept, row)
        }]
    );
    let images = store.images(&kept.id).await.expect("images");
    assert_eq!(images[0].before, before);
    assert_eq!(images[0].after, Some(after));
    let copied = store.source_copy(&other.id, "key").await.expect("asked");
    assert_eq!(copied, Some(copy));
}
