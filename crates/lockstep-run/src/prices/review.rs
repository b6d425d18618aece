//! Approval of a price plan: the checks between what was shown and its first write.

use lockstep_core::change::RunState;
use lockstep_core::hash::Digest;
use lockstep_core::settings::Settings;
use lockstep_store::prices::PriceRow;
use lockstep_store::runs::Run;

use crate::error::EngineError;
use crate::plan::PLAN_AGE;
use crate::request::UNDO;
use crate::session::Session;

/// Who approves which prices.
#[derive(Clone, Debug, Default)]
pub struct PriceApproval {
    /// Only these models; `None` for all that are ready.
    pub only: Option<Vec<String>>,
    /// Who approved it, for the history.
    pub by: String,
    /// Whether a price whose base moved may be planned again and written; else only as it was approved.
    pub rebases: bool,
}

impl Session {
    /// Checks that the stored plan is the one that was shown, is fresh, and rests on today's sources, answers and
    /// settings.
    pub(crate) async fn check_price_plan(&self, run: &Run) -> Result<Vec<PriceRow>, EngineError> {
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
        let rows = self.store().price_rows(&run.id).await?;
        // What was held is as old as it was when it was read.
        let oldest = rows.iter().map(|row| row.read_at).min();
        if oldest.is_some_and(|at| self.now().saturating_sub(at) > PLAN_AGE) {
            return Err(EngineError::Expired(run.id.clone()));
        }
        if run.plan_hash.as_ref() != Some(&digest(&rows)) {
            return Err(EngineError::PlanChanged(run.id.clone()));
        }
        let today = self.store().price_policy_hash(&run.site_id).await?;
        if run.trigger != UNDO && run.policy_hash != today {
            return Err(EngineError::PolicyChanged(run.id.clone()));
        }
        Ok(rows)
    }

    /// The settings that a stored run was planned with.
    pub(crate) fn settings_of(&self, run: &Run) -> Result<Settings, EngineError> {
        let mut settings = Settings::default();
        for (key, value) in &run.settings {
            settings.set(key, value)?;
        }
        Ok(settings)
    }
}

/// The digest of a price plan: every value before and after, and what is held. The rows are in their stored order.
pub(crate) fn digest(rows: &[PriceRow]) -> Digest {
    let parts = rows.iter().flat_map(|row| {
        [
            row.model.as_str(),
            row.field.code(),
            row.old.as_deref().unwrap_or("\u{0}"),
            row.new.as_deref().unwrap_or("\u{0}"),
            row.hold.as_ref().map_or("", |hold| hold.code.code()),
        ]
    });
    Digest::of(parts)
}
