//! 429 is no failure: it is waited out, counted, and the request is sent again.

use lockstep_remote::retry::read_with_retries;

use crate::server::{Server, ok, reply};

#[tokio::test]
async fn a_429_costs_no_attempt() {
    let throttled = reply(429, &[("Retry-After", "1")], "");
    let server = Server::script(vec![throttled.clone(), throttled, ok(r#"["a"]"#)]).await;
    let reader = server.reader();
    let tried = read_with_retries(0, || {
        reader.fetch_models(1, std::time::Duration::from_secs(20))
    })
    .await;
    assert_eq!(tried.attempts, 1);
    assert_eq!(tried.result.expect("a list").names, ["a"]);
    let requests = reader.gateway().requests();
    assert_eq!((requests.reads, requests.throttled), (3, 2));
    assert_eq!(reader.gateway().pacer().throttled(), 2);
}
