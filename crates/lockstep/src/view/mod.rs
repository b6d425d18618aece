//! What people and programs see: tables, bars and JSON.

pub(crate) mod bar;
pub(crate) mod json;
pub(crate) mod table;

use std::io::{IsTerminal, Write};

/// Where output goes: data to stdout, progress and hints to stderr.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Whether stdout is a terminal that may be coloured.
    pub(crate) colour: bool,
    /// Whether stderr is a terminal: a bar moves only there.
    pub(crate) bar: bool,
    /// How wide lines may be.
    pub(crate) width: u16,
}

/// The width where no terminal tells one.
const WIDTH: u16 = 80;

/// Whether this is a terminal, and colours are not forbidden.
pub(crate) fn may_colour(stream: &impl IsTerminal) -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !plain
}

impl Screen {
    pub(crate) fn new(json: bool, quiet: bool, verbose: u8) -> Self {
        let width = terminal_size::terminal_size_of(std::io::stdout())
            .or_else(|| terminal_size::terminal_size_of(std::io::stderr()))
            .map_or(WIDTH, |(width, _)| width.0.clamp(40, 160));
        Self {
            json,
            quiet,
            verbose: verbose > 0,
            colour: may_colour(&std::io::stdout()),
            bar: std::io::stderr().is_terminal() && !quiet && !json,
            width,
        }
    }

    /// Data, on stdout. A reader that went away is no error.
    pub(crate) fn data(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _closed = writeln!(out, "{}", text.trim_end());
    }

    /// A hint or a step, on stderr, wrapped to the width; further lines keep the first one's indent.
    pub(crate) fn hint(&self, text: &str) {
        if self.quiet {
            return;
        }
        let mut err = std::io::stderr().lock();
        for line in text.lines() {
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            let options = textwrap::Options::new(usize::from(self.width))
                .break_words(false)
                .subsequent_indent(&indent);
            let _closed = writeln!(err, "{}", textwrap::fill(line, options));
        }
    }

    /// Asks a question that wants a yes. Only on a terminal; elsewhere nobody could answer.
    pub(crate) fn asks(&self, question: &str) -> bool {
        let mut err = std::io::stderr().lock();
        let _closed = write!(err, "{question} [y/N] ");
        let _closed = err.flush();
        drop(err);
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).is_err() {
            return false;
        }
        matches!(line.trim(), "y" | "Y" | "yes" | "Yes")
    }

    /// Whether a question can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !self.json
    }
}
