//! Guesses, strangers' names, and who a request is said to be of.

use hyper::Method;
use serde_json::json;

use crate::server::{PASSWORD, Server};
use crate::tester::Shell;

/// Guesses so often, each time as `from` says, and answers how many guesses were compared with the password.
async fn guess(server: &Server, times: u32, from: impl Fn(u32) -> String) -> u32 {
    let mut compared = 0;
    for number in 0..times {
        let body = json!({"password": format!("a guess, number {number}")});
        let from = from(number);
        let headers = [("x-forwarded-for", from.as_str())];
        let path = "/api/v1/sign-in";
        let answer = server.ask(Method::POST, path, &headers, Some(&body)).await;
        match answer.status.as_u16() {
            401 => compared += 1,
            429 => {
                assert_eq!(answer.code(), "too_many_tries");
                let wait: u32 = answer.header("retry-after").parse().expect("seconds");
                assert!((1..=60).contains(&wait), "{wait}");
            }
            other => panic!("{other}"),
        }
    }
    compared
}

/// However slow the machine is, so few more than ten are let through in a test.
const FEW: std::ops::RangeInclusive<u32> = 10..=20;

#[tokio::test]
async fn of_a_thousand_guesses_ten_are_compared_whatever_they_say_of_themselves() {
    let shell = Shell::new();
    let server = Server::start(&shell).await;
    let strangers = |number: u32| format!("198.51.{}.{}", number / 250, number % 250);
    let compared = guess(&server, 1000, strangers).await;
    assert!(FEW.contains(&compared), "{compared}");
    server.stop().await;
}

#[tokio::test]
async fn guesses_from_a_thousand_addresses_are_limited_over_all_but_lock_nobody_out() {
    let shell = Shell::new();
    let server = Server::start_with(&shell, &["--trusted-proxy", "127.0.0.0/8"]).await;
    let mut server = server.signed_in().await;
    server.never("cookie");
    let right = json!({ "password": PASSWORD });
    let sign_in = async |from: &str| {
        let headers = [("x-forwarded-for", from)];
        let path = "/api/v1/sign-in";
        server.ask(Method::POST, path, &headers, Some(&right)).await
    };
    sign_in("203.0.113.7").await.is(200);
    let strangers = |number: u32| format!("2001:db8:{number:x}::1");
    let compared = guess(&server, 300, strangers).await;
    assert!(FEW.contains(&compared), "{compared}");
    // Whoever signed in from there before still can; a stranger waits, with the right password too.
    sign_in("203.0.113.7").await.is(200);
    let behind = "203.0.113.7, 127.0.0.9";
    sign_in(behind).await.is(200);
    let claimed = "203.0.113.7, 192.0.2.200";
    let compared_or_not = sign_in(claimed).await.status.as_u16();
    assert_ne!(compared_or_not, 401);
    let own = |_| "203.0.113.7".to_owned();
    let compared = guess(&server, 40, own).await;
    assert!(FEW.contains(&compared), "{compared}");
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_was_not_set_is_refused_to_whoever_shows_no_token() {
    let shell = Shell::new();
    let server = Server::start(&shell).await.signed_in().await;
    for host in ["evil.example", "lockstep", "127.0.0.1.evil.example"] {
        let headers = [("host", host)];
        let answer = server.ask(Method::GET, "/api/v1/session", &headers, None);
        let answer = answer.await.is(421);
        assert_eq!(answer.code(), "wrong_host");
        let health = server.ask(Method::GET, "/healthz", &headers, None);
        health.await.is(200);
        let headers = [("host", host), ("authorization", "Bearer lst_unknown")];
        let answer = server.ask(Method::GET, "/api/v1/session", &headers, None);
        answer.await.is(401);
    }
    for host in ["localhost", "localhost:9", "[::1]:9", "192.0.2.1"] {
        let headers = [("host", host)];
        let answer = server.ask(Method::GET, "/api/v1/session", &headers, None);
        answer.await.is(200);
    }
    server.stop().await;

    let named = ["--public-url", "http://lockstep.example:8080"];
    let server = Server::start_with(&shell, &named).await;
    assert_eq!(server.url, "http://lockstep.example:8080");
}

#[tokio::test]
async fn beyond_this_machine_plain_http_is_refused_unless_it_is_accepted_with_a_warning() {
    let shell = Shell::new();
    let open = ["serve", "--listen", "0.0.0.0:0"];
    shell.run(&open).await.is(1).says("--insecure-http");
    let server = Server::start_with(&shell, &["--listen", "0.0.0.0:0", "--insecure-http"]).await;
    let said = server.said().replace('\n', " ");
    assert!(said.contains("warning: without https"), "{said}");
    server.stop().await;
}
