//! The write step of a price run: with `put` the only place that changes the gateway's price maps.
//!
//! Approved rows are the intents. The maps are read again right before each write, edited as texts, sent whole, and
//! read back. The order of the writes is the plan's (`core::prices::passes`): after each of them every model bills by a
//! price that it had or was to get.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::passes::{Change, Write, passes};
use lockstep_core::prices::values::Values;
use lockstep_core::retry::backoff;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::images::Image;
use lockstep_store::runs::Run;
use tokio_util::sync::CancellationToken;

use super::again::Judging;
use super::local::LocalPrices;
use super::review::PriceApproval;
use crate::broken::{Broken, failure, unbroken};
use crate::error::EngineError;
use crate::fenced::{MOST_WAITS, put_off};
use crate::progress::Phase;
use crate::request::UNDO;
use crate::review::outcome;
use crate::session::{Held, Session};
use crate::watch::Watch;
use crate::write::Resumed;

/// One write step under way.
pub(super) struct Writing<'a> {
    pub(super) session: &'a Session,
    pub(super) run: &'a Run,
    pub(super) fence: i64,
    pub(super) max_retries: u32,
    pub(super) stop: CancellationToken,
    pub(super) rows: BTreeMap<(String, Field), PriceRow>,
    /// Whether writes of this run may be on their way from before a kill.
    pub(super) carried_on: bool,
    /// Models of which something went wrong: nothing more of them is written.
    pub(super) given_up: BTreeSet<String>,
    /// Models of which a row has come to an end already.
    pub(super) begun: BTreeSet<String>,
    /// Models that were planned again because their base moved: that happens once.
    pub(super) replanned: BTreeSet<String>,
    /// What such a plan rests on.
    pub(super) judging: Option<Judging>,
    /// The texts that an undo gives back, by map, and the text that the run it takes back had left there.
    pub(super) before: BTreeMap<Field, (String, String)>,
    /// How many writes were sent that may have been stored, by map.
    pub(super) sent: BTreeMap<Field, u64>,
    /// The text that each map was left with.
    pub(super) left: BTreeMap<Field, String>,
}

/// What came of one write of a map.
pub(super) enum Written {
    /// The map is stored and was read back.
    Stored(Box<LocalPrices>),
    /// Nothing of it is stored.
    Not(Failure),
    /// It may be stored: reading back did not tell.
    Unknown(Failure),
    /// The run was stopped before it was sent.
    Stopped,
    /// The map had become too old while the gateway let the write wait: nothing of it is written.
    Aged,
    /// The lease or the database is gone: nothing more is sent, and the run is left as it is.
    Lost(Failure),
}

impl Session {
    /// Approves a planned price run and writes it.
    pub async fn write_prices(
        &self,
        run_id: &str,
        approval: &PriceApproval,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        let store = self.store();
        let held = self.hold().await?;
        let run = store.run(run_id).await?;
        if run.state == RunState::Writing {
            return self
                .carry_on_prices(run_id, &held, Resumed::Writes, watch)
                .await;
        }
        let rows = self.check_price_plan(&run).await?;
        let some = rows.iter().any(|row| {
            let chosen = approval.only.as_ref();
            row.state == State::Ready && chosen.is_none_or(|models| models.contains(&row.model))
        });
        if !some && approval.only.is_some() {
            return Err(EngineError::NothingReady(run_id.to_owned()));
        }
        store.adopt_run(run_id, held.fence).await?;
        if !some {
            let counts = store.counts(run_id).await?;
            self.end(&run, held.fence, outcome(counts, false), None)
                .await?;
            return Ok(store.run(run_id).await?);
        }
        store
            .approve_prices(
                run_id,
                approval.only.as_deref(),
                &approval.by,
                approval.rebases,
                self.now(),
            )
            .await?;
        self.write_prices_on(run_id, held.fence, Resumed::No, watch)
            .await
    }

    /// Carries on with a price run that a kill cut off while it wrote.
    pub(crate) async fn carry_on_prices(
        &self,
        run_id: &str,
        held: &Held,
        resumed: Resumed,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        self.store().adopt_run(run_id, held.fence).await?;
        self.write_prices_on(run_id, held.fence, resumed, watch)
            .await
    }

    async fn write_prices_on(
        &self,
        run_id: &str,
        fence: i64,
        resumed: Resumed,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        let store = self.store();
        let run = store.run(run_id).await?;
        let _heeding = self.heed(run_id, fence, watch);
        let settings = self.settings_of(&run)?;
        let approved = store.price_rows_in(run_id, State::Approved).await?;
        let mut writing = Writing {
            session: self,
            run: &run,
            fence,
            max_retries: settings.max_retries,
            stop: watch.cancel.child_token(),
            rows: approved
                .into_iter()
                .map(|row| ((row.model.clone(), row.field), row))
                .collect(),
            carried_on: resumed != Resumed::No,
            given_up: BTreeSet::new(),
            begun: BTreeSet::new(),
            replanned: BTreeSet::new(),
            judging: None,
            before: BTreeMap::new(),
            sent: BTreeMap::new(),
            left: BTreeMap::new(),
        };
        if run.trigger == UNDO
            && let Some(parent) = &run.parent
        {
            let texts = |image: Image| {
                let field = Field::from_option_key(&image.key)?;
                Some((field, (image.before, image.after?)))
            };
            let images = store.images(parent).await?;
            writing.before = images.into_iter().filter_map(texts).collect();
            // What it wrote before a kill it has left there too.
            let own = store.images(run_id).await?.into_iter().filter_map(texts);
            writing.left = own.map(|(field, (_, left))| (field, left)).collect();
        }
        let failure = writing.all(resumed, watch).await?;
        // What waited was proposed against a price that is gone, whoever wrote the new one.
        let holds = store.price_holds(&run.site_id).await?;
        let held: BTreeSet<String> = holds.into_iter().map(|hold| hold.model).collect();
        for model in store.written_of(run_id, &held).await? {
            store.delete_price_hold(&run.site_id, &model).await?;
        }
        let left = !store
            .price_rows_in(run_id, State::Approved)
            .await?
            .is_empty();
        if left && watch.leaves() {
            return Err(EngineError::Stopping);
        }
        let given_up = watch.cancel.is_cancelled() || resumed == Resumed::OnlyLooks;
        let cancelled = left && failure.is_none() && given_up;
        let state = match outcome(store.counts(run_id).await?, cancelled) {
            RunState::Done if failure.is_some() => RunState::Partial,
            state => state,
        };
        self.end(&run, fence, state, failure).await?;
        watch.progress.phase(Phase::Ended, 0, Duration::ZERO);
        tracing::info!(run = %run.id, state = state.code(), "prices written");
        Ok(store.run(run_id).await?)
    }
}

impl Writing<'_> {
    /// Writes every approved row. A failure is returned when it stopped the run as a whole.
    async fn all(
        &mut self,
        resumed: Resumed,
        watch: &Watch,
    ) -> Result<Option<Failure>, EngineError> {
        let log = if resumed == Resumed::OnlyLooks {
            None
        } else {
            // Before the maps: what somebody writes after they are read must show.
            match self.unless_stopped(self.log_so_far()).await {
                Some(log) => log,
                None => return Ok(None),
            }
        };
        let mut local = match self.read().await {
            Some(Ok(local)) => local,
            Some(Err(failure)) => return Ok(Some(failure)),
            None => return Ok(None),
        };
        if let Err(failure) = local.may_be_written() {
            return Ok(Some(failure));
        }
        self.look(&local, resumed).await?;
        if resumed == Resumed::OnlyLooks {
            return Ok(None);
        }
        let mut writes = self.writes(&local);
        let mut done: i64 = 0;
        watch.progress.phase(
            Phase::Writing,
            writes.len(),
            self.session.estimate(writes.len() * 2),
        );
        let mut stopped = None;
        while let Some(write) = writes.pop_front() {
            if self.stop.is_cancelled() || stopped.is_some() {
                break;
            }
            let planned_again = self.replanned.len();
            let key = done;
            watch.progress.begins(key, write.field.option_key());
            let failed = match self.one(&write, local).await? {
                (Some(read), failure) => {
                    local = read;
                    failure
                }
                (None, failure) => {
                    self.tell_of_others(log).await?;
                    return Ok(failure);
                }
            };
            if self.replanned.len() > planned_again {
                // Another plan has other writes. Those that are made already are no change any more.
                writes = self.writes(&local);
            }
            done += 1;
            let left = self.session.estimate(writes.len() * 2);
            let throttled = self.session.gateway.requests().throttled;
            watch.progress.ends(key, failed.is_some(), left, throttled);
            stopped = failed.filter(|failure| failure.kind.whole_gateway());
        }
        self.tell_outputs(&local).await?;
        self.tell_of_others(log).await?;
        Ok(stopped)
    }

    /// The writes that are left to be made, in the order in which every prefix of them bills something sane.
    fn writes(&self, local: &LocalPrices) -> VecDeque<Write> {
        let models = self.models(local);
        let changes: Vec<Change<'_>> = models
            .iter()
            .map(|(model, (before, after))| Change {
                model,
                before,
                after,
            })
            .collect();
        passes(&changes).into()
    }

    /// The models of which something is left to be written, as they are and as they are to become.
    fn models(&self, local: &LocalPrices) -> BTreeMap<String, (Values, Values)> {
        let mut models: BTreeMap<String, (Values, Values)> = BTreeMap::new();
        for row in self.rows.values() {
            let (_, after) = models.entry(row.model.clone()).or_insert_with(|| {
                let before = local.values(&row.model);
                (before.clone(), before)
            });
            after.set(row.field, row.new.as_deref());
        }
        models
    }

    /// Writes one map: read (by the write before it), edited, sent, read back. Gives the maps as they were read back, or
    /// none when the run cannot go on; and what failed.
    async fn one(
        &mut self,
        write: &Write,
        local: LocalPrices,
    ) -> Result<(Option<LocalPrices>, Option<Failure>), EngineError> {
        let field = write.field;
        let mut base = local;
        let (mut tries, mut waits) = (0, 0);
        loop {
            let planned_again = self.replanned.len();
            let done = self
                .still_meant(write, &base, tries > 0 || self.carried_on)
                .await?;
            self.record(done, Vec::new()).await?;
            if self.replanned.len() > planned_again {
                return Ok((Some(base), None));
            }
            let edits = self.edits(write);
            if edits.is_empty() {
                return Ok((Some(base), None));
            }
            let Some((before, text)) = self.edited(field, &base, &edits) else {
                let failure = Failure::new(
                    FailureKind::Moved,
                    format!("the map {} can no longer be edited", field.option_key()),
                );
                self.fail(&edits, State::Moved, &failure).await?;
                return Ok((Some(base), Some(failure)));
            };
            // No record, no change: the map as it is, and as it is to be.
            self.session
                .store()
                .record_image(
                    &self.run.id,
                    self.fence,
                    field.option_key(),
                    &before,
                    Some(&text),
                )
                .await?;
            tries += 1;
            let writing = self.put(field, &before, &text, base.read_at, tries);
            let written = unbroken("the write of a price map", writing).await;
            let (failure, state) =
                match written.unwrap_or_else(|Broken| Written::Unknown(failure())) {
                    Written::Stored(now) => {
                        self.left.insert(field, text);
                        let failure = self.stored(&edits, &now).await?;
                        return Ok((Some(*now), failure));
                    }
                    Written::Stopped => return Ok((None, None)),
                    Written::Lost(failure) => return Err(EngineError::Lost(failure.detail)),
                    Written::Aged => {
                        waits += 1;
                        tries -= 1;
                        base = match self.read().await {
                            Some(Ok(now)) => now,
                            Some(Err(unread)) => return Ok((None, Some(unread))),
                            None => return Ok((None, None)),
                        };
                        if waits > MOST_WAITS {
                            let failure = put_off();
                            self.fail(&edits, State::Failed, &failure).await?;
                            return Ok((Some(base), Some(failure)));
                        }
                        continue;
                    }
                    Written::Not(failure) => (failure, State::Failed),
                    Written::Unknown(failure) => (failure, State::Unverified),
                };
            let again = self.tries_again(&failure, tries);
            if !again {
                self.fail(&edits, state, &failure).await?;
            }
            let pause = tokio::time::sleep(backoff(tries, rand::random()));
            if again && self.unless_stopped(pause).await.is_none() {
                return Ok((None, None));
            }
            match self.read().await {
                Some(Ok(now)) => {
                    // The image tells what the run left, and it did not leave what was to be.
                    let (store, key) = (self.session.store(), field.option_key());
                    let left = now.text(field);
                    store
                        .record_image(&self.run.id, self.fence, key, &before, Some(left))
                        .await?;
                    if !again {
                        return Ok((Some(now), Some(failure)));
                    }
                    base = now;
                }
                Some(Err(unread)) => {
                    if again {
                        self.fail(&edits, state, &failure).await?;
                    }
                    return Ok((None, Some(unread)));
                }
                None => return Ok((None, None)),
            }
        }
    }

    /// The edits of a write that are still to be made.
    pub(super) fn edits(&self, write: &Write) -> Vec<(String, Field, Option<String>)> {
        write
            .edits
            .iter()
            .filter(|(model, _)| self.rows.contains_key(&(model.clone(), write.field)))
            .map(|(model, value)| (model.clone(), write.field, value.clone()))
            .collect()
    }

    pub(super) async fn read(&self) -> Option<Result<LocalPrices, Failure>> {
        self.unless_stopped(self.session.local(self.max_retries))
            .await
    }

    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.stop.cancelled() => None,
        }
    }
}
