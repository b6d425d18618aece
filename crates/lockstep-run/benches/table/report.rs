//! The rows, as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::Outcome;
use crate::measure::Pairs;

/// The widest name: with the five columns after it a line has 80 characters.
const NAME: usize = 37;

/// One measurement. What does not apply is null.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) ours: Option<f64>,
    pub(crate) floor: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Option<f64>,
}

impl Row {
    /// A measurement with nothing to hold it against.
    pub(crate) fn alone(name: &'static str, ours: Option<f64>, unit: &'static str) -> Self {
        Self {
            name,
            ours,
            floor: None,
            unit,
            ratio: None,
            goal: None,
        }
    }

    /// A measurement beside its floor.
    pub(crate) fn beside(
        name: &'static str,
        pairs: &Pairs,
        unit: &'static str,
        goal: Option<f64>,
    ) -> Self {
        Self {
            name,
            ours: Some(pairs.ours()),
            floor: Some(pairs.floor()),
            unit,
            ratio: Some(pairs.ratio()),
            goal,
        }
    }
}

/// All rows, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Report {
    /// Adds a row and says so: the whole takes a minute or two.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("measured: {}", row.name);
        self.rows.push(row);
    }

    /// Adds a line below the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:NAME$} {:>9} {:>9} {:7} {:>6} {:>6}\n",
            "", "ours", "floor", "unit", "ratio", "goal"
        );
        for row in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:NAME$} {:>9} {:>9} {:7} {:>6} {:>6}",
                row.name,
                number(row.ours),
                number(row.floor),
                row.unit,
                ratio(row.ratio),
                ratio(row.goal),
            );
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}");
        }
        text
    }

    pub(crate) fn json(&self) -> Outcome<String> {
        Ok(serde_json::to_string_pretty(&self.rows)? + "\n")
    }
}

/// Three digits that matter, without an exponent.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value == 0.0 || value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}
