//! How long to wait before the next try of a read: exponential, full jitter, bounded.

use std::time::Duration;

/// The first ceiling; each further try doubles it.
pub const FIRST: Duration = Duration::from_secs(1);
/// No wait is longer.
pub const LONGEST: Duration = Duration::from_secs(30);
/// A gateway may ask for a pause of at most this long; more is cut to it.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(20 * 60);
/// The pause after a 429 that names none, or nothing readable.
pub const PAUSE_WITHOUT_WORD: Duration = Duration::from_secs(10);

/// The wait before try `attempt + 1`, after `attempt` tries (from 1) failed. `chance` is drawn evenly from
/// 0 to 1: full jitter, so that many channels of one sick provider do not come back as one.
pub fn backoff(attempt: u32, chance: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let ceiling = (FIRST * 2u32.saturating_pow(doublings)).min(LONGEST);
    ceiling.mul_f64(chance.clamp(0.0, 1.0))
}

/// How long a `Retry-After` header asks to wait. `since` is the reply's own date in Unix seconds, so that a gateway
/// whose clock is an hour off is still understood; `date` reads an HTTP date into Unix seconds.
/// Zero, negative and unreadable values count as none; a huge one is cut to [`LONGEST_PAUSE`].
pub fn retry_after(
    header: Option<&str>,
    since: i64,
    date: impl Fn(&str) -> Option<i64>,
) -> Duration {
    let Some(text) = header.map(str::trim).filter(|text| !text.is_empty()) else {
        return PAUSE_WITHOUT_WORD;
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if digits {
        // More digits than fit are a very long wait, not an unreadable one.
        text.parse::<i64>().unwrap_or(i64::MAX)
    } else if let Some(at) = date(text) {
        at.saturating_sub(since)
    } else if let Ok(number) = text.parse::<f64>() {
        number.ceil() as i64
    } else {
        return PAUSE_WITHOUT_WORD;
    };
    if seconds <= 0 {
        return PAUSE_WITHOUT_WORD;
    }
    Duration::from_secs(seconds.unsigned_abs()).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_bounded() {
        let ceilings: Vec<u64> = (1..=7).map(|n| backoff(n, 1.0).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
        assert_eq!(backoff(u32::MAX, 2.0), LONGEST);
    }

    #[test]
    fn the_pause_is_never_shorter_than_asked_and_never_absurd() {
        let date = |text: &str| (text == "Sun, 22 Nov 2026 10:00:07 GMT").then_some(1_007);
        let pause = |header| retry_after(header, 1_000, date).as_secs();
        assert_eq!(pause(Some("7")), 7);
        assert_eq!(pause(Some("Sun, 22 Nov 2026 10:00:07 GMT")), 7);
        for word in [None, Some("0"), Some("-1"), Some("garbage"), Some("")] {
            assert_eq!(pause(word), PAUSE_WITHOUT_WORD.as_secs(), "{word:?}");
        }
        assert_eq!(pause(Some("1000000000")), LONGEST_PAUSE.as_secs());
        assert_eq!(pause(Some("99999999999999999999")), LONGEST_PAUSE.as_secs());
        assert_eq!(pause(Some("1e9")), LONGEST_PAUSE.as_secs());
    }
}
