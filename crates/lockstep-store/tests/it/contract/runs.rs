use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::hash::Digest;
use lockstep_core::models::memory::Memory;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::NewRun;
use lockstep_store::status::{ItemStatus, RunCounts};
use lockstep_store::steps::{Outcome, Requests};
use lockstep_store::{Store, StoreError};

use crate::tester::{NONE, NOW, held, new_run, new_site, of, plan_of, planned, reading, row, site};

pub(crate) fn outcome(channel_id: i64, state: State) -> Outcome {
    Outcome {
        channel_id,
        state,
        after: None,
        failure: None,
        attempts_added: 1,
        http_status: Some(200),
        finished_at: NOW + 9,
        memory: None,
    }
}

pub(crate) async fn a_run_is_made_and_found(store: &Store) {
    let site = site(store).await;
    let new = NewRun {
        parent: Some("an earlier one".to_owned()),
        selection: Some(vec![3, 5]),
        unattended: true,
        policy_override: Some("exact".to_owned()),
        ..new_run(&site)
    };
    let run = store.create_run(new, NOW).await.expect("a run");
    assert_eq!(run.state, RunState::Queued);
    assert_eq!(run.site_url, site.url);
    assert_eq!(run.selection, Some(vec![3, 5]));
    assert_eq!(run.settings, new_run(&site).settings);
    assert_eq!((run.started_at, run.fence, run.total), (NOW, 0, 0));
    assert_eq!(store.run(&run.id).await.expect("found"), run);

    let later = store
        .create_run(new_run(&site), NOW + 70_000)
        .await
        .expect("a run");
    let found = store.run_by_prefix(Some(&site.id), &later.id[..12]).await;
    assert_eq!(found.expect("found"), later);
    let found = store.run_by_prefix(None, &later.id.to_uppercase()).await;
    assert_eq!(found.expect("found"), later);
    let both = store.run_by_prefix(Some(&site.id), &later.id[..4]).await;
    assert!(
        matches!(both, Err(StoreError::Ambiguous { matches: 2, .. })),
        "{both:?}"
    );
    for none in ["", "%", "zz", "ffffffff"] {
        let none = store.run_by_prefix(Some(&site.id), none).await;
        assert!(matches!(none, Err(StoreError::NotFound(_))), "{none:?}");
    }
    let elsewhere = store.run_by_prefix(Some("nobody"), &later.id).await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound(_))));
    assert!(matches!(
        store.run("none").await,
        Err(StoreError::NotFound(_))
    ));
    let homeless = NewRun {
        site_id: "nobody".to_owned(),
        ..new_run(&site)
    };
    let homeless = store.create_run(homeless, NOW).await;
    assert!(matches!(homeless, Err(StoreError::NotFound(_))));
}

pub(crate) async fn runs_come_newest_first_in_pages_with_their_counts(store: &Store) {
    let site = site(store).await;
    assert_eq!(
        store
            .latest_run(&site.id, Subject::Models)
            .await
            .expect("asked"),
        None
    );
    assert!(
        !store
            .has_been_planned(&site.id, Subject::Models, true)
            .await
            .expect("asked")
    );
    let one = planned(
        store,
        &site,
        vec![row(1, State::Same), row(2, State::Ready)],
        NOW,
    )
    .await;
    let two = reading(store, &site, 2, NOW + 1).await;
    let rows = vec![of(&two, row(1, State::Unread))];
    store
        .record_read(&two.id, 2, rows, Vec::new(), NONE)
        .await
        .expect("recorded");
    let three = store
        .create_run(new_run(&site), NOW + 2)
        .await
        .expect("a run");

    let page = store.runs(&site.id, 2, None).await.expect("a page");
    let ids: Vec<&str> = page.iter().map(|(run, _)| run.id.as_str()).collect();
    assert_eq!(ids, [&three.id, &two.id]);
    assert_eq!(page[0].1, RunCounts::default());
    assert_eq!((page[1].1.total, page[1].1.failed), (1, 1));
    let rest = store
        .runs(&site.id, 9, Some(&two.id))
        .await
        .expect("a page");
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].0, one);
    assert_eq!(
        (rest[0].1.success, rest[0].1.planned, rest[0].1.unchanged),
        (1, 1, 1)
    );
    assert_eq!(rest[0].1, store.counts(&one.id).await.expect("counts"));

    let latest = store
        .latest_run(&site.id, Subject::Models)
        .await
        .expect("asked");
    assert_eq!(latest, Some(three.clone()));
    assert_eq!(
        store
            .latest_run(&site.id, Subject::Prices)
            .await
            .expect("asked"),
        None
    );
    let unfinished = store.unfinished_runs(&site.id).await.expect("asked");
    let ids: Vec<&str> = unfinished.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, [&two.id, &three.id]);
    assert!(
        store
            .has_been_planned(&site.id, Subject::Models, true)
            .await
            .expect("asked")
    );
    assert!(
        !store
            .has_been_planned(&site.id, Subject::Prices, true)
            .await
            .expect("asked")
    );
}

pub(crate) async fn a_run_goes_from_queued_to_done(store: &Store) {
    let site = site(store).await;
    let run = store.create_run(new_run(&site), NOW).await.expect("a run");
    store
        .start_reading(&run.id, 5, NOW + 1)
        .await
        .expect("reading");
    store
        .start_reading(&run.id, 5, NOW + 1)
        .await
        .expect("continued");
    store.set_total(&run.id, 5, 3).await.expect("known");
    let memory = Memory {
        good_size: 3,
        ..Memory::default()
    };
    let rows = vec![
        of(&run, row(1, State::Same)),
        of(&run, row(2, State::Ready)),
    ];
    let requests = Requests {
        reads: 3,
        writes: 0,
        throttled: 1,
    };
    store
        .record_read(&run.id, 5, rows, vec![(1, memory.clone())], requests)
        .await
        .expect("recorded");
    let rows = vec![of(&run, row(3, State::Ready))];
    store
        .record_read(&run.id, 5, rows, Vec::new(), NONE)
        .await
        .expect("recorded");
    assert_eq!(store.run(&run.id).await.expect("the run").total, 3);
    assert_eq!(
        store.memories(&site.id).await.expect("read"),
        [(1, memory.clone())].into()
    );

    let braked = of(
        &run,
        held(
            ChangeRow {
                after: None,
                ..row(3, State::Held)
            },
            &["a", "b"],
        ),
    );
    let hash = Digest::of(["plan"]);
    store
        .mark_planned(&run.id, 5, vec![braked], plan_of(hash.clone(), 3), NOW + 2)
        .await
        .expect("planned");
    let now = store.run(&run.id).await.expect("the run");
    assert_eq!(
        (now.state, now.plan_hash, now.planned_at),
        (RunState::Planned, Some(hash), Some(NOW + 2))
    );
    assert_eq!(store.holds(&site.id).await.expect("holds").len(), 1);

    assert_eq!(
        store
            .approve(&run.id, None, "root", true, NOW + 3)
            .await
            .expect("approved"),
        1
    );
    store.adopt_run(&run.id, 6).await.expect("adopted");
    let written = Outcome {
        after: Some("a,b,c,d".to_owned()),
        attempts_added: 2,
        http_status: None,
        memory: Some(memory.clone()),
        ..outcome(2, State::Applied)
    };
    let requests = Requests {
        reads: 1,
        writes: 2,
        throttled: 0,
    };
    store
        .record_outcomes(&run.id, 6, vec![written], requests)
        .await
        .expect("recorded");
    store
        .add_requests(&run.id, 6, requests)
        .await
        .expect("counted");
    store
        .end_run(&run.id, 6, RunState::Done, None, requests, NOW + 4)
        .await
        .expect("ended");

    let run = store.run(&run.id).await.expect("the run");
    assert_eq!((run.state, run.ended_at), (RunState::Done, Some(NOW + 4)));
    assert_eq!(
        (run.approved_at, run.approved_by.as_deref()),
        (Some(NOW + 3), Some("root"))
    );
    assert_eq!(
        (run.reads, run.writes, run.throttled, run.fence),
        (6, 6, 1, 6)
    );
    let change = store
        .change(&run.id, 2)
        .await
        .expect("asked")
        .expect("there");
    assert_eq!(change.state, State::Applied);
    assert_eq!(change.after.as_deref(), Some("a,b,c,d"));
    assert_eq!((change.attempts, change.http_status), (3, Some(200)));
    assert_eq!(change.finished_at, Some(NOW + 9));
    assert_eq!(store.memories(&site.id).await.expect("read")[&2], memory);
    let counts = store.counts(&run.id).await.expect("counts");
    let expected = RunCounts {
        total: 3,
        success: 2,
        held: 1,
        changed: 1,
        unchanged: 1,
        ..RunCounts::default()
    };
    assert_eq!(counts, expected);
    assert!(
        store
            .unfinished_runs(&site.id)
            .await
            .expect("asked")
            .is_empty()
    );
}

pub(crate) async fn counts_agree_with_the_status_of_every_row(store: &Store) {
    let site = site(store).await;
    let mut rows = Vec::new();
    for (at, state) in (0..).zip(State::ALL) {
        rows.push(row(10 * at, *state));
        rows.push(held(row(10 * at + 1, *state), &["a"]));
        rows.push(held(row(10 * at + 2, *state), &["b"]));
    }
    let run = planned(store, &site, rows, NOW).await;
    let mut expected = RunCounts::default();
    for row in store.changes(&run.id).await.expect("changes") {
        expected.total += 1;
        match row.status() {
            ItemStatus::Success => expected.success += 1,
            ItemStatus::Held => expected.held += 1,
            ItemStatus::Failed => expected.failed += 1,
            ItemStatus::Skipped => expected.skipped += 1,
            ItemStatus::Planned => expected.planned += 1,
        }
        expected.changed += u64::from(row.state == State::Applied);
        expected.unchanged += u64::from(row.state == State::Same);
    }
    assert_eq!(expected.total, 3 * State::ALL.len() as u64);
    assert_eq!(store.counts(&run.id).await.expect("counts"), expected);
    let page = store.runs(&site.id, 1, None).await.expect("a page");
    assert_eq!(page[0].1, expected);
    // Four of eleven states are failures; of the others, all rows with a hold are held.
    assert_eq!(
        (expected.success, expected.skipped, expected.planned),
        (2, 2, 2)
    );
    assert_eq!((expected.failed, expected.held), (12, 15));
    assert_eq!((expected.changed, expected.unchanged), (3, 3));
}

pub(crate) async fn a_removed_site_takes_its_runs_with_it(store: &Store) {
    let site = site(store).await;
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    let gone = planned(store, &site, vec![held(row(1, State::Held), &["a"])], NOW).await;
    let kept = planned(store, &other, vec![row(2, State::Ready)], NOW).await;
    store
        .set_memory(&other.id, 2, &Memory::default())
        .await
        .expect("set");
    store.remove_site(&site.id).await.expect("removed");
    assert!(matches!(
        store.run(&gone.id).await,
        Err(StoreError::NotFound(_))
    ));
    assert!(store.changes(&gone.id).await.expect("asked").is_empty());
    assert!(store.holds(&site.id).await.expect("asked").is_empty());
    assert!(store.events(&gone.id, 0).await.expect("asked").is_empty());
    // The texts of the other site are still there.
    assert_eq!(
        store.changes(&kept.id).await.expect("changes"),
        [of(&kept, row(2, State::Ready))]
    );
    assert_eq!(store.memories(&other.id).await.expect("read").len(), 1);
}

pub(crate) async fn a_run_is_asked_to_end(store: &Store) {
    let site = site(store).await;
    let run = reading(store, &site, 1, NOW).await;
    assert_eq!(store.cancel_asked(&run.id).await.expect("asked"), None);
    assert!(store.ask_to_cancel(&run.id, "ann").await.expect("asked"));
    assert!(store.ask_to_cancel(&run.id, "ben").await.expect("asked"));
    let by = store.cancel_asked(&run.id).await.expect("asked");
    assert_eq!(by.as_deref(), Some("ann"));
    store
        .end_run(&run.id, 1, RunState::Cancelled, None, NONE, NOW)
        .await
        .expect("ended");
    assert!(!store.ask_to_cancel(&run.id, "ann").await.expect("asked"));
    let nobody = store.ask_to_cancel("nobody", "ann").await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))), "{nobody:?}");
}

pub(crate) async fn runs_without_a_holder_are_found(store: &Store) {
    let site = site(store).await;
    let found = async || -> Vec<String> {
        let runs = store.orphaned_runs().await.expect("asked");
        runs.into_iter().map(|run| run.id).collect()
    };
    let run = reading(store, &site, 1, NOW).await;
    let queued = store
        .create_run(new_run(&site), NOW + 1)
        .await
        .expect("a run");
    planned(store, &site, vec![row(1, State::Ready)], NOW + 2).await;
    assert_eq!(found().await, [run.id.clone(), queued.id.clone()]);
    let hold = store
        .hold_gateway(&site.url, "a run", NOW)
        .await
        .expect("held");
    assert_eq!(found().await, [""; 0]);
    let fence = hold.fence();
    drop(hold);
    let again = store
        .hold_gateway(&site.url, "a run", NOW)
        .await
        .expect("held");
    assert!(again.fence() > fence);
    drop(again);
    store.close().await;
}
