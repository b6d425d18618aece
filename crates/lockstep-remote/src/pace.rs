//! The pace on a running clock: who may send now, and who waits until when.

use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_core::pace::Pace;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Hands out the moments at which requests to one gateway may go, first come, first served. Clones share one pace.
///
/// It runs on tokio's clock, so a day of it fits in a test.
#[derive(Clone)]
pub struct Pacer(Arc<Inner>);

struct Inner {
    start: Instant,
    /// Held by the one who is next. tokio's lock is fair, so the others stand in line behind it.
    turn: Mutex<()>,
    state: StdMutex<State>,
}

struct State {
    pace: Pace,
    paused_until: Duration,
    reserved: Duration,
    throttled: u64,
}

impl Pacer {
    /// A pacer that starts now, with a fresh pace.
    pub fn new(pace: Pace) -> Self {
        Self(Arc::new(Inner {
            start: Instant::now(),
            turn: Mutex::new(()),
            state: StdMutex::new(State {
                pace,
                paused_until: Duration::ZERO,
                reserved: Duration::ZERO,
                throttled: 0,
            }),
        }))
    }

    /// Waits until one request may be sent. Dropping it gives up the place in line.
    pub async fn acquire(&self) {
        let _turn = self.0.turn.lock().await;
        self.wait_out_pauses().await;
        let at = {
            let mut state = self.state();
            state.reserved = state.pace.reserve(self.now());
            state.reserved
        };
        self.sleep(at).await;
        // A 429 may have come to another request while this one waited for its moment.
        self.wait_out_pauses().await;
    }

    /// The gateway said 429: nothing is sent for `asked` from now on, and an automatic pace takes less.
    /// Requests that were under way when a pause began are told the same 429; they only make it longer.
    pub fn pause(&self, asked: Duration) {
        let now = self.now();
        let mut state = self.state();
        state.throttled += 1;
        if state.paused_until <= now {
            state.pace.throttled(now);
        }
        state.paused_until = state.paused_until.max(now.saturating_add(asked));
    }

    /// How many requests were answered 429.
    pub fn throttled(&self) -> u64 {
        self.state().throttled
    }

    /// The moment at which the next request goes, when it is still ahead: a pause's end or a reserved place.
    pub fn waiting_until(&self) -> Option<Instant> {
        let state = self.state();
        let until = state.paused_until.max(state.reserved);
        (until > self.now()).then(|| self.0.start + until)
    }

    /// How long `requests` requests take at this pace from a fresh start, were each answered at once.
    pub fn estimate(&self, requests: usize) -> Duration {
        self.state().pace.estimate(requests)
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
            sleep_until(self.0.start + until).await;
        }
    }

    fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        pacer.pause(Duration::from_secs(30));
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
            pacer.pause(Duration::from_secs(10));
        }
        assert_eq!(pacer.throttled(), 8);
        assert_eq!(pacer.estimate(253), before * 2);
        pacer.acquire().await;
        pacer.pause(Duration::from_secs(10));
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
}
