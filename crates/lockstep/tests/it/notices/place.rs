//! A place that notices go to: it records each request, and answers as told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// One answer: a status, headers as lines, and a body.
#[derive(Clone, Debug)]
pub(crate) struct Answer(pub(crate) u16, pub(crate) String, pub(crate) String);

/// The place.
pub(crate) struct Place {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// How many were never answered and hung up.
    gone: Arc<AtomicUsize>,
}

/// No request is waited for any longer; a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(120);

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

impl Place {
    /// Answers everything alike.
    pub(crate) async fn always(status: u16, body: &str) -> Self {
        Self::answering(vec![Answer(status, String::new(), body.to_owned())]).await
    }

    /// Answers the n-th request with the n-th answer, and the last one again and again.
    pub(crate) async fn answering(answers: Vec<Answer>) -> Self {
        Self::hanging(0, answers).await
    }

    /// Never answers anything.
    pub(crate) async fn that_hangs() -> Self {
        Self::hanging(usize::MAX, Vec::new()).await
    }

    /// Answers the first request never, and the others well.
    pub(crate) async fn that_hangs_at_first() -> Self {
        let good = Answer(200, String::new(), String::new());
        Self::hanging(1, vec![good]).await
    }

    async fn hanging(hangs: usize, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (asked, gone) = (Arc::default(), Arc::default());
        let place = Self { port, asked, gone };
        let (log, gone) = (Arc::clone(&place.asked), Arc::clone(&place.gone));
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((stream, _)) = listener.accept().await {
                turn += 1;
                let (log, answers) = (Arc::clone(&log), answers.clone());
                if turn <= hangs {
                    tokio::spawn(hang(stream, log, Arc::clone(&gone)));
                } else {
                    tokio::spawn(serve(stream, log, answers));
                }
            }
        });
        place
    }

    /// How many requests were never answered and given up.
    pub(crate) fn given_up(&self) -> usize {
        self.gone.load(Ordering::SeqCst)
    }

    /// The oldest request that was not looked at yet, once it is there.
    pub(crate) async fn next(&self) -> Asked {
        let found = async {
            loop {
                {
                    let mut asked = self.asked.lock().expect("no poison");
                    if !asked.is_empty() {
                        return asked.remove(0);
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.expect("a request")
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// What was asked since this was last called.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().expect("no poison"))
    }

    /// The one request since.
    #[track_caller]
    pub(crate) fn one(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:#?}");
        asked.remove(0)
    }
}

async fn hang(mut stream: TcpStream, log: Arc<Mutex<Vec<Asked>>>, gone: Arc<AtomicUsize>) {
    let Some(asked) = read(&mut stream).await else {
        return;
    };
    log.lock().expect("no poison").push(asked);
    let mut rest = Vec::new();
    let _gone = stream.read_to_end(&mut rest).await;
    gone.fetch_add(1, Ordering::SeqCst);
}

/// One request.
async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let (head, start) = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..end]).into_owned(), end + 4);
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(key, _)| key == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().expect("a length"));
    while bytes.len() < start + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[start..start + length]).into_owned();
    Some(Asked {
        line,
        headers,
        body,
    })
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Asked>>>, answers: Vec<Answer>) {
    let Some(asked) = read(&mut stream).await else {
        return;
    };
    let turn = {
        let mut log = log.lock().expect("no poison");
        log.push(asked);
        log.len() - 1
    };
    let Answer(status, more, body) = &answers[turn.min(answers.len() - 1)];
    let reply = format!(
        "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n{body}",
        body.len()
    );
    let _gone = stream.write_all(reply.as_bytes()).await;
    let _gone = stream.shutdown().await;
}
