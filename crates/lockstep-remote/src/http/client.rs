//! The shared client and its bounds.

use std::sync::Arc;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::{ClientBuilder, Method, Proxy, Response};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use url::Url;

use super::trouble::NoReply;

/// How long a connection may take, with its TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reply's body may stand still between two pieces.
pub const BETWEEN_READS: Duration = Duration::from_secs(15);
/// The largest body that is read, in bytes after decompression. One byte more and the reply is refused.
pub const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// How much of an error page is read: enough for any message.
const LARGEST_ERROR_PAGE: usize = 64 * 1024;
/// How long an error page may take: the status is known already.
const ERROR_PAGE_TIME: Duration = Duration::from_secs(5);
/// Idle connections are dropped before common proxies drop them, so that a write seldom meets a dead one.
const IDLE: Duration = Duration::from_secs(30);

/// The HTTP client. It follows no redirect, obeys no proxy variable, trusts Mozilla's certificates and reads no
/// body beyond [`LARGEST_BODY`]. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

/// One request: one attempt, nothing is repeated.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
    /// The time limit of the whole attempt, from connecting to the body's last byte.
    pub(crate) limit: Duration,
}

/// A reply, read whole unless its status is an error.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// A client with its own pool of connections.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Tls`] when the TLS library refuses its own defaults, which no setting causes.
    pub fn new() -> Result<Self, Failure> {
        Self::build(Ok)
    }

    /// A client that dials what `resolver` says, or the proxy that it says.
    pub(super) fn resolving(
        resolver: Arc<dyn Resolve>,
        proxy: Option<Url>,
    ) -> Result<Self, Failure> {
        Self::build(|builder| {
            let builder = builder.dns_resolver(resolver);
            match proxy {
                Some(proxy) => Ok(builder.proxy(Proxy::all(proxy)?)),
                None => Ok(builder),
            }
        })
    }

    fn build(
        with: impl FnOnce(ClientBuilder) -> reqwest::Result<ClientBuilder>,
    ) -> Result<Self, Failure> {
        let unusable = |error: String| Failure::new(FailureKind::Tls, error);
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        // The provider is named here, so that no process-wide default is needed.
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        #[expect(
            clippy::disallowed_methods,
            reason = "the one client, from which all bounds come"
        )]
        let builder = reqwest::Client::builder();
        let builder = builder
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // Repeats are counted, paced and fenced by the caller; a silent one could double a write.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")));
        with(builder)
            .and_then(ClientBuilder::build)
            .map(Self)
            .map_err(|error| unusable(error.to_string()))
    }

    /// Sends one request and reads its reply within the request's limit.
    pub(crate) async fn send(&self, request: Request) -> Result<Reply, NoReply> {
        self.send_within(request, LARGEST_BODY).await
    }

    /// As [`Self::send`], but a body of more than `largest` bytes is refused.
    pub(crate) async fn send_within(
        &self,
        request: Request,
        largest: usize,
    ) -> Result<Reply, NoReply> {
        let limit = request.limit;
        timeout(limit, self.attempt(request, largest))
            .await
            .unwrap_or_else(|_| {
                let text = format!("no complete reply within {limit:?}");
                Err(NoReply::perhaps_sent(FailureKind::Timeout, text))
            })
    }

    async fn attempt(&self, request: Request, largest: usize) -> Result<Reply, NoReply> {
        let mut builder = self
            .0
            .request(request.method, request.url)
            .headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(NoReply::from_reqwest)?;
        let status = response.status();
        let body = if status.is_success() {
            whole_body(&mut response, largest).await?
        } else {
            error_page(&mut response).await
        };
        Ok(Reply {
            status: status.as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }
}

async fn whole_body(response: &mut Response, largest: usize) -> Result<Vec<u8>, NoReply> {
    // What is decoded loses this header; what keeps it cannot be read.
    if let Some(encoding) = response.headers().get(CONTENT_ENCODING)
        && encoding.as_bytes() != b"identity"
    {
        let text = "the reply is compressed in a way that was not asked for";
        return Err(NoReply::perhaps_sent(FailureKind::Broken, text));
    }
    // Room for what is announced, so that a long list is not copied again and again while it grows. An announcement that
    // is a lie costs addresses only: memory that is never touched is never there.
    let announced = response.content_length().unwrap_or(0);
    let room = usize::try_from(announced).map_or(largest, |room| room.min(largest));
    let mut body = Vec::with_capacity(room);
    loop {
        let piece = timeout(BETWEEN_READS, response.chunk())
            .await
            .map_err(|_| {
                let text = format!("the reply stood still for {BETWEEN_READS:?}");
                NoReply::perhaps_sent(FailureKind::Timeout, text)
            })?
            .map_err(NoReply::from_reqwest)?;
        let Some(piece) = piece else {
            return Ok(body);
        };
        if piece.len() > largest - body.len() {
            let text = format!("the reply is larger than {largest} bytes");
            return Err(NoReply::perhaps_sent(FailureKind::TooLarge, text));
        }
        body.extend_from_slice(&piece);
    }
}

/// Reads the start of an error page. Its status alone decides what happened, so trouble in the body is no trouble.
async fn error_page(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(piece)) = response.chunk().await {
            let room = LARGEST_ERROR_PAGE - body.len();
            body.extend(piece.iter().take(room));
            if piece.len() >= room {
                break;
            }
        }
    };
    // A page that is not whole in time is used as far as it came.
    let _ = timeout(ERROR_PAGE_TIME, reading).await;
    body
}
