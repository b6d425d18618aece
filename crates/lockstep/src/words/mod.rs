//! All words for people, one module a language. Data holds codes; sentences are made here.
//!
//! The command line speaks English and names its commands ([`en`]). Pages speak the reader's language and name their
//! buttons: they ask a [`Lang`], whose words are in [`page`].

pub(crate) mod en;
mod lang;
pub(crate) mod page;
mod zh;

use lockstep_core::prices::source::SourceState;
use lockstep_store::prices::run_sources::RunSource;

pub(crate) use lang::Lang;

/// What happened or stands in the way, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// What happened, with its likely cause.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
}

impl Said {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// What something is called, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Its name.
    pub(crate) label: &'static str,
    /// What it means, in a sentence.
    pub(crate) text: &'static str,
}

/// A setting, as a page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) label: &'static str,
    /// What it does.
    pub(crate) text: &'static str,
    /// What goes wrong outside the recommended range, where it has one.
    pub(crate) outside: Option<&'static str>,
}

/// How a source is said to stand: of one whose list has shrunk that is told, although its last good one stands in for it.
fn told_state(source: &RunSource) -> Option<SourceState> {
    let shrunken = SourceState::Shrunken;
    match source.failed.as_deref() {
        Some(code) if code == shrunken.code() => Some(shrunken),
        _ => SourceState::from_code(&source.state),
    }
}
