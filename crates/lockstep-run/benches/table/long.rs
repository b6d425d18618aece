//! A long history for whoever looks at it: 10,000 channels, 20,000 prices that differ, and runs over both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::settings::{PaceMode, Settings};
use lockstep_core::site::GatewayUrl;
use lockstep_run::Ahead;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_run::{Engine, Request, Session, SiteAccess, Source, Watch};
use lockstep_sim::spec::many;
use lockstep_sim::{Channel, Gateway, Page, Provider};
use lockstep_store::sites::NewSite;
use lockstep_store::{KeySource, Store};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::api::Api;
use crate::diff::{PRICING, urls};
use crate::lists::World;
use crate::served::{Server, token};

/// How many channels there are.
pub(crate) const CHANNELS: usize = 10_000;
/// How many prices differ.
pub(crate) const DIFFERING: usize = SOURCES * MODELS / 10;
/// Models whose price was changed before.
pub(crate) const REPRICED: [&str; 2] = ["vendor/gpt-5-00000", "vendor/qwen3-00003"];
const NAMES: usize = 20;
/// Each of so many sources has another tenth of so many models at another price.
const SOURCES: usize = 8;
const MODELS: usize = 25_000;
/// Runs of a single channel, so that the history has more than a page.
const SMALL_RUNS: usize = 60;
/// How many tenths of a second a run may take.
const PATIENCE: usize = 3_000;

/// The history, and the gateway that it is about.
pub(crate) struct Long {
    gateway: Gateway,
    /// Where the gateway lives.
    _elsewhere: Runtime,
    pub(crate) database: PathBuf,
    /// A token of the program's API.
    pub(crate) token: String,
    /// A run over all channels.
    pub(crate) run: String,
    /// A planned run over all prices that differ.
    pub(crate) prices: String,
}

impl Long {
    /// Makes it in a folder.
    pub(crate) fn make(program: &Path, folder: &Path) -> Outcome<Self> {
        let database = folder.join("long.db");
        let elsewhere = Runtime::new()?;
        let (gateway, later) = elsewhere.block_on(start())?;
        let runtime = Runtime::new()?;
        let run = runtime.block_on(fill(&gateway, later, &database))?;
        let token = token(program, &database)?;
        let server = Server::start(program, &database)?;
        let api = Api::new(&server, &token)?;
        let prices = runtime.block_on(plan_prices(&api))?;
        Ok(Self {
            gateway,
            _elsewhere: elsewhere,
            database,
            token,
            run,
            prices,
        })
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        self.gateway.stop();
    }
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
    // Somebody looks at single channels again, so that the newest results are of several runs.
    for channel in [1, 5_000] {
        plan(&session, Source::Selected(vec![channel])).await?;
    }
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

/// Fetches the lists, has two prices written, and a run about all that differ planned, whose id comes back.
async fn plan_prices(api: &Api) -> Outcome<String> {
    let fetched = api.send(Method::POST, "/differences/refresh", None).await?;
    let fetched: Value = serde_json::from_slice(&fetched)?;
    if fetched["total"] != json!(DIFFERING) {
        return Err(format!("{} rows instead of {DIFFERING}", fetched["total"]).into());
    }
    let long = planned(api, json!({"what": "all"})).await?;
    let few = planned(api, json!({"what": "selected", "models": REPRICED})).await?;
    let run: Value = serde_json::from_slice(&api.get(&format!("/runs/{few}")).await?)?;
    let yes = json!({"plan": run["plan"]}).to_string();
    let path = format!("/runs/{few}/apply");
    api.send(Method::POST, &path, Some(yes)).await?;
    match rest(api, &few).await?.as_str() {
        "done" => Ok(long),
        other => Err(format!("the small price run is {other}").into()),
    }
}

/// Plans a run about prices.
async fn planned(api: &Api, what: Value) -> Outcome<String> {
    let mut wanted = json!({
        "subject": "prices", "plan_only": true,
        "settings": {"price-all-models": "true", "price-mode": "both"},
    });
    if let (Some(wanted), Some(what)) = (wanted.as_object_mut(), what.as_object()) {
        wanted.extend(what.clone());
    }
    let begun = api
        .send(Method::POST, "/runs", Some(wanted.to_string()))
        .await?;
    let begun: Value = serde_json::from_slice(&begun)?;
    let id = begun["run"].as_str().ok_or("a run without its id")?;
    match rest(api, id).await?.as_str() {
        "planned" => Ok(id.to_owned()),
        other => Err(format!("a price run is {other}").into()),
    }
}

/// Waits until nothing of the run moves, and tells its state.
async fn rest(api: &Api, run: &str) -> Outcome<String> {
    for _ in 0..PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let runs: Value = serde_json::from_slice(&api.get("/runs?limit=5").await?)?;
        let runs = runs["runs"].as_array().ok_or("no list of runs")?;
        let found = runs.iter().find(|one| one["run"] == *run);
        match found.and_then(|run| run["state"].as_str()) {
            Some("queued" | "reading" | "writing") => {}
            Some(state) => return Ok(state.to_owned()),
            None => return Err("the run is not listed".into()),
        }
    }
    Err("the run does not end".into())
}
