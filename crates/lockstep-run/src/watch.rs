//! How a run is watched and ended early.

use tokio_util::sync::CancellationToken;

use crate::progress::Progress;

/// How a run is watched and ended early.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// How far it is.
    pub progress: Progress,
    /// Cancelled: writes under way are finished and journaled, then the run ends.
    pub cancel: CancellationToken,
    /// Cancelled before `cancel` is: the run does not end, for the process is about to, and another one, or the next,
    /// goes on with it.
    pub leave: CancellationToken,
}

impl Watch {
    /// Whether what is stopped now is to be gone on with elsewhere.
    pub(crate) fn leaves(&self) -> bool {
        self.leave.is_cancelled()
    }
}
