//! Channels as their newest results have them.

use lockstep_core::change::State;
use lockstep_core::channel::Provider;
use lockstep_core::models::policy::Policy;
use lockstep_core::settings::Overrides;
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;
use lockstep_store::known::{KnownFilter, KnownOrder, KnownPage};
use lockstep_store::runs::NewRun;
use lockstep_store::sites::Site;

use crate::tester::{NONE, NOW, held, new_run, of, planned, row, site};

fn at(row: ChangeRow, name: &str, address: &str) -> ChangeRow {
    ChangeRow {
        channel_name: name.to_owned(),
        provider: Provider {
            kind: 1,
            base_url: address.to_owned(),
        },
        ..row
    }
}

/// Of five channels one was renamed since the run over all, and one is gone.
async fn five(store: &Store) -> Site {
    let site = site(store).await;
    planned(store, &site, vec![row(9, State::Same)], NOW).await;
    let rows = vec![
        at(row(1, State::Same), "beta", "https://b.example"),
        at(row(2, State::Same), "Alpha", "https://b.example"),
        at(row(3, State::Same), "Москва_3", "https://a.example"),
        at(
            held(row(12, State::Held), &["a"]),
            "old name",
            "https://c.example",
        ),
    ];
    planned(store, &site, rows, NOW + 10).await;
    let new = NewRun {
        selection: Some(vec![12]),
        ..new_run(&site)
    };
    let later = store.create_run(new, NOW + 20).await.expect("a run");
    let begun = store.start_reading(&later.id, 1, NOW + 20).await;
    begun.expect("reading");
    let renamed = at(row(12, State::Same), "new name", "https://c.example");
    let renamed = ChangeRow {
        read_at: NOW + 20,
        ..of(&later, renamed)
    };
    let recorded = store.record_read(&later.id, 1, vec![renamed], Vec::new(), NONE);
    recorded.await.expect("recorded");
    let own = Overrides {
        policy: Some(Policy::AddOnly),
        ..Overrides::default()
    };
    for channel in [3, 9] {
        let set = store.set_channel_overrides(&site.id, channel, &own).await;
        set.expect("set");
    }
    site
}

pub(crate) async fn channels_are_found_ordered_and_counted_since_the_last_full_run(store: &Store) {
    let site = five(store).await;
    let page = |order, backwards| KnownPage {
        order,
        backwards,
        skip: 0,
        limit: 9,
    };
    let found = async |own: bool, search: &str, page: KnownPage| {
        let filter = KnownFilter {
            own,
            search: search.to_owned(),
        };
        let heads = store.known_channels(&site.id, &filter, page).await;
        let heads = heads.expect("channels");
        let count = store.count_known(&site.id, &filter).await.expect("counted");
        if page.skip == 0 {
            assert_eq!(count, heads.len() as u64, "{search}");
        }
        heads.iter().map(|head| head.channel_id).collect::<Vec<_>>()
    };
    let by_id = page(KnownOrder::Id, false);
    assert_eq!(found(false, "", by_id).await, [1, 2, 3, 12]);
    let by_name = page(KnownOrder::Name, true);
    assert_eq!(found(false, "", by_name).await, [3, 12, 1, 2]);
    let by_provider = page(KnownOrder::Provider, false);
    assert_eq!(found(false, "", by_provider).await, [3, 1, 2, 12]);
    assert_eq!(found(true, "", by_id).await, [3]);
    assert_eq!(found(false, "ALPHA", by_id).await, [2]);
    // Letters beyond ASCII are found as they are written.
    assert_eq!(found(false, "Москва", by_id).await, [3]);
    assert_eq!(found(false, "b.example", by_id).await, [1, 2]);
    assert_eq!(found(false, "1", by_id).await, [1]);
    assert_eq!(found(false, "_", by_id).await, [3]);
    assert_eq!(found(false, "old name", by_id).await, Vec::<i64>::new());
    let second = KnownPage {
        skip: 1,
        limit: 2,
        ..by_id
    };
    assert_eq!(found(false, "", second).await, [2, 3]);
}

pub(crate) async fn names_and_providers_are_those_of_the_newest_results(store: &Store) {
    let site = five(store).await;
    let names = store.channel_names(&site.id, &[12, 1, 9, 77]).await;
    let expected = [(1, "beta".to_owned()), (12, "new name".to_owned())];
    assert_eq!(names.expect("names"), expected.into());
    let provider = |address: &str| Provider {
        kind: 1,
        base_url: address.to_owned(),
    };
    for (address, channels) in [("https://b.example", 2), ("https://d.example", 0)] {
        let counted = store.count_of_provider(&site.id, &provider(address)).await;
        assert_eq!(counted.expect("counted"), channels, "{address}");
    }
}
