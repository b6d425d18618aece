//! What a job is told to do.

use lockstep_core::change::Subject;
use lockstep_core::hash::Digest;
use lockstep_core::settings::Settings;

use crate::engine::SiteAccess;
use crate::error::EngineError;
use crate::prices::chosen::Picks;
use crate::prices::plan::{PriceRequest, What};
use crate::request::{Request, Source};

/// What is to be done, on which gateway and for whom.
#[derive(Clone, Debug)]
pub struct Job {
    /// The gateway and its token.
    pub access: SiteAccess,
    /// The settings that the pace and what is planned afresh go by.
    pub settings: Settings,
    /// Who the history says did it.
    pub actor: String,
    /// What.
    pub order: Order,
    /// Whether the gateway's price page is asked afterwards whether it bills by what was written.
    pub verify: bool,
}

/// What a job does.
#[derive(Clone, Debug)]
pub enum Order {
    /// Plans model lists, and writes what is ready where it is to go on.
    Models(Box<Request>, Go),
    /// Plans prices, and writes what is ready where it is to go on.
    Prices(Box<PriceRequest>, Go),
    /// Writes a planned run.
    Apply {
        /// The run.
        run: String,
        /// The digest of the plan that was shown; another one is refused.
        shown: Option<Digest>,
        /// What of it.
        only: Chosen,
    },
    /// Goes on with a run whose process is gone.
    Resume(String),
    /// Writes what is held, on somebody's yes.
    Held {
        /// Channels or prices.
        subject: Subject,
        /// What of it.
        only: Chosen,
    },
    /// Plans to take a run back, and does where it is to go on.
    Undo {
        /// The run.
        run: String,
        /// What of it.
        only: Chosen,
        /// Whether it is written at once.
        go: Go,
    },
}

/// How a job goes on after its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It stops there.
    Plans,
    /// It writes what no guard holds; the first plan of a gateway stops all the same, once.
    Writes,
}

/// What of a run is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// All that is ready.
    #[default]
    All,
    /// Some channels.
    Channels(Vec<i64>),
    /// Some models.
    Models(Vec<String>),
}

impl Order {
    /// A choice of nothing is refused, never taken for all.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        let empty = match self {
            Self::Resume(_) => false,
            Self::Models(request, _) => request.source == Source::Selected(Vec::new()),
            Self::Prices(request, _) => {
                request.what == What::Models(Vec::new())
                    || request.what == What::Picked(Picks::new())
            }
            Self::Apply { only, .. } | Self::Held { only, .. } | Self::Undo { only, .. } => {
                *only == Chosen::Channels(Vec::new()) || *only == Chosen::Models(Vec::new())
            }
        };
        if empty {
            return Err(EngineError::EmptySelection);
        }
        Ok(())
    }
}

impl Chosen {
    /// The channels; `None` for all.
    pub(super) fn channels(self) -> Option<Vec<i64>> {
        match self {
            Self::Channels(ids) => Some(ids),
            Self::All => None,
            // A run about lists has none of these.
            Self::Models(_) => Some(Vec::new()),
        }
    }

    /// The models; `None` for all.
    pub(super) fn models(self) -> Option<Vec<String>> {
        match self {
            Self::Models(names) => Some(names),
            Self::All => None,
            Self::Channels(_) => Some(Vec::new()),
        }
    }
}
