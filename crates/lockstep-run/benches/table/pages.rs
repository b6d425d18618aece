//! Every page over a long history, for somebody who is signed in: how long it takes at 20 requests a second, when its first
//! row is there, and what it weighs on the way.

use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::bare::options;
use crate::first_load::weigh;
use crate::listeners::processor_of;
use crate::long::{Long, REPRICED};
use crate::measure::{milliseconds, percentile};
use crate::report::{PageRow, Report};
use crate::served::{Server, link};
use crate::steady::steadily;

/// How often each page is asked for: 6 s at 20 a second.
const REQUESTS: usize = 120;
/// How many tenths of a second the differences may take to be made.
const PATIENCE: usize = 1_200;
/// The password of the only person.
const PASSWORD: &str = "correct horse battery staple";

/// A page, or several of a kind that are asked for in turn.
struct Kind {
    name: &'static str,
    paths: Vec<String>,
}

pub(crate) fn measure(program: &Path, long: &Long, report: &mut Report) -> Outcome<()> {
    let link = link(program, &long.database)?;
    let server = Server::start(program, &long.database)?;
    let runtime = Runtime::new()?;
    let mut browser = Browser {
        client: options()?.build()?,
        url: server.url.clone(),
        cookie: String::new(),
    };
    // Whoever is signed in is led on from there.
    let way_in = Kind::of("sign-in", "/sign-in", &["", "/link"]);
    let row = runtime.block_on(browser.measure(&server, &way_in))?;
    report.add_page(row);
    runtime.block_on(browser.sign_in(&link))?;
    runtime.block_on(browser.settled("/sites/bench/prices"))?;
    for kind in kinds(long) {
        let row = runtime.block_on(browser.measure(&server, &kind))?;
        report.add_page(row);
    }
    report.note(format!(
        "Pages: 10,000 channels, 20,000 prices that differ, {REQUESTS} requests of each kind, 20 a second, in ms from when\n\
         each was due until it was read and unpacked; first row: until it was there (p50); cpu: of the server, a request.\n\
         Weight: bodies in kB (1,000 bytes); first load: with the page's files, packed. Goals: p99 50 ms, first load\n\
         100 kB, no file of another host.",
    ));
    Ok(())
}

/// All pages but the way in.
fn kinds(long: &Long) -> Vec<Kind> {
    let (run, prices) = (&long.run, &long.prices);
    let site = "/sites/bench";
    let models = format!("{site}/models");
    let differences = format!("{site}/prices");
    let review = format!("{site}/prices/runs/{prices}");
    let of_run = format!("{site}/history/{run}");
    let of_prices = format!("{site}/history/{prices}");
    let all = |name, path: &str| Kind::of(name, path, &[""]);
    vec![
        all("overview", "/"),
        all("model sync", &models),
        Kind::of(
            "model sync, table",
            &models,
            &[
                "?page=100",
                "?page=200",
                "?sort=-name",
                "?sort=status&page=50",
                "?show=success",
                "?show=held",
                "?q=channel+77",
                "?size=200",
            ],
        ),
        Kind::of(
            "model sync, a row open",
            &models,
            &["?open=7", "?page=100&open=5000"],
        ),
        Kind::of(
            "model sync, by provider",
            &models,
            &["?group=provider", "?group=provider&page=100"],
        ),
        Kind::of(
            "channels",
            &format!("{site}/channels"),
            &[
                "",
                "?page=100",
                "?sort=-name&page=7",
                "?sort=provider",
                "?q=77",
            ],
        ),
        all("one channel", &format!("{site}/channels/77")),
        all("price sync", &differences),
        Kind::of(
            "price sync, filtered",
            &differences,
            &[
                "?show=dearer&field=model_ratio",
                "?show=new",
                "?source=s3",
                "?q=qwen3",
            ],
        ),
        Kind::of(
            "price sync, sorted",
            &differences,
            &[
                "?sort=-move",
                "?sort=price&page=200",
                "?sort=-model&page=400",
            ],
        ),
        Kind::of(
            "price sync, a column",
            &differences,
            &["?column=s3", "?page=9&unit=ratios&column=s1"],
        ),
        all("price sync, 200 rows", &format!("{differences}?size=200")),
        Kind::of(
            "review of 20,000",
            &review,
            &[
                "",
                "?page=200",
                "?sort=model",
                "?show=ready&page=9",
                "?q=qwen3",
            ],
        ),
        all("price sources", &format!("{differences}/sources")),
        all("prices that wait", &format!("{differences}/held")),
        all("unpriced", &format!("{site}/unpriced")),
        Kind::of(
            "history",
            &format!("{site}/history"),
            &[
                "",
                "?page=2",
                "?show=planned",
                "?subject=models",
                "?q=bench",
            ],
        ),
        Kind::of(
            "a run, 10,000 channels",
            &of_run,
            &[
                "",
                "?page=200",
                "?sort=-name&page=9",
                "?show=success",
                "?open=7",
            ],
        ),
        Kind::of("a run, searched", &of_run, &["?q=channel+77"]),
        Kind::of(
            "a run, 20,000 prices",
            &of_prices,
            &["", "?page=400", "?show=planned&page=9", "?q=qwen3"],
        ),
        Kind::of(
            "a price over time",
            &format!("{site}/history/prices"),
            &REPRICED
                .map(|model| format!("/{}", model.replace('/', "%2F")))
                .each_ref()
                .map(String::as_str),
        ),
        all("a list over time", &format!("{site}/history/channels/1")),
        all("settings", &format!("{site}/settings")),
        all("notices", "/settings/notices"),
        all("people and tokens", "/settings/access"),
        all("a site to add", "/sites/add"),
    ]
}

impl Kind {
    /// Pages below a path.
    fn of(name: &'static str, path: &str, queries: &[&str]) -> Self {
        let paths = queries.iter().map(|query| format!("{path}{query}"));
        Self {
            name,
            paths: paths.collect(),
        }
    }
}

/// Somebody who looks at pages.
#[derive(Clone)]
struct Browser {
    /// It unpacks what it gets.
    client: Client,
    url: String,
    cookie: String,
}

/// A page that was read.
struct Page {
    text: String,
    /// When its first row was there, counted as the whole is, in milliseconds.
    first_row: Option<f64>,
    whole: f64,
}

impl Browser {
    /// Sets the password by the link, which signs in.
    async fn sign_in(&mut self, link: &str) -> Outcome<()> {
        let (_, link) = link.rsplit_once('#').ok_or("a link without its secret")?;
        let password = PASSWORD.replace(' ', "+");
        let request = self.client.post(format!("{}/sign-in/link", self.url));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(format!("link={link}&password={password}&again={password}"));
        let response = request.send().await?;
        let cookie = response.headers().get(SET_COOKIE);
        let cookie = cookie.ok_or_else(|| format!("no sign-in: {}", response.status()))?;
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
        self.cookie = cookie.to_owned();
        Ok(())
    }

    /// Waits until nothing goes on behind a page.
    async fn settled(&self, path: &str) -> Outcome<()> {
        for _ in 0..PATIENCE {
            let page = self.look(path, tokio::time::Instant::now()).await?;
            if page.first_row.is_some() && !page.text.contains("id=\"working\"") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{path} does not settle").into())
    }

    async fn measure(&self, server: &Server, kind: &Kind) -> Outcome<PageRow> {
        let raw = options()?.no_gzip().no_brotli().build()?;
        // Whatever is taken once, by the first request of a kind, is no page's.
        let mut paths = Vec::with_capacity(kind.paths.len());
        for path in &kind.paths {
            paths.push(self.plain(path).await?);
        }
        let first = paths.first().ok_or("a kind without pages")?;
        let weight = weigh(&raw, &self.url, first, &self.cookie).await?;
        let process = server.process();
        let before = processor_of(&process)?;
        let mut paths = paths.iter().cycle().cloned();
        let pages = steadily(REQUESTS, |due| {
            let (browser, path) = (self.clone(), paths.next().unwrap_or_default());
            async move {
                let page = browser.look(&path, due).await?;
                Ok((page.whole, page.first_row))
            }
        });
        let pages = pages.await?;
        let taken = processor_of(&process)? - before;
        let whole: Vec<f64> = pages.iter().map(|(whole, _)| *whole).collect();
        let rows: Vec<f64> = pages.iter().filter_map(|(_, row)| *row).collect();
        Ok(PageRow {
            name: kind.name,
            p50: percentile(&whole, 50),
            p99: percentile(&whole, 99),
            first_row: (!rows.is_empty()).then(|| percentile(&rows, 50)),
            processor: taken / REQUESTS as f64,
            weight,
        })
    }

    /// The address in the shape that a table has it in, where it leads to another.
    async fn plain(&self, path: &str) -> Outcome<String> {
        let request = self.client.get(format!("{}{path}", self.url));
        let request = request.header(ACCEPT, "text/html");
        let response = request.header(COOKIE, &self.cookie).send().await?;
        let place = match response.headers().get(LOCATION) {
            Some(place) => place.to_str()?.to_owned(),
            None => path.to_owned(),
        };
        self.look(&place, tokio::time::Instant::now()).await?;
        Ok(place)
    }

    async fn look(&self, path: &str, due: tokio::time::Instant) -> Outcome<Page> {
        let request = self.client.get(format!("{}{path}", self.url));
        let request = request
            .header(ACCEPT, "text/html")
            .header(COOKIE, &self.cookie);
        let mut response = request.send().await?;
        let status = response.status();
        if status.as_u16() != 200 {
            return Err(format!("{path}: {status}").into());
        }
        let (mut body, mut first_row) = (Vec::new(), None);
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if first_row.is_none() && has_row(&body) {
                first_row = Some(milliseconds(due.elapsed()));
            }
        }
        Ok(Page {
            whole: milliseconds(due.elapsed()),
            text: String::from_utf8(body)?,
            first_row,
        })
    }
}

/// Whether a page that is not there as a whole yet has a row of its table.
fn has_row(body: &[u8]) -> bool {
    let after = |text: &[u8], from: usize| {
        let rest = body.get(from..)?;
        let place = rest.windows(text.len()).position(|part| part == text)?;
        Some(from + place)
    };
    after(b"<tbody", 0).is_some_and(|begin| after(b"<tr", begin).is_some())
}
