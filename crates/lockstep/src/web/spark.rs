//! The last runs as a picture: a bar a run, as high as it took long, the part that failed in another colour. One run that
//! took far longer than the others is cut, so that the others can still be told apart.

use std::time::Duration;

use lockstep_core::change::RunState;
use lockstep_store::runs::Run;
use lockstep_store::status::RunCounts;

use super::when::Moment;
use super::words::{Lang, fill};

/// The picture's height, in its own units.
const HEIGHT: u64 = 48;
/// From one bar to the next.
const STEP: u64 = 20;
/// How many bars there is room for.
const BARS: u64 = 30;
/// The lowest bar, so that each can be seen.
const LOWEST: u64 = 4;
/// So many times as long as the middle one a run may be before its bar is cut.
const FAR: u64 = 4;

/// Bars, the oldest on the left.
pub(super) struct Spark {
    pub(super) bars: Vec<Bar>,
    /// What the height says.
    pub(super) height: String,
}

/// One run.
pub(super) struct Bar {
    pub(super) x: u64,
    /// Where the whole bar begins, and how high it is.
    pub(super) y: u64,
    pub(super) height: u64,
    /// The same of the part that failed.
    pub(super) failed_y: u64,
    pub(super) failed_height: u64,
    pub(super) when: Moment,
    pub(super) took: String,
    pub(super) success: u64,
    pub(super) failed: u64,
    pub(super) state: &'static str,
}

impl Spark {
    /// The picture of runs, which come newest first. Those under way have no length yet.
    pub(super) fn new(runs: &[(Run, RunCounts)], lang: Lang, now: i64) -> Self {
        let took = |run: &Run| Some(u64::try_from(run.took()?.as_millis()).unwrap_or(u64::MAX));
        let over = |run: &Run| {
            !matches!(
                run.state,
                RunState::Queued | RunState::Reading | RunState::Writing
            )
        };
        let shown: Vec<_> = runs
            .iter()
            .rev()
            .filter(|(run, _)| over(run))
            .filter_map(|(run, counts)| Some((run, counts, took(run)?)))
            .collect();
        let longest = shown.iter().map(|(_, _, took)| *took).max().unwrap_or(0);
        let highest = highest(shown.iter().map(|(_, _, took)| *took).collect());
        let t = &lang.words().overview;
        let words = match longest > highest {
            true => &t.bar_height_cut,
            false => &t.bar_height,
        };
        let said = lang.duration(Duration::from_millis(highest));
        let bars = shown.iter().enumerate().map(|(at, (run, counts, took))| {
            let height = scaled(*took, highest, HEIGHT).clamp(LOWEST, HEIGHT);
            let failed_height = match counts.failed {
                0 if run.state == RunState::Failed => height,
                0 => 0,
                failed => scaled(failed, counts.total, height).max(2),
            };
            Bar {
                x: u64::try_from(at).unwrap_or(0) * STEP,
                y: HEIGHT - height,
                height,
                failed_y: HEIGHT - failed_height,
                failed_height,
                when: Moment::new(run.started_at, now, lang),
                took: lang.duration(Duration::from_millis(*took)),
                success: counts.success,
                failed: counts.failed,
                state: lang.run_state(run.state),
            }
        });
        Self {
            bars: bars.collect(),
            height: fill(words, &[("time", &said)]),
        }
    }

    pub(super) fn width(&self) -> u64 {
        STEP * BARS
    }
}

/// The duration that a whole bar stands for: the longest, unless that is far beyond the one in the middle.
fn highest(mut took: Vec<u64>) -> u64 {
    took.sort_unstable();
    let longest = took.last().copied().unwrap_or(0);
    let middle = took.get(took.len() / 2).copied().unwrap_or(0);
    longest.min(middle.saturating_mul(FAR)).max(1)
}

/// The share of `value` in `most`, of `height`.
fn scaled(value: u64, most: u64, height: u64) -> u64 {
    match most {
        0 => 0,
        most => (u128::from(value) * u128::from(height) / u128::from(most))
            .try_into()
            .unwrap_or(height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_that_took_far_longer_does_not_flatten_the_others() {
        assert_eq!(highest(vec![10, 12, 9, 11, 4_000]), 44);
        assert_eq!(highest(vec![10, 12, 30]), 30);
        assert_eq!(highest(vec![7]), 7);
        assert_eq!(highest(Vec::new()), 1);
    }

    #[test]
    fn a_share_is_never_more_than_all_and_nothing_of_nothing() {
        assert_eq!(scaled(5, 10, 48), 24);
        assert_eq!(scaled(10, 10, 48), 48);
        assert_eq!(scaled(3, 0, 48), 0);
        assert_eq!(scaled(u64::MAX, u64::MAX, 48), 48);
    }
}
