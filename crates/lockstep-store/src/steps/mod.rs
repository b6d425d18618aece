//! The steps of a run. Each is one transaction, and each but the approval takes the fence of the run's holder: when
//! another one is in force it changes nothing and returns [`StoreError::Fenced`](crate::StoreError::Fenced).
//! The rows that a step is given are stored as rows of its run, whatever run they name.

mod entry;
mod prices;
mod read;
mod rows;
mod write;

use lockstep_core::change::State;
use lockstep_core::failure::Failure;
use lockstep_core::hash::Digest;
use lockstep_core::models::memory::Memory;
use lockstep_core::prices::field::Field;

/// Requests that were sent since they were last recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests that read.
    pub reads: u64,
    /// Requests that wrote.
    pub writes: u64,
    /// How often the gateway asked to wait.
    pub throttled: u64,
}

/// A plan, once made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The digest by which the plan is known again.
    pub hash: Digest,
    /// Channels in the run; models in one about prices.
    pub total: u64,
    /// What it says of what waits.
    pub holds: Holds,
}

/// What a plan says of the holds of its channels or models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It looked at its channels afresh, under the site's own settings: what waits is what it found.
    Renew,
    /// It looked under other settings, or not at every source: what it found waits too, and what waited before goes on
    /// waiting.
    Add,
    /// It did not look: an undo, or a run that writes what is held.
    Leave,
}

/// What came of one approved change.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The channel.
    pub channel_id: i64,
    /// How far the change got.
    pub state: State,
    /// What was written, where it is not what was approved; `None` leaves it.
    pub after: Option<String>,
    /// What went wrong; `None` forgets an earlier failure.
    pub failure: Option<Failure>,
    /// Tries since they were last recorded.
    pub attempts_added: u32,
    /// The last HTTP status; `None` leaves the one of the reading.
    pub http_status: Option<u16>,
    /// When it was known, in Unix milliseconds.
    pub finished_at: i64,
    /// What is remembered of the channel from now on; `None` leaves it.
    pub memory: Option<Memory>,
}

/// What came of one approved value.
#[derive(Clone, Debug)]
pub struct PriceOutcome {
    /// The model.
    pub model: String,
    /// Which of its values.
    pub field: Field,
    /// How far the change got.
    pub state: State,
    /// What was written, where it is not what was approved; `None` leaves it.
    pub new: Option<String>,
    /// What went wrong; `None` forgets an earlier failure.
    pub failure: Option<Failure>,
    /// When it was known, in Unix milliseconds.
    pub finished_at: i64,
}
