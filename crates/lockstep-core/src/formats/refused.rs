//! Why a body is no price list.

use std::fmt;

use crate::formats::skipped::Skipped;

/// How many characters of a site's own message are kept.
const MAX_MESSAGE: usize = 200;

/// Why a body is no price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAPriceList {
    /// There is nothing.
    Empty,
    /// It is a page for people.
    Html,
    /// It is longer than the limit, in bytes.
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It ends before it is complete.
    CutOff,
    /// It is not JSON, told by where that shows.
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// Values are nested deeper than the limit.
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// It has more models than the limit.
    TooManyModels {
        /// The limit.
        limit: usize,
    },
    /// It says that it failed.
    Refused {
        /// What it says, cut to a line; empty if it says nothing.
        message: String,
    },
    /// It has no price data at all.
    NoData,
    /// Its data has no known layout.
    UnknownShape,
    /// Its prices are by group, a layout of some forks that is not supported.
    Grouped,
    /// It is a list of which no entry can be used.
    NothingUsable {
        /// What was wrong with them.
        skipped: Skipped,
    },
}

impl NotAPriceList {
    /// The stable code, as stored and as printed in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_body",
            Self::Html => "html",
            Self::TooLong { .. } => "too_long",
            Self::CutOff => "cut_off",
            Self::NotJson { .. } => "not_json",
            Self::TooDeep { .. } => "too_deep",
            Self::TooManyModels { .. } => "too_many_models",
            Self::Refused { .. } => "refused",
            Self::NoData => "no_data",
            Self::UnknownShape => "unknown_shape",
            Self::Grouped => "grouped",
            Self::NothingUsable { .. } => "nothing_usable",
        }
    }

    /// The site's own refusal. Its message comes from anybody, so that it is cut and its control characters go.
    pub(crate) fn refused(message: &str) -> Self {
        let is_plain = |letter: &char| !letter.is_control();
        let message = message.chars().filter(is_plain).take(MAX_MESSAGE).collect();
        Self::Refused { message }
    }
}

impl fmt::Display for NotAPriceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the answer is empty"),
            Self::Html => f.write_str("the answer is a web page, not a price list"),
            Self::TooLong { limit } => write!(f, "the answer is longer than {limit} bytes"),
            Self::CutOff => f.write_str("the answer ends in the middle"),
            Self::NotJson { line, column } => {
                write!(f, "the answer is not JSON (line {line}, column {column})")
            }
            Self::TooDeep { limit } => write!(f, "the answer is nested deeper than {limit} levels"),
            Self::TooManyModels { limit } => write!(f, "the list has more than {limit} models"),
            Self::Refused { message } if message.is_empty() => {
                f.write_str("the site refused without saying why")
            }
            Self::Refused { message } => f.write_str(message),
            Self::NoData => f.write_str("the answer has no price data"),
            Self::UnknownShape => f.write_str("the answer is no known kind of price list"),
            Self::Grouped => {
                f.write_str("the list has its prices by group, a layout that is not supported")
            }
            Self::NothingUsable { skipped } => {
                f.write_str("no entry of the list can be used")?;
                for (reason, skips) in skipped.iter() {
                    let names: Vec<String> =
                        skips.names.iter().map(|name| format!("{name:?}")).collect();
                    let more = skips.count.saturating_sub(names.len());
                    write!(
                        f,
                        "; {}: {}",
                        reason.code().replace('_', " "),
                        names.join(", ")
                    )?;
                    if more > 0 {
                        write!(f, " and {more} more")?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for NotAPriceList {}
