//! Many listeners, one look: whoever listens to the same thing shares one task that asks for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_run::jobs::Running;
use lockstep_run::progress::Phase;
use lockstep_store::StoreError;
use lockstep_store::events::{Event, EventKind};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

use super::feed::{Batch, Feed, Polled};
use crate::server::App;
use crate::view::json as form;

/// How often the events are asked for.
const LOOK: Duration = Duration::from_millis(500);
/// So many looks a listener may be behind before it reads for itself what it missed.
const BEHIND: usize = 64;

/// What is listened to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// One run.
    Run(String),
    /// All runs.
    All,
}

impl Topic {
    /// The event's number among those that are listened to.
    pub(crate) fn number(&self, event: &Event) -> i64 {
        match self {
            Self::Run(_) => event.seq,
            Self::All => event.feed,
        }
    }
}

/// What one look found that was not there before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// New events, in order.
    pub(crate) events: Arc<[Told]>,
    /// How far runs of this process are, each as JSON, where that changed.
    pub(crate) progress: Arc<[String]>,
    /// Whether the run is over.
    pub(crate) over: bool,
}

/// An event and its JSON.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The event.
    pub(crate) event: Event,
    /// What is told of it, one line of JSON.
    pub(crate) json: Arc<str>,
}

/// The tasks that look, by what for. Clones share them.
#[derive(Clone)]
pub(crate) struct Hub {
    app: App,
    feed: Arc<dyn Feed>,
    looks: Arc<Mutex<HashMap<Topic, broadcast::Sender<Found>>>>,
}

impl Hub {
    /// Nobody listens yet.
    pub(crate) fn new(app: App) -> Self {
        let feed = Polled(app.store().clone());
        Self::over(app, Arc::new(feed))
    }

    /// The same over events from elsewhere.
    pub(crate) fn over(app: App, feed: Arc<dyn Feed>) -> Self {
        Self {
            feed,
            app,
            looks: Arc::default(),
        }
    }

    /// The number of the newest event of all runs.
    pub(crate) async fn end(&self) -> Result<i64, StoreError> {
        self.feed.end().await
    }

    /// Listens. `from` is the number of the last event that is known: there the task begins, should there be none yet.
    pub(crate) fn listen(&self, topic: &Topic, from: i64) -> broadcast::Receiver<Found> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = looks.get(topic) {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(BEHIND);
        looks.insert(topic.clone(), sender.clone());
        let (hub, topic) = (self.clone(), topic.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = hub.look(&topic, from, &sender) => {}
                () = hub.app.stopping() => {}
            }
            hub.forget(&topic, &sender, true);
        });
        receiver
    }

    /// Ends the entry of a task, if nobody listens or it is over. Whoever comes later begins another one.
    fn forget(&self, topic: &Topic, sender: &broadcast::Sender<Found>, over: bool) -> bool {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = over || sender.receiver_count() == 0;
        if ends
            && looks
                .get(topic)
                .is_some_and(|other| other.same_channel(sender))
        {
            looks.remove(topic);
        }
        ends
    }

    /// How far the runs of this process are now, each as JSON.
    pub(crate) fn now(&self, topic: &Topic) -> Vec<String> {
        self.progress(topic, &mut HashMap::new())
    }

    /// Looks until nobody listens or the run is over.
    async fn look(&self, topic: &Topic, mut from: i64, sender: &broadcast::Sender<Found>) {
        let mut told = HashMap::new();
        let mut more = false;
        loop {
            if !more {
                tokio::time::sleep(LOOK).await;
            }
            if self.forget(topic, sender, false) {
                return;
            }
            let batch = match self.read(topic, from).await {
                Ok(batch) => batch,
                Err(error) => {
                    // The next look may succeed; who waits hears the heartbeat meanwhile.
                    tracing::warn!(%error, "events could not be read");
                    more = false;
                    continue;
                }
            };
            more = batch.more;
            let events = batch.events;
            from = events.last().map_or(from, |event| topic.number(event));
            let over = *topic != Topic::All && events.iter().any(ends);
            let progress = self.progress(topic, &mut told);
            if events.is_empty() && progress.is_empty() {
                continue;
            }
            let found = Found {
                events: events.into_iter().map(Told::of).collect(),
                progress: progress.into(),
                over,
            };
            // Nobody may be there any more; the next look finds that.
            let _heard = sender.send(found);
            if over {
                return;
            }
        }
    }

    /// The first of the events after a number, in order.
    pub(crate) async fn read(&self, topic: &Topic, after: i64) -> Result<Batch, StoreError> {
        match topic {
            Topic::Run(run) => self.feed.of_run(run, after).await,
            Topic::All => self.feed.of_all(after).await,
        }
    }

    /// How far the runs of this process are that moved since they were last told.
    fn progress(&self, topic: &Topic, told: &mut HashMap<String, String>) -> Vec<String> {
        let running: Vec<(String, Running)> = match topic {
            Topic::Run(run) => {
                let running = self.app.jobs().running(run);
                running
                    .map(|running| (run.clone(), running))
                    .into_iter()
                    .collect()
            }
            Topic::All => self.app.jobs().all().into_iter().collect(),
        };
        told.retain(|run, _| running.iter().any(|(id, _)| id == run));
        let mut moved = Vec::new();
        for (run, running) in running {
            let text = progress_of(&run, &running);
            if told.get(&run) != Some(&text) {
                told.insert(run, text.clone());
                moved.push(text);
            }
        }
        moved
    }
}

impl Told {
    /// An event with what is told of it: its run, number, time and kind beside its own data.
    pub(crate) fn of(event: Event) -> Self {
        let mut object: Map<String, Value> = serde_json::from_str(&event.data).unwrap_or_default();
        object.insert("run".to_owned(), json!(event.run_id));
        object.insert("seq".to_owned(), json!(event.seq));
        object.insert("at".to_owned(), json!(form::time(event.at)));
        object.insert("kind".to_owned(), json!(event.kind.code()));
        Self {
            json: Value::Object(object).to_string().into(),
            event,
        }
    }
}

/// Whether the event is the last one of its run.
pub(crate) fn ends(event: &Event) -> bool {
    if event.kind != EventKind::RunState {
        return false;
    }
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let state = data["state"].as_str().and_then(RunState::from_code);
    state.is_some_and(RunState::ended)
}

fn progress_of(run: &str, running: &Running) -> String {
    let now = running.watch.progress.snapshot();
    let phase = match now.phase {
        Phase::Listing => "listing",
        Phase::Reading => "reading",
        Phase::Writing => "writing",
        Phase::Ended => "ended",
    };
    let current: Vec<Value> = now
        .current
        .iter()
        .map(|(id, name)| json!({"channel_id": id, "name": name}))
        .collect();
    json!({
        "run": run,
        "subject": running.subject.code(),
        "phase": phase,
        "total": now.total,
        "done": now.done,
        "failed": now.failed,
        "current": current,
        "left_ms": u64::try_from(now.left.as_millis()).unwrap_or(u64::MAX),
        "throttled": now.throttled,
    })
    .to_string()
}
