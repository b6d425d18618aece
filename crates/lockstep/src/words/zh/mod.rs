//! Simplified Chinese, for pages: what it tells people to do is a button or a field there, not a command.

pub(crate) mod code;
mod failure;
mod finding;
mod price;
mod reason;
pub(crate) mod setting;
mod source;

use std::time::Duration;

pub(crate) use failure::{engine_error, failure, store_error};
pub(crate) use finding::{finding, topic};
pub(crate) use price::{
    PAGE_IS_BEHIND, billed, field, kind, output_by, page_unread, price_answer, price_failure,
    price_part, verified,
};
pub(crate) use reason::{dropped, kept, note, reason};
pub(crate) use source::{
    conflict, doubt, list_accepted, skipped, source_badge, source_state, token_refused,
};

use crate::words::page::Thing;

/// Names in a sentence: the first few, and how many there are.
pub(crate) fn names(names: &[String], most: usize) -> String {
    let shown = names.get(..most).unwrap_or(names);
    first_names(shown, names.len())
}

/// The first of so many names in a sentence, and how many more there are.
pub(crate) fn first_names(shown: &[String], of: usize) -> String {
    let more = of.saturating_sub(shown.len());
    if more == 0 {
        shown.join("、")
    } else {
        format!("{} 以及另外 {more} 个", shown.join("、"))
    }
}

/// Channel ids in a sentence.
pub(crate) fn ids(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    ids.join("、")
}

/// A number of things.
pub(crate) fn count(count: u64, thing: Thing) -> String {
    let thing = match thing {
        Thing::Model => "个模型",
        Thing::Source => "个来源",
    };
    format!("{count} {thing}")
}

/// A duration as people say it.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.is_zero() => "0 秒".to_owned(),
        0 => format!("{} 毫秒", duration.as_millis()),
        1..60 => format!("{}.{} 秒", seconds, duration.subsec_millis() / 100),
        60..3600 if seconds.is_multiple_of(60) => format!("{} 分钟", seconds / 60),
        60..3600 => format!("{} 分 {} 秒", seconds / 60, seconds % 60),
        _ => format!("{} 小时 {} 分", seconds / 3600, seconds % 3600 / 60),
    }
}
