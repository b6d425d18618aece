//! What the handle and the HTTP side share, and the path of one request through it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde_json::Value;
use tokio::sync::mpsc::WeakUnboundedSender;

use crate::clock::Clock;
use crate::connection::{Answer, Handler, Reply, Script, lock};
use crate::fault::{Fault, Rules};
use crate::gateway::auth::{Role, caller};
use crate::gateway::state::State;
use crate::gateway::{Channel, Gateway, fetch, go, pages, routes};
use crate::kill::{Aftermath, Deed, Trigger, When};
use crate::limit::Limiter;
use crate::log::{Entry, RequestLog};
use crate::provider::ProviderHost;
use crate::server::Command;
use crate::spec::{Flavour, Limit, Spec};

/// Everything behind the HTTP side.
pub(crate) struct Shared {
    pub(crate) spec: Spec,
    pub(crate) clock: Clock,
    pub(crate) state: Mutex<State>,
    pub(crate) log: RequestLog,
    pub(crate) rules: Mutex<Rules>,
    pub(crate) triggers: Mutex<Vec<Trigger>>,
    pub(crate) providers: ProviderHost,
    pub(crate) client: reqwest::Client,
    limiters: Mutex<HashMap<(Bucket, IpAddr), Limiter>>,
    /// The price page that is shown until it is old enough, with the time it was made.
    pub(crate) pricing_page: Mutex<Option<(Duration, Reply)>>,
    /// How often it was restarted: a request that began before a restart dies with it.
    restarts: AtomicU64,
    /// How many weeks the demo has let pass.
    pub(crate) weeks: AtomicUsize,
    home: OnceLock<(SocketAddr, WeakUnboundedSender<Command>)>,
}

/// What a limiter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    Global,
    Critical,
}

/// One request on its way.
pub(crate) struct Call {
    pub(crate) seq: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) peer: IpAddr,
    pub(crate) role: Option<Role>,
    /// A fault that changes what a write does.
    pub(crate) behaviour: Option<Fault>,
}

impl Shared {
    pub(crate) async fn new(spec: Spec) -> std::io::Result<Self> {
        let client = fetch::client()?;
        let clock = Clock::start();
        let providers = ProviderHost::start(&spec.providers, clock).await?;
        let state = State::new(&spec, |url| providers.resolve(url));
        Ok(Self {
            clock,
            state: Mutex::new(state),
            log: RequestLog::default(),
            rules: Mutex::default(),
            triggers: Mutex::default(),
            providers,
            client,
            limiters: Mutex::default(),
            pricing_page: Mutex::default(),
            restarts: AtomicU64::new(0),
            weeks: AtomicUsize::new(0),
            home: OnceLock::new(),
            spec,
        })
    }

    pub(crate) fn set_home(&self, addr: SocketAddr, commands: WeakUnboundedSender<Command>) {
        // It is called once, by the start.
        let _ = self.home.set((addr, commands));
    }

    pub(crate) fn home(&self) -> Option<(SocketAddr, WeakUnboundedSender<Command>)> {
        self.home.get().cloned()
    }

    pub(crate) fn add_channel(&self, mut channel: Channel) -> i64 {
        channel.base_url = channel.base_url.map(|url| self.providers.resolve(&url));
        lock(&self.state).add_channel(channel)
    }

    /// Forgets what a process keeps in memory, and lets the requests in progress die.
    pub(crate) fn die(&self) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
        lock(&self.limiters).clear();
        lock(&self.state).options.read_again();
        lock(&self.pricing_page).take();
    }

    /// Counts a call in a bucket, or answers the refusal.
    pub(crate) fn limit(&self, bucket: Bucket, peer: IpAddr) -> Result<(), Reply> {
        let limit: Option<Limit> = match bucket {
            Bucket::Global => self.spec.limits.global,
            Bucket::Critical => self.spec.limits.critical,
        };
        let Some(limit) = limit else {
            return Ok(());
        };
        let now = self.clock.elapsed();
        let mut limiters = lock(&self.limiters);
        let limiter = limiters
            .entry((bucket, peer))
            .or_insert_with(|| limit.limiter());
        limiter.try_acquire(now).map_err(|wait| self.too_many(wait))
    }

    fn too_many(&self, wait: Duration) -> Reply {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let announced = (self.spec.flavour != Flavour::OldFork).then(|| seconds.to_string());
        pages::too_many(announced.as_deref())
    }

    /// Shows a request to all triggers and answers the deeds that are due, for before and for after.
    fn due(&self, method: &str, path: &str, channel: Option<i64>) -> (Vec<Deed>, Vec<Deed>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut triggers = lock(&self.triggers);
        let mut waiting = Vec::with_capacity(triggers.len());
        for mut trigger in triggers.drain(..) {
            if trigger.matcher.matches(method, path, channel) {
                trigger.left -= 1;
            }
            match (trigger.left, trigger.when) {
                (0, When::BeforeApply) => before.push(trigger.deed),
                (0, When::AfterApply) => after.push(trigger.deed),
                _ => waiting.push(trigger),
            }
        }
        *triggers = waiting;
        (before, after)
    }

    fn perform(self: &Arc<Self>, deeds: Vec<Deed>) -> Aftermath {
        if deeds.is_empty() {
            return Aftermath::Answer;
        }
        let Some(gateway) = Gateway::lend(Arc::clone(self)) else {
            return Aftermath::NobodyLeft;
        };
        let mut aftermath = Aftermath::Answer;
        for deed in deeds {
            if deed.perform(&gateway) == Aftermath::NobodyLeft {
                aftermath = Aftermath::NobodyLeft;
            }
        }
        aftermath
    }

    /// The path as routed, without the prefix; `None` when the request is outside it.
    fn routed<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.spec.prefix.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    async fn answer(
        self: &Arc<Self>,
        mut call: Call,
        channel: Option<i64>,
        inside: bool,
        fault: Option<Fault>,
    ) -> Answer {
        let life = self.restarts.load(Ordering::SeqCst);
        let (before, after) = self.due(&call.method, &call.path, channel);
        if self.perform(before) == Aftermath::NobodyLeft {
            return Answer::Script(Script::reset());
        }
        let seq = call.seq;
        if let Some(fault) = &fault {
            self.log
                .update(seq, |entry| entry.fault = Some(fault.name()));
            if !fault.needs_reply() {
                return fault.answer_alone();
            }
            if let Fault::Delay(time) = fault {
                tokio::time::sleep(*time).await;
            }
            call.behaviour = Some(fault.clone());
        }
        if self.restarts.load(Ordering::SeqCst) != life {
            return Answer::Script(Script::reset());
        }
        let reply = if inside {
            routes::dispatch(self, &call).await
        } else {
            pages::web_page()
        };
        if self.perform(after) == Aftermath::NobodyLeft {
            return Answer::Script(Script::reset());
        }
        match fault {
            Some(fault) => fault.spoil(reply),
            None => Answer::Reply(reply),
        }
    }
}

impl Handler for Shared {
    async fn handle(self: Arc<Self>, head: Parts, body: Incoming, peer: IpAddr) -> Answer {
        let at = self.clock.elapsed();
        let _busy = self.log.in_progress.enter();
        let full = head.uri.path().to_owned();
        let (path, inside) = match self.routed(&full) {
            Some(path) => (path.to_owned(), true),
            None => (full, false),
        };
        let method = head.method.as_str().to_owned();
        let unread = lock(&self.rules).breaks_before_read(&method, &path, channel_in_path(&path));
        let body = if unread {
            Bytes::new()
        } else {
            match body.collect().await {
                Ok(collected) => collected.to_bytes(),
                Err(_) => return Answer::Script(Script::reset()),
            }
        };
        let channel = channel_in_path(&path).or_else(|| channel_in_body(&method, &body));
        let role = caller(&self.spec, &head.headers);
        let seq = self.log.arrived(Entry {
            seq: 0,
            at,
            finished: None,
            method: method.clone(),
            path: path.clone(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            channel,
            role: role.map(Role::number),
            status: None,
            fault: None,
            write: None,
            sent: sent_option(&method, &path, &body),
        });
        let fault = lock(&self.rules).next(&method, &path, channel);
        let call = Call {
            seq,
            method,
            path,
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            peer,
            role,
            behaviour: None,
        };
        let answer = self.answer(call, channel, inside, fault).await;
        let finished = self.clock.elapsed();
        self.log.update(seq, |entry| {
            entry.finished = Some(finished);
            if let Answer::Reply(reply) = &answer {
                entry.status = Some(reply.status);
            }
        });
        answer
    }
}

/// The key and the text of an option's write, as far as its body can be read.
fn sent_option(method: &str, path: &str, body: &[u8]) -> Option<(String, String)> {
    if method != "PUT" || path != "/api/option/" {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let key = body.get("key")?.as_str()?.to_owned();
    Some((key, go::printed(body.get("value")?)))
}

fn channel_in_path(path: &str) -> Option<i64> {
    let rest = path.strip_prefix("/api/channel/")?;
    rest.strip_prefix("fetch_models/")
        .unwrap_or(rest)
        .split('/')
        .next()?
        .parse()
        .ok()
}

fn channel_in_body(method: &str, body: &[u8]) -> Option<i64> {
    if method == "GET" || body.is_empty() {
        return None;
    }
    serde_json::from_slice::<Value>(body)
        .ok()?
        .get("id")?
        .as_i64()
}
