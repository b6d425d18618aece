//! Switching a schedule on: what is refused, what is stored.

use std::time::Duration;

use lockstep_core::change::Subject;
use lockstep_run::schedule::{BadSchedule, NotSwitched, Wish, due, next_due, switch_on};
use lockstep_sim::Price;
use lockstep_store::schedule::{Mode, Rhythm, Schedule};

use crate::prices::shop::shop;
use crate::tester::{HOUR, MINUTE, Tester, lacking};

fn every(hours: u8) -> Wish {
    Wish {
        rhythm: Rhythm::Every { hours },
        mode: None,
        jitter: None,
    }
}

fn cron(line: &str) -> Wish {
    Wish {
        rhythm: Rhythm::Cron {
            line: line.to_owned(),
            zone: "Europe/Berlin".to_owned(),
        },
        mode: None,
        jitter: None,
    }
}

async fn switched(tester: &Tester, subject: Subject, wish: Wish) -> Result<Schedule, NotSwitched> {
    let site = tester.stored_site().await;
    switch_on(
        tester.store(),
        &site,
        subject,
        wish,
        "root",
        tester.clock_now(),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_switched_on_after_a_first_review_only() {
    let mut tester = Tester::new(lacking(1)).await;
    let refused = async |tester: &Tester, wish| {
        let refused = switched(tester, Subject::Models, wish).await;
        assert!(
            matches!(refused, Err(NotSwitched::NotReviewed(Subject::Models))),
            "{refused:?}"
        );
        assert!(
            tester
                .store()
                .schedules(None)
                .await
                .expect("asked")
                .is_empty()
        );
    };
    refused(&tester, every(6)).await;
    // A plan of one channel is no review of all, nor is one that nobody looked at.
    let one = lockstep_run::Source::Selected(vec![1]);
    tester.try_plan(one).await.expect("a plan");
    refused(&tester, every(6)).await;
    tester.unattended = true;
    tester.plan().await;
    let proposing = Wish {
        mode: Some(Mode::Propose),
        ..every(6)
    };
    refused(&tester, proposing).await;
    tester.unattended = false;
    tester.plan().await;
    let schedule = switched(&tester, Subject::Models, every(6))
        .await
        .expect("on");
    assert_eq!(schedule.plan.mode, Mode::Apply);
    assert_eq!(schedule.next_at, Some(tester.clock_now() + 6 * HOUR));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_need_a_source_and_propose_unless_told_otherwise() {
    let tester = shop("a", &[], &[&[Price::ratio("a", 1.0, 2.0)]]).await;
    let prices = async |wish| switched(&tester, Subject::Prices, wish).await;
    assert!(matches!(
        prices(every(6)).await,
        Err(NotSwitched::NotReviewed(Subject::Prices))
    ));
    tester.plan_prices().await;
    assert!(matches!(prices(every(6)).await, Err(NotSwitched::NoSource)));
    tester
        .store()
        .add_source(&tester.site, "A", &tester.sources[0])
        .await
        .expect("remembered");
    let schedule = prices(every(6)).await.expect("on");
    assert_eq!(schedule.plan.mode, Mode::Propose);
    let told = Wish {
        mode: Some(Mode::Apply),
        ..every(6)
    };
    let schedule = prices(told).await.expect("on");
    assert_eq!(schedule.plan.mode, Mode::Apply);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_rhythm_keeps_its_next_tick_and_two_rhythms_in_hours_meet() {
    let tester = shop("a", &[], &[&[Price::ratio("a", 1.0, 2.0)]]).await;
    tester.plan().await;
    tester.plan_prices().await;
    tester
        .store()
        .add_source(&tester.site, "A", &tester.sources[0])
        .await
        .expect("remembered");
    let first = switched(&tester, Subject::Models, every(6))
        .await
        .expect("on");
    tester.clock.advance(HOUR);
    let proposing = Wish {
        mode: Some(Mode::Propose),
        ..every(6)
    };
    let again = switched(&tester, Subject::Models, proposing)
        .await
        .expect("on");
    assert_eq!(again.next_at, first.next_at, "it is not put off");
    assert_eq!(again.plan.mode, Mode::Propose);
    let prices = switched(&tester, Subject::Prices, every(12))
        .await
        .expect("on");
    assert_eq!(
        prices.next_at,
        Some(first.plan.since + 12 * HOUR),
        "every second of their ticks is the same"
    );
    tester.clock.advance(HOUR);
    let moved = switched(&tester, Subject::Models, every(4))
        .await
        .expect("on");
    assert_eq!(moved.next_at, Some(first.plan.since + 4 * HOUR));
    let stored = tester.store().schedules(Some(&tester.site)).await;
    assert_eq!(stored.expect("stored"), [moved, prices]);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rhythm_is_looked_at_once_and_its_jitter_fits_it() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    let models = async |wish| switched(&tester, Subject::Models, wish).await;
    for (wish, most) in [
        (every(1), 6 * MINUTE),
        (every(6), 10 * MINUTE),
        (cron("*/30 * * * *"), 3 * MINUTE),
        (cron("0 3 * * *"), 10 * MINUTE),
        (cron("0 3,4 1 * *"), 6 * MINUTE),
    ] {
        let rhythm = wish.rhythm.clone();
        let schedule = models(wish).await.expect("on");
        assert_eq!(schedule.plan.jitter_ms, most, "{rhythm:?}");
        let tick = schedule.next_at.expect("a tick");
        assert_eq!(next_due(&schedule), Some(due(&tester.site, tick, most)));
    }
    for (seconds, fine) in [(0, true), (1800, true), (1801, false)] {
        let wish = Wish {
            jitter: Some(Duration::from_secs(seconds)),
            ..every(1)
        };
        let set = models(wish).await;
        assert_eq!(set.is_ok(), fine, "{seconds} s: {set:?}");
    }
    for line in ["* * * * *", "0,14 3 * * *", "50 3,4,5 * * *"] {
        let set = models(cron(line)).await;
        let too_often = matches!(set, Err(NotSwitched::Bad(BadSchedule::TooOften(_))));
        assert_eq!(too_often, line != "50 3,4,5 * * *", "{line}: {set:?}");
    }
    let never = models(cron("0 0 31 4 *")).await;
    assert!(matches!(
        never,
        Err(NotSwitched::Bad(BadSchedule::Never(_)))
    ));
    tester.done().await;
}
