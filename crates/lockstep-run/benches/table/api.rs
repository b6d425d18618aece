//! Pages of the program's own API over a long history: 20 requests a second, whatever the ones before take.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::settings::{PaceMode, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_run::ahead::Ahead;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_run::{Engine, Request, Session, SiteAccess, Source, Watch};
use lockstep_sim::spec::many;
use lockstep_sim::{Channel, Gateway, Page, Provider};
use lockstep_store::sites::NewSite;
use lockstep_store::{KeySource, Store};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::bare::client_with;
use crate::binary;
use crate::diff::{PRICING, urls};
use crate::lists::World;
use crate::measure::{milliseconds, now, percentile};
use crate::report::{Report, Row};
use crate::served::{Server, token};

const CHANNELS: usize = 10_000;
const NAMES: usize = 20;
/// Each of so many sources has another tenth of so many models at another price.
const SOURCES: usize = 8;
const MODELS: usize = 25_000;
const DIFFERING: usize = SOURCES * MODELS / 10;
/// Runs of a single channel, so that the history has more than a page.
const SMALL_RUNS: usize = 60;

/// How far two requests are apart, and how many there are: 20 s of 20 a second.
const EVERY: Duration = Duration::from_millis(50);
const REQUESTS: usize = 400;
/// The p99 of any page, in milliseconds.
const GOAL: f64 = 50.0;

pub(crate) fn measure(program: &Path, folder: &Path, report: &mut Report) -> Outcome<()> {
    if !program.exists() {
        report.note("No program: `cargo build --release -p lockstep` first, or `make bench`.");
        return Ok(());
    }
    let database = folder.join("api.db");
    let elsewhere = Runtime::new()?;
    let (gateway, later) = elsewhere.block_on(start())?;
    let runtime = Runtime::new()?;
    let run = runtime.block_on(fill(&gateway, later, &database))?;
    let token = token(program, &database)?;
    let mut api = Api {
        client: client_with(&token)?,
        url: String::new(),
    };
    let server = Server::start(program, &database)?;
    api.url.clone_from(&server.url);
    let prices = runtime.block_on(api.plan_prices())?;
    drop(server);
    let (idle, _) = binary::waiting(program, &database)?;
    report.add(Row {
        goal: Some(15.0),
        ..Row::alone("idle memory, 10,000 channels", Some(idle), "MiB")
    });
    let server = Server::start(program, &database)?;
    api.url.clone_from(&server.url);
    let start = now();
    runtime.block_on(api.get("/differences"))?;
    let made = milliseconds(start.elapsed());
    for ((half, most), paths) in [
        (
            (
                "run list, 10,000 channels: p50",
                "run list, 10,000 channels: p99",
            ),
            lists_of_runs(),
        ),
        (
            ("items, 10,000 channels: p50", "items, 10,000 channels: p99"),
            items_of(&run, CHANNELS, "channel 77"),
        ),
        (
            ("items, 20,000 prices: p50", "items, 20,000 prices: p99"),
            items_of(&prices, DIFFERING, "qwen3"),
        ),
        (
            (
                "differences, 20,000 rows: p50",
                "differences, 20,000 rows: p99",
            ),
            differences(),
        ),
    ] {
        let times = runtime.block_on(api.ask(&paths))?;
        report.add(Row::alone(half, Some(percentile(&times, 50)), "ms"));
        report.add(Row {
            goal: Some(GOAL),
            ..Row::alone(most, Some(percentile(&times, 99)), "ms")
        });
        report.note(&slowest(&paths, &times));
    }
    report.add(Row::alone(
        "differences: made anew, kept lists",
        Some(made),
        "ms",
    ));
    report.note(
        "Pages: first, middle, last, sorted, searched and filtered ones in turn, 20 requests a second for\n\
         20 s, each from when it was due until it was read whole; the goal of p99 is in ms.",
    );
    gateway.stop();
    Ok(())
}

/// A gateway with long prices, and sources beside it. It has one channel; the others are for later.
async fn start() -> Outcome<(Gateway, Vec<Channel>)> {
    let world = World::new(SOURCES, MODELS);
    let mut spec = many(CHANNELS, NAMES, 1).inline(Duration::ZERO);
    for (field, map) in &world.maps {
        spec = spec.option(field.option_key(), map);
    }
    for (source, body) in world.bodies.into_iter().enumerate() {
        let provider = Provider::new(&format!("s{source}"), ["m"]).apart();
        spec = spec.provider(provider.page(PRICING, Page::json(body)));
    }
    let later = spec.channels.split_off(1);
    Ok((Gateway::start(spec).await?, later))
}

/// A database with a site, its sources, and runs over the gateway at no pace: many short ones, and one over all channels,
/// whose id comes back.
async fn fill(gateway: &Gateway, later: Vec<Channel>, database: &Path) -> Outcome<String> {
    let (engine, access) = site(gateway, database).await?;
    for (url, name) in urls(gateway, SOURCES).iter().zip(1..) {
        let spec = format!("{url},name=s{name},endpoint={PRICING}");
        let store = engine.store();
        store
            .add_source(&access.site.id, &format!("s{name}"), &spec)
            .await?;
    }
    let session = engine.session(access, &unpaced());
    for _ in 0..SMALL_RUNS {
        plan(&session, Source::All).await?;
    }
    for channel in later {
        gateway.add_channel(channel);
    }
    let long = plan(&session, Source::All).await?;
    engine.store().close().await;
    Ok(long)
}

/// A new database that knows the gateway as `bench`.
pub(crate) async fn site(gateway: &Gateway, database: &Path) -> Outcome<(Engine, SiteAccess)> {
    let store = Store::open(database, KeySource::FileBeside).await?;
    let site = NewSite {
        name: Some("bench".to_owned()),
        url: GatewayUrl::parse(&gateway.url())?,
        user_id: "1".to_owned(),
        console_url: None,
        allow_private: vec!["127.0.0.0/8".to_owned()],
        settings: BTreeMap::from([("pace".to_owned(), "auto".to_owned())]),
        token: Some(gateway.root_token().into()),
    };
    let access = SiteAccess {
        site: store.add_site(site, SystemClock.now()).await?,
        token: gateway.root_token().into(),
    };
    let engine = Engine::start(store, Arc::new(SystemClock), "bench".to_owned())?;
    Ok((engine, access))
}

pub(crate) fn unpaced() -> Settings {
    Settings {
        pace: PaceMode::Unlimited,
        concurrency: 8,
        ..Settings::default()
    }
}

/// Plans a run about models, whose id comes back.
pub(crate) async fn plan(session: &Session, source: Source) -> Outcome<String> {
    let request = Request {
        source,
        settings: unpaced(),
        policy: None,
        unattended: false,
        own_settings: false,
        go_on: false,
        after: None,
        ahead: Ahead::default(),
    };
    Ok(session.plan(&request, &Watch::default()).await?.id)
}

/// The kind of page that took longest, for which the times come in turn.
fn slowest(paths: &[String], times: &[f64]) -> String {
    let usual = |kind: usize| {
        let of_kind: Vec<f64> = times
            .iter()
            .skip(kind)
            .step_by(paths.len())
            .copied()
            .collect();
        percentile(&of_kind, 50)
    };
    let kinds = paths.iter().enumerate();
    let slowest = kinds
        .map(|(kind, path)| (usual(kind), path))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    slowest.map_or_else(String::new, |(time, path)| {
        format!("The slowest is {path}: usually {time:.1} ms.")
    })
}

fn lists_of_runs() -> Vec<String> {
    [
        "/runs",
        "/runs?limit=20",
        "/runs?subject=models&state=planned,done",
        "/runs?search=channel%2077",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn items_of(run: &str, items: usize, text: &str) -> Vec<String> {
    let text = text.replace(' ', "%20");
    let middle = items / 2;
    let last = items - 50;
    [
        String::new(),
        format!("?cursor={middle}"),
        format!("?cursor={last}"),
        "?sort=name&order=desc".to_owned(),
        format!("?search={text}"),
        "?status=planned,held".to_owned(),
    ]
    .map(|query| format!("/runs/{run}/items{query}"))
    .to_vec()
}

fn differences() -> Vec<String> {
    let last = DIFFERING / 50;
    [
        String::new(),
        "?page=200".to_owned(),
        format!("?page={last}"),
        "?sort=-move".to_owned(),
        "?sort=price&source=s3".to_owned(),
        "?search=qwen3".to_owned(),
        "?change=dearer&field=model_ratio".to_owned(),
    ]
    .map(|query| format!("/differences{query}"))
    .to_vec()
}

/// The API of one server, with a token.
#[derive(Clone)]
struct Api {
    client: Client,
    url: String,
}

impl Api {
    /// Fetches the lists, and has a run about prices planned, whose id comes back.
    async fn plan_prices(&self) -> Outcome<String> {
        let fetched = self
            .send(Method::POST, "/differences/refresh", None)
            .await?;
        let fetched: Value = serde_json::from_slice(&fetched)?;
        if fetched["total"] != json!(DIFFERING) {
            return Err(format!("{} rows instead of {DIFFERING}", fetched["total"]).into());
        }
        let wanted = json!({
            "subject": "prices", "what": "all", "plan_only": true,
            "settings": {"price-all-models": "true", "price-mode": "both"},
        });
        let begun = self
            .send(Method::POST, "/runs", Some(wanted.to_string()))
            .await?;
        let begun: Value = serde_json::from_slice(&begun)?;
        let id = begun["run"]
            .as_str()
            .ok_or("a run without its id")?
            .to_owned();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let runs: Value = serde_json::from_slice(&self.get("/runs?limit=1").await?)?;
            match runs["runs"][0]["state"].as_str() {
                Some("queued" | "reading") => {}
                Some("planned") => return Ok(id),
                other => return Err(format!("the price run is {other:?}").into()),
            }
        }
    }

    /// Asks for the pages in turn, each when it is due. How long each took since then, in milliseconds.
    async fn ask(&self, paths: &[String]) -> Outcome<Vec<f64>> {
        // Whatever is taken once, by the first request of a kind, is no page's.
        for path in paths {
            self.get(path).await?;
        }
        let mut under_way = Vec::with_capacity(REQUESTS);
        let start = tokio::time::Instant::from_std(now());
        for (number, path) in (0..REQUESTS).zip(paths.iter().cycle()) {
            let due = start + EVERY * u32::try_from(number)?;
            let (api, path) = (self.clone(), path.clone());
            under_way.push(tokio::spawn(async move {
                tokio::time::sleep_until(due).await;
                let read = api.get(&path).await.map_err(|error| error.to_string());
                read.map(|_| milliseconds(due.elapsed()))
            }));
        }
        let mut times = Vec::with_capacity(REQUESTS);
        for asked in under_way {
            times.push(asked.await??);
        }
        Ok(times)
    }

    async fn get(&self, path: &str) -> Outcome<Vec<u8>> {
        self.send(Method::GET, path, None).await
    }

    /// A request below the site, and what is answered.
    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Outcome<Vec<u8>> {
        let url = format!("{}/api/v1/sites/bench{path}", self.url);
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.body(body);
        }
        let mut response = request.send().await?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            answer.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            let told = String::from_utf8_lossy(&answer);
            return Err(format!("{path}: {status} {told}").into());
        }
        Ok(answer)
    }
}
