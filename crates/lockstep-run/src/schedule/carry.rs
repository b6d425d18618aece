//! What the worker does with ticks that it took: their runs, and what is recorded where none came.

use lockstep_store::StoreError;
use lockstep_store::schedule::{LostTick, Mode};

use super::lost::Lost;
use super::worker::{Due, Worker};
use crate::error::EngineError;
use crate::jobs::both::Both;
use crate::jobs::{Go, Job, Order};

/// A tick with the run that came of it, or why none did.
type Came = (Due, Result<String, Lost>);

impl Worker {
    /// Does what was taken of a site, to its end.
    pub(super) async fn carry_out(&self, site_id: &str, taken: Vec<Due>) -> Result<(), StoreError> {
        let site = self.store().site(site_id).await?;
        let (mut ordered, mut came) = (Vec::new(), Vec::new());
        for due in taken {
            let go = match due.schedule.plan.mode {
                Mode::Propose => Go::Plans,
                Mode::Apply => Go::Writes,
            };
            let by = format!("schedule (switched on by {})", due.schedule.plan.by);
            let subject = due.claim.subject;
            match self.orders().job(site.clone(), subject, go, by).await {
                Ok(job) => ordered.push((due, job)),
                Err(why) => came.push((due, Err(why))),
            }
        }
        match <[(Due, Job); 2]>::try_from(ordered) {
            Ok([models, prices]) => came.extend(self.both(models, prices).await),
            Err(ordered) => {
                for (due, job) in ordered {
                    let ticks = vec![(due.claim.subject, due.taken_at)];
                    let run = self.jobs().finish_of(job, ticks).await;
                    came.push((due, run.map(|run| run.id).map_err(|error| (&error).into())));
                }
            }
        }
        self.record(site_id, came).await
    }

    /// Lists after prices. Schedules come in the order of their subjects' codes.
    async fn both(&self, models: (Due, Job), prices: (Due, Job)) -> Vec<Came> {
        let (lists, prices_due) = (models.0, prices.0);
        let both = match (models.1.order, prices.1.order) {
            (Order::Models(models_request, models_go), Order::Prices(request, go)) => Both {
                access: models.1.access,
                settings: models.1.settings,
                actor: models.1.actor,
                prices: (*request, go),
                models: (*models_request, models_go),
                verify: false,
                ticks: [&lists, &prices_due]
                    .map(|due| (due.claim.subject, due.taken_at))
                    .to_vec(),
            },
            _ => {
                let why = Lost::Failed("the orders are not one of each subject".to_owned());
                return vec![(lists, Err(why.clone())), (prices_due, Err(why))];
            }
        };
        match self.jobs().finish_both(both).await {
            Ok(ended) => {
                let of = |run: Result<lockstep_store::runs::Run, crate::EngineError>| {
                    run.map(|run| run.id).map_err(|error| Lost::from(&error))
                };
                vec![(prices_due, of(ended.prices)), (lists, of(ended.models))]
            }
            Err(error) => {
                let why = Lost::from(&error);
                vec![(prices_due, Err(why.clone())), (lists, Err(why))]
            }
        }
    }

    /// Records what came of ticks. Those whose gateway was busy are given back, until it was busy for too long. A tick of
    /// which a run came is over with that, whatever became of the run.
    async fn record(&self, site_id: &str, came: Vec<Came>) -> Result<(), StoreError> {
        let now = self.now();
        let busy = came.iter().find_map(|(_, came)| match came {
            Err(Lost::Busy(holder)) => Some(holder.clone()),
            _ => None,
        });
        // One answer for all ticks of the site.
        let too_long = match busy {
            Some(holder) => self.is_busy(site_id, holder, now).is_some(),
            None => {
                self.is_free(site_id);
                false
            }
        };
        for (due, came) in came {
            match came {
                Ok(run) => tracing::info!(run, "a tick's run came to rest"),
                Err(Lost::Busy(_)) if !too_long => self.give_back(site_id, due).await?,
                Err(Lost::Stopping) => self.give_back(site_id, due).await?,
                Err(why) => self.lose(&due, &why, now).await?,
            }
        }
        if too_long {
            self.is_free(site_id);
        }
        Ok(())
    }

    /// Ticks whose work broke before their runs came would break it again.
    pub(super) async fn lose_broken(&self, dues: &[Due]) -> Result<(), StoreError> {
        let why = Lost::from(&EngineError::Internal);
        for due in dues {
            self.lose(due, &why, self.now()).await?;
        }
        Ok(())
    }

    async fn give_back(&self, site_id: &str, due: Due) -> Result<(), StoreError> {
        let Due {
            claim, taken_at, ..
        } = due;
        let _a_run_came = self
            .store()
            .give_back_tick(site_id, claim, taken_at)
            .await?;
        Ok(())
    }

    /// Tells that no run came of a tick, unless one did: then its own end is told.
    pub(super) async fn lose(&self, due: &Due, why: &Lost, now: i64) -> Result<(), StoreError> {
        let site = &due.schedule.site_id;
        let stored = self.store().schedules(Some(site)).await?;
        let begun = stored.iter().any(|schedule| {
            schedule.subject == due.claim.subject && schedule.last_run != due.claim.last_run
        });
        if begun {
            return Ok(());
        }
        tracing::warn!(
            site,
            subject = due.claim.subject.code(),
            why = why.code(),
            "a tick is lost"
        );
        let lost = LostTick {
            subject: due.claim.subject,
            tick: due.claim.tick,
            why: why.code().to_owned(),
            detail: why.detail().to_owned(),
            at: now.max(due.taken_at),
        };
        self.store().record_lost_tick(site, lost).await
    }
}
