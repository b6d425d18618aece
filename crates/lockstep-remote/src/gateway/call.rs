//! One request to the gateway: its place in the pace, the fence, the send, and what is sent again by itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use reqwest::Method;
use url::Url;

use crate::http::{Reply, Request};

use super::redirect::{self, Target};
use super::throttle::{self, Throttles};
use super::{Fence, Gateway};

/// A request to one of the gateway's paths.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// The path with its query, from a slash on.
    pub(super) path: String,
    pub(super) body: Option<String>,
    /// The time limit of one attempt.
    pub(super) limit: Duration,
    /// Asked right before every send; reads need none.
    pub(super) fence: Option<&'a dyn Fence>,
}

/// A request that no reply came to, or that was surely turned away.
pub(super) struct Unanswered {
    pub(super) reach: Reach,
    pub(super) failure: Failure,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing was written.
    NotSent,
    /// It was turned away before it did anything.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl Gateway {
    /// Sends a request and answers its reply, which is neither a 429 nor a redirect. Both are sent again here, each
    /// time with a new place in the pace and past the fence again: a 429 after its pause, within bounds; a redirect
    /// that only corrects a slash, once.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Reply, Unanswered> {
        let shared = &self.shared;
        let not_sent = |failure| Unanswered {
            reach: Reach::NotSent,
            failure,
        };
        let refused = |kind, status, text: String| Unanswered {
            reach: Reach::Refused,
            failure: self.clean(Failure::status(kind, status, text)),
        };
        let headers = shared.headers.as_ref().map_err(|f| not_sent(f.clone()))?;
        let mut url = Url::parse(&shared.url.join(&call.path)).map_err(|error| {
            not_sent(Failure::new(FailureKind::WrongAddress, error.to_string()))
        })?;
        let mut throttles = Throttles::default();
        let mut corrected = false;
        loop {
            shared.pacer.acquire().await;
            if let Some(fence) = call.fence {
                fence.check().await.map_err(not_sent)?;
            }
            self.count(&call.method);
            let request = Request {
                method: call.method.clone(),
                url: url.clone(),
                headers: headers.clone(),
                body: call.body.clone(),
                limit: call.limit,
            };
            let reply = match shared.client.send(request).await {
                Ok(reply) => reply,
                Err(trouble) => {
                    return Err(Unanswered {
                        reach: if trouble.surely_not_sent {
                            Reach::NotSent
                        } else {
                            Reach::Unknown
                        },
                        failure: self.clean(trouble.failure),
                    });
                }
            };
            if let (Some(fence), 300..=399 | 429) = (call.fence, reply.status) {
                fence.turned_away();
            }
            match reply.status {
                429 => {
                    let pause = throttle::pause_asked(&reply.headers);
                    shared.throttled.fetch_add(1, Ordering::Relaxed);
                    shared
                        .pacer
                        .pause(pause, &format!("{} {}", call.method, call.path));
                    tracing::debug!(?pause, "the gateway answered 429");
                    if !throttles.may_try_again(pause) {
                        let text = format!("still 429 after many pauses, the last of {pause:?}");
                        return Err(refused(FailureKind::RateLimited, 429, text));
                    }
                }
                300..=399 => match redirect::target(&url, &reply.headers) {
                    Target::Slash(target) if !corrected => {
                        corrected = true;
                        url = target;
                    }
                    Target::Slash(target) => {
                        let text = format!("redirected to and fro: {}", target.path());
                        return Err(refused(FailureKind::Redirected, reply.status, text));
                    }
                    Target::Elsewhere(text) => {
                        return Err(refused(FailureKind::Redirected, reply.status, text));
                    }
                    Target::Unreadable => {
                        let text = "a redirect that names no readable target".to_owned();
                        return Err(refused(FailureKind::Redirected, reply.status, text));
                    }
                },
                _ => return Ok(reply),
            }
        }
    }

    fn count(&self, method: &Method) {
        let counter = if *method == Method::GET {
            &self.shared.reads
        } else {
            &self.shared.writes
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
