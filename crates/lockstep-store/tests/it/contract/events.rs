use lockstep_core::change::{RunState, State};
use lockstep_store::Store;
use lockstep_store::events::EventKind;

use super::runs::outcome;
use crate::tester::{NONE, NOW, held, new_run, planned, row, site};

pub(crate) async fn events_are_numbered_without_gaps(store: &Store) {
    let site = site(store).await;
    let rows = vec![row(1, State::Ready), held(row(2, State::Held), &["a"])];
    let run = planned(store, &site, rows, NOW).await;
    store
        .approve(&run.id, None, "root", true, NOW + 2)
        .await
        .expect("approved");
    store
        .tell_throttled(&run.id, 1, NOW + 7000, "GET /api/channel/", NOW + 3)
        .await
        .expect("told");
    store
        .record_outcomes(&run.id, 1, vec![outcome(1, State::Applied)], NONE)
        .await
        .expect("recorded");
    store
        .end_run(&run.id, 1, RunState::Done, None, NONE, NOW + 4)
        .await
        .expect("ended");

    let events = store.events(&run.id, 0).await.expect("events");
    let told: Vec<(i64, EventKind, &str)> = events
        .iter()
        .map(|event| (event.seq, event.kind, event.data.as_str()))
        .collect();
    let item = |name: &str, rest: &str| {
        format!(r#"{{"channel_id":{name},"name":"channel {name}",{rest}}}"#)
    };
    let one = item("1", r#""state":"ready","status":"planned""#);
    let two = item(
        "2",
        r#""reason":"too_many_removed","state":"held","status":"held""#,
    );
    let applied = item("1", r#""state":"applied","status":"success""#);
    let expected = [
        (1, EventKind::RunState, r#"{"state":"queued"}"#),
        (2, EventKind::RunState, r#"{"state":"reading"}"#),
        (3, EventKind::Item, &one),
        (4, EventKind::Item, &two),
        (5, EventKind::RunState, r#"{"state":"planned","total":2}"#),
        (
            6,
            EventKind::RunState,
            r#"{"approved":1,"state":"writing"}"#,
        ),
        (
            7,
            EventKind::Throttled,
            r#"{"request":"GET /api/channel/","until":1790000007000,"wait_ms":6997}"#,
        ),
        (8, EventKind::Item, &applied),
        (9, EventKind::RunState, r#"{"state":"done"}"#),
    ];
    assert_eq!(told, expected);
    let later = store.events(&run.id, 7).await.expect("events");
    assert_eq!(later, events[7..]);
    let some = store.events_after(&run.id, 2, 3).await.expect("events");
    assert_eq!(some, events[2..5]);
}

pub(crate) async fn old_events_of_channels_are_forgotten(store: &Store) {
    const DAY: i64 = 86_400_000;
    let site = site(store).await;
    let run = planned(store, &site, vec![row(1, State::Ready)], NOW).await;
    let items = async || {
        let events = store.events(&run.id, 0).await.expect("events");
        events
            .iter()
            .filter(|event| event.kind == EventKind::Item)
            .count()
    };
    store
        .create_run(new_run(&site), NOW + DAY - 1000)
        .await
        .expect("a run");
    assert_eq!(items().await, 1);
    store
        .create_run(new_run(&site), NOW + DAY + 1000)
        .await
        .expect("a run");
    assert_eq!(items().await, 0);
    // What comes later is still numbered on.
    store
        .approve(&run.id, None, "root", true, NOW + DAY)
        .await
        .expect("approved");
    let last = store
        .events(&run.id, 0)
        .await
        .expect("events")
        .pop()
        .expect("an event");
    assert_eq!((last.seq, last.kind), (5, EventKind::RunState));
}

pub(crate) async fn the_feed_of_all_runs_has_every_event_once_in_its_order(store: &Store) {
    let site = site(store).await;
    let start = store.events_end().await.expect("the end");
    let writers = (0..6).map(|_| {
        let (store, site) = (store.clone(), site.clone());
        tokio::spawn(async move {
            let rows = vec![row(1, State::Ready), row(2, State::Same)];
            planned(&store, &site, rows, NOW).await.id
        })
    });
    let writers: Vec<_> = writers.collect();
    // A reader that goes on from what it saw, while they write.
    let mut seen = Vec::new();
    let mut cursor = start;
    loop {
        let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let some = store.events_since(cursor, 4).await.expect("events");
        cursor = some.last().map_or(cursor, |event| event.feed);
        let none = some.is_empty();
        seen.extend(some);
        if over && none {
            break;
        }
    }
    let mut all = Vec::new();
    for writer in writers {
        let run = writer.await.expect("planned");
        let events = store.events(&run, 0).await.expect("events");
        assert!(events.is_sorted_by(|a, b| a.feed < b.feed));
        all.extend(events);
    }
    all.sort_by_key(|event| event.feed);
    assert_eq!(seen, all);
    assert_eq!(store.events_end().await.expect("the end"), cursor);
    store.remove_site(&site.id).await.expect("removed");
    assert_eq!(
        store.events_end().await.expect("the end"),
        cursor,
        "it never goes back"
    );
}
