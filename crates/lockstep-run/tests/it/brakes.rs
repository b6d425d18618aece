//! The brakes: what waits for an answer, and what passes.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::{Answer, ReasonCode};
use lockstep_core::models::plan::Note;
use lockstep_sim::{Channel, Provider, Spec};
use lockstep_store::runs::Run;

use crate::tester::{HOUR, MINUTE, Tester, names, pairs, set};

async fn held_for(tester: &Tester, run: &Run, channel: i64) -> Option<ReasonCode> {
    tester.row(run, channel).await.hold.map(|hold| hold.code)
}

/// Ten channels that gain a name, `losing` of which also lose one.
async fn losing(losing: usize) -> Tester {
    let mut lists = vec![("a,b,gone", "a,b,new"); losing];
    lists.resize(10, ("a,b", "a,b,new"));
    Tester::new(pairs(&lists)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_at_three_of_ten_providers_pass_and_at_four_are_held_while_additions_go() {
    let tester = losing(3).await;
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(set(&tester.models(1)), set("a,b,new"));
    tester.done().await;

    let tester = losing(4).await;
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.states(&run).await, [State::Applied; 10]);
    assert_eq!(held_for(&tester, &run, 4).await, Some(ReasonCode::RunBrake));
    assert_eq!(held_for(&tester, &run, 5).await, None);
    assert_eq!(set(&tester.models(4)), set("a,b,gone,new"));
    assert_eq!(tester.holds().await.len(), 4);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_hold_of_the_whole_run_does_not_keep_additions_back() {
    let tester = losing(4).await;
    tester.sync().await;
    let answered = tester
        .answer(&[1, 2, 3, 4], Answer::KeepUntilItChanges)
        .await;
    assert_eq!(answered.len(), 4);
    for channel in 1..=4 {
        tester.offers(channel, "a,b,new,newer");
    }
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done, "{:?}", tester.rows(&run).await);
    assert_eq!(set(&tester.models(1)), set("a,b,gone,new,newer"));
    // The answer still stands after the write.
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Same; 10]);
    assert!(tester.holds().await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_more_than_the_limit_stops_a_channel() {
    for (present, removed, passes) in [
        (9, 3, true),
        (9, 4, false),
        (9, 9, false),
        (10, 3, true),
        (10, 4, false),
        (50, 15, true),
        (50, 16, false),
    ] {
        let has = names("m", present);
        let offered: Vec<String> = (removed..present).map(|n| format!("m{n}")).collect();
        let tester = Tester::new(pairs(&[(&has, &offered.join(","))])).await;
        let run = tester.sync().await;
        let state = if passes { State::Applied } else { State::Held };
        assert_eq!(tester.states(&run).await, [state], "{removed} of {present}");
        assert_eq!(tester.puts(), usize::from(passes));
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_additions_are_held_and_removals_go() {
    let offered = format!("a,{}", names("new", 21));
    let tester = Tester::new(pairs(&[("a,gone", &offered)])).await;
    let run = tester.sync().await;
    let row = tester.row(&run, 1).await;
    assert_eq!(
        row.hold.map(|hold| hold.code),
        Some(ReasonCode::TooManyAdded)
    );
    assert_eq!(row.held_add.len(), 21);
    assert_eq!(row.state, State::Applied);
    assert_eq!(tester.models(1), "a");
    tester.done().await;
}

/// Two channels that serve "gone", which their providers no longer have; one of them is disabled.
fn last_server() -> Spec {
    Spec::new()
        .provider(Provider::new("p1", ["a"]))
        .channel(Channel::new(1, "one").at("p1").models("a,gone"))
        .channel(Channel::new(2, "two").at("p1").models("a,gone").status(2))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_server_of_a_name_keeps_it_when_nobody_looks() {
    let mut tester = Tester::new(last_server()).await;
    tester.unattended = true;
    tester.settings.limits.second_read_ms = 0;
    let run = tester.sync().await;
    assert_eq!(
        held_for(&tester, &run, 1).await,
        Some(ReasonCode::LastServer)
    );
    assert_eq!(tester.states(&run).await, [State::Held, State::Applied]);
    assert_eq!(tester.models(1), "a,gone");
    tester.done().await;

    let tester = Tester::new(last_server()).await;
    let run = tester.sync().await;
    let notes = tester.row(&run, 1).await.notes;
    assert_eq!(notes, [Note::LastServer(vec!["gone".to_owned()])]);
    assert_eq!(tester.models(1), "a");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_looking_a_removal_needs_two_reads_an_hour_apart() {
    let list = [("a,gone", "a,new"), ("gone,x", "gone,x")];
    let mut tester = Tester::new(pairs(&list)).await;
    tester.unattended = true;
    let run = tester.sync().await;
    assert_eq!(
        held_for(&tester, &run, 1).await,
        Some(ReasonCode::SecondRead)
    );
    assert_eq!(tester.models(1), "a,gone,new", "additions go at once");
    tester.clock.advance(59 * MINUTE);
    tester.sync().await;
    assert_eq!(tester.models(1), "a,gone,new");
    tester.clock.advance(MINUTE);
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.models(1), "a,new");
    assert!(tester.holds().await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_came_back_begins_its_hour_anew() {
    let list = [("a,gone", "a"), ("gone,x", "gone,x")];
    let mut tester = Tester::new(pairs(&list)).await;
    tester.unattended = true;
    tester.sync().await;
    tester.offers(1, "a,gone");
    tester.clock.advance(HOUR);
    tester.sync().await;
    tester.offers(1, "a");
    tester.clock.advance(HOUR);
    let run = tester.sync().await;
    assert_eq!(
        held_for(&tester, &run, 1).await,
        Some(ReasonCode::SecondRead)
    );
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}
