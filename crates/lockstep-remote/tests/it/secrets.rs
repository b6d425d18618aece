//! The token shows up nowhere, whatever a gateway does with it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep_core::failure::Failure;
use lockstep_core::models::list::NonEmptyModels;
use lockstep_remote::gateway::{Connection, Fence, GatewayWriter};
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{CANARY, Server, json, ok, reply};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no poison").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

struct Open;

impl Fence for Open {
    fn check(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async { Ok(()) }.boxed()
    }
}

#[tokio::test]
async fn an_echoed_token_reaches_no_failure_no_debug_text_and_no_log() {
    let log = Log::default();
    // It hears the other tests of this binary too, which only makes it stricter.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .init();
    let hidden = CANARY.replace("token", "to\u{202e}ken");
    let texts = [
        format!("Bearer {CANARY}"),
        format!("key={CANARY}, again {CANARY}{CANARY}"),
        format!("https://h/{CANARY}?token={CANARY}"),
        format!("{}{CANARY}", "x".repeat(290)),
        hidden,
    ];
    let mut said = Vec::new();
    for text in &texts {
        let refusal = format!(r#"{{"success":false,"message":"{text}"}}"#);
        for bytes in [
            json(&refusal),
            reply(401, &[], &refusal),
            reply(403, &[("Content-Type", CANARY)], CANARY),
            reply(500, &[], &refusal),
            reply(404, &[], format!(r#"{{"error":{{"message":"{text}"}}}}"#)),
            reply(
                302,
                &[("Location", &format!("https://h/{CANARY}?{CANARY}"))],
                "",
            ),
            reply(200, &[("Content-Type", &format!("text/{CANARY}"))], CANARY),
            ok(&format!("\"{CANARY}\"")),
        ] {
            let server = Server::always(bytes).await;
            let reader = server.reader();
            let minute = Duration::from_secs(60);
            said.push(format!("{:?}", reader.page(1).await));
            said.push(format!("{:?}", reader.channel(1).await));
            said.push(format!("{:?}", reader.fetch_models(1, minute).await));
            said.push(format!("{:?}", reader.who_am_i().await));
            said.push(format!("{:?}", reader.status().await));
            let writer = GatewayWriter::new(server.gateway(), Arc::new(Open));
            let models = NonEmptyModels::new("a").expect("a list");
            said.push(format!("{:?}", writer.put_models(1, &models).await));
            said.push(format!("{reader:?} {writer:?}"));
        }
    }
    let connection = Connection {
        url: lockstep_core::site::GatewayUrl::parse("http://h").expect("an address"),
        token: CANARY.into(),
        user_id: "1".into(),
    };
    said.push(format!("{connection:?}"));
    for text in &said {
        assert!(!text.contains(CANARY), "{text}");
    }
    let log = log.0.lock().expect("no poison").clone();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("127.0.0.1"), "nothing was logged");
    for line in log.lines() {
        assert!(!line.contains(CANARY), "{line}");
    }
}
