//! All words for people, one module a language. Data holds codes; sentences are made here.

pub(crate) mod en;

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
