//! One source from its turn to its end: its pages, and the tries of each.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::source::{Addresses, CallBudget};
use lockstep_core::retry::backoff;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::http::{Get, GuardedClient, unix_seconds_now};

use super::reply::{Again, Trouble, page};
use super::{Ask, Options, Page, file};

/// The list whose calls a gateway counts together with sign-ins.
const COUNTED: &str = "/api/ratio_config";

/// What one source is asked with.
pub(super) struct Attempt<'a> {
    pub(super) client: &'a GuardedClient,
    pub(super) budget: &'a Mutex<CallBudget>,
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
                (read.unwrap_or_else(|_| Err(self.too_late())), None)
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
        let deadline = self.deadline;
        let asked = timeout_at(deadline, self.tried(address, headers)).await;
        match asked {
            // A request's own limit ends with the source's, so that either may be the first to see it.
            Ok(Err(failure)) if failure.kind == FailureKind::Timeout => {
                let over = Instant::now() >= deadline;
                Err(if over { self.too_late() } else { failure })
            }
            Ok(page) => page,
            Err(_) => Err(self.too_late()),
        }
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
        let budget = self.budget;
        let first = AtomicBool::new(true);
        let may = |url: &Url| {
            take_call(budget, url)?;
            if first.swap(false, Ordering::Relaxed) {
                self.attempts.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let get = Get {
            url,
            credential: headers,
            known: copy.and_then(|copy| Some((copy.url.as_str(), copy.etag.as_deref()?))),
            proxy: self.ask.proxy.as_deref(),
            deadline: self.deadline,
            may: &may,
        };
        let got = self.client.get(get).await;
        let (reply, url) = got.map_err(Trouble::transport)?;
        let copy = copy.filter(|copy| copy.url == url.as_str());
        page(reply, &url, copy)
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

/// Counts a call of a list whose calls are counted.
fn take_call(budget: &Mutex<CallBudget>, url: &Url) -> Result<(), Failure> {
    if !url.path().trim_end_matches('/').ends_with(COUNTED) {
        return Ok(());
    }
    let now = unix_seconds_now();
    let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
    budget.take(&host(url), now).map_err(|free| {
        let wait = free.saturating_sub(now);
        let text = format!(
            "{COUNTED} was asked for as often as a gateway lets one address within 20 minutes; \
             free again in {wait} s"
        );
        Failure::new(FailureKind::RateLimited, text)
    })
}

/// A host with its port.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{host}:{port}")
}
