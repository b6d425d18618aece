//! The plan that waits for a yes.

use std::collections::BTreeSet;

use lockstep_core::change::RunState;
use lockstep_run::PLAN_AGE;
use lockstep_store::listing::ItemPage;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::{ItemStatus, RunCounts};

use super::act;
use super::listing::Listings;
use crate::server::App;
use crate::web::frame::Frame;
use crate::web::refusal::Refusal;
use crate::web::table::{Asked, Chosen};
use crate::web::when::Moment;
use crate::web::words::{count, fill};

/// A plan as the page shows it.
pub(super) struct Plan {
    pub(super) run: String,
    /// The digest of what was shown.
    pub(super) digest: String,
    /// The button that writes it; `None` where there is nothing to write.
    pub(super) apply: Option<String>,
    /// The button that writes the chosen channels alone.
    pub(super) apply_chosen: String,
    pub(super) waits: String,
    pub(super) counts: RunCounts,
}

impl Plan {
    /// The plan of the newest run, if it waits and is not too old.
    pub(super) fn of(app: &App, f: &Frame, run: &Run, counts: RunCounts) -> Option<Self> {
        let planned_at = run.planned_at?;
        let fresh = app.now().saturating_sub(planned_at) <= PLAN_AGE;
        if run.state != RunState::Planned || !fresh {
            return None;
        }
        let t = &f.t.models;
        let changes = usize::try_from(counts.planned).unwrap_or(usize::MAX);
        let ago = Moment::new(planned_at, app.now(), f.lang);
        let waits = match changes {
            0 if counts.held + counts.failed == 0 => t.plan_empty.clone(),
            0 => t.plan_none.clone(),
            _ => fill(&t.plan_waits, &[("when", &ago.far)]),
        };
        Some(Self {
            run: run.id.clone(),
            digest: run.plan_hash.as_ref()?.as_str().to_owned(),
            apply: (changes > 0).then(|| count(changes, &t.apply_one, &t.apply)),
            apply_chosen: t.apply_selected.clone(),
            waits,
            counts,
        })
    }

    /// Takes note of what is chosen: the button says how many changes that is.
    pub(super) async fn choose(
        &mut self,
        app: &App,
        f: &Frame,
        site: &Site,
        listings: &Listings,
        asked: &Asked,
    ) -> Result<(), Refusal> {
        let chosen = Chosen::of(asked);
        if self.apply.is_none() || matches!(&chosen, Chosen::These(these) if these.is_empty()) {
            return Ok(());
        }
        let chosen = act::ids(app, f, site, listings, chosen).await?;
        let chosen: BTreeSet<i64> = chosen.into_iter().collect();
        let ready = ItemPage {
            statuses: vec![ItemStatus::Planned],
            limit: u32::MAX,
            ..ItemPage::default()
        };
        let (ready, _) = app.store().channel_page(&self.run, &ready).await?;
        let changes = ready.iter().filter(|id| chosen.contains(id)).count();
        self.apply_chosen = fill(&f.t.models.apply_selected_count, &[("n", &changes)]);
        Ok(())
    }

    /// Whether the plan has nothing to say: no change, and nothing that stands in the way of one.
    pub(super) fn is_well(&self) -> bool {
        self.apply.is_none() && self.counts.held == 0 && self.counts.failed == 0
    }
}
