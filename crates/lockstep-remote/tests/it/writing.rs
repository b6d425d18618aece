//! What may become of a write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind as Kind};
use lockstep_core::models::list::NonEmptyModels;
use lockstep_remote::gateway::{Fence, Gateway, GatewayWriter, Sent, TimeLimits};

use crate::server::{Answer, Server, channel, gateway_at, json, ok, reply};

/// A fence that passes so many times, and counts how often it was asked.
struct Gate {
    passes: usize,
    asked: AtomicUsize,
}

impl Fence for Gate {
    fn check(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            if asked < self.passes {
                Ok(())
            } else {
                Err(Failure::new(Kind::Record, "the lease is lost"))
            }
        }
        .boxed()
    }
}

fn gate(passes: usize) -> Arc<Gate> {
    Arc::new(Gate {
        passes,
        asked: AtomicUsize::new(0),
    })
}

async fn put(gateway: Gateway, fence: Arc<Gate>) -> Sent<Channel> {
    let models = NonEmptyModels::new("gpt-4o,\"b\"").expect("a list");
    GatewayWriter::new(gateway, fence)
        .put_models(4, &models)
        .await
}

async fn put_to(server: &Server) -> Sent<Channel> {
    put(server.gateway(), gate(usize::MAX)).await
}

#[tokio::test]
async fn a_write_is_exactly_id_and_models() {
    let server = Server::always(ok(&channel(4, "gpt-4o"))).await;
    let gateway = server.gateway();
    let fence = gate(usize::MAX);
    let sent = put(gateway.clone(), Arc::clone(&fence)).await;
    assert!(matches!(sent, Sent::Stored(channel) if channel.id == 4));
    let requests = server.requests();
    let [request] = requests.as_slice() else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(request.method, "PUT");
    assert_eq!(request.path, "/api/channel/");
    assert_eq!(request.body, r#"{"id":4,"models":"gpt-4o,\"b\""}"#);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("new-api-user"), Some("7"));
    assert_eq!(fence.asked.load(Ordering::SeqCst), 1);
    assert_eq!(
        (gateway.requests().reads, gateway.requests().writes),
        (0, 1)
    );
}

#[tokio::test]
async fn a_list_that_the_gateway_ignored_comes_back_as_it_shows_it() {
    let server = Server::always(ok(&channel(4, "old"))).await;
    let Sent::Stored(channel) = put_to(&server).await else {
        panic!("not stored");
    };
    assert_eq!(channel.models, "old");
}

#[tokio::test]
async fn what_is_turned_away_changed_nothing() {
    let refusal = r#"{"success":false,"message":"no"}"#;
    for (status, body, kind) in [
        (302, "", Kind::Redirected),
        (400, refusal, Kind::Rejected),
        (401, refusal, Kind::Unauthorized),
        (403, refusal, Kind::Forbidden),
        (403, "<html>", Kind::Firewall),
        (404, "{}", Kind::NotFound),
        (404, "<html>", Kind::WrongAddress),
        (413, "<html>", Kind::Rejected),
    ] {
        let headers = [("Location", "https://login.example/?to=x")];
        let server = Server::always(reply(status, &headers, body)).await;
        match put_to(&server).await {
            Sent::Refused(failure) => assert_eq!(failure.kind, kind, "{status} {body}"),
            other => panic!("{status} {body}: {other:?}"),
        }
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn what_cannot_be_known_is_called_unknown() {
    let cut = ok(&channel(4, "a"));
    let cut = cut.get(..cut.len() - 9).unwrap_or_default().to_vec();
    let refusal = r#"{"success":false,"message":"abilities"}"#;
    for (bytes, kind) in [
        (reply(500, &[], ""), Kind::ServerError),
        (reply(504, &[], "<html>"), Kind::ServerError),
        (json(refusal), Kind::Rejected),
        (reply(200, &[], refusal), Kind::Rejected),
        (ok("null"), Kind::NotStored),
        (ok("[]"), Kind::NotStored),
        (ok(&channel(5, "a")), Kind::NotStored),
        (json(r#"{"success":true}"#), Kind::NotStored),
        (json(r#"{"success":tr"#), Kind::Broken),
        (json(""), Kind::Broken),
        (json("[]"), Kind::NotRecognised),
        (reply(200, &[], "<html>"), Kind::WrongAddress),
        (cut, Kind::Broken),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let server = Server::always(bytes).await;
        match put_to(&server).await {
            Sent::Unknown(failure) => assert_eq!(failure.kind, kind, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
        assert_eq!(server.requests().len(), 1, "{shown}: sent once");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_it_unknown_and_is_not_repeated() {
    let server = Server::start(|_| Answer::Close).await;
    let sent = put_to(&server).await;
    assert!(
        matches!(&sent, Sent::Unknown(failure) if failure.kind == Kind::Broken),
        "{sent:?}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn silence_after_the_request_leaves_it_unknown() {
    let server = Server::start(|_| Answer::Silence).await;
    let limits = TimeLimits {
        write: Duration::from_millis(300),
        ..TimeLimits::default()
    };
    let gateway = server.gateway().with_time_limits(limits);
    let sent = put(gateway, gate(usize::MAX)).await;
    assert!(
        matches!(&sent, Sent::Unknown(failure) if failure.kind == Kind::Timeout),
        "{sent:?}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let server = Server::always(ok("null")).await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    for (address, kind) in [
        (format!("http://127.0.0.1:{closed}"), Kind::Unreachable),
        (format!("https://127.0.0.1:{}", server.port), Kind::Tls),
    ] {
        let sent = put(gateway_at(&address), gate(usize::MAX)).await;
        assert!(
            matches!(&sent, Sent::NotSent(failure) if failure.kind == kind),
            "{sent:?}"
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_fence_that_refuses_sends_nothing() {
    let server = Server::always(ok(&channel(4, "a"))).await;
    let sent = put(server.gateway(), gate(0)).await;
    assert!(
        matches!(&sent, Sent::NotSent(failure) if failure.kind == Kind::Record),
        "{sent:?}"
    );
    assert!(server.requests().is_empty());
    assert_eq!(server.gateway().requests().writes, 0);
}

#[tokio::test]
async fn a_429_is_waited_out_and_the_fence_is_asked_again() {
    let throttled = reply(429, &[("Retry-After", "1")], "");
    let server = Server::script(vec![throttled.clone(), ok(&channel(4, "a"))]).await;
    let gateway = server.gateway();
    let fence = gate(usize::MAX);
    let sent = put(gateway.clone(), Arc::clone(&fence)).await;
    assert!(matches!(sent, Sent::Stored(_)), "{sent:?}");
    assert_eq!(fence.asked.load(Ordering::SeqCst), 2);
    assert_eq!(
        (gateway.requests().writes, gateway.requests().throttled),
        (2, 1)
    );

    let server = Server::always(throttled).await;
    let sent = put(server.gateway(), gate(1)).await;
    assert!(
        matches!(&sent, Sent::NotSent(failure) if failure.kind == Kind::Record),
        "{sent:?}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_slash_redirect_keeps_method_and_body_and_passes_the_fence_again() {
    for status in [301, 307, 308] {
        let redirect = reply(status, &[("Location", "/api/channel")], "");
        let server = Server::script(vec![redirect, ok(&channel(4, "a"))]).await;
        let fence = gate(usize::MAX);
        let sent = put(server.gateway(), Arc::clone(&fence)).await;
        assert!(matches!(sent, Sent::Stored(_)), "{status}: {sent:?}");
        let requests = server.requests();
        let [first, second] = requests.as_slice() else {
            panic!("{} requests", requests.len());
        };
        assert_eq!(second.path, "/api/channel");
        assert_eq!((&second.method, &second.body), (&first.method, &first.body));
        assert_eq!(
            second.header("authorization"),
            first.header("authorization")
        );
        assert_eq!(fence.asked.load(Ordering::SeqCst), 2);
    }
}
