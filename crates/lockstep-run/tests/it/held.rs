//! Holds: they outlive their runs and wait with four answers.

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::{Answer, ReasonCode};
use lockstep_run::{EngineError, Source};

use crate::tester::{DAY, HOUR, Tester, names, pairs, set};

/// Two channels that would lose four of ten names each, and are held.
async fn holding() -> Tester {
    let has = names("m", 10);
    let offered = "m0,m1,m2,m3,m4,m5";
    let tester = Tester::new(pairs(&[(&has, offered), (&has, offered)])).await;
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done, "holds are no failures");
    assert_eq!(tester.states(&run).await, [State::Held; 2]);
    let holds = tester.holds().await;
    assert_eq!(holds.len(), 2);
    assert_eq!(holds[0].held_remove.join(","), "m6,m7,m8,m9");
    tester
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_written_from_the_list_that_was_read() {
    let tester = holding().await;
    let asked = tester.fetches();
    // What the provider says meanwhile plays no part: the person approved what was shown.
    tester.offers(1, "m0");
    tester.clock.advance(DAY);
    let run = tester.apply_held().await.expect("a run");
    assert_eq!(run.state, RunState::Done);
    assert_eq!(run.trigger, "apply-held");
    assert_eq!(tester.fetches(), asked, "no provider is asked again");
    assert_eq!(tester.models(1), "m0,m1,m2,m3,m4,m5");
    assert!(tester.holds().await.is_empty());
    let nothing = tester.apply_held().await;
    assert!(matches!(nothing, Err(EngineError::NothingHeld)));
    tester.offers(1, "m0,m1,m2,m3,m4,m5");
    let next = tester.sync().await;
    assert_eq!(tester.states(&next).await, [State::Same; 2]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_holds_can_be_written_alone() {
    let tester = holding().await;
    let source = Source::Held(Some(vec![2]));
    let run = tester.try_plan(source).await.expect("a plan");
    tester.apply(&run).await;
    assert_eq!(tester.models(1), names("m", 10));
    assert_eq!(tester.models(2), "m0,m1,m2,m3,m4,m5");
    let left: Vec<i64> = tester.holds().await.iter().map(|h| h.channel_id).collect();
    assert_eq!(left, [1]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_of_more_than_a_day_ago_are_refused_without_a_request() {
    let tester = holding().await;
    tester.clock.advance(DAY + 1);
    let requests = tester.requests();
    let refused = tester.apply_held().await;
    assert!(
        matches!(refused, Err(EngineError::Expired(_))),
        "{refused:?}"
    );
    assert_eq!(tester.requests(), requests);
    assert_eq!(tester.holds().await.len(), 2);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_was_looked_at_and_not_approved_still_waits() {
    let tester = holding().await;
    let planned = tester.try_plan(Source::Held(None)).await.expect("a plan");
    assert_eq!(tester.states(&planned).await, [State::Ready; 2]);
    assert_eq!(tester.holds().await.len(), 2, "nobody answered");
    let run = tester.apply_held().await.expect("a run");
    assert_eq!(tester.states(&run).await, [State::Applied; 2]);
    assert!(tester.holds().await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_whose_channel_moved_is_not_written_and_still_waits() {
    let mut tester = holding().await;
    let planned = tester.try_plan(Source::Held(None)).await.expect("a plan");
    tester.edit(1, |channel| channel.models.push_str(",mine"));
    let run = tester.apply(&planned).await;
    assert_eq!(tester.states(&run).await, [State::Moved, State::Applied]);
    let left: Vec<i64> = tester.holds().await.iter().map(|h| h.channel_id).collect();
    assert_eq!(left, [1]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_until_it_changes_is_silent_until_it_changes() {
    let tester = holding().await;
    tester.answer(&[1], Answer::KeepUntilItChanges).await;
    for _ in 0..2 {
        tester.clock.advance(HOUR);
        let run = tester.sync().await;
        assert_eq!(tester.states(&run).await, [State::Same, State::Held]);
    }
    tester.offers(1, "m0,m1,m2,m3,m4");
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Held; 2]);
    let row = tester.row(&run, 1).await;
    assert_eq!(row.held_remove.join(","), "m5,m6,m7,m8,m9");
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn always_allow_lets_this_reason_pass_on_this_channel_alone() {
    let tester = holding().await;
    tester.answer(&[1], Answer::AlwaysAllow).await;
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied, State::Held]);
    assert_eq!(tester.models(1), "m0,m1,m2,m3,m4,m5");
    // Another reason is still a reason.
    tester.offers(1, "m0");
    let run = tester.sync().await;
    let hold = tester.row(&run, 1).await.hold.expect("a hold");
    assert_eq!(hold.code, ReasonCode::Shrunken);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn never_sync_leaves_the_channel_alone_for_good() {
    let tester = holding().await;
    tester.answer(&[1], Answer::NeverSync).await;
    let asked = tester.gateway.provider("p1").asks();
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Skipped, State::Held]);
    assert_eq!(tester.gateway.provider("p1").asks(), asked);
    let left: Vec<i64> = tester.holds().await.iter().map(|h| h.channel_id).collect();
    assert_eq!(left, [2]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_goes_when_its_reason_is_gone_and_stays_when_nobody_knows() {
    let tester = holding().await;
    tester
        .gateway
        .provider("p2")
        .set_manner(lockstep_sim::Manner::ServerError);
    tester.offers(1, &names("m", 10));
    tester.sync().await;
    let left: Vec<i64> = tester.holds().await.iter().map(|h| h.channel_id).collect();
    assert_eq!(left, [2]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn additions_are_written_while_removals_wait() {
    let has = names("m", 10);
    let tester = Tester::new(pairs(&[(&has, "m0,m1,m2,m3,m4,new")])).await;
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied]);
    assert_eq!(tester.models(1), format!("{has},new"));
    assert_eq!(tester.holds().await.len(), 1);
    let run = tester.apply_held().await.expect("a run");
    assert_eq!(run.state, RunState::Done);
    assert_eq!(set(&tester.models(1)), set("m0,m1,m2,m3,m4,new"));
    tester.done().await;
}
