//! `lockstep diff` over loopback: its time beside fetching alone and comparing alone, and its peak memory in a process
//! of its own.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use lockstep_core::prices::source::{Endpoint, Target};
use lockstep_core::settings::{PaceMode, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_run::prices::collect::{Collecting, From, Wanted};
use lockstep_run::prices::compare::compare;
use lockstep_run::{Engine, Session, SiteAccess};
use lockstep_sim::{Gateway, Page, Provider, Spec};
use lockstep_store::sites::NewSite;
use lockstep_store::{KeySource, Store};
use reqwest::Client;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::bare::client;
use crate::lists::{SIZES, World};
use crate::measure::{Pairs, milliseconds, now};
use crate::prices;
use crate::report::{Report, Row};

/// The first word to a process that only measures its memory. The gateway's address, its token and the sources'
/// addresses follow.
pub(crate) const PEAK: &str = "--peak-of-diff";

pub(crate) const PRICING: &str = "/api/pricing";
/// How many sources are asked at once, by us as well.
const AT_ONCE: usize = 8;
/// Turns of ours and of the floor; the first is not counted.
pub(crate) const TURNS: usize = 9;
pub(crate) const MIB: f64 = 1_048_576.0;

/// The names of the rows, in the order of the sizes: time and memory.
const NAMES: [(&str, &str); SIZES.len()] = [
    ("diff: 8 x 500, over loopback", "diff: 8 x 500, peak memory"),
    ("diff: 8 x 5,000", "diff: 8 x 5,000, peak memory"),
    ("diff: 8 x 20,000", "diff: 8 x 20,000, peak memory"),
    ("diff: 50 x 5,000", "diff: 50 x 5,000, peak memory"),
];

pub(crate) fn measure(folder: &Path, report: &mut Report) -> Outcome<()> {
    // Gateway and sources are other machines in life; here they have at least threads of their own.
    let elsewhere = Runtime::new()?;
    for ((sources, models), (time, memory)) in SIZES.into_iter().zip(NAMES) {
        let world = World::new(sources, models);
        let compared = prices::compare(&world);
        let gateway = elsewhere.block_on(start(&world))?;
        let urls = urls(&gateway, sources);
        let (gateway_url, token) = (gateway.url(), gateway.root_token().to_owned());
        let database = folder.join(format!("diff-{sources}-{models}.db"));
        let runtime = Runtime::new()?;
        let bench = runtime.block_on(Bench::open(&gateway_url, &token, &database, &urls))?;
        let mut pairs = Pairs::default();
        for turn in 0..=TURNS {
            let start = now();
            runtime.block_on(fetch(&client(&gateway)?, &gateway_url, &urls))?;
            let floor = milliseconds(start.elapsed()) + compared.ours();
            let start = now();
            let differences = runtime.block_on(bench.diff())?;
            let ours = milliseconds(start.elapsed());
            black_box(differences);
            if turn > 0 {
                pairs.add(ours, floor);
            }
        }
        report.add(Row::beside(time, &pairs, "ms", Some(1.3)));
        let bodies: usize = world.bodies.iter().map(Vec::len).sum();
        let mut pairs = Pairs::default();
        let peak = peak_of(&gateway_url, &token, &urls)?;
        pairs.add(peak / MIB, 2.0 * bodies as f64 / MIB + 8.0);
        report.add(Row::beside(memory, &pairs, "MiB", Some(1.0)));
        gateway.stop();
    }
    report.note(
        "Diff: reads the gateway's options and the lists, compares, writes the answer's differences. Floors:\n\
         the same pages fetched and dropped, and the lists decoded and compared; 2 x the lists + 8 MiB.",
    );
    Ok(())
}

/// The other process: opens everything, looks how much memory it has, does the work, and prints how much more it took.
pub(crate) fn peak(arguments: &[String]) -> Outcome<()> {
    let [gateway, token, urls @ ..] = arguments else {
        return Err("no gateway and no token".into());
    };
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::new()?;
    let database = folder.path().join("lockstep.db");
    let bench = runtime.block_on(Bench::open(gateway, token, &database, urls))?;
    let idle = status("VmRSS:")?;
    // Forgets the peak of opening. Where the system has no such thing, that peak is counted too.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    black_box(runtime.block_on(bench.diff())?);
    println!("{}", status("VmHWM:")?.saturating_sub(idle));
    Ok(())
}

/// What a process of its own took beyond what it had idle, in bytes.
fn peak_of(gateway: &str, token: &str, urls: &[String]) -> Outcome<f64> {
    let output = Command::new(std::env::current_exe()?)
        .arg(PEAK)
        .args([gateway, token])
        .args(urls)
        .stderr(Stdio::inherit())
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let kibibytes = told.trim().parse::<u64>();
    kibibytes
        .map(|kibibytes| kibibytes as f64 * 1024.0)
        .map_err(|_| format!("the other process told no memory: {told}").into())
}

/// A line of this process' status, in KiB.
fn status(key: &str) -> Outcome<u64> {
    status_of("self", key)
}

/// A line of a process' status, in KiB.
pub(crate) fn status_of(process: &str, key: &str) -> Outcome<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| format!("the system does not tell {key}").into())
}

/// The addresses of the sources.
pub(crate) fn urls(gateway: &Gateway, sources: usize) -> Vec<String> {
    (0..sources)
        .map(|source| gateway.provider(&name(source)).base_url().to_owned())
        .collect()
}

fn name(source: usize) -> String {
    format!("s{source}")
}

/// A gateway with these maps, and sources that serve these lists, each at a port of its own.
pub(crate) async fn start(world: &World) -> Outcome<Gateway> {
    let mut spec = Spec::new();
    for (field, map) in &world.maps {
        spec = spec.option(field.option_key(), map);
    }
    for (source, body) in world.bodies.iter().enumerate() {
        let provider = Provider::new(&name(source), ["m"]).apart();
        spec = spec.provider(provider.page(PRICING, Page::json(body.clone())));
    }
    Ok(Gateway::start(spec).await?)
}

/// The same pages, fetched and dropped.
pub(crate) async fn fetch(client: &Client, gateway: &str, sources: &[String]) -> Outcome<()> {
    get(client, format!("{gateway}/api/option/")).await?;
    let urls = sources.iter().map(|source| format!("{source}{PRICING}"));
    futures_util::stream::iter(urls)
        .map(|url| get(client, url))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn get(client: &Client, url: String) -> Outcome<()> {
    let mut response = client.get(url).send().await?.error_for_status()?;
    while response.chunk().await?.is_some() {}
    Ok(())
}

/// What a `lockstep diff` works with.
struct Bench {
    session: Session,
    collecting: Collecting,
}

impl Bench {
    async fn open(
        gateway: &str,
        token: &str,
        database: &Path,
        sources: &[String],
    ) -> Outcome<Self> {
        let store = Store::open(database, KeySource::FileBeside).await?;
        let site = NewSite {
            name: Some("bench".to_owned()),
            url: GatewayUrl::parse(gateway)?,
            user_id: "1".to_owned(),
            console_url: None,
            allow_private: vec!["127.0.0.0/8".to_owned()],
            settings: BTreeMap::new(),
            token: None,
        };
        let access = SiteAccess {
            site: store.add_site(site, SystemClock.now()).await?,
            token: token.into(),
        };
        let settings = Settings {
            pace: PaceMode::Unlimited,
            ..Settings::default()
        };
        let engine = Engine::start(store, Arc::new(SystemClock), "bench".to_owned())?;
        let wanted = sources.iter().zip(1..).map(|(url, id)| Target {
            id,
            name: "source".to_owned(),
            base_url: url.clone(),
            endpoint: Endpoint::Path(PRICING.to_owned()),
        });
        Ok(Self {
            session: engine.session(access, &settings),
            collecting: Collecting {
                wanted: wanted
                    .map(|target| Wanted::open(From::Target(target)))
                    .collect(),
                time_limit: Duration::from_secs(60),
                allow: Vec::new(),
                max_retries: 0,
            },
        })
    }

    /// Reads, collects, compares and writes the differences as JSON, whose length comes back.
    async fn diff(&self) -> Outcome<usize> {
        let local = self.session.local_prices(0).await?;
        let collected = self.session.collect(&self.collecting).await?;
        let compared = compare(&local, &collected);
        let tables = compared.tables();
        if tables.len() < self.collecting.wanted.len() {
            return Err("a source gave no list".into());
        }
        Ok(compared.differences(&tables).json().len())
    }
}
