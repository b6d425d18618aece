//! Exit statuses: 0 done and nothing waits, 2 changes wait, 3 done in part, 1 nothing done or a mistake.

use std::process::ExitCode;

use lockstep_core::change::RunState;
use lockstep_store::runs::Run;
use lockstep_store::status::RunCounts;

/// What a verb ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, nothing waits.
    Done,
    /// 1: nothing done.
    Nothing,
    /// 2: changes wait.
    Waits,
    /// 3: done in part.
    Part,
}

impl Exit {
    /// The status that a run deserves.
    pub(crate) fn of(run: &Run, counts: &RunCounts) -> Self {
        let waits = counts.planned > 0 || counts.held > 0;
        match run.state {
            RunState::Planned if waits => Self::Waits,
            RunState::Failed if run.failure.is_some() => Self::Nothing,
            RunState::Cancelled if counts.changed > 0 => Self::Part,
            RunState::Cancelled => Self::Nothing,
            _ if counts.failed > 0 && counts.success + counts.changed > 0 => Self::Part,
            _ if counts.failed > 0 => Self::Nothing,
            _ if run.failure.is_some() => Self::Part,
            _ if waits => Self::Waits,
            _ => Self::Done,
        }
    }

    /// The status of several runs of one verb: done in part where some did nothing and others something.
    pub(crate) fn of_all(exits: &[Self]) -> Self {
        let any = |exit: Self| exits.contains(&exit);
        match exits {
            [] => Self::Done,
            _ if exits.iter().all(|exit| *exit == Self::Nothing) => Self::Nothing,
            _ if any(Self::Nothing) || any(Self::Part) => Self::Part,
            _ if any(Self::Waits) => Self::Waits,
            _ => Self::Done,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Nothing => 1,
            Exit::Waits => 2,
            Exit::Part => 3,
        })
    }
}
