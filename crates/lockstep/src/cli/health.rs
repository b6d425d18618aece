//! `lockstep health`: whether a server on this machine answers, for a container's health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::exit::Exit;

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than any answer to it has.
const ANSWER: u64 = 4096;

pub(crate) async fn health(listen: SocketAddr) -> anyhow::Result<Exit> {
    let address = reachable(listen);
    let asked = tokio::time::timeout(PATIENCE, ask(address)).await;
    let status = asked.with_context(|| format!("{address} does not answer"))??;
    if status != "200" {
        bail!("{address} answers with {status}: it cannot work just now");
    }
    Ok(Exit::Done)
}

/// Where a server that listens everywhere is reached from here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status of `/readyz`. A request this small needs no client.
async fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("{address} cannot be reached; is `lockstep serve` running?"))?;
    let request = format!(
        "GET /readyz HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        address.port()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    match status {
        Some(status) => Ok(status.to_owned()),
        None => {
            bail!("{address} does not answer by http; with TLS, ask https://.../readyz instead")
        }
    }
}
