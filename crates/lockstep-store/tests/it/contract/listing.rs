//! Lists of runs, and of what is in a run.

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::prices::field::Field;
use lockstep_store::Store;
use lockstep_store::listing::{ItemOrder, ItemPage, RunFilter};
use lockstep_store::runs::NewRun;
use lockstep_store::status::ItemStatus;
use lockstep_store::steps::Holds;

use crate::tester::{NOW, held, new_run, planned, planned_prices, price, price_run, row, site};

pub(crate) async fn runs_are_found_by_what_they_are_and_what_is_in_them(store: &Store) {
    let site = site(store).await;
    let lists = planned(store, &site, vec![row(7, State::Ready)], NOW).await;
    let prices = vec![price("GPT-5_mini", Field::ModelRatio, State::Ready)];
    let new = price_run(&site);
    let prices = planned_prices(store, new, prices, Holds::Renew, NOW + 10).await;
    let newest = new_run(&site);
    let newest = store.create_run(newest, NOW + 20).await.expect("a run");
    let found = async |filter: RunFilter| -> Vec<String> {
        let runs = store.runs_where(&site.id, &filter, 9).await.expect("runs");
        runs.into_iter().map(|(run, _)| run.id).collect()
    };
    let search = |text: &str| RunFilter {
        search: Some(text.to_owned()),
        ..RunFilter::default()
    };
    let all = [&newest.id, &prices.id, &lists.id].map(String::clone);
    assert_eq!(found(RunFilter::default()).await, all);
    assert_eq!(found(search("ROOT")).await, all);
    assert_eq!(found(search("Channel 7")).await, all[2..]);
    assert_eq!(found(search("gpt-5_MINI")).await, all[1..2]);
    for literal in ["gpt-5-mini", "%", "gpt%", "\\", "'"] {
        assert!(found(search(literal)).await.is_empty(), "{literal}");
    }
    assert_eq!(found(search(&lists.id[..20])).await.last(), Some(&lists.id));
    let filter = RunFilter {
        states: vec![RunState::Planned, RunState::Writing],
        subject: Some(Subject::Models),
        ..RunFilter::default()
    };
    assert_eq!(found(filter).await, all[2..]);
    let filter = RunFilter {
        from: Some(NOW + 10),
        to: Some(NOW + 20),
        trigger: Some("command".to_owned()),
        ..RunFilter::default()
    };
    assert_eq!(found(filter).await, all[1..2]);
    let filter = RunFilter {
        before: Some(prices.id.clone()),
        ..RunFilter::default()
    };
    assert_eq!(found(filter).await, all[2..]);
    let one = store.runs_where(&site.id, &RunFilter::default(), 1).await;
    assert_eq!(one.expect("runs").len(), 1);
    let filter = RunFilter {
        skip: 1,
        ..RunFilter::default()
    };
    assert_eq!(found(filter.clone()).await, all[1..]);
    let states = store.run_states(&site.id, &filter).await.expect("states");
    assert_eq!(states, [(RunState::Planned, 2), (RunState::Queued, 1)]);
    let filter = RunFilter {
        states: vec![RunState::Queued],
        ..search("channel 7")
    };
    assert!(found(filter.clone()).await.is_empty());
    let states = store.run_states(&site.id, &filter).await.expect("states");
    assert_eq!(states, [(RunState::Planned, 1)]);
}

pub(crate) async fn runs_are_found_by_who_had_them_done_and_by_what_they_come_from(store: &Store) {
    let site = site(store).await;
    let by = |name: &str, parent: Option<&str>| NewRun {
        actor: name.to_owned(),
        parent: parent.map(str::to_owned),
        ..new_run(&site)
    };
    let first = store.create_run(by("ann", None), NOW).await.expect("a run");
    let undo = by("bea", Some(&first.id));
    let undo = store.create_run(undo, NOW + 1).await.expect("a run");
    let found = async |filter: RunFilter| -> Vec<String> {
        let runs = store.runs_where(&site.id, &filter, 9).await.expect("runs");
        runs.into_iter().map(|(run, _)| run.id).collect()
    };
    let of = RunFilter {
        parent: Some(first.id.clone()),
        ..RunFilter::default()
    };
    assert_eq!(found(of).await, std::slice::from_ref(&undo.id));
    for (name, id) in [("ann", &first.id), ("bea", &undo.id)] {
        let by = RunFilter {
            by: Some(name.to_owned()),
            ..RunFilter::default()
        };
        assert_eq!(found(by).await, std::slice::from_ref(id), "{name}");
    }
    let people = store.run_people(&site.id).await.expect("people");
    assert_eq!(people, ["ann", "bea"]);
}

pub(crate) async fn heads_of_a_run_have_the_status_of_its_rows(store: &Store) {
    let site = site(store).await;
    let mut rows = Vec::new();
    for (id, state) in (0..).zip(State::ALL) {
        rows.push(row(10 * id, *state));
        rows.push(held(row(10 * id + 1, *state), &["a"]));
    }
    let run = planned(store, &site, rows, NOW).await;
    let heads = store.channel_heads(&run.id, None).await.expect("heads");
    let whole = store.changes(&run.id).await.expect("changes");
    assert_eq!(heads.len(), whole.len());
    for (head, row) in heads.iter().zip(&whole) {
        assert_eq!(
            (head.channel_id, head.status),
            (row.channel_id, row.status())
        );
        assert_eq!(head.provider, row.provider);
    }
    let ids = async |text: &str| -> Vec<i64> {
        let heads = store.channel_heads(&run.id, Some(text)).await;
        let heads = heads.expect("heads").into_iter();
        heads.map(|head| head.channel_id).collect()
    };
    assert_eq!(ids("channel 100").await, [100]);
    // Only a row that is ready has the name `c` to come.
    assert_eq!(ids("b,c").await, [40, 41]);
    let held = ids("too_many_removed").await;
    assert_eq!(held.len(), State::ALL.len(), "{held:?}");
    for none in ["_", "too_many", "code", "%"] {
        assert!(ids(none).await.is_empty(), "{none}");
    }
    let some = store
        .changes_of(&run.id, &[41, 0, 999])
        .await
        .expect("changes");
    assert_eq!(some, [whole[0].clone(), whole[9].clone()]);
}

pub(crate) async fn heads_of_models_have_the_status_of_all_their_values(store: &Store) {
    let site = site(store).await;
    let rows = vec![
        price("a", Field::ModelRatio, State::Ready),
        price("b", Field::ModelRatio, State::Failed),
        price("c", Field::ModelRatio, State::Same),
    ];
    let run = planned_prices(store, price_run(&site), rows, Holds::Renew, NOW).await;
    let heads = store.model_heads(&run.id, None).await.expect("heads");
    let heads: Vec<_> = heads
        .iter()
        .map(|head| (head.model.as_str(), head.status))
        .collect();
    assert_eq!(
        heads,
        [
            ("a", ItemStatus::Planned),
            ("b", ItemStatus::Failed),
            ("c", ItemStatus::Success)
        ]
    );
    let none = store
        .model_heads(&run.id, Some("zzz"))
        .await
        .expect("heads");
    assert!(none.is_empty());
    let names = ["c", "a"].map(str::to_owned);
    let some = store.price_rows_of(&run.id, &names).await.expect("rows");
    let some: Vec<_> = some.iter().map(|row| row.model.as_str()).collect();
    assert_eq!(some, ["a", "c"]);
}

pub(crate) async fn pages_of_a_run_join_to_its_heads(store: &Store) {
    let site = site(store).await;
    let mut rows = Vec::new();
    for (id, state) in (0..).zip(State::ALL) {
        rows.push(row(10 * id, *state));
        rows.push(held(row(10 * id + 1, *state), &["a"]));
    }
    let run = planned(store, &site, rows, NOW).await;
    let some = vec![ItemStatus::Held, ItemStatus::Success];
    let applied = store.changes_in(&run.id, State::Applied).await;
    let applied: Vec<i64> = applied
        .expect("rows")
        .iter()
        .map(|row| row.channel_id)
        .collect();
    for (search, statuses, changed) in [
        (None, vec![], false),
        (None, vec![], true),
        (None, some.clone(), false),
        (None, some.clone(), true),
        (Some("channel 1"), vec![], false),
        (Some("channel 1"), vec![], true),
        (Some("b,c"), some, false),
    ] {
        for order in [ItemOrder::Key, ItemOrder::Name, ItemOrder::Status] {
            for backwards in [false, true] {
                let mut heads = store.channel_heads(&run.id, search).await.expect("heads");
                heads.retain(|head| statuses.is_empty() || statuses.contains(&head.status));
                heads.retain(|head| !changed || applied.contains(&head.channel_id));
                match order {
                    ItemOrder::Key => {}
                    ItemOrder::Name => heads.sort_by_key(|head| head.channel_name.clone()),
                    ItemOrder::Status => heads.sort_by_key(|head| head.status),
                }
                if backwards {
                    heads.reverse();
                }
                let all: Vec<i64> = heads.iter().map(|head| head.channel_id).collect();
                let mut joined = Vec::new();
                loop {
                    let page = ItemPage {
                        search: search.map(str::to_owned),
                        statuses: statuses.clone(),
                        changed,
                        order,
                        backwards,
                        skip: joined.len(),
                        limit: 3,
                    };
                    let (ids, total) = store.channel_page(&run.id, &page).await.expect("a page");
                    assert_eq!(total, all.len() as u64, "{page:?}");
                    if ids.is_empty() {
                        break;
                    }
                    joined.extend(ids);
                }
                assert_eq!(joined, all, "{search:?} {statuses:?} {order:?} {backwards}");
            }
        }
    }
}

pub(crate) async fn pages_of_a_price_run_join_to_its_heads(store: &Store) {
    let site = site(store).await;
    let rows = ["a", "B", "c", "d_e", "f"]
        .iter()
        .zip(State::ALL.iter().cycle().step_by(2));
    let rows = rows.flat_map(|(model, state)| {
        [Field::ModelRatio, Field::CompletionRatio].map(|field| price(model, field, *state))
    });
    let run = planned_prices(store, price_run(&site), rows.collect(), Holds::Renew, NOW).await;
    let applied = store.price_rows_in(&run.id, State::Applied).await;
    let applied: Vec<String> = applied
        .expect("rows")
        .into_iter()
        .map(|row| row.model)
        .collect();
    for (search, statuses, changed) in [
        (None, vec![], false),
        (None, vec![], true),
        (Some("b"), vec![], false),
        (Some("_"), vec![], true),
        (None, vec![ItemStatus::Success, ItemStatus::Skipped], false),
    ] {
        for order in [ItemOrder::Key, ItemOrder::Status] {
            for backwards in [false, true] {
                let mut heads = store.model_heads(&run.id, search).await.expect("heads");
                heads.retain(|head| statuses.is_empty() || statuses.contains(&head.status));
                heads.retain(|head| !changed || applied.contains(&head.model));
                if order == ItemOrder::Status {
                    heads.sort_by_key(|head| head.status);
                }
                if backwards {
                    heads.reverse();
                }
                let all: Vec<String> = heads.into_iter().map(|head| head.model).collect();
                let mut joined = Vec::new();
                for skip in (0..6).step_by(2) {
                    let page = ItemPage {
                        search: search.map(str::to_owned),
                        statuses: statuses.clone(),
                        changed,
                        order,
                        backwards,
                        skip,
                        limit: 2,
                    };
                    let (names, total) = store.model_page(&run.id, &page).await.expect("a page");
                    assert_eq!(total, all.len() as u64, "{page:?}");
                    joined.extend(names);
                }
                assert_eq!(joined, all, "{search:?} {statuses:?} {order:?} {backwards}");
            }
        }
    }
}
