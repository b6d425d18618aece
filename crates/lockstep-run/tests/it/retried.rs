//! Retrying what failed: the channels whose latest result failed, over all runs.

use lockstep_core::change::{RunState, State};
use lockstep_run::{EngineError, Source};
use lockstep_sim::{Fault, Manner, Matcher, Rule};

use crate::tester::{Tester, lacking};

#[tokio::test(flavor = "multi_thread")]
async fn only_channels_whose_latest_result_failed_are_asked_again() {
    let tester = Tester::new(lacking(5)).await;
    let none = tester.retry_failed().await;
    assert!(matches!(none, Err(EngineError::NothingFailed)));
    for name in ["p2", "p4", "p5"] {
        tester
            .gateway
            .provider(name)
            .set_manner(Manner::ServerError);
    }
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Partial);
    // Another run mends one of them, and a third one finds a new failure.
    tester.gateway.provider("p4").set_manner(Manner::Well);
    tester.go(Source::Selected(vec![4])).await.expect("a run");
    tester
        .gateway
        .provider("p1")
        .set_manner(Manner::ServerError);
    tester.go(Source::Selected(vec![1])).await.expect("a run");

    let asks = |name: &str| tester.gateway.provider(name).asks();
    let before: Vec<u32> = ["p1", "p2", "p3", "p4", "p5"].map(asks).to_vec();
    tester.gateway.provider("p1").set_manner(Manner::Well);
    tester.gateway.provider("p2").set_manner(Manner::Well);
    let retried = tester.retry_failed().await.expect("a run");
    assert_eq!(retried.selection, Some(vec![1, 2, 5]));
    assert!(retried.parent.is_some());
    let after: Vec<u32> = ["p1", "p2", "p3", "p4", "p5"].map(asks).to_vec();
    let asked: Vec<u32> = after
        .iter()
        .zip(&before)
        .map(|(now, then)| now - then)
        .collect();
    assert_eq!(asked, [1, 1, 0, 0, 1]);
    assert_eq!(retried.state, RunState::Partial);
    assert_eq!(tester.models(2), "a,b,c");

    tester.gateway.provider("p5").set_manner(Manner::Well);
    let last = tester.retry_failed().await.expect("a run");
    assert_eq!(last.selection, Some(vec![5]));
    assert_eq!(last.state, RunState::Done);
    assert!(matches!(
        tester.retry_failed().await,
        Err(EngineError::NothingFailed)
    ));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_failed_is_retried_too() {
    let tester = Tester::new(lacking(3)).await;
    let put = Matcher::put("/api/channel/").channel(2);
    let refused = Fault::Refused("no".to_owned());
    tester.gateway.fault(Rule::once(put, refused));
    let run = tester.sync().await;
    assert_eq!(
        tester.states(&run).await,
        [State::Applied, State::Failed, State::Applied]
    );
    let retried = tester.retry_failed().await.expect("a run");
    assert_eq!(retried.total, 1);
    assert_eq!(tester.models(2), "a,b,c");
    tester.done().await;
}
