//! What a gateway can do wrong with a write, and what is said of it.

use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind;
use lockstep_core::prices::field::Field;
use lockstep_run::EngineError;
use lockstep_sim::{Fault, Gateway, Matcher, Price, Rule, When, price};

use super::shop::{LIST, shop, spec};
use crate::tester::Tester;

fn put() -> Matcher {
    Matcher::put("/api/option/")
}

/// Two models: `a` changes in two maps, `b` in the second alone.
async fn tester() -> Tester {
    let local = [Price::ratio("a", 1.0, 2.0), Price::ratio("b", 1.0, 2.0)];
    let list = [Price::ratio("a", 1.5, 3.0), Price::ratio("b", 1.2, 2.0)];
    shop("a,b", &local, &[&list]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_stored_whatever_was_answered_counts_and_is_not_repeated() {
    for fault in [
        Fault::RefusedAfterApply("bad ratio".to_owned()),
        Fault::ResetAfterApply,
        Fault::ResetMidReply,
        Fault::HalfJson,
        Fault::StaleReads(Duration::from_millis(900)),
        Fault::RefusedUnseen("bad ratio".to_owned(), Duration::from_millis(900)),
        Fault::Delay(Duration::from_millis(50)),
    ] {
        let mut tester = tester().await;
        tester.settings.max_retries = 2;
        tester.gateway.fault(Rule::once(put(), fault.clone()));
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Done, "{fault:?}");
        assert_eq!(tester.price_states(&run, "a").await, [State::Applied; 2]);
        assert_eq!(tester.puts(), 2, "{fault:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_does_not_show_fails_with_all_of_its_models_and_the_rest_goes_on() {
    // Only what the gateway turned away before it looked at it is known not to be stored.
    const UNKNOWN: State = State::Unverified;
    for (fault, kind, state) in [
        (
            Fault::Refused("no".to_owned()),
            FailureKind::Rejected,
            UNKNOWN,
        ),
        (Fault::Ignore, FailureKind::NotStored, UNKNOWN),
        (Fault::Lie, FailureKind::NotStored, UNKNOWN),
        (Fault::Status(500), FailureKind::ServerError, UNKNOWN),
        (Fault::ResetBeforeApply, FailureKind::Broken, UNKNOWN),
        (Fault::Status(400), FailureKind::Rejected, State::Failed),
    ] {
        let tester = tester().await;
        tester.gateway.fault(Rule::once(put(), fault.clone()));
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Partial, "{fault:?}");
        let row = tester.price_row(&run, "a", Field::CompletionRatio).await;
        assert_eq!(row.state, state, "{fault:?}");
        assert_eq!(row.failure.map(|f| f.kind), Some(kind), "{fault:?}");
        let other = tester.price_row(&run, "a", Field::ModelRatio).await;
        assert_eq!(
            other.state,
            State::Dropped,
            "half a price is none: {fault:?}"
        );
        assert_eq!(tester.price_states(&run, "b").await, [State::Applied]);
        assert_eq!(tester.gateway.effective_writes().len(), 1, "{fault:?}");
        // What did not show is planned again, and an undo finds nothing of it to take back.
        let again = tester.sync_prices().await;
        assert_eq!(again.state, RunState::Done, "{fault:?}");
        tester.undo_prices(&again).await;
        tester.undo_prices(&run).await;
        assert_eq!(tester.gateway.options(), tester.options_at_start);
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_shows_only_after_the_run_is_unverified_and_can_be_undone() {
    for fault in [
        Fault::RefusedUnseen("bad ratio".to_owned(), Duration::from_secs(600)),
        Fault::StaleReads(Duration::from_secs(600)),
    ] {
        let mut tester = tester().await;
        // A refusal is answered alike each time, so it is not sent again.
        tester.settings.max_retries = 2;
        tester.gateway.fault(Rule::once(put(), fault.clone()));
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Partial, "{fault:?}");
        let states = tester.price_states(&run, "a").await;
        assert_eq!(states, [State::Dropped, State::Unverified], "{fault:?}");
        assert_eq!(tester.puts(), 2, "{fault:?}");
        // The gateway's cache is over.
        tester.gateway.clear_faults();
        tester.undo_prices(&run).await;
        assert_eq!(tester.gateway.options(), tester.options_at_start);
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_tried_again_from_a_fresh_reading() {
    for fault in [
        Fault::Status(500),
        Fault::ResetBeforeApply,
        Fault::Status(503),
    ] {
        let mut tester = tester().await;
        tester.settings.max_retries = 1;
        tester.gateway.fault(Rule::once(put(), fault.clone()));
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Done, "{fault:?}");
        assert_eq!(tester.puts(), 3, "{fault:?}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_waited_for_and_costs_nothing() {
    let tester = tester().await;
    tester
        .gateway
        .fault(Rule::once(put(), Fault::too_many("1")));
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(run.throttled, 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_after_a_write_is_read_back() {
    let mut tester = tester().await;
    tester.patience(Duration::from_millis(300));
    tester.expect.other_counts = true;
    let silence = Fault::Silence(Duration::from_secs(5));
    tester.gateway.fault(Rule::once(put(), silence));
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Partial);
    let row = tester.price_row(&run, "a", Field::CompletionRatio).await;
    assert_eq!(row.failure.map(|f| f.kind), Some(FailureKind::Timeout));
    assert_eq!(tester.price_states(&run, "b").await, [State::Applied]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_cannot_be_read_back_is_unverified_and_the_run_stops() {
    let tester = tester().await;
    let gateway = tester.gateway.clone();
    tester
        .gateway
        .on_match(put(), 1, When::AfterApply, move |_| {
            let options = Matcher::get("/api/option/");
            gateway.fault(Rule::always(options, Fault::Status(500)));
        });
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Failed);
    assert!(run.failure.is_some());
    let row = tester.price_row(&run, "a", Field::CompletionRatio).await;
    assert_eq!(row.state, State::Unverified);
    assert_eq!(tester.price_states(&run, "b").await, [State::Dropped]);
    assert_eq!(tester.puts(), 1);
    tester.gateway.clear_faults();
    // It did arrive, so it can be taken back.
    tester.undo_prices(&run).await;
    assert_eq!(tester.gateway.options(), tester.options_at_start);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_read_and_not_write_stops_the_run_at_its_first_write() {
    let tester = tester().await;
    tester
        .gateway
        .fault(Rule::always(put(), Fault::Status(403)));
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(tester.puts(), 1);
    assert_eq!(tester.price_states(&run, "b").await, [State::Dropped]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_not_root_is_told_so_and_no_source_is_asked() {
    let list = price::official(&[Price::ratio("a", 1.0, 2.0)]);
    let gateway = Gateway::start(spec("a", &[], &[&list])).await.expect("one");
    let (url, token) = (gateway.url(), gateway.admin_token().to_owned());
    let mut tester = Tester::of(gateway, &url, &token).await;
    tester.add_source("A", &format!(",endpoint={LIST}"));
    let run = tester.plan_prices().await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.failure.map(|f| f.kind), Some(FailureKind::Forbidden));
    assert_eq!(tester.gateway.provider("A").requests(LIST), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_cannot_be_recorded_is_followed_by_no_write() {
    for (what, trigger, puts) in [
        (
            "the image",
            "CREATE TRIGGER broken BEFORE INSERT ON image BEGIN SELECT RAISE(ABORT, 'no'); END",
            0,
        ),
        (
            "the intent",
            "CREATE TRIGGER broken BEFORE UPDATE ON price_change WHEN NEW.state = 'approved'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            0,
        ),
        (
            "the outcome",
            "CREATE TRIGGER broken BEFORE UPDATE ON price_change WHEN NEW.state = 'applied'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            1,
        ),
        (
            "a row of the plan",
            "CREATE TRIGGER broken BEFORE INSERT ON price_change BEGIN SELECT RAISE(ABORT, 'no'); END",
            0,
        ),
    ] {
        let mut tester = tester().await;
        tester.expect.unfinished = true;
        tester.expect.other_counts = true;
        tester.sql(trigger).await;
        let failed = tester.try_sync_prices().await;
        assert!(
            matches!(failed, Err(EngineError::Store(_))),
            "{what}: {failed:?}"
        );
        assert_eq!(tester.puts(), puts, "{what}");
        tester.sql("DROP TRIGGER broken").await;
        tester.restart().await;
        for run in tester.carry_on().await {
            assert_eq!(run.state, RunState::Done, "{what}");
        }
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Done, "{what}");
        assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1.5"));
        assert_eq!(tester.gateway.effective_writes().len(), 2, "{what}");
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cancelled_between_two_writes_finishes_the_one_under_way() {
    for (matcher, n, when) in [(put(), 1, When::BeforeApply), (put(), 1, When::AfterApply)] {
        let mut tester = tester().await;
        let cancel = tester.watch.cancel.clone();
        tester
            .gateway
            .on_match(matcher, n, when, move |_| cancel.cancel());
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Cancelled);
        assert_eq!(
            tester.price_states(&run, "a").await,
            [State::Dropped, State::Applied]
        );
        assert_eq!(tester.price_states(&run, "b").await, [State::Dropped]);
        assert_eq!(tester.puts(), 1);
        tester.watch = lockstep_run::Watch::default();
        let run = tester.sync_prices().await;
        assert_eq!(run.state, RunState::Done);
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cancelled_while_it_reads_writes_nothing() {
    let mut tester = tester().await;
    tester.expect.other_counts = true;
    let cancel = tester.watch.cancel.clone();
    let list = Matcher::get("/api/channel/");
    tester
        .gateway
        .on_match(list, 1, When::BeforeApply, move |_| cancel.cancel());
    let run = tester.sync_prices().await;
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}
