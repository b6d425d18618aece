//! The reading step: lists the channels, asks providers, plans each as its answer arrives, journals it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::StreamExt;
use lockstep_core::brake::{RunBrake, removes};
use lockstep_core::change::RunState;
use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_core::hold::ReasonCode;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{Answered, ChannelInput, ChannelPlan, plan_channel};
use lockstep_core::models::policy::Policy;
use lockstep_core::settings::PaceMode;
use lockstep_remote::gateway::Fetched;
use lockstep_remote::retry::{Tried, read_with_retries};
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::steps;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::effective::Scope;
use crate::engine::{Session, Watch};
use crate::error::EngineError;
use crate::journal::{Entry, Journal};
use crate::progress::Phase;
use crate::row::{Seen, digest, gone_row, plan_digest, row};

/// At the automatic pace at most this many requests at once go to one provider's host.
const PER_HOST: usize = 2;
/// Rows of an interrupted reading are good for an hour, in milliseconds.
pub(crate) const ROW_AGE: i64 = 3_600_000;

/// What a reading takes as given instead of asking the provider.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Rows whose provider answers are used again.
    pub(crate) rows: HashMap<i64, ChangeRow>,
    /// Whether those rows' held parts are approved by this run.
    pub(crate) approved: bool,
    /// Whether the settings are the site's own.
    pub(crate) own_settings: bool,
}

/// One reading under way.
struct Reading<'a> {
    session: &'a Session,
    run: &'a Run,
    scope: &'a Scope,
    given: &'a Given,
    memories: HashMap<i64, Memory>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Once the gateway refuses us altogether, no further channel is asked.
    refused: OnceLock<Failure>,
    left_to_ask: AtomicUsize,
}

/// One channel with what came of asking its provider; `None` where nobody was asked.
struct Answer {
    channel: Channel,
    page: u32,
    came: Option<Result<Fetched, Failure>>,
    attempts: u32,
    read_at: i64,
}

/// One planned channel.
struct Planned {
    channel: Channel,
    page: u32,
    plan: ChannelPlan,
    row: ChangeRow,
}

/// Reads and plans the run's channels. Returns the state in which the run is afterwards.
pub(crate) async fn read(
    session: &Session,
    run: &Run,
    fence: i64,
    scope: &Scope,
    given: &Given,
    watch: &Watch,
) -> Result<RunState, EngineError> {
    let store = session.store();
    watch
        .progress
        .phase(Phase::Listing, 0, std::time::Duration::ZERO);
    let reader = session
        .reader()
        .with_page_retries(scope.settings.max_retries);
    // What is remembered is read from the database while the gateway is asked.
    let known = async {
        tokio::join!(
            reader.all_channels(),
            store.memories(&session.access.site.id)
        )
    };
    let (listing, memories) = tokio::select! {
        known = known => known,
        () = watch.cancel.cancelled() => {
            return end(session, run, fence, RunState::Cancelled, None).await;
        }
    };
    let listing = match listing {
        Ok(listing) => listing,
        Err(failure) => return end(session, run, fence, RunState::Failed, Some(failure)).await,
    };

    session.listed(listing.kind);
    let mut brake = RunBrake::default();
    let mut chosen: Vec<(u32, Channel)> = Vec::new();
    let wanted: Option<BTreeSet<i64>> = run
        .selection
        .as_ref()
        .map(|ids| ids.iter().copied().collect());
    for (page, channels) in (1..).zip(listing.pages) {
        for channel in channels {
            if wanted.as_ref().is_none_or(|ids| ids.contains(&channel.id)) {
                chosen.push((page, channel));
            } else {
                brake.untouched(&channel);
            }
        }
    }
    let found: BTreeSet<i64> = chosen.iter().map(|(_, channel)| channel.id).collect();
    if let Some(wanted) = &wanted {
        let missing: Vec<i64> = wanted.difference(&found).copied().collect();
        if !missing.is_empty() && run.parent.is_none() {
            let failure = Failure::new(FailureKind::Gone, format!("channels {missing:?}"));
            end(session, run, fence, RunState::Failed, Some(failure)).await?;
            return Err(EngineError::NoSuchChannel(missing));
        }
    }

    let gone = match (&wanted, &run.parent) {
        (Some(wanted), Some(_)) => gone(session, run, wanted.difference(&found)).await?,
        _ => Vec::new(),
    };
    let total = chosen.len() + gone.len();
    let reading = Reading {
        session,
        run,
        scope,
        given,
        memories: memories?,
        hosts: Mutex::default(),
        refused: OnceLock::new(),
        left_to_ask: AtomicUsize::new(total),
    };
    watch
        .progress
        .phase(Phase::Reading, total, session.estimate(total));
    let broken = CancellationToken::new();
    let journal = Journal::open(session.clone(), run.id.clone(), fence, broken.clone());
    let mut digests: BTreeMap<i64, Digest> = BTreeMap::new();
    let mut to_judge: Vec<Planned> = Vec::new();
    for row in gone {
        digests.insert(row.channel_id, digest(&row));
        journal.record(Entry::Read(Box::new(row), None)).await;
    }
    let concurrency = scope.settings.effective_concurrency().max(1);
    {
        let answers = futures_util::stream::iter(chosen)
            .map(|(page, channel)| reading.answer(page, channel, watch))
            .buffer_unordered(concurrency)
            // What is ready is planned together, after the next requests went out: planning delays none of them.
            .ready_chunks(concurrency * 2);
        tokio::pin!(answers);
        loop {
            let ready = tokio::select! {
                biased;
                () = watch.cancel.cancelled() => break,
                () = broken.cancelled() => break,
                next = answers.next() => match next {
                    Some(ready) => ready,
                    None => break,
                },
            };
            for answer in ready {
                let planned = reading.planned(answer, watch);
                brake.planned(&planned.channel, &planned.plan);
                digests.insert(planned.channel.id, digest(&planned.row));
                let memory = if removes(&planned.plan) || planned.plan.after().is_some() {
                    planned.plan.observed.clone()
                } else {
                    planned.plan.settled_memory()
                };
                // Of a settled channel nothing new is known, and most are settled.
                let before = reading.memories.get(&planned.channel.id);
                let memory = (before != Some(&memory)).then(|| Box::new(memory));
                let row = if removes(&planned.plan) {
                    let row = planned.row.clone();
                    to_judge.push(planned);
                    row
                } else {
                    planned.row
                };
                journal.record(Entry::Read(Box::new(row), memory)).await;
            }
        }
    }
    journal.close().await?;
    if watch.cancel.is_cancelled() {
        return end(session, run, fence, RunState::Cancelled, None).await;
    }

    if total == 0 {
        // There is no row with which the reading of the list could be counted.
        let requests = session.requests();
        store.add_requests(&run.id, fence, requests).await?;
    }
    let (changed, emptied) = reading.judge(&brake, to_judge, &mut digests);
    store
        .mark_planned(
            &run.id,
            fence,
            changed,
            steps::Planned {
                hash: plan_digest(digests.values()),
                total: total as u64,
                holds: match (given.approved, given.own_settings) {
                    (true, _) => steps::Holds::Leave,
                    (false, true) => steps::Holds::Renew,
                    (false, false) => steps::Holds::Add,
                },
            },
            session.now(),
        )
        .await?;
    for (channel, memory) in emptied {
        store
            .set_memory(&session.access.site.id, channel, &memory)
            .await?;
    }
    watch
        .progress
        .phase(Phase::Ended, total, std::time::Duration::ZERO);
    Ok(RunState::Planned)
}

/// Rows for chosen channels that are not on the gateway any more, made from what was last known of them.
async fn gone(
    session: &Session,
    run: &Run,
    missing: impl Iterator<Item = &i64>,
) -> Result<Vec<ChangeRow>, EngineError> {
    let now = session.now();
    let mut rows = Vec::new();
    for id in missing {
        let history = session
            .store()
            .channel_history(&run.site_id, *id, 1)
            .await?;
        rows.extend(
            history
                .into_iter()
                .map(|known| gone_row(&run.id, known, now)),
        );
    }
    Ok(rows)
}

async fn end(
    session: &Session,
    run: &Run,
    fence: i64,
    state: RunState,
    failure: Option<Failure>,
) -> Result<RunState, EngineError> {
    session
        .store()
        .end_run(
            &run.id,
            fence,
            state,
            failure,
            session.requests(),
            session.now(),
        )
        .await?;
    Ok(state)
}

impl Reading<'_> {
    async fn answer(&self, page: u32, channel: Channel, watch: &Watch) -> Answer {
        watch.progress.begins(channel.id, &channel.name);
        let (came, attempts, read_at) = match self.given.rows.get(&channel.id) {
            Some(known) => (None, known.attempts, known.read_at),
            None => {
                let (came, attempts) = self.ask(&channel).await;
                (came, attempts, self.session.now())
            }
        };
        Answer {
            channel,
            page,
            came,
            attempts,
            read_at,
        }
    }

    fn planned(&self, answer: Answer, watch: &Watch) -> Planned {
        let channel = answer.channel;
        let plan = match (self.given.rows.get(&channel.id), &answer.came) {
            (Some(known), _) => self.plan_again(&channel, known),
            (None, None) => self.plan(&channel, Answered::NotAsked),
            (None, Some(Ok(list))) => {
                self.plan(&channel, Answered::List(&list.names, list.unreadable))
            }
            (None, Some(Err(failure))) => self.plan(&channel, Answered::Failed(failure)),
        };
        let seen = Seen {
            run: &self.run.id,
            channel: &channel,
            page: answer.page,
            attempts: answer.attempts,
            now: answer.read_at,
        };
        let row = row(seen, &plan);
        let left = self.left_to_ask.fetch_sub(1, Ordering::Relaxed);
        watch.progress.ends(
            channel.id,
            plan.failure.is_some() && plan.skip.is_none(),
            self.session.estimate(left.saturating_sub(1)),
            self.session.gateway.requests().throttled,
        );
        Planned {
            channel,
            page: answer.page,
            plan,
            row,
        }
    }

    /// Asks the channel's provider, unless settings leave the channel out.
    async fn ask(&self, channel: &Channel) -> (Option<Result<Fetched, Failure>>, u32) {
        let effective = self.scope.of(channel);
        let left_out = effective.policy == Policy::Exclude
            || (self.scope.settings.enabled_only && !channel.enabled());
        if left_out {
            return (None, 0);
        }
        if let Some(failure) = self.refused.get() {
            return (Some(Err(failure.clone())), 0);
        }
        let _permit = self.host_permit(channel).await;
        let reader = self.session.reader();
        let settings = &self.scope.settings;
        let Tried { result, attempts } = read_with_retries(settings.max_retries, || {
            reader.fetch_models(channel.id, settings.channel_timeout)
        })
        .await;
        if let Err(failure) = &result
            && failure.kind.whole_gateway()
        {
            let _already = self.refused.set(failure.clone());
        }
        (Some(result), attempts)
    }

    /// Plans from what the provider answered an earlier reading.
    fn plan_again(&self, channel: &Channel, known: &ChangeRow) -> ChannelPlan {
        let unreadable = known
            .hold
            .as_ref()
            .filter(|hold| hold.code == ReasonCode::PartialList)
            .and_then(|hold| hold.count)
            .unwrap_or(0);
        match (&known.upstream, &known.failure) {
            (Some(upstream), _) => self.plan(channel, Answered::List(upstream, unreadable)),
            (None, Some(failure)) => {
                let mut plan = self.plan(channel, Answered::Failed(failure));
                // It is the same failure as before, not one more.
                let known = self.memories.get(&channel.id);
                plan.observed.failures = known.and_then(|memory| memory.failures.clone());
                plan
            }
            (None, None) => self.plan(channel, Answered::NotAsked),
        }
    }

    fn plan(&self, channel: &Channel, answer: Answered<'_>) -> ChannelPlan {
        let none = Memory::default();
        let input = Input {
            scope: self.scope,
            run: self.run,
            approved: self.given.approved,
            memory: self.memories.get(&channel.id).unwrap_or(&none),
            now: self.session.now(),
        };
        input.plan(channel, answer)
    }

    async fn host_permit(&self, channel: &Channel) -> Option<tokio::sync::OwnedSemaphorePermit> {
        if self.scope.settings.pace != PaceMode::Auto {
            return None;
        }
        let provider = channel.provider();
        let host = if provider.base_url.is_empty() {
            format!("type {}", provider.kind)
        } else {
            let rest = provider
                .base_url
                .split_once("://")
                .map_or(provider.base_url.as_str(), |(_, rest)| rest);
            rest.split('/').next().unwrap_or(rest).to_owned()
        };
        let semaphore = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts
                .entry(host)
                .or_insert_with(|| Arc::new(Semaphore::new(PER_HOST)))
                .clone()
        };
        semaphore.acquire_owned().await.ok()
    }

    /// Lets the brakes of the whole run judge the plans that would remove names, and returns the rows they changed, and
    /// what is remembered of channels of which nothing is left to write.
    fn judge(
        &self,
        brake: &RunBrake,
        plans: Vec<Planned>,
        digests: &mut BTreeMap<i64, Digest>,
    ) -> (Vec<ChangeRow>, Vec<(i64, Memory)>) {
        let mut changed = Vec::new();
        let mut emptied = Vec::new();
        if self.given.approved {
            return (changed, emptied);
        }
        for planned in plans {
            let Planned {
                channel,
                page,
                mut plan,
                row: before,
            } = planned;
            let allowed = self.scope.of(&channel).allowed;
            brake.judge(
                &channel,
                &mut plan,
                &self.scope.settings.limits,
                self.run.unattended,
                &allowed,
            );
            let seen = Seen {
                run: &self.run.id,
                channel: &channel,
                page,
                attempts: before.attempts,
                now: before.read_at,
            };
            let after = row(seen, &plan);
            if after != before {
                digests.insert(channel.id, digest(&after));
                changed.push(after);
            }
            if plan.after().is_none() {
                emptied.push((channel.id, plan.settled_memory()));
            }
        }
        (changed, emptied)
    }
}

/// What a plan rests on beside the channel and the answer.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) run: &'a Run,
    pub(crate) approved: bool,
    pub(crate) memory: &'a Memory,
    pub(crate) now: i64,
}

impl Input<'_> {
    pub(crate) fn plan(self, channel: &Channel, answer: Answered<'_>) -> ChannelPlan {
        let effective = self.scope.of(channel);
        plan_channel(ChannelInput {
            channel,
            answer,
            policy: effective.policy,
            rules: &effective.rules,
            keep: &effective.keep,
            allowed: &effective.allowed,
            memory: self.memory,
            limits: &self.scope.settings.limits,
            enabled_only: self.scope.settings.enabled_only,
            unattended: self.run.unattended,
            approved: self.approved,
            now: self.now,
        })
    }
}
