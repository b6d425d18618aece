//! Events as they happen, as Server-Sent Events: of one run and of all.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event as Sent, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use lockstep_store::StoreError;
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::hub::{Found, Hub, Told, Topic, ends};
use super::runs::found;
use crate::api::extract::{Path, Query};
use crate::server::App;
use crate::server::caller::Reader;
use crate::server::door::staying::Staying;
use crate::server::problem::Problem;

/// How often something is sent although nothing happens, so that whoever is on the way keeps the connection; and how
/// often it is looked whether the listener would still be let in.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct After {
    /// The id of the last event that was seen; the header `Last-Event-ID` says the same and wins.
    after: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(of_run))
        .routes(routes!(of_all))
}

/// The events of one run.
///
/// First what happened already, after the last one that was seen where that is said, then what happens, within a second.
/// `run_state`, `item` and `throttled` have ids; `progress` has none and tells how far the run is, where this process
/// works on it. `end` is the last one: the run is over.
#[utoipa::path(get, path = "/sites/{site}/runs/{run}/events", tag = "events", params(After),
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "A stream."),
        (status = "default", body = Problem)
    ))]
async fn of_run(
    State(app): State<App>,
    Reader(caller): Reader,
    Path((site, run)): Path<(String, String)>,
    Query(after): Query<After>,
    Extension(hub): Extension<Hub>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let (_, run) = found(&app, &site, &run).await?;
    let last = resumed(&headers, after)?.unwrap_or(0);
    let topic = Topic::Run(run.id.clone());
    let staying = Staying::new(&app, caller, HEARTBEAT);
    let mut listener = Listener::new(&app, hub, topic, last, staying);
    // Its state was read before its events, so of a run that was over all of them are there.
    listener.over = run.state.ended();
    listener.read().await?;
    Ok(stream(listener))
}

/// The events of all runs of all sites.
///
/// From now on, or from the last one that was seen. Each says its run. `run_state`, `item` and `throttled` have ids,
/// `progress` has none.
#[utoipa::path(get, path = "/events", tag = "events", params(After),
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "A stream."),
        (status = "default", body = Problem)
    ))]
async fn of_all(
    State(app): State<App>,
    Reader(caller): Reader,
    Query(after): Query<After>,
    Extension(hub): Extension<Hub>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let from = match resumed(&headers, after)? {
        Some(last) => last,
        None => hub.end().await?,
    };
    let staying = Staying::new(&app, caller, HEARTBEAT);
    let mut listener = Listener::new(&app, hub, Topic::All, from, staying);
    listener.read().await?;
    Ok(stream(listener))
}

fn resumed(headers: &HeaderMap, after: After) -> Result<Option<i64>, Problem> {
    let header = headers.get("last-event-id");
    let text = match header {
        Some(header) => header.to_str().ok().map(str::to_owned),
        None => after.after,
    };
    match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Problem::bad_request("this is no id of an event")
                .hint("Give the `id` of the last event that was seen, or nothing.")
        }),
    }
}

/// Somebody who listens, and what he was told.
pub(super) struct Listener {
    hub: Hub,
    topic: Topic,
    /// Whether he would still be let in.
    staying: Staying,
    /// The number of the event that he was told last.
    last: i64,
    /// What is still to be told to him.
    ready: VecDeque<Sent>,
    /// Whether there may be events that were stored before he began to listen, or while he did not.
    behind: bool,
    heard: Option<Receiver<Found>>,
    over: bool,
    ended: bool,
    stop: CancellationToken,
}

impl Listener {
    pub(super) fn new(app: &App, hub: Hub, topic: Topic, last: i64, staying: Staying) -> Self {
        Self {
            stop: app.stop_token(),
            hub,
            topic,
            staying,
            last,
            ready: VecDeque::new(),
            behind: true,
            heard: None,
            over: false,
            ended: false,
        }
    }

    /// Reads some of what was stored. The next are read once he took these.
    async fn read(&mut self) -> Result<(), StoreError> {
        let batch = self.hub.read(&self.topic, self.last).await?;
        for event in batch.events {
            self.tell(&Told::of(event));
        }
        self.behind = batch.more;
        Ok(())
    }

    /// Listens. What was stored since he read last is read after it, so nothing falls between.
    fn listen(&mut self) {
        self.heard = Some(self.hub.listen(&self.topic, self.last));
        self.behind = true;
        for progress in self.hub.now(&self.topic) {
            self.progress(&progress);
        }
    }

    /// Tells one event, unless he knows it.
    fn tell(&mut self, told: &Told) {
        let number = self.topic.number(&told.event);
        if number <= self.last {
            return;
        }
        self.last = number;
        self.over |= self.topic != Topic::All && ends(&told.event);
        let sent = Sent::default().id(number.to_string());
        let sent = sent.event(told.event.kind.code());
        self.ready.push_back(sent.data(&*told.json));
    }

    fn progress(&mut self, progress: &str) {
        let sent = Sent::default().event("progress").data(progress);
        self.ready.push_back(sent);
    }

    /// The next thing to tell; `None` once there is nothing more.
    pub(super) async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Some(sent);
            }
            if self.ended || self.stop.is_cancelled() || self.staying.is_over().await {
                return None;
            }
            if self.behind {
                self.read().await.ok()?;
                continue;
            }
            if self.over {
                self.ended = true;
                let Topic::Run(run) = &self.topic else {
                    return None;
                };
                let data = serde_json::json!({ "run": run }).to_string();
                return Some(Sent::default().event("end").data(data));
            }
            let Some(heard) = &mut self.heard else {
                self.listen();
                continue;
            };
            let found = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = self.staying.due() => continue,
                found = heard.recv() => found,
            };
            match found {
                Ok(found) => self.hear(&found),
                Err(RecvError::Lagged(_)) => self.behind = true,
                // The task is gone: the run is over, or the server ends. What it told last may still be unread.
                Err(RecvError::Closed) => {
                    self.heard = None;
                    self.behind = true;
                }
            }
        }
    }

    fn hear(&mut self, found: &Found) {
        let mut numbers = found.events.iter();
        let next = numbers.next().map(|told| self.topic.number(&told.event));
        if next.is_some_and(|next| next > self.last + 1) {
            // Something is missing before them: they are read with it.
            self.behind = true;
        } else {
            for told in found.events.iter() {
                self.tell(told);
            }
        }
        for progress in found.progress.iter() {
            self.progress(progress);
        }
        self.over |= found.over;
    }
}

fn stream(listener: Listener) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let events = unfold(listener, |mut listener| async move {
        let sent = listener.next().await?;
        Some((Ok(sent), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}
