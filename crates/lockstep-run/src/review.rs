//! Approval: the checks between a shown plan and its first write.

use lockstep_core::change::RunState;
use lockstep_core::change::Subject;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::status::RunCounts;

use crate::error::EngineError;
use crate::plan::PLAN_AGE;
use crate::request::{Source, UNDO};
use crate::row::{digest, plan_digest};
use crate::session::Session;

/// Who approves what.
#[derive(Clone, Debug, Default)]
pub struct Approval {
    /// Only these channels; `None` for all that are ready.
    pub only: Option<Vec<i64>>,
    /// Who approved it, for the history.
    pub by: String,
    /// Whether a base that moves before its write may be planned again and written where no guard holds it: `sync` may,
    /// for its plan is of this moment; an `apply` writes what was shown, or nothing.
    pub rebases: bool,
}

impl Session {
    /// Whether a plan like this was ever made of this gateway with somebody looking: a site's first run stops for a
    /// review, once. What was seen of some channels is no review of all. Asked before the plan that it is about.
    pub async fn reviewed_before(&self, source: &Source) -> Result<bool, EngineError> {
        let site = &self.access.site.id;
        let all_channels = *source == Source::All;
        Ok(self
            .store()
            .has_been_planned(site, Subject::Models, all_channels)
            .await?)
    }

    /// Ends a planned run that has nothing to write.
    pub async fn finish(&self, run: &Run) -> Result<Run, EngineError> {
        let held = self.hold().await?;
        self.store().adopt_run(&run.id, held.fence).await?;
        let counts = self.store().counts(&run.id).await?;
        self.end(run, held.fence, outcome(counts, false), None)
            .await?;
        Ok(self.store().run(&run.id).await?)
    }

    /// Cancels a reading that cannot be gone on with. The tick that it came of is due again, unless somebody had asked for
    /// the run's end.
    pub(crate) async fn end_again(
        &self,
        run: &Run,
        fence: i64,
        failure: Option<lockstep_core::failure::Failure>,
    ) -> Result<(), EngineError> {
        if self.store().cancel_asked(&run.id).await?.is_some() {
            return self.end(run, fence, RunState::Cancelled, failure).await;
        }
        let again = self
            .store()
            .end_run_again(&run.id, fence, failure, self.requests(), self.now())
            .await?;
        if again {
            tracing::info!(run = %run.id, "a reading of a schedule was cut off; its tick is due again");
        }
        Ok(())
    }

    pub(crate) async fn end(
        &self,
        run: &Run,
        fence: i64,
        state: RunState,
        failure: Option<lockstep_core::failure::Failure>,
    ) -> Result<(), EngineError> {
        self.store()
            .end_run(&run.id, fence, state, failure, self.requests(), self.now())
            .await?;
        Ok(())
    }

    /// Checks that the stored plan is the one that was shown, is fresh, and rests on today's policies.
    pub(crate) async fn check_plan(&self, run: &Run) -> Result<Vec<ChangeRow>, EngineError> {
        if run.state != RunState::Planned {
            return Err(EngineError::NotPlanned {
                run: run.id.clone(),
                state: run.state,
            });
        }
        let planned_at = run.planned_at.unwrap_or(0);
        if self.now().saturating_sub(planned_at) > PLAN_AGE {
            return Err(EngineError::Expired(run.id.clone()));
        }
        let rows = self.store().outlines(&run.id).await?;
        let digests: Vec<_> = rows.iter().map(digest).collect();
        if run.plan_hash.as_ref() != Some(&plan_digest(&digests)) {
            return Err(EngineError::PlanChanged(run.id.clone()));
        }
        if run.trigger != UNDO && run.policy_hash != self.store().policy_hash(&run.site_id).await? {
            return Err(EngineError::PolicyChanged(run.id.clone()));
        }
        Ok(rows)
    }
}

/// How a run ended, by the counts of its rows.
pub(crate) fn outcome(counts: RunCounts, cancelled: bool) -> RunState {
    // A held channel whose other part was written succeeded as far as it went.
    let succeeded = counts.success > 0 || counts.changed > 0;
    match (cancelled, counts.failed > 0, succeeded) {
        (true, _, _) => RunState::Cancelled,
        (false, false, _) => RunState::Done,
        (false, true, true) => RunState::Partial,
        (false, true, false) => RunState::Failed,
    }
}
