//! Values over time as steps: each holds until the next one.

use crate::web::when::Moment;
use crate::web::words::Lang;

/// The picture's size, in its own units.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 240;
/// What is around the steps: room for the values on the left, for the days below.
const LEFT: u64 = 72;
const RIGHT: u64 = 16;
const TOP: u64 = 12;
const BELOW: u64 = 28;
/// Below so many milliseconds times are told instead of days.
const TWO_DAYS: u64 = 2 * 86_400_000;
/// Lines of equal values, but the lowest.
const LEVELS: u32 = 4;

/// A picture of values over time.
pub(super) struct Chart {
    pub(super) lines: Vec<Line>,
    pub(super) levels: Vec<Level>,
    pub(super) days: Vec<Day>,
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

/// A time below the picture.
pub(super) struct Day {
    pub(super) x: u64,
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
        said: impl Fn(f64) -> String,
    ) -> Option<Self> {
        let has = |one: &Series| one.points.iter().any(|(_, value)| value.is_some());
        let series: Vec<Series> = series.into_iter().filter(has).collect();
        let points = || series.iter().flat_map(|one| one.points.iter());
        let from = points().map(|(at, _)| *at).min()?;
        let until = until.max(points().map(|(at, _)| *at).max()?);
        let most = points().filter_map(|(_, value)| *value).fold(0.0, f64::max);
        let top = round_above(most);
        let x = |at: i64| LEFT + share(at.abs_diff(from), until.abs_diff(from));
        let lines = series.iter().map(|one| Line {
            label: one.label.clone(),
            path: path(&one.points, x(until), x, |value| y(value, top)),
        });
        let levels = (0..=LEVELS).map(|level| {
            let value = top * f64::from(level) / f64::from(LEVELS);
            Level {
                y: y(value, top),
                label: said(value),
            }
        });
        let short = until.abs_diff(from) < TWO_DAYS;
        let middle = from + (until - from) / 2;
        let mut days: Vec<Day> = [from, middle, until]
            .into_iter()
            .map(|at| {
                let clock = Moment::new(at, at, lang).clock;
                let part = if short {
                    clock.get(5..16)
                } else {
                    clock.get(..10)
                };
                Day {
                    x: x(at),
                    label: part.unwrap_or_default().to_owned(),
                }
            })
            .collect();
        days.dedup_by(|next, day| next.label == day.label);
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

    /// Where the steps begin and end, and where the days are written.
    pub(super) fn left(&self) -> u64 {
        LEFT
    }

    pub(super) fn right(&self) -> u64 {
        WIDTH - RIGHT
    }

    pub(super) fn below(&self) -> u64 {
        HEIGHT - 8
    }

    /// How a day is written: the first to its right, the last to its left.
    pub(super) fn anchor(&self, day: &Day) -> &'static str {
        match day.x {
            LEFT => "start",
            x if x + RIGHT >= WIDTH => "end",
            _ => "middle",
        }
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
    let room = WIDTH - LEFT - RIGHT;
    match whole {
        0 => 0,
        whole => {
            u64::try_from(u128::from(part) * u128::from(room) / u128::from(whole)).unwrap_or(room)
        }
    }
}

/// How far down a value is.
fn y(value: f64, top: f64) -> u64 {
    let room = (HEIGHT - TOP - BELOW) as f64;
    let up = (value / top).clamp(0.0, 1.0) * room;
    HEIGHT - BELOW - up.round() as u64
}

/// The next number that levels read well of, above zero.
fn round_above(most: f64) -> f64 {
    if most <= 0.0 || !most.is_finite() {
        return 1.0;
    }
    let size = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 4.0, 8.0, 10.0];
    let fits = |step: &f64| step * size >= most * (1.0 - 1e-12);
    steps.into_iter().find(fits).unwrap_or(10.0) * size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(i64, Option<f64>)]) -> Option<Chart> {
        let series = Series {
            label: "input".to_owned(),
            points: points.to_vec(),
        };
        Chart::steps(vec![series], 1_000, Lang::En, |value| format!("{value}"))
    }

    #[test]
    fn a_value_holds_until_the_next_one_and_the_last_until_now() {
        let chart = drawn(&[(0, Some(4.0)), (500, Some(2.0))]).expect("a picture");
        assert_eq!(chart.lines[0].path, "M72 12H388V112H704");
        let labels: Vec<&str> = chart.levels.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["0", "1", "2", "3", "4"]);
    }

    #[test]
    fn where_there_is_no_value_nothing_is_drawn() {
        let chart = drawn(&[(0, Some(1.0)), (250, None), (500, Some(1.0))]).expect("a picture");
        assert_eq!(chart.lines[0].path, "M72 12H230M388 12H704");
        assert!(drawn(&[(0, None)]).is_none());
        assert!(drawn(&[]).is_none());
    }

    #[test]
    fn a_single_moment_and_a_price_of_nothing_can_be_drawn() {
        let chart = drawn(&[(1_000, Some(0.0))]).expect("a picture");
        assert_eq!(chart.lines[0].path, "M72 212H72");
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
            assert!((round_above(most) - top).abs() < 1e-9, "{most}");
        }
    }
}
