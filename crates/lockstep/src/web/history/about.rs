//! What is told of a run beside its changes: who had it done, by which settings, and what happened.

use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_core::settings::Settings;
use lockstep_store::StoreError;
use lockstep_store::events::{Event, EventKind};
use lockstep_store::listing::RunFilter;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use serde_json::Value;

use super::list::{actor, took, trigger};
use super::run_at;
use crate::server::App;
use crate::view::table::short;
use crate::web::frame::Frame;
use crate::web::when::Moment;
use crate::web::words::fill;

/// So many events are told, the latest.
const EVENTS: u32 = 200;
/// So many runs that took this one back are named.
const UNDONE: u32 = 20;

/// What is told of a run.
pub(super) struct About {
    pub(super) facts: Vec<Fact>,
    /// Settings that are not the usual ones, or not those that hold now.
    pub(super) settings: Vec<Other>,
    pub(super) events: Vec<Happened>,
}

/// Something that is known of a run.
pub(super) struct Fact {
    pub(super) label: String,
    pub(super) text: String,
    /// The moment of it.
    pub(super) when: Option<Moment>,
    /// The run that it is about.
    pub(super) href: Option<String>,
}

/// A setting that differed.
pub(super) struct Other {
    pub(super) label: String,
    pub(super) then: String,
    pub(super) now: String,
}

/// An event.
pub(super) struct Happened {
    pub(super) when: Moment,
    pub(super) text: String,
}

impl About {
    pub(super) async fn of(
        app: &App,
        f: &Frame,
        site: &Site,
        run: &Run,
    ) -> Result<Self, StoreError> {
        let events = app.store().run_events(&run.id, EVENTS).await?;
        Ok(Self {
            facts: facts(app, f, run).await?,
            settings: settings(app, f, site, run),
            events: events.iter().map(|one| happened(app, f, one)).collect(),
        })
    }
}

async fn facts(app: &App, f: &Frame, run: &Run) -> Result<Vec<Fact>, StoreError> {
    let t = &f.t.history;
    let mut facts = Vec::new();
    let mut fact = |label: &str, text: String, at: Option<i64>, href: Option<String>| {
        facts.push(Fact {
            label: label.to_owned(),
            text,
            when: at.map(|at| Moment::new(at, app.now(), f.lang)),
            href,
        });
    };
    let by = match run.unattended {
        true => format!("{} · {}", trigger(f, run), t.unattended),
        false => trigger(f, run),
    };
    fact(
        &t.col_subject,
        f.lang.subject(run.subject).to_owned(),
        None,
        None,
    );
    fact(&t.col_trigger, by, None, None);
    fact(&t.col_actor, actor(f, &run.actor).to_owned(), None, None);
    fact(&t.col_started, String::new(), Some(run.started_at), None);
    if let Some(at) = run.planned_at {
        fact(&t.planned_at, String::new(), Some(at), None);
    }
    if let Some(by) = &run.approved_by {
        fact(&t.approval, actor(f, by).to_owned(), run.approved_at, None);
    }
    if let Some(at) = run.ended_at {
        fact(&f.t.models.ended, String::new(), Some(at), None);
    }
    if let Some(took) = took(f, run) {
        fact(&t.col_duration, took, None, None);
    }
    let mut requests = fill(
        &t.requests,
        &[("reads", &run.reads), ("writes", &run.writes)],
    );
    if run.throttled > 0 {
        requests = format!(
            "{requests} · {}",
            fill(&t.throttled, &[("n", &run.throttled)])
        );
    }
    fact(&t.requests_title, requests, None, None);
    if let Some(chosen) = &run.selection {
        fact(&t.chosen, chosen.len().to_string(), None, None);
    }
    if let Some(parent) = &run.parent {
        let said = fill(&t.parent, &[("id", &short(parent))]);
        fact(&t.comes_from, said, None, Some(run_at(f, parent)));
    }
    let undone = RunFilter {
        parent: Some(run.id.clone()),
        trigger: Some("undo".to_owned()),
        states: vec![RunState::Done, RunState::Partial],
        ..RunFilter::default()
    };
    let undone = app
        .store()
        .runs_where(&run.site_id, &undone, UNDONE)
        .await?;
    for (undo, _) in undone {
        let said = fill(&t.undone, &[("id", &short(&undo.id))]);
        fact(&t.undo, said, undo.ended_at, Some(run_at(f, &undo.id)));
    }
    Ok(facts)
}

/// Where the run's settings are not the usual ones, or not what holds now.
fn settings(app: &App, f: &Frame, site: &Site, run: &Run) -> Vec<Other> {
    let now = app.ordering().chosen(site).map(|chosen| chosen.settings);
    let now = now.unwrap_or_default().to_texts();
    let usual = Settings::default().to_texts();
    let of = |texts: &[(&'static str, String)], key: &str| {
        let found = texts.iter().find(|(known, _)| *known == key);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let said = |key: &str, value: &str| match value {
        "" => f.t.common.none.clone(),
        "true" => f.t.form.on.clone(),
        "false" => f.t.form.off.clone(),
        code => {
            let choice = f.lang.choice(key, code);
            choice.map_or_else(|| code.to_owned(), |choice| choice.label.to_owned())
        }
    };
    let mut others = Vec::new();
    for (key, then) in &run.settings {
        let now = of(&now, key);
        if *then == now && *then == of(&usual, key) {
            continue;
        }
        let label = f.lang.setting(key).map(|setting| setting.label);
        others.push(Other {
            label: label.unwrap_or(key).to_owned(),
            then: said(key, then),
            now: said(key, &now),
        });
    }
    others
}

fn happened(app: &App, f: &Frame, event: &Event) -> Happened {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let text = |key: &str| data[key].as_str().unwrap_or_default();
    let said = match event.kind {
        EventKind::RunState => match RunState::from_code(text("state")) {
            Some(state) => f.lang.run_state(state).to_owned(),
            None => text("state").to_owned(),
        },
        EventKind::Throttled => {
            let wait = Duration::from_millis(data["wait_ms"].as_u64().unwrap_or(0));
            let said = fill(&f.t.run.waits, &[("time", &f.lang.duration(wait))]);
            match text("request") {
                "" => said,
                request => format!("{said} ({request})"),
            }
        }
        EventKind::Item => text("name").to_owned(),
    };
    Happened {
        when: Moment::new(event.at, app.now(), f.lang),
        text: said,
    }
}
