//! What becomes of the rows of a write step: by what the maps say before a write, and after it.

use std::collections::BTreeSet;

use lockstep_core::change::State;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::passes::Write;
use lockstep_core::prices::suspicious::same;
use lockstep_core::prices::unpriced::billed_by;
use lockstep_core::prices::usd::usd;
use lockstep_core::prices::values::{Kind, Values};
use lockstep_store::prices::PriceRow;
use lockstep_store::steps::PriceOutcome;

use super::local::LocalPrices;
use super::write::Writing;
use crate::error::EngineError;
use crate::request::UNDO;
use crate::write::Resumed;

impl Writing<'_> {
    /// Whether each row is still to be written: found already, as it was, or moved.
    pub(super) async fn look(
        &mut self,
        local: &LocalPrices,
        resumed: Resumed,
    ) -> Result<(), EngineError> {
        let is = |row: &PriceRow, text: &Option<String>| {
            let now = local.value(&row.model, row.field);
            same(row.field, now.as_deref(), text.as_deref())
        };
        let moved: BTreeSet<String> = self
            .rows
            .values()
            .filter(|row| !is(row, &row.new))
            .filter(|row| {
                !is(row, &row.old) || (resumed == Resumed::No && !self.as_planned(row, local))
            })
            .map(|row| row.model.clone())
            .collect();
        let fits = self.again(&moved, local).await?;
        self.given_up.extend(moved.difference(&fits).cloned());
        let mut outcomes = Vec::new();
        for row in self.rows.values() {
            if is(row, &row.new) {
                let state = match resumed {
                    // Somebody else made the price what it was to become; that is no write of this run.
                    Resumed::No => State::Same,
                    Resumed::Writes | Resumed::OnlyLooks => State::Applied,
                };
                outcomes.push(self.ended(row, state, None));
            }
        }
        let found: BTreeSet<(String, Field)> = outcomes
            .iter()
            .map(|outcome| (outcome.model.clone(), outcome.field))
            .collect();
        for row in self.rows.values() {
            let key = (row.model.clone(), row.field);
            if self.given_up.contains(&row.model) && !found.contains(&key) {
                let failure = Failure::new(FailureKind::Moved, "");
                outcomes.push(self.ended(row, State::Moved, Some(failure)));
            }
        }
        self.record(outcomes, Vec::new()).await
    }

    /// Whether the model is billed as it was when the row was planned: what somebody changed of it since, in whatever
    /// map, would make the plan another one. An undo puts back values and not prices.
    pub(super) fn as_planned(&self, row: &PriceRow, local: &LocalPrices) -> bool {
        let values = local.values(&row.model);
        let kind = billed_by(&values).kind();
        let costs = match kind {
            Some(Kind::PerToken | Kind::PerCall) => Some(usd(&values, local.locked(&row.model))),
            Some(Kind::Expression) | None => None,
        };
        self.run.trigger == UNDO
            || (kind == row.detail.kind_old && (costs.is_none() || costs == row.usd_old))
    }

    /// What becomes of a write's rows by what its maps say now: models of which any value is no longer what was
    /// planned from are planned again, or all their rows are given up; values that are there already need no write. `ours` is whether they may be
    /// there by a write of this run.
    pub(super) async fn still_meant(
        &mut self,
        write: &Write,
        base: &LocalPrices,
        ours: bool,
    ) -> Result<Vec<PriceOutcome>, EngineError> {
        let models: BTreeSet<&String> = write.edits.iter().map(|(model, _)| model).collect();
        let mut moved = BTreeSet::new();
        let mut there = BTreeSet::new();
        for ((model, field), row) in &self.rows {
            if !models.contains(model) {
                continue;
            }
            let now = base.value(model, *field);
            let is = |text: &Option<String>| same(*field, now.as_deref(), text.as_deref());
            if is(&row.new) {
                if *field == write.field {
                    there.insert(model.clone());
                }
            } else if !is(&row.old) {
                moved.insert(model.clone());
            }
        }
        if !ours {
            let fits = self.again(&moved, base).await?;
            moved.retain(|model| !fits.contains(model));
            there.retain(|model| !fits.contains(model));
        }
        let rows = self.rows.iter();
        let outcomes = rows
            .filter_map(|((model, field), row)| {
                if *field == write.field && there.contains(model) {
                    let state = if ours { State::Applied } else { State::Same };
                    return Some(self.ended(row, state, None));
                }
                let failure = Failure::new(FailureKind::Moved, "");
                moved
                    .contains(model)
                    .then(|| self.ended(row, State::Moved, Some(failure)))
            })
            .collect();
        self.given_up.extend(moved);
        Ok(outcomes)
    }

    /// What the maps say of the rows that were just written.
    pub(super) async fn stored(
        &mut self,
        edits: &[(String, Field, Option<String>)],
        now: &LocalPrices,
    ) -> Result<Option<Failure>, EngineError> {
        let mut outcomes = Vec::new();
        let mut failed = None;
        for (model, field, value) in edits {
            let Some(row) = self.rows.get(&(model.clone(), *field)) else {
                continue;
            };
            if same(
                *field,
                now.value(model, *field).as_deref(),
                value.as_deref(),
            ) {
                outcomes.push(self.ended(row, State::Applied, None));
            } else {
                let failure = Failure::status(FailureKind::NotStored, 200, "");
                failed.get_or_insert_with(|| failure.clone());
                self.given_up.insert(model.clone());
                outcomes.push(self.ended(row, State::Failed, Some(failure)));
            }
        }
        let mut accepted = Vec::new();
        for outcome in outcomes.iter().filter(|o| o.state == State::Applied) {
            let last = !self
                .rows
                .keys()
                .any(|(model, field)| *model == outcome.model && *field != outcome.field);
            if last {
                accepted.push((outcome.model.clone(), now.values(&outcome.model)));
            }
        }
        self.record(outcomes, accepted).await?;
        // What else was meant for a model that went wrong is not written: it would be half a price.
        let rest: Vec<PriceOutcome> = self
            .rows
            .values()
            .filter(|row| self.given_up.contains(&row.model))
            .map(|row| self.ended(row, State::Dropped, None))
            .collect();
        self.record(rest, Vec::new()).await?;
        Ok(failed)
    }

    /// Ends the rows of a write that failed, and what else was meant for their models.
    pub(super) async fn fail(
        &mut self,
        edits: &[(String, Field, Option<String>)],
        state: State,
        failure: &Failure,
    ) -> Result<(), EngineError> {
        let models: BTreeSet<&String> = edits.iter().map(|(model, _, _)| model).collect();
        let field = edits.first().map(|(_, field, _)| *field);
        let outcomes = self
            .rows
            .values()
            .filter(|row| models.contains(&row.model))
            .map(|row| {
                let state = if Some(row.field) == field {
                    state
                } else {
                    State::Dropped
                };
                let failure = (state != State::Dropped).then(|| failure.clone());
                self.ended(row, state, failure)
            })
            .collect();
        self.given_up.extend(models.into_iter().cloned());
        self.record(outcomes, Vec::new()).await
    }

    /// Journals outcomes; their rows are done with.
    pub(super) async fn record(
        &mut self,
        outcomes: Vec<PriceOutcome>,
        accepted: Vec<(String, Values)>,
    ) -> Result<(), EngineError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        for outcome in &outcomes {
            self.rows.remove(&(outcome.model.clone(), outcome.field));
            self.begun.insert(outcome.model.clone());
        }
        let requests = self.session.requests();
        self.session
            .store()
            .record_price_outcomes(&self.run.id, self.fence, outcomes, accepted, requests)
            .await?;
        Ok(())
    }

    pub(super) fn ended(
        &self,
        row: &PriceRow,
        state: State,
        failure: Option<Failure>,
    ) -> PriceOutcome {
        PriceOutcome {
            model: row.model.clone(),
            field: row.field,
            state,
            new: None,
            failure,
            finished_at: self.session.now(),
        }
    }
}
