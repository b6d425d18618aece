use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::Subject;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::notices::{About, Finding, Looked, NoticeKind, Telling, What};
use lockstep_core::prices::source::SourceState;
use lockstep_core::prices::usd::Usd;
use lockstep_store::notices::{NewNoticeTarget, NoticeTarget};
use lockstep_store::{Store, StoreError};
use secrecy::ExposeSecret as _;

use crate::tester::{NOW, site};

const DAY: i64 = 86_400_000;

async fn target(store: &Store, name: &str) -> NoticeTarget {
    let new = NewNoticeTarget {
        name: name.to_owned(),
        kind: "telegram".to_owned(),
        kinds: vec![NoticeKind::Held, NoticeKind::Failed],
        secret: format!("https://bots.example/{name}").into(),
    };
    store.add_notice_target(new, NOW).await.expect("a target")
}

fn failed(id: i64) -> Finding {
    let failure = Failure::status(FailureKind::ProviderStatus, 401, "unauthorized");
    Finding::new(
        About::Channel(id, format!("channel {id}")),
        What::Failed(failure),
    )
}

/// Settles a run about models over everything, and answers how it was told.
async fn settle(
    store: &Store,
    site_id: &str,
    run: &str,
    found: &[Finding],
    now: i64,
) -> Option<Telling> {
    let found = BTreeMap::from([(NoticeKind::Failed, found.to_vec())]);
    let notices = store
        .settle_notices(
            site_id,
            Subject::Models,
            run,
            found,
            Looked::Everywhere,
            now,
        )
        .await
        .expect("settled");
    notices.first().map(|notice| notice.telling)
}

pub(crate) async fn a_target_is_added_found_silenced_and_removed(store: &Store) {
    let one = target(store, "one").await;
    let two = target(store, "another").await;
    assert!(one.enabled && one.kinds == [NoticeKind::Held, NoticeKind::Failed]);
    assert_eq!(
        store.notice_targets().await.expect("targets"),
        [two.clone(), one.clone()]
    );
    let found = store.notice_target_by_name("one").await.expect("found");
    assert_eq!(found, one);
    let new = NewNoticeTarget {
        name: "one".to_owned(),
        kind: "ntfy".to_owned(),
        kinds: Vec::new(),
        secret: "x".into(),
    };
    let second = store.add_notice_target(new, NOW).await;
    assert!(matches!(second, Err(StoreError::Conflict(name)) if name == "one"));
    for (target, secret) in [
        (&one, "https://bots.example/one"),
        (&two, "https://bots.example/another"),
    ] {
        let opened = store.notice_secret(&target.id).await.expect("opened");
        assert_eq!(opened.expose_secret(), secret);
    }
    store
        .enable_notice_target(&one.id, false)
        .await
        .expect("silenced");
    let found = store.notice_target_by_name("one").await.expect("found");
    assert!(!found.enabled);
    store.remove_notice_target(&one.id).await.expect("removed");
    for gone in [
        store.remove_notice_target(&one.id).await.err(),
        store.enable_notice_target(&one.id, true).await.err(),
        store.notice_secret(&one.id).await.err(),
        store.notice_target_by_name("one").await.err(),
    ] {
        assert!(matches!(gone, Some(StoreError::NotFound(_))), "{gone:?}");
    }
}

pub(crate) async fn findings_read_back(store: &Store) {
    let site = site(store).await;
    let usd = |input| Usd {
        input: Some(input),
        output: Some(0.1),
        ..Usd::default()
    };
    let model = || About::Model("gpt \"4\"\n".to_owned());
    let held = Reason::counted(ReasonCode::LargeRise, 40, 0, 20);
    let all: Vec<(NoticeKind, Finding)> = vec![
        (NoticeKind::Failed, failed(1)),
        (
            NoticeKind::Failed,
            Finding::new(
                About::Run,
                What::Failed(Failure::new(FailureKind::Tls, "t")),
            ),
        ),
        (
            NoticeKind::Held,
            Finding::new(
                model(),
                What::Held(held.clone(), Some(Digest::of(["held"]))),
            ),
        ),
        (
            NoticeKind::Held,
            Finding::new(About::Channel(3, "c".to_owned()), What::Held(held, None)),
        ),
        (
            NoticeKind::PriceMoved,
            Finding::new(
                model(),
                What::Price(usd(2.5), usd(1e-7), Digest::of(["values"])),
            ),
        ),
        (
            NoticeKind::SourceTrouble,
            Finding::new(
                About::Source("official".to_owned()),
                What::Source(SourceState::Shrunken, "half".to_owned()),
            ),
        ),
        (
            NoticeKind::SourceTrouble,
            Finding::new(
                About::Source("b".to_owned()),
                What::Source(SourceState::Failed, String::new()),
            ),
        ),
        (NoticeKind::Unpriced, Finding::new(model(), What::Unpriced)),
        (
            NoticeKind::BelowCost,
            Finding::new(
                model(),
                What::Below {
                    ours: 0.3,
                    cost: 0.315,
                    per_call: true,
                },
            ),
        ),
        (
            NoticeKind::Changed,
            Finding::new(
                About::Channel(4, "d".to_owned()),
                What::List {
                    added: 9,
                    removed: 1,
                    first_added: vec!["a".to_owned()],
                    first_removed: vec!["b".to_owned()],
                },
            ),
        ),
    ];
    let mut found: BTreeMap<NoticeKind, Vec<Finding>> = BTreeMap::new();
    for (kind, finding) in all {
        found.entry(kind).or_default().push(finding);
    }
    assert_eq!(found.len(), NoticeKind::ALL.len(), "a kind is missing");
    let told = store
        .settle_notices(
            &site.id,
            Subject::Prices,
            "run 1",
            found.clone(),
            Looked::Everywhere,
            NOW,
        )
        .await
        .expect("settled");
    assert_eq!(told.len(), found.len());
    let open = store.open_notices(&site.id).await.expect("open");
    assert_eq!(open.len(), found.len() - 1, "what happened is not open");
    for notice in open {
        assert_eq!(notice.subject, Subject::Prices);
        assert_eq!(notice.run_id, "run 1");
        assert_eq!((notice.since, notice.told_at), (NOW, Some(NOW)));
        assert_eq!(Some(&notice.findings), found.get(&notice.kind));
    }
}

pub(crate) async fn what_is_wrong_is_told_once_and_taken_back_by_site_and_subject(store: &Store) {
    let site = site(store).await;
    let both = [failed(1), failed(2)];
    let new = settle(store, &site.id, "run 1", &both, NOW).await;
    assert_eq!(new, Some(Telling::New));
    let same = settle(store, &site.id, "run 2", &both, NOW + 5).await;
    assert_eq!(same, None);
    let open = store.open_notices(&site.id).await.expect("open").remove(0);
    assert_eq!((open.since, open.told_at), (NOW, Some(NOW)));
    assert_eq!(open.run_id, "run 2");
    // A run about prices that found nothing says nothing of channels.
    let prices = store
        .settle_notices(
            &site.id,
            Subject::Prices,
            "run 3",
            BTreeMap::from([(NoticeKind::Failed, Vec::new())]),
            Looked::Everywhere,
            NOW + 6,
        )
        .await
        .expect("settled");
    assert!(prices.is_empty());
    assert_eq!(store.open_notices(&site.id).await.expect("open").len(), 1);
    let nobody = Looked::At(BTreeSet::new());
    let some = store
        .settle_notices(
            &site.id,
            Subject::Models,
            "run 4",
            BTreeMap::from([(NoticeKind::Failed, Vec::new())]),
            nobody,
            NOW + 7,
        )
        .await
        .expect("settled");
    assert!(some.is_empty());
    for _ in 0..2 {
        let over = settle(store, &site.id, "run 5", &[], NOW + 8).await;
        assert_eq!(over, Some(Telling::Recovered));
    }
    assert!(store.open_notices(&site.id).await.expect("open").is_empty());
    assert_eq!(settle(store, &site.id, "run 6", &[], NOW + 9).await, None);
}

pub(crate) async fn what_reached_nobody_is_told_again(store: &Store) {
    let site = site(store).await;
    let both = [failed(1), failed(2)];
    settle(store, &site.id, "run 1", &both, NOW).await;
    store
        .was_not_told(&site.id, "another run", NoticeKind::Failed)
        .await
        .expect("taken back");
    assert_eq!(settle(store, &site.id, "run 2", &both, NOW).await, None);
    store
        .was_not_told(&site.id, "run 1", NoticeKind::Failed)
        .await
        .expect("taken back");
    let again = settle(store, &site.id, "run 3", &both, NOW + 1).await;
    assert_eq!(again, Some(Telling::New));
}

pub(crate) async fn of_two_that_would_send_a_notice_one_does(store: &Store) {
    let site = site(store).await;
    let one = target(store, "one").await;
    let two = target(store, "two").await;
    let claim = async |target: &NoticeTarget, run: &str, kind: NoticeKind, now: i64| {
        store
            .claim_notice(&target.id, &site.id, run, kind, now)
            .await
            .expect("asked")
    };
    let first = claim(&one, "run", NoticeKind::Held, NOW).await;
    let id = first.expect("it is free");
    assert_eq!(claim(&one, "run", NoticeKind::Held, NOW).await, None);
    for other in [
        claim(&two, "run", NoticeKind::Held, NOW + 1).await,
        claim(&one, "run", NoticeKind::Failed, NOW + 2).await,
        claim(&one, "run 2", NoticeKind::Held, NOW + 3).await,
    ] {
        assert!(other.is_some());
    }
    store
        .record_notice(&id, 3, Some("429"), NOW + 9)
        .await
        .expect("recorded");
    let tests = [
        store.begin_notice_test(&one.id, NOW + 4).await.expect("a"),
        store.begin_notice_test(&one.id, NOW + 5).await.expect("b"),
    ];
    assert_ne!(tests[0], tests[1]);
    store
        .record_notice(&tests[1], 1, None, NOW + 6)
        .await
        .expect("recorded");
    store.remove_notice_target(&two.id).await.expect("removed");
    let sent = store.notices_sent(10).await.expect("sent");
    let kinds: Vec<&str> = sent.iter().map(|sent| sent.kind.as_str()).collect();
    assert_eq!(kinds, ["test", "test", "held", "failed", "held", "held"]);
    let arrived = &sent[0];
    assert_eq!((arrived.attempts, arrived.done_at), (1, Some(NOW + 6)));
    assert_eq!((&arrived.run_id, &arrived.error), (&None, &None));
    assert_eq!(sent[4].target, None, "its target is gone");
    let failed = &sent[5];
    assert_eq!((failed.attempts, failed.done_at), (3, Some(NOW + 9)));
    assert_eq!(failed.error.as_deref(), Some("429"));
    assert_eq!(failed.target.as_deref(), Some("one"));
    assert_eq!(failed.run_id.as_deref(), Some("run"));
    assert_eq!(store.notices_sent(1).await.expect("sent").len(), 1);
    claim(&one, "later", NoticeKind::Held, NOW + 91 * DAY).await;
    assert_eq!(store.notices_sent(10).await.expect("sent").len(), 1);
}
