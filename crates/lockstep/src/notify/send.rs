//! One message to one target: tried a few times, with waits that grow or that the target asks for.

use std::time::Duration;

use lockstep_core::retry::backoff;
use lockstep_run::outside::Outside;

use super::target::{Address, Vendor};
use super::vendor::{Verdict, judge, post};
use super::{Message, mail};
use crate::words::en;

/// How often a message is tried.
const TRIES: u32 = 3;
/// A target that asks for a longer wait is not asked again: the next run will.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How sending ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// How often it was tried.
    pub(super) attempts: u32,
    /// Why it did not arrive, without anything secret.
    pub(super) error: Option<String>,
}

/// Sends a message. `id` is the delivery's, and `now` tells Unix milliseconds, by which each try is signed.
pub(super) async fn send(
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
            let error = Some(en::notice_failure(&failure));
            return Ended { attempts, error };
        }
    };
    loop {
        attempts += 1;
        let verdict = match vendor {
            Vendor::Email => mail::send(&outside, address, message, id, attempts).await,
            _ => once(&outside, vendor, address, message, id, now()).await,
        };
        let (why, wait) = match verdict {
            Verdict::Arrived => {
                return Ended {
                    attempts,
                    error: None,
                };
            }
            Verdict::Refused(why) => (why, None),
            Verdict::Later(why, asked) if attempts < TRIES => {
                let wait = asked.unwrap_or_else(|| backoff(attempts, rand::random()));
                (why, Some(wait).filter(|wait| *wait <= LONGEST_WAIT))
            }
            Verdict::Later(why, _) => (why, None),
        };
        match wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => {
                let error = Some(address.clean(&why));
                return Ended { attempts, error };
            }
        }
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
            let why = en::notice_failure(&failure);
            if failure.kind.worth_a_retry(failure.http_status) {
                Verdict::Later(why, None)
            } else {
                Verdict::Refused(why)
            }
        }
    }
}
