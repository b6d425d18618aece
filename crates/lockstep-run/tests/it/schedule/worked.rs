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
use lockstep_sim::{Matcher, Price, Provider, Spec, When};
use lockstep_store::leases::GatewayHold;
use lockstep_store::runs::Run;
use lockstep_store::schedule::{Claim, LostTick, Mode, Rhythm, Schedule};
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

/// Nothing is due now.
async fn nothing_is_due(tester: &Tester, worker: &Worker) {
    let seen = step(tester, worker).await;
    assert!(matches!(seen, Outcome::Nothing { .. }), "{seen:?}");
}

/// A run of the subject is due now, and is done.
async fn begins(tester: &Tester, worker: &Worker, subject: Subject) {
    assert_eq!(step(tester, worker).await, began(tester, &[subject]));
}

/// So many channels that want a write, reviewed, with a schedule of six hours and a worker.
async fn six_hourly(channels: usize) -> (Tester, Schedule, Worker) {
    let tester = Tester::new(lacking(channels)).await;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 6, None).await;
    let worker = worker(&tester).await;
    (tester, on, worker)
}

/// The site remembers its first source.
async fn remember(tester: &Tester) {
    let source = tester
        .store()
        .add_source(&tester.site, "A", &tester.sources[0]);
    source.await.expect("remembered");
}

async fn somebody_is_at_work(tester: &Tester) -> GatewayHold {
    let site = tester.stored_site().await;
    let held = tester.engine().alone(&site).await;
    held.expect("nobody is at work")
}

/// The ticks that no run came of, newest first.
async fn lost(tester: &Tester, subject: Subject) -> Vec<LostTick> {
    let lost = tester.store().lost_ticks(&tester.site, subject, 9).await;
    lost.expect("told")
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
    let (tester, on, worker) = six_hourly(2).await;
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
    begins(&tester, &worker, Subject::Models).await;
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
    begins(&tester, &worker, Subject::Models).await;
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
    remember(&tester).await;
    switched(&tester, Subject::Prices, 6, None).await;
    let worker = worker(&tester).await;
    wait_for(&tester, Subject::Prices).await;
    begins(&tester, &worker, Subject::Prices).await;
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
    remember(&tester).await;
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
    // The gateway was not let go between the two: whoever takes it has another fence.
    assert_eq!(runs[0].fence, runs[1].fence);
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
    begins(&tester, &worker, Subject::Models).await;
    nothing_is_due(&tester, &worker).await;
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
    let (tester, on, worker) = six_hourly(1).await;
    wait_for(&tester, Subject::Models).await;
    let lock = somebody_is_at_work(&tester).await;
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
    let lost = lost(&tester, Subject::Models).await;
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
    nothing_is_due(&tester, &worker).await;
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
    remember(&tester).await;
    switched(&tester, Subject::Models, 6, None).await;
    switched(&tester, Subject::Prices, 6, None).await;
    let worker = worker(&tester).await;
    wait_for(&tester, Subject::Models).await;
    let lock = somebody_is_at_work(&tester).await;
    let asked = tester.fetches();
    let both = [Subject::Prices, Subject::Models];
    for _ in 0..=20 {
        assert_eq!(step(&tester, &worker).await, began(&tester, &both));
        tester.clock.advance(30_000);
    }
    drop(lock);
    assert_eq!(tester.fetches(), asked, "no provider is asked for nothing");
    for subject in both {
        assert_eq!(lost(&tester, subject).await.len(), 1, "{subject:?}");
    }
    nothing_is_due(&tester, &worker).await;
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_becomes_free_is_written_within_half_a_minute() {
    let (tester, _, worker) = six_hourly(1).await;
    wait_for(&tester, Subject::Models).await;
    let lock = somebody_is_at_work(&tester).await;
    step(&tester, &worker).await;
    drop(lock);
    tester.clock.advance(30_000);
    begins(&tester, &worker, Subject::Models).await;
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    assert!(lost(&tester, Subject::Models).await.is_empty());
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_runs_nothing_twice() {
    let (tester, _, worker) = six_hourly(1).await;
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
    let (tester, on, worker) = six_hourly(1).await;
    tester.clock.advance(365 * DAY);
    step(&tester, &worker).await; // history, once a day
    begins(&tester, &worker, Subject::Models).await;
    tester.clock.advance(-365 * DAY);
    step(&tester, &worker).await;
    let aligned = Outcome::Realigned {
        site: tester.site.clone(),
        subject: Subject::Models,
    };
    assert_eq!(step(&tester, &worker).await, aligned);
    assert_eq!(schedule(&tester, Subject::Models).await.next_at, on.next_at);
    nothing_is_due(&tester, &worker).await;
    wait_for(&tester, Subject::Models).await;
    begins(&tester, &worker, Subject::Models).await;
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
    let why = async || lost(&tester, Subject::Models).await[0].why.clone();
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
    nothing_is_due(&tester, &worker).await;
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
    begins(&tester, &worker, Subject::Models).await;
    assert_eq!(scheduled(&tester).await.len(), 2);
    tester.done().await;
}

/// A worker whose process ends in the middle of a list run, by a stop, and one of the next process.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_the_run_of_a_tick_to_be_resumed_and_its_tick_is_not_run_again() {
    let mut tester = Tester::new(lacking(4)).await;
    tester.settings.concurrency = 1;
    tester.expect.other_counts = true;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 6, None).await;
    for matcher in ["/api/channel/fetch_models/", "/api/channel/"] {
        let jobs = Jobs::new(tester.engine());
        let worker = Worker::new(
            jobs.clone(),
            orders(&tester),
            Arc::clone(&tester.clock) as Arc<dyn Clock>,
        );
        step(&tester, &worker).await;
        wait_for(&tester, Subject::Models).await;
        let before = tester.gateway.effective_writes().len();
        let (stopped, at) = (Arc::new(tokio::sync::Notify::new()), matcher);
        let matcher = if at.contains("fetch") {
            Matcher::get(at)
        } else {
            Matcher::put(at)
        };
        let told = Arc::clone(&stopped);
        tester
            .gateway
            .on_match(matcher, 2, When::BeforeApply, move |_| told.notify_one());
        assert_eq!(
            worker.step(tester.clock_now()).await,
            began(&tester, &[Subject::Models])
        );
        stopped.notified().await;
        jobs.stop().await;
        worker.idle().await;
        let runs = scheduled(&tester).await;
        let run = runs.last().expect("a run");
        assert!(!run.state.ended(), "it is left: {run:?}");
        let left = schedule(&tester, Subject::Models).await;
        assert!(left.next_at > on.next_at, "its tick is over");
        assert_eq!(left.last_run.as_ref(), Some(&run.id));
        // The next process.
        tester.restart().await;
        let next = self::worker(&tester).await;
        tester.clock.advance(MINUTE);
        let nothing = step(&tester, &next).await;
        assert!(matches!(nothing, Outcome::Nothing { .. }), "{nothing:?}");
        let session = tester.session().await;
        let ended = session.resume(&run.id, &tester.watch).await.expect("ended");
        assert_eq!(ended.state, RunState::Done);
        assert_eq!(scheduled(&tester).await.len(), runs.len());
        let written = tester.gateway.effective_writes().len() - before;
        assert_eq!(written, 4, "each list once");
        for channel in 1..=4 {
            let name = format!("after {at}").replace(['/', ' '], "-");
            tester.offers(channel, &format!("a,b,c,{name}"));
        }
    }
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_a_process_took_and_began_nothing_of_is_found_again() {
    let (tester, _, worker) = six_hourly(1).await;
    wait_for(&tester, Subject::Models).await;
    // A process takes it, and is killed.
    let known = schedule(&tester, Subject::Models).await;
    let claim = Claim {
        subject: Subject::Models,
        tick: known.next_at.expect("a tick"),
        next: known.next_at.map(|tick| tick + 6 * HOUR),
        last_at: known.last_at,
        last_run: known.last_run.clone(),
    };
    let taken = tester
        .store()
        .claim_ticks(&tester.site, vec![claim], tester.clock_now())
        .await;
    assert_eq!(taken.expect("taken"), [Subject::Models]);
    nothing_is_due(&tester, &worker).await;
    // As long as somebody holds the gateway he may be about to begin.
    let site = tester.stored_site().await;
    tester.clock.advance(MINUTE);
    let held = tester.engine().alone(&site).await.expect("held");
    nothing_is_due(&tester, &worker).await;
    drop(held);
    let found = Outcome::Found {
        site: tester.site.clone(),
        subject: Subject::Models,
    };
    assert_eq!(step(&tester, &worker).await, found);
    begins(&tester, &worker, Subject::Models).await;
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    // Once.
    tester.clock.advance(MINUTE);
    nothing_is_due(&tester, &worker).await;
    let runs = scheduled(&tester).await;
    assert_eq!(runs.len(), 1);
    let next = schedule(&tester, Subject::Models).await.next_at;
    assert_eq!(next, known.next_at.map(|tick| tick + 6 * HOUR));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_between_tick_and_run_loses_no_tick() {
    let (tester, on, worker) = six_hourly(1).await;
    wait_for(&tester, Subject::Models).await;
    tester
        .sql("CREATE TRIGGER no_run BEFORE INSERT ON run BEGIN SELECT RAISE(ABORT, 'no room'); END")
        .await;
    step(&tester, &worker).await;
    assert!(scheduled(&tester).await.is_empty());
    assert_eq!(schedule(&tester, Subject::Models).await.next_at, on.next_at);
    tester.sql("DROP TRIGGER no_run").await;
    nothing_is_due(&tester, &worker).await;
    tester.clock.advance(30_000);
    step(&tester, &worker).await;
    assert_eq!(scheduled(&tester).await.len(), 1);
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    tester.done().await;
}

/// Orders that break.
struct Breaking;

impl Orders for Breaking {
    fn settings(&self, _: &Site) -> Result<Settings, Lost> {
        Ok(Settings::default())
    }

    fn job(&self, _: Site, _: Subject, _: Go, _: String) -> BoxFuture<'_, Result<Job, Lost>> {
        Box::pin(async { panic!("an order breaks") })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_whose_order_breaks_is_lost_and_told_and_not_tried_for_ever() {
    let tester = Tester::new(lacking(1)).await;
    tester.plan().await;
    let on = switched(&tester, Subject::Models, 6, None).await;
    let clock = Arc::clone(&tester.clock) as Arc<dyn Clock>;
    let worker = Worker::new(Jobs::new(tester.engine()), Breaking, clock);
    step(&tester, &worker).await;
    wait_for(&tester, Subject::Models).await;
    step(&tester, &worker).await;
    let lost = lost(&tester, Subject::Models).await;
    assert_eq!((lost.len(), lost[0].why.as_str()), (1, "failed"));
    let next = schedule(&tester, Subject::Models).await.next_at;
    assert_eq!(next, on.next_at.map(|tick| tick + 6 * HOUR));
    tester.clock.advance(MINUTE);
    nothing_is_due(&tester, &worker).await;
    tester.done().await;
}
