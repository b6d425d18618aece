//! Many sources at once: one fetch for all that share it, a few at a time, fewer of one host.

use std::collections::{HashMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_core::prices::source::Addresses;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use crate::http::GuardedClient;

use super::attempt::{Attempt, Pages, host};
use super::room::Room;
use super::{Ask, Calls, Fetched, Options};

/// Asks sources. Clones share the slots.
#[derive(Clone, Debug)]
pub struct Fetcher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: GuardedClient,
    options: Options,
    calls: Arc<dyn Calls>,
    slots: Semaphore,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Sources that are being asked. Dropping it stops them.
#[derive(Debug)]
pub struct Fetching {
    running: JoinSet<Done>,
    /// What each fetch is for: the place of each ask, and the ask.
    sharers: Vec<Vec<(usize, Ask)>>,
    ready: VecDeque<(usize, Fetched)>,
}

#[derive(Debug)]
struct Done {
    job: usize,
    pages: Pages,
    took: Duration,
    attempts: u32,
}

impl Fetcher {
    /// A fetcher with its own slots. `calls` counts for all who ask from this address.
    pub fn new(client: GuardedClient, options: Options, calls: Arc<dyn Calls>) -> Self {
        Self(Arc::new(Shared {
            client,
            options,
            calls,
            slots: Semaphore::new(options.at_once.max(1)),
            hosts: Mutex::default(),
        }))
    }

    /// Begins to ask. Asks with the same addresses, credentials and proxy share one fetch. All pages together have at most
    /// [`Options::most_bytes`]; what comes beyond is a failure, and nothing is asked for after it.
    pub fn start(&self, asks: Vec<Ask>) -> Fetching {
        let mut sharers: Vec<Vec<(usize, Ask)>> = Vec::new();
        let mut by_address: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, ask) in asks.into_iter().enumerate() {
            let key = format!("{:?}", ask.target.addresses());
            let jobs = by_address.entry(key).or_default();
            let same = jobs.iter().find(|job| {
                let first = sharers.get(**job).and_then(|sharers| sharers.first());
                first.is_some_and(|(_, first)| shares(first, &ask))
            });
            match same.copied().and_then(|job| sharers.get_mut(job)) {
                Some(sharing) => sharing.push((place, ask)),
                None => {
                    jobs.push(sharers.len());
                    sharers.push(vec![(place, ask)]);
                }
            }
        }
        let room = Arc::new(Room::new(self.0.options.most_bytes));
        let mut running = JoinSet::new();
        for (job, sharing) in sharers.iter().enumerate() {
            if let Some((_, ask)) = sharing.first() {
                let mut ask = ask.clone();
                let others = sharing.iter().skip(1);
                ask.copies
                    .extend(others.flat_map(|(_, other)| other.copies.iter().cloned()));
                running.spawn(fetch(Arc::clone(&self.0), Arc::clone(&room), job, ask));
            }
        }
        Fetching {
            running,
            sharers,
            ready: VecDeque::new(),
        }
    }

    /// Asks all and waits for the last: an answer for each ask, in their order.
    pub async fn fetch_all(&self, asks: Vec<Ask>) -> Vec<Fetched> {
        let mut fetching = self.start(asks);
        let mut answers = Vec::new();
        while let Some(answer) = fetching.next().await {
            answers.push(answer);
        }
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, fetched)| fetched).collect()
    }
}

impl Fetching {
    /// The next answer as it comes, with the place of its ask; `None` after the last.
    pub async fn next(&mut self) -> Option<(usize, Fetched)> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return Some(answer);
            }
            let done = match self.running.join_next().await? {
                Ok(done) => done,
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // Only dropping this value cancels a task, and then nobody asks.
                    Err(_) => continue,
                },
            };
            let sharing = self.sharers.get_mut(done.job).map(std::mem::take);
            for (place, ask) in sharing.unwrap_or_default() {
                let (page, pricing) = done.pages.clone();
                let fetched = Fetched {
                    target: ask.target,
                    page,
                    pricing,
                    took: done.took,
                    attempts: done.attempts,
                };
                self.ready.push_back((place, fetched));
            }
        }
    }
}

fn shares(one: &Ask, other: &Ask) -> bool {
    one.proxy == other.proxy && one.access.is_same(&other.access)
}

async fn fetch(shared: Arc<Shared>, room: Arc<Room>, job: usize, ask: Ask) -> Done {
    // The host's slot first: whoever waits for a busy host keeps no slot from the others.
    let host = shared.host_slots(&ask);
    let _host = match &host {
        Some(slots) => slots.acquire().await.ok(),
        None => None,
    };
    let _slot = match &host {
        Some(_) => shared.slots.acquire().await.ok(),
        None => None,
    };
    let start = Instant::now();
    let deadline = start + shared.options.time_limit;
    let attempt = Attempt {
        client: &shared.client,
        calls: shared.calls.as_ref(),
        room: &room,
        options: shared.options,
        ask: &ask,
        deadline,
        attempts: AtomicU32::new(0),
    };
    let pages = attempt.pages().await;
    Done {
        job,
        pages,
        took: start.elapsed(),
        attempts: attempt.attempts.into_inner(),
    }
}

impl Shared {
    /// The slots of the host that an ask goes to first; a file has none.
    fn host_slots(&self, ask: &Ask) -> Option<Arc<Semaphore>> {
        let address = match ask.target.addresses() {
            Addresses::One(url) | Addresses::Two(url, _) => url,
            Addresses::File(_) => return None,
        };
        let host = Url::parse(&address).map_or(address, |url| host(&url));
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(self.options.per_host.max(1)));
        Some(Arc::clone(hosts.entry(host).or_insert_with(new)))
    }
}
