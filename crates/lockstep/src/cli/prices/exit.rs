//! The exit status that a price run deserves.

use std::collections::BTreeMap;

use lockstep_core::change::{RunState, State, Subject};
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::{PriceRow, counts};
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::{ItemStatus, RunCounts};

use super::super::args::FailOn;
use super::super::context::Context;
use super::super::exit::Exit;
use super::sources::exit_of;

/// So many runs are looked through for the one before.
const BEFORE: u32 = 50;

/// The status by what became of the prices.
pub(crate) fn of(run: &Run, rows: &[PriceRow]) -> Exit {
    of_counts(run, rows, &counts(rows))
}

/// The status of a run that asked its sources: a source that gave nothing is never "no difference". With
/// [`FailOn::New`] only what the run before did not tell counts.
pub(crate) async fn of_asked(
    context: &Context,
    site: &Site,
    run: &Run,
    fail_on: FailOn,
) -> anyhow::Result<Exit> {
    let store = context.store();
    let rows = store.price_rows(&run.id).await?;
    let mut sources = store.run_sources(&run.id).await?;
    let mut counts = counts(&rows);
    if fail_on == FailOn::New
        && let Some(before) = before(context, site, run).await?
    {
        let told = store.run_sources(&before.id).await?;
        let is_told = |source: &RunSource| {
            told.iter()
                .any(|known| known.name == source.name && known.state == source.state)
        };
        sources.retain(|source| !is_told(source));
        forget(&mut counts, &rows, &store.price_rows(&before.id).await?);
    }
    let exit = of_counts(run, &rows, &counts);
    Ok(match (exit, exit_of(&sources)) {
        (Exit::Done, Exit::Nothing) if counts.changed == 0 => Exit::Nothing,
        (Exit::Done, Exit::Nothing | Exit::Part) => Exit::Part,
        (exit, _) => exit,
    })
}

fn of_counts(run: &Run, rows: &[PriceRow], counts: &RunCounts) -> Exit {
    let waits = rows.iter().any(|row| row.state == State::Ready);
    match run.state {
        RunState::Planned if waits => Exit::Waits,
        _ => Exit::of(run, counts),
    }
}

/// The run about prices before this one.
async fn before(context: &Context, site: &Site, run: &Run) -> anyhow::Result<Option<Run>> {
    let runs = context
        .store()
        .runs(&site.id, BEFORE, Some(&run.id))
        .await?;
    let mut prices = runs
        .into_iter()
        .map(|(run, _)| run)
        .filter(|run| run.subject == Subject::Prices);
    Ok(prices.next())
}

/// Takes the failures and holds out of the counts that were told before.
fn forget(counts: &mut RunCounts, rows: &[PriceRow], before: &[PriceRow]) {
    let before = troubles(before);
    for (model, trouble) in troubles(rows) {
        if before.get(model) == Some(&trouble) {
            match trouble.0 {
                ItemStatus::Failed => counts.failed -= 1,
                _ => counts.held -= 1,
            }
        }
    }
}

/// What is wrong with each model: its status, and the codes of why.
fn troubles(rows: &[PriceRow]) -> BTreeMap<&str, (ItemStatus, Vec<&'static str>)> {
    rows.chunk_by(|one, next| one.model == next.model)
        .filter_map(|model| {
            let states: Vec<State> = model.iter().map(|row| row.state).collect();
            let held = model.iter().any(|row| row.hold.is_some());
            let status = ItemStatus::of_model(&states, held);
            let holds = model
                .iter()
                .filter_map(|row| Some(row.hold.as_ref()?.code.code()));
            let failures = model
                .iter()
                .filter_map(|row| Some(row.failure.as_ref()?.kind.code()));
            let codes = holds.chain(failures).collect();
            matches!(status, ItemStatus::Failed | ItemStatus::Held)
                .then(|| (model[0].model.as_str(), (status, codes)))
        })
        .collect()
}
