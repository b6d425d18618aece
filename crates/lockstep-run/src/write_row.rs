//! One row of the write step: the base read again, the write sent, the whole reply compared.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use lockstep_core::change::State;
use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::models::list::{NonEmptyModels, parse};
use lockstep_core::models::memory::Memory;
use lockstep_core::retry::backoff;
use lockstep_remote::gateway::{GatewayKind, Sent};
use lockstep_remote::retry::read_with_retries;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::steps::{Outcome, Requests};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::broken::{Broken, failure, unbroken};
use crate::effective::Scope;
use crate::fenced::{BASE_AGE, MOST_WAITS, Went, put_off};
use crate::request::UNDO;
use crate::session::Session;
use crate::step::Step;
use crate::watch::Watch;
use crate::write::{Resumed, Task};

/// Channels of one page, as re-read just before the first write on it.
pub(crate) struct PageNow {
    channels: HashMap<i64, Channel>,
    kind: GatewayKind,
    read_at: i64,
}

pub(crate) struct Writing<'a> {
    pub(crate) session: &'a Session,
    pub(crate) run: &'a Run,
    pub(crate) scope: &'a Scope,
    pub(crate) fence: i64,
    pub(crate) resumed: Resumed,
    pub(crate) stop: CancellationToken,
    pub(crate) memories: HashMap<i64, Memory>,
    pub(crate) pages: HashMap<u32, OnceCell<Result<PageNow, Failure>>>,
    pub(crate) left: AtomicUsize,
    pub(crate) watch: &'a Watch,
    /// Why nothing more may be sent, once the lease or the database is gone.
    pub(crate) lost: Mutex<Option<Failure>>,
}

/// One write that ended.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    /// Whether a write was sent and its reply compared.
    pub(crate) wrote: bool,
}

impl Done {
    /// The failure that ends the whole run, if this is one.
    pub(crate) fn stops(&self, first: bool) -> Option<Failure> {
        let failure = self.outcome.failure.as_ref()?;
        let manners = matches!(
            failure.kind,
            FailureKind::FieldsChanged | FailureKind::NotStored
        );
        (failure.kind.whole_gateway() || (first && manners)).then(|| failure.clone())
    }
}

/// What follows a write that was sent.
enum Sequel {
    Ended(Box<Done>),
    /// Another try, with the channel as it was read back, if it was.
    Again(Option<Box<Channel>>),
    /// It was not sent and nothing more is: the row stays as it is, for whoever goes on with the run.
    Lost,
}

impl Writing<'_> {
    /// Does one thing. `None` when there is no outcome: a page was read, or the run was stopped.
    pub(crate) async fn task(&self, task: Task) -> Option<Done> {
        match task {
            Task::Write(row) => self.one(*row).await,
            Task::Page(page) => {
                self.unless_stopped(self.page(page)).await?;
                None
            }
        }
    }

    /// Writes one row. `None` when the run was stopped before anything was sent for it.
    pub(crate) async fn one(&self, row: ChangeRow) -> Option<Done> {
        self.watch
            .progress
            .begins(row.channel_id, &row.channel_name);
        let writing = async {
            let mut done = self.write_row(&row).await?;
            done.outcome.finished_at = self.session.now();
            Some(done)
        };
        let done = match unbroken("the write of a channel", writing).await {
            Ok(done) => done?,
            // Others are on their way: this one ends, and the run after them.
            Err(Broken) => {
                let mut done = ended(&row, State::Unverified, Some(failure()), 0);
                done.outcome.finished_at = self.session.now();
                done
            }
        };
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        self.watch.progress.ends(
            row.channel_id,
            done.outcome.failure.is_some(),
            self.session.estimate(left.saturating_sub(1)),
            self.session.gateway.requests().throttled,
        );
        Some(done)
    }

    async fn write_row(&self, row: &ChangeRow) -> Option<Done> {
        let (mut tries, mut waits) = (0, 0);
        let mut known: Option<(Channel, i64)> = None;
        loop {
            let base = match known.take() {
                Some(known) => Ok(known),
                None => self.unless_stopped(self.base(row)).await?,
            };
            let (base, read_at) = match base {
                Ok(base) => base,
                Err(failure) if failure.kind == FailureKind::Gone => {
                    return Some(ended(row, State::Moved, Some(failure), tries));
                }
                Err(failure) => return Some(ended(row, State::Failed, Some(failure), tries)),
            };
            let (models, memory) = match self.step(row, &base) {
                Step::Write(..) if self.resumed == Resumed::OnlyLooks => return None,
                Step::Write(models, memory) => (models, memory),
                Step::Found(memory) if self.resumed == Resumed::No => {
                    // Somebody else made the list what it was to become; that is no write of this run.
                    let mut done = ended(row, State::Same, None, tries);
                    done.outcome.memory = memory;
                    return Some(done);
                }
                Step::Found(memory) => {
                    let mut done = ended(row, State::Applied, None, tries);
                    done.outcome.after = Some(base.models);
                    done.outcome.memory = memory;
                    return Some(done);
                }
                Step::Moved => return Some(moved(row, tries)),
            };
            if let Err(failure) = self.record_rebased(row, &base, &models).await {
                return Some(ended(row, State::Failed, Some(failure), tries));
            }
            let sent = match self.put(row.channel_id, &models, read_at).await {
                Went::Sent(sent) => sent,
                Went::Stopped => return None,
                Went::Aged if waits < MOST_WAITS => {
                    waits += 1;
                    continue;
                }
                Went::Aged => return Some(ended(row, State::Failed, Some(put_off()), tries)),
            };
            tries += 1;
            match self.judge(row, &base, &models, memory, sent, tries).await {
                Sequel::Ended(done) => return Some(*done),
                Sequel::Again(now) => known = now.map(|now| (*now, self.session.now())),
                Sequel::Lost => return None,
            }
            self.unless_stopped(tokio::time::sleep(backoff(tries, rand::random())))
                .await?;
        }
    }

    /// What became of a write: it ended, or it is surely not stored and worth another try.
    async fn judge(
        &self,
        row: &ChangeRow,
        base: &Channel,
        models: &NonEmptyModels,
        memory: Memory,
        sent: Sent<Channel>,
        tries: u32,
    ) -> Sequel {
        let again = |failure: &Failure| {
            tries <= self.scope.settings.max_retries
                && failure.kind.worth_a_retry(failure.http_status)
        };
        let end = |state, failure| Sequel::Ended(Box::new(ended(row, state, Some(failure), tries)));
        match sent {
            Sent::Stored(reply) => {
                let done = self.compare(row, base, &reply, models, memory, tries);
                Sequel::Ended(Box::new(done))
            }
            Sent::NotSent(failure) if failure.kind == FailureKind::Record => {
                self.lost
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(failure);
                self.stop.cancel();
                Sequel::Lost
            }
            Sent::NotSent(failure) if again(&failure) => Sequel::Again(None),
            Sent::NotSent(failure) | Sent::Refused(failure) => end(State::Failed, failure),
            Sent::Unknown(failure) => {
                // It may have arrived, so this is read whoever asked to stop.
                let now = match self.alone(row.channel_id).await {
                    Ok(now) => now,
                    Err(unread) => {
                        let failure = Failure {
                            kind: FailureKind::Unverified,
                            detail: format!("{}; reading back: {}", failure.detail, unread.detail),
                            ..failure
                        };
                        return Sequel::Ended(Box::new(
                            self.unverified(row, models, failure, tries),
                        ));
                    }
                };
                let stored = now.models == models.as_str();
                if stored && failure.kind == FailureKind::Rejected {
                    // The list was stored, yet the gateway said no: its routing table may be out of step.
                    Sequel::Ended(Box::new(self.unverified(row, models, failure, tries)))
                } else if stored {
                    let done = self.compare(row, base, &now, models, memory, tries);
                    Sequel::Ended(Box::new(done))
                } else if now.models != base.models {
                    Sequel::Ended(Box::new(moved(row, tries)))
                } else if again(&failure) {
                    Sequel::Again(Some(Box::new(now)))
                } else {
                    end(State::Failed, failure)
                }
            }
        }
    }

    /// The intent of a write is stored before it; of a base that moved, the new intent.
    async fn record_rebased(
        &self,
        row: &ChangeRow,
        base: &Channel,
        models: &NonEmptyModels,
    ) -> Result<(), Failure> {
        if base.models == row.before || self.run.trigger == UNDO {
            return Ok(());
        }
        let rebased = ChangeRow {
            base: base.base(),
            before: base.models.clone(),
            after: Some(models.as_str().to_owned()),
            ..row.clone()
        };
        // Requests are counted with the outcome: should this fail, none is lost.
        let none = Requests::default();
        self.session
            .store()
            .record_rebased(&self.run.id, self.fence, vec![rebased], none)
            .await
            .map_err(|error| Failure::new(FailureKind::Record, error.to_string()))
    }

    /// Sends the write of what was read at a time.
    async fn put(&self, id: i64, models: &NonEmptyModels, read_at: i64) -> Went<Channel> {
        self.session
            .writer(self.run, self.fence, read_at)
            .until_sent(&self.stop, async |writer| {
                writer.put_models(id, models).await
            })
            .await
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.stop.cancelled() => None,
        }
    }

    /// What the reply says of the write: the list must be the one that was sent, every configured field what it was.
    fn compare(
        &self,
        row: &ChangeRow,
        base: &Channel,
        reply: &Channel,
        models: &NonEmptyModels,
        memory: Memory,
        tries: u32,
    ) -> Done {
        let fields = base.configured_differences(reply);
        let failure = if reply.models != models.as_str() {
            Some(Failure::status(
                FailureKind::NotStored,
                200,
                format!(
                    "{} names sent, {} in the reply",
                    parse(models.as_str()).len(),
                    parse(&reply.models).len()
                ),
            ))
        } else if !fields.is_empty() {
            Some(Failure::status(
                FailureKind::FieldsChanged,
                200,
                fields.join(", "),
            ))
        } else {
            None
        };
        let mut done = match failure {
            Some(failure) => ended(row, State::Failed, Some(failure), tries),
            None => ended(row, State::Applied, None, tries),
        };
        done.wrote = true;
        if reply.models == models.as_str() {
            // The list is ours, also where another field is not what it was.
            done.outcome.after = Some(models.as_str().to_owned());
            done.outcome.memory = (self.run.trigger != UNDO).then_some(memory);
        }
        done
    }

    /// A write of which it is not known whether it arrived. Should the list be found later, it is no edit by hand.
    fn unverified(
        &self,
        row: &ChangeRow,
        models: &NonEmptyModels,
        failure: Failure,
        tries: u32,
    ) -> Done {
        let mut done = ended(row, State::Unverified, Some(failure), tries);
        if self.run.trigger != UNDO {
            let known = self.memories.get(&row.channel_id).cloned();
            done.outcome.memory = Some(Memory {
                maybe: Some(parse(models.as_str())),
                ..known.unwrap_or_default()
            });
        }
        done
    }

    /// A page of channels, read again once, by whoever needs it first.
    async fn page(&self, page: u32) -> Option<&Result<PageNow, Failure>> {
        let cell = self.pages.get(&page)?;
        let read = || async {
            let reader = self.session.reader();
            let page = read_with_retries(self.scope.settings.max_retries, || reader.page(page))
                .await
                .result?;
            let channels = page.channels.into_iter();
            Ok(PageNow {
                channels: channels.map(|channel| (channel.id, channel)).collect(),
                kind: page.kind,
                read_at: self.session.now(),
            })
        };
        Some(cell.get_or_init(read).await)
    }

    /// The channel as it is now, and when it was read: from its page, read once just before the first write on it; alone
    /// when that is a minute old or the channel has left the page.
    async fn base(&self, row: &ChangeRow) -> Result<(Channel, i64), Failure> {
        if let Some(page) = self.page(row.page).await {
            let page = page.as_ref().map_err(Clone::clone)?;
            if page.kind != GatewayKind::NewApi {
                return Err(Failure::new(
                    FailureKind::NotRecognised,
                    "the gateway is not recognised as New API and is only read",
                ));
            }
            let fresh = self.session.now().saturating_sub(page.read_at) <= BASE_AGE;
            if let (true, Some(channel)) = (fresh, page.channels.get(&row.channel_id)) {
                return Ok((channel.clone(), page.read_at));
            }
        }
        let channel = self.alone(row.channel_id).await?;
        Ok((channel, self.session.now()))
    }

    async fn alone(&self, id: i64) -> Result<Channel, Failure> {
        let reader = self.session.reader();
        read_with_retries(self.scope.settings.max_retries, || reader.channel(id))
            .await
            .result
    }
}

fn moved(row: &ChangeRow, tries: u32) -> Done {
    let failure = Failure::new(FailureKind::Moved, "");
    ended(row, State::Moved, Some(failure), tries)
}

fn ended(row: &ChangeRow, state: State, failure: Option<Failure>, tries: u32) -> Done {
    let http_status = match &failure {
        Some(failure) => failure.http_status,
        None => Some(200),
    };
    Done {
        outcome: Outcome {
            channel_id: row.channel_id,
            state,
            after: None,
            failure,
            attempts_added: tries.saturating_sub(1),
            http_status,
            finished_at: 0,
            memory: None,
        },
        wrote: false,
    }
}
