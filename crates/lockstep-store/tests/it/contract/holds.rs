use std::collections::BTreeSet;

use lockstep_core::change::State;
use lockstep_core::channel::{Channel, Status};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::models::limits::Limits;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{Answered, ChannelInput, plan_channel};
use lockstep_core::models::policy::Policy;
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::NewRun;
use lockstep_store::steps::{Holds, Planned};

use crate::tester::{NONE, NOW, held, new_run, of, plan_of, planned, row, site};

async fn holding(store: &Store, site_id: &str) -> Vec<i64> {
    let holds = store.holds(site_id).await.expect("holds");
    holds.iter().map(|hold| hold.channel_id).collect()
}

pub(crate) async fn a_hold_outlives_its_run_until_a_plan_finds_it_gone(store: &Store) {
    let site = site(store).await;
    let rows = vec![
        held(row(1, State::Held), &["a"]),
        held(row(2, State::Ready), &["a"]),
        held(row(3, State::Held), &["a"]),
        held(row(4, State::Held), &["a"]),
    ];
    let run = planned(store, &site, rows, NOW).await;
    assert_eq!(holding(store, &site.id).await, [1, 2, 3, 4]);
    let some = store.holds_of(&site.id, &[4, 2, 7]).await.expect("holds");
    let whole = store.holds(&site.id).await.expect("holds");
    assert_eq!(some, [whole[1].clone(), whole[3].clone()]);
    let counts = store.hold_counts(&site.id).await.expect("counts");
    assert_eq!((counts.channels, counts.models), (4, 0));
    let hold = store.holds(&site.id).await.expect("holds").remove(0);
    assert_eq!(
        (hold.run_id.as_str(), hold.channel_name.as_str()),
        (run.id.as_str(), "channel 1")
    );
    assert_eq!(Some(hold.reason), held(row(1, State::Held), &["a"]).hold);
    assert_eq!(
        (hold.held_remove, hold.held_add),
        (vec!["a".to_owned()], Vec::new())
    );
    store
        .end_run(
            &run.id,
            1,
            lockstep_core::change::RunState::Done,
            None,
            NONE,
            NOW,
        )
        .await
        .expect("ended");

    let silent = ChangeRow {
        failure: Some(Failure::new(FailureKind::ProviderError, "")),
        ..row(2, State::Skipped)
    };
    let rows = vec![
        row(1, State::Unread),
        silent,
        row(3, State::Same),
        held(row(4, State::Held), &["a"]),
    ];
    planned(store, &site, rows, NOW + 10).await;
    assert_eq!(holding(store, &site.id).await, [1, 2, 4]);
    assert!(store.delete_hold(&site.id, 4).await.expect("deleted"));
    assert!(!store.delete_hold(&site.id, 4).await.expect("asked"));
    assert_eq!(holding(store, &site.id).await, [1, 2]);
}

pub(crate) async fn a_hold_keeps_its_age_while_the_same_names_are_held(store: &Store) {
    let site = site(store).await;
    let since = async |names: &[&str], now: i64| {
        planned(store, &site, vec![held(row(1, State::Held), names)], now).await;
        store.holds(&site.id).await.expect("holds").remove(0).since
    };
    let first = since(&["a", "b"], NOW).await;
    assert_eq!(since(&["b", "a"], NOW + 100).await, first);
    let other = since(&["a"], NOW + 200).await;
    assert!(other >= NOW + 200);
}

pub(crate) async fn holds_of_channels_that_are_gone_are_forgotten_by_a_run_over_all(store: &Store) {
    let site = site(store).await;
    let both = vec![
        held(row(1, State::Held), &["a"]),
        held(row(2, State::Held), &["a"]),
    ];
    planned(store, &site, both, NOW).await;
    for some in [
        NewRun {
            selection: Some(vec![3]),
            ..new_run(&site)
        },
        NewRun {
            parent: Some("another run".to_owned()),
            ..new_run(&site)
        },
    ] {
        let run = store.create_run(some, NOW + 1).await.expect("a run");
        store
            .start_reading(&run.id, 1, NOW + 1)
            .await
            .expect("reading");
        let rows = vec![of(&run, row(3, State::Same))];
        store
            .record_read(&run.id, 1, rows, Vec::new(), NONE)
            .await
            .expect("recorded");
        let hash = run.policy_hash.clone();
        store
            .mark_planned(&run.id, 1, Vec::new(), plan_of(hash, 1), NOW + 1)
            .await
            .expect("planned");
        assert_eq!(holding(store, &site.id).await, [1, 2]);
    }
    planned(
        store,
        &site,
        vec![held(row(2, State::Held), &["a"])],
        NOW + 2,
    )
    .await;
    assert_eq!(holding(store, &site.id).await, [2]);
}

pub(crate) async fn a_run_that_did_not_look_afresh_leaves_holds_alone(store: &Store) {
    let site = site(store).await;
    planned(store, &site, vec![held(row(1, State::Held), &["a"])], NOW).await;
    let undo = NewRun {
        parent: Some("another run".to_owned()),
        selection: Some(vec![1]),
        ..new_run(&site)
    };
    let run = store.create_run(undo, NOW + 1).await.expect("a run");
    store
        .start_reading(&run.id, 1, NOW + 1)
        .await
        .expect("reading");
    let rows = vec![of(&run, row(1, State::Ready))];
    store
        .record_read(&run.id, 1, rows, Vec::new(), NONE)
        .await
        .expect("recorded");
    let plan = Planned {
        holds: Holds::Leave,
        ..plan_of(run.policy_hash.clone(), 1)
    };
    store
        .mark_planned(&run.id, 1, Vec::new(), plan, NOW + 1)
        .await
        .expect("planned");
    assert_eq!(holding(store, &site.id).await, [1]);
}

pub(crate) async fn the_digest_of_a_hold_is_the_planners(store: &Store) {
    let old: Vec<String> = (0..20).map(|at| format!("model-{at}")).collect();
    let channel = Channel {
        id: 1,
        name: "channel 1".to_owned(),
        kind: 1,
        status: Status::Enabled,
        base_url: String::new(),
        models: old.join(","),
        model_mapping: None,
        own_sync: false,
        configured: Vec::new(),
    };
    let none = BTreeSet::new();
    let upstream: Vec<String> = (0..30).map(|at| format!("other-{at}")).collect();
    let plan = plan_channel(ChannelInput {
        channel: &channel,
        answer: Answered::List(&upstream, 0),
        policy: Policy::Mirror,
        rules: &[],
        keep: &none,
        allowed: &none,
        memory: &Memory::default(),
        limits: &Limits::default(),
        enabled_only: false,
        unattended: false,
        approved: false,
        gate: None,
        now: NOW,
    });
    let names = |part: &lockstep_core::models::plan::Part| match part.verdict.held() {
        Some(_) => part.names.clone(),
        None => Vec::new(),
    };
    let row = ChangeRow {
        hold: plan.hold().cloned(),
        held_add: names(&plan.additions),
        held_remove: names(&plan.removals),
        ..row(1, plan.state())
    };
    assert!(!row.held_add.is_empty() && !row.held_remove.is_empty());
    assert!(row.held_digest().is_some());
    assert_eq!(row.held_digest(), plan.held_digest());
    let site = site(store).await;
    planned(store, &site, vec![row], NOW).await;
    let hold = store.holds(&site.id).await.expect("holds").remove(0);
    assert_eq!(Some(hold.digest), plan.held_digest());
}
