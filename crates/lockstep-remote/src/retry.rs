//! Reading again after a failure that may pass.

use std::future::Future;

use lockstep_core::failure::Failure;
use lockstep_core::retry::backoff;

/// What came of a read, and after how many tries.
#[derive(Clone, Debug)]
#[must_use]
pub struct Tried<T> {
    /// The value, or the last try's failure.
    pub result: Result<T, Failure>,
    /// How many tries were made, from 1. A 429 of the gateway is no try: it is waited out inside one.
    pub attempts: u32,
}

/// Tries `read` once and up to `max_retries` times more, with growing, jittered waits between the tries.
/// A failure that would be answered alike ([`lockstep_core::failure::FailureKind::worth_a_retry`]) ends it at once.
/// Dropping the future cancels it, during a wait too. Never give it a write.
pub async fn read_with_retries<T, F>(max_retries: u32, mut read: impl FnMut() -> F) -> Tried<T>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut attempts = 1;
    loop {
        match read().await {
            Err(failure)
                if attempts <= max_retries && failure.kind.worth_a_retry(failure.http_status) =>
            {
                tracing::debug!(kind = failure.kind.code(), attempts, "trying again");
                tokio::time::sleep(backoff(attempts, rand::random())).await;
                attempts += 1;
            }
            result => return Tried { result, attempts },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use lockstep_core::failure::FailureKind;
    use tokio::time::Instant;

    use super::*;

    async fn failing(kind: FailureKind, status: Option<u16>, max_retries: u32) -> u32 {
        let calls = Cell::new(0);
        let tried: Tried<()> = read_with_retries(max_retries, || {
            calls.set(calls.get() + 1);
            let mut failure = Failure::new(kind, "");
            failure.http_status = status;
            async { Err(failure) }
        })
        .await;
        assert_eq!(tried.attempts, calls.get());
        assert!(tried.result.is_err());
        tried.attempts
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_as_often_as_set_and_refusals_once() {
        assert_eq!(failing(FailureKind::ServerError, Some(502), 3).await, 4);
        assert_eq!(failing(FailureKind::ProviderStatus, Some(429), 2).await, 3);
        assert_eq!(failing(FailureKind::Timeout, None, 0).await, 1);
        assert_eq!(failing(FailureKind::Unauthorized, Some(401), 5).await, 1);
        assert_eq!(failing(FailureKind::ProviderStatus, Some(404), 5).await, 1);
        assert_eq!(failing(FailureKind::TooLarge, None, 5).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_ends_it_and_waits_stay_under_their_ceilings() {
        let start = Instant::now();
        let mut left = 3;
        let tried = read_with_retries(5, || {
            left -= 1;
            let result = match left {
                0 => Ok("there"),
                _ => Err(Failure::new(FailureKind::Broken, "")),
            };
            async { result }
        })
        .await;
        assert_eq!((tried.result, tried.attempts), (Ok("there"), 3));
        assert!(start.elapsed().as_secs() <= 1 + 2);
    }
}
