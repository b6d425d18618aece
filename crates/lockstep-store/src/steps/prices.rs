//! The steps of a run about prices, where they are not those of every run.

use lockstep_core::change::{RunState, Subject};
use lockstep_core::prices::values::Values;

use super::entry::{Entry, enter};
use super::rows::{Chosen, Rows};
use super::write::tell;
use super::{Planned, PriceOutcome, Requests};
use crate::blobs::Blobs;
use crate::columns::Columns;
use crate::events::{NewEvent, Target};
use crate::prices::rows::Value;
use crate::prices::run_sources::{self, RunSource};
use crate::prices::{PriceRow, images, seen};
use crate::sql::Connection;
use crate::{Store, StoreError, events, sql, wire};

impl Store {
    /// Records prices as they were read and planned; a row of the same model and field is replaced.
    pub async fn record_prices(
        &self,
        run_id: &str,
        fence: i64,
        rows: Vec<PriceRow>,
        requests: Requests,
    ) -> Result<(), StoreError> {
        self.record(run_id, fence, Rows::Prices(rows), Vec::new(), requests)
            .await
    }

    /// Reading to planned. `changed_rows` are those whose verdicts the brakes of the whole run changed. What it found to
    /// wait, waits; a plan that renews holds also forgets those of models that have none now, unless something of them
    /// failed, and over all models those of models that it has no row of.
    pub async fn mark_prices_planned(
        &self,
        run_id: &str,
        fence: i64,
        changed_rows: Vec<PriceRow>,
        planned: Planned,
        now: i64,
    ) -> Result<(), StoreError> {
        self.plan_made(run_id, fence, Rows::Prices(changed_rows), planned, now)
            .await
    }

    /// Planned to writing: the ready values of all models, or of those that are named, become approved, unless something
    /// of the model is held; the other ready ones are dropped. `rebases` as in [`Store::approve`]. Returns how many
    /// models were approved.
    pub async fn approve_prices(
        &self,
        run_id: &str,
        only: Option<&[String]>,
        by: &str,
        rebases: bool,
        now: i64,
    ) -> Result<u64, StoreError> {
        let only = only.map(|models| Chosen::Models(models.to_vec()));
        self.begin_writing(run_id, Subject::Prices, only, by, rebases, now)
            .await
    }

    /// Replaces approved rows that were planned again because the gateway's maps moved, before they are written.
    pub async fn record_price_rebased(
        &self,
        run_id: &str,
        fence: i64,
        rows: Vec<PriceRow>,
        requests: Requests,
    ) -> Result<(), StoreError> {
        self.record_again(run_id, fence, Rows::Prices(rows), requests)
            .await
    }

    /// Records what came of writes, and with it the values of models that are accepted from now on. An outcome that
    /// comes after the run was ended is recorded too, for it is the truth.
    pub async fn record_price_outcomes(
        &self,
        run_id: &str,
        fence: i64,
        outcomes: Vec<PriceOutcome>,
        accepted: Vec<(String, Values)>,
        requests: Requests,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, requests).await?;
                run.be_about(Subject::Prices)?;
                let mut told = Vec::with_capacity(outcomes.len());
                let mut blobs = Blobs::default();
                let mut latest = 0;
                for outcome in &outcomes {
                    told.push(settle(db, &run, outcome, &mut blobs).await?);
                    latest = latest.max(outcome.finished_at);
                }
                blobs.store(db).await?;
                seen::accept(db, &run.site_id, &accepted, latest).await?;
                tell(db, &run, told).await
            })
        })
        .await
    }

    /// Records a whole map before the run writes it: `before` as it was just read, `after` as it is to be. Of several
    /// writes of one map the first one's `before` and the last one's `after` stay.
    pub async fn record_image(
        &self,
        run_id: &str,
        fence: i64,
        option_key: &str,
        before: &str,
        after: Option<&str>,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        let image = images::Image {
            key: option_key.to_owned(),
            before: before.to_owned(),
            after: after.map(str::to_owned),
            others: 0,
        };
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, Requests::default()).await?;
                run.be_about(Subject::Prices)?;
                run.be(&[RunState::Writing], "writing")?;
                images::store(db, &run_id, &image).await
            })
        })
        .await
    }

    /// Records how many writes of a map were by others while the run wrote. [`StoreError::NotFound`] when the run
    /// recorded no image of it before.
    pub async fn set_image_others(
        &self,
        run_id: &str,
        fence: i64,
        option_key: &str,
        others: u64,
    ) -> Result<(), StoreError> {
        let (run_id, option_key) = (run_id.to_owned(), option_key.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                enter(db, &run_id, fence, Requests::default()).await?;
                images::set_others(db, &run_id, &option_key, others).await
            })
        })
        .await
    }

    /// Records what became of the sources of a run, in their order of preference; what was recorded before is replaced.
    pub async fn record_sources(
        &self,
        run_id: &str,
        fence: i64,
        sources: Vec<RunSource>,
    ) -> Result<(), StoreError> {
        let run_id = run_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let run = enter(db, &run_id, fence, Requests::default()).await?;
                run.be_about(Subject::Prices)?;
                run_sources::store(db, &run_id, &sources).await
            })
        })
        .await
    }
}

/// Records one outcome and returns its event.
async fn settle(
    db: &mut Connection,
    run: &Entry,
    outcome: &PriceOutcome,
    blobs: &mut Blobs,
) -> Result<NewEvent, StoreError> {
    let new = Value::of(outcome.new.as_deref(), blobs);
    let row = sql::query(
        "UPDATE price_change SET state = $4, failure = $5, finished_at = $6,
                new_value = CASE WHEN $7 = 0 THEN new_value ELSE $8 END,
                new_hash = CASE WHEN $7 = 0 THEN new_hash ELSE $9 END,
                skip = CASE WHEN $4 IN ('dropped', 'skipped') THEN skip ELSE NULL END
         WHERE run_id = $1 AND model = $2 AND field = $3
         RETURNING model, hold",
    )
    .bind(&run.id)
    .bind(&outcome.model)
    .bind(outcome.field.code())
    .bind(outcome.state.code())
    .bind(outcome.failure.as_ref().map(wire::failure_to_text))
    .bind(outcome.finished_at)
    .bind(i64::from(outcome.new.is_some()))
    .bind(new.short)
    .bind(new.hash)
    .fetch_optional(db)
    .await?
    .ok_or_else(|| {
        StoreError::NotFound(format!(
            "{} of model {} in run {}",
            outcome.field.code(),
            outcome.model,
            run.id
        ))
    })?;
    let hold =
        Columns::new(&row, "price_change", "model").maybe_read("hold", wire::reason_from_text)?;
    Ok(events::item(
        Target::Price(&outcome.model, outcome.field),
        outcome.state,
        hold.as_ref(),
        hold.is_some(),
        outcome.failure.as_ref(),
        outcome.finished_at,
    ))
}
