//! One listener that serves every provider under `/p/<name>`, and one more for each that is apart.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::http::request::Parts;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::connection::{Answer, Gauge, Handler, lock};
use crate::fault::Rules;
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
    /// The same for the listeners of those that are apart, by their names.
    apart: Mutex<HashMap<String, Commands>>,
}

struct Served {
    directory: Mutex<Directory>,
    in_progress: Gauge,
    clock: Clock,
}

impl ProviderHost {
    pub(crate) async fn start(providers: &[Provider], clock: Clock) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        // Port 1 is privileged and hardly ever served; a port taken and given back could be handed to somebody else.
        let closed = SocketAddr::from(([127, 0, 0, 1], 1));
        let served = Arc::new(Served {
            directory: Mutex::new(HashMap::new()),
            in_progress: Gauge::default(),
            clock,
        });
        let host = Self {
            addr,
            closed,
            served: Arc::clone(&served),
            _commands: spawn(listener, addr, served),
            apart: Mutex::default(),
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
        } else if provider.apart {
            self.listen_apart(&provider.name)
        } else {
            self.addr
        };
        let mut rules = Rules::default();
        for rule in &provider.faults {
            rules.add(rule.clone());
        }
        let running = Arc::new(Running {
            base_url: format!("http://{addr}/p/{}", provider.name),
            in_progress: Gauge::default(),
            asked: Mutex::default(),
            rules: Mutex::new(rules),
            limiters: Mutex::default(),
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

    /// The most requests all providers together ever answered at the same time.
    pub(crate) fn max_concurrent(&self) -> usize {
        self.served.in_progress.most()
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

    /// Opens a listener for one provider. Where the system has one loopback address only, a port has to do.
    fn listen_apart(&self, name: &str) -> SocketAddr {
        let mut apart = lock(&self.apart);
        let nth = u32::try_from(apart.len()).unwrap_or(0) % 60_000;
        let own = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + nth);
        match listen(own).or_else(|_| listen(Ipv4Addr::LOCALHOST)) {
            Ok((listener, addr)) => {
                let commands = spawn(listener, addr, Arc::clone(&self.served));
                apart.insert(name.to_owned(), commands);
                addr
            }
            Err(error) => {
                tracing::warn!(%error, name, "no listener of its own");
                self.addr
            }
        }
    }
}

fn listen(host: Ipv4Addr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind((host, 0))?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

impl Handler for Served {
    async fn handle(self: Arc<Self>, head: Parts, _body: Incoming, peer: IpAddr) -> Answer {
        let at = self.clock.elapsed();
        let _busy = self.in_progress.enter();
        let path = head.uri.path();
        let found = path.strip_prefix("/p/").and_then(|rest| {
            let (name, below) = rest.split_once('/')?;
            let running = lock(&self.directory).get(name).cloned()?;
            Some((running, format!("/{below}")))
        });
        match found {
            Some((running, below)) => answer(&running, at, &head, &below, peer).await,
            None => Answer::Reply(plain(404, "no such provider")),
        }
    }
}
