//! Many who listen to the events of one run: whether each gets all of them, how late, and what they cost the server.

use std::path::Path;
use std::time::Duration;

use futures_util::future::try_join_all;
use lockstep_core::change::Subject;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_run::{Engine, Session, Source};
use lockstep_sim::spec::many;
use lockstep_sim::{Gateway, Spec};
use reqwest::{Client, Response};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::bare::client_with;
use crate::diff::status_of;
use crate::long::{plan, site, unpaced};
use crate::measure::{milliseconds, now, percentile};
use crate::report::{Report, Row};
use crate::served::{Server, token};

const LISTENERS: usize = 200;
const CHANNELS: usize = 1_000;
/// How long a provider takes: eight are asked at once, so the run takes 5 s.
const PROVIDER: Duration = Duration::from_millis(40);
/// How long one tick of the system's count of processor time is, in milliseconds: 100 a second on every Linux.
const TICK: f64 = 10.0;
/// What the last event of a plan has in it.
const PLANNED: &str = r#""state":"planned""#;

/// An event's number, and when it came, in Unix milliseconds.
type Heard = Vec<(i64, i64)>;

/// What all listeners heard.
struct Listened {
    /// When the last of them began, in Unix milliseconds.
    all_there: i64,
    heard: Vec<Heard>,
}

/// What a run with listeners showed.
struct Told {
    /// How far the last listener was behind each event, in milliseconds.
    behind: Vec<f64>,
    /// How much more memory the server had than before, in MiB.
    memory: f64,
    /// How much of one core the server took, in per cent.
    processor: f64,
}

pub(crate) fn measure(program: &Path, folder: &Path, report: &mut Report) -> Outcome<()> {
    let database = folder.join("listeners.db");
    let elsewhere = Runtime::new()?;
    let gateway = elsewhere.block_on(Gateway::start(in_step()))?;
    let runtime = Runtime::new()?;
    let bench = runtime.block_on(Bench::open(&gateway, &database))?;
    let token = token(program, &database)?;
    let server = Server::start(program, &database)?;
    let client = client_with(&token)?;
    let one = runtime.block_on(bench.listened(&server, &client, 1))?;
    let all = runtime.block_on(bench.listened(&server, &client, LISTENERS))?;
    let alone = |name, value, unit| Row::alone(name, Some(value), unit);
    let last = |percent| percentile(&all.behind, percent);
    report.add(alone("200 listeners: the last hears, p50", last(50), "ms"));
    report.add(Row {
        floor: Some(percentile(&one.behind, 99)),
        ..alone("200 listeners: the last hears, p99", last(99), "ms")
    });
    report.add(alone("200 listeners: memory", all.memory, "MiB"));
    report.add(Row {
        floor: Some(one.processor),
        ..alone("200 listeners: processor", all.processor, "% core")
    });
    report.note(format!(
        "Listeners: each got all events of a run over {CHANNELS} channels, in order. The last hears: after\n\
         the event's time. The run is another process's, so the server does nothing but tell. Floors: one\n\
         listener."
    ));
    runtime.block_on(bench.engine.store().close());
    gateway.stop();
    Ok(())
}

/// A gateway whose channels all have what their providers offer. What would lose a name waits for the end of a run, and
/// its event would be late before anybody could hear it.
fn in_step() -> Spec {
    let mut spec = many(CHANNELS, 20, 1).inline(PROVIDER);
    for (index, channel) in spec.channels.iter_mut().enumerate() {
        let provider = &spec.providers[index % spec.providers.len()];
        channel.models = provider.models.join(",");
    }
    spec
}

/// A gateway to run over, in this process: what the server takes is for its listeners alone.
struct Bench {
    engine: Engine,
    session: Session,
    site: String,
}

impl Bench {
    async fn open(gateway: &Gateway, database: &Path) -> Outcome<Self> {
        let (engine, access) = site(gateway, database).await?;
        Ok(Self {
            site: access.site.id.clone(),
            session: engine.session(access, &unpaced()),
            engine,
        })
    }

    /// A run to which so many listen from its beginning.
    async fn listened(&self, server: &Server, client: &Client, many: usize) -> Outcome<Told> {
        let process = server.process();
        let before = status_of(&process, "VmRSS:")?;
        // Forgets the peak so far. Where the system has no such thing, that peak is counted too.
        let _ = std::fs::write(format!("/proc/{process}/clear_refs"), "5");
        let (taken, start) = (processor_of(&process)?, now());
        let known = self.latest().await?;
        let (run, listened) = tokio::join!(
            plan(&self.session, Source::All),
            self.listen(known, server, client, many)
        );
        let (run, listened) = (run?, listened?);
        let took = milliseconds(start.elapsed());
        let peak = status_of(&process, "VmHWM:")?;
        Ok(Told {
            behind: self.behind(&run, &listened).await?,
            memory: peak.saturating_sub(before) as f64 / 1024.0,
            processor: (processor_of(&process)? - taken) / took * 100.0,
        })
    }

    /// So many listen to the run that comes after a known one.
    async fn listen(
        &self,
        known: Option<String>,
        server: &Server,
        client: &Client,
        many: usize,
    ) -> Outcome<Listened> {
        let run = loop {
            match self.latest().await? {
                Some(run) if Some(&run) != known.as_ref() => break run,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let url = format!("{}/api/v1/sites/bench/runs/{run}/events", server.url);
        let streams = try_join_all((0..many).map(|_| open(client, &url))).await?;
        let all_there = SystemClock.now();
        let tasks = streams.into_iter().map(|stream| {
            tokio::spawn(async move { hear(stream).await.map_err(|error| error.to_string()) })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut heard = Vec::with_capacity(many);
        for task in tasks {
            heard.push(task.await??);
        }
        Ok(Listened { all_there, heard })
    }

    async fn latest(&self) -> Outcome<Option<String>> {
        let run = self.engine.store().latest_run(&self.site, Subject::Models);
        Ok(run.await?.map(|run| run.id))
    }

    /// How far the last listener was behind each event that happened once all were there. Everybody has to have heard
    /// every event, in order.
    async fn behind(&self, run: &str, listened: &Listened) -> Outcome<Vec<f64>> {
        let events = self.engine.store().events(run, 0).await?;
        if events.len() < CHANNELS {
            return Err(format!("{} events of {CHANNELS} channels", events.len()).into());
        }
        for heard in &listened.heard {
            let numbers = heard.iter().map(|(number, _)| *number);
            if !numbers.eq(events.iter().map(|event| event.seq)) {
                return Err("a listener heard other events, or in another order".into());
            }
        }
        let mut behind = Vec::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            let last = listened.heard.iter().map(|heard| heard[place].1).max();
            if event.at >= listened.all_there {
                behind.push((last.unwrap_or(event.at) - event.at) as f64);
            }
        }
        Ok(behind)
    }
}

/// Begins to listen.
async fn open(client: &Client, url: &str) -> Outcome<Response> {
    Ok(client.get(url).send().await?.error_for_status()?)
}

/// Listens until the run is at rest.
async fn hear(mut stream: Response) -> Outcome<Heard> {
    let (mut heard, mut text) = (Vec::with_capacity(CHANNELS), String::new());
    while let Some(chunk) = stream.chunk().await? {
        let at = SystemClock.now();
        text.push_str(std::str::from_utf8(&chunk)?);
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            let number = event.lines().find_map(|line| line.strip_prefix("id: "));
            if let Some(number) = number {
                heard.push((number.parse()?, at));
            }
            if event.contains(PLANNED) {
                return Ok(heard);
            }
        }
    }
    Err("a stream ended before its run".into())
}

/// The processor time that a process took, in milliseconds.
pub(crate) fn processor_of(process: &str) -> Outcome<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name may have spaces; what follows it in parentheses has none.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: Option<Vec<f64>> = (fields.split_whitespace().skip(11).take(2))
        .map(|number| number.parse().ok())
        .collect();
    match ticks.as_deref() {
        Some([user, system]) => Ok((user + system) * TICK),
        _ => Err("the system does not tell the processor time".into()),
    }
}
