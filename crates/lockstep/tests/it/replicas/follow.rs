//! Whoever follows a run as its replicas come and go: each time where the one before left off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long an answer may take before another replica is asked.
const WAITS: Duration = Duration::from_secs(10);

/// Where the replicas listen now. Those that are gone are empty.
pub(crate) type Hosts = Arc<Mutex<Vec<String>>>;

/// Asks a server that may be gone, or may be on its way out.
pub(crate) async fn attempt(
    host: &str,
    path: &str,
    token: &str,
    last: Option<u64>,
) -> Option<(u16, Incoming)> {
    let mut request = Request::get(path)
        .header("host", host)
        .header("authorization", format!("Bearer {token}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    send(host, request.body(Full::default()).expect("a request")).await
}

/// Sends a request to a server that may end before it answers.
pub(crate) async fn send(host: &str, request: Request<Full<Bytes>>) -> Option<(u16, Incoming)> {
    let asked = async {
        let stream = TcpStream::connect(host).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.ok()?;
        Some((answer.status().as_u16(), answer.into_body()))
    };
    tokio::time::timeout(WAITS, asked).await.ok()?
}

/// Follows a run to its end over whichever replica answers, and returns the numbers of its events as they came.
pub(crate) async fn follow(hosts: Hosts, first: usize, path: String, token: String) -> Vec<u64> {
    let mut told = Told::default();
    let mut at = first;
    while !told.over {
        let host = {
            let hosts = hosts.lock().expect("whole");
            hosts[at % hosts.len()].clone()
        };
        at += 1;
        if !host.is_empty()
            && let Some((200, mut body)) = attempt(&host, &path, &token, told.last()).await
        {
            told.begin();
            while let Some(Ok(frame)) = body.frame().await {
                told.hear(frame.data_ref().map_or(&[][..], |data| &data[..]));
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    told.numbers
}

/// What came of a stream so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The events' numbers in the order in which they came.
    pub(crate) numbers: Vec<u64>,
    /// Whether the end was told.
    pub(crate) over: bool,
    rest: Vec<u8>,
}

impl Told {
    fn last(&self) -> Option<u64> {
        self.numbers.last().copied()
    }

    /// What the stream before was cut off in is not gone on with.
    fn begin(&mut self) {
        self.rest.clear();
    }

    /// Takes some bytes of the stream. An event counts when it is whole.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.rest.drain(..end + 2).collect();
            let event = String::from_utf8(event).expect("a text");
            for line in event.lines() {
                if let Some(id) = line.strip_prefix("id: ") {
                    self.numbers.push(id.parse().expect("a number"));
                }
                self.over |= line == "event: end";
            }
        }
    }
}
