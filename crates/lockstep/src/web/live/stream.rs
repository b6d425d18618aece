//! The events of a run as a page takes them: `bar` with the bar as HTML, `rows` when results came, `done` at the end.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::{Event as Sent, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use lockstep_store::StoreError;
use lockstep_store::events::EventKind;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Bar, moves, run_of};
use crate::api::v1::hub::{Found, Hub, Topic};
use crate::server::App;
use crate::server::door::staying::Staying;
use crate::web::frame::Frame;
use crate::web::refusal::Refusal;
use crate::web::words::Lang;

/// How often a run is looked at although nothing is heard of it: another process may have it, or lost it.
const LOOK: Duration = Duration::from_secs(2);
/// How often a table is told at most that results came: it is asked for whole.
const ROWS: Duration = Duration::from_secs(2);
/// How often something is sent although nothing happens, so that whoever is on the way keeps the connection; and how
/// often it is looked whether the watcher would still be let in.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Template)]
#[template(path = "part/bar.html")]
struct BarPart {
    bar: Bar,
}

/// `GET /sites/{site}/runs/{run}/live`
pub(in crate::web) async fn stream(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    Extension(hub): Extension<Hub>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Refusal> {
    let run = run_of(&app, &f, &run).await?;
    let from = hub.end().await?;
    let watcher = Watcher {
        stop: app.stop_token(),
        staying: Staying::new(&app, f.caller.clone(), HEARTBEAT),
        // It listens before it looks the first time, so nothing falls between.
        heard: hub.listen(&Topic::All, from),
        hub,
        app,
        run: run.id,
        lang: f.lang,
        shown: None,
        rows: None,
        rows_told: None,
        done: false,
    };
    let events = unfold(watcher, |mut watcher| async move {
        let sent = watcher.next().await?;
        Some((Ok(sent), watcher))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// Somebody who watches a run.
struct Watcher {
    app: App,
    hub: Hub,
    run: String,
    lang: Lang,
    heard: Receiver<Found>,
    /// The bar that he saw last.
    shown: Option<Bar>,
    /// Since when there are results that he was not told of.
    rows: Option<Instant>,
    rows_told: Option<Instant>,
    done: bool,
    /// Whether he would still be let in.
    staying: Staying,
    stop: CancellationToken,
}

impl Watcher {
    /// The next thing to tell; `None` once there is nothing more.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if self.done || self.stop.is_cancelled() || self.staying.is_over().await {
                return None;
            }
            if let Some(sent) = self.look().await.ok()? {
                return Some(sent);
            }
            let due = self.rows_told.map(|told| told + ROWS);
            let wait = match (self.rows, due) {
                (Some(_), Some(due)) => due.saturating_duration_since(Instant::now()).min(LOOK),
                _ => LOOK,
            };
            let heard = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(wait) => continue,
                heard = self.heard.recv() => heard,
            };
            match heard {
                Ok(found) => self.hear(&found),
                // What was missed can be seen.
                Err(RecvError::Lagged(_)) => self.rows = Some(Instant::now()),
                Err(RecvError::Closed) => {
                    let from = self.hub.end().await.ok()?;
                    self.heard = self.hub.listen(&Topic::All, from);
                }
            }
        }
    }

    /// What is to be told of how the run is now, if anything.
    async fn look(&mut self) -> Result<Option<Sent>, StoreError> {
        let run = self.app.store().run(&self.run).await?;
        if !moves(&self.app, &run) {
            self.done = true;
            return Ok(Some(Sent::default().event("done").data(run.state.code())));
        }
        let now = Instant::now();
        if self.rows.is_some() && self.rows_told.is_none_or(|told| now >= told + ROWS) {
            self.rows = None;
            self.rows_told = Some(now);
            // What has no data is no event to a browser.
            return Ok(Some(Sent::default().event("rows").data("rows")));
        }
        let bar = Bar::of(&self.app, &run, self.lang).await?;
        if self.shown.as_ref() == Some(&bar) {
            return Ok(None);
        }
        self.shown = Some(bar.clone());
        match (BarPart { bar }).render() {
            Ok(html) => Ok(Some(Sent::default().event("bar").data(html))),
            Err(error) => {
                tracing::error!(%error, "a bar could not be rendered");
                Ok(None)
            }
        }
    }

    fn hear(&mut self, found: &Found) {
        let item = found
            .events
            .iter()
            .any(|told| told.event.run_id == self.run && told.event.kind == EventKind::Item);
        if item {
            self.rows.get_or_insert_with(Instant::now);
        }
    }
}
