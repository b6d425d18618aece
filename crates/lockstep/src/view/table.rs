//! Tables: narrow enough for 80 columns, plain when piped.

use std::time::Duration;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets::NOTHING,
};
use lockstep_core::change::{RunState, State, Subject};
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::status::{ItemStatus, RunCounts};

use super::Screen;
use super::json::Lists;
use crate::words::en;

/// How many names of a part are shown unless more were asked for.
const NAMES: usize = 8;

/// An empty table as all tables here look.
pub(crate) fn plain(screen: &Screen, header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(screen.width);
    if screen.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(
        header
            .iter()
            .map(|title| Cell::new(title).add_attribute(Attribute::Dim)),
    );
    table
}

/// The text of a table, without the spaces that fill its last column.
pub(crate) fn text(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// The rows of a run that are worth a line: all but the unchanged ones.
pub(crate) fn changes(screen: &Screen, rows: &[ChangeRow]) -> Option<String> {
    let told: Vec<&ChangeRow> = rows
        .iter()
        .filter(|row| row.state != State::Same || !row.notes.is_empty())
        .collect();
    if told.is_empty() {
        return None;
    }
    let mut table = plain(screen, &["STATUS", "ID", "CHANNEL", "CHANGE"]);
    for row in told {
        let (word, colour) = status(row);
        let mut status = Cell::new(word).fg(colour);
        if row.state == State::Same {
            status = Cell::new(word);
        }
        table.add_row(vec![
            status,
            Cell::new(row.channel_id).set_alignment(CellAlignment::Right),
            Cell::new(&row.channel_name),
            Cell::new(story(screen, row)),
        ]);
    }
    if let Some(column) = table.column_mut(2) {
        column.set_constraint(comfy_table::ColumnConstraint::UpperBoundary(
            comfy_table::Width::Percentage(30),
        ));
    }
    Some(text(&table))
}

fn status(row: &ChangeRow) -> (&'static str, Color) {
    match (row.status(), row.state) {
        (ItemStatus::Success, State::Applied) => ("written", Color::Green),
        (ItemStatus::Success, _) => ("same", Color::Reset),
        (ItemStatus::Failed, State::Moved) => ("moved", Color::Red),
        (ItemStatus::Failed, _) => ("failed", Color::Red),
        (ItemStatus::Held, _) => ("held", Color::Yellow),
        (ItemStatus::Skipped, _) => ("skipped", Color::DarkGrey),
        (ItemStatus::Planned, _) => ("ready", Color::Cyan),
    }
}

/// What is said of a row: what comes, what goes, what stands in the way, what to know.
fn story(screen: &Screen, row: &ChangeRow) -> String {
    let most = if screen.verbose { usize::MAX } else { NAMES };
    let lists = Lists::of(row);
    let mut lines = Vec::new();
    for (sign, names) in [("+", &lists.added), ("-", &lists.removed)] {
        if !names.is_empty() {
            let shown = en::names(names, most);
            lines.push(format!("{sign}{} {shown}", names.len()));
        }
    }
    for (sign, names) in [("+", &row.held_add), ("-", &row.held_remove)] {
        if !names.is_empty() {
            let shown = en::names(names, most);
            lines.push(format!("held {sign}{}: {shown}", names.len()));
        }
    }
    if let Some(hold) = &row.hold {
        lines.push(en::reason(hold).message);
    }
    if let Some(skip) = &row.skip {
        lines.push(en::reason(skip).message);
    }
    if row.status() == ItemStatus::Failed
        && let Some(failure) = &row.failure
    {
        lines.push(en::failure(failure).message);
    }
    if row.attempts > 1 {
        lines.push(format!("{} attempts", row.attempts));
    }
    lines.extend(row.notes.iter().map(en::note));
    if screen.verbose {
        for (name, why) in &row.kept {
            lines.push(format!("kept {name}: {}", en::kept(*why)));
        }
        for (name, why) in &row.dropped {
            lines.push(format!("not listed {name}: {}", en::dropped(*why)));
        }
    }
    lines.join("\n")
}

/// The counts of a run in one or two lines.
pub(crate) fn summary(run: &Run, counts: &RunCounts, now: i64) -> String {
    let so_far = Duration::from_millis(now.abs_diff(run.started_at));
    let took = run.took().unwrap_or(so_far);
    let mut parts = vec![match run.subject {
        Subject::Models => en::count(counts.total, "channel", "channels"),
        Subject::Prices => en::count(counts.total, "model", "models"),
    }];
    for (count, word) in [
        (counts.planned, "to write"),
        (counts.changed, "changed"),
        (counts.unchanged, "unchanged"),
        (counts.failed, "failed"),
        (counts.held, "held"),
        (counts.skipped, "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let state = match run.state {
        RunState::Planned => "planned",
        RunState::Done => "done",
        RunState::Partial => "done in part",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
        RunState::Queued | RunState::Reading | RunState::Writing => "under way",
    };
    let mut requests = format!(
        "{}, {}",
        en::count(run.reads, "read", "reads"),
        en::count(run.writes, "write", "writes")
    );
    if run.throttled > 0 {
        requests.push_str(&format!(", {} times 429", run.throttled));
    }
    let end = format!(
        "run {} {state} in {} ({requests})",
        short(&run.id),
        en::duration(took)
    );
    if counts.total == 0 {
        return end;
    }
    format!("{}\n{end}", parts.join(", "))
}

/// Enough of a run's id to name it: UUIDv7 starts with the time, so the end tells runs of one moment apart.
pub(crate) fn short(id: &str) -> &str {
    id.get(..13).unwrap_or(id)
}

/// What to do about the failures and holds of a run: each advice once, with the channels it is for.
pub(crate) fn advice(rows: &[ChangeRow]) -> Vec<String> {
    let mut advice: Vec<(String, Vec<i64>)> = Vec::new();
    for row in rows {
        let hint = match (row.status(), &row.failure, &row.hold) {
            (ItemStatus::Failed, Some(failure), _) => en::failure(failure).hint,
            (ItemStatus::Held, _, Some(hold)) => en::reason(hold).hint,
            _ => continue,
        };
        match advice.iter_mut().find(|(known, _)| *known == hint) {
            Some((_, ids)) => ids.push(row.channel_id),
            None => advice.push((hint, vec![row.channel_id])),
        }
    }
    advice
        .into_iter()
        .map(|(hint, ids)| {
            let first: Vec<String> = ids.iter().take(MOST_IDS).map(i64::to_string).collect();
            let more = match ids.len().saturating_sub(MOST_IDS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{}{more}: {hint}", first.join(", "))
        })
        .collect()
}

/// How many channels are named before an advice.
const MOST_IDS: usize = 6;
