//! Moments, as pages tell them: how far away they are, and the clock of the server beside it.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::words::{Lang, fill};

/// A moment to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// How far away it is, in words.
    pub(crate) far: String,
    /// The clock, in the server's time zone.
    pub(crate) clock: String,
    /// The same for machines.
    pub(crate) iso: String,
}

impl Moment {
    /// A moment in Unix milliseconds, seen from now.
    pub(crate) fn new(at: i64, now: i64, lang: Lang) -> Self {
        let t = lang.words();
        let apart = Duration::from_millis(at.abs_diff(now));
        let far = match apart.as_secs() {
            0..60 => t.common.now.clone(),
            _ => {
                let said = lang.duration(in_minutes(apart));
                let text = if at > now {
                    &t.common.in_time
                } else {
                    &t.common.ago
                };
                fill(text, &[("time", &said)])
            }
        };
        let stamp = Timestamp::from_millisecond(at).unwrap_or_default();
        let here = stamp.to_zoned(TimeZone::system());
        Self {
            far,
            clock: here.strftime("%Y-%m-%d %H:%M %Z").to_string(),
            iso: stamp.to_string(),
        }
    }
}

/// To the minute, for nobody reads the seconds of it.
fn in_minutes(apart: Duration) -> Duration {
    Duration::from_secs((apart.as_secs() + 30) / 60 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_how_far_it_is() {
        let far = |at: i64| Moment::new(at, 10_000_000, Lang::En).far;
        assert_eq!(far(10_000_000), "now");
        assert_eq!(far(10_000_000 + 59_000), "now");
        assert_eq!(far(10_000_000 + 5 * 3_600_000), "in 5 h");
        assert_eq!(far(10_000_000 - 125_000), "2 min ago");
        let told = Moment::new(0, 600_000, Lang::ZhCn);
        assert_eq!(told.far, "10 分钟前");
        assert_eq!(told.iso, "1970-01-01T00:00:00Z");
    }
}
