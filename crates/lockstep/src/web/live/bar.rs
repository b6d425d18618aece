//! How far a run is, in words and as a bar.

use std::time::Duration;

use lockstep_core::change::{RunState, Subject};
use lockstep_run::progress::{Phase, Snapshot};
use lockstep_store::StoreError;
use lockstep_store::runs::Run;

use crate::server::App;
use crate::web::words::{Lang, fill};

/// How many of the channels under way are named.
const NAMES: usize = 3;

/// A run's progress, for the part `bar.html`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// What it does, and how far it is with that.
    pub(crate) title: String,
    /// What else is known: the channels under way, how many failed, the time left.
    pub(crate) more: Vec<String>,
    /// What the bar is called.
    pub(crate) label: &'static str,
    pub(crate) done: usize,
    /// 0 where nobody knows yet.
    pub(crate) total: usize,
}

impl Bar {
    /// The run's progress now.
    pub(crate) async fn of(app: &App, run: &Run, lang: Lang) -> Result<Self, StoreError> {
        let now = match app.jobs().running(&run.id) {
            Some(running) => running.watch.progress.snapshot(),
            None => recorded(app, run).await?,
        };
        Ok(Self::new(run, &now, lang))
    }

    fn new(run: &Run, now: &Snapshot, lang: Lang) -> Self {
        let t = &lang.words().run;
        let text = match (run.state, now.phase, run.subject) {
            (RunState::Queued, ..) => &t.queued,
            (_, Phase::Writing, _) if run.trigger == "undo" => &t.undoing,
            (_, Phase::Writing, _) => &t.writing,
            (_, Phase::Reading, _) if now.total == 0 => &t.starting,
            (_, Phase::Reading, Subject::Models) => &t.reading,
            (_, Phase::Reading, Subject::Prices) => &t.asking,
            (_, Phase::Listing | Phase::Ended, _) => &t.starting,
        };
        let title = fill(text, &[("done", &now.done), ("total", &now.total)]);
        let mut more = Vec::new();
        if !now.current.is_empty() {
            let names: Vec<String> = now.current.values().cloned().collect();
            more.push(fill(&t.now_at, &[("names", &lang.names(&names, NAMES))]));
        }
        if now.failed > 0 {
            more.push(fill(&t.failed_so_far, &[("n", &now.failed)]));
        }
        if now.left >= Duration::from_secs(1) {
            let left = Duration::from_secs(now.left.as_secs());
            more.push(fill(&t.left, &[("time", &lang.duration(left))]));
        }
        Self {
            title,
            more,
            label: &t.bar,
            done: now.done,
            total: now.total,
        }
    }
}

/// What the database tells of a run that another process works on.
async fn recorded(app: &App, run: &Run) -> Result<Snapshot, StoreError> {
    let counts = app.store().counts(&run.id).await?;
    let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok(match run.state {
        RunState::Writing => Snapshot {
            phase: Phase::Writing,
            total: whole(counts.changed + counts.planned),
            done: whole(counts.changed),
            ..Snapshot::default()
        },
        _ => Snapshot {
            phase: Phase::Reading,
            total: whole(run.total.max(counts.total)),
            done: whole(counts.total),
            failed: whole(counts.failed),
            ..Snapshot::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::hash::Digest;
    use lockstep_core::site::GatewayUrl;

    fn run(state: RunState) -> Run {
        Run {
            id: "r".to_owned(),
            parent: None,
            site_id: "s".to_owned(),
            site_url: GatewayUrl::parse("https://gateway.example").expect("an address"),
            subject: Subject::Models,
            state,
            trigger: "sync".to_owned(),
            actor: "admin".to_owned(),
            go_on: true,
            unattended: false,
            selection: None,
            settings: Vec::new(),
            policy_override: None,
            policy_hash: Digest::of(["policy"]),
            plan_hash: None,
            started_at: 0,
            planned_at: None,
            approved_at: None,
            approved_by: None,
            ended_at: None,
            reads: 0,
            writes: 0,
            throttled: 0,
            failure: None,
            fence: 1,
            total: 63,
        }
    }

    #[test]
    fn a_bar_says_what_is_read_what_failed_and_how_long_it_takes() {
        let names = ["dashscope", "moonshot", "deepseek", "kimi"];
        let current = (1..).zip(names.map(str::to_owned)).collect();
        let now = Snapshot {
            phase: Phase::Reading,
            total: 63,
            done: 41,
            failed: 2,
            current,
            left: Duration::from_millis(70_900),
            throttled: 0,
        };
        let bar = Bar::new(&run(RunState::Reading), &now, Lang::En);
        assert_eq!(bar.title, "Reading 41 of 63");
        let more = bar.more.join(" · ");
        assert!(
            more.starts_with("Now: dashscope, moonshot, deepseek"),
            "{more}"
        );
        assert!(!more.contains("kimi"), "{more}");
        assert!(more.contains("2 failed so far"), "{more}");
        assert!(more.contains("about 1 min 10 s left"), "{more}");
        let writing = Snapshot {
            phase: Phase::Writing,
            total: 14,
            done: 3,
            ..Snapshot::default()
        };
        let bar = Bar::new(&run(RunState::Writing), &writing, Lang::ZhCn);
        assert_eq!((bar.title.as_str(), bar.more.len()), ("正在写入 3/14", 0));
        let bar = Bar::new(&run(RunState::Queued), &Snapshot::default(), Lang::En);
        assert_eq!(bar.title, "Waits for another run on this gateway");
    }
}
