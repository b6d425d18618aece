//! A raw HTTP listener: it logs each request and answers it with the bytes that a test's closure makes.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockstep_core::pace::Pace;
use lockstep_core::site::GatewayUrl;
use lockstep_remote::gateway::{Connection, Gateway, GatewayReader, TimeLimits};
use lockstep_remote::http::Client;
use lockstep_remote::pace::Pacer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The token that must never show up anywhere.
pub(crate) const CANARY: &str = "CANARY-token-0123456789";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A number of the query, else 0.
    pub(crate) fn number(&self, key: &str) -> usize {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(0)
    }
}

/// What the listener does with a request.
pub(crate) enum Answer {
    /// Sends this and closes.
    Bytes(Vec<u8>),
    /// Closes without a word.
    Close,
    /// Says nothing, for ever.
    Silence,
    /// Sends the first bytes at once, then the second a byte at a time.
    Drip(Vec<u8>, Vec<u8>),
}

/// A running listener.
pub(crate) struct Server {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let server = Self {
            port,
            log: Arc::clone(&log),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&answer)));
            }
        });
        server
    }

    /// Answers everything alike.
    pub(crate) async fn always(reply: Vec<u8>) -> Self {
        Self::start(move |_| Answer::Bytes(reply.clone())).await
    }

    /// Answers the n-th request with the n-th reply, and the last one again and again.
    pub(crate) async fn script(replies: Vec<Vec<u8>>) -> Self {
        let next = Mutex::new(0);
        Self::start(move |_| {
            let mut next = next.lock().expect("no poison");
            let reply = replies.get(*next).or(replies.last()).cloned();
            *next += 1;
            Answer::Bytes(reply.unwrap_or_default())
        })
        .await
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().expect("no poison").clone()
    }

    pub(crate) fn gateway(&self) -> Gateway {
        gateway_at(&format!("http://127.0.0.1:{}", self.port))
    }

    pub(crate) fn reader(&self) -> GatewayReader {
        GatewayReader::new(self.gateway())
    }
}

/// A client of a gateway, without a pace and with short limits.
pub(crate) fn gateway_at(address: &str) -> Gateway {
    let connection = Connection {
        url: GatewayUrl::parse(address).expect("an address"),
        token: CANARY.into(),
        user_id: "7".into(),
    };
    let client = Client::new().expect("a client");
    let limits = TimeLimits {
        read: Duration::from_secs(20),
        write: Duration::from_secs(20),
    };
    Gateway::new(connection, client, Pacer::new(Pace::Unlimited)).with_time_limits(limits)
}

/// A reply with headers and a body, its length announced.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut head = format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

/// A JSON reply, with New API's mark.
pub(crate) fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    let headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Auth-Version", "864b7076dbcd0a3c01b5520316720ebf"),
    ];
    reply(200, &headers, body)
}

/// A success with this payload.
pub(crate) fn ok(data: &str) -> Vec<u8> {
    json(format!(r#"{{"success":true,"message":"","data":{data}}}"#))
}

/// A channel's JSON.
pub(crate) fn channel(id: i64, models: &str) -> String {
    format!(
        r#"{{"id":{id},"type":1,"key":"","status":1,"name":"channel {id}","weight":0,"base_url":"http://u/{id}",
        "balance":0,"models":"{models}","group":"default","model_mapping":null,"priority":5,"auto_ban":1,"tag":null,
        "channel_info":{{"is_multi_key":false}},"settings":""}}"#
    )
}

async fn serve<F>(mut stream: TcpStream, log: Arc<Mutex<Vec<Request>>>, answer: Arc<F>)
where
    F: Fn(&Request) -> Answer,
{
    let Some(request) = read(&mut stream).await else {
        return;
    };
    log.lock().expect("no poison").push(request.clone());
    // The other side may leave before the last byte, which is what some tests are about.
    match answer(&request) {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Close => {}
        Answer::Silence => pending().await,
        Answer::Drip(first, rest) => {
            let _ = stream.write_all(&first).await;
            for byte in rest {
                sleep(Duration::from_millis(20)).await;
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if bytes.first() == Some(&0x16) {
            // A TLS greeting, which a plain server takes for a bad request.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return None;
        }
    };
    let head = String::from_utf8_lossy(bytes.get(..head_end)?).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(bytes.get(head_end..)?).into_owned();
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}
