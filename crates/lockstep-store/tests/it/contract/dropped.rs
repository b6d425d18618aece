//! A caller that goes away in the middle of a write.

use std::time::Duration;

use lockstep_core::change::State;
use lockstep_core::models::memory::Memory;
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;
use lockstep_store::events::EventKind;
use lockstep_store::steps::Requests;

use crate::tester::{NOW, of, reading, row, site};

pub(crate) async fn a_dropped_future_leaves_no_half_transaction(store: &Store) {
    const ROWS: i64 = 300;
    let site = site(store).await;
    let mut cut = 0;
    for attempt in 0..40u64 {
        let run = reading(store, &site, 1, NOW).await;
        let rows: Vec<ChangeRow> = (0..ROWS).map(|id| of(&run, row(id, State::Same))).collect();
        let memories = (0..ROWS).map(|id| (id, Memory::default())).collect();
        let requests = Requests {
            reads: 1,
            ..Requests::default()
        };
        let write = store.record_read(&run.id, 1, rows, memories, requests);
        let wait = Duration::from_micros(attempt * 400);
        cut += u32::from(tokio::time::timeout(wait, write).await.is_err());
        // The next write waits for the one that nobody awaits any more.
        store
            .add_requests(&run.id, 1, requests)
            .await
            .expect("the next write");
        let recorded = store.changes(&run.id).await.expect("changes").len();
        let events = store.events(&run.id, 0).await.expect("events");
        let items = events
            .iter()
            .filter(|event| event.kind == EventKind::Item)
            .count();
        let reads = store.run(&run.id).await.expect("the run").reads;
        let whole = recorded == 300 && items == 300 && reads == 2;
        let none = recorded == 0 && items == 0 && reads == 1;
        assert!(
            whole || none,
            "{recorded} rows, {items} events, {reads} reads"
        );
    }
    assert!(cut > 0, "no future was dropped");
}
