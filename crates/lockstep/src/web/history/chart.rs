//! Values over time as steps: each holds until the next one.

use crate::web::when::Moment;
use crate::web::words::Lang;

/// The picture's size, in its own units. It is stretched to the room that there is; what is written beside it is not.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 200;
/// Room for half of a line's width at the top and at the bottom.
const EDGE: u64 = 2;
/// Below so many milliseconds times are told instead of days.
const TWO_DAYS: u64 = 2 * 86_400_000;
/// Lines of equal values, but the lowest.
const LEVELS: u32 = 4;

/// A picture of values over time.
pub(super) struct Chart {
    pub(super) lines: Vec<Line>,
    /// The lines of equal values, the highest first, at equal distances.
    pub(super) levels: Vec<Level>,
    /// What is written below, at equal distances from the first moment to the last.
    pub(super) days: Vec<String>,
}

/// What numbers a picture is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Counts: between two whole numbers there is nothing.
    Whole,
    /// Any numbers.
    Any,
}

/// The values of one thing.
pub(super) struct Line {
    pub(super) label: String,
    /// The steps, as SVG draws them.
    pub(super) path: String,
}

/// A line of equal values.
pub(super) struct Level {
    pub(super) y: u64,
    pub(super) label: String,
}

/// What is drawn as one line: its name, and its values from the oldest on, each with when it came; `None` where there is
/// no value from then on.
pub(super) struct Series {
    pub(super) label: String,
    pub(super) points: Vec<(i64, Option<f64>)>,
}

impl Chart {
    /// The picture up to a moment; `None` where no line has a value. Lines without any are left out.
    pub(super) fn steps(
        series: Vec<Series>,
        until: i64,
        lang: Lang,
        scale: Scale,
        said: impl Fn(f64) -> String,
    ) -> Option<Self> {
        let has = |one: &Series| one.points.iter().any(|(_, value)| value.is_some());
        let series: Vec<Series> = series.into_iter().filter(has).collect();
        let points = || series.iter().flat_map(|one| one.points.iter());
        let from = points().map(|(at, _)| *at).min()?;
        let until = until.max(points().map(|(at, _)| *at).max()?);
        let most = points().filter_map(|(_, value)| *value).fold(0.0, f64::max);
        let top = scale.above(most);
        let x = |at: i64| share(at.abs_diff(from), until.abs_diff(from));
        let lines = series.iter().map(|one| Line {
            label: one.label.clone(),
            path: path(&one.points, x(until), x, |value| y(value, top)),
        });
        let levels = (0..=LEVELS).rev().map(|level| {
            let value = top * f64::from(level) / f64::from(LEVELS);
            Level {
                y: y(value, top),
                label: said(value),
            }
        });
        let short = until.abs_diff(from) < TWO_DAYS;
        let middle = from + (until - from) / 2;
        let mut days: Vec<String> = [from, middle, until]
            .into_iter()
            .map(|at| {
                let clock = Moment::new(at, at, lang).clock;
                let part = if short {
                    clock.get(5..16)
                } else {
                    clock.get(..10)
                };
                part.unwrap_or_default().to_owned()
            })
            .collect();
        days.dedup();
        Some(Self {
            lines: lines.collect(),
            levels: levels.collect(),
            days,
        })
    }

    pub(super) fn width(&self) -> u64 {
        WIDTH
    }

    pub(super) fn height(&self) -> u64 {
        HEIGHT
    }
}

fn path(
    points: &[(i64, Option<f64>)],
    end: u64,
    x: impl Fn(i64) -> u64,
    y: impl Fn(f64) -> u64,
) -> String {
    let mut path = String::new();
    let mut drawn = false;
    for (at, value) in points {
        let at = x(*at);
        if drawn {
            path.push_str(&format!("H{at}"));
        }
        match value {
            Some(value) if drawn => path.push_str(&format!("V{}", y(*value))),
            Some(value) => path.push_str(&format!("M{at} {}", y(*value))),
            None => {}
        }
        drawn = value.is_some();
    }
    if drawn {
        path.push_str(&format!("H{end}"));
    }
    path
}

/// How far along the time is.
fn share(part: u64, whole: u64) -> u64 {
    let room = WIDTH;
    match whole {
        0 => 0,
        whole => {
            u64::try_from(u128::from(part) * u128::from(room) / u128::from(whole)).unwrap_or(room)
        }
    }
}

/// How far down a value is.
fn y(value: f64, top: f64) -> u64 {
    let room = (HEIGHT - 2 * EDGE) as f64;
    let up = (value / top).clamp(0.0, 1.0) * room;
    HEIGHT - EDGE - up.round() as u64
}

impl Scale {
    /// The next number above zero of which all levels read well.
    fn above(self, most: f64) -> f64 {
        let levels = f64::from(LEVELS);
        if most <= 0.0 || !most.is_finite() {
            return if self == Self::Whole { levels } else { 1.0 };
        }
        // Of counts the step from level to level is the round number, which is no less than one.
        let (most, steps): (f64, &[f64]) = match self {
            Self::Whole => ((most / levels).max(1.0), &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0]),
            Self::Any => (most, &[1.0, 2.0, 4.0, 8.0, 10.0]),
        };
        let size = 10_f64.powf(most.log10().floor());
        let fits = |step: &&f64| **step * size >= most * (1.0 - 1e-12);
        let round = steps.iter().find(fits).unwrap_or(&10.0) * size;
        if self == Self::Whole {
            round * levels
        } else {
            round
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(i64, Option<f64>)]) -> Option<Chart> {
        let series = Series {
            label: "input".to_owned(),
            points: points.to_vec(),
        };
        Chart::steps(vec![series], 1_000, Lang::En, Scale::Any, |value| {
            format!("{value}")
        })
    }

    #[test]
    fn a_value_holds_until_the_next_one_and_the_last_until_now() {
        let chart = drawn(&[(0, Some(4.0)), (500, Some(2.0))]).expect("a picture");
        assert_eq!(chart.lines[0].path, "M0 2H360V100H720");
        let labels: Vec<&str> = chart.levels.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["4", "3", "2", "1", "0"]);
    }

    #[test]
    fn where_there_is_no_value_nothing_is_drawn() {
        let chart = drawn(&[(0, Some(1.0)), (250, None), (500, Some(1.0))]).expect("a picture");
        assert_eq!(chart.lines[0].path, "M0 2H180M360 2H720");
        assert!(drawn(&[(0, None)]).is_none());
        assert!(drawn(&[]).is_none());
    }

    #[test]
    fn a_single_moment_and_a_price_of_nothing_can_be_drawn() {
        let chart = drawn(&[(1_000, Some(0.0))]).expect("a picture");
        assert_eq!(chart.lines[0].path, "M0 198H0");
    }

    #[test]
    fn the_top_is_a_round_number_above_all() {
        for (most, top) in [
            (0.0, 1.0),
            (3.0, 4.0),
            (10.0, 10.0),
            (0.15, 0.2),
            (63.0, 80.0),
        ] {
            assert!((Scale::Any.above(most) - top).abs() < 1e-9, "{most}");
        }
    }

    #[test]
    fn counts_have_levels_of_whole_numbers() {
        for (most, top) in [
            (0.0, 4.0),
            (1.0, 4.0),
            (10.0, 12.0),
            (63.0, 80.0),
            (402.0, 800.0),
        ] {
            let above = Scale::Whole.above(most);
            assert!((above - top).abs() < 1e-9, "{most}: {above}");
        }
    }
}
