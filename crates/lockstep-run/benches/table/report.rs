//! The rows, as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::Outcome;
use crate::first_load::Weight;
use crate::measure::Pairs;

/// The widest name: with the five columns after it a line has 80 characters.
const NAME: usize = 37;

/// The widest name of a page, in a line of 80 characters as well.
const PAGE: usize = 24;

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

/// One page of the program, or several of a kind.
#[derive(Debug)]
pub(crate) struct PageRow {
    pub(crate) name: &'static str,
    /// In milliseconds, as all times here.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// `None` for a page without rows.
    pub(crate) first_row: Option<f64>,
    /// What a request took of a processor.
    pub(crate) processor: f64,
    pub(crate) weight: Weight,
}

impl PageRow {
    fn json(&self) -> Value {
        json!({
            "page": self.name,
            "p50_ms": self.p50,
            "p99_ms": self.p99,
            "first_row_ms": self.first_row,
            "processor_ms": self.processor,
            "sent_bytes": self.weight.sent,
            "plain_bytes": self.weight.plain,
            "first_load_bytes": self.weight.first_load,
            "files_elsewhere": self.weight.elsewhere,
        })
    }
}

/// All rows, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    pages: Vec<PageRow>,
    notes: Vec<String>,
}

impl Report {
    /// Adds a row and says so: the whole takes a minute or two.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("measured: {}", row.name);
        self.rows.push(row);
    }

    /// Adds a page and says so.
    pub(crate) fn add_page(&mut self, page: PageRow) {
        eprintln!("measured: page {}", page.name);
        self.pages.push(page);
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
        if !self.pages.is_empty() {
            text.push_str(&self.table_of_pages());
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}");
        }
        text
    }

    fn table_of_pages(&self) -> String {
        let mut text = format!(
            "\n{:PAGE$} {:>6} {:>6} {:>9} {:>5} {:>6} {:>6} {:>10}\n",
            "page", "p50", "p99", "first row", "cpu", "sent", "plain", "first load"
        );
        for page in &self.pages {
            let kilobytes = |bytes: usize| number(Some(bytes as f64 / 1_000.0));
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "{:PAGE$} {:>6} {:>6} {:>9} {:>5} {:>6} {:>6} {:>10}",
                page.name,
                number(Some(page.p50)),
                number(Some(page.p99)),
                number(page.first_row),
                number(Some(page.processor)),
                kilobytes(page.weight.sent),
                kilobytes(page.weight.plain),
                kilobytes(page.weight.first_load),
            );
            let _ = match page.weight.elsewhere {
                0 => writeln!(text),
                files => writeln!(text, " {files} of another host!"),
            };
        }
        text
    }

    /// The rows, and the pages.
    pub(crate) fn json(&self) -> Outcome<String> {
        let pages: Vec<Value> = self.pages.iter().map(PageRow::json).collect();
        let all = json!({"rows": self.rows, "pages": pages});
        Ok(serde_json::to_string_pretty(&all)? + "\n")
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
