//! What the fork of April 2025 answers otherwise.

use serde_json::{Value, json};

use crate::connection::Reply;
use crate::gateway::Channel;
use crate::gateway::routes::{Query, success};

/// Fields the fork does not have yet.
const LATER: [&str; 4] = ["remark", "header_override", "channel_info", "settings"];

/// Options the fork does not have yet.
const LATER_OPTIONS: [&str; 4] = [
    "CreateCacheRatio",
    "ImageRatio",
    "AudioRatio",
    "AudioCompletionRatio",
];

/// A channel as the fork shows it.
pub(crate) fn shown(channel: &Channel) -> Value {
    let mut value = serde_json::to_value(channel.shown()).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !LATER.contains(&name.as_str()));
    }
    value
}

/// A bare list; pages count from 0, and a request that names no size asks for no rows.
pub(crate) fn channels(found: &[&Channel], query: &Query) -> Reply {
    let number = |name| {
        query
            .number(name)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(0)
    };
    let (page, size) = (number("p"), number("page_size"));
    let items: Vec<Value> = found
        .iter()
        .skip(page.saturating_mul(size))
        .take(size)
        .map(|channel| shown(channel))
        .collect();
    success(&items)
}

/// Only what the fork knows.
pub(crate) fn options(mut rows: Vec<Value>) -> Vec<Value> {
    rows.retain(|row| {
        let key = row["key"].as_str().unwrap_or_default();
        !key.contains('.') && !LATER_OPTIONS.contains(&key)
    });
    rows
}

/// The fork does not write down what admins do.
pub(crate) fn empty_log(query: &Query) -> Reply {
    let (page, size) = query.page();
    success(&json!({"items":[],"page":page,"page_size":size,"total":0}))
}
