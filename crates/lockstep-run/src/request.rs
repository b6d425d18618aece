//! What a new run is to do.

use lockstep_core::models::policy::Policy;
use lockstep_core::settings::Settings;

use crate::known::Ahead;

/// The trigger of a run that takes another one back.
pub(crate) const UNDO: &str = "undo";
/// The trigger of a run over the channels that failed.
pub(crate) const RETRY_FAILED: &str = "retry-failed";
/// The trigger of a run that writes what was held.
pub(crate) const HELD: &str = "apply-held";

/// Which channels a run is about, and where its lists come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// All channels, asked now.
    All,
    /// These channels, asked now.
    Selected(Vec<i64>),
    /// The channels whose latest result failed, asked now.
    RetryFailed,
    /// What is held, on all channels or on these, from the lists as they were read.
    Held(Option<Vec<i64>>),
}

impl Source {
    /// What made the run, as stored. `go_on`: whether it goes on to write what is ready.
    pub(crate) fn trigger(&self, go_on: bool) -> &'static str {
        match self {
            Self::All if go_on => "sync",
            Self::All => "plan",
            Self::Selected(_) => "selected",
            Self::RetryFailed => RETRY_FAILED,
            Self::Held(_) => HELD,
        }
    }
}

/// What a new run is to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which channels.
    pub source: Source,
    /// The settings, overrides of this run included.
    pub settings: Settings,
    /// A policy for this run alone.
    pub policy: Option<Policy>,
    /// Whether nobody looks: the stricter holds of a schedule.
    pub unattended: bool,
    /// Whether the settings are the site's own: what waits is then just what such a plan finds.
    pub own_settings: bool,
    /// Whether the run goes on to write what is ready, should it be interrupted before.
    pub go_on: bool,
    /// The price run that went before, so that new models have their prices when they go live.
    pub after: Option<String>,
    /// What providers answered just before, so that they need not be asked again.
    pub ahead: Ahead,
}
