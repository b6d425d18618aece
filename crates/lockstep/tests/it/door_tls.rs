//! TLS: the server's own, and a certificate that is renewed.

use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::canary;
use crate::server::{PASSWORD, Server, over};
use crate::tester::Shell;

type Certificate = CertifiedKey<KeyPair>;

fn certificate() -> Certificate {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

fn write(shell: &Shell, certificate: &Certificate) {
    std::fs::write(shell.path("cert.pem"), certificate.cert.pem()).expect("written");
    let key = certificate.signing_key.serialize_pem();
    std::fs::write(shell.path("key.pem"), key).expect("written");
}

/// Starts a server with the certificate.
async fn start(shell: &Shell, certificate: &Certificate) -> Server {
    write(shell, certificate);
    let args = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let server = Server::start_with(shell, &args).await;
    assert!(
        server.url.starts_with("https://127.0.0.1:"),
        "{}",
        server.url
    );
    server
}

/// A connection of somebody who trusts just that certificate.
async fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(server.host()).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Waits until it is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waited).await;
    waited.expect("it comes to be so");
}

#[tokio::test]
async fn over_tls_the_cookie_is_kept_to_https_and_no_secret_is_in_the_log() {
    let shell = Shell::new();
    let certificate = certificate();
    let mut server = start(&shell, &certificate).await;
    server.as_page();
    let link = server.link().expect("a link");
    let said = server.said();
    assert!(
        said.contains(&format!("{}/sign-in/link#", server.url)),
        "{said}"
    );
    let trusted = certificate.cert.der();
    let stream = connect(&server, trusted, &TLS12, b"http/1.1").await;
    let body = json!({"link": link, "password": PASSWORD}).to_string();
    let request = server.request(Method::POST, "/api/v1/sign-in/link", &[], Some(body));
    let answer = over(stream.expect("TLS 1.2"), request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let cookie = answer.headers()["set-cookie"].to_str().expect("text");
    assert!(cookie.starts_with("__Host-lockstep="), "{cookie}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Secure"] {
        assert!(cookie.split("; ").any(|has| has == part), "{cookie}");
    }
    let hsts = &answer.headers()["strict-transport-security"];
    assert_eq!(hsts, "max-age=31536000");
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();

    let stream = connect(&server, trusted, &TLS13, b"h2").await;
    let io = TokioIo::new(stream.expect("TLS 1.3"));
    let connected = http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = connected.expect("HTTP/2");
    tokio::spawn(connection);
    let url = format!("{}/api/v1/session", server.url);
    let request = Request::get(url).header("cookie", &cookie);
    let request = request.body(String::new()).expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    drop(sender);

    let (said, status) = server.stop().await;
    assert!(status.success() && said.contains("TRACE"));
    let (_, session) = cookie.split_once('=').expect("a cookie");
    let secrets = [
        ("password", PASSWORD.to_owned()),
        ("session", session.to_owned()),
    ];
    assert_eq!(canary::found_of(said.as_bytes(), &secrets), None);
    canary::search_for(&shell.path(""), &secrets);
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_nobody_is_cut_off() {
    let shell = Shell::new();
    let (old, new) = (certificate(), certificate());
    let server = start(&shell, &old).await;
    let connect_to = async |certificate: &Certificate| {
        connect(&server, certificate.cert.der(), &TLS13, b"http/1.1").await
    };
    let stream = connect_to(&old).await.expect("the old one is trusted");
    let connected = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.expect("HTTP");
    tokio::spawn(connection);
    let mut ask = async || {
        sender.ready().await.expect("the connection stays");
        let request = server.request(Method::GET, "/healthz", &[], None);
        let answer = sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        http_body_util::BodyExt::collect(answer.into_body())
            .await
            .expect("a body");
        assert_eq!(status, StatusCode::OK);
    };
    ask().await;
    connect_to(&new).await.expect_err("not yet");

    // Half of a renewal changes nothing.
    let key = new.signing_key.serialize_pem();
    std::fs::write(shell.path("key.pem"), key).expect("written");
    server.signal(Signal::HUP);
    until(async || server.said().contains("the certificate stays as it is")).await;
    ask().await;
    connect_to(&old).await.expect("still the old one");
    write(&shell, &new);
    server.signal(Signal::HUP);
    until(async || connect_to(&new).await.is_ok()).await;
    connect_to(&old).await.expect_err("no longer");
    ask().await;
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_at_the_start() {
    let shell = Shell::new();
    write(&shell, &certificate());
    let other = certificate().signing_key.serialize_pem();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let files = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let serve = [&serve[..], &files[..]].concat();
    for (name, text) in [
        ("key.pem", other.as_str()),
        ("key.pem", "no key"),
        ("cert.pem", "no certificate"),
    ] {
        std::fs::write(shell.path(name), text).expect("written");
        shell.run(&serve).await.is(1).says("cannot be used");
    }
    std::fs::remove_file(shell.path("cert.pem")).expect("removed");
    shell
        .run(&serve)
        .await
        .is(1)
        .says("cert.pem cannot be read");
}
