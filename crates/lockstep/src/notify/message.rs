//! A notice as a message: a title, its lines, and what says where it comes from.

use jiff::Timestamp;
use lockstep_core::notices::{About, Finding, What};
use lockstep_store::notices::DueNotice;
use lockstep_store::sites::Site;
use serde_json::{Value, json};

use super::cut::plain;
use crate::view::json::time;
use crate::view::prices::Money;
use crate::words::en;

/// A message, ready for any template.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// One line.
    pub(super) title: String,
    /// One line for each finding.
    pub(super) lines: Vec<String>,
    /// The last line.
    pub(super) foot: String,
    /// What a program reads, without its list.
    pub(super) head: Value,
    /// The list that a program reads, one for each line.
    pub(super) items: Vec<Value>,
}

impl Message {
    /// The message of a notice of a site.
    pub(super) fn of(site: &Site, due: &DueNotice) -> Self {
        let told = &due.notice;
        let name = site.name.clone().unwrap_or_else(|| site.url.to_string());
        let lines = told.findings.iter();
        let lines = lines.map(|finding| plain(&en::notice_line(finding, due.subject)));
        Self {
            title: en::notice_title(&plain(&name), told, due.subject),
            lines: lines.collect(),
            foot: en::notice_foot(due.run_id.as_deref()),
            head: json!({
                "event": "notice",
                "kind": told.kind.code(),
                "telling": told.telling.code(),
                "site": name,
                "site_id": due.site_id,
                "subject": due.subject.code(),
                "run": due.run_id,
                "at": time(due.at),
                "count": told.findings.len(),
            }),
            items: told.findings.iter().map(finding_as_json).collect(),
        }
    }

    /// What a test says.
    pub(super) fn test(target: &str, now: i64) -> Self {
        let at = Timestamp::from_millisecond(now).unwrap_or_default();
        Self {
            title: en::notice_test(&plain(target)),
            lines: Vec::new(),
            foot: at.to_string(),
            head: json!({"event": "test", "target": target, "at": time(now), "count": 0}),
            items: Vec::new(),
        }
    }
}

/// A finding as JSON: codes with arguments.
pub(crate) fn finding_as_json(finding: &Finding) -> Value {
    let mut item = match &finding.about {
        About::Run => json!({"about": "run"}),
        About::Channel(id, name) => {
            json!({"about": "channel", "channel_id": id, "channel_name": name})
        }
        About::Model(name) => json!({"about": "model", "model": name}),
        About::Source(name) => json!({"about": "source", "source": name}),
    };
    let more = match &finding.what {
        What::Failed(failure) => {
            json!({"error": failure.kind.code(), "http_status": failure.http_status})
        }
        What::Held(reason, _) => json!({
            "reason": reason.code.code(),
            "names": reason.count,
            "of": reason.of,
            "limit": reason.limit,
        }),
        What::List { added, removed, .. } => json!({"added": added, "removed": removed}),
        What::Price(old, new, _) => json!({
            "usd_old": Money::from(old),
            "usd_new": Money::from(new),
        }),
        What::Source(state, _) => json!({"state": state.code()}),
        What::Unpriced => json!({}),
        What::Missed { why, detail } => json!({"why": why, "detail": detail}),
        What::Below {
            ours,
            cost,
            per_call,
        } => json!({
            "usd": ours,
            "cost_usd": cost,
            "per": if *per_call { "call" } else { "million_input_tokens" },
        }),
    };
    if let (Some(item), Value::Object(more)) = (item.as_object_mut(), more) {
        item.extend(more);
    }
    item
}
