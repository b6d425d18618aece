//! One HTTP connection, which a fault can take over from the HTTP server and use as a bare socket.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Takes a lock that a panicking test may have poisoned: the data is still what the test wants to look at.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request. It runs to its end even when the client leaves, as the real gateway's handlers do.
    fn handle(
        self: Arc<Self>,
        head: Parts,
        body: Incoming,
        peer: IpAddr,
    ) -> impl Future<Output = Answer> + Send;
}

/// What a handler decided.
#[derive(Debug)]
pub(crate) enum Answer {
    /// An ordinary HTTP answer; the connection stays open.
    Reply(Reply),
    /// The end of this connection, byte by byte.
    Script(Script),
}

/// An ordinary HTTP answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The answer as it would stand on the wire, without a word about its length.
    pub(crate) fn head_text(&self) -> String {
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown");
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            match (
                HeaderName::try_from(name),
                HeaderValue::from_bytes(value.as_bytes()),
            ) {
                (Ok(name), Ok(value)) => {
                    response.headers_mut().append(name, value);
                }
                _ => tracing::warn!("a scripted header cannot be sent and is left out"),
            }
        }
        response
    }
}

/// What to do with the bare socket.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// One act on the bare socket.
#[derive(Debug)]
pub(crate) enum Step {
    Write(Bytes),
    /// One byte at a time, this far apart.
    Drip(Bytes, Duration),
    Sleep(Duration),
}

/// How the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    #[default]
    Close,
    Reset,
}

impl Script {
    pub(crate) fn reset() -> Self {
        Self {
            steps: Vec::new(),
            end: End::Reset,
        }
    }

    async fn play(self, mut stream: TcpStream) -> std::io::Result<()> {
        for step in self.steps {
            match step {
                Step::Write(bytes) => stream.write_all(&bytes).await?,
                Step::Drip(bytes, gap) => {
                    for byte in bytes.chunks(1) {
                        stream.write_all(byte).await?;
                        tokio::time::sleep(gap).await;
                    }
                }
                Step::Sleep(time) => tokio::time::sleep(time).await,
            }
        }
        match self.end {
            End::Close => stream.shutdown().await,
            // Dropping a socket with zero linger sends RST.
            End::Reset => stream.set_zero_linger(),
        }
    }
}

/// An answer on its way, boxed so that the connection around it can be moved out of.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// Serves one connection until either side ends it or a script takes over.
pub(crate) async fn drive<H: Handler>(stream: TcpStream, handler: Arc<H>) {
    let peer = stream
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |addr| addr.ip());
    let (takeover, mut scripts) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        let takeover = takeover.clone();
        let answering: Answering = Box::pin(async move {
            let (head, body) = request.into_parts();
            match tokio::spawn(handler.handle(head, body, peer)).await {
                Ok(Answer::Reply(reply)) => Ok(reply.into_response()),
                Ok(Answer::Script(script)) => take_over(&takeover, script).await,
                Err(error) => {
                    tracing::error!(%error, "a simulated handler failed");
                    take_over(&takeover, Script::reset()).await
                }
            }
        });
        answering
    });
    let mut connection = http1::Builder::new()
        .max_buf_size(4 * 1024 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        }
        Some(script) = scripts.recv() => {
            let stream = connection.into_parts().io.into_inner();
            if let Err(error) = script.play(stream).await {
                tracing::debug!(%error, "the client left during a scripted answer");
            }
        }
    }
}

/// Hands the socket to a script. The HTTP server is dropped while it waits here.
async fn take_over<T>(takeover: &mpsc::UnboundedSender<Script>, script: Script) -> T {
    // The receiver lives as long as the connection, and without it nobody polls this future.
    let _ = takeover.send(script);
    pending().await
}

/// Counts what is in progress and remembers the most there was.
#[derive(Debug, Default)]
pub(crate) struct Gauge(Mutex<(usize, usize)>);

impl Gauge {
    pub(crate) fn enter(&self) -> Busy<'_> {
        let mut counts = lock(&self.0);
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        Busy(self)
    }

    pub(crate) fn most(&self) -> usize {
        lock(&self.0).1
    }

    pub(crate) fn reset(&self) {
        let mut counts = lock(&self.0);
        counts.1 = counts.0;
    }
}

/// One thing in progress.
pub(crate) struct Busy<'a>(&'a Gauge);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        lock(&self.0.0).0 -= 1;
    }
}
