//! Metrics in Prometheus' text format: what was answered is counted here, how the sites are is read when it is asked.

use std::fmt;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use lockstep_core::change::{RunState, Subject};
use lockstep_store::StoreError;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use super::App;

/// Requests by route, method and status. A registry of its own per server, so that tests count for themselves.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    took: Family<Route, Histogram>,
    begun: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSite {
    site: String,
    subject: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRun {
    site: String,
    subject: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("lockstep");
        let answered = Family::default();
        registry.register(
            "http_requests",
            "Requests that were answered",
            answered.clone(),
        );
        let took = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "http_request_duration",
            "How long requests took until their answer began",
            Unit::Seconds,
            took.clone(),
        );
        Self {
            registry,
            answered,
            took,
            begun: Instant::now(),
        }
    }
}

fn seconds() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
}

impl Metrics {
    fn count(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        let of_route = Route {
            method: method.clone(),
            route: route.clone(),
        };
        self.took
            .get_or_create(&of_route)
            .observe(took.as_secs_f64());
        self.answered
            .get_or_create(&Answered {
                method,
                route,
                status,
            })
            .inc();
    }
}

/// Counts a request. The route is the pattern that matched, so that no id becomes a label.
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    // A method can be any word; only known ones are labels.
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    }
    .to_owned();
    let begun = Instant::now();
    let answer = next.run(request).await;
    app.metrics()
        .count(&method, &route, answer.status().as_u16(), begun.elapsed());
    answer
}

/// All metrics as text.
///
/// # Errors
///
/// When the database does not answer.
pub(crate) async fn text(app: &App) -> Result<String, StoreError> {
    let mut state = Registry::with_prefix("lockstep");
    let build = Family::<Build, Gauge>::default();
    state.register("build_info", "The version that runs", build.clone());
    build
        .get_or_create(&Build {
            version: env!("CARGO_PKG_VERSION"),
        })
        .set(1);
    let up = Gauge::<i64>::default();
    let seconds = app.metrics().begun.elapsed().as_secs();
    up.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    state.register_with_unit("uptime", "Since the server began", Unit::Seconds, up);
    sites(app, &mut state).await?;
    let mut out = String::new();
    if write(&mut out, app, &state).is_err() {
        // A text takes all that is written to it.
        tracing::error!("metrics could not be written");
    }
    Ok(out)
}

fn write(out: &mut String, app: &App, state: &Registry) -> fmt::Result {
    text::encode_registry(out, state)?;
    text::encode_registry(out, &app.metrics().registry)?;
    text::encode_eof(out)
}

/// How each site is: its newest runs, what waits, what is under way here.
async fn sites(app: &App, state: &mut Registry) -> Result<(), StoreError> {
    let items = Family::<OfRun, Gauge>::default();
    let ended = Family::<OfSite, Gauge>::default();
    let failed = Family::<OfSite, Gauge>::default();
    let took = Family::<OfSite, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let held = Family::<OfSite, Gauge>::default();
    let requests = Family::<OfRun, Gauge>::default();
    let running = Family::<OfSite, Gauge>::default();
    let store = app.store();
    for site in store.sites().await? {
        let name = site.name.clone().unwrap_or_else(|| site.url.to_string());
        let waits = store.hold_counts(&site.id).await?;
        for subject in [Subject::Models, Subject::Prices] {
            let of = OfSite {
                site: name.clone(),
                subject: subject.code(),
            };
            let waiting = match subject {
                Subject::Models => waits.channels,
                Subject::Prices => waits.models,
            };
            held.get_or_create(&of)
                .set(i64::try_from(waiting).unwrap_or(i64::MAX));
            let under_way = app
                .jobs()
                .all()
                .values()
                .filter(|job| job.site_id == site.id && job.subject == subject)
                .count();
            running
                .get_or_create(&of)
                .set(i64::try_from(under_way).unwrap_or(i64::MAX));
            let Some(run) = store.latest_run(&site.id, subject).await? else {
                continue;
            };
            let of_run = |status| OfRun {
                site: name.clone(),
                subject: subject.code(),
                status,
            };
            let counts = store.counts(&run.id).await?;
            for (status, count) in [
                ("success", counts.success),
                ("failed", counts.failed),
                ("held", counts.held),
                ("skipped", counts.skipped),
                ("planned", counts.planned),
            ] {
                items
                    .get_or_create(&of_run(status))
                    .set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            for (kind, count) in [
                ("read", run.reads),
                ("write", run.writes),
                ("throttled", run.throttled),
            ] {
                requests
                    .get_or_create(&of_run(kind))
                    .set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            let bad = matches!(run.state, RunState::Failed | RunState::Partial);
            failed.get_or_create(&of).set(i64::from(bad));
            if let Some(at) = run.ended_at.or(run.planned_at) {
                ended.get_or_create(&of).set(at / 1000);
                took.get_or_create(&of)
                    .set((at - run.started_at).max(0) as f64 / 1000.0);
            }
        }
    }
    state.register(
        "last_run_items",
        "Channels or models of the newest run by status",
        items,
    );
    state.register(
        "last_run_requests",
        "Requests of the newest run to the gateway",
        requests,
    );
    state.register_with_unit(
        "last_run_end_timestamp",
        "When the newest run came to rest, in Unix time",
        Unit::Seconds,
        ended,
    );
    state.register_with_unit(
        "last_run_duration",
        "How long the newest run took",
        Unit::Seconds,
        took,
    );
    state.register(
        "last_run_failed",
        "1 where the newest run failed, whole or in part",
        failed,
    );
    state.register("held", "What waits for an answer", held);
    state.register("running", "Runs under way in this process", running);
    Ok(())
}
