//! The newest result of each channel.

use lockstep_core::change::State;
use lockstep_core::channel::Provider;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;
use lockstep_store::results::{ResultFilter, ResultOrder, ResultPage, ResultSearch};
use lockstep_store::runs::NewRun;
use lockstep_store::sites::Site;
use lockstep_store::status::ItemStatus;

use crate::tester::{NONE, NOW, held, new_run, of, planned, row, site};

fn at(row: ChangeRow, told_at: i64) -> ChangeRow {
    ChangeRow {
        finished_at: Some(told_at),
        ..row
    }
}

async fn ids(store: &Store, site: &Site, since: &str, page: ResultPage) -> (Vec<i64>, u64) {
    let found = store.results(&site.id, since, &page).await;
    let found = found.expect("results");
    let counts = store.result_counts(&site.id, since, &page.filter).await;
    let total = counts.expect("counts").total;
    (found.iter().map(|head| head.channel_id).collect(), total)
}

pub(crate) async fn the_newest_result_of_each_channel_counts_since_the_last_full_run(
    store: &Store,
) {
    let site = site(store).await;
    assert_eq!(store.last_full_run(&site.id).await.expect("asked"), None);
    // A channel that only an older full run has is gone from the gateway.
    planned(store, &site, vec![at(row(9, State::Same), NOW)], NOW).await;
    let rows = vec![
        at(row(1, State::Unread), NOW + 10),
        at(row(2, State::Same), NOW + 10),
    ];
    let full = planned(store, &site, rows, NOW + 10).await;
    let new = NewRun {
        selection: Some(vec![1]),
        ..new_run(&site)
    };
    let later = store.create_run(new, NOW + 20).await.expect("a run");
    store
        .start_reading(&later.id, 1, NOW + 20)
        .await
        .expect("reading");
    let some = vec![of(&later, at(row(1, State::Same), NOW + 20))];
    store
        .record_read(&later.id, 1, some, Vec::new(), NONE)
        .await
        .expect("recorded");
    let since = store.last_full_run(&site.id).await.expect("asked");
    assert_eq!(since.as_deref(), Some(full.id.as_str()));
    let page = || ResultPage {
        limit: Some(1),
        ..ResultPage::default()
    };
    let found = store.results(&site.id, &full.id, &page()).await;
    let found = found.expect("results");
    assert_eq!((found[0].channel_id, &found[0].run_id), (1, &later.id));
    let second = ResultPage { skip: 1, ..page() };
    assert_eq!(ids(store, &site, &full.id, second).await, (vec![2], 2));
    let none = ResultFilter::default();
    let counts = store.result_counts(&site.id, &full.id, &none).await;
    let counts = counts.expect("counts");
    assert_eq!((counts.total, counts.success, counts.failed), (2, 2, 0));
    let all = ids(store, &site, "", ResultPage::default()).await;
    assert_eq!(all, (vec![1, 2, 9], 3));
}

pub(crate) async fn results_are_filtered_searched_and_ordered(store: &Store) {
    let site = site(store).await;
    let failed = ChangeRow {
        channel_name: "Zed %".to_owned(),
        failure: Some(Failure::status(
            FailureKind::ProviderStatus,
            401,
            "Invalid API key",
        )),
        http_status: Some(401),
        attempts: 3,
        provider: Provider {
            kind: 1,
            base_url: "https://another.example".to_owned(),
        },
        ..row(3, State::Unread)
    };
    let skipped = ChangeRow {
        skip: Some(Reason::plain(ReasonCode::Excluded)),
        http_status: None,
        ..row(4, State::Skipped)
    };
    let rows = vec![
        at(row(1, State::Same), NOW + 4),
        at(held(row(2, State::Held), &["a"]), NOW + 3),
        at(failed, NOW + 2),
        at(skipped, NOW + 1),
    ];
    planned(store, &site, rows, NOW).await;
    let filtered = async |statuses: Vec<ItemStatus>| {
        let filter = ResultFilter {
            statuses,
            ..ResultFilter::default()
        };
        let page = ResultPage {
            filter,
            limit: Some(9),
            ..ResultPage::default()
        };
        ids(store, &site, "", page).await
    };
    assert_eq!(filtered(vec![ItemStatus::Failed]).await, (vec![3], 1));
    let two = vec![ItemStatus::Held, ItemStatus::Skipped];
    assert_eq!(filtered(two).await, (vec![2, 4], 2));
    let search = async |text: &str, codes: Vec<&'static str>| {
        let search = ResultSearch {
            text: text.to_owned(),
            codes,
        };
        let filter = ResultFilter {
            search: Some(search),
            ..ResultFilter::default()
        };
        let page = ResultPage {
            filter,
            ..ResultPage::default()
        };
        ids(store, &site, "", page).await.0
    };
    assert_eq!(search("CHANNEL", vec![]).await, [1, 2, 4]);
    assert_eq!(search("zed %", vec![]).await, [3]);
    assert_eq!(search("401", vec![]).await, [3]);
    assert_eq!(search("invalid api", vec![]).await, [3]);
    assert_eq!(search("kind", vec![]).await, [0; 0]);
    let codes = vec!["provider_status", "too_many_removed", "excluded"];
    assert_eq!(search("nowhere", codes).await, [2, 3, 4]);
    let ordered = async |order, backwards, by_provider| {
        let page = ResultPage {
            order,
            backwards,
            by_provider,
            ..ResultPage::default()
        };
        ids(store, &site, "", page).await.0
    };
    assert_eq!(ordered(ResultOrder::Id, true, false).await, [4, 3, 2, 1]);
    assert_eq!(ordered(ResultOrder::Name, true, false).await, [3, 4, 2, 1]);
    assert_eq!(
        ordered(ResultOrder::Status, false, false).await,
        [1, 2, 3, 4]
    );
    assert_eq!(ordered(ResultOrder::Http, false, false).await, [4, 1, 2, 3]);
    assert_eq!(ordered(ResultOrder::Attempts, true, false).await[0], 3);
    assert_eq!(
        ordered(ResultOrder::Finished, false, false).await,
        [4, 3, 2, 1]
    );
    assert_eq!(ordered(ResultOrder::Id, false, true).await, [3, 1, 2, 4]);
    let changed = ResultPage {
        filter: ResultFilter {
            changed: true,
            ..ResultFilter::default()
        },
        ..ResultPage::default()
    };
    assert_eq!(ids(store, &site, "", changed).await, (vec![], 0));
}
