//! Notices: what a run found is told to those who want to hear it, by bots, webhooks and mail.
//!
//! [`after_run`] says what is to be told of a run, and [`Notifier::deliver`] tells it. Both may be called again, and by
//! several processes: each target hears each notice of a run once.

mod cut;
mod findings;
mod mail;
mod message;
mod send;
mod sign;
mod target;
mod vendor;

use futures_util::future::join_all;
use lockstep_core::change::{RunState, Subject};
use lockstep_core::notices::{self, NoticeKind};
use lockstep_run::Engine;
use lockstep_store::StoreError;
use lockstep_store::notices::NoticeTarget;
use lockstep_store::sites::Site;

pub(crate) use findings::unpriced_models;
pub(crate) use message::{Message, finding_as_json};
pub(crate) use target::{Address, Vendor};

use send::Ended;

/// One notice of a run.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    /// The site's id.
    pub(crate) site_id: String,
    /// What people call the site.
    pub(crate) site: String,
    /// The run.
    pub(crate) run_id: String,
    /// What the run is about.
    pub(crate) subject: Subject,
    /// What is told, and how.
    pub(crate) notice: notices::Notice,
}

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
    pub(crate) error: Option<String>,
}

/// Says what is to be told of a run that was planned or has ended. Nothing is, while nobody listens: what is wrong then
/// is told by the first run after somebody does.
///
/// # Errors
///
/// When the database fails.
pub(crate) async fn after_run(
    engine: &Engine,
    site: &Site,
    run_id: &str,
) -> Result<Vec<Notice>, StoreError> {
    let store = engine.store();
    let targets = store.notice_targets().await?;
    if !targets.iter().any(|target| target.enabled) {
        return Ok(Vec::new());
    }
    let run = store.run(run_id).await?;
    if !run.state.ended() && run.state != RunState::Planned {
        return Ok(Vec::new());
    }
    let (found, looked) = findings::of_run(store, &run).await?;
    let told = store
        .settle_notices(&site.id, run.subject, &run.id, found, looked, engine.now())
        .await?;
    let name = site.name.clone().unwrap_or_else(|| site.url.to_string());
    let notice = |notice| Notice {
        site_id: site.id.clone(),
        site: name.clone(),
        run_id: run.id.clone(),
        subject: run.subject,
        notice,
    };
    Ok(told.into_iter().map(notice).collect())
}

/// Tells notices to those who listen.
#[derive(Clone, Debug)]
pub(crate) struct Notifier(Engine);

impl Notifier {
    /// A notifier over the engine's store and clock.
    pub(crate) fn new(engine: &Engine) -> Self {
        Self(engine.clone())
    }

    /// Sends notices to every target that wants them, each once whoever calls, and records each outcome. A target that
    /// fails keeps none of the others from hearing. What reached nobody is told again by the next run.
    ///
    /// # Errors
    ///
    /// When the database fails. What a target fails with is in its [`Delivery`].
    pub(crate) async fn deliver(&self, notices: &[Notice]) -> Result<Vec<Delivery>, StoreError> {
        let targets = self.0.store().notice_targets().await?;
        let mut work = Vec::new();
        for target in targets.iter().filter(|target| target.enabled) {
            work.push(self.all_to(target, notices));
        }
        let mut deliveries = Vec::new();
        for done in join_all(work).await {
            deliveries.extend(done?);
        }
        for notice in notices {
            let kind = notice.notice.kind;
            let mut reached = false;
            let mut tried = false;
            for (of, delivery) in &deliveries {
                if *of == (notice.run_id.clone(), kind) {
                    tried = true;
                    reached |= delivery.error.is_none();
                }
            }
            if tried && !reached {
                let store = self.0.store();
                store
                    .was_not_told(&notice.site_id, &notice.run_id, kind)
                    .await?;
            }
        }
        Ok(deliveries
            .into_iter()
            .map(|(_, delivery)| delivery)
            .collect())
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
        self.send(target, "test", &id, &message).await
    }

    /// One target's notices, one after the other.
    async fn all_to(
        &self,
        target: &NoticeTarget,
        notices: &[Notice],
    ) -> Result<Vec<((String, NoticeKind), Delivery)>, StoreError> {
        let mut deliveries = Vec::new();
        for notice in notices {
            let kind = notice.notice.kind;
            if !target.kinds.is_empty() && !target.kinds.contains(&kind) {
                continue;
            }
            let store = self.0.store();
            let now = self.0.now();
            let claimed = store
                .claim_notice(&target.id, &notice.site_id, &notice.run_id, kind, now)
                .await?;
            if let Some(id) = claimed {
                let message = Message::of(notice, now);
                let delivery = self.send(target, kind.code(), &id, &message).await?;
                deliveries.push(((notice.run_id.clone(), kind), delivery));
            }
        }
        Ok(deliveries)
    }

    async fn send(
        &self,
        target: &NoticeTarget,
        kind: &str,
        id: &str,
        message: &Message,
    ) -> Result<Delivery, StoreError> {
        let store = self.0.store();
        let stored = store.notice_secret(&target.id).await?;
        let address = Vendor::from_code(&target.kind)
            .and_then(|vendor| Some((vendor, Address::read(&stored)?)));
        let ended = match address {
            Some((vendor, address)) => {
                send::send(vendor, &address, message, id, || self.0.now()).await
            }
            None => Ended {
                attempts: 0,
                error: Some("this Lockstep cannot read what is stored of the target".to_owned()),
            },
        };
        let Ended { attempts, error } = ended;
        if let Some(error) = &error {
            tracing::warn!(
                target_name = target.name,
                kind,
                attempts,
                error,
                "a notice did not arrive"
            );
        }
        store
            .record_notice(id, attempts, error.as_deref(), self.0.now())
            .await?;
        Ok(Delivery {
            target: target.name.clone(),
            kind: kind.to_owned(),
            attempts,
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lockstep_core::notices::{About, Finding, Telling, What};
    use lockstep_run::clock::SystemClock;
    use lockstep_store::Store;
    use lockstep_store::notices::NewNoticeTarget;

    use super::*;

    fn notice(kind: NoticeKind) -> Notice {
        let finding = Finding::new(About::Model("amber".to_owned()), What::Unpriced);
        Notice {
            site_id: "site".to_owned(),
            site: "main".to_owned(),
            run_id: "run".to_owned(),
            subject: Subject::Prices,
            notice: notices::Notice {
                kind,
                telling: Telling::New,
                findings: vec![finding],
            },
        }
    }

    #[tokio::test]
    async fn of_two_that_tell_the_same_run_one_tells_each_target_once() {
        let store = Store::open_temporary().await.expect("a store");
        let clock = Arc::new(SystemClock);
        let engine = Engine::start(store, clock, "test".to_owned()).expect("an engine");
        for (name, kinds) in [("all", vec![]), ("some", vec![NoticeKind::Held])] {
            // Nothing is called: the address is one of the inside.
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
            let added = engine.store().add_notice_target(new, 1).await;
            added.expect("a target");
        }
        let notices = [notice(NoticeKind::Unpriced), notice(NoticeKind::Held)];
        let (one, other) = (Notifier::new(&engine), Notifier::new(&engine));
        let (first, second) = tokio::join!(one.deliver(&notices), other.deliver(&notices));
        let mut told: Vec<(String, String)> = first
            .expect("delivered")
            .into_iter()
            .chain(second.expect("delivered"))
            .map(|delivery| (delivery.target, delivery.kind))
            .collect();
        told.sort();
        let wanted = [("all", "held"), ("all", "unpriced"), ("some", "held")];
        assert_eq!(
            told,
            wanted.map(|(target, kind)| (target.to_owned(), kind.to_owned()))
        );
        let again = one.deliver(&notices).await.expect("delivered");
        assert!(again.is_empty());
    }
}
