//! The worker, step by step, over a simulated gateway and a clock that stands still until it is moved.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::prices::field::Field;
use lockstep_core::settings::{Gate, Settings};
use lockstep_run::clock::Clock;
use lockstep_run::jobs::{Go, Job, Jobs, Order};
use lockstep_run::prices::plan::PriceRequest;
use lockstep_run::schedule::{Lost, Orders, Outcome, Wish, Worker, next_due, switch_on};
use lockstep_run::{Engine, Request, SiteAccess, Source};
use lockstep_sim::{Price, Provider, Spec};
use lockstep_store::runs::Run;
use lockstep_store::schedule::{Mode, Rhythm, Schedule};
use lockstep_store::sites::Site;
use tokio_util::sync::CancellationToken;

use crate::prices::shop::{LIST, of_spec, shop};
use crate::tester::{DAY, HOUR, MINUTE, Tester, lacking, pairs, set};

/// Orders by what the tester has set.
struct Set {
    request: Request,
    prices: PriceRequest,
    token: Option<String>,
}

impl Orders for Set {
    fn settings(&self, _: &Site) -> Result<Settings, Lost> {
        Ok(self.request.settings.clone())
    }

    fn job(
        &self,
        site: Site,
        subject: Subject,
        go: Go,
        by: String,
    ) -> BoxFuture<'_, Result<Job, Lost>> {
        Box::pin(async move {
            let token = self.token.as_deref().ok_or(Lost::NoToken)?;
            let on = go == Go::Writes;
            let order = match subject {
                Subject::Models => {
                    let request = Request {
                        unattended: true,
                        go_on: on,
                        ..self.request.clone()
                    };
                    Order::Models(Box::new(request), go)
                }
                Subject::Prices => {
                    let request = PriceRequest {
                        unattended: true,
                        go_on: on,
                        ..self.prices.clone()
                    };
                    Order::Prices(Box::new(request), go)
                }
            };
            Ok(Job {
                access: SiteAccess {
                    site,
                    token: token.into(),
                },
                settings: self.request.settings.clone(),
                actor: by,
                order,
                verify: false,
            })
        })
    }
}

fn orders(tester: &Tester) -> Set {
    Set {
        request: tester.request(Source::All, false),
        prices: tester.price_request(false),
        token: Some(tester.token().to_owned()),
    }
}

fn worker_of(tester: &Tester, engine: Engine, orders: Set) -> Worker {
    let clock = Arc::clone(&tester.clock) as Arc<dyn Clock>;
    Worker::new(Jobs::new(engine), orders, clock)
}

/// A worker that has kept history already.
async fn worker(tester: &Tester) -> Worker {
    let worker = worker_of(tester, tester.engine(), orders(tester));
    assert_eq!(worker.step(tester.clock_now()).await, Outcome::Keeping);
    worker.idle().await;
    worker
}

async fn switched(tester: &Tester, subject: Subject, hours: u8, mode: Option<Mode>) -> Schedule {
    let wish = Wish {
        rhythm: Rhythm::Every { hours },
        mode,
        jitter: None,
    };
    let site = tester.stored_site().await;
    let now = tester.clock_now();
    let on = switch_on(tester.store(), &site, subject, wish, "root", now).await;
    on.expect("switched on")
}

async fn schedule(tester: &Tester, subject: Subject) -> Schedule {
    let all = tester.store().schedules(Some(&tester.site)).await;
    let mut all = all.expect("schedules").into_iter();
    let found = all.find(|schedule| schedule.subject == subject);
    found.expect("a schedule")
}

/// Moves the clock to when the schedule is due.
async fn wait_for(tester: &Tester, subject: Subject) {
    let due = next_due(&schedule(tester, subject).await).expect("a tick");
    tester.clock.advance(due - tester.clock_now());
}

async fn step(tester: &Tester, worker: &Worker) -> Outcome {
    let outcome = worker.step(tester.clock_now()).await;
    worker.idle().await;
    outcome
}

fn began(tester: &Tester, subjects: &[Subject]) -> Outcome {
    Outcome::Began {
        site: tester.site.clone(),
        subjects: subjects.to_vec(),
    }
}

/// The runs that a schedule began, oldest first.
async fn scheduled(tester: &Tester) -> Vec<Run> {
    let runs = tester.store().runs(&tester.site, 1000, None).await;
    let runs = runs.expect("runs").into_iter().rev();
    runs.map(|(run, _)| run)
        .filter(|run| run.actor == "schedule (switched on by root)")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_writes_what_no_guard_holds_and_the_next_one_is_six_hours_later() {
    let tester = Tester::new(lacking(2)).await;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 6, None).await;
    let worker = worker(&tester).await;
    let due = next_due(&on).expect("a tick");
    let now = tester.clock_now();
    let early = step(&tester, &worker).await;
    assert_eq!(
        early,
        Outcome::Nothing {
            wake_at: now + 20_000
        }
    );
    tester.clock.advance(due - now - 1);
    assert_eq!(
        step(&tester, &worker).await,
        Outcome::Nothing { wake_at: due }
    );
    assert_eq!(tester.puts(), 0);
    tester.clock.advance(1);
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Models])
    );
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    let runs = scheduled(&tester).await;
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].state, runs[0].unattended), (RunState::Done, true));
    let after = schedule(&tester, Subject::Models).await;
    assert_eq!(after.last_run.as_ref(), Some(&runs[0].id));
    assert_eq!(after.last_at, Some(due));
    assert_eq!(after.next_at, on.next_at.map(|tick| tick + 6 * HOUR));
    let then = step(&tester, &worker).await;
    assert_eq!(
        then,
        Outcome::Nothing {
            wake_at: due + 20_000
        }
    );
    // A run by hand moves nothing.
    tester.clock.advance(HOUR);
    tester.sync().await;
    assert_eq!(
        schedule(&tester, Subject::Models).await.next_at,
        after.next_at
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_a_person_would_write_waits_for_a_second_reading() {
    let tester = Tester::new(pairs(&[("a,b,c", "a,b,c"), ("a,b,c", "a,b,c")])).await;
    tester.plan().await;
    switched(&tester, Subject::Models, 6, None).await;
    let worker = worker(&tester).await;
    tester.offers(1, "a,b");
    wait_for(&tester, Subject::Models).await;
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Models])
    );
    assert_eq!(tester.puts(), 0, "nobody looked");
    assert_eq!(tester.holds().await.len(), 1);
    wait_for(&tester, Subject::Models).await;
    step(&tester, &worker).await;
    assert_eq!(tester.models(1), "a,b", "six hours later it is still gone");
    assert!(tester.holds().await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_proposes_plans_only() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    switched(&tester, Subject::Models, 6, Some(Mode::Propose)).await;
    let worker = worker(&tester).await;
    wait_for(&tester, Subject::Models).await;
    step(&tester, &worker).await;
    let runs = scheduled(&tester).await;
    assert_eq!((runs.len(), runs[0].state), (1, RunState::Planned));
    assert_eq!(tester.puts(), 0);
    tester.apply(&runs[0]).await;
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_proposed_and_written_only_where_that_was_told() {
    let price = |ratio| Price::ratio("a", ratio, 2.0);
    let tester = shop("a", &[price(1.0)], &[&[price(1.1)]]).await;
    tester.plan_prices().await;
    tester
        .store()
        .add_source(&tester.site, "A", &tester.sources[0])
        .await
        .expect("remembered");
    switched(&tester, Subject::Prices, 6, None).await;
    let worker = worker(&tester).await;
    wait_for(&tester, Subject::Prices).await;
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Prices])
    );
    let runs = scheduled(&tester).await;
    assert_eq!(
        (runs[0].state, runs[0].unattended),
        (RunState::Planned, true)
    );
    assert_eq!(tester.price_states(&runs[0], "a").await, [State::Ready]);
    assert_eq!(tester.puts(), 0);

    switched(&tester, Subject::Prices, 6, Some(Mode::Apply)).await;
    wait_for(&tester, Subject::Prices).await;
    step(&tester, &worker).await;
    let runs = scheduled(&tester).await;
    assert_eq!(tester.price_states(&runs[1], "a").await, [State::Applied]);
    // A rise that a person would write waits.
    tester.shows("A", &[price(2.3)]);
    tester.plan_prices().await;
    wait_for(&tester, Subject::Prices).await;
    step(&tester, &worker).await;
    let runs = scheduled(&tester).await;
    assert_eq!(tester.price_states(&runs[2], "a").await, [State::Held]);
    assert_eq!(tester.value("a", Field::ModelRatio).as_deref(), Some("1.1"));
    tester.done().await;
}

/// A gateway whose channel is offered `b`, which has no price but in a list.
fn coming() -> Spec {
    let nothing: [&str; 0] = [];
    let list = lockstep_sim::price::official(&[Price::ratio("b", 1.0, 2.0)]);
    pairs(&[("a", "a,b")])
        .prices(&[Price::ratio("a", 1.0, 2.0)])
        .provider(Provider::new("A", nothing).page(LIST, lockstep_sim::Page::json(list)))
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_same_tick_prices_go_first_and_lists_follow_with_the_answers() {
    let mut tester = of_spec(coming(), 1).await;
    tester.settings.price_gate = Gate::Hold;
    tester.expect.options_are_read = true;
    tester.plan().await;
    tester.plan_prices().await;
    tester
        .store()
        .add_source(&tester.site, "A", &tester.sources[0])
        .await
        .expect("remembered");
    switched(&tester, Subject::Models, 6, None).await;
    switched(&tester, Subject::Prices, 6, Some(Mode::Apply)).await;
    let worker = worker(&tester).await;
    let asked = tester.fetches();
    let both = [Subject::Prices, Subject::Models];
    wait_for(&tester, Subject::Models).await;
    assert_eq!(step(&tester, &worker).await, began(&tester, &both));
    let runs = scheduled(&tester).await;
    let subjects: Vec<Subject> = runs.iter().map(|run| run.subject).collect();
    assert_eq!(subjects, both);
    assert_eq!(runs[1].parent.as_ref(), Some(&runs[0].id));
    assert_eq!(tester.fetches(), asked + 1, "the provider is asked once");
    // What was said for the first time waits for its hour, and the name without a price with it.
    assert_eq!(tester.models(1), "a");
    wait_for(&tester, Subject::Models).await;
    assert_eq!(step(&tester, &worker).await, began(&tester, &both));
    assert_eq!(tester.value("b", Field::ModelRatio).as_deref(), Some("1"));
    assert_eq!(set(&tester.models(1)), set("a,b"));
    for (subject, at) in [(Subject::Prices, 2), (Subject::Models, 3)] {
        let runs = scheduled(&tester).await;
        let last = schedule(&tester, subject).await.last_run;
        assert_eq!(last.as_ref(), Some(&runs[at].id));
    }
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_that_were_missed_run_once() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 1, None).await;
    // Three days without a worker.
    tester.clock.advance(3 * DAY);
    let worker = worker(&tester).await;
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Models])
    );
    assert!(matches!(
        step(&tester, &worker).await,
        Outcome::Nothing { .. }
    ));
    assert_eq!(scheduled(&tester).await.len(), 1);
    let next = schedule(&tester, Subject::Models).await.next_at;
    assert_eq!(
        next,
        on.next_at.map(|tick| tick + 3 * DAY),
        "the next of its own ticks"
    );
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_one_runs_each_tick() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    switched(&tester, Subject::Models, 1, None).await;
    let here = worker(&tester).await;
    let another = tester.another_engine().await;
    let there = worker_of(&tester, another, orders(&tester));
    step(&tester, &there).await;
    for tick in 1..=12 {
        wait_for(&tester, Subject::Models).await;
        let now = tester.clock_now();
        let (one, other) = tokio::join!(here.step(now), there.step(now));
        here.idle().await;
        there.idle().await;
        let both = [&one, &other];
        let begun = both
            .iter()
            .filter(|seen| matches!(seen, Outcome::Began { .. }));
        assert_eq!(begun.count(), 1, "{both:?}");
        let left = both
            .iter()
            .filter(|seen| !matches!(seen, Outcome::Began { .. }));
        let left = left.collect::<Vec<_>>();
        // It saw the tick gone, or not at all any more.
        assert!(
            matches!(left[..], [Outcome::Taken { .. } | Outcome::Nothing { .. }]),
            "{left:?}"
        );
        assert_eq!(scheduled(&tester).await.len(), tick);
    }
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_gateway_is_tried_again_for_ten_minutes_and_then_the_tick_is_lost() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 6, None).await;
    let worker = worker(&tester).await;
    let site = tester.stored_site().await;
    wait_for(&tester, Subject::Models).await;
    let lock = tester
        .engine()
        .alone(&site)
        .await
        .expect("nobody is at work");
    // Tried each half minute, and still due.
    for _ in 0..20 {
        assert_eq!(
            step(&tester, &worker).await,
            began(&tester, &[Subject::Models])
        );
        assert_eq!(schedule(&tester, Subject::Models).await.next_at, on.next_at);
        assert_eq!(schedule(&tester, Subject::Models).await.last_at, None);
        let again = tester.clock_now() + 30_000;
        tester.clock.advance(29_999);
        let waits = worker.step(tester.clock_now()).await;
        assert_eq!(waits, Outcome::Nothing { wake_at: again });
        tester.clock.advance(1);
    }
    step(&tester, &worker).await;
    let lost = tester
        .store()
        .lost_ticks(&tester.site, Subject::Models, 9)
        .await;
    let lost = lost.expect("told");
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (lost[0].why.as_str(), Some(lost[0].tick)),
        ("busy", on.next_at)
    );
    assert!(!lost[0].detail.is_empty(), "who was at work");
    assert!(scheduled(&tester).await.is_empty());
    let next = schedule(&tester, Subject::Models).await.next_at;
    assert_eq!(next, on.next_at.map(|tick| tick + 6 * HOUR));
    drop(lock);
    assert!(matches!(
        step(&tester, &worker).await,
        Outcome::Nothing { .. }
    ));
    // The next one is tried at once, and its ten minutes are its own.
    wait_for(&tester, Subject::Models).await;
    step(&tester, &worker).await;
    assert_eq!(scheduled(&tester).await.len(), 1);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ticks_of_a_busy_gateway_are_given_back_and_lost_together() {
    let tester = of_spec(coming(), 1).await;
    tester.plan().await;
    tester.plan_prices().await;
    tester
        .store()
        .add_source(&tester.site, "A", &tester.sources[0])
        .await
        .expect("remembered");
    switched(&tester, Subject::Models, 6, None).await;
    switched(&tester, Subject::Prices, 6, None).await;
    let worker = worker(&tester).await;
    let site = tester.stored_site().await;
    wait_for(&tester, Subject::Models).await;
    let lock = tester
        .engine()
        .alone(&site)
        .await
        .expect("nobody is at work");
    let asked = tester.fetches();
    let both = [Subject::Prices, Subject::Models];
    for _ in 0..=20 {
        assert_eq!(step(&tester, &worker).await, began(&tester, &both));
        tester.clock.advance(30_000);
    }
    drop(lock);
    assert_eq!(tester.fetches(), asked, "no provider is asked for nothing");
    for subject in both {
        let lost = tester.store().lost_ticks(&tester.site, subject, 9).await;
        assert_eq!(lost.expect("told").len(), 1, "{subject:?}");
    }
    let then = step(&tester, &worker).await;
    assert!(matches!(then, Outcome::Nothing { .. }), "{then:?}");
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_becomes_free_is_written_within_half_a_minute() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    switched(&tester, Subject::Models, 6, None).await;
    let worker = worker(&tester).await;
    let site = tester.stored_site().await;
    wait_for(&tester, Subject::Models).await;
    let lock = tester
        .engine()
        .alone(&site)
        .await
        .expect("nobody is at work");
    step(&tester, &worker).await;
    drop(lock);
    tester.clock.advance(30_000);
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Models])
    );
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    let lost = tester
        .store()
        .lost_ticks(&tester.site, Subject::Models, 9)
        .await;
    assert!(lost.expect("told").is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_runs_nothing_twice() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    switched(&tester, Subject::Models, 6, None).await;
    let worker = worker(&tester).await;
    wait_for(&tester, Subject::Models).await;
    step(&tester, &worker).await;
    tester.clock.advance(-3 * HOUR);
    for _ in 0..(3 * HOUR + 20 * MINUTE) / (5 * MINUTE) {
        let seen = step(&tester, &worker).await;
        assert!(matches!(seen, Outcome::Nothing { .. }), "{seen:?}");
        tester.clock.advance(5 * MINUTE);
    }
    assert_eq!(scheduled(&tester).await.len(), 1);
    wait_for(&tester, Subject::Models).await;
    step(&tester, &worker).await;
    assert_eq!(scheduled(&tester).await.len(), 2);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_a_year_ahead_skips_no_year() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 6, None).await;
    let worker = worker(&tester).await;
    tester.clock.advance(365 * DAY);
    step(&tester, &worker).await; // history, once a day
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Models])
    );
    tester.clock.advance(-365 * DAY);
    step(&tester, &worker).await;
    let aligned = Outcome::Realigned {
        site: tester.site.clone(),
        subject: Subject::Models,
    };
    assert_eq!(step(&tester, &worker).await, aligned);
    assert_eq!(schedule(&tester, Subject::Models).await.next_at, on.next_at);
    assert!(matches!(
        step(&tester, &worker).await,
        Outcome::Nothing { .. }
    ));
    wait_for(&tester, Subject::Models).await;
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Models])
    );
    assert_eq!(scheduled(&tester).await.len(), 2);
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_cannot_be_ordered_or_reckoned_is_recorded_and_the_loop_goes_on() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 6, None).await;
    let without = Set {
        token: None,
        ..orders(&tester)
    };
    let worker = worker_of(&tester, tester.engine(), without);
    step(&tester, &worker).await;
    wait_for(&tester, Subject::Models).await;
    step(&tester, &worker).await;
    let why = async || {
        let lost = tester
            .store()
            .lost_ticks(&tester.site, Subject::Models, 1)
            .await;
        lost.expect("told")[0].why.clone()
    };
    assert_eq!(why().await, "no_token");
    // A zone that the program does not know any more.
    let mut plan = on.plan.clone();
    plan.rhythm = Rhythm::Cron {
        line: "0 3 * * *".to_owned(),
        zone: "Europe/Atlantis".to_owned(),
    };
    let now = tester.clock_now();
    tester
        .store()
        .set_schedule(&tester.site, Subject::Models, &plan, now - HOUR)
        .await
        .expect("set");
    let seen = step(&tester, &worker).await;
    assert!(
        matches!(
            &seen,
            Outcome::GaveUp {
                why: Lost::Schedule(_),
                ..
            }
        ),
        "{seen:?}"
    );
    assert_eq!(why().await, "schedule");
    assert_eq!(schedule(&tester, Subject::Models).await.next_at, None);
    assert!(matches!(
        step(&tester, &worker).await,
        Outcome::Nothing { .. }
    ));
    assert!(scheduled(&tester).await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_runs_what_is_due_and_ends_when_told_and_a_stopped_tick_is_given_back() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    switched(&tester, Subject::Models, 6, None).await;
    wait_for(&tester, Subject::Models).await;
    let worker = worker_of(&tester, tester.engine(), orders(&tester));
    let stop = CancellationToken::new();
    let (looping, told) = (worker.clone(), stop.clone());
    let looping = tokio::spawn(async move { looping.run(told).await });
    while schedule(&tester, Subject::Models).await.last_run.is_none() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    looping.await.expect("it ends");
    assert_eq!(scheduled(&tester).await.len(), 1);

    // A process that begins nothing new gives its tick back to the next one.
    let jobs = Jobs::new(tester.engine());
    jobs.stop().await;
    let clock = Arc::clone(&tester.clock) as Arc<dyn Clock>;
    let stopped = Worker::new(jobs, orders(&tester), clock);
    step(&tester, &stopped).await;
    wait_for(&tester, Subject::Models).await;
    let before = schedule(&tester, Subject::Models).await;
    step(&tester, &stopped).await;
    assert_eq!(schedule(&tester, Subject::Models).await, before);
    assert_eq!(
        step(&tester, &worker).await,
        began(&tester, &[Subject::Models])
    );
    assert_eq!(scheduled(&tester).await.len(), 2);
    tester.done().await;
}
