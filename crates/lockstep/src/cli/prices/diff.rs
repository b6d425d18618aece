//! `lockstep diff`: how the gateway's prices differ from those of its sources; nothing is kept or written.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use comfy_table::{ColumnConstraint, Width};
use lockstep_core::prices::diff::{Cell, Difference};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::source::time_limit;
use lockstep_core::prices::suspicious::suspicions;
use lockstep_core::prices::usd::usd;
use lockstep_core::prices::values::Values;
use lockstep_run::prices::collect::Collecting;
use lockstep_run::prices::compare::{Compared, compare};
use lockstep_run::prices::local::LocalPrices;
use lockstep_store::prices::run_sources::RunSource;

use super::super::args::DiffArgs;
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::run::paced_session;
use super::sources::{allowed, collecting, exit_of, show, typed_or_stored};
use crate::differences::{self, NO_UPSTREAM, wanted};
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
        context
            .screen
            .data(&differences::answer(&compared, &local, &told));
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

/// The answer of New API to a request without a source that can be asked.
fn no_upstream(screen: &Screen) -> Exit {
    if screen.json {
        screen.data(&differences::refusal(NO_UPSTREAM));
    } else {
        screen.says(NO_UPSTREAM);
    }
    Exit::Nothing
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
        let said = differences::said(&tables, model);
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
