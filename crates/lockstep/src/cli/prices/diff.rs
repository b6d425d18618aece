//! `lockstep diff`: how the gateway's prices differ from those of its sources; nothing is kept or written.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use comfy_table::{ColumnConstraint, Width};
use lockstep_core::prices::diff::{Cell, Difference};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::names::NameId;
use lockstep_core::prices::source::{SourceState, Target, time_limit};
use lockstep_core::prices::suspicious::suspicions;
use lockstep_core::prices::usd::usd;
use lockstep_core::prices::values::Values;
use lockstep_run::prices::collect::{Collecting, From, Wanted};
use lockstep_run::prices::compare::{Compared, compare};
use lockstep_run::prices::local::LocalPrices;
use lockstep_store::prices::run_sources::RunSource;
use serde_json::{Map, Value, json};

use super::super::args::DiffArgs;
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::run::paced_session;
use super::sources::{allowed, collecting, exit_of, show, state_as_json, typed_or_stored};
use crate::seed::FetchBody;
use crate::view::{Screen, prices, table};
use crate::words::en;

pub(crate) async fn diff(context: &Context, args: &DiffArgs) -> anyhow::Result<Exit> {
    let (session, chosen) = paced_session(context, &args.target, &args.pace).await?;
    let settings = &chosen.settings;
    let collecting = match &args.request {
        Some(file) => {
            let body = FetchBody::parse(&read(file)?)?;
            let wanted = wanted(&body);
            if wanted.is_empty() {
                return Ok(no_upstream(&context.screen));
            }
            Collecting {
                wanted,
                time_limit: Duration::from_secs(body.timeout()),
                allow: allowed(context, &args.target)?,
                max_retries: settings.max_retries,
            }
        }
        None => {
            let sources = typed_or_stored(context, session.site(), &args.source).await?;
            if sources.is_empty() {
                bail!(
                    "which source? name one, e.g. `lockstep diff official`, or remember one: `lockstep site source add official`"
                );
            }
            let limit = match &args.timeout {
                Some(text) => seconds(text)?,
                None => settings.prices.timeout,
            };
            collecting(context, &args.target, &sources, limit, settings.max_retries)?
        }
    };
    let local = session.local_prices(settings.max_retries).await?;
    let collected = session.collect(&collecting).await?;
    if collected.is_empty() {
        return Ok(no_upstream(&context.screen));
    }
    let compared = compare(&local, &collected);
    let told: Vec<RunSource> = compared
        .sources
        .iter()
        .map(|source| source.told())
        .collect();
    if context.screen.json {
        context.screen.data(&answer(&compared, &local, &told));
    } else {
        show(&context.screen, &told);
        print(&context.screen, &compared, &local, args);
    }
    Ok(exit_of(&told))
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("the request could not be read from stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("the request {}", file.display()))
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let number: i64 = text
        .trim()
        .trim_end_matches('s')
        .parse()
        .with_context(|| format!("--timeout {text}: it is a number of seconds"))?;
    Ok(time_limit(number))
}

/// What a request asks for: its upstreams, or where it has none, its ids. What has no http address is left out.
fn wanted(body: &FetchBody) -> Vec<Wanted> {
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

/// The answer of New API to a request without a source that can be asked.
fn no_upstream(screen: &Screen) -> Exit {
    let message = "No valid upstream Channels";
    if screen.json {
        screen.data(&json!({"success": false, "message": message}).to_string());
    } else {
        screen.says(message);
    }
    Exit::Nothing
}

/// The answer of `/api/ratio_sync/fetch`, with dollars, doubts and the sources' states beside what New API says.
pub(crate) fn answer(compared: &Compared<'_>, local: &LocalPrices, told: &[RunSource]) -> String {
    let tables = compared.tables();
    let differences = compared.differences(&tables);
    let mut money = Map::new();
    let mut doubts = Map::new();
    let mut last: Option<NameId> = None;
    for difference in differences.iter() {
        if last == Some(difference.model) {
            continue;
        }
        last = Some(difference.model);
        let said = said(compared, difference.model);
        let locked = local.locked(difference.name);
        let mine = compared.local.table.values(difference.model);
        let of_sources: Map<String, Value> = said
            .iter()
            .map(|(name, values)| ((*name).to_owned(), prices::usd(&usd(values, locked))))
            .collect();
        money.insert(
            difference.name.to_owned(),
            json!({"current": prices::usd(&usd(&mine, locked)), "sources": of_sources}),
        );
        let raw: Vec<&Values> = said.iter().map(|(_, values)| values).collect();
        let found: Map<String, Value> = said
            .iter()
            .zip(suspicions(&mine, locked, &raw))
            .filter(|(_, codes)| !codes.is_empty())
            .map(|((name, _), codes)| {
                let codes: Vec<&str> = codes.iter().map(|code| code.code()).collect();
                ((*name).to_owned(), json!(codes))
            })
            .collect();
        if !found.is_empty() {
            doubts.insert(difference.name.to_owned(), Value::Object(found));
        }
    }
    let results: Vec<Value> = told.iter().map(result).collect();
    let states: Vec<Value> = told.iter().map(state_as_json).collect();
    format!(
        r#"{{"success":true,"data":{{"differences":{},"test_results":{},"usd":{},"suspicious":{},"sources":{}}}}}"#,
        differences.json(),
        Value::Array(results),
        Value::Object(money),
        Value::Object(doubts),
        Value::Array(states),
    )
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
fn said<'c>(compared: &'c Compared<'_>, model: NameId) -> Vec<(&'c str, Values)> {
    compared
        .tables()
        .into_iter()
        .map(|source| (source.name, source.table.values(model)))
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

fn print(screen: &Screen, compared: &Compared<'_>, local: &LocalPrices, args: &DiffArgs) {
    let tables = compared.tables();
    let differences = compared.differences(&tables);
    let wanted = |name: &str| {
        let text = args.search.as_deref().unwrap_or("").to_lowercase();
        name.to_lowercase().contains(&text)
    };
    let mut models: BTreeMap<&str, Vec<Difference<'_>>> = BTreeMap::new();
    for difference in differences.iter().filter(|found| wanted(found.name)) {
        models.entry(difference.name).or_default().push(difference);
    }
    if models.is_empty() {
        screen.says("No price differs.");
        return;
    }
    let mut table = table::plain(screen, &["MODEL", "BILLS NOW", "SOURCES"]);
    for (name, fields) in &models {
        let model = fields[0].model;
        let locked = local.locked(name);
        let mine = compared.local.table.values(model);
        let said = said(compared, model);
        let raw: Vec<&Values> = said.iter().map(|(_, values)| values).collect();
        let doubts = suspicions(&mine, locked, &raw);
        let mut lines = Vec::new();
        for ((source, values), doubts) in said.iter().zip(doubts) {
            let differs = fields.iter().any(|field| {
                field
                    .cells()
                    .any(|cell| cell.name == *source && matches!(cell.cell, Cell::Value(_)))
            });
            let mut line = if args.unit.ratios {
                format!("{source}: {}", ratios(fields, source))
            } else if differs {
                format!("{source}: {}", prices::sum(&usd(values, locked), values))
            } else {
                format!("{source}: same")
            };
            if !doubts.is_empty() {
                let words: Vec<&str> = doubts.iter().map(|code| en::doubt(*code)).collect();
                line.push_str(&format!(" ({})", words.join(", ")));
            }
            lines.push(line);
        }
        let now = if args.unit.ratios {
            fields.iter().map(own).collect::<Vec<_>>().join("\n")
        } else {
            prices::sum(&usd(&mine, locked), &mine)
        };
        table.add_row(vec![(*name).to_owned(), now, lines.join("\n")]);
    }
    for (column, percent) in [(0, 28), (1, 24)] {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(percent)));
        }
    }
    screen.data(&table::text(&table));
    screen.data(&format!(
        "\n{} of {} differ",
        en::count(models.len() as u64, "model", "models"),
        compared.names.len()
    ));
}

fn own(difference: &Difference<'_>) -> String {
    let value = difference.current.unwrap_or("none");
    format!("{} {value}", en::field(difference.field))
}

fn ratios(fields: &[Difference<'_>], source: &str) -> String {
    let said: Vec<String> = fields
        .iter()
        .filter_map(|field| {
            let cell = field.cells().find(|cell| cell.name == source)?;
            match cell.cell {
                Cell::Value(value) => Some(format!("{} {value}", name(field.field))),
                Cell::Same | Cell::Absent => None,
            }
        })
        .collect();
    if said.is_empty() {
        "same".to_owned()
    } else {
        said.join(", ")
    }
}

fn name(field: Field) -> &'static str {
    en::field(field)
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
