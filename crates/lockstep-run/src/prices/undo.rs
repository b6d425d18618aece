//! Undo of a price run: its rows turned round. Whole maps come back byte for byte where nobody touched them since.

use std::collections::BTreeSet;

use lockstep_core::change::{State, Subject};
use lockstep_core::hold::Reason;
use lockstep_store::prices::PriceRow;
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::steps::{Holds, Planned};

use super::review::digest;
use crate::error::EngineError;
use crate::request::UNDO;
use crate::session::Session;
use crate::stays::{Stays, price_may_be_undone, taken_back};

impl Session {
    /// Plans to take back what a price run wrote, or the chosen models of it. What is there now is compared when it is
    /// written, and whatever somebody edited since is a conflict and stays. What is known to stay is skipped, with its
    /// reason: what is locked, and what another run wrote since or took back already.
    pub async fn plan_price_undo(
        &self,
        run_id: &str,
        only: Option<&[String]>,
    ) -> Result<Run, EngineError> {
        let store = self.store();
        let parent = store.run(run_id).await?;
        let rows: Vec<PriceRow> = store
            .price_rows(run_id)
            .await?
            .into_iter()
            .filter(price_may_be_undone)
            .filter(|row| only.is_none_or(|models| models.contains(&row.model)))
            .collect();
        if rows.is_empty() {
            return Err(EngineError::NothingToUndo(run_id.to_owned()));
        }
        let known = Stays::of(store, &parent).await?;
        let models = rows.chunk_by(|one, next| one.model == next.model);
        let stays: Vec<Option<Reason>> = models.flat_map(|model| known.prices(model)).collect();
        if let Some(by) = taken_back(&stays) {
            let run = run_id.to_owned();
            return Err(EngineError::UndoneAlready { run, by });
        }
        let held = self.hold().await?;
        let new = NewRun {
            parent: Some(parent.id.clone()),
            site_id: parent.site_id.clone(),
            subject: Subject::Prices,
            trigger: UNDO.to_owned(),
            actor: self.engine.actor.clone(),
            go_on: false,
            unattended: false,
            selection: None,
            settings: parent.settings.clone(),
            policy_override: None,
            policy_hash: store.price_policy_hash(&parent.site_id).await?,
            told: false,
        };
        let run = self.make_run(new).await?;
        store.start_reading(&run.id, held.fence, self.now()).await?;
        let now = self.now();
        let rows: Vec<PriceRow> = rows
            .into_iter()
            .zip(stays)
            .map(|(row, stays)| turned_round(&run.id, row, stays, now))
            .collect();
        let hash = digest(&rows);
        let models: BTreeSet<&str> = rows.iter().map(|row| row.model.as_str()).collect();
        let total = models.len() as u64;
        store
            .record_prices(&run.id, held.fence, rows, self.requests())
            .await?;
        let planned = Planned {
            hash,
            total,
            holds: Holds::Leave,
        };
        store
            .mark_prices_planned(&run.id, held.fence, Vec::new(), planned, self.now())
            .await?;
        Ok(store.run(&run.id).await?)
    }
}

fn turned_round(run: &str, row: PriceRow, stays: Option<Reason>, now: i64) -> PriceRow {
    let mut detail = row.detail;
    std::mem::swap(&mut detail.kind_old, &mut detail.kind_new);
    detail.formula.clear();
    detail.others.clear();
    detail.from = None;
    detail.output = None;
    PriceRow {
        run_id: run.to_owned(),
        old: row.new,
        new: row.old,
        usd_old: row.usd_new,
        usd_new: row.usd_old,
        source: None,
        state: match stays {
            None => State::Ready,
            Some(_) => State::Skipped,
        },
        hold: None,
        skip: stays,
        failure: None,
        read_at: now,
        finished_at: Some(now),
        detail,
        model: row.model,
        field: row.field,
    }
}
