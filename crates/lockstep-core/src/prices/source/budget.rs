//! How often one host may be asked for its `/api/ratio_config`.
//!
//! A gateway counts that list, sign-ins and token creation in one small bucket per address: twenty in twenty minutes.
//! Whoever empties it locks people out of their own console.

use std::collections::BTreeMap;

/// The calls that one host gets within [`WINDOW`]. Two of the gateway's twenty stay free for a person who signs in.
pub const CALLS: usize = 18;
/// The window in seconds.
pub const WINDOW: i64 = 20 * 60;

/// When each host was asked within the window: a plain value, so that its owner can store it between processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallBudget {
    /// The times of the calls in Unix seconds, by `host:port`.
    pub calls: BTreeMap<String, Vec<i64>>,
}

impl CallBudget {
    /// Counts a call at `now`, in Unix seconds.
    ///
    /// # Errors
    ///
    /// The time from which the next call is free, when there are [`CALLS`] within the window. Nothing is counted then.
    pub fn take(&mut self, host: &str, now: i64) -> Result<(), i64> {
        self.forget(now);
        let calls = self.calls.entry(host.to_owned()).or_default();
        // Free once fewer than `CALLS` are left, however many were stored.
        let frees = calls.len().checked_sub(CALLS);
        if let Some(at) = frees.and_then(|index| calls.get(index)) {
            return Err(at.saturating_add(WINDOW));
        }
        calls.push(now);
        Ok(())
    }

    /// Drops what is past the window. A time in the future, left by a clock that ran ahead, counts as now, so that it
    /// shuts nobody out for longer than the window.
    pub fn forget(&mut self, now: i64) {
        self.calls.retain(|_, calls| {
            calls.retain_mut(|at| {
                *at = (*at).min(now);
                now.saturating_sub(*at) < WINDOW
            });
            calls.sort_unstable();
            !calls.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighteen_calls_in_twenty_minutes_and_then_one_as_each_leaves_the_window() {
        let mut budget = CallBudget::default();
        for second in 0..18 {
            assert_eq!(budget.take("a:443", second), Ok(()));
        }
        assert_eq!(budget.take("a:443", 18), Err(WINDOW));
        assert_eq!(budget.take("b:443", 18), Ok(()), "another host has its own");
        assert_eq!(budget.take("a:443", WINDOW - 1), Err(WINDOW));
        assert_eq!(budget.take("a:443", WINDOW), Ok(()));
        assert_eq!(budget.take("a:443", WINDOW), Err(WINDOW + 1));
        budget.forget(3 * WINDOW);
        assert_eq!(budget, CallBudget::default());
    }

    #[test]
    fn no_window_of_twenty_minutes_ever_has_more_than_eighteen() {
        let mut budget = CallBudget::default();
        let taken: Vec<i64> = (0..20_000)
            .step_by(7)
            .filter(|now| budget.take("a:443", *now).is_ok())
            .collect();
        for (index, first) in taken.iter().enumerate() {
            let within = taken.iter().skip(index).filter(|at| **at < first + WINDOW);
            assert!(within.count() <= CALLS);
        }
        assert!(taken.len() >= 17 * CALLS, "{} of 16.6 windows", taken.len());
    }

    #[test]
    fn a_clock_that_was_ahead_shuts_nobody_out_for_longer_than_the_window() {
        let mut budget = CallBudget::default();
        let ahead = 1_000_000;
        for _ in 0..CALLS {
            assert_eq!(budget.take("a:443", ahead), Ok(()));
        }
        assert_eq!(budget.take("a:443", 5_000), Err(5_000 + WINDOW));
        assert_eq!(budget.take("a:443", 5_000 + WINDOW), Ok(()));
    }
}
