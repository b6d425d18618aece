//! What every handler is given.

use std::net::SocketAddr;
use std::sync::Arc;

use lockstep_run::Engine;
use lockstep_run::jobs::Jobs;
use lockstep_store::Store;
use lockstep_store::sites::Site;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::caller::Caller;
use super::door::Door;
use super::metrics::Metrics;
use super::tending::Looks;
use crate::api::v1::prices::differences::kept::Tables;
use crate::config::File;
use crate::deeds::Deed;
use crate::ordering::Ordering;

/// The server's parts. Clones share them.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    engine: Engine,
    jobs: Jobs,
    ordering: Ordering,
    file: File,
    options: Options,
    metrics: Metrics,
    door: Door,
    tables: Tables,
    looks: Looks,
    stop: CancellationToken,
}

impl App {
    /// The parts over an engine.
    pub(crate) fn new(engine: Engine, file: File, options: Options) -> Self {
        Self(Arc::new(Inner {
            jobs: Jobs::new(engine.clone()),
            ordering: Ordering::new(engine.store().clone(), file.clone()),
            engine,
            file,
            options,
            metrics: Metrics::default(),
            door: Door::new(),
            tables: Tables::default(),
            looks: Looks::default(),
            stop: CancellationToken::new(),
        }))
    }

    /// Reads, plans and writes; who it acts for is set where a request is answered.
    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What is remembered.
    pub(crate) fn store(&self) -> &Store {
        self.0.engine.store()
    }

    /// Runs under way.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    /// What runs go by.
    pub(crate) fn ordering(&self) -> &Ordering {
        &self.0.ordering
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> &File {
        &self.0.file
    }

    /// How the server is reached.
    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// What the door remembers.
    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    /// How prices differ, as it was last seen.
    pub(crate) fn tables(&self) -> &Tables {
        &self.0.tables
    }

    /// When what is done unasked was last looked after.
    pub(crate) fn looks(&self) -> &Looks {
        &self.0.looks
    }

    /// Now, in Unix milliseconds.
    pub(crate) fn now(&self) -> i64 {
        self.0.engine.now()
    }

    /// The address that people type.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        self.0.options.url(address)
    }

    /// Tells everything to end.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Returns once everything is to end. Streams and loops wait for it.
    pub(crate) async fn stopping(&self) {
        self.0.stop.cancelled().await;
    }

    /// A word that ends with the server.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.0.stop.child_token()
    }

    /// The store, whose next write notes what a caller does by it, in the same transaction: it is done and noted, or
    /// neither.
    pub(crate) fn noting(&self, by: &Caller, site: Option<&Site>, deed: Deed) -> Store {
        let site = site.map(|site| site.id.as_str());
        deed.noted_by(self.store(), site, by.actor(), self.now())
    }

    /// Notes what a caller has just done, where that is not noted with it. What was done stays done where it cannot be noted: the log says so.
    pub(crate) async fn note(&self, by: &Caller, site: Option<&Site>, deed: &Deed) {
        let actor = by.actor();
        let site = site.map(|site| site.id.as_str());
        if let Err(error) = deed.note(self.store(), site, &actor, self.now()).await {
            tracing::error!(kind = deed.kind(), actor, %error, "a deed could not be noted");
        }
    }
}
