//! A price whose base moved between its plan and its write: planned again from what is there now, with the offers that
//! it was planned with.
//!
//! `sync` writes it if it would still be written. `apply` writes it only if the model ends up as it was approved. What
//! would be held now, as after a kill anything that moved, is not written.

use std::collections::BTreeSet;

use lockstep_core::change::{State, Verdict};
use lockstep_core::prices::answers::Answers;
use lockstep_core::prices::choose::Offer;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::mode::Strength;
use lockstep_core::prices::plan::{Accepted, ModelInput, ModelPlan, plan_model};
use lockstep_core::prices::suspicious::same;
use lockstep_core::prices::values::Values;
use lockstep_core::settings::Settings;
use lockstep_store::prices::{PlannedFrom, PriceRow, StoredOffer};

use super::local::LocalPrices;
use super::plan::answers;
use super::rows::rows;
use super::write::Writing;
use crate::error::EngineError;
use crate::request::{HELD, UNDO};
use lockstep_core::prices::expr::Grammar;

/// Beside the offers, what a plan rests on. It is read when the first price moved.
pub(super) struct Judging {
    settings: Settings,
    answers: Answers,
    accepted: std::collections::BTreeMap<String, Values>,
}

/// Remembers in a model's first row what it was planned from, if there is something to write.
pub(super) fn remember(rows: &mut [PriceRow], base: Values, offers: &[Offer], names: &[&str]) {
    let writes =
        |row: &&mut PriceRow| matches!(row.state, State::Ready | State::Approved | State::Held);
    let Some(first) = rows.iter_mut().find(|row| writes(row)) else {
        return;
    };
    let offers = offers.iter().filter_map(|offer| {
        Some(StoredOffer {
            source: (*names.get(offer.source)?).to_owned(),
            raw: offer.raw.clone(),
            values: offer.values.clone(),
            refused: offer.refused.clone(),
            first_seen: offer.first_seen,
            stale: offer.stale,
            alike: offer.alike.clone(),
        })
    });
    first.detail.from = Some(PlannedFrom {
        base,
        offers: offers.collect(),
    });
}

impl Writing<'_> {
    /// Plans models again whose base moved, and journals the new rows. Answers those that are to be written now; the
    /// others moved. A model that is written in part already, or was planned again once, is not planned again.
    pub(super) async fn again(
        &mut self,
        moved: &BTreeSet<String>,
        local: &LocalPrices,
    ) -> Result<BTreeSet<String>, EngineError> {
        let mut fits = BTreeSet::new();
        if self.carried_on || self.run.trigger == UNDO {
            return Ok(fits);
        }
        for model in moved {
            if self.begun.contains(model) || self.replanned.contains(model) {
                continue;
            }
            let before: Vec<PriceRow> = self
                .rows
                .values()
                .filter(|row| row.model == *model)
                .cloned()
                .collect();
            let Some(rows) = self.planned_again(&before, local).await? else {
                continue;
            };
            let requests = self.session.requests();
            let store = self.session.store();
            store
                .record_price_rebased(&self.run.id, self.fence, rows.clone(), requests)
                .await?;
            self.rows.retain(|(name, _), _| name != model);
            let approved = rows.into_iter().filter(|row| row.state == State::Approved);
            self.rows
                .extend(approved.map(|row| ((row.model.clone(), row.field), row)));
            tracing::info!(model, "planned again, for somebody changed its price");
            self.replanned.insert(model.clone());
            fits.insert(model.clone());
        }
        Ok(fits)
    }

    /// The rows of a model as it is now, if they may be written.
    async fn planned_again(
        &mut self,
        before: &[PriceRow],
        local: &LocalPrices,
    ) -> Result<Option<Vec<PriceRow>>, EngineError> {
        let Some(first) = before.first() else {
            return Ok(None);
        };
        let model = first.model.clone();
        let Some(from) = before.iter().find_map(|row| row.detail.from.clone()) else {
            return Ok(None);
        };
        let names: Vec<&str> = from
            .offers
            .iter()
            .map(|offer| offer.source.as_str())
            .collect();
        let offers: Vec<Offer> = from.offers.iter().enumerate().map(offer).collect();
        let now = local.values(&model);
        let Some(plan) = self.judged(&model, &now, &offers, local).await? else {
            return Ok(None);
        };
        let mut approved = from.base.clone();
        for row in before {
            approved.set(row.field, row.new.as_deref());
        }
        let after = plan.after(&now);
        let as_approved = Field::ALL
            .iter()
            .all(|field| same(*field, after.get(*field), approved.get(*field)));
        if plan.verdict != Verdict::Apply || !(self.run.go_on || as_approved) {
            return Ok(None);
        }
        let at = self.session.now();
        let mut rows = rows(&self.run.id, plan, &offers, &names, at);
        for row in &mut rows {
            if row.state == State::Ready {
                row.state = State::Approved;
            }
            row.finished_at = None;
            row.detail.formula = first.detail.formula.clone();
        }
        // What was planned and is there already needs no write.
        for row in before {
            if !rows.iter().any(|new| new.field == row.field) {
                rows.push(PriceRow {
                    old: local.value(&model, row.field),
                    new: local.value(&model, row.field),
                    state: State::Same,
                    finished_at: Some(at),
                    ..row.clone()
                });
            }
        }
        remember(&mut rows, now, &offers, &names);
        self.session.mark_output(&mut rows, local).await;
        Ok(Some(rows))
    }

    async fn judged(
        &mut self,
        model: &str,
        now: &Values,
        offers: &[Offer],
        local: &LocalPrices,
    ) -> Result<Option<ModelPlan>, EngineError> {
        if self.judging.is_none() {
            let store = self.session.store();
            let site = &self.run.site_id;
            self.judging = Some(Judging {
                settings: self.session.settings_of(self.run)?,
                answers: answers(store.price_answers(site).await?),
                accepted: store.accepted(site).await?,
            });
        }
        let Some(judging) = &self.judging else {
            return Ok(None);
        };
        let prices = &judging.settings.prices;
        let accepted = judging.accepted.get(model).map(|values| Accepted {
            values: values.clone(),
            at: 0,
        });
        let mut scope = prices.scope;
        // It was one of those that the run is about.
        scope.all_models = true;
        Ok(plan_model(ModelInput {
            model,
            local: now,
            locked: local.locked(model),
            served: true,
            offers,
            answers: judging.answers.of(model),
            accepted: accepted.as_ref(),
            limits: &prices.limits,
            scope,
            strength: if self.run.unattended {
                Strength::Unattended
            } else {
                Strength::Looking
            },
            approved: self.run.trigger == HELD,
            unwritable: &local.unwritable(),
            expressions: &Grammar,
            now: self.session.now(),
        }))
    }
}

fn offer((place, stored): (usize, &StoredOffer)) -> Offer {
    Offer {
        source: place,
        raw: stored.raw.clone(),
        values: stored.values.clone(),
        refused: stored.refused.clone(),
        formula: None,
        first_seen: stored.first_seen,
        stale: stored.stale,
        sellers: Vec::new(),
        alike: stored.alike.clone(),
    }
}
