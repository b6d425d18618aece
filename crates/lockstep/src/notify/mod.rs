//! Notices: what a run found is told to those who want to hear it, by bots, webhooks and mail.
//!
//! [`after_run`] stores what is to be told of a run, for each place that hears it, and [`Notifier::deliver_to`] sends
//! what is due for a place. Both may be called by several processes: what one took and did not send is sent by another.

mod cut;
mod findings;
mod mail;
mod message;
mod send;
mod sign;
mod target;
mod vendor;
mod why;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use lockstep_core::change::RunState;
use lockstep_core::notices::Looked;
use lockstep_run::Engine;
use lockstep_store::StoreError;
use lockstep_store::notices::{DueNotice, NoticeTarget, Outcome};
use lockstep_store::runs::Run;

pub(crate) use findings::{looks_at_all, unpriced_models};
pub(crate) use message::{Message, finding_as_json};
pub(crate) use target::{Address, BadAddress, Vendor};
pub(crate) use why::{Cause, Why};

use crate::words::en;
use send::Ended;
use vendor::Verdict;

/// How long a notice is ours once it is taken, in milliseconds: longer than sending it may take.
const TAKEN_FOR: i64 = 5 * 60_000;
/// How often a notice is tried in all.
const MOST_TRIES: u32 = 12;
/// How long it waits between its rounds of three tries, in milliseconds: a minute, ten, and an hour from then on.
const WAITS: [i64; 3] = [60_000, 600_000, 3_600_000];
/// A place that asks for a longer wait is tried again after this, in milliseconds: 6 hours.
const LONGEST_WAIT: i64 = 6 * 3_600_000;

/// How a notice, or a test, reached a target or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The target's name.
    pub(crate) target: String,
    /// The code of the notice's kind, or `test`.
    pub(crate) kind: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// Why it did not arrive.
    pub(crate) error: Option<Why>,
    /// From when on it is tried again, in Unix milliseconds.
    pub(crate) again_at: Option<i64>,
}

/// Stores what is to be told of a run that was planned or has ended, and before it of those that went before it and were
/// cut off: what is newer is known last. Nothing is, while nobody listens: what is wrong then is told by the first run
/// after somebody does.
///
/// # Errors
///
/// When the database fails.
pub(crate) async fn after_run(engine: &Engine, run_id: &str) -> Result<(), StoreError> {
    let store = engine.store();
    let run = store.run(run_id).await?;
    if !run.state.ended() && run.state != RunState::Planned {
        return Ok(());
    }
    for earlier in store.unsettled_runs().await? {
        let goes_before =
            earlier.site_id == run.site_id && earlier.subject == run.subject && earlier.id < run.id;
        if goes_before && let Err(error) = settle(engine, &earlier).await {
            tracing::warn!(run = %earlier.id, %error, "what it found could not be stored to be told");
        }
    }
    settle(engine, &run).await
}

/// Stores what is to be told of one run that came to rest, where nobody has yet.
///
/// # Errors
///
/// When the database fails.
pub(crate) async fn settle(engine: &Engine, run: &Run) -> Result<(), StoreError> {
    let store = engine.store();
    let targets = store.notice_targets().await?;
    let (found, looked) = if targets.iter().any(|target| target.enabled) {
        findings::of_run(store, run).await?
    } else {
        (BTreeMap::new(), Looked::At(BTreeSet::new()))
    };
    store
        .settle_notices(run.into(), found, looked, engine.now())
        .await?;
    Ok(())
}

/// Tells notices to those who listen.
#[derive(Clone, Debug)]
pub(crate) struct Notifier(Engine);

impl Notifier {
    /// A notifier over the engine's store and clock.
    pub(crate) fn new(engine: &Engine) -> Self {
        Self(engine.clone())
    }

    /// Sends what is due, to each place by itself.
    ///
    /// # Errors
    ///
    /// When the database fails. What a place fails with is in its [`Delivery`].
    pub(crate) async fn deliver(&self) -> Result<Vec<Delivery>, StoreError> {
        let targets = self.0.store().targets_to_tell(self.0.now()).await?;
        let work = targets.iter().map(|target| self.deliver_to(target));
        let mut deliveries = Vec::new();
        for done in join_all(work).await {
            deliveries.extend(done?);
        }
        Ok(deliveries)
    }

    /// Sends what is due to one place, one after the other, and records each outcome. Where one has to be tried again, the
    /// rest is left for later.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn deliver_to(
        &self,
        target: &NoticeTarget,
    ) -> Result<Vec<Delivery>, StoreError> {
        let store = self.0.store();
        let mut deliveries = Vec::new();
        loop {
            let now = self.0.now();
            let taken = store.take_notice(&target.id, now, now + TAKEN_FOR).await?;
            let Some(due) = taken else { break };
            let delivery = self.one_to(target, &due).await?;
            let waits = delivery.again_at.is_some();
            deliveries.push(delivery);
            if waits {
                break;
            }
        }
        Ok(deliveries)
    }

    async fn one_to(&self, target: &NoticeTarget, due: &DueNotice) -> Result<Delivery, StoreError> {
        let store = self.0.store();
        let kind = due.notice.kind.code();
        let ended = match store.site(&due.site_id).await {
            Ok(_) if due.attempts >= MOST_TRIES => gone(Cause::CutOff),
            Ok(site) => {
                let message = Message::of(&site, due);
                self.send(target, kind, &due.id, &message).await?
            }
            Err(StoreError::NotFound(_)) => gone(Cause::SiteGone),
            Err(error) => return Err(error),
        };
        let attempts = due.attempts.saturating_add(ended.attempts);
        let now = self.0.now();
        let (outcome, error) = outcome(ended.verdict, attempts, now);
        let again_at = match outcome {
            Outcome::Later { at, .. } => Some(at),
            Outcome::Arrived | Outcome::GivenUp { .. } => None,
        };
        if !store.record_notice(due, attempts, outcome, now).await? {
            tracing::warn!(
                id = due.id,
                kind,
                "a notice took so long that it was sent by another"
            );
        }
        Ok(Delivery {
            target: target.name.clone(),
            kind: kind.to_owned(),
            attempts,
            error,
            again_at,
        })
    }

    /// Sends a test to a target, whether or not it is enabled, and records its outcome.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn test(&self, target: &NoticeTarget) -> Result<Delivery, StoreError> {
        let store = self.0.store();
        let id = store.begin_notice_test(&target.id, self.0.now()).await?;
        let message = Message::test(&target.name, self.0.now());
        let Ended { attempts, verdict } = self.send(target, "test", &id, &message).await?;
        let error = match verdict {
            Verdict::Arrived => None,
            Verdict::Later(why, _) | Verdict::Refused(why) => Some(why),
        };
        let stored = error.as_ref().map(Why::to_stored);
        store
            .record_notice_test(&id, attempts, stored.as_deref(), self.0.now())
            .await?;
        Ok(Delivery {
            target: target.name.clone(),
            kind: "test".to_owned(),
            attempts,
            error,
            again_at: None,
        })
    }

    async fn send(
        &self,
        target: &NoticeTarget,
        kind: &str,
        id: &str,
        message: &Message,
    ) -> Result<Ended, StoreError> {
        let stored = self.0.store().notice_secret(&target.id).await?;
        let address = Vendor::from_code(&target.kind)
            .and_then(|vendor| Some((vendor, Address::read(&stored)?)));
        let ended = match address {
            Some((vendor, address)) => {
                send::send(vendor, &address, message, id, || self.0.now()).await
            }
            None => gone(Cause::Unreadable),
        };
        if let Verdict::Later(error, _) | Verdict::Refused(error) = &ended.verdict {
            tracing::warn!(
                target_name = target.name,
                kind,
                attempts = ended.attempts,
                error = en::notice_why(error),
                "a notice did not arrive"
            );
        }
        Ok(ended)
    }
}

/// What is not even tried.
fn gone(cause: Cause) -> Ended {
    Ended {
        attempts: 0,
        verdict: Verdict::Refused(Why::new(cause)),
    }
}

/// What is recorded of a round of tries, after so many in all, and why it did not arrive, where it did not.
fn outcome(verdict: Verdict, attempts: u32, now: i64) -> (Outcome, Option<Why>) {
    let (why, asked) = match verdict {
        Verdict::Arrived => return (Outcome::Arrived, None),
        Verdict::Later(why, asked) if attempts < MOST_TRIES => (why, asked),
        Verdict::Later(why, _) | Verdict::Refused(why) => {
            let stored = why.to_stored();
            return (Outcome::GivenUp { why: stored }, Some(why));
        }
    };
    let round = usize::try_from(attempts.saturating_sub(1) / 3).unwrap_or(usize::MAX);
    let wait = WAITS[round.min(WAITS.len() - 1)];
    let asked = asked.map_or(0, |asked| {
        i64::try_from(asked.as_millis()).unwrap_or(i64::MAX)
    });
    let at = now.saturating_add(wait.max(asked.min(LONGEST_WAIT)));
    let stored = why.to_stored();
    (Outcome::Later { why: stored, at }, Some(why))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use lockstep_core::change::Subject;
    use lockstep_core::notices::{About, Finding, NoticeKind, What};
    use lockstep_run::clock::Clock;
    use lockstep_store::Store;
    use lockstep_store::notices::{AtRest, NewNoticeTarget};

    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    #[derive(Debug)]
    struct At(AtomicI64);

    impl Clock for At {
        fn now(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    async fn one_process(store: &Store, now: i64) -> Notifier {
        let clock = Arc::new(At(AtomicI64::new(now)));
        let engine = Engine::start(store.clone(), clock, "test".to_owned());
        Notifier::new(&engine.expect("an engine"))
    }

    /// A store in which something is to be told to both targets; nothing is called, for the addresses are of the inside.
    async fn to_tell() -> Store {
        let store = Store::open_temporary().await.expect("a store");
        let url = lockstep_core::site::GatewayUrl::parse("https://gateway.example");
        let site = store.site_for_url(&url.expect("an address"), NOW).await;
        let site = site.expect("a site");
        for (name, kinds) in [("all", vec![]), ("some", vec![NoticeKind::Held])] {
            let address = Address {
                url: "http://127.0.0.1:9/".to_owned(),
                ..Address::default()
            };
            let new = NewNoticeTarget {
                name: name.to_owned(),
                kind: Vendor::Webhook.code().to_owned(),
                kinds,
                secret: address.to_stored(),
            };
            store.add_notice_target(new, NOW).await.expect("a target");
        }
        let finding = || {
            vec![Finding::new(
                About::Model("amber".to_owned()),
                What::Unpriced,
            )]
        };
        let found = [NoticeKind::Unpriced, NoticeKind::Held].map(|kind| (kind, finding()));
        let found = BTreeMap::from(found);
        let run = AtRest {
            site_id: &site.id,
            subject: Subject::Prices,
            run_id: "run",
            state: RunState::Done,
        };
        store
            .settle_notices(run, found, Looked::Everywhere, NOW)
            .await
            .expect("settled");
        store
    }

    fn pairs(deliveries: Vec<Delivery>) -> Vec<(String, String)> {
        let pair = |delivery: Delivery| (delivery.target, delivery.kind);
        let mut pairs: Vec<(String, String)> = deliveries.into_iter().map(pair).collect();
        pairs.sort();
        pairs
    }

    fn all_of_it() -> Vec<(String, String)> {
        [("all", "held"), ("all", "unpriced"), ("some", "held")]
            .map(|(target, kind)| (target.to_owned(), kind.to_owned()))
            .into()
    }

    #[tokio::test]
    async fn of_two_that_tell_the_same_run_one_tells_each_target_once() {
        let store = to_tell().await;
        let (one, other) = (
            one_process(&store, NOW).await,
            one_process(&store, NOW).await,
        );
        let (first, second) = tokio::join!(one.deliver(), other.deliver());
        let mut told = first.expect("delivered");
        told.extend(second.expect("delivered"));
        assert_eq!(pairs(told), all_of_it());
        let again = one.deliver().await.expect("delivered");
        assert!(again.is_empty(), "{again:?}");
    }

    #[tokio::test]
    async fn what_a_killed_process_had_taken_is_sent_by_another() {
        let store = to_tell().await;
        for target in store.notice_targets().await.expect("targets") {
            let taken = store.take_notice(&target.id, NOW, NOW + TAKEN_FOR).await;
            assert!(taken.expect("asked").is_some());
        }
        let soon = one_process(&store, NOW + TAKEN_FOR - 1).await;
        let told = pairs(soon.deliver().await.expect("delivered"));
        assert_eq!(told.len(), 1, "only what nobody has: {told:?}");
        let then = one_process(&store, NOW + TAKEN_FOR).await;
        let rest = pairs(then.deliver().await.expect("delivered"));
        let mut all: Vec<_> = told.into_iter().chain(rest).collect();
        all.sort();
        assert_eq!(all, all_of_it());
    }

    #[tokio::test]
    async fn what_is_cut_off_each_time_is_given_up() {
        let store = to_tell().await;
        let targets = store.notice_targets().await.expect("targets");
        let some = targets.iter().find(|target| target.name == "some");
        let some = some.expect("a target");
        let mut now = NOW;
        for _ in 0..MOST_TRIES {
            let taken = store.take_notice(&some.id, now, now + TAKEN_FOR).await;
            assert!(taken.expect("asked").is_some());
            now += TAKEN_FOR;
        }
        let process = one_process(&store, now).await;
        let told = process.deliver_to(some).await.expect("delivered");
        assert_eq!(told.len(), 1);
        let cause = told[0].error.as_ref().map(|why| why.cause);
        assert_eq!(cause, Some(Cause::CutOff), "{told:?}");
        assert!(process.deliver_to(some).await.expect("asked").is_empty());
    }

    #[test]
    fn a_notice_waits_longer_each_round_and_ends() {
        let later = |asked| Verdict::Later(Why::new(Cause::Status), asked);
        let hour = 3_600_000;
        for (attempts, asked, wait) in [
            (1, None, Some(60_000)),
            (3, None, Some(60_000)),
            (4, None, Some(600_000)),
            (7, None, Some(hour)),
            (11, None, Some(hour)),
            (12, None, None),
            (3, Some(Duration::from_secs(600)), Some(600_000)),
            (9, Some(Duration::from_secs(600)), Some(hour)),
            (1, Some(Duration::from_secs(86_400)), Some(6 * hour)),
        ] {
            let at = match outcome(later(asked), attempts, NOW).0 {
                Outcome::Later { at, .. } => Some(at - NOW),
                _ => None,
            };
            assert_eq!(at, wait, "{attempts} {asked:?}");
        }
        let why = Why::new(Cause::Status).number(404);
        let (refused, told) = outcome(Verdict::Refused(why.clone()), 1, NOW);
        assert!(matches!(refused, Outcome::GivenUp { why: stored } if Why::read(&stored) == why));
        assert_eq!(told, Some(why));
        let arrived = outcome(Verdict::Arrived, 1, NOW);
        assert_eq!(arrived, (Outcome::Arrived, None));
    }
}
