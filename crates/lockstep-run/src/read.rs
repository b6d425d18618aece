//! The reading step: lists the channels, asks providers, plans each as its answer arrives, journals it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use lockstep_core::brake::{RunBrake, removes};
use lockstep_core::change::RunState;
use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::steps;
use tokio_util::sync::CancellationToken;

use crate::effective::Scope;
use crate::error::EngineError;
use crate::journal::{Entry, Journal};
use crate::known::Given;
use crate::progress::Phase;
use crate::reading::{Planned, Reading};
use crate::request::{HELD, RETRY_FAILED};
use crate::row::{digest, gone_row, plan_digest};
use crate::session::Session;
use crate::watch::Watch;

/// Rows of an interrupted reading are good for an hour, in milliseconds.
pub(crate) const ROW_AGE: i64 = 3_600_000;

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
            if watch.leaves() {
                return Err(EngineError::Stopping);
            }
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
    // The channels of such a run are those of earlier ones, whether they still exist or not.
    let derived = matches!(run.trigger.as_str(), HELD | RETRY_FAILED);
    let found: BTreeSet<i64> = chosen.iter().map(|(_, channel)| channel.id).collect();
    if let Some(wanted) = &wanted {
        let missing: Vec<i64> = wanted.difference(&found).copied().collect();
        if !missing.is_empty() && !derived {
            let failure = Failure::new(FailureKind::Gone, format!("channels {missing:?}"));
            end(session, run, fence, RunState::Failed, Some(failure)).await?;
            return Err(EngineError::NoSuchChannel(missing));
        }
    }

    let gone = match &wanted {
        Some(wanted) if derived => gone(session, run, wanted.difference(&found)).await?,
        _ => Vec::new(),
    };
    let total = chosen.len() + gone.len();
    let reading = Reading::new(session, run, scope, given, memories?, total);
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
        if watch.leaves() {
            return Err(EngineError::Stopping);
        }
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
