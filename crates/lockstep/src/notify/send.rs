//! One message to one target: tried a few times, with waits that grow or that the target asks for.

use std::time::Duration;

use lockstep_core::retry::backoff;
use lockstep_run::outside::Outside;

use super::target::{Address, Vendor};
use super::vendor::{Verdict, judge, post};
use super::{Cause, Message, Why, mail};

/// How often a message is tried.
const TRIES: u32 = 3;
/// A longer wait is not waited for here: the message is tried again later.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long all tries with their waits may take: a mail server that says a word now and then could take an hour.
pub(super) const LONGEST: Duration = Duration::from_secs(4 * 60);

/// How sending ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// How often it was tried.
    pub(super) attempts: u32,
    /// What came of the last try, without anything secret.
    pub(super) verdict: Verdict,
}

/// Sends a message: a few tries, and an end to them. `id` is the delivery's, and `now` tells Unix milliseconds, by which
/// each try is signed.
pub(super) async fn send(
    vendor: Vendor,
    address: &Address,
    message: &Message,
    id: &str,
    now: impl Fn() -> i64,
) -> Ended {
    let tries = tried(vendor, address, message, id, now);
    match tokio::time::timeout(LONGEST, tries).await {
        Ok(ended) => ended,
        Err(_) => {
            let seconds = i64::try_from(LONGEST.as_secs()).unwrap_or(i64::MAX);
            let why = Why::new(Cause::NoEnd).number(seconds);
            Ended {
                attempts: TRIES,
                verdict: Verdict::Later(why, None),
            }
        }
    }
}

async fn tried(
    vendor: Vendor,
    address: &Address,
    message: &Message,
    id: &str,
    now: impl Fn() -> i64,
) -> Ended {
    let mut attempts = 0;
    let outside = match Outside::new(address.networks()) {
        Ok(outside) => outside,
        Err(failure) => {
            let verdict = Verdict::Refused(Why::of(&failure));
            return Ended { attempts, verdict };
        }
    };
    loop {
        attempts += 1;
        let verdict = match vendor {
            Vendor::Email => mail::send(&outside, address, message, id, attempts).await,
            _ => once(&outside, vendor, address, message, id, now()).await,
        };
        let verdict = match verdict {
            Verdict::Later(_, asked) if attempts < TRIES => {
                let wait = asked.unwrap_or_else(|| backoff(attempts, rand::random()));
                if wait <= LONGEST_WAIT {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                verdict
            }
            verdict => verdict,
        };
        let clean = |why: Why| Why {
            detail: address.clean(&why.detail),
            ..why
        };
        let verdict = match verdict {
            Verdict::Arrived => Verdict::Arrived,
            Verdict::Later(why, asked) => Verdict::Later(clean(why), asked),
            Verdict::Refused(why) => Verdict::Refused(clean(why)),
        };
        return Ended { attempts, verdict };
    }
}

async fn once(
    outside: &Outside,
    vendor: Vendor,
    address: &Address,
    message: &Message,
    id: &str,
    now: i64,
) -> Verdict {
    let post = post(vendor, address, message, id, now);
    match outside.post_json(&post.url, &post.headers, post.body).await {
        Ok(reply) => judge(vendor, &reply),
        Err(failure) => {
            let why = Why::of(&failure);
            if failure.kind.worth_a_retry(failure.http_status) {
                Verdict::Later(why, None)
            } else {
                Verdict::Refused(why)
            }
        }
    }
}
