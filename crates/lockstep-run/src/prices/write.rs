//! The write step of a price run: the only place that changes the gateway's price maps.
//!
//! Approved rows are the intents. The maps are read again right before each write, edited as texts, sent whole, and
//! read back. The order of the writes is the plan's (`core::prices::passes`): after each of them every model bills by a
//! price that it had or was to get.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::map_text::{MapText, Raw};
use lockstep_core::prices::passes::{Change, Write, passes};
use lockstep_core::prices::suspicious::same;
use lockstep_core::prices::unpriced::billed_by;
use lockstep_core::prices::usd::usd;
use lockstep_core::prices::values::{Kind, Values};
use lockstep_core::retry::backoff;
use lockstep_remote::gateway::{OptionText, Sent};
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::images::Image;
use lockstep_store::runs::Run;
use lockstep_store::steps::PriceOutcome;
use tokio_util::sync::CancellationToken;

use super::local::LocalPrices;
use super::review::PriceApproval;
use crate::engine::{Held, Session, Watch};
use crate::error::EngineError;
use crate::progress::Phase;
use crate::review::{HELD, UNDO, outcome};
use crate::write::Resumed;

/// How long a write may stay invisible, by the gateway's caches, before it counts as not stored.
const VISIBLE: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// One write step under way.
struct Writing<'a> {
    session: &'a Session,
    run: &'a Run,
    fence: i64,
    max_retries: u32,
    stop: CancellationToken,
    rows: BTreeMap<(String, Field), PriceRow>,
    /// Whether writes of this run may be on their way from before a kill.
    carried_on: bool,
    /// Models of which something went wrong: nothing more of them is written.
    given_up: BTreeSet<String>,
    /// The texts that an undo gives back, by map, and the text that the run it takes back had left there.
    before: BTreeMap<Field, (String, String)>,
    /// How many writes were sent that may have been stored, by map.
    sent: BTreeMap<Field, u64>,
    /// The text that each map was left with.
    left: BTreeMap<Field, String>,
}

/// What came of one write of a map.
enum Written {
    /// The map is stored and was read back.
    Stored(Box<LocalPrices>),
    /// Nothing of it is stored, or nobody knows; the failure says which.
    Not(Failure),
    /// The run was stopped before it was sent.
    Stopped,
}

/// What the gateway's log said before the first write.
struct LogSoFar {
    /// The gateway's clock, in Unix seconds.
    since: i64,
    /// How many changes of an option it has from that second, by key.
    known: BTreeMap<String, u64>,
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
                false,
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
        if run.trigger == HELD {
            for row in store.price_rows_in(run_id, State::Applied).await? {
                store.delete_price_hold(&run.site_id, &row.model).await?;
            }
        }
        let left = !store
            .price_rows_in(run_id, State::Approved)
            .await?
            .is_empty();
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
        let models = self.models(&local);
        let changes: Vec<Change<'_>> = models
            .iter()
            .map(|(model, (before, after))| Change {
                model,
                before,
                after,
            })
            .collect();
        let writes = passes(&changes);
        let total = writes.len();
        let estimate = |left: usize| self.session.estimate(left * 2);
        watch.progress.phase(Phase::Writing, total, estimate(total));
        let mut stopped = None;
        for (done, write) in writes.iter().enumerate() {
            if self.stop.is_cancelled() || stopped.is_some() {
                break;
            }
            let key = i64::try_from(done).unwrap_or(0);
            watch.progress.begins(key, write.field.option_key());
            let failed = match self.one(write, local).await? {
                (Some(read), failure) => {
                    local = read;
                    failure
                }
                (None, failure) => {
                    stopped = failure;
                    break;
                }
            };
            let left = self.session.estimate((total - done - 1) * 2);
            let throttled = self.session.gateway.requests().throttled;
            watch.progress.ends(key, failed.is_some(), left, throttled);
            stopped = failed.filter(|failure| failure.kind.whole_gateway());
        }
        self.tell_of_others(log).await?;
        Ok(stopped)
    }

    /// Whether each row is still to be written: found already, as it was, or moved.
    async fn look(&mut self, local: &LocalPrices, resumed: Resumed) -> Result<(), EngineError> {
        let mut outcomes = Vec::new();
        for row in self.rows.values() {
            let now = local.value(&row.model, row.field);
            let is = |text: &Option<String>| same(row.field, now.as_deref(), text.as_deref());
            if is(&row.new) {
                let state = match resumed {
                    // Somebody else made the price what it was to become; that is no write of this run.
                    Resumed::No => State::Same,
                    Resumed::Writes | Resumed::OnlyLooks => State::Applied,
                };
                outcomes.push(self.ended(row, state, None));
            } else if !is(&row.old) || (resumed == Resumed::No && !self.as_planned(row, local)) {
                self.given_up.insert(row.model.clone());
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
    fn as_planned(&self, row: &PriceRow, local: &LocalPrices) -> bool {
        let values = local.values(&row.model);
        let kind = billed_by(&values).kind();
        let costs = match kind {
            Some(Kind::PerToken | Kind::PerCall) => Some(usd(&values, local.locked(&row.model))),
            Some(Kind::Expression) | None => None,
        };
        self.run.trigger == UNDO
            || (kind == row.detail.kind_old && (costs.is_none() || costs == row.usd_old))
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
        let mut tries = 0;
        loop {
            let done = self.still_meant(write, &base, tries > 0 || self.carried_on);
            self.record(done, Vec::new()).await?;
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
            match self.put(field, &before, &text, tries).await {
                Written::Stored(now) => {
                    self.left.insert(field, text);
                    let failure = self.stored(&edits, &now).await?;
                    return Ok((Some(*now), failure));
                }
                Written::Stopped => return Ok((None, None)),
                Written::Not(failure) => {
                    let again = tries <= self.max_retries
                        && failure.kind.worth_a_retry(failure.http_status)
                        && failure.kind != FailureKind::Unverified;
                    if !again {
                        let state = match failure.kind {
                            FailureKind::Unverified => State::Unverified,
                            _ => State::Failed,
                        };
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
                                self.fail(&edits, State::Failed, &failure).await?;
                            }
                            return Ok((None, Some(unread)));
                        }
                        None => return Ok((None, None)),
                    }
                }
            }
        }
    }

    /// What becomes of a write's rows by what its maps say now: of models of which any value is no longer what was
    /// planned from, all rows are given up; values that are there already need no write. `ours` is whether they may be
    /// there by a write of this run.
    fn still_meant(&mut self, write: &Write, base: &LocalPrices, ours: bool) -> Vec<PriceOutcome> {
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
        outcomes
    }

    /// The edits of a write that are still to be made.
    fn edits(&self, write: &Write) -> Vec<(String, Field, Option<String>)> {
        write
            .edits
            .iter()
            .filter(|(model, _)| self.rows.contains_key(&(model.clone(), write.field)))
            .map(|(model, value)| (model.clone(), write.field, value.clone()))
            .collect()
    }

    /// The map's text, and what it is to become. An undo gives the very text back that had been there, where that says
    /// the same as the edited one and nobody has touched the map since.
    fn edited(
        &self,
        field: Field,
        base: &LocalPrices,
        edits: &[(String, Field, Option<String>)],
    ) -> Option<(String, String)> {
        let map = base.map(field)?;
        // An entry that is no number is mended by the write where it is the model's own; any other would become free.
        let mended = |name: &String| edits.iter().any(|(model, _, _)| model == name);
        if !map.unwritable_entries(field).iter().all(mended) {
            return None;
        }
        let mut raw = Vec::with_capacity(edits.len());
        for (model, _, value) in edits {
            let value = match value {
                Some(text) => Some(Raw::of(field, text)?),
                None => None,
            };
            raw.push((model.clone(), value));
        }
        let after = map.edit(&raw);
        let before = base.text(field).to_owned();
        if let Some((original, was_left)) = self.before.get(&field) {
            let untouched = before == *was_left || self.left.get(&field) == Some(&before);
            let says_the_same = MapText::parse(original)
                .is_ok_and(|original| entries(&original) == entries(&after));
            if untouched && says_the_same {
                return Some((before, original.clone()));
            }
        }
        Some((before, after.text().to_owned()))
    }

    /// Sends a map, and finds out what became of it.
    async fn put(&mut self, field: Field, before: &str, text: &str, tries: u32) -> Written {
        let Some(map) = OptionText::new(field, text) else {
            return Written::Not(Failure::new(
                FailureKind::Rejected,
                format!("the text of {} would not be a map", field.option_key()),
            ));
        };
        let writer = self.session.writer(self.run, self.fence);
        let Some(sent) = writer
            .until_sent(&self.stop, async |writer| writer.put_option(&map).await)
            .await
        else {
            return Written::Stopped;
        };
        let doubt = match sent {
            Sent::NotSent(failure) | Sent::Refused(failure) => return Written::Not(failure),
            Sent::Stored(()) => None,
            Sent::Unknown(failure) => Some(failure),
        };
        // It may have arrived, so this is read whoever asked to stop.
        for (look, wait) in std::iter::once(Duration::ZERO).chain(VISIBLE).enumerate() {
            tokio::time::sleep(wait).await;
            let now = match self.session.local(self.max_retries).await {
                Ok(now) => now,
                Err(unread) => {
                    let first = doubt.map_or(String::new(), |doubt| doubt.detail + "; ");
                    let detail = format!("{first}reading back: {}", unread.detail);
                    *self.sent.entry(field).or_default() += 1;
                    return Written::Not(Failure::new(FailureKind::Unverified, detail));
                }
            };
            let as_before = now.text(field) == before && before != text;
            if !as_before {
                *self.sent.entry(field).or_default() += 1;
                // The text is ours, or ours with somebody else's edits after it: each row is looked at.
                return Written::Stored(Box::new(now));
            }
            if doubt.is_some() && look == 0 && tries > 0 {
                break;
            }
        }
        Written::Not(doubt.unwrap_or_else(|| {
            Failure::status(
                FailureKind::NotStored,
                200,
                format!("{} still has the old text", field.option_key()),
            )
        }))
    }

    /// What the maps say of the rows that were just written.
    async fn stored(
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
    async fn fail(
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
    async fn record(
        &mut self,
        outcomes: Vec<PriceOutcome>,
        accepted: Vec<(String, Values)>,
    ) -> Result<(), EngineError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        for outcome in &outcomes {
            self.rows.remove(&(outcome.model.clone(), outcome.field));
        }
        let requests = self.session.requests();
        self.session
            .store()
            .record_price_outcomes(&self.run.id, self.fence, outcomes, accepted, requests)
            .await?;
        Ok(())
    }

    fn ended(&self, row: &PriceRow, state: State, failure: Option<Failure>) -> PriceOutcome {
        PriceOutcome {
            model: row.model.clone(),
            field: row.field,
            state,
            new: None,
            failure,
            finished_at: self.session.now(),
        }
    }

    async fn read(&self) -> Option<Result<LocalPrices, Failure>> {
        self.unless_stopped(self.session.local(self.max_retries))
            .await
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.stop.cancelled() => None,
        }
    }

    /// The gateway's clock, and how many changes of each option its log has in this very second: those are not of the
    /// time of this run. `None` where the gateway does not tell.
    async fn log_so_far(&self) -> Option<LogSoFar> {
        let reader = self.session.reader();
        let since = reader.status().await.ok()?.clock?;
        let mut known: BTreeMap<String, u64> = BTreeMap::new();
        for write in reader.option_writes_since(since).await.ok()? {
            *known.entry(write.key).or_default() += 1;
        }
        Some(LogSoFar { since, known })
    }

    /// Asks the gateway's own log whether somebody else wrote the same maps meanwhile: in the gap between reading and
    /// writing nobody can see it in the maps. A gateway that shows no log tells nothing of others; that is no failure
    /// of the run.
    async fn tell_of_others(&self, log: Option<LogSoFar>) -> Result<(), EngineError> {
        let Some(LogSoFar { since, known }) = log.filter(|_| !self.sent.is_empty()) else {
            return Ok(());
        };
        let Ok(log) = self.session.reader().option_writes_since(since).await else {
            return Ok(());
        };
        for (field, ours) in &self.sent {
            let key = field.option_key();
            let told = log.iter().filter(|write| write.key == key).count() as u64;
            let told = told.saturating_sub(known.get(key).copied().unwrap_or(0));
            if told > *ours {
                tracing::warn!(
                    key,
                    others = told - ours,
                    "somebody else wrote this map too"
                );
                self.session
                    .store()
                    .set_image_others(&self.run.id, self.fence, key, told - ours)
                    .await?;
            }
        }
        Ok(())
    }
}

/// What a map says, whatever its order and spaces.
fn entries(map: &MapText) -> BTreeMap<String, String> {
    map.entries()
        .map(|(name, value)| (name.into_owned(), value.to_owned()))
        .collect()
}
