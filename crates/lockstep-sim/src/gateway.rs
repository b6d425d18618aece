//! The simulated gateway: a handle to look behind the scenes and to make things go wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::connection::lock;
use crate::fault::{Edit, Rule};
use crate::kill::{Deed, Trigger, When};
use crate::log::{Entry, OptionWrite};
use crate::matcher::Matcher;
use crate::provider::{Provider, ProviderHandle};
use crate::server::{Command, Commands, spawn};
use crate::spec::Spec;

mod audit;
mod auth;
mod billing;
mod channel;
mod fetch;
mod go;
mod list;
mod old;
mod options;
mod pages;
mod pricing;
mod ratio;
mod routes;
mod shared;
mod state;
mod write;

pub use billing::{Billing, EffectivePrice, Rates, Refusal};
pub use channel::{Channel, ChannelInfo};
pub use options::PRICE_KEYS;

use shared::Shared;

/// A running simulated gateway. Clones are handles to the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    commands: Commands,
    addr: SocketAddr,
}

impl Gateway {
    /// Starts the gateway and its providers on free ports of 127.0.0.1.
    pub async fn start(spec: Spec) -> std::io::Result<Self> {
        let listener = TcpListener::bind(spec.listen).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::new(spec).await?);
        let commands = spawn(listener, addr, Arc::clone(&shared));
        let gateway = Self {
            shared: Arc::clone(&shared),
            commands,
            addr,
        };
        // The handler lends hooks a handle. It must not keep the gateway alive, so it holds a weak sender.
        shared.set_home(addr, gateway.commands.downgrade());
        Ok(gateway)
    }

    /// A handle for a hook, made by the request that runs it. `None` once the gateway is being dropped.
    pub(crate) fn lend(shared: Arc<Shared>) -> Option<Self> {
        let (addr, commands) = shared.home()?;
        Some(Self {
            commands: commands.upgrade()?,
            shared,
            addr,
        })
    }

    /// The address to give a client, with the prefix and without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.addr, self.shared.spec.prefix)
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The root user's access token (user id 1, role 100).
    pub fn root_token(&self) -> &str {
        &self.shared.spec.root_token
    }

    /// The admin's access token (user id 2, role 10).
    pub fn admin_token(&self) -> &str {
        &self.shared.spec.admin_token
    }

    /// The common user's access token (user id 3, role 1).
    pub fn common_token(&self) -> &str {
        &self.shared.spec.common_token
    }

    /// A channel as it is stored.
    pub fn channel(&self, id: i64) -> Option<Channel> {
        lock(&self.shared.state).channels.get(&id).cloned()
    }

    /// All channels as they are stored, by id.
    pub fn channels(&self) -> Vec<Channel> {
        lock(&self.shared.state)
            .channels
            .values()
            .cloned()
            .collect()
    }

    /// Changes a channel as a second admin would, and answers whether there is one. It is audited, as his would be.
    pub fn edit_channel(&self, id: i64, change: impl FnOnce(&mut Channel)) -> bool {
        let now = self.shared.clock.unix();
        lock(&self.shared.state).edit_channel_audited(
            id,
            now,
            |url| self.shared.providers.resolve(url),
            change,
        )
    }

    /// Makes a change as a second admin would, and answers whether there was what it changes and the gateway took it.
    /// It is audited, as his would be.
    pub fn edit(&self, edit: &Edit) -> bool {
        let now = self.shared.clock.unix();
        lock(&self.shared.state).edit_audited(edit, now, |url| self.shared.providers.resolve(url))
    }

    /// Lets a second admin make a change before or after the effect of the k-th request of a kind from now.
    pub fn edit_at(&self, matcher: Matcher, k: usize, when: When, edit: Edit) {
        self.on_match(matcher, k, when, move |gateway| {
            gateway.edit(&edit);
        });
    }

    /// Adds a channel and answers its id, a new one if it had none.
    pub fn add_channel(&self, channel: Channel) -> i64 {
        self.shared.add_channel(channel)
    }

    /// Removes a channel and answers whether there was one.
    pub fn remove_channel(&self, id: i64) -> bool {
        lock(&self.shared.state).channels.remove(&id).is_some()
    }

    /// An option's stored text.
    pub fn option(&self, key: &str) -> Option<String> {
        lock(&self.shared.state).options.text(key)
    }

    /// All stored option texts.
    pub fn options(&self) -> BTreeMap<String, String> {
        lock(&self.shared.state).options.texts().clone()
    }

    /// Sets an option's text as a second admin would, with all the effects a bad text has. It is audited, as his would be.
    pub fn set_option(&self, key: &str, text: &str) {
        let now = self.shared.clock.unix();
        lock(&self.shared.state).set_option_audited(key, text, now);
    }

    /// The texts of the ten options that hold prices, by key. A key that is not set has an empty text.
    pub fn price_texts(&self) -> BTreeMap<String, String> {
        let state = lock(&self.shared.state);
        PRICE_KEYS
            .into_iter()
            .map(|key| (key.to_owned(), state.options.text(key).unwrap_or_default()))
            .collect()
    }

    /// What the gateway bills by at this moment: a copy that later writes do not change.
    pub fn billing(&self) -> Billing {
        Billing::over(lock(&self.shared.state).options.clone())
    }

    /// What a call of this model costs at this moment, before the caller's group ratio.
    pub fn effective_price(&self, model: &str) -> EffectivePrice {
        self.billing().price(model)
    }

    /// A price map as the gateway bills by it, which a bad text leaves empty or half filled.
    pub fn live_prices(&self, key: &str) -> BTreeMap<String, f64> {
        lock(&self.shared.state).options.live(key)
    }

    /// A running provider.
    ///
    /// # Panics
    ///
    /// When there is none of this name: the test has a typing mistake.
    pub fn provider(&self, name: &str) -> ProviderHandle {
        match self.shared.providers.get(name) {
            Some(running) => ProviderHandle(running),
            None => panic!("no simulated provider is called {name:?}"),
        }
    }

    /// The names of all providers, in order.
    pub fn provider_names(&self) -> Vec<String> {
        self.shared.providers.names()
    }

    /// The most requests all providers together ever answered at the same time.
    pub fn providers_max_concurrent(&self) -> usize {
        self.shared.providers.max_concurrent()
    }

    /// Starts another provider, or replaces the one of this name.
    pub fn add_provider(&self, provider: Provider) -> ProviderHandle {
        ProviderHandle(self.shared.providers.add(provider))
    }

    /// Adds a scripted fault. Of several that are due, the one added first is met.
    pub fn fault(&self, rule: Rule) {
        lock(&self.shared.rules).add(rule);
    }

    /// Takes back all scripted faults, including reads that are still stale.
    pub fn clear_faults(&self) {
        lock(&self.shared.rules).clear();
        lock(&self.shared.state).forget_stale();
    }

    /// Runs a piece of the test before or after the effect of the k-th request from now (1 is the next).
    pub fn on_request(&self, k: usize, when: When, run: impl FnOnce(&Gateway) + Send + 'static) {
        self.on_match(Matcher::any(), k, when, run);
    }

    /// The same for the k-th request of a kind.
    pub fn on_match(
        &self,
        matcher: Matcher,
        k: usize,
        when: When,
        run: impl FnOnce(&Gateway) + Send + 'static,
    ) {
        self.trigger(matcher, k, when, Deed::Run(Box::new(run)));
    }

    /// Sends SIGKILL to a process at the k-th request from now (1 is the next). That request is not answered.
    pub fn kill_at(&self, pid: u32, k: usize, when: When) {
        self.kill_at_match(Matcher::any(), pid, k, when);
    }

    /// The same, counting only PUT requests.
    pub fn kill_at_put(&self, pid: u32, k: usize, when: When) {
        self.kill_at_match(Matcher::put("/"), pid, k, when);
    }

    /// The same, counting only requests of a kind.
    pub fn kill_at_match(&self, matcher: Matcher, pid: u32, k: usize, when: When) {
        self.trigger(matcher, k, when, Deed::Kill(pid));
    }

    /// Sends SIGSTOP to a process at the k-th request of a kind from now. The request is answered all the same.
    pub fn pause_at(&self, matcher: Matcher, pid: u32, k: usize, when: When) {
        self.trigger(matcher, k, when, Deed::Pause(pid));
    }

    /// Sends SIGCONT to a paused process.
    pub fn resume(&self, pid: u32) {
        crate::kill::resume(pid);
    }

    /// Takes back hooks, kills and pauses whose request has not come.
    pub fn clear_triggers(&self) {
        lock(&self.shared.triggers).clear();
    }

    /// Every request so far, in the order of arrival.
    pub fn log(&self) -> Vec<Entry> {
        self.shared.log.rows()
    }

    /// Every request but GET and HEAD.
    pub fn writes(&self) -> Vec<Entry> {
        let mut rows = self.log();
        rows.retain(Entry::is_write);
        rows
    }

    /// Every write that changed a stored value, answered or not.
    pub fn effective_writes(&self) -> Vec<Entry> {
        let mut rows = self.log();
        rows.retain(|entry| entry.write.as_ref().is_some_and(|write| write.effective));
        rows
    }

    /// Every `PUT /api/option/` so far, in the order of arrival, applied or not, with full texts.
    pub fn option_writes(&self) -> Vec<OptionWrite> {
        self.log().into_iter().filter_map(OptionWrite::of).collect()
    }

    /// How many requests of a method had a path with this beginning.
    pub fn count(&self, method: &str, path_prefix: &str) -> usize {
        self.shared
            .log
            .count(|entry| entry.method == method && entry.path.starts_with(path_prefix))
    }

    /// How many requests were answered with a status.
    pub fn count_status(&self, status: u16) -> usize {
        self.shared.log.count(|entry| entry.status == Some(status))
    }

    /// Forgets the log and the most requests at a time, but not the sequence numbers.
    pub fn clear_log(&self) {
        self.shared.log.clear();
        self.shared.log.in_progress.reset();
    }

    /// The most requests it ever worked on at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.shared.log.in_progress.most()
    }

    /// Waits until a condition holds, looking again and again, and answers whether it came to hold in time.
    pub async fn until(&self, timeout: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let deadline = self.elapsed() + timeout;
        loop {
            if condition(self) {
                return true;
            }
            if self.elapsed() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Time since the start, which the log's times count from.
    pub fn elapsed(&self) -> Duration {
        self.shared.clock.elapsed()
    }

    /// Restarts it on the same port: drops all connections, refuses new ones for a while, forgets its rate limits.
    /// A request in progress that has had no effect yet will have none.
    pub fn restart(&self, down: Duration) {
        self.shared.die();
        // A send fails only when the server is gone, and then there is nothing left to restart.
        let _ = self.commands.send(Command::Restart(down));
    }

    /// Ends it for good: its port is closed. The handle still shows its state.
    pub fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
    }

    /// Counts another week of the demo's.
    pub(crate) fn next_week(&self) -> usize {
        self.shared.weeks.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn trigger(&self, matcher: Matcher, k: usize, when: When, deed: Deed) {
        lock(&self.shared.triggers).push(Trigger {
            matcher,
            left: k.max(1),
            when,
            deed,
        });
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
