//! One source from its turn to its end: its pages, and the tries of each.

use std::sync::atomic::{AtomicU32, Ordering};

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::source::Addresses;
use lockstep_core::retry::backoff;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::http::{Asking, Gate, Get, GuardedClient};

use super::reply::{Again, Trouble, page};
use super::room::Room;
use super::{Ask, Calls, Options, Page, file};

/// The list whose calls a gateway counts together with sign-ins.
pub(super) const COUNTED: &str = "/api/ratio_config";

/// What one source is asked with.
pub(super) struct Attempt<'a> {
    pub(super) client: &'a GuardedClient,
    pub(super) calls: &'a dyn Calls,
    pub(super) room: &'a Room,
    pub(super) options: Options,
    pub(super) ask: &'a Ask,
    pub(super) deadline: Instant,
    /// Requests so far.
    pub(super) attempts: AtomicU32,
}

/// What came of it: the page, and the other one where both were asked for.
pub(super) type Pages = (Result<Page, Failure>, Option<Result<Page, Failure>>);

impl Attempt<'_> {
    /// Asks for the source's page or pages.
    pub(super) async fn pages(&self) -> Pages {
        let ask = self.ask;
        let headers = match ask.access.headers() {
            Ok(headers) => headers,
            Err(failure) => return (Err(failure), None),
        };
        match ask.target.addresses() {
            Addresses::One(url) => (self.page(&url, &headers).await, None),
            Addresses::File(path) => {
                let read = timeout_at(self.deadline, file::read(&path)).await;
                let page = read.unwrap_or_else(|_| Err(self.too_late()));
                (page.and_then(|page| self.held(page)), None)
            }
            Addresses::Two(first, second) => match self.page(&first, &headers).await {
                Ok(page) if self.options.both => {
                    let pricing = self.page(&second, &headers).await;
                    (Ok(page), Some(pricing))
                }
                Err(failure) if is_not_to_be_had(&failure) => {
                    (self.page(&second, &headers).await, None)
                }
                page => (page, None),
            },
        }
    }

    /// One page within the time that is left.
    async fn page(&self, address: &str, headers: &HeaderMap) -> Result<Page, Failure> {
        self.room.check()?;
        let deadline = self.deadline;
        let asked = timeout_at(deadline, self.tried(address, headers)).await;
        match asked {
            // A request's own limit ends with the source's, so that either may be the first to see it.
            Ok(Err(failure)) if failure.kind == FailureKind::Timeout => {
                let over = Instant::now() >= deadline;
                Err(if over { self.too_late() } else { failure })
            }
            Ok(page) => page.and_then(|page| self.held(page)),
            Err(_) => Err(self.too_late()),
        }
    }

    /// A page for which there is room.
    fn held(&self, page: Page) -> Result<Page, Failure> {
        self.room.take(page.body.len())?;
        Ok(page)
    }

    fn too_late(&self) -> Failure {
        let limit = self.options.time_limit;
        let text = format!("Connection Timeout: no complete answer within {limit:?}");
        Failure::new(FailureKind::Timeout, text)
    }

    /// One page, tried as often as set.
    async fn tried(&self, address: &str, headers: &HeaderMap) -> Result<Page, Failure> {
        let clean = |failure| self.ask.access.clean(failure);
        let url = Url::parse(address).map_err(|error| {
            // What cannot be read as an address may still hold a password.
            Failure::new(FailureKind::WrongAddress, format!("its address: {error}"))
        })?;
        let mut tries = 0;
        loop {
            tries += 1;
            let trouble = match self.one(url.clone(), headers).await {
                Ok(page) => return Ok(page),
                Err(trouble) => trouble,
            };
            let mut failure = clean(trouble.failure);
            let wait = match trouble.again {
                Again::No => return Err(failure),
                Again::Soon => backoff(tries, rand::random()),
                Again::After(pause) => pause,
            };
            let too_late = Instant::now() + wait >= self.deadline;
            if let Again::After(pause) = trouble.again
                && too_late
            {
                failure.detail = format!("{}, and asks to wait {pause:?}", failure.detail);
            }
            if too_late || tries >= self.options.tries {
                return Err(failure);
            }
            tracing::debug!(kind = failure.kind.code(), tries, "asking the source again");
            sleep(wait).await;
        }
    }

    async fn one(&self, url: Url, headers: &HeaderMap) -> Result<Page, Trouble> {
        // The copy of this address, or of the one it was last redirected to.
        let tagged = |copy: &&Page| copy.etag.is_some();
        let copies = || self.ask.copies.iter().filter(tagged);
        let own = copies().find(|copy| copy.url == url.as_str());
        let copy = own.or_else(|| copies().next());
        let get = Get {
            url,
            credential: headers,
            known: copy.and_then(|copy| Some((copy.url.as_str(), copy.etag.as_deref()?))),
            proxy: self.ask.proxy.as_deref(),
            deadline: self.deadline,
            gate: self,
        };
        let got = self.client.get(get).await;
        let (reply, url) = got.map_err(Trouble::transport)?;
        let copy = copy.filter(|copy| copy.url == url.as_str());
        page(reply, &url, copy)
    }
}

impl Gate for Attempt<'_> {
    fn may<'t>(&'t self, url: &'t Url, first: bool) -> Asking<'t> {
        Box::pin(async move {
            if url.path().trim_end_matches('/').ends_with(COUNTED) {
                self.calls.take(&host(url)).await?;
            }
            if first {
                self.attempts.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
    }
}

/// Whether the site says that it does not have that list, so that its other one is worth asking for.
fn is_not_to_be_had(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Unauthorized
            | FailureKind::Forbidden
            | FailureKind::Firewall
            | FailureKind::NotFound
            | FailureKind::Rejected
            | FailureKind::WrongAddress
    )
}

/// A host with its port.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{host}:{port}")
}
