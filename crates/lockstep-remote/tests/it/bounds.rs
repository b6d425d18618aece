//! Bodies that are too large, too slow or not what they seem.

use std::time::Duration;

use lockstep_core::failure::FailureKind as Kind;
use lockstep_remote::http::LARGEST_BODY;

use crate::server::{Answer, Server, json, reply};

const MINUTE: Duration = Duration::from_secs(60);

/// A list with one name, padded so that the whole body has this many bytes.
fn padded(bytes: usize) -> String {
    let frame = r#"{"success":true,"data":[""]}"#.len();
    format!(
        r#"{{"success":true,"data":["{}"]}}"#,
        "x".repeat(bytes - frame)
    )
}

#[tokio::test]
async fn the_largest_body_passes_and_one_byte_more_is_refused() {
    let server = Server::always(json(padded(LARGEST_BODY))).await;
    let fetched = server.reader().fetch_models(1, MINUTE).await;
    assert!(fetched.is_ok());

    let server = Server::always(json(padded(LARGEST_BODY + 1))).await;
    let failure = server.reader().fetch_models(1, MINUTE).await;
    assert_eq!(failure.expect_err("too large").kind, Kind::TooLarge);
}

/// A gzip body of zeros, written by hand: a literal zero and then copies of it, 13 bits for each 258 bytes.
fn gzip_bomb(unpacked: usize) -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let (mut byte, mut filled) = (0u8, 0);
    let mut push = |bits: &str| {
        for bit in bits.bytes() {
            byte |= (bit - b'0') << filled;
            filled += 1;
            if filled == 8 {
                bytes.push(byte);
                (byte, filled) = (0, 0);
            }
        }
    };
    push("110"); // the last block, with the fixed codes
    push("00110000");
    for _ in 0..unpacked / 258 {
        push("1100010100000");
    }
    bytes
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_before_it_is_unpacked() {
    let bomb = gzip_bomb(256 * 1024 * 1024);
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
    ];
    let server = Server::always(reply(200, &headers, bomb)).await;
    let failure = server.reader().fetch_models(1, MINUTE).await;
    assert_eq!(failure.expect_err("a bomb").kind, Kind::TooLarge);
}

#[tokio::test]
async fn gzip_is_unpacked() {
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x2a\x2e\x4d\x4e\x4e\x2d\x2e\x56\xb2\x2a\x29\x2a\
        \x4d\xd5\x51\xca\x05\xb2\x13\xd3\x53\x95\xac\x94\x94\x74\x94\x52\x12\x4b\x12\x95\xac\xa2\x95\x12\x81\xec\x24\
        \xa5\xd8\x5a\x00\x9e\x03\xda\x98\x2e\x00\x00\x00";
    let server = Server::always(reply(200, &[("Content-Encoding", "gzip")], packed)).await;
    let fetched = server.reader().fetch_models(1, MINUTE).await;
    assert_eq!(fetched.expect("a list").names, ["a", "b"]);
}

#[tokio::test]
async fn a_drip_is_ended_by_the_attempts_time() {
    let server = Server::start(|_| {
        let whole = json(padded(10_000));
        let (head, body) = whole.split_at(whole.len() - 10_000);
        Answer::Drip(head.to_vec(), body.to_vec())
    })
    .await;
    let limit = Duration::from_millis(500);
    let failure = server.reader().fetch_models(1, limit).await;
    assert_eq!(failure.expect_err("a drip").kind, Kind::Timeout);
}

#[tokio::test]
async fn an_error_page_is_not_read_to_its_end() {
    let page = reply(502, &[], "x".repeat(1_000_000));
    let server = Server::always(page).await;
    let failure = server.reader().page(1).await.expect_err("a failure");
    assert_eq!(failure.kind, Kind::ServerError);
}
