//! Taking over: a run whose process is gone is brought to its end under its own id, by whoever finds it.

use lockstep_core::change::{RunState, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_store::runs::Run;

use crate::error::EngineError;
use crate::jobs::Chosen;
use crate::known::Given;
use crate::read::{ROW_AGE, read};
use crate::request::Source;
use crate::request::{HELD, UNDO};
use crate::session::{Held, Session};
use crate::watch::Watch;

impl Session {
    /// Goes on with a run of this gateway that nobody works on, from the step that it had reached. What it was to do is in
    /// its row: a reading of model lists is read on, and one that was to be written without another question is written.
    /// What is not in its row, the sources of a price run say, cannot be asked for again: such a run is cancelled, and
    /// changed nothing; if a schedule began it, its tick is due again.
    ///
    /// A run that is over, or waits for an approval, comes back as it is.
    ///
    /// # Errors
    ///
    /// [`EngineError::Busy`] when somebody has the gateway after all, and whatever keeps a plan from being written.
    pub async fn resume(&self, run_id: &str, watch: &Watch) -> Result<Run, EngineError> {
        let held = self.hold().await?;
        // Only now nobody else changes it.
        let run = self.store().run(run_id).await?;
        let run = match run.state {
            RunState::Queued | RunState::Reading => self.read_on(&run, &held, watch).await?,
            RunState::Writing => return self.carry_on_under(&run, &held, watch).await,
            _ => run,
        };
        self.keep_for_write(&run, held);
        match (&run.approved_by, run.state) {
            (Some(by), RunState::Planned) if run.go_on => {
                let written = self.write_run(&run, Chosen::All, true, by, watch).await;
                self.or_ended(&run, written).await
            }
            _ => Ok(run),
        }
    }

    /// Ends a run that was to be written without another question and may not be any more: nobody will ask for it, and a
    /// plan that could be written later is older than what was written meanwhile.
    pub(crate) async fn or_ended(
        &self,
        run: &Run,
        written: Result<Run, EngineError>,
    ) -> Result<Run, EngineError> {
        let refused = match written {
            Err(
                refused @ (EngineError::PolicyChanged(_)
                | EngineError::PlanChanged(_)
                | EngineError::Expired(_)),
            ) => refused,
            other => return other,
        };
        let held = self.hold().await?;
        self.store().adopt_run(&run.id, held.fence).await?;
        let failure = Failure::new(FailureKind::Record, refused.to_string());
        self.end(run, held.fence, RunState::Cancelled, Some(failure))
            .await?;
        tracing::warn!(run = %run.id, %refused, "ended without a write");
        Ok(self.store().run(&run.id).await?)
    }

    /// Reads on, and plans.
    async fn read_on(&self, run: &Run, held: &Held, watch: &Watch) -> Result<Run, EngineError> {
        let store = self.store();
        store.start_reading(&run.id, held.fence, self.now()).await?;
        let lost = match run.subject {
            // What the sources said is gone with it.
            Subject::Prices => Some(""),
            Subject::Models if run.trigger == UNDO => Some(""),
            Subject::Models if run.policy_hash != store.policy_hash(&run.site_id).await? => {
                Some("policies or rules changed since")
            }
            Subject::Models => None,
        };
        if let Some(lost) = lost {
            let failure = Failure::new(FailureKind::Interrupted, lost);
            self.end_again(run, held.fence, Some(failure)).await?;
            return Ok(store.run(&run.id).await?);
        }
        let _heeding = self.heed(&run.id, held.fence, watch);
        let mut given = match run.trigger.as_str() {
            HELD => {
                let source = Source::Held(run.selection.clone());
                match self.select(&source).await {
                    Ok((_, _, given)) => given,
                    Err(error) => {
                        let state = RunState::Cancelled;
                        self.end(run, held.fence, state, None).await?;
                        return Err(error);
                    }
                }
            }
            _ => Given::default(),
        };
        let fresh = self.now().saturating_sub(ROW_AGE);
        self.take_as_given(run, fresh, &mut given).await?;
        let scope = self.scope_of(run).await?;
        let state = read(self, run, held.fence, &scope, &given, watch).await?;
        tracing::info!(run = %run.id, state = state.code(), "read on");
        Ok(store.run(&run.id).await?)
    }
}
