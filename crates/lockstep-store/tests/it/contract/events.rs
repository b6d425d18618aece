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
        .tell_throttled(&run.id, 1, NOW + 7000, NOW + 3)
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
        (7, EventKind::Throttled, r#"{"until":1790000007000}"#),
        (8, EventKind::Item, &applied),
        (9, EventKind::RunState, r#"{"state":"done"}"#),
    ];
    assert_eq!(told, expected);
    let later = store.events(&run.id, 7).await.expect("events");
    assert_eq!(later, events[7..]);
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
