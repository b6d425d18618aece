//! Which values are chosen: those that the policy proposes, a column over the whole filter, or one by one.

use std::collections::{BTreeSet, HashSet};

use lockstep_core::change::Verdict;
use lockstep_run::prices::chosen::Picks;

use super::cells::id;
use crate::api::v1::prices::differences::table::{Row, Said, Table, Value};

/// What is chosen unless somebody says something else.
pub(super) const PROPOSALS: &str = "";
/// Only what was ticked.
pub(super) const BY_HAND: &str = "-";

/// What is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// What the policy proposes.
    Proposals,
    /// All values of a source, by its place in the table.
    Column(usize),
    /// What was ticked.
    ByHand,
}

/// The chosen values of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// By what they are chosen by.
    pub(super) ids: HashSet<String>,
    /// How many models they are of.
    pub(super) models: usize,
    /// How many values were left out because they look wrong.
    pub(super) left_out: usize,
}

impl Base {
    /// What the address says.
    pub(super) fn of(code: &str, table: &Table) -> Self {
        match code {
            PROPOSALS => Self::Proposals,
            name => match table.sources.iter().position(|source| source == name) {
                Some(place) => Self::Column(place),
                None => Self::ByHand,
            },
        }
    }

    /// The values of these rows that are chosen; `ticked` are those by hand.
    pub(super) fn choice(&self, table: &Table, rows: &[&Row], ticked: &BTreeSet<String>) -> Choice {
        let mut choice = Choice::default();
        if *self == Self::ByHand && ticked.is_empty() {
            return choice;
        }
        let mut last = "";
        for row in rows {
            let proposed = match self {
                Self::Proposals => proposed_by(table, row),
                Self::Column(_) | Self::ByHand => None,
            };
            if *self == Self::Proposals && proposed.is_none() {
                continue;
            }
            for cell in &row.cells {
                let Value::Other(value) = &cell.value else {
                    continue;
                };
                let source = source(table, cell);
                let key = || id(&row.model.name, row.field, source, value);
                let chosen = match self {
                    Self::Proposals => (proposed == Some(source)).then(key),
                    Self::Column(place) if *place == cell.source => match looks_wrong(row, cell) {
                        true => {
                            choice.left_out += 1;
                            None
                        }
                        false => Some(key()),
                    },
                    Self::Column(_) => None,
                    Self::ByHand => Some(key()).filter(|key| ticked.contains(key)),
                };
                if let Some(key) = chosen {
                    choice.ids.insert(key);
                    // Rows of a model stay together unless they are sorted by something else than their model.
                    if last != row.model.name {
                        choice.models += 1;
                        last = &row.model.name;
                    }
                }
            }
        }
        choice
    }
}

/// Whether a value looks wrong: such ones are never chosen but by hand.
pub(super) fn looks_wrong(row: &Row, cell: &Said) -> bool {
    !cell.confident || row.doubts(cell.source).next().is_some()
}

/// How many values each source's column chooses of these rows, by the source's place.
pub(super) fn whole_columns(table: &Table, rows: &[&Row]) -> Vec<usize> {
    let mut counts = vec![0; table.sources.len()];
    for row in rows {
        for cell in &row.cells {
            let chosen = matches!(cell.value, Value::Other(_)) && !looks_wrong(row, cell);
            if let (true, Some(count)) = (chosen, counts.get_mut(cell.source)) {
                *count += 1;
            }
        }
    }
    counts
}

/// The source whose value of this field the policy proposes, where nothing holds that.
fn proposed_by<'t>(table: &'t Table, row: &Row) -> Option<&'t str> {
    let outlook = table.outlook.as_ref()?;
    let proposal = outlook.proposals.get(&row.model.name)?;
    let mut changes = proposal.changes.iter();
    let is = proposal.verdict == Verdict::Apply
        && changes.any(|change| {
            change.field == row.field && change.new.is_some() && change.skip.is_none()
        });
    proposal.source.as_deref().filter(|_| is)
}

/// The source of a cell.
pub(super) fn source<'t>(table: &'t Table, cell: &Said) -> &'t str {
    table.sources.get(cell.source).map_or("", String::as_str)
}

/// What the chosen values come to, model by model. What is not there any more, or says something else, is not among
/// them. Where two values of one field are chosen the later source's is taken.
pub(super) fn picks(table: &Table, ids: &HashSet<String>) -> Picks {
    let mut picks = Picks::new();
    for row in &table.rows {
        for cell in &row.cells {
            if let Value::Other(value) = &cell.value {
                let source = source(table, cell);
                if ids.contains(&id(&row.model.name, row.field, source, value)) {
                    let picked = picks.entry(row.model.name.clone()).or_default();
                    picked.fields.insert(row.field, source.to_owned());
                }
            }
        }
    }
    picks
}
