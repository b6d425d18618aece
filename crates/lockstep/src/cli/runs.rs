//! `lockstep runs`: history, and one run in full.

use comfy_table::{ColumnConstraint, Width};
use lockstep_core::change::{State, Subject};
use lockstep_store::changes::ChangeRow;
use lockstep_store::prices::PriceRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::{ItemStatus, RunCounts};
use serde_json::{Value, json};

use super::args::RunsArgs;
use super::context::Context;
use super::exit::Exit;
use super::prices::plan as price;
use crate::view::{Screen, json as form, table};
use crate::words::en;

/// So many runs of the history are read at once.
const PAGE: u32 = 50;

pub(crate) async fn runs(context: &Context, args: &RunsArgs) -> anyhow::Result<Exit> {
    let site = context.site(&args.target).await?;
    let store = context.store();
    let screen = &context.screen;
    if let Some(prefix) = &args.run {
        let run = store.run_by_prefix(Some(&site.id), prefix).await?;
        if run.subject == Subject::Prices {
            return one_of_prices(context, &site, &run, args).await;
        }
        let mut rows = store.changes(&run.id).await?;
        let counts = form::counts(&rows);
        rows.retain(|row| wanted(args, row));
        if screen.json {
            let object = form::some_of_run(&site, &run, &counts, &rows, context.engine.now());
            screen.data(&object.to_string());
            return Ok(Exit::Done);
        }
        screen.data(&head(&run));
        if let Some(failure) = &run.failure {
            screen.data(&en::failure(failure).message);
        }
        if let Some(text) = table::changes(screen, &rows) {
            screen.data(&text);
        }
        screen.data(&table::summary(&run, &counts, context.engine.now()));
        return Ok(Exit::Done);
    }
    let runs = matching(context, &site, args).await?;
    if screen.json {
        let runs: Vec<Value> = runs.iter().map(|(run, counts)| line(run, counts)).collect();
        screen.data(&json!({ "runs": runs }).to_string());
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        screen.hint("No run yet. `lockstep plan` makes the first.");
        return Ok(Exit::Done);
    }
    screen.data(&listed(screen, &runs, context.engine.now()));
    Ok(Exit::Done)
}

/// Runs as a table, a line each.
pub(crate) fn listed(screen: &Screen, runs: &[(Run, RunCounts)], now: i64) -> String {
    let mut table = table::plain(
        screen,
        &[
            "RUN",
            "STARTED (UTC)",
            "WHAT",
            "STATE",
            "CHANGED",
            "FAILED",
            "HELD",
            "OF",
        ],
    );
    for (run, counts) in runs {
        table.add_row(vec![
            table::short(&run.id).to_owned(),
            started(run, now),
            what(run),
            run.state.code().to_owned(),
            counts.changed.to_string(),
            counts.failed.to_string(),
            counts.held.to_string(),
            counts.total.to_string(),
        ]);
    }
    for (column, width) in [(0, 15), (1, 15)] {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    table::text(&table)
}

/// When a run was started: without the year where it is this one, so that a line stays a line.
fn started(run: &Run, now: i64) -> String {
    let (at, now) = (form::time(run.started_at), form::time(now));
    let from = if at.get(..5) == now.get(..5) { 5 } else { 0 };
    at.get(from..16).unwrap_or("").replace('T', " ")
}

/// What a run did, in a word or two.
fn what(run: &Run) -> String {
    match run.subject {
        Subject::Models => run.trigger.clone(),
        Subject::Prices => format!("{} prices", run.trigger),
    }
}

/// A price run in full.
async fn one_of_prices(
    context: &Context,
    site: &Site,
    run: &Run,
    args: &RunsArgs,
) -> anyhow::Result<Exit> {
    let rows = context.store().price_rows(&run.id).await?;
    let some: Vec<PriceRow> = rows
        .chunk_by(|one, next| one.model == next.model)
        .filter(|model| wanted_model(args, model))
        .flatten()
        .cloned()
        .collect();
    if context.screen.json {
        let object = price::as_json(context, site, run, &rows, &some, Value::Null).await?;
        context.screen.data(&object.to_string());
        return Ok(Exit::Done);
    }
    context.screen.data(&head(run));
    price::tell(context, run, &rows, &some, args.unit.unit()).await?;
    Ok(Exit::Done)
}

fn wanted_model(args: &RunsArgs, model: &[PriceRow]) -> bool {
    let any = |test: &dyn Fn(&PriceRow) -> bool| model.iter().any(test);
    let text = args.search.as_deref().unwrap_or("").to_lowercase();
    (!args.failed || any(&|row| row.status() == ItemStatus::Failed))
        && (!args.changed || any(&|row| row.state == State::Applied))
        && (!args.held || any(&|row| row.hold.is_some()))
        && any(&|row| mentions_price(row, &text))
}

fn mentions_price(row: &PriceRow, text: &str) -> bool {
    let source = row.source.as_deref().unwrap_or("");
    row.model.to_lowercase().contains(text) || source.to_lowercase().contains(text)
}

/// The newest runs that meet every condition, as many as asked for: the history is read on until there are enough.
async fn matching(
    context: &Context,
    site: &Site,
    args: &RunsArgs,
) -> anyhow::Result<Vec<(Run, RunCounts)>> {
    let store = context.store();
    let limit = usize::try_from(args.limit)?;
    let mut found = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let page = store.runs(&site.id, PAGE, before.as_deref()).await?;
        let Some((last, _)) = page.last() else {
            return Ok(found);
        };
        before = Some(last.id.clone());
        for (run, counts) in page {
            let fits = (!args.failed || counts.failed > 0 || run.failure.is_some())
                && (!args.changed || counts.changed > 0)
                && (!args.held || counts.held > 0);
            let hit = match &args.search {
                Some(text) if fits && run.subject == Subject::Prices => {
                    let text = text.to_lowercase();
                    let rows = store.price_rows(&run.id).await?;
                    rows.iter().any(|row| mentions_price(row, &text))
                }
                Some(text) if fits => store
                    .changes(&run.id)
                    .await?
                    .iter()
                    .any(|row| mentions(row, text)),
                _ => fits,
            };
            if found.len() == limit {
                return Ok(found);
            }
            if hit {
                found.push((run, counts));
            }
        }
    }
}

fn head(run: &Run) -> String {
    let mut head = format!(
        "run {}\n{} of {}, started {} by {}",
        run.id,
        run.trigger,
        run.subject.code(),
        form::time(run.started_at),
        run.actor
    );
    if let Some(parent) = &run.parent {
        head.push_str(&format!("\nfrom run {parent}"));
    }
    if let (Some(at), Some(by)) = (run.approved_at, &run.approved_by) {
        head.push_str(&format!("\napproved {} by {by}", form::time(at)));
    }
    head
}

fn line(run: &Run, counts: &RunCounts) -> Value {
    json!({
        "run": run.id,
        "parent": run.parent,
        "subject": run.subject.code(),
        "state": run.state.code(),
        "trigger": run.trigger,
        "actor": run.actor,
        "approved_by": run.approved_by,
        "started_at": form::time(run.started_at),
        "ended_at": run.ended_at.map(form::time),
        "statistics": form::statistics(counts),
        "error": form::run_error(run),
    })
}

fn wanted(args: &RunsArgs, row: &ChangeRow) -> bool {
    let chips = args.failed || args.changed || args.held;
    let chip = (args.failed && row.status() == ItemStatus::Failed)
        || (args.changed && row.state == lockstep_core::change::State::Applied)
        || (args.held && row.status() == ItemStatus::Held);
    let found = args.search.as_ref().is_none_or(|text| mentions(row, text));
    (!chips || chip) && found
}

/// Whether the channel's name, its id, what is said of it or a name that comes or goes has the text in it.
fn mentions(row: &ChangeRow, text: &str) -> bool {
    let text = text.to_lowercase();
    let has = |other: &str| other.to_lowercase().contains(&text);
    let lists = form::Lists::of(row);
    has(&row.channel_name)
        || row.channel_id.to_string() == text
        || row
            .failure
            .as_ref()
            .is_some_and(|failure| has(&en::failure(failure).message))
        || row
            .hold
            .as_ref()
            .is_some_and(|hold| has(&en::reason(hold).message))
        || lists
            .added
            .iter()
            .chain(&lists.removed)
            .any(|name| has(name))
        || row
            .held_add
            .iter()
            .chain(&row.held_remove)
            .any(|name| has(name))
}
