//! Why a text is no source, with what to write instead.

use thiserror::Error;

use crate::site::BadUrl;

/// A text that is no source.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadSource {
    /// The place is none of the known ones.
    #[error(
        "`{0}` is not a source; write official, models.dev, litellm, channel:ID, http(s)://HOST[/BASE] or file:PATH"
    )]
    Place(String),
    /// `channel:` without the id of a channel.
    #[error("`channel:{0}` names no channel; write its id, as in channel:12")]
    Channel(String),
    /// `file:` without a path.
    #[error("`file:` names no file; write its path, as in file:prices.json")]
    File,
    /// `upload:` without a name.
    #[error("`upload:` names no list; write the name of its source, as in upload:prices")]
    Upload,
    /// The address cannot be a site's.
    #[error("source {0}: {1}")]
    Address(String, BadUrl),
    /// The address is a list's own and not a site's.
    #[error("source {base}{path}: that is the address of a list; write {base},endpoint={path}")]
    ListAddress {
        /// The address up to the path.
        base: String,
        /// The path.
        path: String,
    },
    /// Something after a comma is no option.
    #[error(
        "source {place}: `{item}` is not an option; after the commas come name=, endpoint=, multiplier=, recharge=, \
         group=, token-env=, user-id=, header=NAME:VARIABLE and proxy= (a comma that belongs to a value is doubled)"
    )]
    Option {
        /// The source's place.
        place: String,
        /// What was written.
        item: String,
    },
    /// An option is there twice.
    #[error("source {place}: {option}= is there twice; keep one")]
    Twice {
        /// The source's place.
        place: String,
        /// The option.
        option: &'static str,
    },
    /// An option has a value that it cannot have.
    #[error("source {place}: {option}={value} cannot be: {must}")]
    Value {
        /// The source's place.
        place: String,
        /// The option.
        option: &'static str,
        /// What was written.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// An option does not go with the place, or with another option.
    #[error("source {place}: {option}= {why}")]
    DoesNotFit {
        /// The source's place.
        place: String,
        /// The option.
        option: &'static str,
        /// Why not, and what to do.
        why: &'static str,
    },
}
