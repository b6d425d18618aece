//! The pace on a running clock: who may send now, and who waits until when.

use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::pace::{Pace, Paces, Place};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

/// A pause that ends so little later than the one under way is the same.
const TOGETHER: Duration = Duration::from_secs(1);
/// What was sent is counted by no pace any more after this: the slowest one with the greatest burst is full again.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Hands out the moments at which requests to one gateway may go, first come, first served. Clones share one pace, and
/// whoever [joins](Pacer::joined) shares the count: the strictest pace of those at work holds for all.
///
/// It runs on tokio's clock, so a day of it fits in a test.
#[derive(Clone)]
pub struct Pacer(Arc<AtWork>);

/// A pause that the gateway asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it is over.
    pub until: Instant,
    /// The request that was turned away: its method and path.
    pub request: String,
}

/// A place among those at work, until the last clone is gone.
struct AtWork {
    shared: Arc<Shared>,
    place: Place,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.shared.state().paces.leave(self.place);
    }
}

struct Shared {
    start: Instant,
    /// Held by the one who is next. tokio's lock is fair, so the others stand in line behind it.
    turn: Mutex<()>,
    state: StdMutex<State>,
    pauses: watch::Sender<Option<Pause>>,
}

struct State {
    paces: Paces,
    paused_until: Duration,
    reserved: Duration,
    throttled: u64,
}

impl Pacer {
    /// A pacer that starts now, with a fresh pace.
    pub fn new(pace: Pace) -> Self {
        let mut paces = Paces::default();
        let place = paces.join(pace);
        Self(Arc::new(AtWork {
            place,
            shared: Arc::new(Shared {
                start: Instant::now(),
                turn: Mutex::new(()),
                state: StdMutex::new(State {
                    paces,
                    paused_until: Duration::ZERO,
                    reserved: Duration::ZERO,
                    throttled: 0,
                }),
                pauses: watch::Sender::new(None),
            }),
        }))
    }

    /// What is shared, for whoever comes later; it keeps no place.
    pub fn joint(&self) -> Joint {
        Joint(Arc::clone(&self.0.shared))
    }

    /// The pauses that the gateway asks for, from the one that is under way on.
    pub fn pauses(&self) -> watch::Receiver<Option<Pause>> {
        let mut pauses = self.0.shared.pauses.subscribe();
        let under_way = pauses
            .borrow()
            .as_ref()
            .is_some_and(|pause| pause.until > Instant::now());
        if under_way {
            pauses.mark_changed();
        }
        pauses
    }

    /// Waits until one request may be sent. Dropping it gives up the place in line.
    pub async fn acquire(&self) {
        let _turn = self.0.shared.turn.lock().await;
        self.wait_out_pauses().await;
        let at = {
            let mut state = self.state();
            state.reserved = state.paces.reserve(self.now());
            state.reserved
        };
        self.sleep(at).await;
        // A 429 may have come to another request while this one waited for its moment.
        self.wait_out_pauses().await;
    }

    /// The gateway said 429: nothing is sent for `asked` from now on, and an automatic pace takes less.
    /// Requests that were under way when a pause began are told the same 429; they only make it longer. `request` is what
    /// was turned away, for those who watch.
    pub fn pause(&self, asked: Duration, request: &str) {
        let now = self.now();
        let mut state = self.state();
        state.throttled += 1;
        let begins = state.paused_until <= now;
        if begins {
            state.paces.throttled(now);
        }
        let longer = now.saturating_add(asked);
        // Replies that come together ask for the same pause.
        let worth_telling = begins || longer > state.paused_until.saturating_add(TOGETHER);
        state.paused_until = state.paused_until.max(longer);
        if worth_telling {
            self.0.shared.pauses.send_replace(Some(Pause {
                until: self.0.shared.start + state.paused_until,
                request: request.to_owned(),
            }));
        }
    }

    /// How many requests were answered 429.
    pub fn throttled(&self) -> u64 {
        self.state().throttled
    }

    /// The moment at which the next request goes, when it is still ahead: a pause's end or a reserved place.
    pub fn waiting_until(&self) -> Option<Instant> {
        let state = self.state();
        let until = state.paused_until.max(state.reserved);
        (until > self.now()).then(|| self.0.shared.start + until)
    }

    /// How long `requests` requests take at this pace from a fresh start, were each answered at once.
    pub fn estimate(&self, requests: usize) -> Duration {
        self.state().paces.estimate(requests)
    }

    async fn wait_out_pauses(&self) {
        loop {
            let until = self.state().paused_until;
            if until <= self.now() {
                return;
            }
            self.sleep(until).await;
        }
    }

    async fn sleep(&self, until: Duration) {
        if until > self.now() {
            sleep_until(self.0.shared.start + until).await;
        }
    }

    fn now(&self) -> Duration {
        self.0.shared.start.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.shared.state()
    }
}

/// What those at work on one gateway share, kept while nobody is: what was sent stays counted.
#[derive(Clone)]
pub struct Joint(Arc<Shared>);

impl Joint {
    /// A pacer for somebody who comes to work, at a pace given fresh.
    pub fn joined(&self, pace: Pace) -> Pacer {
        let place = self.0.state().paces.join(pace);
        Pacer(Arc::new(AtWork {
            shared: Arc::clone(&self.0),
            place,
        }))
    }

    /// Whether nobody is at work and what was sent is so long ago that no pace counts it.
    pub fn is_forgotten(&self) -> bool {
        let state = self.0.state();
        let last = state
            .paces
            .last()
            .unwrap_or_default()
            .max(state.paused_until);
        state.paces.is_idle() && self.0.start.elapsed() > last.saturating_add(FORGOTTEN)
    }
}

impl fmt::Debug for Joint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joint").finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pacer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pacer")
            .field("throttled", &self.throttled())
            .field("waiting_until", &self.waiting_until())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use lockstep_core::pace::{AUTO_PERCENT, Bucket, GATEWAY_CALLS, GATEWAY_WINDOW, Window};
    use tokio::task::JoinSet;

    use super::*;

    /// The gateway's own limiter, written down a second time: so many calls in any window, sliding.
    #[derive(Default)]
    struct Limiter(VecDeque<Instant>);

    impl Limiter {
        fn lets_pass(&mut self) -> bool {
            let now = Instant::now();
            while self.0.front().is_some_and(|t| now - *t >= GATEWAY_WINDOW) {
                self.0.pop_front();
            }
            let room = self.0.len() < GATEWAY_CALLS as usize;
            if room {
                self.0.push_back(now);
            }
            room
        }
    }

    /// Sends `requests` requests, `at_once` at a time, each answered after `latency`; answers the time taken and
    /// how many the gateway refused.
    async fn send(pacer: &Pacer, requests: usize, at_once: usize, latency: u64) -> (Duration, u32) {
        let start = Instant::now();
        let gateway = Arc::new(StdMutex::new((Limiter::default(), 0)));
        let left = Arc::new(StdMutex::new(requests));
        let mut workers = JoinSet::new();
        for _ in 0..at_once {
            let (pacer, gateway, left) = (pacer.clone(), Arc::clone(&gateway), Arc::clone(&left));
            workers.spawn(async move {
                loop {
                    let one_more = left.lock().expect("no poison").checked_sub(1);
                    match one_more {
                        Some(rest) => *left.lock().expect("no poison") = rest,
                        None => return,
                    }
                    pacer.acquire().await;
                    {
                        let mut gateway = gateway.lock().expect("no poison");
                        if !gateway.0.lets_pass() {
                            gateway.1 += 1;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(latency)).await;
                }
            });
        }
        workers.join_all().await;
        let refused = gateway.lock().expect("no poison").1;
        (start.elapsed(), refused)
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_channels_at_auto_meet_no_429_and_use_the_budget() {
        let requests: u32 = 10 + 1_000;
        let calls = GATEWAY_CALLS * AUTO_PERCENT / 100;
        let floor = GATEWAY_WINDOW * ((requests - 1) / calls);
        for (at_once, latency) in [(1, 5), (8, 5), (8, 700), (8, 3_000)] {
            let pacer = Pacer::new(Pace::Auto(Window::new(GATEWAY_CALLS)));
            let (took, refused) = send(&pacer, requests as usize, at_once, latency).await;
            assert_eq!(refused, 0, "{at_once} at once, {latency} ms");
            assert!(took >= floor, "{took:?} is faster than the budget");
            assert!(
                took <= floor.mul_f64(1.1),
                "{latency} ms: {took:?} of {floor:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_fixed_pace_is_its_arithmetic() {
        for (per_minute, burst) in [(20, 5), (120, 1), (7, 60)] {
            let pacer = Pacer::new(Pace::Fixed(Bucket::new(per_minute, burst)));
            let floor = pacer.estimate(1_005);
            let (took, _) = send(&pacer, 1_005, 2, 5).await;
            assert!(took >= floor, "{took:?} of {floor:?}");
            assert!(took <= floor.mul_f64(1.005), "{took:?} of {floor:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_stops_those_who_wait_already_and_ends_in_their_order() {
        let pacer = Pacer::new(Pace::Fixed(Bucket::new(60, 1)));
        let start = Instant::now();
        pacer.acquire().await;
        let order = Arc::new(StdMutex::new(Vec::new()));
        let mut waiting = JoinSet::new();
        for place in 0..5 {
            let (pacer, order) = (pacer.clone(), Arc::clone(&order));
            waiting.spawn(async move {
                pacer.acquire().await;
                order
                    .lock()
                    .expect("no poison")
                    .push((place, start.elapsed().as_secs()));
            });
            tokio::task::yield_now().await;
        }
        pacer.pause(Duration::from_secs(30), "GET /");
        let until = pacer.waiting_until().expect("a pause");
        assert_eq!(until - start, Duration::from_secs(30));
        waiting.join_all().await;
        let order = order.lock().expect("no poison");
        let places: Vec<i32> = order.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [0, 1, 2, 3, 4]);
        assert!(order.iter().all(|(_, at)| *at >= 30), "{order:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn replies_of_one_pause_halve_the_budget_once() {
        let pacer = Pacer::new(Pace::Auto(Window::new(GATEWAY_CALLS)));
        let before = pacer.estimate(253);
        for _ in 0..8 {
            pacer.pause(Duration::from_secs(10), "GET /");
        }
        assert_eq!(pacer.throttled(), 8);
        assert_eq!(pacer.estimate(253), before * 2);
        pacer.acquire().await;
        pacer.pause(Duration::from_secs(10), "GET /");
        assert_eq!(pacer.estimate(253), before * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_gives_up_his_place() {
        let pacer = Pacer::new(Pace::Fixed(Bucket::new(60, 1)));
        pacer.acquire().await;
        let first = tokio::spawn({
            let pacer = pacer.clone();
            async move { pacer.acquire().await }
        });
        tokio::task::yield_now().await;
        let start = Instant::now();
        let second = pacer.acquire();
        first.abort();
        second.await;
        assert!(start.elapsed() <= Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_are_at_work_share_one_count() {
        let first = Pacer::new(Pace::Fixed(Bucket::new(60, 1)));
        let kept = first.joint();
        let second = kept.joined(Pace::Fixed(Bucket::new(60, 1)));
        let start = Instant::now();
        for pacer in [&first, &second, &first, &second] {
            pacer.acquire().await;
        }
        assert_eq!(start.elapsed().as_secs(), 3);
        // A pause is everybody's, and told to all.
        let mut pauses = second.pauses();
        first.pause(Duration::from_secs(9), "GET /a");
        first.pause(Duration::from_secs(9), "GET /b");
        let told = pauses.borrow_and_update().clone().expect("a pause");
        assert_eq!(
            (told.until, told.request.as_str()),
            (Instant::now() + Duration::from_secs(9), "GET /a")
        );
        second.acquire().await;
        assert_eq!(start.elapsed().as_secs(), 12);
        // Whoever comes after all are gone finds their last request counted.
        drop((first, second));
        assert!(!kept.is_forgotten());
        let third = kept.joined(Pace::Fixed(Bucket::new(60, 1)));
        third.acquire().await;
        assert_eq!(start.elapsed().as_secs(), 13);
        drop(third);
        tokio::time::sleep(FORGOTTEN * 2).await;
        assert!(kept.is_forgotten());
    }
}
