//! One listener that serves every provider under `/p/<name>`.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::http::request::Parts;
use tokio::net::TcpListener;

use crate::connection::{Answer, Gauge, Handler, lock};
use crate::provider::answer::{answer, plain};
use crate::provider::{Directory, Manner, Provider, Running, RunningState};
use crate::server::{Commands, spawn};

/// The listener and all providers behind it.
pub(crate) struct ProviderHost {
    addr: SocketAddr,
    /// An address where nobody listens, for dead providers.
    closed: SocketAddr,
    served: Arc<Served>,
    /// Dropping this ends the listener.
    _commands: Commands,
}

struct Served {
    directory: Mutex<Directory>,
}

impl ProviderHost {
    pub(crate) async fn start(providers: &[Provider]) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        // Port 1 is privileged and hardly ever served; a port taken and given back could be handed to somebody else.
        let closed = SocketAddr::from(([127, 0, 0, 1], 1));
        let served = Arc::new(Served {
            directory: Mutex::new(HashMap::new()),
        });
        let host = Self {
            addr,
            closed,
            served: Arc::clone(&served),
            _commands: spawn(listener, addr, served),
        };
        for provider in providers {
            host.add(provider.clone());
        }
        Ok(host)
    }

    /// Starts serving one more provider.
    pub(crate) fn add(&self, provider: Provider) -> Arc<Running> {
        let addr = if provider.manner == Manner::Dead {
            self.closed
        } else {
            self.addr
        };
        let running = Arc::new(Running {
            base_url: format!("http://{addr}/p/{}", provider.name),
            in_progress: Gauge::default(),
            state: Mutex::new(RunningState {
                provider: provider.clone(),
                asks: 0,
                asks_in_manner: 0,
                last_key: None,
            }),
        });
        lock(&self.served.directory).insert(provider.name, Arc::clone(&running));
        running
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Running>> {
        lock(&self.served.directory).get(name).cloned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = lock(&self.served.directory).keys().cloned().collect();
        names.sort();
        names
    }

    /// Turns `sim://<name>` into the provider's address and leaves anything else as it is.
    pub(crate) fn resolve(&self, url: &str) -> String {
        let Some(name) = url.strip_prefix("sim://") else {
            return url.to_owned();
        };
        match self.get(name) {
            Some(running) => running.base_url.clone(),
            None => format!("http://{}/p/{name}", self.addr),
        }
    }

    /// The provider at an address, for answers from memory.
    pub(crate) fn at(&self, base_url: &str) -> Option<Arc<Running>> {
        let name = base_url.split("/p/").nth(1)?;
        self.get(name)
            .filter(|running| running.base_url == base_url)
    }
}

impl Handler for Served {
    async fn handle(self: Arc<Self>, head: Parts, _body: Incoming, _peer: IpAddr) -> Answer {
        let path = head.uri.path();
        let found = path.strip_prefix("/p/").and_then(|rest| {
            let (name, below) = rest.split_once('/')?;
            let running = lock(&self.directory).get(name).cloned()?;
            Some((running, format!("/{below}")))
        });
        match found {
            Some((running, below)) => answer(&running, &below, &head.headers).await,
            None => Answer::Reply(plain(404, "no such provider")),
        }
    }
}
