//! A run that was cut off is resumed under its own id, from the step that it had reached.

use std::sync::mpsc;

use lockstep_core::change::RunState;
use lockstep_core::failure::FailureKind;
use lockstep_run::{Source, Watch};
use lockstep_sim::{Matcher, When};
use lockstep_store::runs::Run;
use tokio::task::AbortHandle;

use crate::tester::{Tester, go, lacking};

/// Syncs with a yes given before, or none, and is cut off at the n-th reading of a list.
async fn cut_off(tester: &mut Tester, n: usize, yes: bool) -> Run {
    tester.expect.other_counts = true;
    let (tell, told) = mpsc::channel::<AbortHandle>();
    let fetch = Matcher::get("/api/channel/fetch_models/");
    tester
        .gateway
        .on_match(fetch, n, When::BeforeApply, move |_| {
            told.recv().expect("the task").abort();
        });
    let mut session = tester.session().await;
    if yes {
        session = session.approved_ahead("a schedule");
    }
    let request = tester.request(Source::All, true);
    let task = tokio::spawn(async move { go(&session, &request, &Watch::default()).await });
    tell.send(task.abort_handle()).expect("a hook");
    assert!(task.await.is_err());
    tester.restart().await;
    let mut orphans = tester.store().orphaned_runs().await.expect("runs");
    assert_eq!(orphans.len(), 1);
    orphans.remove(0)
}

async fn resume(tester: &Tester, run: &Run) -> Run {
    let session = tester.session().await;
    session.resume(&run.id, &tester.watch).await.expect("a run")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_read_on_and_written_if_somebody_said_yes_before() {
    for n in 1..=3 {
        let mut tester = Tester::new(lacking(3)).await;
        tester.settings.concurrency = 1;
        let run = cut_off(&mut tester, n, true).await;
        assert_eq!(run.approved_by.as_deref(), Some("a schedule"));
        let resumed = resume(&tester, &run).await;
        assert_eq!(
            (resumed.id.as_str(), resumed.state),
            (run.id.as_str(), RunState::Done)
        );
        assert_eq!(resumed.approved_by.as_deref(), Some("a schedule"));
        assert_eq!(tester.gateway.effective_writes().len(), 3);
        assert!(
            tester
                .store()
                .orphaned_runs()
                .await
                .expect("runs")
                .is_empty()
        );
        // Whoever resumes it again finds it over.
        assert_eq!(resume(&tester, &run).await.state, RunState::Done);
        assert_eq!(tester.puts(), 3);
        tester.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_nobody_said_yes_to_waits_for_one() {
    let mut tester = Tester::new(lacking(3)).await;
    let run = cut_off(&mut tester, 2, false).await;
    let resumed = resume(&tester, &run).await;
    assert_eq!(
        (resumed.id.as_str(), resumed.state),
        (run.id.as_str(), RunState::Planned)
    );
    assert_eq!(tester.puts(), 0);
    assert_eq!(tester.apply(&resumed).await.state, RunState::Done);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_under_a_policy_that_changed_since_ends_and_says_so() {
    let mut tester = Tester::new(lacking(3)).await;
    let run = cut_off(&mut tester, 2, true).await;
    tester
        .sql("UPDATE site SET settings = '{\"policy\":\"add\"}'")
        .await;
    let resumed = resume(&tester, &run).await;
    assert_eq!(resumed.state, RunState::Cancelled);
    let failure = resumed.failure.expect("a reason");
    assert_eq!(failure.kind, FailureKind::Interrupted);
    assert!(failure.detail.contains("changed since"), "{failure:?}");
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_asked_to_end_while_nobody_had_it_ends() {
    let mut tester = Tester::new(lacking(3)).await;
    let run = cut_off(&mut tester, 2, true).await;
    tester
        .store()
        .ask_to_cancel(&run.id, "ann")
        .await
        .expect("asked");
    // However fast it reads on, it is heard before it writes.
    let slow = lockstep_sim::Fault::Delay(std::time::Duration::from_millis(300));
    let fetch = Matcher::get("/api/channel/fetch_models/");
    tester
        .gateway
        .fault(lockstep_sim::Rule::always(fetch, slow));
    let resumed = resume(&tester, &run).await;
    assert_eq!(resumed.state, RunState::Cancelled);
    assert_eq!(tester.puts(), 0);
    tester.done().await;
}
