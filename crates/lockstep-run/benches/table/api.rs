//! Pages of the program's own API over a long history: 20 requests a second, whatever the ones before take.

use std::path::Path;

use reqwest::{Client, Method};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::bare::client_with;
use crate::binary;
use crate::long::{CHANNELS, DIFFERING, Long};
use crate::measure::{milliseconds, now, percentile};
use crate::report::{Report, Row};
use crate::served::Server;
use crate::steady::steadily;

/// How many requests there are: 20 s of 20 a second.
const REQUESTS: usize = 400;
/// The p99 of any page, in milliseconds.
const GOAL: f64 = 50.0;

pub(crate) fn measure(program: &Path, long: &Long, report: &mut Report) -> Outcome<()> {
    let runtime = Runtime::new()?;
    let (idle, _) = binary::waiting(program, &long.database)?;
    report.add(Row {
        goal: Some(15.0),
        ..Row::alone("idle memory, 10,000 channels", Some(idle), "MiB")
    });
    let server = Server::start(program, &long.database)?;
    let api = Api::new(&server, &long.token)?;
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
            items_of(&long.run, CHANNELS, "channel 77"),
        ),
        (
            ("items, 20,000 prices: p50", "items, 20,000 prices: p99"),
            items_of(&long.prices, DIFFERING, "qwen3"),
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
        report.note(slowest(&paths, &times));
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
    Ok(())
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
pub(crate) struct Api {
    client: Client,
    url: String,
}

impl Api {
    /// The API of a server.
    pub(crate) fn new(server: &Server, token: &str) -> Outcome<Self> {
        Ok(Self {
            client: client_with(token)?,
            url: server.url.clone(),
        })
    }

    /// Asks for the pages in turn, each when it is due. How long each took since then, in milliseconds.
    async fn ask(&self, paths: &[String]) -> Outcome<Vec<f64>> {
        // Whatever is taken once, by the first request of a kind, is no page's.
        for path in paths {
            self.get(path).await?;
        }
        let mut paths = paths.iter().cycle().cloned();
        steadily(REQUESTS, |due| {
            let (api, path) = (self.clone(), paths.next().unwrap_or_default());
            async move {
                api.get(&path).await?;
                Ok(milliseconds(due.elapsed()))
            }
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Outcome<Vec<u8>> {
        self.send(Method::GET, path, None).await
    }

    /// A request below the site, and what is answered.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Outcome<Vec<u8>> {
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
