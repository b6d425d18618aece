//! 429: how long the gateway asks to wait, and when one request has waited enough.

use std::time::Duration;

use lockstep_core::retry::retry_after;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::http::{unix_seconds, unix_seconds_now};

/// How often one request is answered 429 before it is given up.
const MOST_REFUSALS: u32 = 20;
/// How long the pauses that one request met may be in sum.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// The pauses that one request has met.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    refusals: u32,
    waited: Duration,
}

impl Throttles {
    /// Counts one more 429, and answers whether the request may be sent again after it.
    pub(super) fn may_try_again(&mut self, pause: Duration) -> bool {
        self.refusals += 1;
        self.waited = self.waited.saturating_add(pause);
        self.refusals < MOST_REFUSALS && self.waited <= LONGEST_WAIT
    }
}

/// The pause that a 429 asks for. A date is counted from the reply's own clock, which may be wrong by hours.
pub(super) fn pause_asked(headers: &HeaderMap) -> Duration {
    let since = clock(headers).unwrap_or_else(unix_seconds_now);
    retry_after(text(headers, &RETRY_AFTER), since, date)
}

/// The reply's own clock in Unix seconds.
pub(super) fn clock(headers: &HeaderMap) -> Option<i64> {
    text(headers, &DATE).and_then(date)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn date(text: &str) -> Option<i64> {
    httpdate::parse_http_date(text).ok().map(unix_seconds)
}

#[cfg(test)]
mod tests {
    use lockstep_core::pace::Pace;
    use reqwest::header::HeaderValue;
    use tokio::time::Instant;

    use super::*;
    use crate::pace::Pacer;

    #[tokio::test(start_paused = true)]
    async fn after_a_429_the_next_call_is_not_earlier_than_asked() {
        for (header, at_least) in [
            (Some("7"), 7),
            (Some("Sun, 22 Nov 2026 10:00:07 GMT"), 7),
            (Some("0"), 1),
            (Some("-1"), 1),
            (Some("1000000000"), 20 * 60),
            (Some("garbage"), 1),
            (None, 1),
        ] {
            let mut headers = HeaderMap::from_iter([(
                DATE,
                HeaderValue::from_static("Sun, 22 Nov 2026 10:00:00 GMT"),
            )]);
            if let Some(header) = header {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(header));
            }
            let pacer = Pacer::new(Pace::Unlimited);
            pacer.acquire().await;
            let told = Instant::now();
            pacer.pause(pause_asked(&headers), "GET /");
            pacer.acquire().await;
            let waited = told.elapsed();
            assert!(waited.as_secs() >= at_least, "{header:?}: {waited:?}");
            assert!(waited <= Duration::from_secs(20 * 60), "{header:?}");
        }
    }

    #[test]
    fn a_request_gives_up_after_twenty_refusals_or_an_hour() {
        let tries = |pause: u64| {
            let mut throttles = Throttles::default();
            let pause = Duration::from_secs(pause);
            (1..100).find(|_| !throttles.may_try_again(pause))
        };
        assert_eq!(tries(1), Some(20));
        assert_eq!(tries(20 * 60), Some(4));
        assert_eq!(tries(180), Some(20));
    }
}
