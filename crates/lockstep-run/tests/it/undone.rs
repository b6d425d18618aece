//! Every run can be undone, to the byte.

use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_run::EngineError;
use lockstep_sim::{Channel, Provider, Spec};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::tester::{Tester, lacking, pairs, set, soak};

#[tokio::test(flavor = "multi_thread")]
async fn undo_gives_back_the_bytes_and_what_was_undone_stays_out() {
    let odd = " b ,a,,a, Zed,  old";
    let tester = Tester::new(pairs(&[(odd, "a,b,new"), ("x", "x,y")])).await;
    let run = tester.sync().await;
    assert_eq!(tester.models(1), "b,a,new");
    let undo = tester.undo(&run).await;
    assert_eq!(undo.state, RunState::Done);
    assert_eq!(undo.parent.as_deref(), Some(run.id.as_str()));
    assert_eq!(tester.models(1), odd);
    assert_eq!(tester.models(2), "x");
    let puts = tester.puts();
    for _ in 0..3 {
        let next = tester.sync().await;
        assert_eq!(tester.states(&next).await, [State::Same; 2]);
    }
    assert_eq!(tester.puts(), puts, "the next syncs leave it as it is");
    tester.offers(2, "x,y,z");
    tester.sync().await;
    assert_eq!(set(&tester.models(2)), set("x,z"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_can_be_undone_and_what_is_undone_is_not_undone_again() {
    let tester = Tester::new(lacking(2)).await;
    let run = tester.sync().await;
    let undo = tester.undo(&run).await;
    let again = tester.try_undo(&run, None).await;
    assert!(
        matches!(&again, Err(EngineError::UndoneAlready { by, .. }) if *by == undo.id),
        "{again:?}"
    );
    tester.undo(&undo).await;
    assert_eq!(tester.models(1), "a,b,c");
    let next = tester.sync().await;
    assert_eq!(tester.states(&next).await, [State::Same; 2]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_channels_are_undone_and_no_others() {
    let tester = Tester::new(lacking(3)).await;
    let run = tester.sync().await;
    let undo = tester.try_undo(&run, Some(&[2])).await.expect("a run");
    assert_eq!(undo.total, 1);
    assert_eq!(tester.models(1), "a,b,c");
    assert_eq!(tester.models(2), "a,b");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_edited_since_is_a_conflict_and_stays() {
    let mut tester = Tester::new(lacking(3)).await;
    let run = tester.sync().await;
    tester.edit(2, |channel| channel.models = "a,b,c,mine".to_owned());
    let puts = tester.puts();
    let undo = tester.undo(&run).await;
    assert_eq!(undo.state, RunState::Partial);
    assert_eq!(
        tester.states(&undo).await,
        [State::Applied, State::Moved, State::Applied]
    );
    assert_eq!(tester.models(2), "a,b,c,mine");
    let written: Vec<_> = tester.gateway.writes()[puts..]
        .iter()
        .map(|entry| entry.channel)
        .collect();
    assert_eq!(written.len(), 2);
    assert!(!written.contains(&Some(2)));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_empty_cannot_be_given_back_and_that_is_said() {
    let tester = Tester::new(pairs(&[("", "a"), (" , ", "a"), ("x", "x,y")])).await;
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied; 3]);
    let undo = tester.undo(&run).await;
    assert_eq!(undo.state, RunState::Done);
    assert_eq!(
        tester.states(&undo).await,
        [State::Skipped, State::Skipped, State::Applied]
    );
    for channel in [1, 2] {
        let skip = tester.row(&undo, channel).await.skip.expect("a reason");
        assert_eq!(skip.code, ReasonCode::EmptyBefore);
        assert_eq!(tester.models(channel), "a");
    }
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_run_wrote_or_took_back_stays_and_that_is_said() {
    let tester = Tester::new(lacking(3)).await;
    let run = tester.sync().await;
    let first = tester.try_undo(&run, Some(&[1])).await.expect("a run");
    tester.offers(2, "a,b,c,d");
    let later = tester.sync().await;
    assert_eq!(tester.models(2), "a,b,c,d");
    let undo = tester.undo(&run).await;
    assert_eq!(
        tester.states(&undo).await,
        [State::Skipped, State::Skipped, State::Applied]
    );
    for (channel, code, by) in [
        (1, ReasonCode::UndoneAlready, &first),
        (2, ReasonCode::ChangedSince, &later),
    ] {
        let skip = tester.row(&undo, channel).await.skip;
        assert_eq!(skip, Some(Reason::named(code, vec![by.id.clone()])));
    }
    assert_eq!(tester.models(1), "a,b");
    assert_eq!(tester.models(2), "a,b,c,d");
    assert_eq!(tester.models(3), "a,b");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_wrote_nothing_has_nothing_to_undo() {
    let tester = Tester::new(lacking(1)).await;
    let plan = tester.plan().await;
    let refused = tester.try_undo(&plan, None).await;
    assert!(matches!(refused, Err(EngineError::NothingToUndo(_))));
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_changed_since_does_not_stop_an_undo() {
    let tester = Tester::new(lacking(1)).await;
    let run = tester.sync().await;
    tester
        .answer(&[1], lockstep_core::hold::Answer::NeverSync)
        .await;
    lockstep_run::answer::never(tester.store(), &tester.site, 1)
        .await
        .expect("stored");
    tester.undo(&run).await;
    assert_eq!(tester.models(1), "a,b");
    tester.done().await;
}

/// A channel's list as an admin may have left it: odd spaces, empty places, names twice, any order.
fn text() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => "m[0-9]",
        2 => "[A-Z]{1,3}[:./-][a-z0-9]{1,4}",
        1 => "模型[0-9]",
        1 => Just(String::new()),
    ];
    let space = prop_oneof![3 => Just(""), 1 => Just(" "), 1 => Just("  ")];
    vec((space.clone(), name, space), 0..12).prop_map(|parts| {
        let parts: Vec<String> = parts
            .into_iter()
            .map(|(left, name, right)| format!("{left}{name}{right}"))
            .collect();
        parts.join(",")
    })
}

/// What the provider offers, and whether somebody edits the channel before the undo.
fn state() -> impl Strategy<Value = (String, Vec<String>, bool)> {
    let offered = vec(prop_oneof!["m[0-9]", "new-[a-f]"], 1..10);
    (text(), offered, prop::bool::weighted(0.1))
}

proptest! {
    #![proptest_config(Config { cases: 20 * soak(), failure_persistence: None, ..Config::default() })]

    /// Fifty channels a case: a thousand states in all.
    #[test]
    fn any_state_comes_back_byte_for_byte(states in vec(state(), 50)) {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(there_and_back(states));
    }
}

async fn there_and_back(states: Vec<(String, Vec<String>, bool)>) {
    let mut spec = Spec::new().inline(Duration::ZERO);
    for (id, (has, offered, _)) in (1..).zip(&states) {
        let name = format!("p{id}");
        spec = spec
            .provider(Provider::new(&name, offered.clone()))
            .channel(Channel::new(id, &name).at(&name).models(has));
    }
    let mut tester = Tester::new(spec).await.without_guards();
    tester.settings.concurrency = 8;
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    let mut as_edited = Vec::new();
    for (id, (_, _, edited)) in (1..).zip(&states) {
        if *edited {
            tester.edit(id, |channel| channel.models.push_str(",by-hand"));
        }
        as_edited.push(tester.models(id));
    }
    let written = tester.rows(&run).await;
    if written.iter().any(|row| row.state == State::Applied) {
        tester.undo(&run).await;
    }
    for (((id, state), row), as_edited) in (1..).zip(&states).zip(&written).zip(as_edited) {
        let (had, _, edited) = state;
        let nothing_to_give_back = set(had).is_empty() && row.state == State::Applied;
        let expected = if *edited || nothing_to_give_back {
            &as_edited
        } else {
            had
        };
        assert_eq!(&tester.models(id), expected, "{state:?}");
    }
    tester.done().await;
}
