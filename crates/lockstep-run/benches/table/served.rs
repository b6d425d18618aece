//! `POST /api/ratio_sync/fetch` of the program itself: its time beside fetching alone and comparing alone, and how much
//! memory the server takes for it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Client;
use reqwest::header::ACCEPT_ENCODING;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::bare::client;
use crate::diff::{self, MIB, PRICING, TURNS, status_of};
use crate::lists::{SIZES, World};
use crate::measure::{Pairs, milliseconds, now};
use crate::report::{Report, Row};
use crate::{long, prices};

/// The names of the rows, in the order of the sizes: time and memory.
const NAMES: [(&str, &str); SIZES.len()] = [
    (
        "fetch: 8 x 500, by the server",
        "fetch: 8 x 500, peak memory",
    ),
    ("fetch: 8 x 5,000", "fetch: 8 x 5,000, peak memory"),
    ("fetch: 8 x 20,000", "fetch: 8 x 20,000, peak memory"),
    ("fetch: 50 x 5,000", "fetch: 50 x 5,000, peak memory"),
];

pub(crate) fn measure(program: &Path, folder: &Path, report: &mut Report) -> Outcome<()> {
    let elsewhere = Runtime::new()?;
    for ((sources, models), (time, memory)) in SIZES.into_iter().zip(NAMES) {
        let world = World::new(sources, models);
        let compared = prices::compare(&world);
        let gateway = elsewhere.block_on(diff::start(&world))?;
        let urls = diff::urls(&gateway, sources);
        let database = folder.join(format!("served-{sources}-{models}.db"));
        // At a pace under which no request of these waits: what is measured is work.
        let (engine, _) = elsewhere.block_on(long::site(&gateway, &database))?;
        elsewhere.block_on(engine.store().close());
        drop(engine);
        let server = Server::start(program, &database)?;
        let runtime = Runtime::new()?;
        let (bare, gateway_url) = (client(&gateway)?, gateway.url());
        let body = body(&urls);
        // Whatever is taken once, by the first request, is not what a fetch takes.
        runtime.block_on(server.fetch(&bare, &body))?;
        let mut pairs = Pairs::default();
        for turn in 0..=TURNS {
            let start = now();
            runtime.block_on(diff::fetch(&client(&gateway)?, &gateway_url, &urls))?;
            let floor = milliseconds(start.elapsed()) + compared.ours();
            let start = now();
            runtime.block_on(server.fetch(&bare, &body))?;
            let ours = milliseconds(start.elapsed());
            if turn > 0 {
                pairs.add(ours, floor);
            }
        }
        report.add(Row::beside(time, &pairs, "ms", Some(1.3)));
        drop(server);
        // The peak is one server's first, as a process keeps what it once had.
        let server = Server::start(program, &database)?;
        let idle = status_of(&server.process(), "VmRSS:")?;
        runtime.block_on(server.fetch(&bare, &body))?;
        let peak = status_of(&server.process(), "VmHWM:")?.saturating_sub(idle);
        let bodies: usize = world.bodies.iter().map(Vec::len).sum();
        let mut pairs = Pairs::default();
        pairs.add(peak as f64 / 1024.0, 2.0 * bodies as f64 / MIB + 8.0);
        report.add(Row::beside(memory, &pairs, "MiB", None));
        gateway.stop();
    }
    report.note(
        "Fetch: the same over HTTP by `lockstep serve`, with dollars and doubts, the answer read whole and not packed.",
    );
    Ok(())
}

/// The request for these sources.
fn body(urls: &[String]) -> String {
    let upstreams: Vec<_> = urls
        .iter()
        .zip(1..)
        .map(|(url, id)| json!({"id": id, "name": "source", "base_url": url, "endpoint": PRICING}))
        .collect();
    json!({"upstreams": upstreams, "timeout": 60}).to_string()
}

/// The program with this database, knowing nothing else of this machine's settings.
fn command(program: &Path, database: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("LOCKSTEP_ALLOW_PRIVATE", "127.0.0.0/8")
        .env("LOCKSTEP_DATABASE", database)
        .stdin(Stdio::null());
    command
}

/// A token that may do everything, made by the program itself.
pub(crate) fn token(program: &Path, database: &Path) -> Outcome<String> {
    let output = command(program, database)
        .args(["--quiet", "token", "add", "bench", "--scope", "apply"])
        .output()?;
    if !output.status.success() {
        return Err("no token was made".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A one-time link that sets the password, made by the program itself.
pub(crate) fn link(program: &Path, database: &Path) -> Outcome<String> {
    let output = command(program, database)
        .args(["--quiet", "password", "reset"])
        .output()?;
    if !output.status.success() {
        return Err("no link was made".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The program as a server, until dropped.
pub(crate) struct Server {
    child: Child,
    /// Its address.
    pub(crate) url: String,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(program: &Path, database: &Path) -> Outcome<Self> {
        let mut child = command(program, database)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stderr.take().ok_or("no pipe to the server")?;
        let mut server = Self {
            child,
            url: String::new(),
        };
        let mut lines = BufReader::new(output).lines();
        for line in lines.by_ref() {
            if let Some(url) = line?.strip_prefix("Lockstep listens on ") {
                server.url = url.to_owned();
                break;
            }
        }
        if server.url.is_empty() {
            return Err("the server does not listen".into());
        }
        // What it says later has to go somewhere, or its pipe is closed or full.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(server)
    }

    /// Its process id, as the system's files name it.
    pub(crate) fn process(&self) -> String {
        self.child.id().to_string()
    }

    async fn fetch(&self, client: &Client, body: &str) -> Outcome<()> {
        let url = format!("{}/sites/bench/api/ratio_sync/fetch", self.url);
        let request = client.post(url).header(ACCEPT_ENCODING, "identity");
        let request = request.body(body.to_owned());
        let mut response = request.send().await?.error_for_status()?;
        let mut start = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if start.is_empty() {
                start = chunk.to_vec();
            }
        }
        if !start.starts_with(b"{\"success\":true") {
            return Err("the server refused".into());
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
