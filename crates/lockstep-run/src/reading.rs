//! One reading under way: each channel's provider asked, and what it answered planned.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep_core::brake::RunBrake;
use lockstep_core::channel::Channel;
use lockstep_core::failure::Failure;
use lockstep_core::hash::Digest;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::plan::{Answered, ChannelPlan};
use lockstep_remote::gateway::Fetched;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;

use crate::asking::Asking;
use crate::effective::Scope;
use crate::gate::Priced;
use crate::input::Input;
use crate::known::{Given, Known};
use crate::row::{Seen, digest, row};
use crate::session::Session;
use crate::watch::Watch;

/// One reading under way.
pub(crate) struct Reading<'a> {
    session: &'a Session,
    run: &'a Run,
    scope: &'a Scope,
    given: &'a Given,
    pub(crate) memories: HashMap<i64, Memory>,
    asking: Asking<'a>,
    left_to_ask: AtomicUsize,
    /// Which added names have a price.
    priced: Priced,
}

/// One channel with what came of asking its provider; `None` where nobody was asked.
pub(crate) struct Answer {
    channel: Channel,
    page: u32,
    came: Option<Result<Fetched, Failure>>,
    attempts: u32,
    read_at: i64,
}

/// One planned channel.
pub(crate) struct Planned {
    pub(crate) channel: Channel,
    pub(crate) page: u32,
    pub(crate) plan: ChannelPlan,
    pub(crate) row: ChangeRow,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        session: &'a Session,
        run: &'a Run,
        scope: &'a Scope,
        given: &'a Given,
        memories: HashMap<i64, Memory>,
        total: usize,
    ) -> Self {
        Self {
            session,
            run,
            scope,
            given,
            memories,
            asking: Asking::new(session, scope),
            left_to_ask: AtomicUsize::new(total),
            priced: Priced::default(),
        }
    }

    pub(crate) async fn answer(&self, page: u32, channel: Channel, watch: &Watch) -> Answer {
        watch.progress.begins(channel.id, &channel.name);
        let (came, attempts, read_at) = match self.given.rows.get(&channel.id) {
            Some(known) => (None, known.attempts, known.read_at),
            None => {
                let (came, attempts) = self.asking.ask(&channel).await;
                (came, attempts, self.session.now())
            }
        };
        let upstream = match (&came, self.given.rows.get(&channel.id)) {
            (Some(Ok(list)), _) => Some(&list.names),
            (_, Some(known)) => known.upstream.as_ref(),
            _ => None,
        };
        if let Some(upstream) = upstream {
            let settings = &self.scope.settings;
            let (mode, retries) = (settings.price_gate, settings.max_retries);
            self.priced
                .look(self.session, mode, retries, &channel, upstream)
                .await;
        }
        Answer {
            channel,
            page,
            came,
            attempts,
            read_at,
        }
    }

    pub(crate) fn planned(&self, answer: Answer, watch: &Watch) -> Planned {
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

    /// Plans from what the provider answered an earlier reading.
    fn plan_again(&self, channel: &Channel, known: &Known) -> ChannelPlan {
        match (&known.upstream, &known.failure) {
            (Some(upstream), _) => self.plan(channel, Answered::List(upstream, known.unreadable)),
            (None, Some(failure)) => {
                let mut plan = self.plan(channel, Answered::Failed(failure));
                if known.counted {
                    // It is the same failure as before, not one more.
                    let memory = self.memories.get(&channel.id);
                    plan.observed.failures = memory.and_then(|memory| memory.failures.clone());
                }
                plan
            }
            (None, None) => self.plan(channel, Answered::NotAsked),
        }
    }

    fn plan(&self, channel: &Channel, answer: Answered<'_>) -> ChannelPlan {
        let none = Memory::default();
        let input = Input {
            scope: self.scope,
            unattended: self.run.unattended,
            approved: self.given.approved,
            memory: self.memories.get(&channel.id).unwrap_or(&none),
            gate: Some(&self.priced),
            now: self.session.now(),
        };
        input.plan(channel, answer)
    }

    /// Lets the brakes of the whole run judge the plans that would remove names, and returns the rows they changed, and
    /// what is remembered of channels of which nothing is left to write.
    pub(crate) fn judge(
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
