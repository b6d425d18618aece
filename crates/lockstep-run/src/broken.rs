//! What becomes of work that panics: that is a mistake of Lockstep's own, and whoever went on with it would make it again.
//! So it is logged, the run ends with a reason, and the gateway is free.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use lockstep_core::change::RunState;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_store::runs::Run;

use crate::error::EngineError;
use crate::session::Session;
use crate::watch::Watch;

/// A panic that was caught, and logged as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// Does the work, and survives it.
///
/// # Errors
///
/// [`Broken`] where it panicked. Nothing that it was changing may be looked at then but what is behind a lock.
pub fn unbroken<T>(
    what: &str,
    work: impl Future<Output = T>,
) -> impl Future<Output = Result<T, Broken>> {
    // Work is large, and would be as large again in whatever awaits this.
    let work = AssertUnwindSafe(Box::pin(work));
    work.catch_unwind().map(move |done| {
        done.map_err(|panic| {
            let why = words(panic.as_ref());
            tracing::error!(what, why, "broken off by a mistake of Lockstep's own");
            Broken
        })
    })
}

/// What is said of it in the data.
pub(crate) fn failure() -> Failure {
    Failure::new(FailureKind::Internal, "")
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
}

impl Session {
    /// Ends the run of work that broke, as failed. What waits for somebody's yes is left to wait.
    pub(crate) async fn end_broken(&self, watch: &Watch) -> Result<Run, EngineError> {
        let Some(run) = watch.progress.known_run() else {
            return Err(EngineError::Internal);
        };
        let run = self.store().run(&run).await?;
        let goes_on = run.go_on && run.approved_by.is_some();
        if run.state.ended() || (run.state == RunState::Planned && !goes_on) {
            return Ok(run);
        }
        // Under the fence that it had: who has taken it over meanwhile decides himself.
        let state = RunState::Failed;
        self.end(&run, self.last_fence(), state, Some(failure()))
            .await?;
        Ok(self.store().run(&run.id).await?)
    }
}
