//! Why no run came of a tick.

use crate::error::EngineError;

/// Why no run came of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Another run was under way all the time, or the database did not answer; who holds the gateway.
    Busy(String),
    /// No token is stored for the site.
    NoToken,
    /// No source of prices is remembered.
    NoSource,
    /// A variable that a source names is not set; its name.
    Secret(String),
    /// A setting cannot be used; why.
    Settings(String),
    /// The schedule cannot be read any more, or has no further tick; why.
    Schedule(String),
    /// Lockstep is stopping; the tick is given back.
    Stopping,
    /// Anything else; what the engine says.
    Failed(String),
}

impl Lost {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy",
            Self::NoToken => "no_token",
            Self::NoSource => "no_source",
            Self::Secret(_) => "secret",
            Self::Settings(_) => "settings",
            Self::Schedule(_) => "schedule",
            Self::Stopping => "stopping",
            Self::Failed(_) => "failed",
        }
    }

    /// What belongs to the code; empty where nothing does.
    pub fn detail(&self) -> &str {
        match self {
            Self::NoToken | Self::NoSource | Self::Stopping => "",
            Self::Busy(detail)
            | Self::Secret(detail)
            | Self::Settings(detail)
            | Self::Schedule(detail)
            | Self::Failed(detail) => detail,
        }
    }
}

impl From<&EngineError> for Lost {
    fn from(error: &EngineError) -> Self {
        match error {
            EngineError::Busy(holder) => Self::Busy(holder.clone()),
            EngineError::Stopping => Self::Stopping,
            EngineError::NoSource => Self::NoSource,
            // It may answer again in a moment.
            EngineError::Store(error) => Self::Busy(format!("the database: {error}")),
            EngineError::Setting(bad) => Self::Settings(bad.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}
