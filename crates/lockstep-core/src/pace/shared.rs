//! Several paces for one gateway, which counts all requests that come to it alike.

use std::collections::VecDeque;
use std::time::Duration;

use super::Pace;

/// So many requests are remembered, for the count of a pace that comes later: more than any window or bucket holds.
const REMEMBERED: usize = 1_000;

/// The paces of all who are at work on one gateway. Every request counts in each of them, and goes when the strictest of
/// those at work lets it. Who works no more holds nobody up, but what he sent stays counted.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    lanes: Vec<Lane>,
    sent: VecDeque<Duration>,
}

/// Who is at work at which pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

#[derive(Clone, Debug)]
struct Lane {
    /// The pace as it was set, by which it is known again.
    set: Pace,
    now: Pace,
    at_work: usize,
}

impl Paces {
    /// Somebody comes to work at a pace, given fresh. One that was there before goes on where it is; a new one counts what
    /// was sent before it.
    pub fn join(&mut self, pace: Pace) -> Place {
        if let Some(known) = self.lanes.iter().position(|lane| lane.set == pace) {
            if let Some(lane) = self.lanes.get_mut(known) {
                lane.at_work += 1;
            }
            return Place(known);
        }
        let mut now = pace.clone();
        for at in &self.sent {
            now.count(*at);
        }
        self.lanes.push(Lane {
            set: pace,
            now,
            at_work: 1,
        });
        Place(self.lanes.len() - 1)
    }

    /// Somebody is through.
    pub fn leave(&mut self, place: Place) {
        if let Some(lane) = self.lanes.get_mut(place.0) {
            lane.at_work = lane.at_work.saturating_sub(1);
        }
    }

    /// Whether nobody is at work.
    pub fn is_idle(&self) -> bool {
        self.lanes.iter().all(|lane| lane.at_work == 0)
    }

    /// When the last request was to be sent.
    pub fn last(&self) -> Option<Duration> {
        self.sent.back().copied()
    }

    /// Reserves the next request: the moment at which it may be sent, not before `now`.
    pub fn reserve(&mut self, now: Duration) -> Duration {
        let working = self.lanes.iter().filter(|lane| lane.at_work > 0);
        let at = working.fold(now, |at, lane| at.max(lane.now.earliest(now)));
        for lane in &mut self.lanes {
            if lane.at_work > 0 {
                lane.now.reserve(at);
            } else {
                lane.now.count(at);
            }
        }
        self.sent.push_back(at);
        while self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        at
    }

    /// The gateway said 429: each automatic pace takes less from now on.
    pub fn throttled(&mut self, now: Duration) {
        for lane in &mut self.lanes {
            lane.now.throttled(now);
        }
    }

    /// How long `requests` requests take at the strictest pace of those at work, from a fresh start, if each were answered
    /// at once.
    pub fn estimate(&self, requests: usize) -> Duration {
        let working = self.lanes.iter().filter(|lane| lane.at_work > 0);
        let longest = working.map(|lane| lane.now.estimate(requests)).max();
        longest.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bucket, GATEWAY_CALLS, GATEWAY_WINDOW, Window};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fixed(per_minute: u32, burst: u32) -> Pace {
        Pace::Fixed(Bucket::new(per_minute, burst))
    }

    fn auto() -> Pace {
        Pace::Auto(Window::new(GATEWAY_CALLS))
    }

    /// Sends so many requests from a moment on and answers when each goes.
    fn send(paces: &mut Paces, requests: usize, from: Duration) -> Vec<Duration> {
        let mut now = from;
        let mut next = || {
            now = paces.reserve(now);
            now
        };
        (0..requests).map(|_| next()).collect()
    }

    #[test]
    fn one_pace_alone_is_what_it_is_by_itself() {
        for pace in [fixed(20, 5), fixed(7, 60), auto(), Pace::Unlimited] {
            let mut alone = pace.clone();
            let mut paces = Paces::default();
            paces.join(pace);
            let mut now = Duration::ZERO;
            for n in 0..1_000 {
                now = alone.reserve(now + SECOND * (n % 3));
                assert_eq!(paces.reserve(now), now);
            }
        }
    }

    #[test]
    fn two_at_work_do_not_go_beyond_the_pace_of_one() {
        let mut paces = Paces::default();
        let first = paces.join(fixed(60, 3));
        assert_eq!(paces.join(fixed(60, 3)), first);
        let times = send(&mut paces, 10, Duration::ZERO);
        assert_eq!(times.last(), Some(&(SECOND * 7)));
        // One of them is through, the other one has still nothing to gain by it.
        paces.leave(first);
        assert_eq!(paces.reserve(SECOND * 7), SECOND * 8);
        assert!(!paces.is_idle());
    }

    #[test]
    fn the_strictest_of_those_at_work_holds_until_it_is_through() {
        let mut paces = Paces::default();
        paces.join(fixed(120, 10));
        let strict = paces.join(fixed(20, 1));
        assert_eq!(paces.estimate(11), SECOND * 30);
        assert_eq!(
            send(&mut paces, 3, Duration::ZERO),
            [Duration::ZERO, SECOND * 3, SECOND * 6]
        );
        paces.leave(strict);
        assert_eq!(paces.estimate(11), SECOND / 2);
        let times = send(&mut paces, 10, SECOND * 6);
        assert!(times.iter().all(|at| *at <= SECOND * 7), "{times:?}");
        // What was sent meanwhile counts for the strict one, and is no debt.
        paces.join(fixed(20, 1));
        let next = paces.reserve(SECOND * 7);
        assert!(next > SECOND * 7 && next <= SECOND * 10, "{next:?}");
    }

    #[test]
    fn what_was_sent_before_a_pace_came_counts_in_its_window() {
        let mut paces = Paces::default();
        let quick = paces.join(Pace::Unlimited);
        send(&mut paces, 250, SECOND * 10);
        paces.leave(quick);
        assert!(paces.is_idle());
        paces.join(auto());
        let times = send(&mut paces, 3, SECOND * 20);
        assert_eq!(
            times,
            [SECOND * 20, SECOND * 20, SECOND * 10 + GATEWAY_WINDOW]
        );
    }

    #[test]
    fn no_window_holds_more_than_the_budget_whoever_sends() {
        let mut paces = Paces::default();
        let mut sent = Vec::new();
        let mut now = Duration::ZERO;
        for round in 0..8_u32 {
            // Sessions come and go, and two overlap.
            let one = paces.join(auto());
            let other = (round % 2 == 0).then(|| paces.join(fixed(120, 60)));
            for _ in 0..100 {
                now = paces.reserve(now);
                sent.push(now);
            }
            paces.leave(one);
            if let Some(other) = other {
                paces.leave(other);
            }
        }
        for (index, time) in sent.iter().enumerate() {
            let inside = sent
                .iter()
                .skip(index)
                .take_while(|other| **other < *time + GATEWAY_WINDOW);
            assert!(inside.count() <= 252, "from {time:?}");
        }
    }
}
