//! The write step: the only place of Lockstep that changes a gateway.
//!
//! Approved rows are the intents. Each base is read again, written, and the whole reply compared; each outcome is
//! journaled. What moved meanwhile is planned again from what is there now.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use futures_util::StreamExt;
use lockstep_core::change::{RunState, State};
use lockstep_core::failure::Failure;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use tokio::sync::OnceCell;

use crate::effective::Scope;
use crate::error::EngineError;
use crate::journal::{Entry, Journal};
use crate::progress::Phase;
use crate::request::HELD;
use crate::review::{Approval, outcome};
use crate::session::{Held, Session};
use crate::watch::Watch;
use crate::write_row::Writing;

/// What is to be done, one thing after the other.
pub(crate) enum Task {
    /// Read a page again, for its first write is near.
    Page(u32),
    /// Write a row.
    Write(Box<ChangeRow>),
}

/// The rows in their order, and before the first of each further page, as many rows ahead as are worked on at once,
/// the reading of that page: else all of them would come to wait for it together.
fn with_pages(rows: Vec<ChangeRow>, ahead: usize) -> Vec<Task> {
    let mut pages: VecDeque<(usize, u32)> = VecDeque::new();
    for (index, (row, next)) in rows.iter().zip(rows.iter().skip(1)).enumerate() {
        if row.page != next.page {
            pages.push_back(((index + 1).saturating_sub(ahead), next.page));
        }
    }
    let mut tasks = Vec::with_capacity(rows.len() + pages.len());
    for (index, row) in rows.into_iter().enumerate() {
        while let Some((_, page)) = pages.pop_front_if(|(at, _)| *at <= index) {
            tasks.push(Task::Page(page));
        }
        tasks.push(Task::Write(Box::new(row)));
    }
    tasks
}

/// Whether a run is written by the process that approved it, or carried on after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// It was approved just now.
    No,
    /// Some of its writes may have arrived; the others are written.
    Writes,
    /// The approval is too old to write by; only what has arrived is found out.
    OnlyLooks,
}

impl Session {
    /// Approves a planned run and writes it, or carries on with one that a kill cut off while writing.
    pub async fn write(
        &self,
        run_id: &str,
        approval: &Approval,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        let store = self.store();
        let held = self.hold().await?;
        let run = store.run(run_id).await?;
        if run.state != RunState::Writing {
            let rows = self.check_plan(&run).await?;
            let chosen = |row: &&ChangeRow| {
                row.state == State::Ready
                    && approval
                        .only
                        .as_ref()
                        .is_none_or(|ids| ids.contains(&row.channel_id))
            };
            let some = rows.iter().filter(chosen).count() > 0;
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
            let Approval { only, by, rebases } = approval;
            store
                .approve(run_id, only.as_deref(), by, *rebases, self.now())
                .await?;
            self.write_on(run_id, held.fence, Resumed::No, watch).await
        } else {
            self.carry_on_run(run_id, &held, Resumed::Writes, watch)
                .await
        }
    }

    /// Carries on with a run that a kill cut off while it wrote.
    pub(crate) async fn carry_on_run(
        &self,
        run_id: &str,
        held: &Held,
        resumed: Resumed,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        self.store().adopt_run(run_id, held.fence).await?;
        self.write_on(run_id, held.fence, resumed, watch).await
    }

    /// Writes what is approved and ends the run.
    async fn write_on(
        &self,
        run_id: &str,
        fence: i64,
        resumed: Resumed,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        let store = self.store();
        let run = store.run(run_id).await?;
        let _heeding = self.heed(run_id, fence, watch);
        let scope = self.scope_of(&run).await?;
        let failure = self
            .write_approved(&run, fence, &scope, resumed, watch)
            .await?;
        if run.trigger == HELD {
            // What waited is written, so nothing waits any more.
            for row in store.changes_in(run_id, State::Applied).await? {
                store.delete_hold(&run.site_id, row.channel_id).await?;
            }
        }
        let left = !store.changes_in(run_id, State::Approved).await?.is_empty();
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
        watch
            .progress
            .phase(Phase::Ended, 0, std::time::Duration::ZERO);
        tracing::info!(run = %run.id, state = state.code(), "written");
        Ok(store.run(run_id).await?)
    }

    /// Writes every approved row. A failure is returned when it stopped the run as a whole.
    async fn write_approved(
        &self,
        run: &Run,
        fence: i64,
        scope: &Scope,
        resumed: Resumed,
        watch: &Watch,
    ) -> Result<Option<Failure>, EngineError> {
        let rows = self.store().changes_in(&run.id, State::Approved).await?;
        let channels: Vec<i64> = rows.iter().map(|row| row.channel_id).collect();
        let stop = watch.cancel.child_token();
        let journal = Journal::open(self.clone(), run.id.clone(), fence, stop.clone());
        let pages: BTreeSet<u32> = rows.iter().map(|row| row.page).collect();
        let writing = Writing {
            session: self,
            run,
            scope,
            fence,
            resumed,
            stop: stop.clone(),
            memories: self
                .store()
                .memories_of(&self.access.site.id, &channels)
                .await?,
            pages: pages.iter().map(|page| (*page, OnceCell::new())).collect(),
            left: AtomicUsize::new(rows.len()),
            watch,
            lost: Mutex::default(),
        };
        watch.progress.phase(
            Phase::Writing,
            rows.len(),
            self.estimate(rows.len() + pages.len()),
        );
        let mut rows = rows.into_iter();
        let mut stopped: Option<Failure> = None;
        // The first write ever on a site goes to one channel alone: a fork with other manners is caught here.
        let alone = !self.access.site.first_write_done;
        while alone && stopped.is_none() && !stop.is_cancelled() {
            let Some(row) = rows.next() else { break };
            let Some(done) = writing.one(row).await else {
                break;
            };
            stopped = done.stops(true);
            let wrote = done.wrote;
            journal.record(Entry::Outcome(Box::new(done.outcome))).await;
            if wrote && stopped.is_none() {
                self.store().mark_first_write(&self.access.site.id).await?;
                break;
            }
        }
        if stopped.is_none() {
            let concurrency = scope.settings.effective_concurrency().max(1);
            let outcomes = futures_util::stream::iter(with_pages(rows.collect(), concurrency))
                .take_while(|_| std::future::ready(!stop.is_cancelled()))
                .map(|task| writing.task(task))
                .buffer_unordered(concurrency);
            tokio::pin!(outcomes);
            while let Some(done) = outcomes.next().await {
                let Some(done) = done else { continue };
                if let Some(failure) = done.stops(false) {
                    stopped.get_or_insert(failure);
                    stop.cancel();
                }
                journal.record(Entry::Outcome(Box::new(done.outcome))).await;
            }
        }
        journal.close().await?;
        let lost = writing.lost.into_inner();
        if let Some(lost) = lost.unwrap_or_else(PoisonError::into_inner) {
            return Err(EngineError::Lost(lost.detail));
        }
        Ok(stopped)
    }
}
