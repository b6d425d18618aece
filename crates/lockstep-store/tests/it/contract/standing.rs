//! How models stand in a price run, and which of them have no price.

use std::collections::BTreeMap;

use lockstep_core::change::State;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::fate::Dropped;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::Kind;
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;
use lockstep_store::prices::standing::{Standing, StandingPage};
use lockstep_store::prices::{PriceDetail, PriceRow};
use lockstep_store::steps::Holds;

use crate::tester::{NOW, held_price, planned, planned_prices, price, price_run, row, site};

fn costs(row: PriceRow, old: Option<Kind>, new: Kind) -> PriceRow {
    PriceRow {
        usd_old: Some(Usd {
            input: old.map(|_| 3.0),
            ..Usd::default()
        }),
        detail: PriceDetail {
            kind_old: old,
            kind_new: Some(new),
            ..row.detail
        },
        ..row
    }
}

/// A model that is billed per token and would be per call.
fn turned(model: &str, state: State) -> Vec<PriceRow> {
    let (old, new) = (Some(Kind::PerToken), Kind::PerCall);
    let goes = PriceRow {
        new: None,
        ..price(model, Field::ModelRatio, state)
    };
    let comes = PriceRow {
        old: None,
        ..price(model, Field::ModelPrice, state)
    };
    vec![costs(goes, old, new), costs(comes, old, new)]
}

/// A model with an entry that would be its first price.
fn first(model: &str, field: Field, kind: Kind, state: State) -> PriceRow {
    let row = PriceRow {
        old: None,
        ..price(model, field, state)
    };
    costs(row, None, kind)
}

fn all() -> Vec<PriceRow> {
    let ready = State::Ready;
    let mode = |old: Option<Kind>| {
        let row = PriceRow {
            old: None,
            new: Some("tiered_expr".to_owned()),
            ..price("", Field::BillingMode, ready)
        };
        costs(row, old, Kind::Expression)
    };
    let mut rows = vec![
        price("a-ready", Field::ModelRatio, ready),
        price("b-failed", Field::ModelRatio, State::Applied),
        price("b-failed", Field::CacheRatio, State::Unverified),
        held_price("c-held", "9"),
        price("c-held", Field::CacheRatio, State::Ready),
        price("d-moved", Field::ModelRatio, State::Failed),
        price("d-moved", Field::CacheRatio, State::Moved),
        price("e-written", Field::ModelRatio, State::Applied),
        price("f-left", Field::ModelRatio, State::Skipped),
        price("g-same", Field::ModelRatio, State::Same),
        first("h-new", Field::ModelPrice, Kind::PerCall, ready),
        PriceRow {
            model: "i-tiered".to_owned(),
            ..mode(Some(Kind::PerToken))
        },
        PriceRow {
            model: "j-first-tiered".to_owned(),
            ..mode(None)
        },
    ];
    rows.extend(turned("k-turned", ready));
    rows
}

pub(crate) async fn models_come_by_how_they_stand_the_oddest_first(store: &Store) {
    let site = site(store).await;
    let run = planned_prices(store, price_run(&site), all(), Holds::Renew, NOW).await;
    let rows = store.price_rows(&run.id).await.expect("rows");
    let mut models: Vec<(Standing, bool, String)> = rows
        .chunk_by(|one, next| one.model == next.model)
        .map(|rows| {
            let detail = &rows[0].detail;
            let turns = detail.kind_old.is_some() && detail.kind_old != detail.kind_new;
            (Standing::of(rows), !turns, rows[0].model.clone())
        })
        .collect();
    let by_name: Vec<String> = models.iter().map(|(.., model)| model.clone()).collect();
    let mut counts: BTreeMap<Standing, u64> = BTreeMap::new();
    for (standing, ..) in &models {
        *counts.entry(*standing).or_default() += 1;
    }
    assert_eq!(counts.len(), Standing::ALL.len());
    let told = store.standing_counts(&run.id, "").await.expect("counts");
    assert_eq!(told, counts);
    models.sort();
    let odd: Vec<String> = models.iter().map(|(.., model)| model.clone()).collect();
    assert_eq!(odd[..4], ["b-failed", "d-moved", "c-held", "i-tiered"]);
    let page = async |page: StandingPage| {
        let page = StandingPage { limit: 20, ..page };
        store.standing_page(&run.id, &page).await.expect("a page")
    };
    let none = StandingPage::default;
    assert_eq!(page(none()).await, by_name);
    let odd_first = || StandingPage {
        odd_first: true,
        ..none()
    };
    assert_eq!(page(odd_first()).await, odd);
    let back = StandingPage {
        backwards: true,
        ..odd_first()
    };
    let turned: Vec<String> = odd.iter().rev().cloned().collect();
    assert_eq!(page(back).await, turned);
    let skip = StandingPage {
        skip: 2,
        ..odd_first()
    };
    assert_eq!(page(skip).await, odd[2..]);
    for standing in Standing::ALL {
        assert_eq!(Standing::from_code(standing.code()), Some(standing));
        let only = StandingPage {
            only: Some(standing),
            ..odd_first()
        };
        let expected = models.iter().filter(|(one, ..)| *one == standing);
        let expected: Vec<String> = expected.map(|(.., model)| model.clone()).collect();
        assert_eq!(page(only).await, expected, "{standing:?}");
    }
    let search = StandingPage {
        search: "TIERED".to_owned(),
        ..none()
    };
    assert_eq!(page(search).await, ["i-tiered", "j-first-tiered"]);
    let counts = store.standing_counts(&run.id, "TIERED").await;
    assert_eq!(counts.expect("counts"), [(Standing::Ready, 2)].into());
}

pub(crate) async fn what_has_no_price_is_found_in_both_kinds_of_runs(store: &Store) {
    let site = site(store).await;
    let long = "a-name-".repeat(40);
    let without = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned());
        names.map(|name| (name, Dropped::Unpriced)).collect()
    };
    let rows = vec![
        row(1, State::Same),
        ChangeRow {
            dropped: without(&["new-1", "new-2"]),
            ..row(2, State::Same)
        },
        ChangeRow {
            dropped: [without(&[&long]), vec![("x".to_owned(), Dropped::Held)]].concat(),
            ..row(3, State::Same)
        },
        ChangeRow {
            dropped: vec![("\"unpriced\"]".to_owned(), Dropped::Held)],
            ..row(4, State::Same)
        },
    ];
    let lists = planned(store, &site, rows, NOW).await;
    let names = store.names_without_price(&lists.id).await.expect("names");
    let expected = ["new-1", "new-2", long.as_str()].map(str::to_owned);
    assert_eq!(names, expected.into());

    let ratio = |model: &str, state| first(model, Field::ModelRatio, Kind::PerToken, state);
    let ignored = PriceRow {
        skip: Some(Reason::plain(ReasonCode::Ignored)),
        ..ratio("ignored", State::Skipped)
    };
    let long_detail = PriceRow {
        detail: PriceDetail {
            others: vec![("source".to_owned(), "7".repeat(300))],
            kind_old: Some(Kind::Expression),
            ..PriceDetail::default()
        },
        ..ratio("costs-nothing-known", State::Held)
    };
    let rows = vec![
        ratio("waits", State::Held),
        ratio("new-1", State::Applied),
        ratio("agrees", State::Same),
        costs(
            price("priced", Field::ModelRatio, State::Held),
            Some(Kind::PerToken),
            Kind::PerToken,
        ),
        ignored,
        long_detail,
    ];
    let prices = planned_prices(store, price_run(&site), rows, Holds::Renew, NOW + 9).await;
    let models = store.models_without_price(&prices.id).await;
    assert_eq!(models.expect("models"), ["waits"]);
    let written = store.written_of(&prices.id, &names).await;
    assert_eq!(written.expect("models"), ["new-1".to_owned()].into());
}
