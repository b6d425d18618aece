//! Notices as mail, to a server that records what it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{add, tested};
use crate::canary::COMMON;
use crate::tester::Shell;

/// A mail server: it speaks no TLS, and answers recipients as told.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(recipients: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let answer = recipients[turn.min(recipients.len() - 1)];
                turn += 1;
                tokio::spawn(talk(stream, Arc::clone(&log), answer));
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> String {
        self.heard.lock().expect("no poison").join("\n")
    }
}

async fn talk(stream: TcpStream, heard: Arc<Mutex<Vec<String>>>, recipients: &'static str) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut in_data = false;
    let mut say = "220 mail.example ready".to_owned();
    loop {
        if !say.is_empty()
            && writer
                .write_all(format!("{say}\r\n").as_bytes())
                .await
                .is_err()
        {
            return;
        }
        let Ok(Some(line)) = lines.next_line().await else {
            return;
        };
        heard.lock().expect("no poison").push(line.clone());
        let word = line.split([' ', ':']).next().unwrap_or_default();
        say = match (in_data, word) {
            (true, ".") => {
                in_data = false;
                "250 kept".to_owned()
            }
            (true, _) => String::new(),
            (_, "EHLO") => "250 mail.example".to_owned(),
            (_, "RCPT") => recipients.to_owned(),
            (_, "DATA") => {
                in_data = true;
                "354 go on".to_owned()
            }
            (_, "QUIT") => "221 bye".to_owned(),
            _ => "250 fine".to_owned(),
        };
    }
}

const PEOPLE: &[&str] = &[
    "--from",
    "Lockstep <lockstep@shop.example>",
    "--to",
    "root@shop.example",
    "--to",
    "b@c.example",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_with_its_subject_and_recipients() {
    let server = Server::start(&["250 fine"]).await;
    let shell = Shell::new();
    let url = format!("smtp://127.0.0.1:{}?tls=none", server.port);
    add(&shell, "email", &url, PEOPLE).await.is(0);
    assert_eq!(tested(&shell).await, (true, 1, String::new()));
    let heard = server.heard();
    for line in [
        "MAIL FROM:<lockstep@shop.example>",
        "RCPT TO:<root@shop.example>",
        "RCPT TO:<b@c.example>",
        "Subject: Lockstep: a test of there. Notices arrive here.",
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(heard.contains(line), "no {line} in\n{heard}");
    }
    assert!(
        heard.contains("Message-ID: <") && heard.contains("@shop.example>"),
        "{heard}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_said_to_no_server_without_tls() {
    let server = Server::start(&["250 fine"]).await;
    let shell = Shell::new();
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let open = format!("{url}?tls=none\n{COMMON}\n");
    add(&shell, "email", &open, PEOPLE)
        .await
        .is(1)
        .says("only over an encrypted connection");
    add(&shell, "email", &format!("{url}\n{COMMON}\n"), PEOPLE)
        .await
        .is(0);
    let (arrived, attempts, error) = tested(&shell).await;
    assert!(!arrived && attempts == 1, "{attempts} {error}");
    let heard = server.heard();
    assert!(heard.starts_with("EHLO"), "{heard}");
    assert!(
        !heard.contains("AUTH") && !heard.contains("MAIL"),
        "{heard}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_mail_server_is_tried_again_and_one_that_refuses_is_not() {
    for (recipients, arrived, attempts) in [
        (&["451 later", "250 fine"][..], true, 2),
        (&["550 nobody here"], false, 1),
    ] {
        let server = Server::start(recipients).await;
        let shell = Shell::new();
        let url = format!("smtp://127.0.0.1:{}?tls=none", server.port);
        add(&shell, "email", &url, PEOPLE).await.is(0);
        let (did, tries, error) = tested(&shell).await;
        assert_eq!((did, tries), (arrived, attempts), "{error}");
        assert_eq!(error.contains("nobody here"), !arrived, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_inside_is_called_only_where_it_is_allowed() {
    let server = Server::start(&["250 fine"]).await;
    let shell = Shell::new();
    let url = format!("smtp://localhost:{}?tls=none", server.port);
    let args = [&["notice", "add", "there", "email", "--stdin"][..], PEOPLE].concat();
    shell.pipe(&args, &url).await.is(0);
    let (arrived, attempts, error) = tested(&shell).await;
    assert!(!arrived && attempts == 1, "{error}");
    assert!(error.contains("private and was not called"), "{error}");
    assert_eq!(server.heard(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_names_another_one_is_not_followed() {
    let inside = Server::start(&["250 fine"]).await;
    // RFC 5321, 3.4: a server may answer so, and nobody need do as it says.
    let there = format!("551 not here; try <root@[127.0.0.1]:{}>", inside.port);
    let there: &'static str = Box::leak(there.into_boxed_str());
    let answers: &'static [&'static str] = Box::leak(Box::new([there]));
    let server = Server::start(answers).await;
    let shell = Shell::new();
    let url = format!("smtp://127.0.0.1:{}?tls=none", server.port);
    add(&shell, "email", &url, PEOPLE).await.is(0);
    let (arrived, attempts, error) = tested(&shell).await;
    assert!(!arrived && attempts == 1, "{error}");
    assert!(error.contains("not here"), "{error}");
    assert_eq!(inside.heard(), "");
}
