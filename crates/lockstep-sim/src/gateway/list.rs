//! Reading channels and options.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::connection::{Reply, lock};
use crate::gateway::Channel;
use crate::gateway::old;
use crate::gateway::routes::{Query, failure, success};
use crate::gateway::shared::{Call, Shared};
use crate::spec::Flavour;

/// What the gateway says of anything that is not there.
pub(crate) const NOT_FOUND: &str = "record not found";

#[derive(Serialize)]
struct Page {
    items: Vec<Channel>,
    page: usize,
    page_size: usize,
    total: usize,
    type_counts: BTreeMap<String, usize>,
}

/// `GET /api/channel/`
pub(crate) fn channels(shared: &Shared, call: &Call) -> Reply {
    let query = Query::new(&call.query);
    selected(
        shared,
        &query,
        |_| true,
        |rows, type_counts| match shared.spec.flavour {
            Flavour::OldFork => old::channels(rows, &query),
            _ => page(rows, type_counts, &query),
        },
    )
}

/// `GET /api/channel/search`
pub(crate) fn search(shared: &Shared, call: &Call) -> Reply {
    let query = Query::new(&call.query);
    let word = query.text("keyword").unwrap_or_default().to_lowercase();
    let model = query.text("model").unwrap_or_default();
    let wanted = |channel: &Channel| {
        let by_word = word.is_empty()
            || channel.name.to_lowercase().contains(&word)
            || channel.id.to_string() == word
            || channel
                .base_url
                .as_deref()
                .unwrap_or_default()
                .contains(&word);
        by_word && channel.models.contains(model)
    };
    selected(shared, &query, wanted, |rows, type_counts| {
        match shared.spec.flavour {
            Flavour::OldFork => success(
                &rows
                    .iter()
                    .map(|channel| old::shown(channel))
                    .collect::<Vec<_>>(),
            ),
            _ => page(rows, type_counts, &query),
        }
    })
}

/// `GET /api/channel/:id`
pub(crate) fn one(shared: &Shared, id: &str) -> Reply {
    let Ok(id) = id.parse::<i64>() else {
        return failure(&format!("strconv.Atoi: parsing \"{id}\": invalid syntax"));
    };
    let now = shared.clock.elapsed();
    let state = lock(&shared.state);
    match state.visible(id, now) {
        Some(channel) if shared.spec.flavour == Flavour::OldFork => success(&old::shown(channel)),
        Some(channel) => success(&channel.shown()),
        None => failure(NOT_FOUND),
    }
}

/// `GET /api/option/`
pub(crate) fn options(shared: &Shared) -> Reply {
    let now = shared.clock.elapsed();
    let state = lock(&shared.state);
    let stale = state.stale_texts(now);
    if shared.spec.flavour == Flavour::OldFork {
        return success(&old::options(state.options.shown(&stale, false)));
    }
    success(&state.options.shown(&stale, true))
}

/// `GET /api/ratio_sync/channels`: whatever has an address, and two lists of prices known to the program.
pub(crate) fn ratio_sync_channels(shared: &Shared) -> Reply {
    let now = shared.clock.elapsed();
    let state = lock(&shared.state);
    let mut rows = state.all_visible(now);
    rows.sort_by_key(|channel| Reverse(channel.priority.unwrap_or(0)));
    let mut items: Vec<Value> = rows
        .into_iter()
        .filter_map(|channel| {
            let url = channel.base_url.as_deref()?;
            let url = if url.is_empty() {
                own_address(channel.kind)
            } else {
                url
            };
            (!url.is_empty()).then(|| {
                json!({
                    "id":channel.id,"name":channel.name,"base_url":url,
                    "status":channel.status,"type":channel.kind
                })
            })
        })
        .collect();
    items.push(json!({
        "id":-100,"name":"官方倍率预设","base_url":"https://basellm.github.io","status":1,"type":0
    }));
    items.push(json!({
        "id":-101,"name":"models.dev 价格预设","base_url":"https://models.dev","status":1,"type":0
    }));
    success(&items)
}

/// The address a channel type has by itself.
pub(crate) fn own_address(kind: i64) -> &'static str {
    match kind {
        1 => "https://api.openai.com",
        4 => "http://localhost:11434",
        14 => "https://api.anthropic.com",
        17 => "https://dashscope.aliyuncs.com",
        20 => "https://openrouter.ai/api",
        24 => "https://generativelanguage.googleapis.com",
        25 => "https://api.moonshot.cn",
        26 => "https://open.bigmodel.cn",
        42 => "https://api.mistral.ai",
        43 => "https://api.deepseek.com",
        48 => "https://api.x.ai",
        _ => "",
    }
}

/// Finds the channels a query asks for and hands them on in its order, with their count by type.
/// The count takes in what only the type filter left out.
fn selected<T>(
    shared: &Shared,
    query: &Query,
    wanted: impl Fn(&Channel) -> bool,
    then: impl FnOnce(&[&Channel], BTreeMap<String, usize>) -> T,
) -> T {
    let now = shared.clock.elapsed();
    let state = lock(&shared.state);
    let mut type_counts = BTreeMap::new();
    let kind = query.number("type");
    let mut rows = state.all_visible(now);
    rows.retain(|channel| {
        if !status_fits(query.text("status"), channel.status)
            || !group_fits(query.text("group"), &channel.group)
            || !wanted(channel)
        {
            return false;
        }
        *type_counts.entry(channel.kind.to_string()).or_insert(0) += 1;
        kind.is_none_or(|kind| kind == channel.kind)
    });
    order(&mut rows, query);
    then(&rows, type_counts)
}

fn group_fits(filter: Option<&str>, groups: &str) -> bool {
    filter.is_none_or(|wanted| wanted.is_empty() || groups.split(',').any(|group| group == wanted))
}

fn status_fits(filter: Option<&str>, status: i64) -> bool {
    match filter {
        Some("enabled" | "1") => status == 1,
        Some("disabled" | "0") => status != 1,
        _ => true,
    }
}

/// The default order is by priority only: channels of one priority may come in any order, here by id.
fn order(rows: &mut [&Channel], query: &Query) {
    if query.text("id_sort") == Some("true") {
        rows.sort_by_key(|channel| Reverse(channel.id));
        return;
    }
    let compare: fn(&Channel, &Channel) -> Ordering = match query.text("sort_by") {
        Some("id") => |a, b| a.id.cmp(&b.id),
        Some("name") => |a, b| a.name.cmp(&b.name),
        Some("balance") => |a, b| a.balance.total_cmp(&b.balance),
        Some("response_time") => |a, b| a.response_time.cmp(&b.response_time),
        Some("test_time") => |a, b| a.test_time.cmp(&b.test_time),
        Some("priority") => |a, b| a.priority.cmp(&b.priority),
        _ => {
            rows.sort_by_key(|channel| Reverse(channel.priority.unwrap_or(0)));
            return;
        }
    };
    rows.sort_by(|a, b| compare(a, b));
    if query.text("sort_order") != Some("asc") {
        rows.reverse();
    }
}

fn page(rows: &[&Channel], type_counts: BTreeMap<String, usize>, query: &Query) -> Reply {
    let (page, page_size) = query.page();
    let items = rows
        .iter()
        .skip((page - 1).saturating_mul(page_size))
        .take(page_size)
        .map(|channel| channel.shown())
        .collect();
    success(&Page {
        items,
        page,
        page_size,
        total: rows.len(),
        type_counts,
    })
}
