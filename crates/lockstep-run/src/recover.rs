//! After a kill: what was approved is carried on under its own id, or only looked at when a day has passed.

use lockstep_core::change::{RunState, Subject};
use lockstep_store::runs::Run;

use crate::error::EngineError;
use crate::plan::PLAN_AGE;
use crate::session::{Held, Session};
use crate::watch::Watch;
use crate::write::Resumed;

impl Session {
    /// Carries on every run of this gateway that was cut off while it wrote. Each write is decided by reading first:
    /// what already is as intended is recorded as found, what still is as before is written, anything else moved. After a day nothing more is written.
    pub async fn carry_on(&self, watch: &Watch) -> Result<Vec<Run>, EngineError> {
        let mut ended = Vec::new();
        for run in self.interrupted_writes().await? {
            let held = self.hold().await?;
            ended.push(self.carry_on_under(&run, &held, watch).await?);
        }
        Ok(ended)
    }

    /// Carries on a run that was cut off while it wrote.
    pub(crate) async fn carry_on_under(
        &self,
        run: &Run,
        held: &Held,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        let approved_at = run.approved_at.unwrap_or(run.started_at);
        let stale = self.now().saturating_sub(approved_at) > PLAN_AGE;
        let resumed = if stale {
            Resumed::OnlyLooks
        } else {
            Resumed::Writes
        };
        match run.subject {
            Subject::Models => self.carry_on_run(&run.id, held, resumed, watch).await,
            Subject::Prices => self.carry_on_prices(&run.id, held, resumed, watch).await,
        }
    }

    /// The runs of this gateway that were cut off while they wrote.
    pub async fn interrupted_writes(&self) -> Result<Vec<Run>, EngineError> {
        let runs = self
            .store()
            .unfinished_runs(&self.access.site.id)
            .await?
            .into_iter()
            .filter(|run| run.state == RunState::Writing)
            .collect();
        Ok(runs)
    }
}
