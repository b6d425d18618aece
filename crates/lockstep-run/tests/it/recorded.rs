//! No record, no change: once the database fails, nothing more is sent.

use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::settings::PaceMode;
use lockstep_run::EngineError;
use lockstep_sim::{Fault, Matcher, Rule, When};

use crate::tester::{Tester, lacking};

fn put() -> Matcher {
    Matcher::put("/api/channel/")
}

/// Lets the database work again.
async fn mended(tester: &Tester) {
    tester.sql("DROP TRIGGER broken").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_cannot_be_recorded_is_followed_by_no_write() {
    for (step, trigger) in [
        (
            "making the run",
            "CREATE TRIGGER broken BEFORE INSERT ON run BEGIN SELECT RAISE(ABORT, 'no'); END",
        ),
        (
            "a row",
            "CREATE TRIGGER broken BEFORE INSERT ON change WHEN NEW.channel_id = 3
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        ),
        (
            "the plan",
            "CREATE TRIGGER broken BEFORE UPDATE ON run WHEN NEW.state = 'planned'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        ),
        (
            "the approval",
            "CREATE TRIGGER broken BEFORE UPDATE ON run WHEN NEW.state = 'writing' AND OLD.state = 'planned'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        ),
        (
            "an intent",
            "CREATE TRIGGER broken BEFORE UPDATE ON change WHEN NEW.state = 'approved'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        ),
        (
            "the lease",
            "CREATE TRIGGER broken BEFORE INSERT ON lease BEGIN SELECT RAISE(ABORT, 'no'); END",
        ),
    ] {
        let mut tester = Tester::new(lacking(5)).await;
        tester.expect.unfinished = true;
        tester.expect.other_counts = true;
        tester.sql(trigger).await;
        let failed = tester.go(lockstep_run::Source::All).await;
        assert!(matches!(failed, Err(EngineError::Store(_))), "{step}: {failed:?}");
        assert_eq!(tester.puts(), 0, "{step}");
        mended(&tester).await;
        let run = tester.sync().await;
        assert_eq!(run.state, RunState::Done, "{step}");
        assert_eq!(tester.states(&run).await, [State::Applied; 5], "{step}");
        tester.done().await;
    }
}

const NO_OUTCOME_OF_2: &str = "CREATE TRIGGER broken BEFORE UPDATE ON change
    WHEN NEW.state = 'applied' AND NEW.channel_id = 2 BEGIN SELECT RAISE(ABORT, 'no'); END";

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outcome_that_cannot_be_recorded_no_further_row_is_begun() {
    let mut tester = Tester::new(lacking(12)).await;
    tester.settings.concurrency = 1;
    tester.expect.other_counts = true;
    tester.sql(NO_OUTCOME_OF_2).await;
    // Each write takes longer than the journal waits for company.
    let slow = Fault::Delay(Duration::from_millis(150));
    tester.gateway.fault(Rule::always(put(), slow));
    let failed = tester.go(lockstep_run::Source::All).await;
    assert!(matches!(failed, Err(EngineError::Store(_))), "{failed:?}");
    // The third was under way when the journal broke.
    assert!(tester.puts() <= 3, "{} writes", tester.puts());
    mended(&tester).await;
    tester.gateway.clear_faults();
    let carried = tester.carry_on().await;
    assert_eq!(carried[0].state, RunState::Done);
    assert_eq!(tester.gateway.effective_writes().len(), 12);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_for_its_turn_is_not_sent_after_the_journal_broke() {
    let mut tester = Tester::new(lacking(2)).await;
    tester.expect.other_counts = true;
    tester
        .store()
        .mark_first_write(&tester.site)
        .await
        .expect("stored");
    let plan = tester.plan().await;
    tester
        .sql(
            "CREATE TRIGGER broken BEFORE UPDATE ON change WHEN NEW.state = 'applied'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .await;
    // Two tokens at once, for the page and one write; the other write waits for the third.
    tester.settings.pace = PaceMode::Fixed;
    tester.settings.requests_per_minute = 60;
    tester.settings.burst = 2;
    let failed = tester.try_apply(&plan).await;
    assert!(matches!(failed, Err(EngineError::Store(_))), "{failed:?}");
    assert_eq!(tester.puts(), 1);
    mended(&tester).await;
    tester.settings.pace = PaceMode::Unlimited;
    let carried = tester.carry_on().await;
    assert_eq!(carried[0].state, RunState::Done);
    assert_eq!(tester.gateway.effective_writes().len(), 2);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_write_that_cannot_be_remembered_stays_the_only_one() {
    let mut tester = Tester::new(lacking(3)).await;
    tester.expect.other_counts = true;
    let trigger =
        "CREATE TRIGGER broken BEFORE UPDATE ON site BEGIN SELECT RAISE(ABORT, 'no'); END";
    tester.sql(trigger).await;
    let failed = tester.go(lockstep_run::Source::All).await;
    assert!(matches!(failed, Err(EngineError::Store(_))), "{failed:?}");
    assert_eq!(tester.puts(), 1);
    mended(&tester).await;
    let carried = tester.carry_on().await;
    assert_eq!(carried[0].state, RunState::Done);
    assert_eq!(tester.gateway.effective_writes().len(), 3);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_intent_that_cannot_be_recorded_is_not_written() {
    let mut tester = Tester::new(lacking(2)).await;
    tester.settings.concurrency = 1;
    tester.sync().await;
    tester.offers(1, "a,b,c,d");
    tester.offers(2, "a,b,c,d");
    tester.expect.edited.insert(1);
    // The base moves after the plan, so the intent has to be stored anew, in the middle of the writing.
    let list = Matcher::get("/api/channel/");
    tester
        .gateway
        .on_match(list, 4, When::BeforeApply, |gateway| {
            gateway.edit_channel(1, |channel| channel.models = "a,b,c,mine".to_owned());
        });
    tester
        .sql(
            "CREATE TRIGGER broken BEFORE INSERT ON change WHEN NEW.state = 'approved'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .await;
    let puts = tester.puts();
    let run = tester.sync().await;
    assert_eq!(tester.states(&run).await, [State::Failed, State::Dropped]);
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(tester.puts(), puts);
    mended(&tester).await;
    tester.done().await;
}
