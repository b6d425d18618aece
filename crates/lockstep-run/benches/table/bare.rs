//! The floor of a run: the very requests that it sent, sent again in a bare loop that plans and journals nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use lockstep_sim::{Entry, Gateway};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Method};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;

use crate::Outcome;

/// One request, ready to be sent.
pub(crate) struct Bare {
    method: Method,
    url: String,
    body: Option<String>,
}

/// A run's requests in its three steps: pages one after the other, then providers, then writes with their pages.
pub(crate) struct Requests {
    pages: Vec<Bare>,
    providers: Vec<Bare>,
    writes: Vec<Bare>,
}

impl Requests {
    /// The requests of a gateway's log. A write sets the list that is there, turned by one name: the gateway has the
    /// same work with it, and a set of names is what it was.
    pub(crate) fn of(gateway: &Gateway, log: &[Entry]) -> Self {
        let mut requests = Self {
            pages: Vec::new(),
            providers: Vec::new(),
            writes: Vec::new(),
        };
        for entry in log {
            let query = match entry.query.as_str() {
                "" => String::new(),
                query => format!("?{query}"),
            };
            let bare = Bare {
                method: Method::from_bytes(entry.method.as_bytes()).unwrap_or(Method::GET),
                url: format!("{}{}{query}", gateway.url(), entry.path),
                body: entry.is_write().then(|| turned(gateway, entry)),
            };
            if entry.path.starts_with("/api/channel/fetch_models/") {
                requests.providers.push(bare);
            } else if requests.providers.is_empty() {
                requests.pages.push(bare);
            } else {
                requests.writes.push(bare);
            }
        }
        requests
    }

    pub(crate) fn count(&self) -> usize {
        self.pages.len() + self.providers.len() + self.writes.len()
    }

    /// What a run does until it is planned.
    pub(crate) async fn read(&self, client: &Client, at_once: usize) -> Outcome<()> {
        send_all(client, &self.pages, 1).await?;
        send_all(client, &self.providers, at_once).await
    }

    /// What a run does once it is approved.
    pub(crate) async fn write(&self, client: &Client, at_once: usize) -> Outcome<()> {
        send_all(client, &self.writes, at_once).await
    }
}

fn turned(gateway: &Gateway, entry: &Entry) -> String {
    let id = entry.channel.unwrap_or(0);
    let models = gateway.channel(id).map(|channel| channel.models);
    let models = models.unwrap_or_default();
    let models = match models.split_once(',') {
        Some((first, rest)) => format!("{rest},{first}"),
        None => models,
    };
    json!({"id": id, "models": models}).to_string()
}

async fn send_all(client: &Client, requests: &[Bare], at_once: usize) -> Outcome<()> {
    futures_util::stream::iter(requests)
        .map(|request| send(client, request))
        .buffer_unordered(at_once)
        .try_collect()
        .await
}

/// Sends one request and drops what comes.
async fn send(client: &Client, request: &Bare) -> Outcome<()> {
    let mut builder = client.request(request.method.clone(), &request.url);
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    let mut response = builder.send().await?.error_for_status()?;
    while response.chunk().await?.is_some() {}
    Ok(())
}

/// A client with the options of the one that Lockstep uses.
pub(crate) fn client(gateway: &Gateway) -> Outcome<Client> {
    client_with(gateway.root_token())
}

/// The same, with another token.
pub(crate) fn client_with(token: &str) -> Outcome<Client> {
    let bearer = format!("Bearer {token}");
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, HeaderValue::try_from(bearer)?),
        (
            HeaderName::from_static("new-api-user"),
            HeaderValue::from_static("1"),
        ),
        (ACCEPT, HeaderValue::from_static("application/json")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ]);
    Ok(options()?.default_headers(headers).build()?)
}

/// The options of the client that Lockstep uses.
pub(crate) fn options() -> Outcome<ClientBuilder> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    #[expect(
        clippy::disallowed_methods,
        reason = "the floor is a client of its own, with the same options"
    )]
    let builder = Client::builder();
    Ok(builder
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(5))
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent("lockstep-bench"))
}
