//! The door to the outside: what is judged before anything is dialled.

use lockstep_core::failure::FailureKind;
use lockstep_core::prices::source::parse_cidr;
use lockstep_run::outside::Outside;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const SECRET: &str = "canary-5f1b77c2";

/// Answers one request with these bytes, and says what came.
async fn once(reply: String) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"{}") {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
        let _gone = stream.write_all(reply.as_bytes()).await;
        String::from_utf8_lossy(&bytes).into_owned()
    });
    (port, heard)
}

fn here() -> Outside {
    let loopback = parse_cidr("127.0.0.0/8").expect("a network");
    Outside::new(vec![loopback]).expect("a client")
}

#[tokio::test]
async fn an_answer_comes_with_its_status_its_wait_and_its_body() {
    let reply = "HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nwait";
    let (port, heard) = once(reply.to_owned()).await;
    let url = format!("http://127.0.0.1:{port}/{SECRET}").into();
    let headers = [("x-key".to_owned(), SECRET.into())];
    let reply = here().post_json(&url, &headers, "{}".to_owned()).await;
    let reply = reply.expect("an answer");
    assert_eq!((reply.status, reply.body.as_str()), (429, "wait"));
    assert_eq!(reply.wait.map(|wait| wait.as_secs()), Some(7));
    let heard = heard.await.expect("heard");
    assert!(
        heard.starts_with(&format!("POST /{SECRET} HTTP/1.1")),
        "{heard}"
    );
    assert!(heard.contains(&format!("x-key: {SECRET}")), "{heard}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_target_not_told() {
    let reply = format!("HTTP/1.1 308 Go\r\nlocation: /{SECRET}\r\ncontent-length: 0\r\n\r\n");
    let (port, _heard) = once(reply).await;
    let url = format!("http://127.0.0.1:{port}/{SECRET}").into();
    let refused = here().post_json(&url, &[], "{}".to_owned()).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.kind, FailureKind::Redirected);
    assert!(!refused.detail.contains(SECRET), "{}", refused.detail);
}

#[tokio::test]
async fn special_addresses_are_refused_however_they_are_written() {
    let nothing = Outside::new(Vec::new()).expect("a client");
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0x7f.1",
        "169.254.169.254",
        "10.0.0.8",
    ] {
        let url = format!("http://{host}/{SECRET}").into();
        let refused = nothing.post_json(&url, &[], "{}".to_owned()).await;
        let refused = refused.expect_err(host);
        assert_eq!(refused.kind, FailureKind::RefusedAddress, "{host}");
        assert!(!refused.detail.contains(SECRET), "{}", refused.detail);
    }
    for host in ["127.0.0.1", "localhost", "::1", "[::1]", "169.254.169.254"] {
        let refused = nothing.addresses(host).await.expect_err(host);
        assert_eq!(refused.kind, FailureKind::RefusedAddress, "{host}");
    }
    let here = here();
    assert!(here.addresses("127.0.0.1").await.is_ok());
    let never = here.addresses("169.254.169.254").await;
    assert_eq!(
        never.expect_err("refused").kind,
        FailureKind::RefusedAddress
    );
}

#[tokio::test]
async fn what_is_no_address_or_no_header_is_told_without_repeating_it() {
    for url in [SECRET, "ftp://127.0.0.1/canary-5f1b77c2"] {
        let refused = here().post_json(&url.into(), &[], "{}".to_owned()).await;
        let refused = refused.expect_err(url);
        assert!(!refused.detail.contains(SECRET), "{}", refused.detail);
    }
    let broken = [("x-key".to_owned(), format!("{SECRET}\n").into())];
    let url = "http://127.0.0.1:9/".into();
    let refused = here().post_json(&url, &broken, "{}".to_owned()).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.kind, FailureKind::NotConfigured);
    assert!(!refused.detail.contains(SECRET), "{}", refused.detail);
}
