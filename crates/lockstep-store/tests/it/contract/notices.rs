use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::notices::{About, Finding, Looked, NoticeKind, Telling, What};
use lockstep_core::prices::source::SourceState;
use lockstep_core::prices::usd::Usd;
use lockstep_store::notices::{AtRest, DueNotice, NewNoticeTarget, NoticeTarget, Outcome};
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::schedule::LostTick;
use lockstep_store::{Store, StoreError};
use secrecy::ExposeSecret as _;

use crate::tester::{NONE, NOW, new_run, of, plan_of, row, site};

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

/// A run that is over.
fn at_rest<'a>(site_id: &'a str, subject: Subject, run_id: &'a str) -> AtRest<'a> {
    AtRest {
        site_id,
        subject,
        run_id,
        state: RunState::Done,
    }
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
    let run = at_rest(site_id, Subject::Models, run);
    let notices = store
        .settle_notices(run, found, Looked::Everywhere, now)
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
    for kinds in [&[NoticeKind::Missed][..], &[]] {
        let set = store.set_notice_kinds(&one.id, kinds).await;
        set.expect("set");
        let found = store.notice_target_by_name("one").await.expect("found");
        assert_eq!(found.kinds, kinds);
    }
    assert!(store.last_notices_sent().await.expect("none").is_empty());
    for (target, at) in [(&one, NOW), (&two, NOW + 1), (&one, NOW + 2)] {
        let test = store.begin_notice_test(&target.id, at).await;
        test.expect("begun");
    }
    let last = store.last_notices_sent().await.expect("the last ones");
    let last: Vec<_> = last
        .iter()
        .map(|one| (one.target.as_deref(), one.at))
        .collect();
    assert_eq!(last, [(Some("another"), NOW + 1), (Some("one"), NOW + 2)]);
    store.remove_notice_target(&one.id).await.expect("removed");
    for gone in [
        store.set_notice_kinds(&one.id, &[]).await.err(),
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
            NoticeKind::Missed,
            Finding::new(
                About::Run,
                What::Missed {
                    why: "busy".to_owned(),
                    detail: "process 7".to_owned(),
                },
            ),
        ),
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
    let new = NewNoticeTarget {
        name: "all".to_owned(),
        kind: "webhook".to_owned(),
        kinds: Vec::new(),
        secret: "x".into(),
    };
    let all = store.add_notice_target(new, NOW).await.expect("a target");
    let told = store
        .settle_notices(
            at_rest(&site.id, Subject::Prices, "run 1"),
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
        assert_eq!(notice.run_id.as_deref(), Some("run 1"));
        assert_eq!((notice.since, notice.told_at), (NOW, Some(NOW)));
        assert_eq!(Some(&notice.findings), found.get(&notice.kind));
    }
    while let Some(due) = take(store, &all, NOW).await {
        let findings = found.remove(&due.notice.kind);
        assert_eq!(findings, Some(due.notice.findings));
    }
    assert!(found.is_empty(), "{found:?} is not to be sent");
}

pub(crate) async fn what_is_wrong_is_told_once_and_taken_back_by_site_and_subject(store: &Store) {
    let site = site(store).await;
    target(store, "one").await;
    let both = [failed(1), failed(2)];
    let new = settle(store, &site.id, "run 1", &both, NOW).await;
    assert_eq!(new, Some(Telling::New));
    let same = settle(store, &site.id, "run 2", &both, NOW + 5).await;
    assert_eq!(same, None);
    let open = store.open_notices(&site.id).await.expect("open").remove(0);
    assert_eq!((open.since, open.told_at), (NOW, Some(NOW)));
    assert_eq!(open.run_id.as_deref(), Some("run 2"));
    // A run about prices that found nothing says nothing of channels.
    let prices = store
        .settle_notices(
            at_rest(&site.id, Subject::Prices, "run 3"),
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
            at_rest(&site.id, Subject::Models, "run 4"),
            BTreeMap::from([(NoticeKind::Failed, Vec::new())]),
            nobody,
            NOW + 7,
        )
        .await
        .expect("settled");
    assert!(some.is_empty());
    let over = settle(store, &site.id, "run 5", &[], NOW + 8).await;
    assert_eq!(over, Some(Telling::Recovered));
    assert_eq!(settle(store, &site.id, "run 5", &[], NOW + 8).await, None);
    assert!(store.open_notices(&site.id).await.expect("open").is_empty());
    assert_eq!(settle(store, &site.id, "run 6", &[], NOW + 9).await, None);
}

/// Takes what is due for a target, until a second later.
async fn take(store: &Store, target: &NoticeTarget, now: i64) -> Option<DueNotice> {
    let taken = store.take_notice(&target.id, now, now + 1_000).await;
    taken.expect("asked")
}

async fn give_up(store: &Store, due: &DueNotice, now: i64) {
    let why = "410".to_owned();
    let outcome = Outcome::GivenUp { why };
    let ours = store.record_notice(due, 3, outcome, now).await;
    assert!(ours.expect("recorded"));
}

pub(crate) async fn what_reached_nobody_is_told_again(store: &Store) {
    let site = site(store).await;
    let (one, two) = (target(store, "one").await, target(store, "two").await);
    let both = [failed(1), failed(2)];
    settle(store, &site.id, "run 1", &both, NOW).await;
    let (first, second) = (take(store, &one, NOW).await, take(store, &two, NOW).await);
    give_up(store, &first.expect("due"), NOW + 1).await;
    let same = settle(store, &site.id, "run 2", &both, NOW + 2).await;
    assert_eq!(same, None, "one may still hear of it");
    give_up(store, &second.expect("due"), NOW + 3).await;
    let again = settle(store, &site.id, "run 3", &both, NOW + 4).await;
    assert_eq!(again, Some(Telling::New));
    // Somebody was reached, so the other does not hear it once more.
    let first = take(store, &one, NOW + 4).await.expect("due");
    let arrived = store
        .record_notice(&first, 1, Outcome::Arrived, NOW + 5)
        .await;
    assert!(arrived.expect("recorded"));
    let second = take(store, &two, NOW + 4).await.expect("due");
    give_up(store, &second, NOW + 6).await;
    assert_eq!(settle(store, &site.id, "run 4", &both, NOW + 7).await, None);
    // What a target that is taken away had not heard is given up with it.
    settle(store, &site.id, "run 5", &[failed(1)], NOW + 8).await;
    store
        .enable_notice_target(&one.id, false)
        .await
        .expect("off");
    store.remove_notice_target(&two.id).await.expect("removed");
    assert!(take(store, &one, NOW + 9).await.is_none());
    store.enable_notice_target(&one.id, true).await.expect("on");
    assert!(take(store, &one, NOW + 9).await.is_none());
    settle(store, &site.id, "run 6", &[failed(1)], NOW + 10).await;
    let again = take(store, &one, NOW + 10).await.expect("told anew");
    assert_eq!(again.notice.telling, Telling::New);
}

pub(crate) async fn what_nobody_hears_is_told_once_somebody_does(store: &Store) {
    let site = site(store).await;
    let held = |id| Finding::new(About::Channel(id, "c".to_owned()), What::Unpriced);
    let found = BTreeMap::from([(NoticeKind::Unpriced, vec![held(1)])]);
    let run = async |id: &str, found: &BTreeMap<_, _>| {
        let looked = Looked::Everywhere;
        let subject = Subject::Models;
        let told = store
            .settle_notices(at_rest(&site.id, subject, id), found.clone(), looked, NOW)
            .await
            .expect("settled");
        told.first().map(|notice| notice.telling)
    };
    assert_eq!(run("run 1", &found).await, None);
    // It hears of other kinds only.
    target(store, "one").await;
    assert_eq!(run("run 2", &found).await, None);
    let open = store.open_notices(&site.id).await.expect("open").remove(0);
    assert_eq!((open.since, open.told_at), (NOW, None));
    let new = NewNoticeTarget {
        name: "all".to_owned(),
        kind: "webhook".to_owned(),
        kinds: Vec::new(),
        secret: "x".into(),
    };
    store.add_notice_target(new, NOW).await.expect("a target");
    assert_eq!(run("run 3", &found).await, Some(Telling::New));
    assert_eq!(run("run 4", &found).await, None);
}

pub(crate) async fn what_is_to_be_told_is_stored_with_what_is_told(store: &Store) {
    let site = site(store).await;
    let (one, two) = (target(store, "one").await, target(store, "two").await);
    settle(store, &site.id, "run 1", &[failed(1), failed(2)], NOW).await;
    // The same run ended otherwise than it stood before: that is a second notice of it.
    settle(store, &site.id, "run 1", &[failed(2), failed(3)], NOW + 1).await;
    let names: Vec<String> = store
        .targets_to_tell(NOW + 1)
        .await
        .expect("targets")
        .into_iter()
        .map(|target| target.name)
        .collect();
    assert_eq!(names, ["one", "two"]);

    // One is taken and never recorded, as by a process that is killed: until its time is over nobody else has it, nor
    // what comes after it.
    let taken = take(store, &one, NOW + 2).await.expect("due");
    assert_eq!(taken.run_id.as_deref(), Some("run 1"));
    assert_eq!(taken.subject, Subject::Models);
    assert_eq!((taken.notice.telling, taken.attempts), (Telling::New, 0));
    assert_eq!(taken.notice.findings, [failed(1), failed(2)]);
    assert_eq!(take(store, &one, NOW + 3).await, None);
    let other = take(store, &two, NOW + 3).await;
    assert!(other.is_some(), "the other target does not wait for it");
    let over = take(store, &one, taken.until).await.expect("taken over");
    assert_eq!((&over.id, over.attempts), (&taken.id, 1));
    let late = store
        .record_notice(&taken, 1, Outcome::Arrived, NOW + 4)
        .await;
    assert!(!late.expect("asked"), "it is no longer his");

    // What is to be tried again waits, and what is later with it.
    let later = Outcome::Later {
        why: "503".to_owned(),
        at: NOW + 9_000,
    };
    let ours = store.record_notice(&over, 4, later, NOW + 5).await;
    assert!(ours.expect("recorded"));
    assert_eq!(take(store, &one, NOW + 8_999).await, None);
    let log = store.notices_sent(10).await.expect("sent");
    let waits = log.iter().find(|sent| sent.id == over.id).expect("it");
    assert_eq!((waits.attempts, waits.due_at), (4, Some(NOW + 9_000)));
    assert_eq!((waits.done_at, waits.error.as_deref()), (None, Some("503")));
    let again = take(store, &one, NOW + 9_000).await.expect("due");
    assert_eq!(again.attempts, 4);
    let arrived = store
        .record_notice(&again, 5, Outcome::Arrived, NOW + 9_001)
        .await;
    assert!(arrived.expect("recorded"));
    let second = take(store, &one, NOW + 9_002).await.expect("the next");
    assert_eq!(second.notice.telling, Telling::Changed);
    assert_eq!(second.notice.findings, [failed(2), failed(3)]);
}

pub(crate) async fn what_was_sent_is_remembered_for_90_days(store: &Store) {
    let site = site(store).await;
    let (one, two) = (target(store, "one").await, target(store, "two").await);
    settle(store, &site.id, "run", &[failed(1), failed(2)], NOW).await;
    let due = take(store, &one, NOW + 1).await.expect("due");
    give_up(store, &due, NOW + 9).await;
    let tests = [
        store.begin_notice_test(&one.id, NOW + 4).await.expect("a"),
        store.begin_notice_test(&one.id, NOW + 5).await.expect("b"),
    ];
    assert_ne!(tests[0], tests[1]);
    store
        .record_notice_test(&tests[1], 1, None, NOW + 6)
        .await
        .expect("recorded");
    store.remove_notice_target(&two.id).await.expect("removed");
    let sent = store.notices_sent(10).await.expect("sent");
    let kinds: Vec<&str> = sent.iter().map(|sent| sent.kind.as_str()).collect();
    assert_eq!(kinds, ["test", "test", "failed", "failed"]);
    let arrived = &sent[0];
    assert_eq!((arrived.attempts, arrived.done_at), (1, Some(NOW + 6)));
    assert_eq!((&arrived.run_id, &arrived.error), (&None, &None));
    assert_eq!(sent[2].target, None, "its target is gone");
    assert_eq!((sent[2].due_at, sent[2].done_at), (None, None));
    let failed = &sent[3];
    assert_eq!((failed.attempts, failed.done_at), (3, Some(NOW + 9)));
    assert_eq!(failed.error.as_deref(), Some("410"));
    assert_eq!(failed.target.as_deref(), Some("one"));
    assert_eq!(failed.run_id.as_deref(), Some("run"));
    assert_eq!(store.notices_sent(1).await.expect("sent").len(), 1);
    let later = NOW + 91 * DAY;
    store.begin_notice_test(&one.id, later).await.expect("c");
    assert_eq!(store.notices_sent(10).await.expect("sent").len(), 1);
}

pub(crate) async fn a_lost_tick_is_told_until_a_run_comes(store: &Store) {
    let site = site(store).await;
    let new = NewNoticeTarget {
        name: "all".to_owned(),
        kind: "webhook".to_owned(),
        kinds: Vec::new(),
        secret: "x".into(),
    };
    let all = store.add_notice_target(new, NOW).await.expect("a target");
    let mut told = Vec::new();
    for (at, why) in [(1, "busy"), (2, "busy"), (3, "no_token")] {
        let lost = LostTick {
            subject: Subject::Prices,
            tick: NOW,
            why: why.to_owned(),
            detail: String::new(),
            at: NOW + at,
        };
        store
            .record_lost_tick(&site.id, lost)
            .await
            .expect("recorded");
        let due = take(store, &all, NOW + at).await;
        if let Some(due) = &due {
            assert_eq!((&due.run_id, due.subject), (&None, Subject::Prices));
            let arrived = store
                .record_notice(due, 1, Outcome::Arrived, NOW + at)
                .await;
            assert!(arrived.expect("recorded"));
        }
        told.push(due.map(|due| (due.notice.kind, due.notice.telling)));
    }
    let missed = NoticeKind::Missed;
    assert_eq!(
        told,
        [
            Some((missed, Telling::New)),
            None,
            Some((missed, Telling::Changed))
        ]
    );
    let open = store.open_notices(&site.id).await.expect("open").remove(0);
    assert_eq!((open.kind, open.run_id), (missed, None));
    let run = store
        .create_run(new_run(&site), NOW + 4)
        .await
        .expect("a run");
    let found = BTreeMap::from([(missed, Vec::new())]);
    let looked = Looked::At(BTreeSet::new());
    store
        .settle_notices(
            at_rest(&site.id, Subject::Prices, &run.id),
            found,
            looked,
            NOW + 5,
        )
        .await
        .expect("settled");
    let over = take(store, &all, NOW + 5).await.expect("due");
    assert_eq!(over.notice.telling, Telling::Recovered);
    assert_eq!(over.run_id, Some(run.id));
    let sent = store.notices_sent(1).await.expect("sent").remove(0);
    assert_eq!((sent.kind.as_str(), sent.run_id), ("missed", over.run_id));
}

/// The ids of the runs that are still to be settled.
async fn unsettled(store: &Store) -> Vec<String> {
    let runs = store.unsettled_runs().await.expect("asked");
    runs.into_iter().map(|run| run.id).collect()
}

/// Settles a run as it was seen, with two failures, and answers how often it is told then.
async fn settle_seen(store: &Store, run: &Run) -> usize {
    let found = BTreeMap::from([(NoticeKind::Failed, vec![failed(1), failed(2)])]);
    let told = store.settle_notices(run.into(), found, Looked::Everywhere, NOW);
    told.await.expect("settled").len()
}

pub(crate) async fn a_run_that_came_to_rest_is_found_until_one_process_settled_it(store: &Store) {
    let site = site(store).await;
    target(store, "one").await;
    // Of two runs the second is one of somebody who looks himself.
    let told = NewRun {
        told: true,
        ..new_run(&site)
    };
    let mut runs = Vec::new();
    for new in [told, new_run(&site)] {
        let run = store.create_run(new, NOW).await.expect("a run");
        assert!(!unsettled(store).await.contains(&run.id), "it is under way");
        store.start_reading(&run.id, 1, NOW).await.expect("reading");
        let rows = vec![of(&run, row(1, State::Ready))];
        store
            .record_read(&run.id, 1, rows, Vec::new(), NONE)
            .await
            .expect("recorded");
        store
            .mark_planned(&run.id, 1, Vec::new(), plan_of(Digest::of(["p"]), 1), NOW)
            .await
            .expect("planned");
        runs.push(store.run(&run.id).await.expect("the run"));
    }
    let (planned, looked_at) = (&runs[0], &runs[1]);
    assert_eq!(unsettled(store).await, std::slice::from_ref(&planned.id));
    assert_eq!(settle_seen(store, planned).await, 1);
    assert_eq!(settle_seen(store, planned).await, 0, "once is enough");
    assert!(unsettled(store).await.is_empty());

    // From its approval on somebody hears of the other one too: of its end, not of its plan.
    store.tell_of_run(&looked_at.id).await.expect("noted");
    for run in &runs {
        store
            .approve(&run.id, None, "ann", false, NOW)
            .await
            .expect("approved");
        assert!(!unsettled(store).await.contains(&run.id));
        let done = RunState::Done;
        let ended = store.end_run(&run.id, 1, done, None, NONE, NOW).await;
        ended.expect("ended");
        assert!(unsettled(store).await.contains(&run.id));
        assert_eq!(settle_seen(store, run).await, 0, "it has moved on");
        assert!(unsettled(store).await.contains(&run.id));
        let ended = store.run(&run.id).await.expect("the run");
        settle_seen(store, &ended).await;
        assert!(!unsettled(store).await.contains(&run.id));
    }
}

pub(crate) async fn a_plan_that_goes_on_by_itself_is_not_at_rest(store: &Store) {
    let site = site(store).await;
    let new = NewRun {
        told: true,
        go_on: true,
        ..new_run(&site)
    };
    let run = store.create_run(new, NOW).await.expect("a run");
    store.start_reading(&run.id, 1, NOW).await.expect("reading");
    store
        .approve_ahead(&run.id, 1, "schedule")
        .await
        .expect("approved");
    store
        .mark_planned(&run.id, 1, Vec::new(), plan_of(Digest::of(["p"]), 0), NOW)
        .await
        .expect("planned");
    assert!(unsettled(store).await.is_empty());
    let cancelled = RunState::Cancelled;
    let ended = store.end_run(&run.id, 1, cancelled, None, NONE, NOW).await;
    ended.expect("ended");
    assert_eq!(unsettled(store).await, [run.id]);
}
