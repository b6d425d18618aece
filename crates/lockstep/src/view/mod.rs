//! What people and programs see: tables, bars and JSON.

pub(crate) mod bar;
pub(crate) mod json;
pub(crate) mod notice;
pub(crate) mod prices;
pub(crate) mod proposed;
pub(crate) mod schedule;
pub(crate) mod source;
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
        let _closed = writeln!(std::io::stderr().lock(), "{}", self.wrapped(text));
    }

    /// Lines of at most the width; what a line goes on with keeps its indent.
    pub(crate) fn wrapped(&self, text: &str) -> String {
        let wrap = |line: &str| {
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            let options = textwrap::Options::new(usize::from(self.width))
                .break_words(false)
                .subsequent_indent(&indent);
            textwrap::fill(line, options)
        };
        let lines: Vec<String> = text.lines().map(wrap).collect();
        lines.join("\n")
    }

    /// What has to be seen whatever was said about quiet: what a question is about.
    pub(crate) fn shows(&self, text: &str) {
        let _closed = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// A longer text among the data, wrapped like a hint.
    pub(crate) fn says(&self, text: &str) {
        self.data(&self.wrapped(text));
    }

    /// Asks a question that wants a yes. Only on a terminal; elsewhere nobody could answer. Whoever asks to stop says no.
    pub(crate) async fn asks(&self, question: &str) -> bool {
        let mut err = std::io::stderr().lock();
        let _closed = write!(err, "{question} [y/N] ");
        let _closed = err.flush();
        drop(err);
        let (answer, answered) = tokio::sync::oneshot::channel();
        // A thread of its own, for nothing can take back a read from a terminal.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            let yes = matches!(line.trim(), "y" | "Y" | "yes" | "Yes");
            let _nobody = answer.send(read.is_ok() && yes);
        });
        tokio::select! {
            yes = answered => yes.unwrap_or(false),
            _ = crate::cli::asked_to_stop() => false,
        }
    }

    /// Whether a question can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !self.json
    }
}
