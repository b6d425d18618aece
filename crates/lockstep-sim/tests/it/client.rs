//! The plainest of clients: it writes a request to a socket and keeps whatever comes back.

use std::io;
use std::net::SocketAddr;

use lockstep_sim::Gateway;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back, and how the connection ended.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: io::Result<()>,
}

impl Seen {
    pub(crate) fn was_reset(&self) -> bool {
        self.end
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }

    pub(crate) fn head(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.split()]).into_owned()
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(self.split() + 4..).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.head()
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head().lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }

    /// The body as JSON, or null.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(self.body()).unwrap_or_default()
    }

    fn split(&self) -> usize {
        self.bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or(self.bytes.len())
    }
}

/// Sends one request and reads until the connection ends.
pub(crate) async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Seen> {
    let mut stream = TcpStream::connect(addr).await?;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes()).await?;
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await.map(|_| ());
    Ok(Seen { bytes, end })
}

/// Sends a request as root.
pub(crate) async fn call(gateway: &Gateway, method: &str, path: &str, body: &str) -> Seen {
    let token = format!("Bearer {}", gateway.root_token());
    send(
        gateway.addr(),
        method,
        path,
        &[("Authorization", &token), ("New-Api-User", "1")],
        body,
    )
    .await
    .expect("the gateway listens")
}

pub(crate) async fn get(gateway: &Gateway, path: &str) -> Value {
    call(gateway, "GET", path, "").await.json()
}

pub(crate) async fn put_models(gateway: &Gateway, id: i64, models: &str) -> Seen {
    let body = serde_json::json!({"id":id,"models":models}).to_string();
    call(gateway, "PUT", "/api/channel/", &body).await
}

pub(crate) async fn put_option(gateway: &Gateway, key: &str, value: &str) -> Seen {
    let body = serde_json::json!({"key":key,"value":value}).to_string();
    call(gateway, "PUT", "/api/option/", &body).await
}
