//! The JSON of a run: stable, documented in docs/json.md, one object.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_core::change::{State, Subject};
use lockstep_core::failure::Failure;
use lockstep_core::hold::Reason;
use lockstep_core::models::list::parse;
use lockstep_core::models::rule::Pattern;
use lockstep_core::settings::Overrides;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::{ItemStatus, RunCounts};
use serde_json::{Value, json};

use crate::words::{Said, en};

/// The text of a time in Unix milliseconds: RFC 3339, UTC.
pub(crate) fn time(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |at| at.to_string())
}

/// One run with its items.
pub(crate) fn run(site: &Site, run: &Run, rows: &[ChangeRow], now: i64) -> Value {
    some_of_run(site, run, &counts(rows), rows, now)
}

/// One run with some of its items: the statistics are still those of the whole run.
pub(crate) fn some_of_run(
    site: &Site,
    run: &Run,
    counts: &RunCounts,
    rows: &[ChangeRow],
    now: i64,
) -> Value {
    let mut object = head(site, run, counts, now);
    object["items"] = rows.iter().map(item).collect();
    object
}

/// What is said of every run, whatever it is about.
pub(crate) fn head(site: &Site, run: &Run, counts: &RunCounts, now: i64) -> Value {
    let so_far = Duration::from_millis(now.abs_diff(run.started_at));
    let took = run.took().unwrap_or(so_far);
    json!({
        "run": run.id,
        "parent": run.parent,
        "site": site.name.clone().unwrap_or_else(|| site.url.to_string()),
        "subject": run.subject.code(),
        "state": run.state.code(),
        "trigger": run.trigger,
        "actor": run.actor,
        "approved_by": run.approved_by,
        "plan": run.plan_hash.as_ref().map(|digest| digest.as_str().to_owned()),
        "started_at": time(run.started_at),
        "ended_at": run.ended_at.map(time),
        "duration_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "statistics": statistics(counts),
        "requests": {
            "reads": run.reads,
            "writes": run.writes,
            "throttled": run.throttled,
        },
        "error": run_error(run),
    })
}

/// Why a run as a whole failed, as JSON.
pub(crate) fn run_error(run: &Run) -> Option<Value> {
    let failure = run.failure.as_ref()?;
    Some(match run.subject {
        Subject::Models => error(failure),
        Subject::Prices => price_error(failure),
    })
}

/// The counts of a run as JSON.
pub(crate) fn statistics(counts: &RunCounts) -> Value {
    let RunCounts {
        total,
        success,
        failed,
        held,
        skipped,
        planned,
        changed,
        unchanged,
    } = counts;
    json!({
        "total": total,
        "success": success,
        "failed": failed,
        "held": held,
        "skipped": skipped,
        "planned": planned,
        "changed": changed,
        "unchanged": unchanged,
    })
}

/// The counts of a run's rows.
pub(crate) fn counts(rows: &[ChangeRow]) -> RunCounts {
    let mut counts = RunCounts::default();
    for row in rows {
        counts.add(row.state, row.hold.is_some(), 1);
    }
    counts
}

/// One channel of a run.
pub(crate) fn item(row: &ChangeRow) -> Value {
    let lists = Lists::of(row);
    json!({
        "channel_id": row.channel_id,
        "channel_name": row.channel_name,
        "status": row.status().code(),
        "attempts": row.attempts,
        "http_status": row.http_status,
        "error": row.failure.as_ref().filter(|_| row.status() == ItemStatus::Failed || row.status() == ItemStatus::Held).map(error),
        "hold": row.hold.as_ref().map(reason),
        "skip": row.skip.as_ref().map(reason),
        "old_models": lists.old,
        "upstream_models": row.upstream.clone().unwrap_or_default(),
        "new_models": lists.new,
        "added": lists.added,
        "removed": lists.removed,
        "kept": row.kept.iter().map(|(name, why)| json!({"name": name, "why": why.code()})).collect::<Vec<_>>(),
        "dropped": row.dropped.iter().map(|(name, why)| json!({"name": name, "why": why.code()})).collect::<Vec<_>>(),
        "notes": row.notes.iter().map(|note| json!({"note": note.code(), "message": en::note(note)})).collect::<Vec<_>>(),
        "finished_at": row.finished_at.map(time),
    })
}

/// A row's lists: what the channel had, has or would have, and the difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    pub(crate) old: Vec<String>,
    pub(crate) new: Vec<String>,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl Lists {
    /// The channel's list as the gateway had it when the row was last touched: a plan alone changes nothing.
    pub(crate) fn now(row: &ChangeRow) -> Vec<String> {
        match (&row.after, row.state) {
            (Some(after), State::Applied) => parse(after),
            _ => parse(&row.before),
        }
    }

    pub(crate) fn of(row: &ChangeRow) -> Self {
        let old = parse(&row.before);
        // What was not written is no new list, whatever was meant.
        let counts = matches!(row.state, State::Ready | State::Approved | State::Applied);
        let new = match &row.after {
            Some(after) if counts => parse(after),
            _ => old.clone(),
        };
        let had: std::collections::HashSet<&String> = old.iter().collect();
        let has: std::collections::HashSet<&String> = new.iter().collect();
        Self {
            added: new
                .iter()
                .filter(|name| !had.contains(name))
                .cloned()
                .collect(),
            removed: old
                .iter()
                .filter(|name| !has.contains(name))
                .cloned()
                .collect(),
            old,
            new,
        }
    }
}

/// A failure as JSON.
pub(crate) fn error(failure: &Failure) -> Value {
    said(failure.kind.code(), "kind", &en::failure(failure))
}

/// A failure that is about prices, as JSON.
pub(crate) fn price_error(failure: &Failure) -> Value {
    said(failure.kind.code(), "kind", &en::price_failure(failure))
}

/// A reason as JSON.
pub(crate) fn reason(reason: &Reason) -> Value {
    said(reason.code.code(), "reason", &en::reason(reason))
}

/// What a channel, or all channels of a provider, have of their own.
pub(crate) fn overrides(own: &Overrides) -> Value {
    let texts = |patterns: &[Pattern]| -> Vec<String> {
        let patterns = patterns.iter();
        patterns
            .map(|pattern| pattern.as_str().to_owned())
            .collect()
    };
    json!({
        "policy": own.policy.map(|policy| policy.code()),
        "keep": own.keep,
        "allow": own.rules.allow,
        "include": texts(&own.rules.include),
        "exclude": texts(&own.rules.exclude),
        "always_allowed": own.allowed,
    })
}

fn said(code: &str, key: &str, said: &Said) -> Value {
    json!({ key: code, "message": said.message, "hint": said.hint })
}
