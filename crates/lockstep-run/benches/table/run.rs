//! A whole run over a thousand channels beside its bare requests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::settings::{Gate, PaceMode, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_run::review::Approval;
use lockstep_run::{Engine, Request, SiteAccess, Source, Watch};
use lockstep_sim::spec::many;
use lockstep_sim::{Entry, Gateway};
use lockstep_store::sites::NewSite;
use lockstep_store::{KeySource, Store};
use reqwest::Client;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::bare::{Requests, client};
use crate::measure::{Pairs, milliseconds, now};
use crate::report::{Report, Row};

const CHANNELS: usize = 1_000;
/// What a measured run sends: pages, providers, pages again, writes.
pub(crate) const REQUESTS: usize = CHANNELS / 100 + CHANNELS + CHANNELS / 100 + WRITES;
/// One provider in ten, all over the pages, has news for its three channels.
const CHANGED: std::ops::Range<usize> = 0..33;
const WRITES: usize = CHANGED.end * 3;
const NAMES: usize = 100;
const AT_ONCE: u32 = 8;
const PROVIDER: Duration = Duration::from_millis(5);
const ROUNDS: usize = 7;

/// The engine and what it works on.
struct Bench {
    gateway: Gateway,
    engine: Engine,
    site: String,
    settings: Settings,
    client: Client,
}

/// How long the two halves took.
struct Halves {
    read: f64,
    write: f64,
}

pub(crate) fn measure(database: &Path, report: &mut Report) -> Outcome<()> {
    // The gateway is another machine in life; here it has at least threads of its own.
    let elsewhere = Runtime::new()?;
    let gateway = elsewhere.block_on(start())?;
    let runtime = Runtime::new()?;
    let bench = runtime.block_on(prepare(gateway, database))?;
    let (mut whole, mut read, mut write) = <(Pairs, Pairs, Pairs)>::default();
    // The first run settles all channels; the second is the first with the usual news.
    for warm_up in 0..2 {
        runtime.block_on(bench.run(warm_up))?;
    }
    for round in 2..2 + ROUNDS {
        bench.gateway.clear_log();
        let ours = runtime.block_on(bench.run(round))?;
        let requests = sent(&bench.gateway.log(), &bench.gateway)?;
        let floor = runtime.block_on(bench.bare(&requests))?;
        whole.add(ours.read + ours.write, floor.read + floor.write);
        read.add(ours.read, floor.read);
        write.add(ours.write, floor.write);
    }
    report.add(Row::beside(
        "run over 1,000 channels, 99 written",
        &whole,
        "ms",
        Some(1.2),
    ));
    report.add(Row::beside("run: list, ask, plan", &read, "ms", None));
    report.add(Row::beside("run: write", &write, "ms", None));
    runtime.block_on(bench.engine.store().close());
    Ok(())
}

/// A gateway whose channels all have what their providers offer.
async fn start() -> Outcome<Gateway> {
    let mut spec = many(CHANNELS, NAMES, 1).inline(PROVIDER);
    for (index, channel) in spec.channels.iter_mut().enumerate() {
        let provider = &spec.providers[index % spec.providers.len()];
        channel.models = provider.models.join(",");
    }
    Ok(Gateway::start(spec).await?)
}

async fn prepare(gateway: Gateway, database: &Path) -> Outcome<Bench> {
    let store = Store::open(database, KeySource::FileBeside).await?;
    let site = NewSite {
        name: Some("bench".to_owned()),
        url: GatewayUrl::parse(&gateway.url())?,
        user_id: "1".to_owned(),
        console_url: None,
        allow_private: Vec::new(),
        settings: BTreeMap::new(),
        token: None,
    };
    let site = store.add_site(site, SystemClock.now()).await?;
    Ok(Bench {
        client: client(&gateway)?,
        gateway,
        engine: Engine::start(store, Arc::new(SystemClock), "bench".to_owned())?,
        site: site.id,
        settings: Settings {
            pace: PaceMode::Unlimited,
            concurrency: AT_ONCE,
            // The news have no price, and would wait for one.
            price_gate: Gate::Off,
            ..Settings::default()
        },
    })
}

/// The requests of the last run, if they are those that are to be measured.
fn sent(log: &[Entry], gateway: &Gateway) -> Outcome<Requests> {
    let writes = log.iter().filter(|entry| entry.is_write()).count();
    let requests = Requests::of(gateway, log);
    if (writes, requests.count()) == (WRITES, REQUESTS) {
        return Ok(requests);
    }
    let count = requests.count();
    Err(format!("{count} requests, {writes} writes, instead of {REQUESTS}, {WRITES}").into())
}

impl Bench {
    /// One run, to its end, of which every tenth channel has something to write.
    async fn run(&self, round: usize) -> Outcome<Halves> {
        for tenth in CHANGED {
            let provider = self.gateway.provider(&format!("p{}", tenth * 10));
            let mut models = provider.models();
            models.retain(|name| !name.starts_with("news-"));
            models.push(format!("news-{round}"));
            provider.set_models(models);
        }
        let access = SiteAccess {
            site: self.engine.store().site(&self.site).await?,
            token: self.gateway.root_token().into(),
        };
        let request = Request {
            source: Source::All,
            settings: self.settings.clone(),
            policy: None,
            unattended: false,
            own_settings: true,
            go_on: true,
            after: None,
            ahead: lockstep_run::Ahead::default(),
        };
        let session = self.engine.session(access, &self.settings);
        let watch = Watch::default();
        let start = now();
        let run = session.plan(&request, &watch).await?;
        let read = start.elapsed();
        session.write(&run.id, &Approval::default(), &watch).await?;
        Ok(Halves {
            read: milliseconds(read),
            write: milliseconds(start.elapsed() - read),
        })
    }

    /// The same requests in a bare loop.
    async fn bare(&self, requests: &Requests) -> Outcome<Halves> {
        let start = now();
        requests.read(&self.client, AT_ONCE as usize).await?;
        let read = start.elapsed();
        requests.write(&self.client, AT_ONCE as usize).await?;
        Ok(Halves {
            read: milliseconds(read),
            write: milliseconds(start.elapsed() - read),
        })
    }
}
