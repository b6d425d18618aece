//! The stopwatch, and what is told of several measurements.

use std::time::{Duration, Instant};

/// The one place where this program reads the time.
#[expect(
    clippy::disallowed_methods,
    reason = "measuring time is what this program is for"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What the work gave, and how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let value = work();
    (value, start.elapsed())
}

/// The middle one: a busy machine makes some measurements far too long, and none too short.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that so many per cent do not exceed.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = (values.len() * percent).div_ceil(100).max(1);
    values.get(place - 1).copied().unwrap_or(f64::NAN)
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Measurements of ours and of the floor, made in turn, so that what else the machine does meets both alike.
#[derive(Default)]
pub(crate) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    pub(crate) fn add(&mut self, ours: f64, floor: f64) {
        self.0.push((ours, floor));
    }

    pub(crate) fn ours(&self) -> f64 {
        median(self.0.iter().map(|(ours, _)| *ours))
    }

    pub(crate) fn floor(&self) -> f64 {
        median(self.0.iter().map(|(_, floor)| *floor))
    }

    /// The median of each pair's ratio, which is steadier than the ratio of two medians.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.0.iter().map(|(ours, floor)| ours / floor))
    }
}
