//! The only place that reads the machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's time in Unix seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "a reply without a date leaves no other clock to count from"
)]
pub(crate) fn unix_seconds_now() -> i64 {
    unix_seconds(SystemTime::now())
}

/// A point in time in Unix seconds; before 1970 it is 0.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
