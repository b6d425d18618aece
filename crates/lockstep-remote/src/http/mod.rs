//! One HTTP client for everything, with bounds that no reply can pass.

mod client;
mod clock;
mod trouble;

pub use client::{BETWEEN_READS, CONNECT_TIMEOUT, Client, LARGEST_BODY};
pub(crate) use client::{Reply, Request};
pub(crate) use clock::{unix_seconds, unix_seconds_now};
