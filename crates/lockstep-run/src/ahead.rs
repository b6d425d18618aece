//! Providers asked ahead of a run about model lists, so that the price run before it knows which models will come.

use std::collections::{BTreeSet, HashMap};

use futures_util::StreamExt;
use lockstep_core::change::Verdict;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::Answered;

use crate::asking::Asking;
use crate::effective::Scope;
use crate::error::EngineError;
use crate::input::Input;
use crate::known::{Ahead, Known};
use crate::progress::Phase;
use crate::request::Request;
use crate::session::Session;
use crate::watch::Watch;

impl Session {
    /// Asks the providers of all channels for their lists. Nothing is stored: the run that follows takes the answers over
    /// as its own, and its requests are counted with the next ones.
    ///
    /// # Errors
    ///
    /// When the database fails. A gateway that does not answer gives no answers, for the run itself will say so.
    pub async fn read_ahead(&self, request: &Request, watch: &Watch) -> Result<Ahead, EngineError> {
        let store = self.store();
        let site = &self.access.site.id;
        let scope = Scope {
            settings: request.settings.clone(),
            policy: request.policy,
            providers: store.provider_overrides(site).await?,
            channels: store.channel_overrides(site).await?,
        };
        let memories = store.memories(site).await?;
        let reader = self.reader().with_page_retries(scope.settings.max_retries);
        let listing = tokio::select! {
            listing = reader.all_channels() => listing,
            () = watch.cancel.cancelled() => return Ok(Ahead::default()),
        };
        let Ok(listing) = listing else {
            return Ok(Ahead::default());
        };
        let channels: Vec<_> = listing.pages.into_iter().flatten().collect();
        let total = channels.len();
        watch
            .progress
            .phase(Phase::Reading, total, self.estimate(total));
        let asking = Asking::new(self, &scope);
        let concurrency = scope.settings.effective_concurrency().max(1);
        let asked = futures_util::stream::iter(channels)
            .map(|channel| {
                let asking = &asking;
                async move {
                    watch.progress.begins(channel.id, &channel.name);
                    let (came, attempts) = asking.ask(&channel).await;
                    (channel, came, attempts)
                }
            })
            .buffer_unordered(concurrency);
        tokio::pin!(asked);
        let (mut known, mut coming) = (HashMap::new(), BTreeSet::new());
        let none = Memory::default();
        let mut left = total;
        loop {
            let next = tokio::select! {
                biased;
                () = watch.cancel.cancelled() => break,
                next = asked.next() => next,
            };
            let Some((channel, came, attempts)) = next else {
                break;
            };
            left -= 1;
            let failed = matches!(came, Some(Err(_)));
            let throttled = self.gateway.requests().throttled;
            watch
                .progress
                .ends(channel.id, failed, self.estimate(left), throttled);
            let answered = match came {
                None => continue,
                // What concerns the whole gateway is for the run itself to meet.
                Some(Err(failure)) if failure.kind.whole_gateway() => continue,
                Some(Err(failure)) => Known {
                    upstream: None,
                    unreadable: 0,
                    failure: Some(failure),
                    attempts,
                    read_at: self.now(),
                    counted: false,
                },
                Some(Ok(list)) => {
                    let input = Input {
                        scope: &scope,
                        unattended: request.unattended,
                        approved: false,
                        memory: memories.get(&channel.id).unwrap_or(&none),
                        gate: None,
                        now: self.now(),
                    };
                    let answer = Answered::List(&list.names, list.unreadable);
                    let plan = input.plan(&channel, answer);
                    if plan.additions.verdict == Verdict::Apply {
                        coming.extend(plan.additions.names);
                    }
                    Known {
                        upstream: Some(list.names),
                        unreadable: list.unreadable,
                        failure: None,
                        attempts,
                        read_at: self.now(),
                        counted: false,
                    }
                }
            };
            known.insert(channel.id, answered);
        }
        Ok(Ahead::new(known, coming))
    }
}
