//! How a run ended: what is told of it, and the exit status that it deserves.

use std::collections::BTreeSet;

use lockstep_core::models::fate::Dropped;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::ItemStatus;
use serde_json::Value;

use super::args::FailOn;
use super::context::Context;
use super::exit::Exit;
use crate::view::{json as form, table};
use crate::words::en;

/// How one subject of a verb ended.
pub(crate) struct Ended {
    /// The run as JSON.
    pub(crate) told: Value,
    pub(crate) exit: Exit,
}

/// Tells a person of a run; for a program it comes back as JSON.
pub(crate) fn tell(context: &Context, site: &Site, run: &Run, rows: &[ChangeRow]) -> Value {
    let screen = &context.screen;
    let now = context.engine.now();
    if screen.json {
        return form::run(site, run, rows, now);
    }
    if let Some(failure) = &run.failure {
        let said = en::failure(failure);
        screen.says(&said.message);
        screen.says(&format!("  {}", said.hint));
    }
    if let Some(text) = table::changes(screen, rows) {
        screen.data(&text);
        screen.data("");
    }
    screen.data(&table::summary(run, &form::counts(rows), now));
    for hint in table::advice(rows) {
        screen.hint(&format!("  {hint}"));
    }
    let waiting: BTreeSet<&String> = rows
        .iter()
        .flat_map(|row| &row.dropped)
        .filter(|(_, why)| *why == Dropped::Unpriced)
        .map(|(name, _)| name)
        .collect();
    if !waiting.is_empty() {
        let waiting: Vec<String> = waiting.into_iter().cloned().collect();
        screen.hint(&en::without_price(&waiting));
    }
    Value::Null
}

/// The exit status that a run deserves.
pub(crate) async fn exit(
    context: &Context,
    site: &Site,
    run: &Run,
    rows: &[ChangeRow],
    fail_on: FailOn,
) -> anyhow::Result<Exit> {
    let mut counts = form::counts(rows);
    if fail_on == FailOn::New {
        for row in rows {
            let count = match row.status() {
                ItemStatus::Failed => &mut counts.failed,
                ItemStatus::Held => &mut counts.held,
                _ => continue,
            };
            *count -= u64::from(!is_new(context, site, row).await?);
        }
    }
    Ok(Exit::of(run, &counts))
}

/// Whether a failure or hold was not told by the run before.
async fn is_new(context: &Context, site: &Site, row: &ChangeRow) -> anyhow::Result<bool> {
    let history = context
        .store()
        .channel_history(&site.id, row.channel_id, 2)
        .await?;
    let before = history.iter().find(|earlier| earlier.run_id != row.run_id);
    let same = before.is_some_and(|before| {
        before.failure.as_ref().map(|failure| failure.kind)
            == row.failure.as_ref().map(|failure| failure.kind)
            && before.hold.as_ref().map(|hold| hold.code) == row.hold.as_ref().map(|hold| hold.code)
    });
    Ok(!same)
}
