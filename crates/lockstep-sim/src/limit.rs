//! The gateway's rate limiters, as values that take the time as an argument.
//!
//! Nothing here reads a clock, so a day of requests can be tried in a millisecond.

use std::collections::VecDeque;
use std::time::Duration;

/// The in-memory limiter: at most `max` requests in any stretch of `window`.
///
/// A refused request is not counted. The wait it announces is always the full window, which is longer than needed:
/// a place frees as soon as the oldest counted request is a window old.
#[derive(Debug, Clone)]
pub struct SlidingWindow {
    max: usize,
    window: Duration,
    counted: VecDeque<Duration>,
}

impl SlidingWindow {
    /// A limiter that has counted nothing yet.
    pub fn new(max: usize, window: Duration) -> Self {
        Self {
            max,
            window,
            counted: VecDeque::new(),
        }
    }

    /// Counts a request at `now`, or answers the `Retry-After` to announce.
    pub fn try_acquire(&mut self, now: Duration) -> Result<(), Duration> {
        if self.counted.len() < self.max {
            self.counted.push_back(now);
            return Ok(());
        }
        match self.counted.front() {
            Some(oldest) if now.saturating_sub(*oldest) > self.window => {
                self.counted.pop_front();
                self.counted.push_back(now);
                Ok(())
            }
            _ => Err(self.window),
        }
    }
}

/// The limiter kept in Redis: a counter that starts with the first request and is forgotten after `window`.
///
/// Around the moment of forgetting, twice `max` requests may pass. It announces what is left of the window.
#[derive(Debug, Clone)]
pub struct FixedWindow {
    max: usize,
    window: Duration,
    opened: Option<Duration>,
    counted: usize,
}

impl FixedWindow {
    /// A limiter that has counted nothing yet.
    pub fn new(max: usize, window: Duration) -> Self {
        Self {
            max,
            window,
            opened: None,
            counted: 0,
        }
    }

    /// Counts a request at `now`, or answers the `Retry-After` to announce.
    pub fn try_acquire(&mut self, now: Duration) -> Result<(), Duration> {
        let opened = match self.opened {
            Some(opened) if now.saturating_sub(opened) < self.window => opened,
            _ => {
                self.opened = Some(now);
                self.counted = 0;
                now
            }
        };
        if self.counted < self.max {
            self.counted += 1;
            return Ok(());
        }
        Err(self.window - (now - opened))
    }
}

/// Either limiter, for a gateway that does not care which it has.
#[derive(Debug, Clone)]
pub enum Limiter {
    /// Counted in the gateway's memory.
    Sliding(SlidingWindow),
    /// Counted in Redis.
    Fixed(FixedWindow),
}

impl Limiter {
    /// Counts a request at `now`, or answers the `Retry-After` to announce.
    pub fn try_acquire(&mut self, now: Duration) -> Result<(), Duration> {
        match self {
            Self::Sliding(limiter) => limiter.try_acquire(now),
            Self::Fixed(limiter) => limiter.try_acquire(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn sliding_window_frees_places_one_by_one() {
        let mut limiter = SlidingWindow::new(2, seconds(180));
        assert_eq!(limiter.try_acquire(seconds(0)), Ok(()));
        assert_eq!(limiter.try_acquire(seconds(100)), Ok(()));
        assert_eq!(limiter.try_acquire(seconds(101)), Err(seconds(180)));
        assert_eq!(limiter.try_acquire(seconds(180)), Err(seconds(180)));
        assert_eq!(limiter.try_acquire(seconds(181)), Ok(()));
        assert_eq!(limiter.try_acquire(seconds(182)), Err(seconds(180)));
    }

    #[test]
    fn sliding_window_never_passes_more_than_max_in_any_window() {
        let mut limiter = SlidingWindow::new(20, seconds(1200));
        let mut passed: Vec<u64> = Vec::new();
        for now in 0..20_000 {
            if limiter.try_acquire(seconds(now)).is_ok() {
                passed.push(now);
            }
        }
        assert!(passed.windows(21).all(|run| run[20] - run[0] > 1200));
    }

    #[test]
    fn fixed_window_announces_the_rest_and_bursts_at_the_edge() {
        let mut limiter = FixedWindow::new(2, seconds(180));
        assert_eq!(limiter.try_acquire(seconds(10)), Ok(()));
        assert_eq!(limiter.try_acquire(seconds(189)), Ok(()));
        assert_eq!(limiter.try_acquire(seconds(189)), Err(seconds(1)));
        assert_eq!(limiter.try_acquire(seconds(190)), Ok(()));
        assert_eq!(limiter.try_acquire(seconds(190)), Ok(()));
        assert_eq!(limiter.try_acquire(seconds(191)), Err(seconds(179)));
    }

    #[test]
    fn a_limit_of_zero_lets_nothing_through() {
        assert!(
            SlidingWindow::new(0, seconds(1))
                .try_acquire(seconds(0))
                .is_err()
        );
        assert!(
            FixedWindow::new(0, seconds(1))
                .try_acquire(seconds(0))
                .is_err()
        );
    }
}
