//! The one rule by which changes are counted.

use lockstep_core::change::State;

/// What a person is told of one channel of a run. Each change has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemStatus {
    /// In sync, or written and read back, and nothing of it waits.
    Success,
    /// Some of it, or all, waits for an answer.
    Held,
    /// It could not be read, or was not written although it was to be.
    Failed,
    /// Left alone.
    Skipped,
    /// May be written, or is about to be.
    Planned,
}

impl ItemStatus {
    /// See [`Self::weight`].
    pub(crate) const LIGHTEST: u8 = 6;

    /// The status of a change in `state`, part of which is `held`.
    pub fn of(state: State, held: bool) -> Self {
        match state {
            State::Unread | State::Moved | State::Failed | State::Unverified => Self::Failed,
            State::Held => Self::Held,
            _ if held => Self::Held,
            State::Skipped | State::Dropped => Self::Skipped,
            State::Ready | State::Approved => Self::Planned,
            State::Same | State::Applied => Self::Success,
        }
    }

    /// The status of a model whose fields are in these states and of which something is `held`, or nothing. What went
    /// wrong with one field went wrong with the model, one held field holds it, and what was to be written and was not
    /// is no success.
    pub fn of_model(states: &[State], held: bool) -> Self {
        let weights = states.iter().map(|state| Self::weight(*state, held));
        Self::of_weight(weights.min().unwrap_or(Self::LIGHTEST))
    }

    /// How much a field in `state`, which is `held` or not, has to say about its model: the least of all fields' says what
    /// [`Self::of_model`] the model is, by [`Self::of_weight`].
    pub(crate) fn weight(state: State, held: bool) -> u8 {
        match (Self::of(state, held), state) {
            (Self::Failed, _) => 0,
            (Self::Held, _) => 1,
            (Self::Planned, _) => 2,
            (_, State::Dropped) => 3,
            (_, State::Applied) => 4,
            (_, State::Skipped) => 5,
            _ => Self::LIGHTEST,
        }
    }

    /// What a model is told to be by the least of its fields' weights.
    pub(crate) fn of_weight(weight: u8) -> Self {
        match weight {
            0 => Self::Failed,
            1 => Self::Held,
            2 => Self::Planned,
            3 | 5 => Self::Skipped,
            _ => Self::Success,
        }
    }

    /// The stable code, as in events.
    pub fn code(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Planned => "planned",
        }
    }
}

/// How many changes of a run have which status. `success + held + failed + skipped + planned = total`. A run about
/// models counts channels, a run about prices counts models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// All changes recorded so far.
    pub total: u64,
    /// See [`ItemStatus::Success`].
    pub success: u64,
    /// See [`ItemStatus::Failed`].
    pub failed: u64,
    /// See [`ItemStatus::Held`].
    pub held: u64,
    /// See [`ItemStatus::Skipped`].
    pub skipped: u64,
    /// See [`ItemStatus::Planned`].
    pub planned: u64,
    /// Changes that were written, those included of which another part is held.
    pub changed: u64,
    /// Changes that had nothing to write and nothing held.
    pub unchanged: u64,
}

impl RunCounts {
    /// Counts `count` more changes in `state`.
    pub fn add(&mut self, state: State, held: bool, count: u64) {
        self.add_model(&[state], held, count);
    }

    /// Counts `count` more models whose fields are in these states. A model is changed when one of its fields is.
    pub fn add_model(&mut self, states: &[State], held: bool, count: u64) {
        self.total += count;
        match ItemStatus::of_model(states, held) {
            ItemStatus::Success => self.success += count,
            ItemStatus::Held => self.held += count,
            ItemStatus::Failed => self.failed += count,
            ItemStatus::Skipped => self.skipped += count,
            ItemStatus::Planned => self.planned += count,
        }
        if states.contains(&State::Applied) {
            self.changed += count;
        } else if states.iter().all(|state| *state == State::Same) {
            self.unchanged += count;
        }
    }
}
