use lockstep_core::change::{RunState, State};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_core::hold::ReasonCode;
use lockstep_core::models::memory::Memory;
use lockstep_store::changes::ChangeRow;
use lockstep_store::steps::Requests;
use lockstep_store::{Store, StoreError};

use super::runs::outcome;
use crate::tester::{NONE, NOW, held, of, plan_of, planned, reading, row, site};

const ONE: Requests = Requests {
    reads: 1,
    writes: 1,
    throttled: 1,
};

pub(crate) async fn another_fence_changes_nothing(store: &Store) {
    let site = site(store).await;
    let run = reading(store, &site, 5, NOW).await;
    let first = vec![of(&run, row(1, State::Ready))];
    store
        .record_read(&run.id, 5, first, Vec::new(), NONE)
        .await
        .expect("recorded");
    let before = (
        store.run(&run.id).await.expect("the run"),
        store.changes(&run.id).await.expect("changes"),
        store.events(&run.id, 0).await.expect("events"),
    );
    for fence in [4, 6] {
        let rows = || {
            vec![
                of(&run, held(row(1, State::Same), &["a"])),
                of(&run, row(2, State::Same)),
            ]
        };
        let memories = vec![(1, Memory::default())];
        let failure = Some(Failure::new(FailureKind::Timeout, ""));
        let refused = [
            store.set_total(&run.id, fence, 9).await,
            store
                .record_read(&run.id, fence, rows(), memories, ONE)
                .await,
            store
                .mark_planned(&run.id, fence, rows(), plan_of(Digest::of(["x"]), 9), NOW)
                .await,
            store.record_rebased(&run.id, fence, rows(), ONE).await,
            store
                .record_outcomes(&run.id, fence, vec![outcome(1, State::Applied)], ONE)
                .await,
            store.add_requests(&run.id, fence, ONE).await,
            store
                .tell_throttled(&run.id, fence, NOW, "GET /", NOW)
                .await,
            store
                .end_run(&run.id, fence, RunState::Failed, failure, ONE, NOW)
                .await,
        ];
        for (step, refused) in refused.into_iter().enumerate() {
            assert!(
                matches!(refused, Err(StoreError::Fenced { stored: 5, given, .. }) if given == fence),
                "step {step}: {refused:?}"
            );
        }
    }
    for older in [
        store.start_reading(&run.id, 4, NOW).await,
        store.adopt_run(&run.id, 4).await,
    ] {
        assert!(matches!(older, Err(StoreError::Fenced { .. })), "{older:?}");
    }
    let after = (
        store.run(&run.id).await.expect("the run"),
        store.changes(&run.id).await.expect("changes"),
        store.events(&run.id, 0).await.expect("events"),
    );
    assert_eq!(after, before);
    assert!(store.memories(&site.id).await.expect("read").is_empty());
    assert!(store.holds(&site.id).await.expect("read").is_empty());
    let unknown = store.add_requests("none", 1, ONE).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
    store.adopt_run(&run.id, 6).await.expect("a newer holder");
    store.adopt_run(&run.id, 6).await.expect("the same again");
    let old = store.add_requests(&run.id, 5, ONE).await;
    assert!(matches!(
        old,
        Err(StoreError::Fenced {
            stored: 6,
            given: 5,
            ..
        })
    ));
}

pub(crate) async fn a_step_out_of_turn_is_refused(store: &Store) {
    let site = site(store).await;
    let wrong = |done: Result<(), StoreError>| {
        assert!(
            matches!(done, Err(StoreError::WrongState { .. })),
            "{done:?}"
        );
    };
    let run = planned(store, &site, vec![row(1, State::Ready)], NOW).await;
    let rows = || vec![of(&run, row(2, State::Same))];
    let hash = || Digest::of(["plan"]);
    wrong(store.start_reading(&run.id, 2, NOW).await);
    wrong(store.record_read(&run.id, 1, rows(), Vec::new(), ONE).await);
    wrong(
        store
            .mark_planned(&run.id, 1, rows(), plan_of(hash(), 1), NOW)
            .await,
    );
    wrong(store.record_rebased(&run.id, 1, rows(), ONE).await);
    wrong(
        store
            .end_run(&run.id, 1, RunState::Planned, None, ONE, NOW)
            .await,
    );
    let unchanged = store.run(&run.id).await.expect("the run");
    assert_eq!(
        unchanged, run,
        "a refused step counts nothing and moves no fence"
    );
    store
        .end_run(&run.id, 1, RunState::Cancelled, None, NONE, NOW)
        .await
        .expect("cancelled");
    wrong(
        store
            .end_run(&run.id, 1, RunState::Done, None, NONE, NOW)
            .await,
    );
    wrong(
        store
            .approve(&run.id, None, "root", true, NOW)
            .await
            .map(drop),
    );
    let unknown = store.approve("none", None, "root", true, NOW).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
    let run = planned(store, &site, vec![row(1, State::Ready)], NOW).await;
    store
        .approve(&run.id, None, "root", true, NOW)
        .await
        .expect("approved");
    let missing = store
        .record_outcomes(&run.id, 1, vec![outcome(7, State::Applied)], ONE)
        .await;
    assert!(
        matches!(missing, Err(StoreError::NotFound(_))),
        "{missing:?}"
    );
    assert_eq!(store.run(&run.id).await.expect("the run").writes, 0);
}

pub(crate) async fn of_two_approvals_one_is_refused(store: &Store) {
    let site = site(store).await;
    let run = planned(
        store,
        &site,
        vec![row(1, State::Ready), row(2, State::Ready)],
        NOW,
    )
    .await;
    let (one, two) = tokio::join!(
        store.approve(&run.id, None, "one", true, NOW),
        store.approve(&run.id, None, "two", true, NOW)
    );
    let approved: Vec<u64> = [one, two].into_iter().filter_map(Result::ok).collect();
    assert_eq!(approved, [2]);
}

pub(crate) async fn what_was_not_chosen_is_dropped(store: &Store) {
    let site = site(store).await;
    let rows = vec![
        row(1, State::Ready),
        row(2, State::Ready),
        held(row(3, State::Ready), &["a"]),
        row(4, State::Same),
        row(5, State::Held),
    ];
    let run = planned(store, &site, rows, NOW).await;
    let chosen = store
        .approve(&run.id, Some(&[1, 3, 4, 99]), "root", true, NOW + 5)
        .await;
    assert_eq!(chosen.expect("approved"), 2);
    let states = async || -> Vec<State> {
        let rows = store.changes(&run.id).await.expect("changes");
        rows.iter().map(|row| row.state).collect()
    };
    let expected = [
        State::Approved,
        State::Dropped,
        State::Approved,
        State::Same,
        State::Held,
    ];
    assert_eq!(states().await, expected);
    let dropped = store
        .change(&run.id, 2)
        .await
        .expect("asked")
        .expect("there");
    assert_eq!(
        dropped.skip.map(|reason| reason.code),
        Some(ReasonCode::NotWritten)
    );
    assert_eq!(dropped.finished_at, Some(NOW + 5));
    store
        .record_outcomes(&run.id, 1, vec![outcome(1, State::Applied)], NONE)
        .await
        .expect("recorded");
    let failure = Failure::new(FailureKind::Record, "the disk");
    store
        .end_run(
            &run.id,
            1,
            RunState::Partial,
            Some(failure.clone()),
            NONE,
            NOW,
        )
        .await
        .expect("ended");
    let expected = [
        State::Applied,
        State::Dropped,
        State::Dropped,
        State::Same,
        State::Held,
    ];
    assert_eq!(states().await, expected);
    assert_eq!(
        store.run(&run.id).await.expect("the run").failure,
        Some(failure)
    );
}

pub(crate) async fn an_outcome_after_the_end_is_recorded(store: &Store) {
    let site = site(store).await;
    let run = planned(store, &site, vec![row(1, State::Ready)], NOW).await;
    store
        .approve(&run.id, None, "root", true, NOW)
        .await
        .expect("approved");
    store
        .end_run(&run.id, 1, RunState::Cancelled, None, NONE, NOW)
        .await
        .expect("ended");
    assert_eq!(store.counts(&run.id).await.expect("counts").skipped, 1);
    let late = vec![outcome(1, State::Applied)];
    store
        .record_outcomes(&run.id, 1, late, ONE)
        .await
        .expect("recorded");
    let change = store
        .change(&run.id, 1)
        .await
        .expect("asked")
        .expect("there");
    assert_eq!((change.state, change.skip), (State::Applied, None));
    let page = store.runs(&site.id, 1, None).await.expect("a page");
    assert_eq!((page[0].1.success, page[0].1.skipped), (1, 0));
    assert_eq!(page[0].0.state, RunState::Cancelled);
}

pub(crate) async fn a_moved_base_replaces_the_change_before_it_is_written(store: &Store) {
    let site = site(store).await;
    let run = planned(store, &site, vec![row(1, State::Ready)], NOW).await;
    store
        .approve(&run.id, None, "root", true, NOW)
        .await
        .expect("approved");
    let rebased = ChangeRow {
        base: Digest::of(["moved"]),
        before: "a,b,x".to_owned(),
        after: Some("a,b,x,c".to_owned()),
        ..of(&run, row(1, State::Approved))
    };
    store
        .record_rebased(&run.id, 1, vec![rebased.clone()], ONE)
        .await
        .expect("recorded");
    assert_eq!(store.changes(&run.id).await.expect("changes"), [rebased]);
    assert_eq!(store.run(&run.id).await.expect("the run").reads, 1);
}
