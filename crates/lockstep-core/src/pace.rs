//! Pace: when the next request to a gateway may go. Time is an argument, so a day fits in a test.
//!
//! Both paces hand out reservations: `reserve` always answers with the moment at which the request may be sent,
//! in the order asked. `now` counts from any fixed moment and never goes back. Several of them for one gateway are one
//! [`Paces`].

mod shared;

use std::collections::VecDeque;
use std::time::Duration;

pub use shared::{Paces, Place};

/// The gateway counts calls per address in a window this long.
pub const GATEWAY_WINDOW: Duration = Duration::from_secs(180);
/// How many calls New API lets pass in [`GATEWAY_WINDOW`] by default.
pub const GATEWAY_CALLS: u32 = 360;
/// The share of the gateway's budget, in percent, that `auto` uses: its own pages need the rest.
pub const AUTO_PERCENT: u32 = 70;
/// `auto` never goes below this many calls in a window.
const FEWEST_CALLS: u32 = 10;

/// A pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A token bucket, as the settings say.
    Fixed(Bucket),
    /// A sliding window under the gateway's own budget.
    Auto(Window),
    /// No limit at all: for a simulated gateway and for measurements.
    Unlimited,
}

impl Pace {
    /// Reserves the next request: the moment at which it may be sent, not before `now`.
    pub fn reserve(&mut self, now: Duration) -> Duration {
        match self {
            Self::Fixed(bucket) => bucket.reserve(now),
            Self::Auto(window) => window.reserve(now),
            Self::Unlimited => now,
        }
    }

    /// When the next request could be sent, not before `now`, without reserving it.
    pub fn earliest(&self, now: Duration) -> Duration {
        match self {
            Self::Fixed(bucket) => bucket.earliest(now),
            Self::Auto(window) => window.earliest(now),
            Self::Unlimited => now,
        }
    }

    /// Counts a request that was sent at a time without having been asked for here. It leaves no debt: what went faster
    /// than this pace allows makes nobody wait for longer than an empty bucket or a full window does.
    pub fn count(&mut self, at: Duration) {
        match self {
            Self::Fixed(bucket) => bucket.count(at),
            Self::Auto(window) => window.count(at),
            Self::Unlimited => {}
        }
    }

    /// The gateway said 429: `auto` takes less from now on.
    pub fn throttled(&mut self, now: Duration) {
        if let Self::Auto(window) = self {
            window.throttled(now);
        }
    }

    /// How long `requests` requests take at this pace, from a fresh start, if each were answered at once.
    pub fn estimate(&self, requests: usize) -> Duration {
        match self {
            Self::Fixed(bucket) => bucket.estimate(requests),
            Self::Auto(window) => window.estimate(requests),
            Self::Unlimited => Duration::ZERO,
        }
    }
}

/// A token bucket, full at the start: `burst` requests at once, then one each `60 s / per_minute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    interval: Duration,
    burst: u32,
    /// When the bucket would be full again, had no further request come.
    full_at: Duration,
}

impl Bucket {
    /// A full bucket. Zero is taken as one, for both.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        Self {
            interval: Duration::from_secs(60) / per_minute.max(1),
            burst: burst.max(1),
            full_at: Duration::ZERO,
        }
    }

    fn earliest(&self, now: Duration) -> Duration {
        let tolerance = self.interval * (self.burst - 1);
        now.max(self.full_at.saturating_sub(tolerance))
    }

    fn reserve(&mut self, now: Duration) -> Duration {
        let at = self.earliest(now);
        self.full_at = self.full_at.max(now) + self.interval;
        at
    }

    fn count(&mut self, at: Duration) {
        let empty = at + self.interval * self.burst;
        self.full_at = (self.full_at.max(at) + self.interval).min(empty.max(self.full_at));
    }

    fn estimate(&self, requests: usize) -> Duration {
        let waiting = u32::try_from(requests)
            .unwrap_or(u32::MAX)
            .saturating_sub(self.burst);
        self.interval * waiting
    }
}

/// A sliding window: at most `calls` requests in any [`GATEWAY_WINDOW`], any burst inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    most: u32,
    calls: u32,
    sent: VecDeque<Duration>,
    clean_since: Duration,
}

impl Window {
    /// A window under a gateway that lets `gateway_calls` requests pass.
    pub fn new(gateway_calls: u32) -> Self {
        let most = (gateway_calls * AUTO_PERCENT / 100).max(FEWEST_CALLS);
        Self {
            most,
            calls: most,
            sent: VecDeque::new(),
            clean_since: Duration::ZERO,
        }
    }

    /// How many requests it lets pass in a window now.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    fn earliest(&self, now: Duration) -> Duration {
        let calls = self.calls_at(now).0 as usize;
        let at = match self.sent.len().checked_sub(calls) {
            Some(index) => self
                .sent
                .get(index)
                .map_or(now, |earlier| now.max(*earlier + GATEWAY_WINDOW)),
            None => now,
        };
        // Reservations go out in order: one granted later is never sent earlier.
        self.sent.back().map_or(at, |last| at.max(*last))
    }

    fn reserve(&mut self, now: Duration) -> Duration {
        self.recover(now);
        let at = self.earliest(now);
        self.count(at);
        at
    }

    fn count(&mut self, at: Duration) {
        self.sent.push_back(at);
        while self.sent.len() > self.most as usize {
            self.sent.pop_front();
        }
    }

    fn throttled(&mut self, now: Duration) {
        self.recover(now);
        self.calls = (self.calls / 2).max(FEWEST_CALLS);
        self.clean_since = now;
    }

    /// Each window without a 429 gives back a tenth of the whole budget.
    fn recover(&mut self, now: Duration) {
        (self.calls, self.clean_since) = self.calls_at(now);
    }

    /// The budget at a time, and since when there was no 429 that still counts.
    fn calls_at(&self, now: Duration) -> (u32, Duration) {
        let (mut calls, mut clean_since) = (self.calls, self.clean_since);
        while calls < self.most && now >= clean_since + GATEWAY_WINDOW {
            clean_since += GATEWAY_WINDOW;
            calls = (calls + self.most.div_ceil(10)).min(self.most);
        }
        (calls, clean_since)
    }

    fn estimate(&self, requests: usize) -> Duration {
        let windows = requests.saturating_sub(1) / self.calls.max(1) as usize;
        GATEWAY_WINDOW * u32::try_from(windows).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mut pace: Pace, requests: usize) -> Vec<Duration> {
        let mut now = Duration::ZERO;
        (0..requests)
            .map(|_| {
                now = pace.reserve(now);
                now
            })
            .collect()
    }

    #[test]
    fn a_bucket_is_its_arithmetic() {
        let times = run(Pace::Fixed(Bucket::new(20, 5)), 1_000);
        assert_eq!(times.get(4), Some(&Duration::ZERO));
        assert_eq!(times.get(5), Some(&Duration::from_secs(3)));
        assert_eq!(times.last(), Some(&Duration::from_secs(995 * 3)));
        let pace = Pace::Fixed(Bucket::new(20, 5));
        assert_eq!(pace.estimate(1_000), Duration::from_secs(995 * 3));
    }

    #[test]
    fn an_idle_bucket_fills_up_and_no_further() {
        let mut bucket = Bucket::new(60, 3);
        for _ in 0..3 {
            assert_eq!(bucket.reserve(Duration::ZERO), Duration::ZERO);
        }
        let later = Duration::from_secs(100);
        let times: Vec<_> = (0..4).map(|_| bucket.reserve(later)).collect();
        assert_eq!(times, [later, later, later, later + Duration::from_secs(1)]);
    }

    #[test]
    fn no_window_ever_holds_more_than_the_budget() {
        let times = run(Pace::Auto(Window::new(GATEWAY_CALLS)), 1_000);
        for (index, time) in times.iter().enumerate() {
            let inside = times
                .iter()
                .skip(index)
                .take_while(|other| **other < *time + GATEWAY_WINDOW)
                .count();
            assert!(inside <= 252, "{inside} from {time:?}");
        }
        assert_eq!(times.last(), Some(&Duration::from_secs(540)));
        let pace = Pace::Auto(Window::new(GATEWAY_CALLS));
        assert_eq!(pace.estimate(1_000), Duration::from_secs(540));
    }

    #[test]
    fn a_429_halves_the_budget_and_clean_windows_give_it_back() {
        let mut window = Window::new(GATEWAY_CALLS);
        window.throttled(Duration::from_secs(10));
        assert_eq!(window.calls(), 126);
        window.reserve(Duration::from_secs(189));
        assert_eq!(window.calls(), 126);
        window.reserve(Duration::from_secs(190));
        assert_eq!(window.calls(), 152);
        window.reserve(Duration::from_secs(190 + 5 * 180));
        assert_eq!(window.calls(), 252);
    }
}
