//! The one place of this crate that reads the time.

use std::fmt::Debug;

/// Tells the time. Tests bring their own.
pub trait Clock: Send + Sync + Debug {
    /// Now, in Unix milliseconds.
    fn now(&self) -> i64;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that all others ask"
    )]
    fn now(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}
