use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::prices::field::Field;
use lockstep_store::keeping::{Forgotten, Keep};
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::schedule::{Claim, LostTick, Mode, Plan, Rhythm, Schedule};
use lockstep_store::sites::Site;
use lockstep_store::steps::Holds;
use lockstep_store::{Store, StoreError};

use crate::tester::{
    NONE, NOW, held, held_price, new_run, of, plan_of, planned, planned_prices, price, price_run,
    row, site,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const KEEP: Keep = Keep {
    age_ms: 90 * DAY,
    runs: 2,
};

fn plan(rhythm: Rhythm) -> Plan {
    Plan {
        rhythm,
        mode: Mode::Apply,
        jitter_ms: 600_000,
        since: NOW,
        by: "root".to_owned(),
    }
}

async fn one(store: &Store, site: &Site) -> Schedule {
    let mut all = store.schedules(Some(&site.id)).await.expect("schedules");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn claim(tick: i64, next: Option<i64>, last_at: Option<i64>) -> Claim {
    Claim {
        subject: Subject::Models,
        tick,
        next,
        last_at,
        last_run: None,
    }
}

pub(crate) async fn a_schedule_reads_back_as_it_was_set_and_goes_with_its_site(store: &Store) {
    let site = site(store).await;
    let cron = Rhythm::Cron {
        line: "0 3 * * *".to_owned(),
        zone: "Europe/Berlin".to_owned(),
    };
    let six = Rhythm::Every { hours: 6 };
    for (subject, rhythm) in [(Subject::Models, six.clone()), (Subject::Prices, cron)] {
        store
            .set_schedule(&site.id, subject, &plan(rhythm), NOW + HOUR)
            .await
            .expect("set");
    }
    let all = store.schedules(None).await.expect("schedules");
    assert_eq!(all.len(), 2);
    let models = &all[0];
    assert_eq!(
        (models.subject, &models.plan),
        (Subject::Models, &plan(six))
    );
    assert_eq!((models.next_at, models.last_at), (Some(NOW + HOUR), None));
    let Rhythm::Cron { line, zone } = &all[1].plan.rhythm else {
        panic!("{:?}", all[1]);
    };
    assert_eq!(
        (line.as_str(), zone.as_str()),
        ("0 3 * * *", "Europe/Berlin")
    );
    let off = store.remove_schedule(&site.id, Subject::Prices).await;
    assert!(off.expect("asked"));
    let again = store.remove_schedule(&site.id, Subject::Prices).await;
    assert!(!again.expect("asked"));
    assert!(
        store
            .schedules(Some("nobody"))
            .await
            .expect("none")
            .is_empty()
    );
    let nobody = plan(Rhythm::Every { hours: 1 });
    let nobody = store
        .set_schedule("nobody", Subject::Models, &nobody, NOW)
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))), "{nobody:?}");
    store.remove_site(&site.id).await.expect("removed");
    assert!(store.schedules(None).await.expect("none").is_empty());
}

pub(crate) async fn a_tick_is_taken_once_and_can_be_given_back(store: &Store) {
    let site = site(store).await;
    let six = plan(Rhythm::Every { hours: 6 });
    store
        .set_schedule(&site.id, Subject::Models, &six, NOW)
        .await
        .expect("set");
    let first = claim(NOW, Some(NOW + 6 * HOUR), None);
    let take = async |claim: Claim, now| {
        let taken = store.claim_ticks(&site.id, vec![claim], now).await;
        taken.expect("asked")
    };
    // Several at once: one gets it.
    let (one_of, other) = tokio::join!(take(first.clone(), NOW + 1), take(first.clone(), NOW + 2));
    assert_eq!(one_of.len() + other.len(), 1);
    let stored = one(store, &site).await;
    assert_eq!(stored.next_at, Some(NOW + 6 * HOUR));
    let at = stored.last_at.expect("taken");
    assert!(at > NOW);

    let back = async |claim: &Claim, at| {
        let back = store.give_back_tick(&site.id, claim.clone(), at).await;
        back.expect("asked")
    };
    assert!(!back(&first, at + 1).await, "another one has it");
    assert!(back(&first, at).await);
    let stored = one(store, &site).await;
    assert_eq!((stored.next_at, stored.last_at), (Some(NOW), None));
    assert!(!back(&first, at).await, "it was given back already");
    assert_eq!(take(first, NOW + 3).await, [Subject::Models]);

    // The last tick there is.
    let last = claim(NOW + 6 * HOUR, None, Some(NOW + 3));
    assert_eq!(take(last.clone(), NOW + 4).await, [Subject::Models]);
    assert_eq!(one(store, &site).await.next_at, None);
    assert!(back(&last, NOW + 4).await);
    let stored = one(store, &site).await;
    assert_eq!(stored.next_at, Some(NOW + 6 * HOUR));
    assert_eq!(stored.last_at, Some(NOW + 3));

    // What was set anew meanwhile is not given back over it.
    assert_eq!(take(last.clone(), NOW + 5).await, [Subject::Models]);
    store
        .set_schedule(&site.id, Subject::Models, &six, NOW + DAY)
        .await
        .expect("set");
    assert!(!back(&last, NOW + 5).await);
    let stored = one(store, &site).await;
    assert_eq!(
        (stored.next_at, stored.last_at),
        (Some(NOW + DAY), Some(NOW + 5))
    );
}

pub(crate) async fn a_tick_and_its_run_are_one_and_what_came_to_nothing_is_due_again(
    store: &Store,
) {
    let site = site(store).await;
    let six = plan(Rhythm::Every { hours: 6 });
    store
        .set_schedule(&site.id, Subject::Models, &six, NOW)
        .await
        .expect("set");
    let unbegun = async || {
        let ticks = store.unbegun_ticks(NOW + DAY).await;
        ticks.expect("asked")
    };
    assert!(unbegun().await.is_empty(), "none was taken");
    let tick = claim(NOW, Some(NOW + 6 * HOUR), None);
    let take = async |claim: Claim, now| {
        let taken = store.claim_ticks(&site.id, vec![claim], now).await;
        assert_eq!(taken.expect("asked"), [Subject::Models]);
    };
    take(tick.clone(), NOW + 10).await;
    let early = store.unbegun_ticks(NOW + 10).await.expect("asked");
    assert!(early.is_empty(), "whoever took it may be about to begin");
    // Whoever took it is gone. Of two who find that, one makes it due again.
    let lost = unbegun().await;
    assert_eq!(lost, [one(store, &site).await]);
    assert!(store.tick_again(&lost[0]).await.expect("asked"));
    assert!(!store.tick_again(&lost[0]).await.expect("asked"));
    let due = one(store, &site).await;
    assert!(due.next_at <= Some(NOW + 10 - six.jitter_ms), "{due:?}");
    assert!(unbegun().await.is_empty());
    // Who took it before and was only slow makes no run of it any more.
    let make = async |at, now| {
        let run = store.create_run_of_tick(unattended(&site), at, now).await;
        run.expect("asked")
    };
    assert_eq!(make(NOW + 10, NOW + 20).await, None);
    assert!(left(store, &site).await.is_empty());
    let again = claim(due.next_at.expect("a tick"), Some(NOW + 6 * HOUR), None);
    take(again.clone(), NOW + 30).await;
    // A clock that goes back a little makes no tick out of a run.
    let run = make(NOW + 30, NOW + 29).await.expect("a run");
    let stored = one(store, &site).await;
    assert_eq!(stored.last_run.as_ref(), Some(&run.id));
    assert!(unbegun().await.is_empty());
    let back = store.give_back_tick(&site.id, again, NOW + 30).await;
    assert!(!back.expect("asked"), "a run came of it");
    // A run that cannot be gone on with gives its tick back, with its end.
    store.start_reading(&run.id, 1, NOW + 31).await.expect("on");
    let ended = store.end_run_again(&run.id, 1, None, NONE, NOW + 32).await;
    assert!(ended.expect("ended"));
    let run = store.run(&run.id).await.expect("the run");
    assert_eq!(run.state, RunState::Cancelled);
    let due = one(store, &site).await;
    assert!(due.next_at <= Some(NOW + 32), "{due:?}");
    assert!(unbegun().await.is_empty());
    // One by hand has none.
    let by_hand = store.create_run(new_run(&site), NOW + 40).await;
    let by_hand = by_hand.expect("a run");
    store
        .start_reading(&by_hand.id, 1, NOW + 41)
        .await
        .expect("on");
    let ended = store
        .end_run_again(&by_hand.id, 1, None, NONE, NOW + 42)
        .await;
    assert!(!ended.expect("ended"));
    // What was told to be lost is not found again.
    let third = Claim {
        last_run: Some(run.id.clone()),
        ..claim(due.next_at.expect("a tick"), Some(NOW + 6 * HOUR), None)
    };
    take(third, NOW + 50).await;
    assert_eq!(unbegun().await.len(), 1);
    let told = store.record_lost_tick(&site.id, lost_at(NOW + 50)).await;
    told.expect("told");
    assert!(unbegun().await.is_empty());
}

fn lost_at(at: i64) -> LostTick {
    LostTick {
        subject: Subject::Models,
        tick: NOW,
        why: "no_token".to_owned(),
        detail: String::new(),
        at,
    }
}

pub(crate) async fn lost_ticks_are_told_newest_first_and_forgotten_with_the_history(store: &Store) {
    let site = site(store).await;
    let lost = |at| LostTick {
        subject: Subject::Models,
        tick: at - 1,
        why: "busy".to_owned(),
        detail: "somebody".to_owned(),
        at,
    };
    for at in [NOW, NOW + DAY] {
        store
            .record_lost_tick(&site.id, lost(at))
            .await
            .expect("recorded");
    }
    let told = async || {
        let told = store.lost_ticks(&site.id, Subject::Models, 9).await;
        told.expect("told")
    };
    assert_eq!(told().await, [lost(NOW + DAY), lost(NOW)]);
    let prices = store.lost_ticks(&site.id, Subject::Prices, 9).await;
    assert!(prices.expect("told").is_empty());
    store
        .forget_old_runs(&site.id, NOW + 90 * DAY + 1, KEEP)
        .await
        .expect("kept");
    assert_eq!(told().await, [lost(NOW + DAY)]);
}

/// A run of one channel that is planned, approved and written, from a list to one that no other run has.
async fn written(store: &Store, site: &Site, new: NewRun, name: &str, at: i64) -> Run {
    let run = store.create_run(new, at).await.expect("a run");
    store.start_reading(&run.id, 1, at).await.expect("reading");
    let mut ready = of(&run, row(1, State::Ready));
    ready.before = format!("before {name}");
    ready.after = Some(format!("after {name}"));
    ready.upstream = Some(vec![format!("upstream {name}")]);
    store
        .record_read(&run.id, 1, vec![ready], Vec::new(), NONE)
        .await
        .expect("recorded");
    let hash = lockstep_core::hash::Digest::of(["plan"]);
    let plan = lockstep_store::steps::Planned {
        holds: Holds::Leave,
        ..plan_of(hash, 1)
    };
    store
        .mark_planned(&run.id, 1, Vec::new(), plan, at + 1)
        .await
        .expect("planned");
    store
        .approve(&run.id, None, "root", true, at + 2)
        .await
        .expect("approved");
    let outcome = super::runs::outcome(1, State::Applied);
    store
        .record_outcomes(&run.id, 1, vec![outcome], NONE)
        .await
        .expect("recorded");
    store
        .end_run(&run.id, 1, RunState::Done, None, NONE, at + 3)
        .await
        .expect("ended");
    let run = store.run(&run.id).await.expect("the run");
    assert_eq!(run.site_id, site.id);
    run
}

fn unattended(site: &Site) -> NewRun {
    NewRun {
        unattended: true,
        ..new_run(site)
    }
}

async fn left(store: &Store, site: &Site) -> Vec<String> {
    let runs = store.runs(&site.id, 1000, None).await.expect("runs");
    let mut ids: Vec<String> = runs.into_iter().map(|(run, _)| run.id).collect();
    ids.sort();
    ids
}

pub(crate) async fn old_runs_go_with_their_rows_and_texts_and_the_newest_stay(store: &Store) {
    let site = site(store).await;
    let mut runs = Vec::new();
    for (at, name) in (0..).zip(["one", "two", "three", "four", "five"]) {
        let at = NOW + at * DAY;
        runs.push(written(store, &site, unattended(&site), name, at).await);
    }
    let forget = async |now| {
        let forgotten = store.forget_old_runs(&site.id, now, KEEP).await;
        forgotten.expect("forgotten")
    };
    // None is old enough.
    assert_eq!(forget(NOW + 90 * DAY).await, Forgotten::default());
    // The first two are.
    let forgotten = forget(NOW + 91 * DAY + 4).await;
    assert_eq!(forgotten.runs, 2);
    assert_eq!(forgotten.texts, 6, "before, after and upstream of each");
    assert_eq!(
        left(store, &site).await,
        [&runs[2].id, &runs[3].id, &runs[4].id].map(String::clone)
    );
    // All are, and two stay whatever their age.
    assert_eq!(forget(NOW + 900 * DAY).await.runs, 1);
    assert_eq!(
        left(store, &site).await,
        [&runs[3].id, &runs[4].id].map(String::clone)
    );
    assert_eq!(forget(NOW + 900 * DAY).await, Forgotten::default());
    for (run, name) in [(&runs[3], "four"), (&runs[4], "five")] {
        let change = store.change(&run.id, 1).await.expect("asked");
        let change = change.expect("there");
        assert_eq!(change.before, format!("before {name}"));
        assert_eq!(change.after, Some(format!("after {name}")));
        assert_eq!(change.upstream, Some(vec![format!("upstream {name}")]));
    }
    let gone = store.change(&runs[0].id, 1).await.expect("asked");
    assert!(gone.is_none());
    assert!(
        store
            .events(&runs[0].id, 0)
            .await
            .map_or(true, |events| events.is_empty())
    );
}

pub(crate) async fn runs_that_something_needs_stay_whatever_their_age(store: &Store) {
    let site = site(store).await;
    let undone = written(store, &site, unattended(&site), "undone", NOW + 1).await;
    let by_schedule = written(store, &site, unattended(&site), "scheduled", NOW + 2).await;
    // It waits, and its row is what would be written.
    let rows = vec![held(row(7, State::Held), &["a"])];
    let holding = planned(store, &site, rows, NOW + 10).await;
    let reviewed = written(store, &site, new_run(&site), "reviewed", NOW + 15).await;
    let prices = vec![
        held_price("held", "9"),
        price("other", Field::ModelRatio, State::Same),
    ];
    let priced = NewRun {
        unattended: true,
        ..price_run(&site)
    };
    let pricing = planned_prices(store, priced, prices, Holds::Renew, NOW + 20).await;
    let under_way = store
        .create_run(unattended(&site), NOW + 30)
        .await
        .expect("a run");
    let schedule = plan(Rhythm::Every { hours: 6 });
    store
        .set_schedule(&site.id, Subject::Models, &schedule, NOW)
        .await
        .expect("set");
    let tick = claim(NOW, Some(NOW + 6 * HOUR), None);
    let taken = store.claim_ticks(&site.id, vec![tick], NOW + 1).await;
    taken.expect("taken");
    let of_tick = store.continue_as_tick(&by_schedule, NOW + 1).await;
    assert!(of_tick.expect("asked"));
    let idle = written(store, &site, unattended(&site), "idle", NOW + 40).await;
    let undo = NewRun {
        parent: Some(undone.id.clone()),
        ..unattended(&site)
    };
    let undo = written(store, &site, undo, "undo", NOW + 50).await;
    let newest = written(store, &site, unattended(&site), "newest", NOW + 60).await;

    let forgotten = store.forget_old_runs(&site.id, NOW + 400 * DAY, KEEP).await;
    assert_eq!(
        forgotten.expect("forgotten").runs,
        1,
        "one that nothing needs"
    );
    let mut kept: Vec<String> = [
        &reviewed,
        &undone,
        &by_schedule,
        &holding,
        &pricing,
        &under_way,
        &undo,
        &newest,
    ]
    .map(|run| run.id.clone())
    .to_vec();
    kept.sort();
    assert_eq!(left(store, &site).await, kept);
    assert!(!kept.contains(&idle.id));
    let reviewed = store
        .has_been_planned(&site.id, Subject::Models, true)
        .await;
    assert!(reviewed.expect("asked"), "the review is not forgotten");
    let row = store.change(&holding.id, 7).await.expect("asked");
    assert!(row.is_some(), "what is held can be written");
    assert_eq!(store.price_rows(&pricing.id).await.expect("rows").len(), 2);

    // Once newer runs were made, what was only needed by a run that went goes too.
    for at in 1..=2 {
        let at = NOW + 400 * DAY + at;
        written(store, &site, unattended(&site), &format!("later {at}"), at).await;
    }
    let forgotten = store.forget_old_runs(&site.id, NOW + 401 * DAY, KEEP).await;
    let forgotten = forgotten.expect("forgotten");
    assert_eq!(forgotten.runs, 3, "the newest, the undo and what it undid");
    assert!(!left(store, &site).await.contains(&undone.id));
}
