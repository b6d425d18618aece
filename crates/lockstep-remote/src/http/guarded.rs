//! The client for addresses that were not made up here: each is judged when it is dialled, on each redirect anew.
//!
//! Names are resolved once, by our own hook, and the client dials what the hook gave it and nothing else: between the
//! check and the dial there is no second look-up that could answer otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_core::failure::{Failure, FailureKind};
use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION};
use tokio::time::Instant;
use url::Url;

use super::address::never;
use super::{AddressPolicy, CONNECT_TIMEOUT, Client, Refused, Reply, Request};

/// How many redirects are followed.
pub const MOST_REDIRECTS: usize = 5;

/// The addresses of a name, as they are found.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Whether a request may be made, as it is found out.
pub(crate) type Asking<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// Asked before every request to whom it goes.
pub(crate) trait Gate: Sync {
    /// Whether a request to this address may be made; `first` where no redirect led there.
    fn may<'a>(&'a self, url: &'a Url, first: bool) -> Asking<'a>;
}

/// Finds the addresses of a name. The machine's own resolver does unless another is given.
pub trait Lookup: Send + Sync {
    /// All addresses of a name.
    fn lookup(&self, name: &str) -> Looking;
}

/// A client that calls no special address unless the policy allows it. Clones share connections.
#[derive(Clone)]
pub struct GuardedClient(Arc<Shared>);

struct Shared {
    policy: Arc<AddressPolicy>,
    lookup: Arc<dyn Lookup>,
    /// For everything but the trusted sites.
    guarded: Client,
    /// For the trusted sites, whose names may be anywhere but at what is never called.
    trusted: Client,
    /// One for each proxy, whose own address is judged like any other.
    proxied: Mutex<BTreeMap<String, Client>>,
}

/// One page that is asked for.
pub(crate) struct Get<'a> {
    pub(crate) url: Url,
    /// Sent with the first request and with no redirect.
    pub(crate) credential: &'a HeaderMap,
    /// The address and the tag of the copy that is at hand.
    pub(crate) known: Option<(&'a str, &'a str)>,
    pub(crate) proxy: Option<&'a str>,
    /// When it must have ended, redirects and all.
    pub(crate) deadline: Instant,
    /// Asked before every request.
    pub(crate) gate: &'a dyn Gate,
}

impl GuardedClient {
    /// A client that resolves names as the machine does.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn new(policy: AddressPolicy) -> Result<Self, Failure> {
        Self::with_lookup(policy, Arc::new(Machine))
    }

    /// A client that resolves names as told.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn with_lookup(policy: AddressPolicy, lookup: Arc<dyn Lookup>) -> Result<Self, Failure> {
        let policy = Arc::new(policy);
        let hook = |judged: Judged| Hook {
            judged,
            lookup: Arc::clone(&lookup),
        };
        let guarded = hook(Judged::By(Arc::clone(&policy)));
        Ok(Self(Arc::new(Shared {
            guarded: Client::resolving(Arc::new(guarded), None)?,
            trusted: Client::resolving(Arc::new(hook(Judged::Trusted)), None)?,
            policy,
            lookup,
            proxied: Mutex::default(),
        })))
    }

    /// Asks for a page and follows its redirects. The answer's address comes with it.
    pub(crate) async fn get(&self, get: Get<'_>) -> Result<(Reply, Url), Failure> {
        let mut url = get.url.clone();
        // Trusted is the address that was configured, as long as it sends us nowhere else: a redirect to a trusted
        // site was made up by somebody else.
        let mut trusted = self.0.policy.trusts(&url);
        for hop in 0..=MOST_REDIRECTS {
            trusted = trusted && url.origin() == get.url.origin();
            let client = self.client(get.proxy, &url, trusted)?;
            let reply = hop_to(&client, &get, &url, hop == 0).await?;
            if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
                return Ok((reply, url));
            }
            url = target(&url, &reply)?;
        }
        let text = format!(
            "more than {MOST_REDIRECTS} redirects, the last to {}",
            shown(&url)
        );
        Err(Failure::new(FailureKind::Redirected, text))
    }

    /// The client that may call an address.
    pub(super) fn client(
        &self,
        proxy: Option<&str>,
        url: &Url,
        trusted: bool,
    ) -> Result<Client, Failure> {
        let shared = &self.0;
        if let Some(proxy) = proxy {
            shared.policy.check_behind_proxy(url).map_err(refused)?;
            return self.through(proxy);
        }
        if trusted {
            AddressPolicy::check_trusted(url).map_err(refused)?;
            return Ok(shared.trusted.clone());
        }
        shared.policy.check_url(url).map_err(refused)?;
        Ok(shared.guarded.clone())
    }

    /// The addresses of a name, all of which may be dialled.
    ///
    /// # Errors
    ///
    /// [`FailureKind::RefusedAddress`] when one of them may not, [`FailureKind::Unreachable`] when there is none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let shared = &self.0;
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = plain.parse::<IpAddr>() {
            shared.policy.judge(address).map_err(refused)?;
            return Ok(vec![address]);
        }
        let unreachable = |text: String| Failure::new(FailureKind::Unreachable, text);
        let looking = tokio::time::timeout(CONNECT_TIMEOUT, shared.lookup.lookup(host)).await;
        let addresses = looking
            .map_err(|_| unreachable(format!("{host} was not resolved in time")))?
            .map_err(|error| unreachable(format!("{host}: {error}")))?;
        for address in &addresses {
            let judged = shared.policy.judge(*address);
            judged.map_err(|error| refused(error.named(host)))?;
        }
        if addresses.is_empty() {
            return Err(unreachable(format!("{host} has no address")));
        }
        Ok(addresses)
    }

    fn through(&self, proxy: &str) -> Result<Client, Failure> {
        let shared = &self.0;
        let unreadable = |text: String| Failure::new(FailureKind::WrongAddress, text);
        let url = Url::parse(proxy).map_err(|error| unreadable(format!("proxy: {error}")))?;
        shared.policy.check_url(&url).map_err(refused)?;
        let mut proxied = shared
            .proxied
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = proxied.get(proxy) {
            return Ok(client.clone());
        }
        let hook = Hook {
            judged: Judged::By(Arc::clone(&shared.policy)),
            lookup: Arc::clone(&shared.lookup),
        };
        let client = Client::resolving(Arc::new(hook), Some(url))?;
        proxied.insert(proxy.to_owned(), client.clone());
        Ok(client)
    }
}

impl fmt::Debug for GuardedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedClient")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

async fn hop_to(client: &Client, get: &Get<'_>, url: &Url, first: bool) -> Result<Reply, Failure> {
    get.gate.may(url, first).await?;
    let mut headers = HeaderMap::new();
    if first {
        headers.clone_from(get.credential);
    }
    // A tag says something about the address it came from, and about no other.
    if let Some((at, tag)) = get.known
        && at == url.as_str()
        && let Ok(tag) = HeaderValue::from_str(tag)
    {
        headers.insert(IF_NONE_MATCH, tag);
    }
    let request = Request {
        method: Method::GET,
        url: url.clone(),
        headers,
        body: None,
        limit: get.deadline.saturating_duration_since(Instant::now()),
    };
    let sent = client.send(request).await;
    sent.map_err(|trouble| trouble.failure)
}

fn refused(refused: Refused) -> Failure {
    Failure::new(FailureKind::RefusedAddress, refused.to_string())
}

/// Where a redirect leads. It must not lead from https to http: what comes from there anybody on the way can write.
fn target(from: &Url, reply: &Reply) -> Result<Url, Failure> {
    let failed = |text: String| Failure::status(FailureKind::Redirected, reply.status, text);
    let location = reply.headers.get(LOCATION);
    let url = location
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
        .and_then(|text| from.join(text).ok())
        .ok_or_else(|| failed("a redirect that names no readable target".to_owned()))?;
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(failed(format!("from https to {}", shown(&url))));
    }
    Ok(url)
}

/// An address without what may be secret in it.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// The machine's own resolver.
struct Machine;

impl Lookup for Machine {
    fn lookup(&self, name: &str) -> Looking {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// By what an answer is judged.
#[derive(Clone)]
enum Judged {
    By(Arc<AddressPolicy>),
    Trusted,
}

/// What stands between the client and the names: it hands out addresses that were judged, or none at all.
struct Hook {
    judged: Judged,
    lookup: Arc<dyn Lookup>,
}

impl Resolve for Hook {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = self.lookup.lookup(name.as_str());
        let judged = self.judged.clone();
        Box::pin(async move {
            let addresses = looking.await?;
            // One bad answer refuses the name: whoever mixes them in decides which one is tried first.
            for address in &addresses {
                match &judged {
                    Judged::By(policy) => policy.judge(*address),
                    Judged::Trusted => never(*address),
                }
                .map_err(|refused| refused.named(name.as_str()))?;
            }
            if addresses.is_empty() {
                return Err(io::Error::other("the name has no address").into());
            }
            let found = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}
