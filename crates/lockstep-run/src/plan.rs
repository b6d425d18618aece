//! Starting a run and bringing it to its plan.

use std::collections::HashMap;

use lockstep_core::change::{RunState, Subject};
use lockstep_core::settings::Settings;
use lockstep_store::runs::{NewRun, Run};

use crate::effective::Scope;
use crate::error::EngineError;
use crate::known::{Given, Known};
use crate::read::{ROW_AGE, read};
use crate::request::{Request, Source};
use crate::session::{Held, Session};
use crate::watch::Watch;

/// A plan, and held parts, live a day; in milliseconds.
pub const PLAN_AGE: i64 = 24 * 3_600_000;

impl Session {
    /// Reads and plans; writes nothing to the gateway. The run comes back as it is stored then: planned, failed
    /// or cancelled.
    ///
    /// An interrupted reading of the same request is continued under its own id.
    pub async fn plan(&self, request: &Request, watch: &Watch) -> Result<Run, EngineError> {
        let store = self.store();
        let site = &self.access.site.id;
        let held = self.hold().await?;
        let (run, mut given) = self.queue(request, &held).await?;
        watch.progress.is_run(&run.id);
        store.start_reading(&run.id, held.fence, self.now()).await?;
        if let Some(by) = &self.yes {
            store.approve_ahead(&run.id, held.fence, by).await?;
        }
        let _heeding = self.heed(&run.id, held.fence, watch);
        let scope = Scope {
            settings: request.settings.clone(),
            policy: request.policy,
            providers: store.provider_overrides(site).await?,
            channels: store.channel_overrides(site).await?,
        };
        given.own_settings = request.own_settings;
        for (channel, known) in request.ahead.known() {
            given.rows.entry(*channel).or_insert_with(|| known.clone());
        }
        let state = read(self, &run, held.fence, &scope, &given, watch).await?;
        tracing::info!(run = %run.id, state = state.code(), "read");
        let run = store.run(&run.id).await?;
        self.keep_for_write(&run, held);
        Ok(run)
    }

    /// Makes the run, which is then queued, or finds the reading of the same request that was cut off; with what needs no
    /// asking.
    pub(crate) async fn queue(
        &self,
        request: &Request,
        held: &Held,
    ) -> Result<(Run, Given), EngineError> {
        let (store, site) = (self.store(), &self.access.site.id);
        let (selection, parent, mut given) = self.select(&request.source).await?;
        let wanted = NewRun {
            parent: parent.or_else(|| request.after.clone()),
            site_id: site.clone(),
            subject: Subject::Models,
            trigger: request.source.trigger(request.go_on).to_owned(),
            actor: self.engine.actor.clone(),
            go_on: request.go_on,
            unattended: request.unattended,
            selection,
            settings: texts(&request.settings),
            policy_override: request.policy.map(|policy| policy.code().to_owned()),
            policy_hash: store.policy_hash(site).await?,
            told: request.unattended,
        };
        let run = match self.interrupted_reading(&wanted, held.fence).await? {
            Some(run) => {
                let fresh = self.now().saturating_sub(ROW_AGE);
                self.take_as_given(&run, fresh, &mut given).await?;
                self.take_tick_for(&run).await?;
                self.tell_of(&run.id).await?;
                run
            }
            None => self.make_run(wanted).await?,
        };
        Ok((run, given))
    }

    /// Takes the rows that an interrupted reading left since `fresh`, where they tell of the provider.
    pub(crate) async fn take_as_given(
        &self,
        run: &Run,
        fresh: i64,
        given: &mut Given,
    ) -> Result<(), EngineError> {
        for row in self.store().changes(&run.id).await? {
            let refused = row
                .failure
                .as_ref()
                .is_some_and(|failure| failure.kind.whole_gateway());
            if row.read_at >= fresh && !refused {
                given.rows.insert(row.channel_id, row.into());
            }
        }
        Ok(())
    }

    /// The channels of a source, the run they come from, and what needs no asking.
    pub(crate) async fn select(
        &self,
        source: &Source,
    ) -> Result<(Option<Vec<i64>>, Option<String>, Given), EngineError> {
        let store = self.store();
        let site = &self.access.site.id;
        match source {
            Source::All => Ok((None, None, Given::default())),
            Source::Selected(ids) if ids.is_empty() => Err(EngineError::EmptySelection),
            Source::Selected(ids) => Ok((Some(ids.clone()), None, Given::default())),
            Source::RetryFailed => {
                // What a retry that was cut off has read already no longer counts as failed, and is continued too.
                let unfinished = store.unfinished_runs(site).await?;
                if let Some(run) = unfinished.into_iter().find(|run| {
                    run.state != RunState::Writing
                        && run.subject == Subject::Models
                        && run.trigger == source.trigger(false)
                }) {
                    return Ok((run.selection, run.parent, Given::default()));
                }
                let failed = store.latest_failed(site, Subject::Models).await?;
                if failed.is_empty() {
                    return Err(EngineError::NothingFailed);
                }
                let parent = store.latest_run(site, Subject::Models).await?;
                Ok((Some(failed), parent.map(|run| run.id), Given::default()))
            }
            Source::Held(only) => {
                let mut rows = HashMap::new();
                let mut parent = None;
                let mut expired = None;
                let oldest = self.now().saturating_sub(PLAN_AGE);
                for hold in store.holds(site).await? {
                    let chosen = only
                        .as_ref()
                        .is_none_or(|ids| ids.contains(&hold.channel_id));
                    if !chosen {
                        continue;
                    }
                    let Some(row) = store.change(&hold.run_id, hold.channel_id).await? else {
                        continue;
                    };
                    if row.read_at < oldest {
                        // A provider that does not answer any more must not keep the others waiting.
                        expired = Some(hold.run_id);
                        continue;
                    }
                    parent = parent.max(Some(hold.run_id));
                    rows.insert(hold.channel_id, Known::from(row));
                }
                if rows.is_empty() {
                    return Err(expired.map_or(EngineError::NothingHeld, EngineError::Expired));
                }
                let mut ids: Vec<i64> = rows.keys().copied().collect();
                ids.sort_unstable();
                let given = Given {
                    rows,
                    approved: true,
                    own_settings: false,
                };
                Ok((Some(ids), parent, given))
            }
        }
    }

    /// A reading of the same request that a kill cut off. Other interrupted readings are ended: they changed
    /// nothing, and nobody will come back for them.
    async fn interrupted_reading(
        &self,
        wanted: &NewRun,
        fence: i64,
    ) -> Result<Option<Run>, EngineError> {
        let mut same = None;
        for run in self.store().unfinished_runs(&wanted.site_id).await? {
            if run.state == RunState::Writing || run.subject != Subject::Models {
                continue;
            }
            let continues = run.selection == wanted.selection
                && run.settings == wanted.settings
                && run.policy_override == wanted.policy_override
                && run.policy_hash == wanted.policy_hash
                && run.unattended == wanted.unattended
                && run.go_on == wanted.go_on
                && run.trigger == wanted.trigger
                && same.is_none();
            self.store()
                .start_reading(&run.id, fence, self.now())
                .await?;
            if continues {
                same = Some(run);
            } else {
                self.store()
                    .end_run(
                        &run.id,
                        fence,
                        RunState::Cancelled,
                        None,
                        self.requests(),
                        self.now(),
                    )
                    .await?;
            }
        }
        Ok(same)
    }
}

pub(crate) fn texts(settings: &Settings) -> Vec<(String, String)> {
    settings
        .to_texts()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
