//! What New API's price sync asks for and is answered: the same for the command line and the server.

use lockstep_core::prices::diff::SourceTable;
use lockstep_core::prices::names::NameId;
use lockstep_core::prices::source::{SourceState, Target};
use lockstep_core::prices::suspicious::suspicions;
use lockstep_core::prices::usd::usd;
use lockstep_core::prices::values::Values;
use lockstep_run::prices::collect::{From, Wanted};
use lockstep_run::prices::compare::Compared;
use lockstep_run::prices::local::LocalPrices;
use lockstep_store::prices::run_sources::RunSource;
use serde::Serialize;
use serde_json::{Value, json};

use crate::seed::FetchBody;
use crate::view::prices::Money;
use crate::view::source::state_as_json;
use crate::words::en;

/// What New API says to a request that names nobody who can be asked.
pub(crate) const NO_UPSTREAM: &str = "No valid upstream Channels";

/// What a request asks for: its upstreams, or where it has none, its ids. What has no http address is left out.
pub(crate) fn wanted(body: &FetchBody) -> Vec<Wanted> {
    if body.upstreams.is_empty() {
        return body
            .channel_ids
            .iter()
            .map(|id| Wanted::open(From::Id(*id)))
            .collect();
    }
    body.upstreams
        .iter()
        .filter_map(|upstream| {
            Target::of_upstream(
                upstream.id,
                &upstream.name,
                &upstream.base_url,
                &upstream.endpoint,
            )
        })
        .map(|target| Wanted::open(From::Target(target)))
        .collect()
}

/// An answer that is not what was asked for, as New API frames it.
pub(crate) fn refusal(message: &str) -> String {
    json!({"success": false, "message": message}).to_string()
}

/// The answer of `/api/ratio_sync/fetch`, with dollars, doubts and the sources' states beside what New API says.
pub(crate) fn answer(compared: &Compared<'_>, local: &LocalPrices, told: &[RunSource]) -> String {
    let tables = compared.tables();
    let differences = compared.differences(&tables);
    // Lists of many sources make an answer of tens of megabytes, so it is written once, where it stays.
    let mut out = String::from(r#"{"success":true,"data":{"differences":"#);
    differences.push_json(&mut out);
    out.push_str(r#","usd":{"#);
    let mut doubts = String::new();
    let labels: Vec<String> = tables
        .iter()
        .map(|source| format!("{}:", text(source.name)))
        .collect();
    let mut last: Option<NameId> = None;
    for difference in differences.iter() {
        if last == Some(difference.model) {
            continue;
        }
        if last.replace(difference.model).is_some() {
            out.push(',');
        }
        let said: Vec<(&String, Values)> = labels
            .iter()
            .zip(&tables)
            .map(|(label, source)| (label, source.table.values(difference.model)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        let locked = local.locked(difference.name);
        let mine = compared.local.table.values(difference.model);
        let name = text(difference.name);
        out.push_str(&name);
        out.push_str(r#":{"current":"#);
        out.push_str(&text(&Money::from(&usd(&mine, locked))));
        out.push_str(r#","sources":{"#);
        for (place, (label, values)) in said.iter().enumerate() {
            push_label(&mut out, place, label);
            out.push_str(&text(&Money::from(&usd(values, locked))));
        }
        out.push_str("}}");
        let raw: Vec<&Values> = said.iter().map(|(_, values)| values).collect();
        let found = suspicions(&mine, locked, &raw);
        let found = said
            .iter()
            .zip(found)
            .filter(|(_, codes)| !codes.is_empty());
        for (place, ((label, _), codes)) in found.enumerate() {
            if place == 0 {
                doubts.push_str(if doubts.is_empty() { "" } else { "}," });
                doubts.push_str(&name);
                doubts.push_str(":{");
            }
            push_label(&mut doubts, place, label);
            let codes: Vec<&str> = codes.iter().map(|code| code.code()).collect();
            doubts.push_str(&text(&codes));
        }
    }
    let results: Vec<Value> = told.iter().map(result).collect();
    let states: Vec<Value> = told.iter().map(state_as_json).collect();
    let end = if doubts.is_empty() { "" } else { "}" };
    out.push_str(r#"},"suspicious":{"#);
    out.push_str(&doubts);
    out.push_str(end);
    out.push_str(&format!(
        r#"}},"test_results":{},"sources":{}}}}}"#,
        Value::Array(results),
        Value::Array(states),
    ));
    out
}

/// What cannot fail to be JSON, as JSON.
fn text(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn push_label(out: &mut String, place: usize, label: &str) {
    if place > 0 {
        out.push(',');
    }
    out.push_str(label);
}

/// A source's result, in the seed's words.
fn result(source: &RunSource) -> Value {
    let failed = SourceState::from_code(&source.state).is_none_or(|state| {
        !matches!(
            state,
            SourceState::Ok | SourceState::Partial | SourceState::Shrunken | SourceState::Empty
        )
    });
    if failed {
        json!({"name": source.name, "status": "error", "error": en::source_error(source)})
    } else {
        json!({"name": source.name, "status": "success"})
    }
}

/// What each source that answered says of a model.
pub(crate) fn said<'t>(tables: &[SourceTable<'t>], model: NameId) -> Vec<(&'t str, Values)> {
    tables
        .iter()
        .map(|source| (source.name, source.table.values(model)))
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_ids_are_channels_and_the_official_preset() {
        let body = r#"{"channel_ids":[1,2,-100],"timeout":10}"#;
        let wanted = wanted(&FetchBody::parse(body).expect("reads"));
        let ids: Vec<i64> = wanted
            .iter()
            .filter_map(|wanted| match wanted.from {
                From::Id(id) => Some(id),
                _ => None,
            })
            .collect();
        assert_eq!(ids, [1, 2, -100]);
        // Tests ask nobody but this machine; what a preset is, is known without.
        let preset = Target::preset(-100).map(|preset| preset.unique_name());
        assert_eq!(preset.as_deref(), Some("Official Ratio Preset(-100)"));
    }
}
