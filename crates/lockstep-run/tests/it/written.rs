//! Writes that go wrong: what is stored once, what is asked again, what stops a run.

use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind as Kind;
use lockstep_sim::{Fault, Matcher, Rule, When};

use crate::tester::{Tester, lacking};

fn put() -> Matcher {
    Matcher::put("/api/channel/")
}

fn one() -> Matcher {
    Matcher::get("/api/channel/1")
}

async fn kind(tester: &Tester, run: &lockstep_store::runs::Run, channel: i64) -> Option<Kind> {
    tester
        .row(run, channel)
        .await
        .failure
        .map(|failure| failure.kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_write_goes_alone_and_a_gateway_with_other_manners_is_stopped_at_it() {
    let mut tester = Tester::new(lacking(5)).await;
    tester.settings.concurrency = 8;
    let also = Fault::also(|channel| channel.priority = Some(99));
    tester.gateway.fault(Rule::always(put(), also));
    tester.expect.edited.insert(1);
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(
        run.failure.as_ref().map(|f| f.kind),
        Some(Kind::FieldsChanged)
    );
    assert_eq!(tester.puts(), 1);
    let states = tester.states(&run).await;
    assert_eq!(states[0], State::Failed);
    assert_eq!(states[1..], [State::Dropped; 4]);
    assert!(!tester.stored_site().await.first_write_done);
    // The list was changed all the same, so it can be taken back.
    tester.gateway.clear_faults();
    assert_eq!(tester.models(1), "a,b,c");
    tester.undo(&run).await;
    assert_eq!(tester.models(1), "a,b");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn later_writes_go_side_by_side() {
    let mut tester = Tester::new(lacking(6)).await;
    tester.settings.concurrency = 4;
    let slow = Fault::Delay(Duration::from_millis(40));
    tester.gateway.fault(Rule::always(put(), slow));
    tester.sync().await;
    let log = tester.gateway.writes();
    let first_ended = log[0].finished.expect("an answer");
    assert!(
        log[1..].iter().all(|entry| entry.at >= first_ended),
        "nothing is sent beside the first"
    );
    let second_ended = log[1].finished.expect("an answer");
    assert!(log[2].at < second_ended, "the rest goes side by side");
    assert!(tester.stored_site().await.first_write_done);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_field_that_changes_later_fails_its_channel_alone() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.settings.concurrency = 1;
    let also = Fault::also(|channel| channel.group = "vip".to_owned());
    tester.gateway.fault(Rule::once(put(), also).after(1));
    tester.expect.edited.insert(2);
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Partial);
    assert_eq!(
        tester.states(&run).await,
        [State::Applied, State::Failed, State::Applied]
    );
    let failure = tester.row(&run, 2).await.failure.expect("a failure");
    assert_eq!(
        (failure.kind, failure.detail.as_str()),
        (Kind::FieldsChanged, "group")
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_ignored_is_no_success() {
    let tester = Tester::new(lacking(2)).await;
    tester.gateway.fault(Rule::once(put(), Fault::Ignore));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(kind(&tester, &run, 1).await, Some(Kind::NotStored));
    assert_eq!(tester.puts(), 1);
    let again = tester.sync().await;
    assert_eq!(tester.states(&again).await, [State::Applied; 2]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_lies_about_a_write_is_believed_once_and_written_no_second_time() {
    let mut tester = Tester::new(lacking(1)).await;
    tester.gateway.fault(Rule::once(put(), Fault::Lie));
    // The reply shows the new list, and nothing else is read back.
    tester.expect.without_effect = 1;
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied]);
    assert_eq!((tester.puts(), tester.models(1).as_str()), (1, "a,b"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_lag_behind_a_write_cause_no_other_one() {
    let tester = Tester::new(lacking(3)).await;
    let stale = Fault::StaleReads(Duration::from_secs(60));
    tester.gateway.fault(Rule::always(put(), stale));
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied; 3]);
    tester.sync().await;
    tester.gateway.clear_faults();
    let after = tester.sync().await;
    assert_eq!(after.state, RunState::Done);
    assert_eq!(tester.states(&after).await, [State::Same; 3]);
    assert_eq!(tester.puts(), 3);
    assert_eq!(tester.models(3), "a,b,c");
    // What looked taken out by hand for a moment still follows the provider.
    tester.offers(3, "a,c");
    tester.sync().await;
    assert_eq!(tester.models(3), "a,c");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_found_by_reading_and_not_sent_again() {
    for fault in [
        Fault::ResetAfterApply,
        Fault::ResetMidReply,
        Fault::HalfJson,
        Fault::InvalidUtf8,
        Fault::WrongCharset,
        Fault::ContentLengthTooLong,
        Fault::ContentLengthTooShort,
        Fault::ChunkedWithoutEnd,
        Fault::ManyHeaders(150),
        Fault::LongHeader(1_000_000),
    ] {
        let mut tester = Tester::new(lacking(2)).await;
        tester.settings.max_retries = 3;
        tester.gateway.fault(Rule::once(put(), fault.clone()));
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Done, "{fault:?}");
        assert_eq!(tester.states(&run).await, [State::Applied; 2], "{fault:?}");
        assert_eq!(tester.puts(), 2, "{fault:?}: one for each channel");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_surely_was_not_stored_is_sent_again() {
    for fault in [
        Fault::ResetBeforeApply,
        Fault::ResetBeforeRead,
        Fault::Status(500),
        Fault::Unavailable { retry_after: None },
    ] {
        let mut tester = Tester::new(lacking(1)).await;
        tester.settings.max_retries = 1;
        tester.gateway.fault(Rule::once(put(), fault.clone()));
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Done, "{fault:?}");
        assert_eq!(tester.puts(), 2, "{fault:?}");
        assert_eq!(tester.gateway.effective_writes().len(), 1, "{fault:?}");
        assert_eq!(tester.row(&run, 1).await.attempts, 2, "{fault:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_never_arrive_are_bounded_and_tell_so() {
    let mut tester = Tester::new(lacking(1)).await;
    tester.settings.max_retries = 1;
    tester
        .gateway
        .fault(Rule::always(put(), Fault::ResetBeforeApply));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(tester.puts(), 2);
    assert_eq!(kind(&tester, &run, 1).await, Some(Kind::Broken));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_sent_once() {
    for (fault, expected) in [
        (Fault::Refused("no".to_owned()), Kind::Rejected),
        (Fault::Status(400), Kind::Rejected),
        (Fault::Status(404), Kind::NotFound),
        (
            Fault::redirect(307, "http://127.0.0.1:1/"),
            Kind::Redirected,
        ),
    ] {
        let mut tester = Tester::new(lacking(2)).await;
        tester.settings.max_retries = 3;
        tester
            .gateway
            .fault(Rule::once(put().channel(1), fault.clone()));
        let run = tester.sync().await;
        assert_eq!(
            tester.states(&run).await,
            [State::Failed, State::Applied],
            "{fault:?}"
        );
        assert_eq!(kind(&tester, &run, 1).await, Some(expected), "{fault:?}");
        assert_eq!(tester.puts(), 2, "{fault:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_token_stops_the_run() {
    for (fault, expected) in [
        (Fault::Status(401), Kind::Unauthorized),
        (Fault::Status(403), Kind::Forbidden),
        (Fault::FirewallPage, Kind::Firewall),
    ] {
        let mut tester = Tester::new(lacking(4)).await;
        tester.settings.concurrency = 1;
        tester.gateway.fault(Rule::once(put(), fault).after(1));
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Partial);
        assert_eq!(run.failure.as_ref().map(|f| f.kind), Some(expected));
        assert_eq!(
            tester.states(&run).await,
            [
                State::Applied,
                State::Failed,
                State::Dropped,
                State::Dropped
            ]
        );
        assert_eq!(tester.puts(), 2);
        tester.done().await;
    }
}

/// Somebody stores just what we send, a moment before our write fails: to us it is a write that arrived all the same.
fn stored_all_the_same(tester: &mut Tester) {
    tester.expect.edited.insert(1);
    tester
        .gateway
        .on_match(put().channel(1), 1, When::BeforeApply, |gateway| {
            gateway.edit_channel(1, |channel| channel.models = "a,b,c".to_owned());
        });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_after_storing_is_a_success_that_was_read_back() {
    let mut tester = Tester::new(lacking(1)).await;
    tester.settings.max_retries = 3;
    stored_all_the_same(&mut tester);
    tester.expect.without_effect = 1;
    tester.gateway.fault(Rule::once(put(), Fault::Status(500)));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_storing_is_not_called_a_success() {
    let mut tester = Tester::new(lacking(1)).await;
    stored_all_the_same(&mut tester);
    let refused = Fault::Refused("routing table".to_owned());
    tester.gateway.fault(Rule::once(put(), refused));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(tester.states(&run).await, [State::Unverified]);
    assert_eq!(tester.puts(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_back_is_unverified_and_the_next_run_finds_out() {
    let tester = Tester::new(lacking(1)).await;
    tester
        .gateway
        .fault(Rule::once(put(), Fault::ResetAfterApply));
    tester.gateway.fault(Rule::once(one(), Fault::Status(500)));
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(tester.states(&run).await, [State::Unverified]);
    assert_eq!(kind(&tester, &run, 1).await, Some(Kind::Unverified));
    let next = tester.sync().await;
    assert_eq!(tester.states(&next).await, [State::Same]);
    assert_eq!(tester.puts(), 1);
    tester.undo(&run).await;
    assert_eq!(tester.models(1), "a,b");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_nobody_answers_is_read_back_after_its_time() {
    let mut tester = Tester::new(lacking(2)).await;
    tester.patience(Duration::from_secs(1));
    let silence = Fault::Silence(Duration::from_secs(30));
    tester.gateway.fault(Rule::once(put().channel(2), silence));
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Applied, State::Failed]);
    assert_eq!(kind(&tester, &run, 2).await, Some(Kind::Timeout));
    tester.done().await;
}
