//! Why a run could not be started or carried on. What goes wrong inside a run is in the run.

use lockstep_core::change::RunState;
use lockstep_core::failure::Failure;
use lockstep_core::settings::BadSetting;
use lockstep_store::StoreError;
use thiserror::Error;

/// Why the engine did not do what was asked.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway failed before there was a run to say it in.
    #[error("{}", .0.detail)]
    Gateway(Failure),
    /// Another process works on this gateway.
    #[error("another run is under way on this gateway ({0})")]
    Busy(String),
    /// Channels that were named are not on the gateway.
    #[error("the gateway has no channel {}", join(.0))]
    NoSuchChannel(Vec<i64>),
    /// A source that was named is none of the gateway's channels, or has no address.
    #[error("there is no source {0}: the gateway lists no such channel with an address")]
    NoSuchSource(String),
    /// No source of prices was named, and none is remembered.
    #[error("no source of prices is named or remembered")]
    NoSource,
    /// An empty selection is refused, never taken for "all".
    #[error("no channel was chosen")]
    EmptySelection,
    /// No channel's latest result is a failure.
    #[error("no channel's latest result is a failure")]
    NothingFailed,
    /// Nothing waits for an answer.
    #[error("nothing is held")]
    NothingHeld,
    /// The run wrote nothing, so there is nothing to take back.
    #[error("run {0} changed nothing that could be undone")]
    NothingToUndo(String),
    /// Another run took back all that was to be taken back.
    #[error("run {run} is undone already, by run {by}")]
    UndoneAlready {
        /// The run.
        run: String,
        /// The one that took it back last.
        by: String,
    },
    /// None of the channels that were named is ready.
    #[error("nothing is ready on these channels in run {0}; the run is left as it was")]
    NothingReady(String),
    /// No run of that kind is there.
    #[error("there is no run to work on")]
    NoRun,
    /// The run is not waiting for approval.
    #[error("run {run} is {}; only a planned run can be applied", .state.code())]
    NotPlanned {
        /// The run.
        run: String,
        /// Its state.
        state: RunState,
    },
    /// The plan is older than a day.
    #[error("the plan of run {0} is older than 24 hours; plan again")]
    Expired(String),
    /// Policies or rules changed since the plan.
    #[error("policies or rules changed since run {0} was planned; plan again")]
    PolicyChanged(String),
    /// The stored plan is not the one that was shown.
    #[error("the stored plan of run {0} is not the one that was shown; plan again")]
    PlanChanged(String),
    /// The program is ending, so nothing new is begun.
    #[error("Lockstep is stopping; nothing new is begun")]
    Stopping,
    /// A mistake of Lockstep's own broke the work off. Its run, if there was one, has ended; the log has more.
    #[error("a mistake in Lockstep itself broke this off; the log has more")]
    Internal,
    /// A write was not sent, for the lease or the database is gone. The run is left as it is; whoever looks for such runs
    /// goes on with it.
    #[error("{0}")]
    Lost(String),
    /// A stored setting cannot be read.
    #[error("a stored setting cannot be used: {0}")]
    Setting(#[from] BadSetting),
}

fn join(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    ids.join(", ")
}
