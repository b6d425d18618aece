use lockstep_core::change::{State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::plan::Note;
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;

use crate::on_postgres::size;
use crate::tester::{NONE, NOW, new_site, of, planned, reading, row, site};

pub(crate) async fn a_change_reads_back_as_it_was_recorded(store: &Store) {
    let site = site(store).await;
    let run = reading(store, &site, 1, NOW).await;
    let names = |many: usize| (0..many).map(|at| format!("model-{at}"));
    let full = ChangeRow {
        page: 3,
        before: String::new(),
        after: Some(" a ,,b\n".to_owned()),
        upstream: Some(vec![
            "a".to_owned(),
            "line\nbreak".to_owned(),
            "back\\slash".to_owned(),
        ]),
        hold: Some(Reason::named(ReasonCode::LastServer, vec!["a".to_owned()])),
        skip: Some(Reason::plain(ReasonCode::Excluded)),
        failure: Some(Failure::status(
            FailureKind::ProviderStatus,
            503,
            "busy \"now\"",
        )),
        held_add: names(2).collect(),
        held_remove: names(300).collect(),
        kept: Kept::ALL
            .iter()
            .map(|why| (why.code().to_owned(), *why))
            .collect(),
        dropped: Dropped::ALL
            .iter()
            .map(|why| (why.code().to_owned(), *why))
            .collect(),
        notes: vec![
            Note::Renamed("a".to_owned(), "A".to_owned()),
            Note::BrokenMapping,
            Note::LastServer(vec!["b".to_owned()]),
            Note::OfferNeverSync(5),
        ],
        attempts: 4,
        http_status: None,
        finished_at: Some(NOW + 1),
        ..of(&run, row(2, State::Ready))
    };
    let none = ChangeRow {
        upstream: None,
        after: None,
        ..of(&run, row(-1, State::Unread))
    };
    let empty = ChangeRow {
        upstream: Some(Vec::new()),
        ..of(&run, row(3, State::Held))
    };
    let rows = vec![full.clone(), none.clone(), empty.clone()];
    store
        .record_read(&run.id, 1, rows, Vec::new(), NONE)
        .await
        .expect("recorded");
    let back = store.changes(&run.id).await.expect("changes");
    assert_eq!(back, [none, full.clone(), empty]);
    assert_eq!(store.change(&run.id, 2).await.expect("asked"), Some(full));
    assert_eq!(store.change(&run.id, 9).await.expect("asked"), None);
    let again = vec![of(&run, row(2, State::Same))];
    store
        .record_read(&run.id, 1, again.clone(), Vec::new(), NONE)
        .await
        .expect("replaced");
    assert_eq!(
        store.change(&run.id, 2).await.expect("asked"),
        again.into_iter().next()
    );
}

pub(crate) async fn an_unchanged_list_is_stored_once(store: &Store) {
    let site = site(store).await;
    let long: Vec<String> = (0..20_000).map(|at| format!("some-model-{at}")).collect();
    let text = long.join(",");
    let rows = |from: i64| -> Vec<ChangeRow> {
        (from..from + 50)
            .map(|id| ChangeRow {
                before: text.clone(),
                upstream: Some(long.clone()),
                ..row(id, State::Same)
            })
            .collect()
    };
    planned(store, &site, rows(0), NOW).await;
    planned(store, &site, rows(0), NOW + 1).await;
    let size = size(store).await;
    assert!(
        size < 3 * text.len() as u64,
        "{size} bytes for lists of {}",
        text.len()
    );
}

pub(crate) async fn the_latest_failures_and_the_history_of_a_channel_go_over_all_runs(
    store: &Store,
) {
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
    let mut rows: Vec<ChangeRow> = (1..)
        .zip(failing)
        .map(|(id, state)| row(id, state))
        .collect();
    rows.push(row(5, State::Same));
    let first = planned(store, &site, rows, NOW).await;
    planned(store, &other, vec![row(9, State::Failed)], NOW).await;
    let failed = async || {
        store
            .latest_failed(&site.id, Subject::Models)
            .await
            .expect("asked")
    };
    assert_eq!(failed().await, [1, 2, 3, 4]);
    let second = planned(
        store,
        &site,
        vec![row(1, State::Same), row(5, State::Unread)],
        NOW + 1,
    )
    .await;
    assert_eq!(failed().await, [2, 3, 4, 5]);
    assert!(
        store
            .latest_failed(&site.id, Subject::Prices)
            .await
            .expect("asked")
            .is_empty()
    );

    let history = store
        .channel_history(&site.id, 1, 10)
        .await
        .expect("a history");
    let told: Vec<_> = history
        .iter()
        .map(|row| (row.run_id.as_str(), row.state))
        .collect();
    assert_eq!(
        told,
        [
            (second.id.as_str(), State::Same),
            (first.id.as_str(), State::Unread)
        ]
    );
    assert_eq!(
        store
            .channel_history(&site.id, 1, 1)
            .await
            .expect("a history")
            .len(),
        1
    );
}
