//! The table of what became of one thing over time.

use crate::web::table::{Asked, Column, Shape, Table};
use crate::web::words::Words;

/// What it can be asked.
pub(super) static BY_TIME: Shape = Shape {
    chips: &["all"],
    sorts: &["when"],
    groups: &[],
    filters: &[],
    keeps: &[],
};

/// What the files of the table are called, below its path.
const FILE: &str = "changes";

/// All rows in the order that is asked for; they come the newest first.
pub(super) fn ordered<'r, R>(asked: &Asked, all: &'r [R]) -> Box<dyn Iterator<Item = &'r R> + 'r> {
    match asked.backwards {
        true => Box::new(all.iter().rev()),
        false => Box::new(all.iter()),
    }
}

/// Those of the page.
pub(super) fn shown<'r, R>(asked: &Asked, all: &'r [R]) -> impl Iterator<Item = &'r R> {
    let size = usize::try_from(asked.size).unwrap_or(usize::MAX);
    ordered(asked, all).skip(asked.skip()).take(size)
}

/// The table with these rows on this page, of so many. Nothing in it is searched or chosen.
pub(super) fn table(
    t: &'static Words,
    asked: Asked,
    columns: Vec<Column>,
    here: Vec<String>,
    total: u64,
) -> Table {
    Table {
        t,
        label: t.history.changes.clone(),
        search: None,
        chips: Vec::new(),
        filters: Vec::new(),
        groups: Vec::new(),
        columns,
        chooses: false,
        here,
        total,
        exports: (total > 0).then(|| asked.files_below(FILE)),
        empty: (
            t.history.no_history.clone(),
            t.history.no_history_hint.clone(),
        ),
        also: "",
        asked,
    }
}
