//! Requests that are done once.

use lockstep_core::hash::Digest;
use lockstep_store::Store;
use lockstep_store::idempotency::{Answer, Begun};

const DAY: i64 = 86_400_000;

pub(crate) async fn a_request_is_begun_once_and_its_answer_is_kept_for_a_day(store: &Store) {
    let (one, other) = (Digest::of(["one"]), Digest::of(["other"]));
    let begin = async |caller: &str, request: &Digest, now: i64| {
        store
            .begin_request(caller, "k", request, now)
            .await
            .expect("it is looked up")
    };
    assert_eq!(begin("a", &one, 5).await, Begun::Now);
    assert_eq!(begin("a", &one, 7).await, Begun::Before(5));
    assert_eq!(begin("a", &other, 7).await, Begun::Another);
    assert_eq!(begin("b", &other, 7).await, Begun::Now);
    let answer = Answer {
        status: 202,
        body: Some("{}".to_owned()),
    };
    store
        .keep_answer("a", "k", answer.clone())
        .await
        .expect("kept");
    assert_eq!(begin("a", &one, 8).await, Begun::Done(answer));
    store.forget_request("b", "k").await.expect("forgotten");
    assert_eq!(begin("b", &one, 9).await, Begun::Now);
    assert_eq!(begin("a", &other, 6 + DAY).await, Begun::Now);
}
