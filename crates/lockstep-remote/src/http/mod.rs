//! One HTTP client for everything, with bounds that no reply can pass.

mod address;
mod client;
mod clock;
mod guarded;
mod post;
mod trouble;

pub use address::{AddressPolicy, Refused};
pub use client::{BETWEEN_READS, CONNECT_TIMEOUT, Client, LARGEST_BODY};
pub(crate) use client::{Reply, Request};
pub(crate) use clock::{unix_seconds, unix_seconds_now};
pub(crate) use guarded::{Asking, Gate, Get};
pub use guarded::{GuardedClient, Looking, Lookup, MOST_REDIRECTS};
pub use post::{Answer, LARGEST_ANSWER, POST_TIME};
