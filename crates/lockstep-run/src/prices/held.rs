//! A price run of what is held: the rows as they were planned, written by somebody's yes.

use std::collections::BTreeSet;

use lockstep_core::change::{State, Subject};
use lockstep_core::prices::suspicious::same;
use lockstep_core::settings::Settings;
use lockstep_store::prices::PriceRow;
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::steps::{Holds, Planned};

use super::review::digest;
use crate::error::EngineError;
use crate::plan::{PLAN_AGE, texts};
use crate::request::HELD;
use crate::session::Session;

impl Session {
    /// Plans to write what is held, of all models or of these, as it was planned. The sources are not asked again: a
    /// day bounds the age. What could be no price at all stays held, whoever says yes.
    pub async fn plan_held_prices(
        &self,
        only: Option<&[String]>,
        settings: &Settings,
    ) -> Result<Run, EngineError> {
        let store = self.store();
        let site = &self.access.site.id;
        let oldest = self.now().saturating_sub(PLAN_AGE);
        let today = store.price_policy_hash(site).await?;
        let mut rows: Vec<PriceRow> = Vec::new();
        let mut parent = None;
        let mut expired = None;
        for hold in store.price_holds(site).await? {
            if only.is_some_and(|models| !models.contains(&hold.model)) {
                continue;
            }
            let of_model: Vec<PriceRow> = store
                .price_rows(&hold.run_id)
                .await?
                .into_iter()
                .filter(|row| row.model == hold.model)
                .collect();
            if of_model.iter().any(|row| row.read_at < oldest) {
                expired = Some(hold.run_id);
                continue;
            }
            let run = store.run(&hold.run_id).await?;
            if run.policy_hash != today {
                // What was held is not what would be planned by today's sources, settings and answers.
                return Err(EngineError::PolicyChanged(hold.run_id));
            }
            parent = parent.max(Some(hold.run_id));
            rows.extend(of_model);
        }
        if rows.is_empty() {
            return Err(expired.map_or(EngineError::NothingHeld, EngineError::Expired));
        }
        let held = self.hold().await?;
        let local = self.local_prices(settings.max_retries).await?;
        let new = NewRun {
            parent,
            site_id: site.clone(),
            subject: Subject::Prices,
            trigger: HELD.to_owned(),
            actor: self.engine.actor.clone(),
            go_on: false,
            unattended: false,
            selection: None,
            settings: texts(settings),
            policy_override: None,
            policy_hash: today,
            told: false,
        };
        let run = self.make_run(new).await?;
        store.start_reading(&run.id, held.fence, self.now()).await?;
        let stays: BTreeSet<String> = rows
            .iter()
            .filter(|row| {
                let nothing = row.old == row.new;
                let never = row
                    .hold
                    .as_ref()
                    .is_some_and(|hold| hold.code.never_passes());
                nothing || never
            })
            .map(|row| row.model.clone())
            .collect();
        let now = self.now();
        let rows: Vec<PriceRow> = rows
            .into_iter()
            .map(|row| {
                let is = local.value(&row.model, row.field);
                let there = same(row.field, is.as_deref(), row.new.as_deref());
                let state = match row.state {
                    _ if stays.contains(&row.model) => row.state,
                    State::Held if there => State::Same,
                    State::Held => State::Ready,
                    state => state,
                };
                PriceRow {
                    run_id: run.id.clone(),
                    hold: row.hold.filter(|_| state == State::Held),
                    state,
                    finished_at: Some(now),
                    ..row
                }
            })
            .collect();
        let models: BTreeSet<&str> = rows.iter().map(|row| row.model.as_str()).collect();
        let planned = Planned {
            hash: digest(&rows),
            total: models.len() as u64,
            holds: Holds::Leave,
        };
        store
            .record_prices(&run.id, held.fence, rows, self.requests())
            .await?;
        store
            .mark_prices_planned(&run.id, held.fence, Vec::new(), planned, self.now())
            .await?;
        Ok(store.run(&run.id).await?)
    }
}
