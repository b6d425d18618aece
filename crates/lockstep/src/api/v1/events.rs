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
use crate::server::problem::Problem;

/// How often something is sent although nothing happens, so that whoever is on the way keeps the connection.
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
    _: Reader,
    Path((site, run)): Path<(String, String)>,
    Query(after): Query<After>,
    Extension(hub): Extension<Hub>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let (_, run) = found(&app, &site, &run).await?;
    let last = resumed(&headers, after)?.unwrap_or(0);
    let topic = Topic::Run(run.id.clone());
    let mut listener = Listener::new(&app, hub, topic, last);
    // Its state was read before its events, so of a run that was over all of them are there.
    listener.catch_up().await?;
    listener.over |= run.state.ended();
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
    _: Reader,
    Query(after): Query<After>,
    Extension(hub): Extension<Hub>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let from = match resumed(&headers, after)? {
        Some(last) => last,
        None => hub.end().await?,
    };
    let mut listener = Listener::new(&app, hub, Topic::All, from);
    listener.catch_up().await?;
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
struct Listener {
    hub: Hub,
    topic: Topic,
    /// The number of the event that he was told last.
    last: i64,
    /// What is still to be told to him.
    ready: VecDeque<Sent>,
    heard: Option<Receiver<Found>>,
    over: bool,
    ended: bool,
    stop: CancellationToken,
}

impl Listener {
    fn new(app: &App, hub: Hub, topic: Topic, last: i64) -> Self {
        Self {
            stop: app.stop_token(),
            hub,
            topic,
            last,
            ready: VecDeque::new(),
            heard: None,
            over: false,
            ended: false,
        }
    }

    /// Reads what happened until now. It listens before it reads the second time, so nothing falls between.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        self.read().await?;
        if self.heard.is_none() && !self.over {
            self.heard = Some(self.hub.listen(&self.topic, self.last));
            self.read().await?;
            for progress in self.hub.now(&self.topic) {
                let sent = Sent::default().event("progress").data(progress);
                self.ready.push_back(sent);
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        for event in self.hub.read(&self.topic, self.last).await? {
            self.tell(&Told::of(event));
        }
        Ok(())
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

    /// The next thing to tell; `None` once there is nothing more.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Some(sent);
            }
            if self.ended || self.stop.is_cancelled() {
                return None;
            }
            if self.over {
                self.ended = true;
                let Topic::Run(run) = &self.topic else {
                    return None;
                };
                let data = serde_json::json!({ "run": run }).to_string();
                return Some(Sent::default().event("end").data(data));
            }
            let heard = self.heard.as_mut()?;
            let found = tokio::select! {
                () = self.stop.cancelled() => return None,
                found = heard.recv() => found,
            };
            match found {
                Ok(found) => self.hear(&found).await?,
                Err(RecvError::Lagged(_)) => self.read().await.ok()?,
                // The task is gone: the run is over, or the server ends. What it told last may still be unread.
                Err(RecvError::Closed) => {
                    self.heard = None;
                    self.catch_up().await.ok()?;
                }
            }
        }
    }

    async fn hear(&mut self, found: &Found) -> Option<()> {
        let next = found
            .events
            .first()
            .map(|told| self.topic.number(&told.event));
        if next.is_some_and(|next| next > self.last + 1) {
            self.read().await.ok()?;
        }
        for told in found.events.iter() {
            self.tell(told);
        }
        for progress in found.progress.iter() {
            let sent = Sent::default().event("progress").data(progress);
            self.ready.push_back(sent);
        }
        self.over |= found.over;
        Some(())
    }
}

fn stream(listener: Listener) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let events = unfold(listener, |mut listener| async move {
        let sent = listener.next().await?;
        Some((Ok(sent), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}
